"""When FT_EDU is open and when its officers work (docs/departments/FT_EDU.md section 10).

Must not know cases or HTTP; holidays are not in the document, so working days are Monday to Friday.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from mocks.departments.hmac_signing import BEIJING

OPENS, CLOSES = time(0, 5), time(23, 55)
DAY_LIST_READY = time(1, 0)
NOTICE_OF_CLOSURES = timedelta(days=7)
_DESK = ((time(9), time(12)), (time(14), time(18)))


@dataclass(frozen=True, slots=True)
class Closure:
    """One planned closure, aware moments."""

    begins: datetime
    ends: datetime
    reason: str


def closed_at_night(now: datetime) -> datetime | None:
    """When it opens again if ``now`` lies in the nightly pause, else none."""
    local = now.astimezone(BEIJING)
    if OPENS <= local.time() < CLOSES:
        return None
    opens = local.replace(hour=OPENS.hour, minute=OPENS.minute, second=0, microsecond=0)
    return opens if local.time() < OPENS else opens + timedelta(days=1)


def closed_by_plan(now: datetime, closures: Sequence[Closure]) -> datetime | None:
    """When it opens again if ``now`` lies in one of ``closures``, else none."""
    return max((c.ends for c in closures if c.begins <= now < c.ends), default=None)


def announced(now: datetime, closures: Sequence[Closure]) -> list[Closure]:
    """The closures of the next seven days, with one that is running, earliest first."""
    near = [c for c in closures if c.ends > now and c.begins < now + NOTICE_OF_CLOSURES]
    return sorted(near, key=lambda c: c.begins)


def desk_time(moment: datetime) -> datetime:
    """``moment``, or the next one at which an officer is at the desk."""
    local = moment.astimezone(BEIJING)
    while True:
        if local.weekday() < 5:
            for begins, ends in _DESK:
                if local.time() < ends:
                    start = local.replace(hour=begins.hour, minute=0, second=0, microsecond=0)
                    return max(local, start).astimezone(moment.tzinfo)
        local = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def working_days_later(moment: datetime, days: int) -> str:
    """The day ``days`` working days after ``moment``: ``2026-12-01``."""
    day = moment.astimezone(BEIJING).date()
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day.isoformat()
