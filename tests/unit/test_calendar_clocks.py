"""The clocks of a case: which limit runs after which event, counted in government working days (domain.md 3.2, 3.7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.calendar import clocks, tables
from gateway.calendar.clocks import Limits
from gateway.calendar.days import WorkingDays
from gateway.domain.case import CaseEvent, CaseState
from gateway.domain.clock import BEIJING
from gateway.domain.records import Ask, Case, Due, Facts

TABLE = tables.read(Path(tables.__file__).parent / "data" / "2026.yaml")
DAYS = WorkingDays(off=frozenset(TABLE.off), work=frozenset(TABLE.work), official=frozenset({2026}))
LIMITS = Limits(promised_days=20)


def at(day: str, time: str = "10:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{time}:00").replace(tzinfo=BEIJING)


def case(state: CaseState = CaseState.SUBMITTED, **how: Any) -> Case:
    whole: dict[str, Any] = dict.fromkeys(Case.__dataclass_fields__, "")
    whole |= {"state": state, "due": None, "facts": Facts(), "since": at("2026-11-23")}
    return Case(**(whole | how))


def turned(before: Case, event: CaseEvent, moment: datetime, ask: Ask | None = None) -> Case:
    return clocks.turn(before, event, moment, days=DAYS, limits=LIMITS, ask=ask)


@pytest.mark.parametrize(
    ("moment", "first"),
    [
        (at("2026-11-23"), "2026-11-23"),
        (at("2026-11-23", "17:59"), "2026-11-23"),
        (at("2026-11-23", "18:00"), "2026-11-24"),  # after closing time
        (at("2026-11-28"), "2026-11-30"),  # a Saturday
        (at("2026-10-10"), "2026-10-10"),  # a Saturday that is worked
        (at("2026-10-03"), "2026-10-08"),  # in the middle of the national holiday
        (at("2026-02-13", "18:30"), "2026-02-14"),  # a Saturday that is worked follows
    ],
)
def test_a_clock_starts_on_a_working_day_within_hours(moment: datetime, first: str) -> None:
    assert clocks.first_day(DAYS, moment).isoformat() == first


def test_the_intake_clock_runs_five_working_days_from_receipt_and_again_after_a_correction() -> None:
    received = turned(case(), CaseEvent.RECEIVED, at("2026-09-18"))
    assert received.due == Due(date(2026, 9, 24), "intake", start=date(2026, 9, 18), days=5)
    asked = turned(received, CaseEvent.CORRECTION_ASKED, at("2026-09-20"), Ask(1, "correction", "x", (), None))
    assert asked.due is None
    corrected = turned(asked, CaseEvent.CORRECTED, at("2026-09-30"))
    assert corrected.due is not None
    assert corrected.due.on == date(2026, 10, 13)


def test_a_correction_shows_the_day_the_department_named() -> None:
    ask = Ask(1, "correction", "x", (), date(2026, 12, 4))
    asked = turned(case(), CaseEvent.CORRECTION_ASKED, at("2026-11-23"), ask)
    assert asked.due == Due(date(2026, 12, 4), "correction")
    assert clocks.recount(WorkingDays(), Due(date(2026, 12, 4), "correction")).on == date(2026, 12, 4)


def test_the_decision_clock_starts_with_acceptance_whose_day_is_not_counted() -> None:
    accepted = turned(case(), CaseEvent.ACCEPTED, at("2026-11-23"))
    assert accepted.due == Due(date(2026, 12, 21), "decision", start=date(2026, 11, 23), days=20)


def test_a_special_procedure_stops_the_decision_clock_and_what_was_left_runs_on() -> None:
    accepted = turned(case(), CaseEvent.ACCEPTED, at("2026-11-23"))
    stopped = turned(accepted, CaseEvent.SPECIAL_STARTED, at("2026-11-30"))
    assert (stopped.due, stopped.facts.days_left) == (None, 15)
    resumed = turned(stopped, CaseEvent.SPECIAL_ENDED, at("2026-12-10"))
    assert resumed.due is not None
    assert resumed.due.on == DAYS.add(date(2026, 12, 10), 15).day
    assert resumed.facts.days_left == 0


def test_a_grant_whose_result_follows_starts_the_delivery_clock_and_an_end_stops_all() -> None:
    granted = case(CaseState.APPROVED, facts=Facts(result_follows=True))
    due = turned(granted, CaseEvent.APPROVED, at("2026-09-24")).due
    assert due is not None
    assert (due.kind, due.on) == ("delivery", date(2026, 10, 15))
    running = Due(date(2026, 12, 1), "decision")
    assert turned(case(CaseState.APPROVED, due=running), CaseEvent.APPROVED, at("2026-11-23")).due is None
    assert turned(case(CaseState.DENIED, due=running), CaseEvent.DENIED, at("2026-11-23")).due is None
    assert turned(case(CaseState.WITHDRAWN, due=running), CaseEvent.WITHDRAWN, at("2026-11-23")).due is None


@pytest.mark.parametrize(
    ("kind", "on", "warned"),
    [
        ("decision", "2026-10-09", "2026-09-30"),  # two working days before, over a holiday
        ("delivery", "2026-11-25", "2026-11-23"),
        ("intake", "2026-11-30", "2026-11-27"),  # one, over a weekend
        ("correction", "2026-11-25", "2026-11-24"),
    ],
)
def test_people_are_warned_working_days_ahead(kind: str, on: str, warned: str) -> None:
    assert clocks.warn_on(DAYS, Due(date.fromisoformat(on), kind)).isoformat() == warned


def test_a_limit_into_a_year_without_table_is_provisional_and_counted_again_when_the_table_is_there() -> None:
    due = clocks.count(DAYS, date(2026, 12, 30), 5, kind="intake")
    assert due.provisional
    off = DAYS.off | {date(2027, 1, 4)}
    known = replace(DAYS, off=off, official=frozenset({2026, 2027}))
    again = clocks.recount(known, due)
    assert (again.provisional, again.on > due.on - timedelta(days=1)) == (False, True)
    assert again == clocks.count(known, date(2026, 12, 30), 5, kind="intake")


def test_what_came_after_closing_is_received_later_when_its_day_becomes_a_day_off() -> None:
    due = turned(case(), CaseEvent.RECEIVED, at("2026-11-24", "18:30")).due
    assert due is not None
    assert due.start == date(2026, 11, 25)
    without = WorkingDays(off=frozenset({date(2026, 11, 25)}), work=frozenset(), official=frozenset({2026}))
    again = clocks.recount(without, due)
    assert (again.start, again.on) == (date(2026, 11, 26), date(2026, 12, 3))
    decision = Due(date(2026, 12, 2), "decision", start=date(2026, 11, 25), days=5)
    assert clocks.recount(without, decision).start == date(2026, 11, 25)
