"""Bytes on their way in: counted, digested and looked at while they pass, never held (operations.md 2.5).

Must not write them anywhere; whoever takes them from here seals them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gateway.domain.clock import Clock
from gateway.domain.errors import FromCaller
from gateway.domain.reasons import Reason
from gateway.materials.sniff import Sniffer
from gateway.signing.chunks import CHUNK, Digester, Readable


class Unfit(FromCaller):
    """What came is not what was signed: other size, digest or type."""


class Arriving:
    """One file as it comes. Iterating raises ``Unfit`` as soon as it cannot be the signed one any more."""

    def __init__(
        self, source: Readable, *, size: int, digest: str, type_: str, clock: Clock, time_limit: timedelta
    ) -> None:
        self._source = source
        self._size = size
        self._digest = digest
        self._clock = clock
        self._ends = clock.monotonic() + time_limit.total_seconds()
        self._digester = Digester(digest.partition(":")[0])
        self._sniffer = Sniffer(type_)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes in pieces; ends only when they are, to the last one, what was signed."""
        left = self._size
        while left:
            piece = self._piece(left)
            left -= len(piece)
            self._digester.update(piece)
            self._sniffer.update(piece)
            yield piece
        if self._digester.label() != self._digest:
            raise Unfit(Reason.BLOB_MISMATCH)
        if not self._sniffer.fits():
            raise Unfit(Reason.BLOB_TYPE)

    def _piece(self, left: int) -> bytes:
        try:
            piece = self._source.read(min(CHUNK, left))
        except OSError:  # the line broke, or was silent for too long
            piece = b""
        if not piece or self._clock.monotonic() > self._ends:
            raise Unfit(Reason.BLOB_MISMATCH)
        return piece
