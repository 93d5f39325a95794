"""Files too large to hold at once: sealed, opened and digested piece by piece.

Must not know where the bytes lie. Every chunk is sealed for its place, its number and whether it is the last one, so
a file that was cut, lengthened, or whose chunks were exchanged does not open. A file is a version byte and chunks; all
but the last hold ``CHUNK`` plain bytes, so nothing has to say how long they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes

from gateway.signing.vault import DataKey, NotOpened

CHUNK: Final = 65_536  # plain bytes
_VERSION: Final = b"\x04"
_EXTRA: Final = 1 + 12 + 16  # what sealing under a data key adds: version, nonce, tag


class Readable(Protocol):
    """A source of bytes: ``read(n)`` gives at most ``n`` bytes, none at the end."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; fewer only mean that more may follow."""
        ...


def seal_chunks(key: DataKey, place: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The sealed file of ``pieces`` (of any length), part by part; holds no more than two chunks at a time."""
    yield _VERSION
    number, held = 0, bytearray()
    for piece in pieces:
        held += piece
        while len(held) > CHUNK:  # the last one may be full: whether it is the last is known only when more comes
            yield key.seal(bytes(held[:CHUNK]), _at(place, number, last=False))
            del held[:CHUNK]
            number += 1
    yield key.seal(bytes(held), _at(place, number, last=True))


def open_chunks(key: DataKey, place: str, sealed: Readable) -> Iterator[bytes]:
    """The plain chunks, one by one. Raises ``NotOpened`` at the first that is not what was sealed there.

    A cut is found only at its place: ask ``sealed_size`` first where no byte may be given out in vain.
    """
    if _exactly(sealed, 1) != _VERSION:
        raise NotOpened("not a file of sealed chunks")
    number, chunk = 0, _exactly(sealed, CHUNK + _EXTRA)
    while True:
        following = _exactly(sealed, CHUNK + _EXTRA)
        yield key.open(chunk, _at(place, number, last=not following))
        if not following:
            return
        number, chunk = number + 1, following


def sealed_size(size: int) -> int:
    """Bytes of the sealed file of ``size`` plain bytes."""
    chunks = max(1, -(-size // CHUNK))
    return len(_VERSION) + size + chunks * _EXTRA


class Digester:
    """``sha256`` or ``sm3`` over pieces; ``label`` is the digest as it is written (operations.md 2.1)."""

    __slots__ = ("_algorithm", "_sha256", "_sm3")

    def __init__(self, algorithm: str) -> None:
        """Raises ``ValueError`` for another algorithm."""
        if algorithm not in {"sha256", "sm3"}:
            raise ValueError(f"no digest called {algorithm!r}")
        self._algorithm = algorithm
        self._sha256 = hashlib.sha256() if algorithm == "sha256" else None
        self._sm3 = hashes.Hash(hashes.SM3()) if algorithm == "sm3" else None

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        if self._sha256 is not None:
            self._sha256.update(piece)
        elif self._sm3 is not None:
            self._sm3.update(piece)

    def label(self) -> str:
        """``sha256:`` or ``sm3:`` and 64 lower-case hex digits."""
        if self._sha256 is not None:
            return f"sha256:{self._sha256.hexdigest()}"
        assert self._sm3 is not None
        return f"sm3:{self._sm3.copy().finalize().hex()}"


def _at(place: str, number: int, *, last: bool) -> str:
    return f"{place}:{number}:{'last' if last else 'more'}"


def _exactly(source: Readable, size: int) -> bytes:
    """``size`` bytes, fewer only at the end."""
    parts: list[bytes] = []
    while size > 0:
        part = source.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
