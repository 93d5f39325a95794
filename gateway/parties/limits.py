"""How much a caller may ask: token buckets per address and per client, and a cap on what runs at once.

In memory, per process: a limit guards this process, the store guards the truth. Must not read the request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.domain.clock import Clock
from gateway.domain.errors import NotAllowed
from gateway.domain.reasons import Reason

_KEPT = 20_000  # buckets remembered; the one unused longest goes first


class Buckets:
    """One token bucket per key: ``rate`` a second on average, ``burst`` at once."""

    def __init__(self, clock: Clock, *, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, *, rate: float = 0) -> bool:
        """True when one more is allowed now; ``rate`` is this key's own, with twice of it at once (0 = everybody's)."""
        now = self._clock.monotonic()
        speed, burst = (rate, 2 * rate) if rate else (self._rate, self._burst)
        with self._lock:
            level, seen = self._levels.pop(key, (burst, now))
            level = min(burst, level + (now - seen) * speed)
            allowed = level >= 1.0
            self._levels[key] = (level - 1.0 if allowed else level, now)
            if len(self._levels) > _KEPT:
                self._levels.popitem(last=False)
        return allowed


class AtOnce:
    """At most ``cap`` requests of one client in this process at a time."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}

    @contextmanager
    def hold(self, key: str, *, cap: int = 0) -> Iterator[None]:
        """Count one in while the block runs; ``cap`` is this key's own (0 = everybody's).

        Raises ``NotAllowed(TOO_MANY_AT_ONCE)``.
        """
        with self._lock:
            running = self._running.get(key, 0)
            if running >= (cap or self._cap):
                raise NotAllowed(Reason.TOO_MANY_AT_ONCE)
            self._running[key] = running + 1
        try:
            yield
        finally:
            with self._lock:
                self._running[key] -= 1
                if not self._running[key]:
                    del self._running[key]
