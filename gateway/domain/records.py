"""A case as the store keeps it, with the facts beside its state, and what an audit entry needs to be written.

Must not hold form contents: those stay sealed until a call or a person with a purpose needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from gateway.domain.calls import Mark
from gateway.domain.case import CaseState


@dataclass(frozen=True, slots=True)
class Due:
    """The clock a bank is shown: which limit runs, and until when. ``provisional``: no official calendar yet.

    ``start`` and ``days`` say how it was counted, so that it can be counted again when a year's table arrives;
    ``start`` is none where somebody named the day.
    """

    on: date
    kind: str  # intake | decision | delivery | correction | promise
    provisional: bool = False
    start: date | None = None
    days: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """One open question to the customer (补正, 容缺, 领取)."""

    ask_no: int
    kind: str  # correction | promise | collect
    text: str
    what: tuple[Mark, ...]
    due: date | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What the department decided."""

    kind: str  # granted | granted_with_promise | refused
    reason: str
    text: str
    decided_at: datetime
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands beside the state, sealed at rest because a department's words may name people."""

    asks: tuple[Ask, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()  # promised material id, until
    decision: Decision | None = None
    result_follows: bool = False
    heard_at: datetime | None = None  # the department's own time of the newest word, where it numbers none
    heard_then: tuple[str, ...] = ()  # what was heard of that very moment, each word by a digest
    days_left: int = 0  # of the decision clock, while a special procedure stops it
    subject: tuple[str, str] = ("", "")  # document type and normalised number, for new search hashes


@dataclass(frozen=True, slots=True)
class Case:
    """One case (办件)."""

    case_id: str
    bank: str
    bank_ref: str
    client_id: str
    business_digest: str
    item: str
    item_version: str
    department: str
    backend: str
    outlet: str
    channel: str
    receipt_no: str
    receipt: str
    received_at: datetime
    state: CaseState
    since: datetime
    event_no: int
    entry_no: int
    due: Due | None
    withdrawal: str
    department_ref: str
    department_seq: int
    parked: bool
    facts: Facts
    data_key: bytes = b""


@dataclass(frozen=True, slots=True)
class PublicEvent:
    """One event of a case as banks read it (operations.md section 7); numbered per case without gaps."""

    event_no: int
    kind: str
    state: CaseState
    at: datetime
    recorded_at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Doing:
    """Who changes something of the house and when; ``facts`` go into the change's entry (the act it belongs to)."""

    at: datetime
    actor: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An audit entry before the store gives it its number within the subject."""

    kind: str
    subject: str
    at: datetime
    actor: str
    facts: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
