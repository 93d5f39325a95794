"""What goes out to a department and what it says back.

``BackendCall`` already speaks the department's words (wire names come from the catalogue's ``route``);
``Standing`` and ``Word`` are canonical again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from gateway.domain.case import CaseEvent


class Outcome(StrEnum):
    """What a department can say of a case. ``UNKNOWN`` = a word we do not know: kept raw, shown to a person."""

    ACCEPTED = "accepted"
    REFUSED_INTAKE = "refused_intake"
    REVIEWING = "reviewing"
    CORRECTION = "correction"
    SPECIAL_STARTED = "special_started"
    SPECIAL_ENDED = "special_ended"
    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    ISSUING = "issuing"
    READY = "ready"
    DELIVERED = "delivered"
    REVOKED = "revoked"
    UNKNOWN = "unknown"

    @property
    def event(self) -> CaseEvent | None:
        """The case event this word causes, or none for ``UNKNOWN``."""
        return _EVENTS.get(self)


_EVENTS: dict[Outcome, CaseEvent] = {
    Outcome.ACCEPTED: CaseEvent.ACCEPTED,
    Outcome.REFUSED_INTAKE: CaseEvent.REFUSED_INTAKE,
    Outcome.REVIEWING: CaseEvent.REVIEW_STARTED,
    Outcome.CORRECTION: CaseEvent.CORRECTION_ASKED,
    Outcome.SPECIAL_STARTED: CaseEvent.SPECIAL_STARTED,
    Outcome.SPECIAL_ENDED: CaseEvent.SPECIAL_ENDED,
    Outcome.GRANTED: CaseEvent.APPROVED,
    Outcome.DENIED: CaseEvent.DENIED,
    Outcome.WITHDRAWN: CaseEvent.WITHDRAWN,
    Outcome.LAPSED: CaseEvent.LAPSED,
    Outcome.ISSUING: CaseEvent.ISSUING,
    Outcome.READY: CaseEvent.READY,
    Outcome.DELIVERED: CaseEvent.DELIVERED,
    Outcome.REVOKED: CaseEvent.REVOKED,
}


class DecisionReason(StrEnum):
    """Canonical reasons of a decision (operations.md 2.4, block ``decision``)."""

    GRANTED = "GRANTED"
    CONDITION_NOT_MET = "CONDITION_NOT_MET"
    MATERIAL_NOT_SUFFICIENT = "MATERIAL_NOT_SUFFICIENT"
    APPLICANT_MISMATCH = "APPLICANT_MISMATCH"
    ALREADY_GRANTED = "ALREADY_GRANTED"
    OUT_OF_JURISDICTION = "OUT_OF_JURISDICTION"
    RECORD_CONFLICT = "RECORD_CONFLICT"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing a correction asks for: canonical path (``form.x``, ``materials.M3``) and the department's words."""

    path: str
    say: str


@dataclass(frozen=True, slots=True)
class Word:
    """One thing a department said of one application.

    ``seq`` is the department's own sequence number of this word (0 = it has none), ``event_id`` what makes a
    repeat recognisable ("" = none), ``at`` its own time. ``raw`` keeps the word exactly as sent.
    """

    outcome: Outcome
    at: datetime | None = None
    seq: int = 0
    event_id: str = ""
    reason: DecisionReason = DecisionReason.OTHER
    text: str = ""
    marks: tuple[Mark, ...] = ()
    due_on: date | None = None
    automatic: bool = False
    result_follows: bool = False
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a call stands at the department: its number there and everything it has said, oldest first.

    ``final`` in effect when one of the words decides; else ``ask_again`` seconds is the department's own hint
    (0 = none, the item's schedule holds).
    """

    department_ref: str
    words: tuple[Word, ...] = ()
    ask_again: int = 0


@dataclass(frozen=True, slots=True)
class CallbackEvent:
    """One verified callback: about our call (or their number), saying one word."""

    call_id: str
    department_ref: str
    word: Word


FileLoader = Callable[[], tuple[str, bytes]]
"""Opens one file when it is wanted: its media type (``application/pdf``) and its bytes."""


@dataclass(frozen=True, slots=True)
class BackendCall:
    """One application on its way to a department, frozen at hand-off (rules.md 19).

    ``call_id`` is our idempotency key, 8–32 of ``0-9A-Za-z-``, the same on every repeat. ``operation`` and
    ``content`` are in the department's own words (the item's ``route``); ``common`` is canonical, for the peer's
    envelope: ``receipt_no, item, item_version, outlet, received_at, applicant, agent, delivery, materials`` and what
    else ``gateway/cases/intake.py`` freezes. ``files`` opens the files its materials name, by digest.
    """

    call_id: str
    case_id: str
    operation: str
    content: Mapping[str, Any]
    common: Mapping[str, Any]
    department_ref: str = ""
    attempt: int = 1
    files: Mapping[str, FileLoader] = field(default_factory=dict)
