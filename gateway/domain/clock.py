"""Time, handed in: one clock for the process, one that tests can turn. Beijing time for what people read."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")  # no daylight saving time since 1991


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, also while the process is frozen."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back, also while the process is frozen."""
        return time.monotonic()


def beijing(moment: datetime) -> datetime:
    """The same moment on a clock in Futian."""
    return moment.astimezone(BEIJING)


def beijing_day(moment: datetime) -> date:
    """The calendar day in Futian."""
    return moment.astimezone(BEIJING).date()


def stamp(moment: datetime) -> str:
    """``2026-11-23T10:15:31.204+08:00``: milliseconds, offset always +08:00 (operations.md 2.1)."""
    return moment.astimezone(BEIJING).isoformat(timespec="milliseconds")


def read_stamp(text: str) -> datetime:
    """The moment a stamp names, in UTC. Raises ``ValueError`` without an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without offset")
    return moment.astimezone(UTC)
