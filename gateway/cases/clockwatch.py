"""Looks after the clocks: warns before a limit, alarms after it, recounts when a year's table has arrived.

Must not move a case: silence of a department is an alarm for people, never a decision (domain.md section 9).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import structlog

from gateway.audit.kinds import EntryKind
from gateway.calendar import clocks
from gateway.calendar.clockwork import Clockwork
from gateway.calendar.days import WorkingDays
from gateway.cases.journal import Journal
from gateway.domain.clock import Clock, beijing_day
from gateway.domain.records import Due
from gateway.signing.vault import Vault
from gateway.store import cases, jobs
from gateway.store.database import Database, Tx

_log = structlog.get_logger("cases.clockwatch")
_JOB = "clocks"
_EVERY = timedelta(seconds=60)
_LEASE = timedelta(seconds=60)
_BATCH = 200
_WARNED, OVERDUE = 1, 2
_LOOK_AHEAD = timedelta(days=12)  # calendar days that surely hold two working days


class ClockWatch:
    """One process at a time walks the clocks once a minute."""

    def __init__(self, database: Database, vault: Vault, *, clockwork: Clockwork, clock: Clock, owner: str) -> None:
        self._database = database
        self._vault = vault
        self._clockwork = clockwork
        self._clock = clock
        self._owner = owner
        self._seen: WorkingDays | None = None
        self._recounts = 0

    def turn(self) -> None:
        """Walk if it is time and this process's turn."""
        if jobs.take(self._database, _JOB, owner=self._owner, lease=_LEASE, every=_EVERY):
            self.walk()
            jobs.done(self._database, _JOB, owner=self._owner)

    def walk(self) -> tuple[int, int]:
        """Warn and alarm; returns how many of each. Tables that another process changed are counted by first."""
        self._notice_new_tables()
        today = beijing_day(self._clock.now())
        overdue = warned = 0
        with self._database.read() as tx:
            late = cases.due_before(tx, today, alarm=OVERDUE, limit=_BATCH)
            soon = cases.due_before(tx, today + _LOOK_AHEAD, alarm=_WARNED, limit=5 * _BATCH)
        for case_id, due_on, kind in late:
            overdue += self._alarm(case_id, due_on, kind, EntryKind.CLOCK_OVERDUE, OVERDUE)
        for case_id, due_on, kind in soon:
            due = Due(on=date.fromisoformat(due_on.rstrip("?")), kind=kind)
            if due.on >= today and clocks.warn_on(self._clockwork.days, due) <= today:
                warned += self._alarm(case_id, due_on, kind, EntryKind.CLOCK_WARNED, _WARNED)
        return warned, overdue

    def _notice_new_tables(self) -> None:
        days = self._clockwork.days
        if self._seen is not None and days != self._seen:
            self._recounts = 2  # once more a minute later: a process may have counted by the old table meanwhile
        self._seen = days
        if self._recounts:
            self._recounts -= 1
            self.recount()

    def recount(self) -> int:
        """Count every running limit again by today's tables; returns how many changed or became certain."""
        changed, last = 0, ""
        while True:
            with self._database.read() as tx:
                found = cases.with_limit_after(tx, last, limit=_BATCH)
            if not found:
                return changed
            for case_id in found:
                changed += self._database.again(partial(self._recount_one, case_id))
            last = found[-1]

    def _alarm(self, case_id: str, due_on: str, kind: str, entry: EntryKind, level: int) -> int:
        def act(tx: Tx) -> int:
            if not cases.set_alarm(tx, case_id, due_on=due_on, alarm=level):
                return 0
            facts = {"due": due_on.rstrip("?"), "clock": kind}
            if kind != "promise":
                cases.note(tx, case_id, entry, now=self._clock.now(), facts=facts, actor="system:clocks")
                return 1
            case = cases.lock(tx, self._vault, case_id)
            journal = Journal(self._vault, case, now=self._clock.now(), actor="system:clocks")
            journal.note(entry, facts)  # the customer owes it, so the bank is told (operations.md 7)
            journal.public("promise_missed" if level == OVERDUE else "promise_reminder", state=case.state)
            journal.close(tx)
            return 1

        done = self._database.again(act)
        if done and level == OVERDUE:
            # Art. 32 of the licensing law: silence about missing papers counts as acceptance from the day of receipt.
            event = "clock.tacit_acceptance" if kind == "intake" else "clock.overdue"
            _log.error(event, case_id=case_id, due=due_on, clock=kind)
        elif done:
            _log.warning("clock.soon_due", case_id=case_id, due=due_on, clock=kind)
        return done

    def _recount_one(self, case_id: str, tx: Tx) -> int:
        case = cases.lock(tx, self._vault, case_id)
        if case.due is None:
            return 0
        due = clocks.recount(self._clockwork.days, case.due)
        if due == case.due:
            return 0
        journal = Journal(self._vault, replace(case, due=due), now=self._clock.now(), actor="system:clocks")
        journal.note(EntryKind.CLOCK_RECOUNTED, {"was": case.due.on.isoformat(), "due": due.on.isoformat()})
        if due.on != case.due.on:
            journal.public("due_changed", state=case.state)
        journal.close(tx)
        return 1
