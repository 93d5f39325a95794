"""The contract of a government back-end (house.md section 5).

A peer translates: it builds requests and reads answers. It opens no socket (the courier does), remembers
nothing and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.domain.calls import BackendCall, CallbackEvent, Standing
from gateway.wire.messages import OutboundRequest, WireRequest, WireResponse

# Operations of a call that file nothing; every other operation is a word of the item's route and files the case.
# ``common`` then also holds ``filed_as`` (the filing's call id), ``supplement_kind`` (CORRECTION | LATE) or ``why``.
SUPPLEMENT, WITHDRAW = "supplement", "withdraw"


class Answers(StrEnum):
    """How a department lets us know."""

    AT_ONCE = "at_once"
    CALLBACK = "callback"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class BackendTraits:
    """What a department can do; the contract suite switches its tests by these."""

    answers: frozenset[Answers]
    repeat_safe: bool  # the same call id again never files twice
    finds_by_our_id: bool  # it can be asked about our call id
    withdraws: bool = False  # it takes a call with the operation WITHDRAW; else a person asks


class Line(Protocol):
    """The courier, bound to one back-end and one attempt: the only way out."""

    exchange_id: str  # of the latest exchange record, "" before the first

    def send(self, request: OutboundRequest) -> WireResponse:
        """Send once within the attempt's total deadline.

        Raises ``NotDelivered`` or ``DeliveryUnknown``; any HTTP status is an answer.
        """
        ...


class Backend(Protocol):
    """One department's dialect."""

    code: str
    traits: BackendTraits

    def submit(self, call: BackendCall, line: Line) -> Standing:
        """File once, or carry an act on what was filed (``SUPPLEMENT``, ``WITHDRAW``, by the call's operation).

        Raises delivery errors, ``Refused`` or ``NotUnderstood`` (with the raw answer on record).
        """
        ...

    def find(self, call: BackendCall, line: Line) -> Standing | None:
        """Ask how the call stands; ``None`` = they say they do not know it."""
        ...

    def read_callback(self, request: WireRequest) -> list[CallbackEvent]:
        """Verify first, then read; pure. Raises ``NotAuthentic`` or ``NotUnderstood``."""
        ...

    def acknowledge(self, taken: bool) -> WireResponse:
        """What this department wants to hear after a callback."""
        ...

    def scrub(self, raw: bytes) -> bytes:
        """The bytes with personal data and secrets masked."""
        ...
