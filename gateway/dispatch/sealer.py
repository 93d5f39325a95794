"""The trail's order and seal: positions for committed entries, then a signed checkpoint at least every minute.

One process at a time holds the job (rules.md 13, 14). Must not read what the entries say.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from gateway.audit.checkpoint import sign_checkpoint
from gateway.audit.merkle import Appender, leaf_hash, root
from gateway.domain.clock import Clock
from gateway.domain.errors import GatewayError
from gateway.signing.keys import KeyRing
from gateway.store import jobs, merkle_rows, sequencer
from gateway.store.database import Database, Tx, micros

_log = structlog.get_logger("dispatch.sealer")
ORDER, SEAL = "sequencer", "sealer"
# Renewed at every turn; short, because feed and receipts wait for a holder that was killed until its lease is over.
_ORDER_LEASE = timedelta(seconds=4)
_SEAL_LEASE = timedelta(seconds=12)
_ORDER_EVERY = timedelta(milliseconds=200)
_SEAL_EVERY = timedelta(seconds=5)
_AT_LEAST_EVERY = timedelta(seconds=55)
_LATE = timedelta(seconds=10)


class Sealer:
    """Runs both jobs when this process holds their leases."""

    def __init__(
        self,
        database: Database,
        *,
        keys: KeyRing,
        log_id: str,
        owner: str,
        clock: Clock,
        report_backlog: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._log_id = log_id
        self._owner = owner
        self._clock = clock
        self._report_backlog = report_backlog

    def turn(self) -> None:
        """One look at both jobs; does what is due and free."""
        if jobs.take(self._database, ORDER, owner=self._owner, lease=_ORDER_LEASE, every=_ORDER_EVERY):
            self.order()
            jobs.done(self._database, ORDER, owner=self._owner)
        if jobs.take(self._database, SEAL, owner=self._owner, lease=_SEAL_LEASE, every=_SEAL_EVERY):
            try:
                self.seal()
            except GatewayError:
                _log.exception("trail.not_sealed")  # intake goes on; the grace is counted and loud
            jobs.done(self._database, SEAL, owner=self._owner)

    def order(self) -> int:
        """Give positions to everything committed; returns how many."""
        placed = 0
        while True:
            with self._database.read() as look:
                waiting = sequencer.backlog_age(look)
            self._report_backlog(waiting / 1_000_000)
            if waiting > _LATE / timedelta(microseconds=1):
                _log.error("trail.order_is_late", seconds=waiting / 1_000_000)
            if not waiting:
                return placed
            fresh = self._database.again(sequencer.place)
            placed += fresh
            if fresh < sequencer.BATCH:
                return placed

    def seal(self, *, now_too: bool = False) -> int:
        """Put placed entries under a signed checkpoint; returns the tree's size.

        Nothing new and the last one still fresh: no checkpoint, unless ``now_too``.
        """
        while self._database.again(self._grow) == sequencer.BATCH:
            pass
        return self._database.again(lambda tx: self._checkpoint(tx, now_too=now_too))

    @staticmethod
    def _grow(tx: Tx) -> int:
        merkle_rows.alone(tx)
        size = merkle_rows.size(tx)
        leaves = sequencer.leaves(tx, size, limit=sequencer.BATCH)
        if leaves:
            grown = Appender(merkle_rows.NodeReader(tx), size)
            merkle_rows.add_nodes(tx, grown.extend(leaf_hash(raw) for raw in leaves))
        return len(leaves)

    def _checkpoint(self, tx: Tx, *, now_too: bool) -> int:
        merkle_rows.alone(tx)
        size = merkle_rows.size(tx)
        last = merkle_rows.last_checkpoint(tx)
        now = self._clock.now()
        fresh = last is not None and micros(now) - last[2] < _AT_LEAST_EVERY / timedelta(microseconds=1)
        if size == 0 or (last is not None and last[1] == size and fresh and not now_too):
            return size
        key = self._keys.signer("checkpoint", now)
        sealed = sign_checkpoint(
            self._log_id, size, root=root(merkle_rows.NodeReader(tx), size), at=now, key=key.key_id, sign=key.sign
        )
        number = 1 if last is None else last[0] + 1
        merkle_rows.add_checkpoint(tx, number, leaves=size, at_micros=micros(now), line=sealed.line().decode())
        return size
