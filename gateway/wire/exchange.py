"""One message that went out or came in, as it will be kept: the record and the protocol of whoever keeps it.

Must not store anything itself (``bootstrap`` hands the store's recorder in) and must not judge or mask: masking
is the peer's ``scrub``, called by the recorder.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import structlog

log = structlog.get_logger("wire.exchange")


class Ending(StrEnum):
    """How an attempt ended; the same three families the caller sees as an answer or an exception."""

    ANSWERED = "answered"
    NOT_DELIVERED = "not_delivered"
    UNKNOWN = "delivery_unknown"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt to exchange one message with a peer.

    ``request`` and ``response`` are the bodies, ``*_head`` the request line or status line with the headers, all
    exactly as they travelled (of a cut answer: as far as it came, transfer framing included). ``status`` is 0
    where no status line was read. ``outcome`` is an ``Ending``; ``cause`` says in a few words why it was not
    answered. Times are aware UTC.
    """

    exchange_id: str
    peer: str
    direction: str
    purpose: str
    case_id: str
    call_id: str
    started_at: datetime
    ended_at: datetime
    request: bytes
    status: int
    response: bytes
    outcome: str
    cause: str = ""
    request_head: bytes = b""
    response_head: bytes = b""


class Recorder(Protocol):
    """Whoever keeps exchanges."""

    def record(self, exchange: Exchange) -> None:
        """Keep it. May raise: the courier logs and counts that, the call goes on."""
        ...


def new_exchange_id() -> str:
    """A fresh id, 32 hex digits; not guessable and not countable."""
    return uuid.uuid4().hex


class CountingRecorder:
    """A recorder wrapped so that its failures never reach a call; ``failures`` is for the alarm."""

    def __init__(self, inner: Recorder) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self.failures = 0

    def record(self, exchange: Exchange) -> None:
        """Keep it; a failure is logged (ids only, never payloads) and counted."""
        try:
            self._inner.record(exchange)
        except Exception as error:
            with self._lock:
                self.failures += 1
            log.error(
                "exchange_not_recorded",
                exchange_id=exchange.exchange_id,
                peer=exchange.peer,
                call_id=exchange.call_id,
                error=type(error).__name__,
            )
