"""What takes no new submissions now, and which department's system is closed when: a snapshot for all threads.

Must not decide what a submission is. The version is looked at no more than once a second; filing judges a switch once
more inside its transaction, so that "off" is at once.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from gateway.domain.clock import Clock
from gateway.domain.errors import Busy
from gateway.store import switches
from gateway.store.database import Database
from gateway.store.switches import Closure, Off

_LOOK_EVERY = 1.0  # seconds
_ANNOUNCED = timedelta(days=7)  # a closure is told to counters so long before


class Board:
    """One state of switches and closures."""

    __slots__ = ("_closures", "_off", "version")

    def __init__(self, version: int, off: list[Off], closures: list[Closure]) -> None:
        self.version = version
        self._off = tuple(off)
        self._closures = tuple(closures)

    def off(self, item: str, outlet: str, bank: str, at: datetime) -> Off | None:
        """Why this item is not taken at this outlet now, the most particular reason first; none when it is taken."""
        found = [
            one
            for one in self._off
            if one.item in ("", item) and one.outlet in ("", outlet) and one.bank in ("", bank) and one.holds(at)
        ]
        return max(found, key=lambda one: (bool(one.item), bool(one.outlet), bool(one.bank)), default=None)

    def closed(self, lane: str, at: datetime) -> Closure | None:
        """The closure that holds this department's system now; of several the one that ends last."""
        found = [one for one in self._closures if one.lane == lane and one.holds(at)]
        return max(found, key=lambda one: one.until_at, default=None)

    def coming(self, lane: str, at: datetime) -> Closure | None:
        """The next closure that counters are told of in advance."""
        return next((c for c in self._closures if c.lane == lane and at < c.from_at <= at + _ANNOUNCED), None)


class Switchboard:
    """Hands out the present board."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._board: Board | None = None

    def __call__(self) -> Board:
        """The board, at most a second old. Raises ``Busy`` only when there has never been one."""
        now = self._clock.monotonic()
        if self._board is not None and (now - self._looked < _LOOK_EVERY or not self._lock.acquire(blocking=False)):
            return self._board
        if self._board is None:
            self._lock.acquire()
        try:
            return self._look(now)
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Look again at the next question."""
        self._looked = float("-inf")

    def _look(self, now: float) -> Board:
        try:
            with self._database.read() as tx:
                version = switches.version(tx)
                if self._board is None or version != self._board.version:
                    closures = switches.closures(tx, not_over_before=self._clock.now())
                    self._board = Board(version, switches.all_off(tx), closures)
            self._looked = now
        except Busy:
            if self._board is None:
                raise
        assert self._board is not None
        return self._board
