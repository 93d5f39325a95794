"""Files in pieces: whole and in order, or not at all."""

from __future__ import annotations

import hashlib
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.signing.canon import sm3_hex
from gateway.signing.chunks import CHUNK, Digester, open_chunks, seal_chunks, sealed_size
from gateway.signing.secret import Secret
from gateway.signing.vault import NotOpened, Vault

VAULT = Vault(Secret(os.urandom(32)), "k1", index_key=Secret(os.urandom(32)))
KEY = VAULT.new_data_key()
PLACE = "blob:0001:file"
SEALED_CHUNK = CHUNK + 29
PLAIN = os.urandom(3 * CHUNK + 777)


def sealed(plain: bytes, *, place: str = PLACE, piece: int = 10_000) -> bytes:
    return b"".join(seal_chunks(KEY, place, (plain[i : i + piece] for i in range(0, len(plain), piece))))


def opened(raw: bytes, *, place: str = PLACE) -> bytes:
    return b"".join(open_chunks(KEY, place, io.BytesIO(raw)))


def chunks_of(raw: bytes) -> list[bytes]:
    return [raw[i : i + SEALED_CHUNK] for i in range(1, len(raw), SEALED_CHUNK)]


class Dripping:
    """A source that gives a few bytes at a time, as sockets do."""

    def __init__(self, raw: bytes) -> None:
        self._source = io.BytesIO(raw)

    def read(self, size: int, /) -> bytes:
        return self._source.read(min(size, 7_001))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 777])
def test_what_is_sealed_opens_again_and_has_the_size_foretold(size: int) -> None:
    raw = sealed(PLAIN[:size])
    assert opened(raw) == PLAIN[:size]
    assert len(raw) == sealed_size(size)
    assert b"".join(open_chunks(KEY, PLACE, Dripping(raw))) == PLAIN[:size]


@given(st.lists(st.integers(0, CHUNK * 2), max_size=5))
def test_the_pieces_it_came_in_leave_no_trace(sizes: list[int]) -> None:
    plain = PLAIN * 4
    pieces, start = [], 0
    for size in sizes:
        pieces.append(plain[start : start + size])
        start += size
    raw = b"".join(seal_chunks(KEY, PLACE, pieces))
    assert opened(raw) == plain[: min(start, len(plain))]
    assert len(raw) == sealed_size(min(start, len(plain)))


def test_nothing_plain_stands_in_the_file() -> None:
    words = b"a-name-and-a-number" * 10_000
    assert b"a-name" not in sealed(words)
    assert sealed(words) != sealed(words)


@pytest.mark.parametrize("cut", [0, 1, 1 + SEALED_CHUNK, 1 + 2 * SEALED_CHUNK, 1 + SEALED_CHUNK + 5, -1, -777])
def test_a_cut_file_does_not_open(cut: int) -> None:
    with pytest.raises(NotOpened):
        opened(sealed(PLAIN)[:cut])


def test_exchanged_repeated_or_missing_chunks_do_not_open() -> None:
    raw = sealed(PLAIN)
    one, two, three, last = chunks_of(raw)
    for wrong in ([two, one, three, last], [one, one, three, last], [one, three, last], [one, two, three, last, last]):
        with pytest.raises(NotOpened):
            opened(raw[:1] + b"".join(wrong))


def test_a_longer_file_does_not_open() -> None:
    raw = sealed(PLAIN[: 2 * CHUNK])
    with pytest.raises(NotOpened):
        opened(raw + chunks_of(raw)[-1])
    with pytest.raises(NotOpened):
        opened(raw + b"x")


def test_a_chunk_of_another_file_does_not_open() -> None:
    own, other = sealed(PLAIN), sealed(PLAIN, place="blob:0002:file")
    with pytest.raises(NotOpened):
        opened(other)
    with pytest.raises(NotOpened):
        opened(own[:1] + chunks_of(other)[0] + b"".join(chunks_of(own)[1:]))


@given(st.integers(0, sealed_size(CHUNK + 100) - 1), st.integers(1, 255))
def test_a_file_with_one_byte_changed_does_not_open(place: int, flip: int) -> None:
    raw = bytearray(sealed(PLAIN[: CHUNK + 100]))
    raw[place] ^= flip
    with pytest.raises(NotOpened):
        opened(bytes(raw))


def test_digests_are_those_of_the_whole() -> None:
    for algorithm, digits in (("sha256", hashlib.sha256(PLAIN).hexdigest()), ("sm3", sm3_hex(PLAIN))):
        digester = Digester(algorithm)
        for start in range(0, len(PLAIN), 5_000):
            digester.update(PLAIN[start : start + 5_000])
        assert digester.label() == digester.label() == f"{algorithm}:{digits}"
    with pytest.raises(ValueError, match="md5"):
        Digester("md5")
