"""Numbers of a run: rounds, medians, percentiles, ratios. Pure; must not measure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

GATEWAY, FLOOR, LOCKED_FLOOR = "gateway", "floor b", "floor l"
TARGET = 1.6  # gateway over floor b, server CPU per request, on both databases


@dataclass(frozen=True, slots=True)
class Round:
    """One side in one round. ``cpu_us``: server CPU per answer; ``backend_us``: the database server's, if readable."""

    side: str
    answered: int
    errors: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    backend_us: float | None = None


@dataclass(frozen=True, slots=True)
class Middle:
    """The medians of one side over its rounds, and the lowest and highest CPU per request among them."""

    side: str
    rounds: int
    answered: int
    errors: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    cpu_low: float
    cpu_high: float
    backend_us: float | None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0…1) of all do not exceed; 0 where there is none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def middle(rounds: Sequence[Round], side: str) -> Middle:
    """Medians of one side. Raises ``ValueError`` when it has no round."""
    own = [one for one in rounds if one.side == side]
    if not own:
        raise ValueError(f"no round of {side}")
    backend = [one.backend_us for one in own if one.backend_us is not None]
    return Middle(
        side=side,
        rounds=len(own),
        answered=sum(one.answered for one in own),
        errors=sum(one.errors for one in own),
        rate=statistics.median(one.rate for one in own),
        p50_ms=statistics.median(one.p50_ms for one in own),
        p99_ms=statistics.median(one.p99_ms for one in own),
        cpu_us=statistics.median(one.cpu_us for one in own),
        cpu_low=min(one.cpu_us for one in own),
        cpu_high=max(one.cpu_us for one in own),
        backend_us=statistics.median(backend) if backend else None,
    )


def ratio(rounds: Sequence[Round], side: str = GATEWAY, *, over: str = FLOOR) -> float:
    """Median CPU per request of one side over another's."""
    return middle(rounds, side).cpu_us / middle(rounds, over).cpu_us


def ratios_by_round(rounds: Sequence[Round], side: str = GATEWAY, *, over: str = FLOOR) -> list[float]:
    """The same, round by round, as far as both sides have one."""
    upper = [one.cpu_us for one in rounds if one.side == side]
    lower = [one.cpu_us for one in rounds if one.side == over]
    return [a / b for a, b in zip(upper, lower, strict=False)]
