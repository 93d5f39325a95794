"""Alarms: each is raised by its cause, lasts as long as it, and stands in metric, log, command and runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from gateway import bootstrap
from gateway.cli import base, main
from gateway.domain.alarms import Alarm, AlarmKind, Severity
from gateway.store import cases, jobs, parked, work
from gateway.store.database import Tx, micros, new_id
from tests.builders import CLIENT_ID, SmallHouse, bank_key, enrolled, environment, read_catalogue, small_house

RUNBOOK = (Path(__file__).parents[2] / "docs/runbook.md").read_text(encoding="utf-8")
Stage = Callable[[SmallHouse], None]


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


def found(house: SmallHouse) -> dict[AlarmKind, Alarm]:
    return {alarm.kind: alarm for alarm in house.house.sweeper.look()}


def again(house: SmallHouse, statement: str, **params: Any) -> None:
    house.house.database.again(lambda tx: tx.run(statement, params))


def claim_one(house: SmallHouse) -> work.Claim:
    assert house.submit(house.sample()).ok

    def act(tx: Tx) -> work.Claim:
        return work.claim(tx, "FT_SBX", owner="t", lease=timedelta(seconds=9), limit=1, kinds=["call"])[0]

    return house.house.database.again(act)


def on_the_shelf(house: SmallHouse) -> None:
    claim = claim_one(house)
    house.house.database.again(lambda tx: work.park(tx, claim, note="x"))
    house.clock.turn(hours=3, minutes=59)
    assert AlarmKind.SHELF_OLD not in found(house)
    house.clock.turn(minutes=2)


def nobody_works(house: SmallHouse) -> None:
    assert house.submit(house.sample()).ok
    house.clock.turn(minutes=3)


def breaker_opens(house: SmallHouse) -> None:
    nobody_works(house)
    house.clock.turn(minutes=8)
    again(house, "UPDATE lane SET failures = 9, open_until = :t WHERE lane = 'FT_SBX'", t=micros(house.clock.now()))


def nobody_orders(house: SmallHouse) -> None:
    assert house.submit(house.sample()).ok
    house.clock.turn(seconds=11)


def nobody_seals(house: SmallHouse) -> None:
    assert house.submit(house.sample()).ok
    house.until(lambda: house.house.sealer.order())
    house.clock.turn(minutes=3)


def duty_rests(house: SmallHouse) -> None:
    assert jobs.take(house.house.database, "clocks", owner="t", lease=timedelta(seconds=9), every=timedelta(0))
    jobs.done(house.house.database, "clocks", owner="t")
    house.clock.turn(minutes=11)


def limit_passes(house: SmallHouse) -> None:
    kind = "decision"
    _let_pass(house, kind)


def silence(house: SmallHouse) -> None:
    _let_pass(house, "intake")


def _let_pass(house: SmallHouse, kind: str) -> None:
    assert house.submit(house.sample()).ok
    again(house, "UPDATE cases SET due_on = '2026-01-05', due_kind = :kind", kind=kind)
    with house.house.database.read() as tx:
        assert cases.due_before(tx, date(2026, 1, 6), alarm=2, limit=9)
    assert house.house.watch.walk()[1] == 1


def bank_is_deaf(house: SmallHouse) -> None:
    assert house.submit(house.sample()).ok
    work_id = new_id()
    (case,) = house.rows("SELECT case_id FROM cases")
    row = _row(house, kind="notice", lane="notify:icbc-1", work_id=work_id)

    def act(tx: Tx) -> None:
        work.put(tx, row)
        tx.run("UPDATE work SET failures = 3 WHERE work_id = :id", {"id": work_id})
        tx.run(
            "INSERT INTO notice (case_id, client_id, work_id, sent_no, wanted_no) VALUES (:case, :client, :id, 0, 1)",
            {"case": case["case_id"], "client": CLIENT_ID, "id": work_id},
        )

    house.house.database.again(act)
    house.clock.turn(minutes=61)


def _row(house: SmallHouse, *, kind: str, lane: str, work_id: str) -> dict[str, Any]:
    (case,) = house.rows("SELECT case_id FROM cases")
    case_id, now = case["case_id"], house.clock.now()
    return work.row(work_id=work_id, kind=kind, lane=lane, case_id=case_id, payload_sealed=b"x", now=now)


STAGES: dict[AlarmKind, Stage] = {
    AlarmKind.SHELF_OLD: on_the_shelf,
    AlarmKind.WORK_UNCLAIMED: nobody_works,
    AlarmKind.LANE_HELD: breaker_opens,
    AlarmKind.ORDER_LATE: nobody_orders,
    AlarmKind.SEAL_LATE: nobody_seals,
    AlarmKind.JOB_STALLED: duty_rests,
    AlarmKind.CLOCK_OVERDUE: limit_passes,
    AlarmKind.TACIT_ACCEPTANCE: silence,
    AlarmKind.NOTICES_LATE: bank_is_deaf,
}


@pytest.mark.parametrize("kind", STAGES, ids=str)
def test_each_alarm_is_raised_by_its_cause(house: SmallHouse, kind: AlarmKind) -> None:
    assert found(house) == {}
    STAGES[kind](house)
    alarm = found(house)[kind]
    assert alarm.rows >= 1
    assert alarm.since < house.clock.now()
    count = house.house.metrics.registry.get_sample_value("gateway_alarms", {"alarm": kind})
    assert count == alarm.rows


def test_an_address_that_never_answered_a_test_is_an_alarm(tmp_path: Path, database_url: str) -> None:
    client = enrolled(bank_key(), options={"notify_url": "http://127.0.0.1:9/n"})
    with small_house(tmp_path, database_url, client=client) as house:
        assert found(house)[AlarmKind.ADDRESS_UNPROVEN].what == CLIENT_ID


def test_every_kind_is_staged_here() -> None:
    assert {*STAGES, AlarmKind.ADDRESS_UNPROVEN} == set(AlarmKind)


def test_a_held_lane_and_a_closed_one_are_not_called_unclaimed(house: SmallHouse) -> None:
    breaker_opens(house)
    assert AlarmKind.WORK_UNCLAIMED not in found(house)


def test_a_kind_that_this_release_does_not_know_is_unclaimed_though_its_lane_works(house: SmallHouse) -> None:
    claim_one(house)
    again(house, "UPDATE work SET due_at = due_at + 900000000")  # its lease runs
    strange = _row(house, kind="tomorrow", lane="FT_SBX", work_id=new_id())
    house.house.database.again(lambda tx: work.put(tx, strange))
    house.clock.turn(minutes=3)
    assert found(house)[AlarmKind.WORK_UNCLAIMED].what == "FT_SBX, tomorrow"


def test_the_log_says_an_alarm_once_and_its_end(house: SmallHouse) -> None:
    on_the_shelf(house)
    with capture_logs() as lines:
        for _ in range(3):
            house.house.sweeper.sweep()
    assert [line["log_level"] for line in lines if line["event"] == "alarm.shelf_old"] == ["warning"]
    (row,) = house.rows("SELECT work_id FROM work WHERE state = 'parked'")
    house.house.database.again(lambda tx: parked.end(tx, row["work_id"], note="closed"))
    with capture_logs() as lines:
        house.house.sweeper.sweep()
    assert [line["event"] for line in lines if "shelf_old" in line["event"]] == ["alarm.shelf_old.over"]


def test_a_running_house_sweeps_by_itself(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, with_department=True) as house:
        registry = house.house.metrics.registry
        house.until(lambda: registry.get_sample_value("gateway_alarms", {"alarm": "order_late"}) == 0.0)


def test_the_command_shows_them_and_ends_with_one(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "load_catalogue", read_catalogue)
    monkeypatch.setattr(base.console, "width", 300)
    with small_house(tmp_path, sqlite_url) as house:
        run = lambda *more: CliRunner().invoke(main, ["alarms", *more], env=environment(house.folder, sqlite_url))  # noqa: E731
        quiet = run()
        assert (quiet.exit_code, "no alarm" in quiet.output) == (0, True)
        again(house, "UPDATE lane SET failures = 0")
        _let_pass(house, "decision")
        loud = run()
        assert (loud.exit_code, "clock_overdue" in loud.output) == (1, True)
        assert "calendar overdue" in loud.output
        told = {row["kind"]: row for row in json.loads(run("--json").output)}
        assert (told["clock_overdue"]["severity"], told["clock_overdue"]["rows"]) == ("today", 1)


def test_the_runbook_has_every_alarm_with_its_urgency_and_no_other() -> None:
    headings = dict(re.findall(r"^## `([a-z_]+)` \((now|today)\)$", RUNBOOK, flags=re.MULTILINE))
    assert headings == {str(kind): str(kind.severity) for kind in AlarmKind}
    for part in re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]:
        assert ("**Means.** " in part, "**Do.** " in part) == (True, True), part[:40]


def test_the_first_step_of_every_alarm_is_a_command_that_exists() -> None:
    for kind in AlarmKind:
        words = kind.first.removeprefix("python -m gateway ").split()
        command: Any = main
        for word in words:
            command = command.commands[word] if hasattr(command, "commands") else command
        assert command is not main
        assert kind.severity in Severity
