"""The shelf: listed, shown without personal data, tried again without filing twice, closed by two people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway import bootstrap
from gateway.cli import base, main
from gateway.domain.case import CaseEvent
from gateway.domain.errors import BadSettings
from gateway.store import work
from tests.builders import SmallHouse, environment, read_catalogue, small_house

Run = Callable[..., Result]
MAY_HAVE_ARRIVED = "it may have arrived and cannot be asked about"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


@pytest.fixture
def lone(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    """For the commands, each of which is a house of its own beside this one."""
    with small_house(tmp_path, sqlite_url) as small:
        yield small


@pytest.fixture
def run(lone: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(bootstrap, "load_catalogue", read_catalogue)
    monkeypatch.setattr(base.console, "width", 400)
    before = structlog.get_config()
    url = lone.house.settings.database_url

    def invoke(*arguments: str, **settings: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environment(lone.folder, url, **settings))

    yield invoke
    structlog.configure(**before)


def said(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def park(house: SmallHouse, note: str = MAY_HAVE_ARRIVED, *, stage: str = "sending") -> tuple[str, str]:
    """A submission whose call lies on the shelf: receipt number and work id."""
    filed = house.submit(house.sample())

    def act(tx: Any) -> str:
        found = tx.one("SELECT case_id FROM cases WHERE receipt_no = :no", {"no": filed.receipt_no})
        claims = work.claim(tx, "FT_SBX", owner="test", lease=timedelta(seconds=9), limit=9, kinds=["call"])
        (claim,) = (one for one in claims if one.case_id == found["case_id"])
        tx.run("UPDATE work SET stage = :s WHERE work_id = :id", {"s": stage, "id": claim.work_id})
        tx.run("UPDATE cases SET parked = 1 WHERE case_id = :id", {"id": claim.case_id})
        work.park(tx, claim, note=note)
        return claim.work_id

    return filed.receipt_no, house.house.database.again(act)


def state(house: SmallHouse, work_id: str) -> tuple[Any, ...]:
    (row,) = house.rows(
        "SELECT w.state, w.stage, c.parked FROM work w JOIN cases c ON c.case_id = w.case_id WHERE work_id = :id",
        id=work_id,
    )
    return tuple(row.values())


@pytest.mark.parametrize(
    ("note", "stage", "retried", "asked"),
    [
        ("Refused: a field of ours is wrong", "sending", "send", "ask"),  # they took nothing: sent again
        (MAY_HAVE_ARRIVED, "sending", "ask", "ask"),
        ("NotUnderstood: a word nobody knows", "sending", "ask", "ask"),
        ("Refused: not now", "ask", "ask", "ask"),
        ("the department no longer knows a call it had taken", "poll", "poll", "poll"),
    ],
)
def test_a_call_is_tried_again_by_the_way_that_cannot_file_twice(
    house: SmallHouse, note: str, stage: str, retried: str, asked: str
) -> None:
    for act, then, kind in (("retry", retried, "retried"), ("ask_again", asked, "asked")):
        receipt_no, work_id = park(house, note, stage=stage)
        assert state(house, work_id) == ("parked", stage, 1)
        getattr(house.house.shelf, act)(work_id, actor="operator:test")
        assert state(house, work_id) == ("due", then, 0)
        last = house.entries(receipt_no)[-1]
        assert (last["kind"], last["actor"]) == (f"case:shelf:{kind}", "operator:test")
        with pytest.raises(BadSettings, match="is parked"):  # it is with the workers now
            getattr(house.house.shelf, act)(work_id, actor="operator:test")


def test_a_row_taken_from_the_shelf_has_time_to_succeed(house: SmallHouse) -> None:
    _, work_id = park(house)
    house.clock.turn(days=90)
    house.house.shelf.retry(work_id, actor="operator:test")
    (row,) = house.rows("SELECT give_up_at, due_at FROM work WHERE work_id = :id", id=work_id)
    assert row["give_up_at"] - row["due_at"] == timedelta(days=2) / timedelta(microseconds=1)


def test_what_was_never_carried_is_a_persons_task_and_only_closed(house: SmallHouse) -> None:
    _, work_id = park(house)
    house.house.database.again(lambda tx: tx.run("UPDATE work SET claimed_at = NULL"))
    withdraws = house.house.backends["FT_SBX"].traits.withdraws
    assert house.house.shelf.find(work_id).may == (("retry",) if withdraws else ())
    with pytest.raises(BadSettings, match="re-ask"):
        house.house.shelf.ask_again(work_id, actor="operator:test")
    with pytest.raises(BadSettings, match="has carried"):
        house.house.shelf.check_send_again({"work": work_id})


def test_the_list_names_case_department_age_and_reason_and_is_narrowed(lone: SmallHouse, run: Run) -> None:
    assert "the shelf is empty" in said(run("shelf", "list"))
    receipt_no, work_id = park(lone)
    (one,) = json.loads(said(run("shelf", "list", "--json")))
    assert (one["work_id"], one["receipt_no"], one["why"]) == (work_id, receipt_no, MAY_HAVE_ARRIVED)
    assert (one["item"], one["lane"], one["may"]) == ("FT-SBX-002", "FT_SBX", ["retry", "re-ask"])
    assert work_id in said(run("shelf", "list", "--department", "FT_SBX", "--kind", "call"))
    for none in (("--department", "FT_EDU"), ("--kind", "word"), ("--older-than", "5")):
        assert json.loads(said(run("shelf", "list", "--json", *none))) == []


def test_a_row_is_shown_by_receipt_or_id_without_what_is_personal(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base.console, "width", 400)
    before = structlog.get_config()
    with small_house(tmp_path, sqlite_url, with_department=True) as house:
        part = house.sample(remark="很私人的话")
        filed = house.submit(part)
        house.until_state(filed.receipt_no, "accepted", "reviewing", "approved", turn=0.5)
        sql = "UPDATE work SET state = 'parked', note = 'x [y]', owner = NULL, ended_at = due_at WHERE kind = 'call'"
        house.house.database.again(lambda tx: tx.run(sql))
        env = environment(tmp_path, sqlite_url)
        (work_id,) = (row["work_id"] for row in house.rows("SELECT work_id FROM work WHERE kind = 'call'"))
        for name in (filed.receipt_no, work_id):
            told = said(CliRunner().invoke(main, ["shelf", "show", name], env=env))
            assert "case:call:attempted" in told
            assert "x [y]" in told
            assert "(this call)" in told
            assert "POST /" in told
            for private in (
                "很私人的话",
                part["applicant"]["name"],
                part["applicant"]["doc_no"],
                part["applicant"]["phone"],
            ):
                assert private not in told
    structlog.configure(**before)


def test_closing_takes_a_second_person_and_a_case_that_nobody_else_works_on_is_not_closed(
    lone: SmallHouse, run: Run, tmp_path: Path
) -> None:
    receipt_no, work_id = park(lone)
    assert "standing still" in said(run("shelf", "close", work_id, "--reason", "x"), 1)
    lone.happens(receipt_no, CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)  # decided by another way
    (tmp_path / "none.toml").write_text("")
    real = {"PROFILE": "production", "PEERS_FILE": str(tmp_path / "none.toml")}
    assert "waits for two other person(s)" in said(run("shelf", "close", work_id, "--reason", "部门已办结", **real))
    assert state(lone, work_id) == ("parked", "sending", 1)  # proposed is not done
    assert "is closed" in said(run("shelf", "close", work_id, "--reason", "部门已办结"))  # a made-up colleague approves
    assert state(lone, work_id) == ("cancelled", "sending", 0)
    entry = lone.entries(receipt_no)[-1]
    assert (entry["kind"], entry["facts"]["reason"]) == ("case:shelf:closed", "部门已办结")
    assert "is parked" in said(run("shelf", "close", work_id, "--reason", "x"), 1)  # twice: there is nothing any more


def test_an_act_that_comes_second_changes_nothing(house: SmallHouse) -> None:
    receipt_no, work_id = park(house)
    house.happens(receipt_no, CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)
    acts, now = house.house.acts, house.clock.now()
    first, second = (of_two(acts, now, work_id) for _ in range(2))
    assert acts.carry_out(first).state == "executed"
    assert acts.carry_out(second).state == "failed"
    assert house.kinds(receipt_no).count("case:shelf:closed") == 1


def of_two(acts: Any, now: Any, work_id: str) -> str:
    """An approved act that closes this row."""
    from gateway.acts.persons import of_sandbox

    row = acts.propose(of_sandbox("wang", now), "shelf.close", {"work": work_id, "reason": "办结"})
    return str(acts.approve(of_sandbox("li", now), row.act_id, digest=row.digest).act_id)


def test_what_may_have_arrived_is_sent_again_by_two_people_only(lone: SmallHouse, run: Run) -> None:
    receipt_no, work_id = park(lone)
    assert "is sent again" in said(run("shelf", "send-again", receipt_no, "--reason", "部门确认未收到"))
    assert state(lone, work_id) == ("due", "send", 0)
    assert lone.entries(receipt_no)[-1]["kind"] == "case:shelf:resent"
    assert "is parked" in said(run("shelf", "send-again", work_id, "--reason", "x"), 1)


def test_closing_the_last_call_of_a_case_whose_bank_asked_it_back_withdraws_it(lone: SmallHouse, run: Run) -> None:
    receipt_no, work_id = park(lone)
    lone.house.database.again(lambda tx: tx.run("UPDATE cases SET withdrawal = 'asked'"))
    assert "the case is withdrawn" in said(run("shelf", "close", work_id, "--reason", "部门确认未收到"))
    case = lone.query(receipt_no).business["case"]
    assert case["state"] == "withdrawn"
    assert lone.kinds(receipt_no)[-2:] == ["case:shelf:closed", "case:event:recorded"]


def test_a_word_without_a_case_is_tried_again_and_closed_with_entries_of_its_own(lone: SmallHouse, run: Run) -> None:
    row = work.row(work_id="w" * 32, kind="word", lane="inbox", case_id="", payload_sealed=b"", now=lone.clock.now())
    ended = row | {"state": "parked", "ended_at": row["created_at"], "note": "a word about a call we never sent"}
    lone.house.database.again(lambda tx: work.put(tx, ended))
    assert "sent again" in said(run("shelf", "retry", "w" * 32))
    lone.house.database.again(lambda tx: tx.run("UPDATE work SET state = 'parked', ended_at = created_at"))
    assert "cannot be helped" in said(run("shelf", "re-ask", "w" * 32), 1)
    assert "is closed" in said(run("shelf", "close", "w" * 32, "--reason", "误发"))
    assert [len(lone.loose_entries(f"case:shelf:{k}")) for k in ("retried", "closed")] == [1, 1]
