"""Looking after the clocks: a warning before a limit, an alarm after it, counting again when a table arrives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.calendar import tables
from gateway.calendar.tables import YearTable
from gateway.domain.case import CaseEvent
from gateway.domain.clock import BEIJING, beijing_day
from mocks.banks.act_samples import PAPER, sample_supplement
from tests.builders import OUTLET, SmallHouse, small_house


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        morning_of(small, date(2026, 11, 23))
        yield small


def morning_of(house: SmallHouse, day: date) -> None:
    """Turn the house's clock to ten in the morning of a day."""
    wanted = datetime(day.year, day.month, day.day, 10, tzinfo=BEIJING)
    house.clock.turn(seconds=(wanted - house.clock.now()).total_seconds())


def walked(house: SmallHouse) -> tuple[int, int, list[str]]:
    """How many were warned of and overdue, and what was logged."""
    with capture_logs() as logs:
        warned, overdue = house.house.watch.walk()
    return warned, overdue, [str(line["event"]) for line in logs if str(line["event"]).startswith("clock.")]


def due(house: SmallHouse, receipt_no: str) -> dict[str, Any]:
    shown: dict[str, Any] = house.query(receipt_no).business["case"]["due"]
    return shown


def year_2027(*off: date) -> YearTable:
    return YearTable(year=2027, source="a notice of a test", off=off, work=())


def load(house: SmallHouse, table: YearTable) -> None:
    """As another process would load it."""
    tables.put(house.house.database, table, house.clock)
    house.house.clockwork.forget()


def test_a_limit_is_warned_of_the_working_day_before_once_and_never_decided(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample()).receipt_no
    assert due(house, receipt_no) == {"on": "2026-11-30", "kind": "intake", "provisional": False}
    morning_of(house, date(2026, 11, 26))
    assert walked(house) == (0, 0, [])
    morning_of(house, date(2026, 11, 27))
    assert walked(house) == (1, 0, ["clock.soon_due"])
    assert walked(house) == (0, 0, [])
    assert "case:clock:warned" in house.kinds(receipt_no)
    assert house.query(receipt_no).business["case"]["state"] == "submitted"


def test_a_silence_past_the_intake_limit_is_alarmed_as_tacit_acceptance(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample()).receipt_no
    morning_of(house, date(2026, 11, 30))
    assert walked(house)[1:] == (0, ["clock.soon_due"])  # its last day is still its own
    morning_of(house, date(2026, 12, 1))
    assert walked(house) == (0, 1, ["clock.tacit_acceptance"])
    assert walked(house) == (0, 0, [])
    (entry,) = [e for e in house.entries(receipt_no) if e["kind"] == "case:clock:overdue"]
    assert entry["facts"] == {"due": "2026-11-30", "clock": "intake"}
    assert house.query(receipt_no).business["case"]["state"] == "submitted"


