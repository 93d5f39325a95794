"""The short wait of instant items: the decision inside the bank's own call, without starving anyone (rules.md 10).

Must not call a department. It only looks whether the case has moved.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from gateway.domain.case import DECIDED, ENDED
from gateway.domain.clock import Clock
from gateway.domain.records import Case
from gateway.signing.vault import Vault
from gateway.store import cases, switches, work
from gateway.store.database import Database

_FIRST_LOOK, _NEXT_LOOK, _LAST_LOOK = 0.02, 1.4, 0.15  # seconds: first pause, its growth, the longest


class WaitingRoom:
    """Places for at most a quarter of the process's threads."""

    def __init__(self, database: Database, vault: Vault, *, clock: Clock, places: int, patience: float = 3.0) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._places = threading.BoundedSemaphore(places) if places > 0 else None
        self._patience = patience
        self._slow_until: dict[str, float] = {}

    def wait(self, case: Case) -> Case | None:
        """The case once it is decided, or none: no place, department slow, lane full, or not in time."""
        now = self._clock.monotonic()
        if self._places is None or self._slow_until.get(case.backend, 0.0) > now:
            return None
        if not self._places.acquire(blocking=False):
            return None
        try:
            if not self._lane_has_room(case.backend):
                return None
            found = self._look_until(case, now + self._patience)
            if found is None:  # spare the next callers the wait for a while
                self._slow_until[case.backend] = self._clock.monotonic() + 10 * self._patience
            return found
        finally:
            self._places.release()

    def _lane_has_room(self, lane: str) -> bool:
        with self._database.read() as tx:
            state = work.look_at_lane(tx, lane)
            if switches.lane_closure(tx, lane, ended_within=timedelta(0))[0]:
                return False
            return state is not None and not state.open_until and work.live(tx, lane) < state.cap

    def _look_until(self, case: Case, end: float) -> Case | None:
        pause = _FIRST_LOOK
        while self._clock.monotonic() + pause < end:
            time.sleep(pause)
            pause = min(pause * _NEXT_LOOK, _LAST_LOOK)
            with self._database.read() as tx:
                if cases.event_no(tx, case.case_id) == case.event_no:
                    continue
                found = cases.by_id(tx, self._vault, case.case_id)
            if found is not None and (found.state in DECIDED or found.state in ENDED):
                return found
        return None
