"""Looks for what is older than it should be and calls people: log lines, a metric, the command ``alarms``.

Must not mend anything. Each process with dispatch looks for itself every half minute; the web doors look when they are
scraped. An alarm lasts as long as its cause: there is nothing to acknowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import structlog

from gateway.cases.clockwatch import OVERDUE
from gateway.contracts.bank import Client
from gateway.domain.alarms import Alarm, AlarmKind, Severity
from gateway.domain.clock import BEIJING, Clock, stamp
from gateway.parties.notify import address_digest, notify_url
from gateway.store import alarm_rows, merkle_rows, notices, sequencer, switches, work
from gateway.store.database import Database, Tx, micros, moment

EVERY = 30.0  # seconds
_SAY_AGAIN = 900.0  # seconds between two log lines of an alarm that lasts
_ORDER_LATE = timedelta(seconds=10)  # rules.md 13
_SEAL_LATE = timedelta(minutes=2)  # a receipt promises inclusion within 60 s (rules.md 14)
_JOB_IDLE = timedelta(minutes=10)
_UNCLAIMED = timedelta(minutes=2)
_HELD = timedelta(minutes=10)
_NOTICES_LATE = timedelta(hours=1)
_REOPENED = timedelta(hours=1)  # what a closure held is long due when it ends, and goes out slowly
_log = structlog.get_logger("dispatch.sweeper")


class Sweeper:
    """Finds what somebody must look at."""

    def __init__(
        self,
        database: Database,
        *,
        clients: Callable[[], Iterable[Client]],
        clock: Clock,
        shelf_hours: int,
        count: Callable[[list[Alarm]], None] = lambda _alarms: None,
    ) -> None:
        """``count`` is told every alarm of each look; ``shelf_hours``: how long parked work may wait."""
        self._database = database
        self._clients = clients
        self._clock = clock
        self._shelf_age = timedelta(hours=shelf_hours)
        self._count = count
        self._last = float("-inf")
        self._said: dict[tuple[AlarmKind, str], float] = {}

    def turn(self) -> None:
        """Sweep if it is time."""
        if self._clock.monotonic() - self._last >= EVERY:
            self._last = self._clock.monotonic()
            self.sweep()

    def sweep(self) -> list[Alarm]:
        """Look, count, and say in the log what is new or still lasts; returns every alarm of now."""
        found, now = self.look(), self._clock.monotonic()
        for alarm in found:
            key = (alarm.kind, alarm.what)
            if now - self._said.get(key, float("-inf")) < _SAY_AGAIN:
                continue
            self._said[key] = now
            say = _log.error if alarm.kind.severity is Severity.NOW else _log.warning
            say(f"alarm.{alarm.kind}", what=alarm.what, rows=alarm.rows, since=stamp(alarm.since))
        for key in set(self._said) - {(a.kind, a.what) for a in found}:
            del self._said[key]
            _log.info(f"alarm.{key[0]}.over", what=key[1])
        return found

    def look(self) -> list[Alarm]:
        """Every alarm of this moment, the most pressing first, without a word in the log. Raises ``Busy``."""
        with self._database.read() as tx:
            now = tx.now()
            found = [
                *self._trail(tx, now),
                *(
                    Alarm(AlarmKind.JOB_STALLED, r["name"], 1, moment(r["done_at"]))
                    for r in alarm_rows.jobs(tx, idle=_JOB_IDLE)
                ),
                *self._work(tx, now),
                *self._clocks(tx),
                *self._notices(tx, now),
            ]
        self._count(found)
        return sorted(found, key=lambda a: (list(Severity).index(a.kind.severity), a.since))

    @staticmethod
    def _trail(tx: Tx, now: datetime) -> list[Alarm]:
        found = []
        waiting = timedelta(microseconds=sequencer.backlog_age(tx))
        if waiting > _ORDER_LATE:
            found.append(Alarm(AlarmKind.ORDER_LATE, "trail", 1, now - waiting))
        last = merkle_rows.last_checkpoint(tx)
        since = alarm_rows.unsealed_since(tx, sealed=last[1] if last else 0)
        if since is not None and now - moment(since) > _SEAL_LATE:
            found.append(Alarm(AlarmKind.SEAL_LATE, "trail", 1, moment(since)))
        return found

    def _work(self, tx: Tx, now: datetime) -> list[Alarm]:
        found = [
            Alarm(AlarmKind.SHELF_OLD, r["lane"], r["n"], moment(r["oldest"]))
            for r in alarm_rows.parked(tx, older_than=self._shelf_age)
        ]
        found += [
            Alarm(AlarmKind.LANE_HELD, r["lane"], r["n"], moment(r["oldest"])) for r in alarm_rows.held(tx, late=_HELD)
        ]
        for row in work.counts(tx):
            late = timedelta(microseconds=micros(now) - row["oldest"])
            lane = row["lane"]
            if row["state"] != "due" or late <= _UNCLAIMED or self._is_served(tx, lane, row["kind"], now):
                continue
            closed, reopened = switches.lane_closure(tx, lane, ended_within=_REOPENED)
            if not closed and reopened is None:
                what = f"{lane}, {row['kind']}"
                found.append(Alarm(AlarmKind.WORK_UNCLAIMED, what, row["n"], moment(row["oldest"])))
        return found

    @staticmethod
    def _is_served(tx: Tx, lane: str, kind: str, now: datetime) -> bool:
        """True while rows of the lane are being taken, only slowly, or its breaker holds them."""
        state = work.look_at_lane(tx, lane)
        if state is None or kind not in work.KINDS:
            return False
        from_bucket = micros(now) - state.refilled_at < _UNCLAIMED // timedelta(microseconds=1)
        return state.open_until > 0 or (state.rate > 0 and from_bucket) or work.live(tx, lane) > 0

    @staticmethod
    def _clocks(tx: Tx) -> list[Alarm]:
        return [
            Alarm(
                # Art. 32 of the licensing law: silence about missing papers counts as acceptance.
                AlarmKind.TACIT_ACCEPTANCE if r["due_kind"] == "intake" else AlarmKind.CLOCK_OVERDUE,
                r["due_kind"],
                r["n"],
                datetime.fromisoformat(r["oldest"].rstrip("?")).replace(tzinfo=BEIJING),
            )
            for r in alarm_rows.overdue(tx, alarm=OVERDUE)
        ]

    def _notices(self, tx: Tx, now: datetime) -> list[Alarm]:
        found = [
            Alarm(AlarmKind.NOTICES_LATE, r["client_id"], r["n"], moment(r["oldest"]))
            for r in alarm_rows.failing_notices(tx, late=_NOTICES_LATE)
        ]
        proofs = notices.proofs(tx)
        for client in self._clients():
            if client.status != "active" or not notify_url(client):
                continue
            proof = proofs.get(client.client_id)
            if proof is None or not proof.proven or proof.address_digest != address_digest(client):
                found.append(Alarm(AlarmKind.ADDRESS_UNPROVEN, client.client_id, 1, now))
        return found
