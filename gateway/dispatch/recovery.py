"""The way back into service after a restore (rules.md 40): a new epoch, everything open compared, then the doors.

Nothing is sent here: each open call is asked about at its department, and what the department says is recorded as ever.
Lost with the restore is what came after the backup: banks file it again under the same references, so calls carry the
same ids, and for a week a first filing is asked about before it is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from gateway.audit.kinds import EntryKind
from gateway.dispatch.calls import Calls
from gateway.domain.clock import Clock
from gateway.domain.errors import BadSettings, GatewayError
from gateway.domain.records import EntryDraft
from gateway.store import recovery, trail
from gateway.store.database import Database, Tx
from gateway.store.recovery import EpochState

ASK_FIRST = timedelta(days=7)
_AT_ONCE = 8
_SUBJECT = "system:epoch"
_log = structlog.get_logger("dispatch.recovery")


@dataclass(frozen=True, slots=True)
class Begun:
    """A recovery that is under way: its epoch, and how many calls are to be compared."""

    epoch: int
    to_compare: int


@dataclass(frozen=True, slots=True)
class Compared:
    """How far one pass came: calls their department spoke of, and by department those it did not."""

    asked: int
    silent: Mapping[str, int] = field(default_factory=dict)


def require_served(database: Database) -> None:
    """Raise ``BadSettings`` where a restored database was not recovered yet: nothing may leave or be taken in."""
    with database.read() as tx:
        if recovery.state(tx) is not EpochState.SERVED:
            raise BadSettings("this database was restored from a backup: run 'python -m gateway recover' first")


class Recovery:
    """Begin, compare, finish; each may be repeated after a crash."""

    def __init__(
        self, database: Database, calls: Calls, *, leases: Mapping[str, timedelta], owner: str, clock: Clock
    ) -> None:
        """``leases``: by lane, how long one question may take in all."""
        self._database = database
        self._calls = calls
        self._leases = leases
        self._owner = owner
        self._clock = clock

    def begin(self, *, actor: str, force: bool = False) -> Begun:
        """Open the epoch and hold every open call. A recovery that was begun goes on.

        Raises ``BadSettings`` when this database was not restored; ``force`` is for one that others restored.
        """
        return self._database.again(lambda tx: self._begin(tx, actor, force=force))

    def _begin(self, tx: Tx, actor: str, *, force: bool) -> Begun:
        found = recovery.state(tx)
        if found is EpochState.SERVED and not force:
            raise BadSettings(
                "this database was not restored by 'gateway restore'; if it was restored another way, stop every"
                " process of the gateway and say --force"
            )
        if found is not EpochState.BEGUN:
            now = self._clock.now()
            epoch = recovery.open_epoch(tx, at=now)  # what was told ends here; the rest gets its place behind it
            recovery.place_the_rest(tx)
            recovery.fence(tx)
            recovery.set_state(tx, EpochState.BEGUN)
            self._note(tx, EntryKind.EPOCH_BEGUN, actor, {"open": str(len(recovery.fenced(tx)))}, epoch=epoch)
        return Begun(recovery.epochs(tx).number, len(recovery.fenced(tx)))

    def compare(self, *, see: Callable[[], None] = lambda: None) -> Compared:
        """Ask about every call that is still held, several at a time; ``see`` is called after each."""
        with self._database.read() as tx:
            held = recovery.fenced(tx)
        silent: Counter[str] = Counter()

        def one(what: tuple[str, str]) -> None:
            lane, work_id = what
            if not self._ask(lane, work_id):
                silent[lane] += 1
            see()

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="recover") as pool:
            list(pool.map(one, held))
        return Compared(asked=len(held) - silent.total(), silent=dict(silent))

    def _ask(self, lane: str, work_id: str) -> bool:
        lease = self._leases.get(lane)
        if lease is None:
            return False  # a department that is not connected any more
        try:
            claim = self._database.again(lambda tx: recovery.take(tx, work_id, owner=self._owner, lease=lease))
            if claim is None:
                return True
            started = self._clock.monotonic()
            if self._database.again(lambda tx: self._calls.claimed(tx, [claim])):
                self._calls.handle(claim, started=started)
            return self._database.again(lambda tx: recovery.settle(tx, claim))
        except GatewayError as error:
            _log.warning("recovery.not_asked", call_id=work_id, error=str(error))
            return False

    def finish(self, *, actor: str, go_on: bool = False) -> int:
        """Back into service; returns how many calls were let go unasked.

        Raises ``BadSettings`` while calls are held, unless ``go_on``: those are asked about later, before anything of
        them is sent.
        """
        return self._database.again(lambda tx: self._finish(tx, actor, go_on=go_on))

    def _finish(self, tx: Tx, actor: str, *, go_on: bool) -> int:
        if recovery.state(tx) is not EpochState.BEGUN:
            raise BadSettings("no recovery is under way")
        left = len(recovery.fenced(tx))
        if left and not go_on:
            raise BadSettings(f"{left} open calls were not compared with their departments yet")
        recovery.release(tx)
        recovery.set_ask_first(tx, self._clock.now() + ASK_FIRST)
        recovery.set_state(tx, EpochState.SERVED)
        self._note(tx, EntryKind.EPOCH_SERVED, actor, {"unasked": str(left)}, epoch=recovery.epochs(tx).number)
        return left

    def _note(self, tx: Tx, kind: EntryKind, actor: str, facts: Mapping[str, str], *, epoch: int) -> None:
        draft = EntryDraft(
            kind=kind, subject=_SUBJECT, at=self._clock.now(), actor=actor, facts={"epoch": str(epoch), **facts}
        )
        trail.append_loose(tx, [draft])
