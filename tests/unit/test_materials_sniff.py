"""Types by first bytes, texts to their end."""

from __future__ import annotations

import pytest

from gateway.materials.limits import JPEG, JSON, PDF, PNG, TEXT
from gateway.materials.sniff import Sniffer

HEADS = {PDF: b"%PDF-1.7\n", PNG: b"\x89PNG\r\n\x1a\n\x00\x00", JPEG: b"\xff\xd8\xff\xe0\x00\x10JFIF"}


def fits(type_: str, *pieces: bytes) -> bool:
    sniffer = Sniffer(type_)
    for piece in pieces:
        sniffer.update(piece)
    return sniffer.fits()


@pytest.mark.parametrize("signed", [*HEADS, JSON, TEXT])
@pytest.mark.parametrize("real", HEADS)
def test_a_picture_or_document_is_only_what_it_begins_as(signed: str, real: str) -> None:
    assert fits(signed, HEADS[real] + b"x" * 100) == (signed == real)


@pytest.mark.parametrize("type_", HEADS)
def test_the_first_bytes_may_come_one_by_one(type_: str) -> None:
    assert fits(type_, *(HEADS[type_][i : i + 1] for i in range(len(HEADS[type_]))))


@pytest.mark.parametrize("type_", [*HEADS, JSON])
@pytest.mark.parametrize(
    "content", [b"", b"MZ\x90\x00", b" %PDF-1.7", b"<svg onload=alert(1)>", b"GIF89a", b"PK\x03\x04"]
)
def test_what_is_nothing_of_the_kind_does_not_pass(type_: str, content: bytes) -> None:
    assert not fits(type_, content)


def test_a_form_is_an_object_in_utf8() -> None:
    assert fits(JSON, b' \r\n\t{"name":"', "陈㐂宁".encode(), b'"}')
    assert not fits(JSON, b'["a"]')
    assert not fits(JSON, b'{"a":"', b"\xd6\xd0", b'"}')


def test_a_character_may_lie_on_the_seam_of_two_pieces_but_not_be_cut_off() -> None:
    raw = "{陈}".encode()
    assert fits(JSON, raw[:2], raw[2:])
    assert fits(TEXT, *(raw[i : i + 1] for i in range(len(raw))))
    assert not fits(TEXT, raw[:2])


@pytest.mark.parametrize("byte", [b"\x00", b"\x07", b"\x1b", b"\x7f"])
def test_a_text_holds_no_control_characters_anywhere(byte: bytes) -> None:
    assert not fits(TEXT, b"D|1|2\n" * 10, b"D|" + byte + b"|3\n")
    assert fits(TEXT, b"D|1|2\n\tD|3|4\r\n")
