"""Threads over due work: one bulkhead per lane, drained on SIGTERM (rules.md 18, 22, 41).

Must not know what a row means; handlers are wired by kind in ``bootstrap``. Started after any fork.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from gateway.dispatch import limits
from gateway.domain.clock import Clock
from gateway.domain.errors import GatewayError
from gateway.store import work
from gateway.store.database import Database, Tx

_log = structlog.get_logger("dispatch.runner")
_LANES_LOOK_EVERY = 0.25  # seconds between looks when nothing wakes us
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lane:
    """One bulkhead: its own threads, so that a slow peer never takes another's."""

    name: str
    kinds: tuple[str, ...]
    threads: int
    lease: timedelta
    handle: Callable[[work.Claim, float], None]
    claimed: Callable[[Tx, list[work.Claim]], list[work.Claim]] = lambda _tx, claims: claims


class Runner:
    """Claims, hands out, drains."""

    def __init__(
        self,
        database: Database,
        *,
        lanes: Mapping[str, Lane],
        owner: str,
        clock: Clock,
        later: Callable[[str], Lane | None] = lambda _name: None,
    ) -> None:
        """``later`` is asked for lanes that appear while we run: how to serve one, or none."""
        self._database = database
        self._lanes = dict(lanes)
        self._later = later
        self._owner = owner
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._busy_lock = threading.Lock()
        self._busy: dict[str, int] = dict.fromkeys(lanes, 0)
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to claim, in threads of its own."""
        self._pools = {lane.name: _pool(lane) for lane in self._lanes.values()}
        self._thread = threading.Thread(target=self._claim_loop, name="dispatch-claims", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something was put: look now."""
        self._wake.set()

    def drain(self, grace: float) -> bool:
        """Stop claiming, finish what is running within ``grace`` seconds. False = something still ran.

        What still runs keeps its lease; another process takes it over when that has run out.
        """
        self._stop.set()
        self._wake.set()
        end = self._clock.monotonic() + grace
        if self._thread is not None:
            self._thread.join(max(0.0, end - self._clock.monotonic()))
        for pool in list(self._pools.values()):
            pool.shutdown(wait=False)
        while self._any_busy() and self._clock.monotonic() < end:
            self._wake.wait(0.05)
            self._wake.clear()
        return not self._any_busy()

    def _any_busy(self) -> bool:
        with self._busy_lock:
            return any(self._busy.values())

    # -- loops ------------------------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        while not self._stop.is_set():
            claimed = 0
            ready: list[Lane] = self._guarded(self._ready, [])
            for lane in ready:
                claimed += self._guarded(partial(self._claim_lane, lane), 0)  # one lane's trouble is not another's
            if not claimed:
                self._wake.wait(_LANES_LOOK_EVERY)
            self._wake.clear()

    @staticmethod
    def _guarded(act: Callable[[], T], otherwise: T) -> T:
        try:
            return act()
        except GatewayError as error:
            _log.warning("claims.not_now", error=str(error))
        except Exception:
            _log.exception("claims.failed")
        return otherwise

    def _ready(self) -> list[Lane]:
        with self._database.read() as look:
            names = work.ready_lanes(look)
        return [lane for name in names if (lane := self._lanes.get(name) or self._open_later(name)) is not None]

    def _open_later(self, name: str) -> Lane | None:
        lane = self._later(name)
        if lane is not None:
            self._pools[name] = _pool(lane)
            with self._busy_lock:
                self._busy[name] = 0
            self._lanes[name] = lane
        return lane

    def _claim_lane(self, lane: Lane) -> int:
        free = lane.threads - self._busy[lane.name]
        if free <= 0:
            return 0
        started = self._clock.monotonic()  # before the claim: the deadline may only be shorter than the lease
        claims = self._database.again(lambda tx: self._claim(tx, lane, free))
        for claim in claims:
            self._count(lane.name, 1)
            self._pools[lane.name].submit(self._run, lane, claim, started)
        return len(claims)

    def _claim(self, tx: Tx, lane: Lane, free: int) -> list[work.Claim]:
        room = limits.room(tx, lane.name, wish=free, lease=lane.lease)
        if room.rows <= 0:
            return []
        claims = work.claim(tx, lane.name, owner=self._owner, lease=lane.lease, limit=room.rows, kinds=lane.kinds)
        return lane.claimed(tx, claims)

    def _run(self, lane: Lane, claim: work.Claim, started: float) -> None:
        try:
            with structlog.contextvars.bound_contextvars(
                request_id=claim.case_id, call_id=claim.work_id, case_id=claim.case_id
            ):
                lane.handle(claim, started)
        except GatewayError as error:
            _log.warning("work.left_to_its_lease", work_id=claim.work_id, error=str(error))
        except Exception:
            _log.exception("work.failed", work_id=claim.work_id)
        finally:
            self._count(lane.name, -1)
            self._wake.set()

    def _count(self, lane: str, change: int) -> None:
        with self._busy_lock:
            self._busy[lane] += change


def _pool(lane: Lane) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(lane.threads, thread_name_prefix=f"lane-{lane.name}")