def test_promised_papers_have_a_clock_after_the_grant_and_the_bank_is_reminded(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002", material="promised"))
    until = filed.business["case"]["missing"][0]["until"]
    steps = (CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)
    house.happens(filed.receipt_no, *steps, clocks=house.house.clockwork)
    assert due(house, filed.receipt_no) == {"on": until, "kind": "promise", "provisional": False}
    last = date.fromisoformat(until)
    morning_of(house, last - timedelta(days=1 if last.weekday() else 3))
    assert walked(house)[:2] == (1, 0)
    morning_of(house, last + timedelta(days=1))
    assert walked(house) == (0, 1, ["clock.overdue"])
    assert walked(house) == (0, 0, [])
    told = [event["kind"] for event in house.query(filed.receipt_no).business["events"]]
    assert told[-2:] == ["promise_reminder", "promise_missed"]
    assert house.query(filed.receipt_no).business["case"]["state"] == "approved"  # never decided by a clock


def test_promised_papers_that_come_end_their_clock(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002", material="promised"))
    steps = (CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)
    house.happens(filed.receipt_no, *steps, clocks=house.house.clockwork)
    bring = sample_supplement(
        OUTLET,
        bank_ref=house.sample()["bank_ref"],
        receipt_no=filed.receipt_no,
        ask_no="1",
        materials=[{"id": "M1", **PAPER}],
        now=house.clock.now(),
    )
    answer = house.call("supplement", bring)
    assert answer.ok, answer.raw
    assert "due" not in house.query(filed.receipt_no).business["case"]


def test_a_late_decision_is_an_alarm_of_its_own(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample()).receipt_no
    happens(house, receipt_no, CaseEvent.ACCEPTED)
    shown = due(house, receipt_no)
    assert shown["kind"] == "decision"
    morning_of(house, date.fromisoformat(shown["on"]) + timedelta(days=1))
    assert walked(house) == (0, 1, ["clock.overdue"])


def test_an_alarm_ends_with_its_clock_and_the_next_one_is_watched_anew(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample()).receipt_no
    morning_of(house, date(2026, 12, 1))
    assert walked(house)[1] == 1
    happens(house, receipt_no, CaseEvent.ACCEPTED)
    morning_of(house, date.fromisoformat(due(house, receipt_no)["on"]) + timedelta(days=1))
    assert walked(house)[1] == 1


def test_a_table_that_arrives_turns_provisional_limits_into_certain_ones_and_tells_the_bank_of_a_changed_day(
    house: SmallHouse,
) -> None:
    morning_of(house, date(2026, 12, 30))
    receipt_no = house.submit(house.sample()).receipt_no
    assert due(house, receipt_no) == {"on": "2027-01-07", "kind": "intake", "provisional": True}
    walked(house)
    load(house, year_2027(date(2027, 1, 1), date(2027, 1, 5)))
    walked(house)
    assert due(house, receipt_no) == {"on": "2027-01-08", "kind": "intake", "provisional": False}
    assert [event["kind"] for event in house.query(receipt_no).business["events"]] == ["received", "due_changed"]
    (entry,) = [e for e in house.entries(receipt_no) if e["kind"] == "case:clock:recounted"]
    assert entry["facts"] == {"was": "2027-01-07", "due": "2027-01-08"}
    assert house.house.watch.recount() == 0


def test_a_table_that_changes_no_day_makes_the_limit_certain_without_an_event(house: SmallHouse) -> None:
    morning_of(house, date(2026, 12, 30))
    receipt_no = house.submit(house.sample()).receipt_no
    load(house, year_2027(date(2027, 1, 1)))
    assert house.house.watch.recount() == 1
    assert due(house, receipt_no) == {"on": "2027-01-07", "kind": "intake", "provisional": False}
    assert [event["kind"] for event in house.query(receipt_no).business["events"]] == ["received"]


def test_a_corrected_table_of_a_known_year_counts_what_runs_again(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample()).receipt_no
    walked(house)
    shipped = tables.read(Path(tables.__file__).parent / "data" / "2026.yaml")
    extra = YearTable(2026, "a corrected notice", (*shipped.off, date(2026, 11, 25)), shipped.work)
    load(house, extra)
    walked(house)
    assert due(house, receipt_no)["on"] == "2026-12-01"


def test_a_loaded_table_stands_in_the_trail_and_is_not_replaced_by_the_shipped_one(house: SmallHouse) -> None:
    load(house, YearTable(2026, "a corrected notice", (), ()))
    tables.seed(house.house.database, house.clock)
    assert tables.load(house.house.database).sources[2026] == "a corrected notice"
    found = house.loose_entries("system:calendar:loaded")
    assert [entry["facts"]["source"] for entry in found][-1] == "a corrected notice"


def test_only_one_process_walks_at_a_time(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample()).receipt_no
    morning_of(house, date(2026, 12, 1))
    house.house.watch.turn()
    house.house.watch.turn()
    assert house.kinds(receipt_no).count("case:clock:overdue") == 1
    assert beijing_day(house.clock.now()) == date(2026, 12, 1)


def happens(house: SmallHouse, receipt_no: str, event: CaseEvent) -> None:
    """Let an event happen with the clocks running."""
    house.happens(receipt_no, event, clocks=house.house.clockwork)
