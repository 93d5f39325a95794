"""The clocks of all cases: calendar and promises put together for the desk. Must not write rows."""

from __future__ import annotations

import threading
from datetime import date, datetime, time, timedelta

from gateway.calendar import clocks, tables
from gateway.calendar.days import WorkingDays
from gateway.catalogue.item import Catalogue, Item
from gateway.domain.case import CaseEvent
from gateway.domain.clock import BEIJING, Clock
from gateway.domain.records import Ask, Case
from gateway.store.database import Database

_LOOK_EVERY = 60.0  # seconds: a table is loaded once a year


class Clockwork:
    """Turns the clock of a case; shared by all threads."""

    def __init__(self, database: Database, catalogue: Catalogue, clock: Clock) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._lock = threading.Lock()
        self._days = WorkingDays()
        self._looked = float("-inf")

    @property
    def days(self) -> WorkingDays:
        """The calendar, at most a minute old."""
        now = self._clock.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            with self._lock:
                if now - self._looked >= _LOOK_EVERY:
                    self._days = tables.load(self._database)
                    self._looked = now
        return self._days

    def __call__(self, case: Case, event: CaseEvent, at: datetime, ask: Ask | None) -> Case:
        """The case with the clock that runs after ``event``."""
        item = self._catalogue.find(case.item, case.item_version)
        limits = clocks.Limits(promised_days=item.promised_days if item else 0)
        return clocks.turn(case, event, at, days=self.days, limits=limits, ask=ask)

    def promise_ends(self, item: Item, received_at: datetime) -> date:
        """The last day a promised paper may come: the item's tolerance in working days after the day of receipt."""
        days = self.days
        return days.add(clocks.first_day(days, received_at), item.tolerance_days or 0).day

    def forget(self) -> None:
        """Look at the tables again at the next question."""
        self._looked = float("-inf")

    def patience_ends(self, item: Item, received_at: datetime) -> datetime:
        """When the gateway stops trying by itself: the end of the last day on which the decision is promised."""
        days = self.days
        last = days.add(clocks.first_day(days, received_at), clocks.INTAKE_DAYS + item.promised_days).day
        return datetime.combine(last + timedelta(days=1), time(0, 0), tzinfo=BEIJING)
