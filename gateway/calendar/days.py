"""Government working days: official tables where there are any, weekends and fixed holidays where not yet.

Pure. Time limits use this calendar only; when a bank outlet is open is another matter (domain.md section 3.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

_ONE = timedelta(days=1)
# Holidays on fixed days of the solar calendar (全国年节及纪念日放假办法): all a year without a table can know.
_FIXED = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})


@dataclass(frozen=True, slots=True)
class Counted:
    """A day that was counted to; ``provisional`` when a year without an official table was crossed."""

    day: date
    provisional: bool


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Days that differ from the week's rule, and the years whose table is official."""

    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()
    official: frozenset[int] = frozenset()
    sources: Mapping[int, str] = field(default_factory=dict)

    def is_working(self, day: date) -> bool:
        """True on a government working day."""
        if day in self.work:
            return True
        if day in self.off or day.weekday() >= 5:
            return False
        return day.year in self.official or (day.month, day.day) not in _FIXED

    def add(self, start: date, days: int) -> Counted:
        """The ``days``-th working day after ``start``, which is not counted itself (行政许可法 art. 82)."""
        day, left, provisional = start, days, start.year not in self.official
        while left > 0:
            day += _ONE
            provisional = provisional or day.year not in self.official
            if self.is_working(day):
                left -= 1
        return Counted(day, provisional)

    def next_working(self, day: date) -> date:
        """The first working day after ``day``."""
        return self.add(day, 1).day

    def between(self, start: date, end: date) -> int:
        """Working days after ``start`` up to and including ``end``; 0 when ``end`` is not later."""
        count, day = 0, start
        while day < end:
            day += _ONE
            count += self.is_working(day)
        return count

    def working_days_of(self, year: int) -> int:
        """How many working days a year has."""
        return self.between(date(year - 1, 12, 31), date(year, 12, 31))
