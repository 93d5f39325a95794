"""The checkpoint line, format v1."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import BadCheckpoint, Checkpoint, read, sign_checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)  # worthless
AT = datetime(2026, 11, 23, 2, 16, 0, 5000, tzinfo=UTC)
ROOT = bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")


def _made() -> Checkpoint:
    return sign_checkpoint("demo-log", 8, root=ROOT, at=AT, key="cp-2026", sign=KEY.sign)


def test_the_signed_bytes_of_v1_never_change() -> None:
    assert _made().signed_bytes() == (
        b"ft-gov checkpoint v1\n"
        b'{"at":"2026-11-23T10:16:00.005+08:00","key":"cp-2026","log":"demo-log",'
        b'"root":"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328","size":"8","v":"1"}'
    )


def test_the_signature_is_over_the_line_without_its_signature() -> None:
    made = _made()
    KEY.public_key().verify(bytes.fromhex(made.sig), made.signed_bytes())
    without = made.line().replace(f'"sig":"{made.sig}",'.encode(), b"")
    assert made.signed_bytes() == b"ft-gov checkpoint v1\n" + without


def test_a_checkpoint_read_back_equals_the_one_signed() -> None:
    assert read(_made().line()) == _made()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"size":"8"', b'"size":"08"'),
        (b'"size":"8"', b'"size":8'),
        (b'"v":"1"', b'"v":"2"'),
        (b'"v":"1"', b'"v":"1","w":"1"'),
        (b"5dc9", b"5DC9"),
        (b'{"at"', b'{ "at"'),
        (b"}", b"}\n"),
        (b"2026-11-23", b"2026-02-30"),
        (b"demo-log", b"demo\xfflog"),
        (b"demo-log", b"demo-log" + b"x" * 1024),
        (b'"log":"demo-log",', b""),
    ],
)
def test_anything_but_the_canonical_line_is_refused(old: bytes, new: bytes) -> None:
    line = _made().line()
    assert old in line
    with pytest.raises(BadCheckpoint):
        read(line.replace(old, new, 1))


def test_what_is_not_of_the_format_is_not_signed() -> None:
    asked: list[bytes] = []

    def sign(message: bytes) -> bytes:
        asked.append(message)
        return KEY.sign(message)

    with pytest.raises(BadCheckpoint, match="zone"):
        sign_checkpoint("demo-log", 8, root=ROOT, at=datetime(2026, 11, 23), key="cp", sign=sign)
    with pytest.raises(BadCheckpoint, match="id"):
        sign_checkpoint('x","y":"', 8, root=ROOT, at=AT, key="cp", sign=sign)
    with pytest.raises(BadCheckpoint, match="size"):
        sign_checkpoint("demo-log", -1, root=ROOT, at=AT, key="cp", sign=sign)
    with pytest.raises(BadCheckpoint, match="size"):
        sign_checkpoint("demo-log", 1, root=ROOT[:31], at=AT, key="cp", sign=sign)
    assert asked == []
    with pytest.raises(BadCheckpoint, match="signature"):
        sign_checkpoint("demo-log", 1, root=ROOT, at=AT, key="cp", sign=lambda _: b"short")


def test_a_log_without_entries_has_a_checkpoint_too() -> None:
    made = sign_checkpoint("demo-log", 0, root=b"\x00" * 32, at=AT, key="cp", sign=KEY.sign)
    assert read(made.line()).size == 0
