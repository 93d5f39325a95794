"""When to try again, and when to stop: pure functions of what has happened so far (rules.md 17, 20).

Must not read a clock or a row. The durable schedule is here and nowhere else.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gateway.catalogue.item import Sla

LEASE_MARGIN = timedelta(seconds=10)  # lease = the call's total deadline and this
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 900.0
_BREAKER_AFTER = 5  # failures in a row
_BREAKER_FIRST = 5.0
_BREAKER_LONGEST = 300.0
RAMP = timedelta(minutes=5)  # by then 2,048 a second, more than any lane of ours carries
_RAMP_FIRST, _RAMP_DOUBLES = 2.0, timedelta(seconds=30)
_NOTICE_PAUSES = (1, 5, 15, 30)  # minutes


@dataclass(frozen=True, slots=True)
class Jitter:
    """Spreads pauses so that held work does not come back as one wave."""

    draw: Callable[[], float] = random.random

    def spread(self, seconds: float) -> timedelta:
        """Between nine and eleven tenths."""
        return timedelta(seconds=seconds * (0.9 + 0.2 * self.draw()))


def next_pause(failures: int, jitter: Jitter) -> timedelta:
    """The pause after the n-th failure in a row: 1, 2, 4 … seconds, at most 15 minutes, ± a tenth."""
    return jitter.spread(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(max(failures, 1) - 1, 20)))


def ask_pause(deadline: timedelta, since_sent: timedelta, failures: int, jitter: Jitter) -> timedelta:
    """When to ask after an unclear delivery: never before sent + deadline, for until then it may still arrive."""
    return max(timedelta(0), deadline - since_sent) + next_pause(failures, jitter)


def poll_pause(sla: Sla, age: timedelta, hint: int, jitter: Jitter) -> timedelta:
    """When to look again at a call that is with the department: rarer as it grows older, never under its hint."""
    seconds = age.total_seconds()
    wish = sla.first_after if seconds < sla.first_after else max(sla.every, seconds / 10)
    return jitter.spread(max(float(hint), min(float(sla.every_max), float(wish))))


def breaker_opens_for(failures: int) -> timedelta:
    """How long a lane is held after so many failures in a row; zero while it stays closed."""
    if failures < _BREAKER_AFTER:
        return timedelta(0)
    return timedelta(seconds=min(_BREAKER_LONGEST, _BREAKER_FIRST * 2.0 ** min(failures - _BREAKER_AFTER, 10)))


def ramp_rate(since: timedelta, rate: int) -> int:
    """Calls a second to a department so long after a planned closure ended: 2, and twice as many each half minute.

    Never above ``rate`` where the lane has one (0 = no limit); after ``RAMP`` the lane is its own again. What waited
    is due all at once, and a system that has just come up would be the first to suffer.
    """
    ramped = int(_RAMP_FIRST * 2.0 ** (since / _RAMP_DOUBLES))
    return min(ramped, rate) if rate else ramped


def notice_pause(failures: int, jitter: Jitter) -> timedelta:
    """The pause after the n-th failed try of a notice: 1, 5, 15, 30 minutes, then an hour ± a tenth (rules.md 21)."""
    if failures <= len(_NOTICE_PAUSES):
        return timedelta(minutes=_NOTICE_PAUSES[max(failures, 1) - 1])
    return jitter.spread(3600.0)
