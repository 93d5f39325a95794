"""What people of the house are called for, and how soon. ``docs/runbook.md`` says for each kind what to do.

Must not look for anything; ``dispatch.sweeper`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How soon somebody must look."""

    NOW = "now"
    TODAY = "today"


class AlarmKind(StrEnum):
    """Every kind of alarm; the value is the label of the metric and the heading of the runbook."""

    ORDER_LATE = "order_late"
    SEAL_LATE = "seal_late"
    JOB_STALLED = "job_stalled"
    WORK_UNCLAIMED = "work_unclaimed"
    LANE_HELD = "lane_held"
    TACIT_ACCEPTANCE = "tacit_acceptance"
    CLOCK_OVERDUE = "clock_overdue"
    SHELF_OLD = "shelf_old"
    NOTICES_LATE = "notices_late"
    ADDRESS_UNPROVEN = "address_unproven"

    @property
    def severity(self) -> Severity:
        """How soon somebody must look."""
        return _TABLE[self][0]

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _TABLE[self][1]

    @property
    def first(self) -> str:
        """The first command to run."""
        return _TABLE[self][2]


_K, _GATEWAY = AlarmKind, "python -m gateway "
_TABLE: dict[AlarmKind, tuple[Severity, str, str]] = {
    _K.ORDER_LATE: (
        Severity.NOW,
        "committed entries have waited too long for their position: feed, notices and seals stand still",
        _GATEWAY + "doctor",
    ),
    _K.SEAL_LATE: (
        Severity.NOW,
        "entries have a position and no signed checkpoint covers them: receipts lose their promised inclusion",
        _GATEWAY + "keys show",
    ),
    _K.JOB_STALLED: (
        Severity.NOW,
        "a recurring duty of the house was not done by any process for far longer than its turn",
        _GATEWAY + "doctor",
    ),
    _K.WORK_UNCLAIMED: (
        Severity.NOW,
        "work is due and no process takes it: an unknown kind or lane, or no worker is running",
        _GATEWAY + "doctor",
    ),
    _K.LANE_HELD: (
        Severity.NOW,
        "a peer has failed so often that its lane is held, and work waits behind it",
        _GATEWAY + "shelf list",
    ),
    _K.TACIT_ACCEPTANCE: (
        Severity.NOW,
        "a department was silent past the intake limit: by law the application counts as accepted since its receipt",
        _GATEWAY + "calendar overdue",
    ),
    _K.CLOCK_OVERDUE: (
        Severity.TODAY,
        "a limit of open cases has passed without its event",
        _GATEWAY + "calendar overdue",
    ),
    _K.SHELF_OLD: (
        Severity.TODAY,
        "parked work has waited for a person longer than the house allows",
        _GATEWAY + "shelf list",
    ),
    _K.NOTICES_LATE: (
        Severity.TODAY,
        "a client of a bank could not be told of an event for more than an hour",
        _GATEWAY + "notices list",
    ),
    _K.ADDRESS_UNPROVEN: (
        Severity.TODAY,
        "a client's notify address is enrolled and not proven: it is told of nothing",
        _GATEWAY + "clients prove CLIENT",
    ),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing somebody must look at: ``what`` names it, ``rows`` counts it, ``since`` is the oldest of it."""

    kind: AlarmKind
    what: str
    rows: int
    since: datetime
