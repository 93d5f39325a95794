"""The acts that touch people's data and parked work: reveal in bulk, deletion of evidence, another department."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.acts.persons import of_sandbox
from gateway.domain.clock import beijing_day
from gateway.domain.errors import ActRefused
from gateway.store import work
from mocks.departments.edu_courses import Course, Rule
from mocks.departments.education import EducationBureau
from tests.builders import SECRET, SmallHouse, small_house
from tests.staff import Staff, staffed


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


@pytest.fixture
def staff(tmp_path: Path, database_url: str) -> Iterator[Staff]:
    with staffed(tmp_path, database_url) as found:
        yield found


def done_by_two(house: SmallHouse, kind: str, payload: dict[str, Any]) -> tuple[str, str]:
    acts, now = house.house.acts, house.clock.now()
    row = acts.propose(of_sandbox("li", now), kind, payload)
    acts.approve(of_sandbox("wang", now), row.act_id, digest=row.digest)
    ended = acts.carry_out(row.act_id)
    return ended.state, ended.result


# -- reveal in bulk ----------------------------------------------------------------------------------------------


def test_many_fields_are_shown_to_who_proposed_it_for_a_day_and_every_case_says_so(staff: Staff) -> None:
    parts = [staff.house.sample() for _ in range(3)]
    numbers = [staff.house.submit(part).receipt_no for part in parts]
    li, wang = staff.signed_in("operator", subject="li"), staff.signed_in("reviewer", subject="wang")
    payload = {"receipts": numbers, "path": "applicant.phone", "purpose": "通知申请人系统升级"}
    act = li.post("/acts/", {"kind": "cases.reveal_bulk", "payload": payload}).body
    path = f"/acts/{act['act_id']}/values"
    assert li.get(path).status == 404  # nobody has agreed yet
    assert wang.post(f"/acts/{act['act_id']}/approve", {"digest": act["digest"]}).status == 200
    staff.house.house.acts.carry_out(act["act_id"])
    told = li.get(path).body["values"]
    assert told == {no: part["applicant"]["phone"] for no, part in zip(numbers, parts, strict=True)}
    assert wang.get(path).status == 404  # who approved it is not who reads it
    for number in numbers:
        (entry,) = [e for e in staff.house.entries(number) if e["kind"] == "case:data:revealed"]
        assert entry["facts"]["act"] == act["act_id"]
    staff.house.clock.turn(days=1)
    later = staff.signed_in("operator", subject="li")
    assert later.get(path).status == 404


@pytest.mark.parametrize(
    "change", [{"receipts": ["FT2611230000000"]}, {"path": "a b"}, {"receipts": ["x"] * 201}, {"receipts": []}]
)
def test_a_bulk_of_no_cases_or_no_field_is_refused_before_anybody_approves(
    house: SmallHouse, change: dict[str, Any]
) -> None:
    number = house.submit(house.sample()).receipt_no
    payload = {"receipts": [number], "path": "applicant.phone", "purpose": "通知申请人"} | change
    with pytest.raises(ActRefused):
        done_by_two(house, "cases.reveal_bulk", payload)
    assert "case:data:revealed" not in house.kinds(number)


# -- evidence -----------------------------------------------------------------------------------------------------


def test_old_bytes_of_ended_cases_go_and_those_of_open_cases_and_the_trail_stay(
    tmp_path: Path, database_url: str
) -> None:
    with small_house(tmp_path, database_url, with_department=True) as house:
        ended = house.submit(house.sample("FT-SBX-003")).receipt_no
        house.until_state(ended, "approved")
        held = house.submit(house.sample("FT-SBX-003", scenario="correct")).receipt_no
        house.until_state(held, "correction")
        entries = house.counts()["entry"]
        cases = {row["receipt_no"]: row["case_id"] for row in house.rows("SELECT receipt_no, case_id FROM cases")}
        old = house.rows("SELECT exchange_id, case_id FROM exchange")
        assert {cases[ended], cases[held]} <= {row["case_id"] for row in old}
        house.clock.turn(days=200)
        day = beijing_day(house.clock.now()) - timedelta(days=184)
        payload = {"before": day.isoformat(), "reason": "retention is over"}
        state, told = done_by_two(house, "evidence.delete", payload)
        assert state == "executed", told
        left = {row["exchange_id"] for row in house.rows("SELECT exchange_id FROM exchange")}
        for row in old:
            assert (row["exchange_id"] in left) is (row["case_id"] == cases[held])
        assert house.counts()["entry"] > entries  # nothing of the trail went, something was added
        (entry,) = house.loose_entries("house:evidence:deleted")
        assert entry["facts"]["before"] == day.isoformat()


@pytest.mark.parametrize("days", [0, 182, -1])
def test_bytes_younger_than_six_months_are_not_deleted(house: SmallHouse, days: int) -> None:
    day = beijing_day(house.clock.now()) - timedelta(days=days)
    with pytest.raises(ActRefused, match="six months"):
        done_by_two(house, "evidence.delete", {"before": day.isoformat(), "reason": "too early"})
    with pytest.raises(ActRefused, match="write a day"):
        done_by_two(house, "evidence.delete", {"before": "yesterday", "reason": "no day"})


# -- another department ---------------------------------------------------------------------------------------------


def parked(house: SmallHouse, note: str) -> str:
    assert house.submit(house.sample()).ok

    def act(tx: Any) -> str:
        (claim,) = work.claim(tx, "FT_SBX", owner="t", lease=timedelta(seconds=9), limit=1, kinds=["call"])
        work.park(tx, claim, note=note)
        return claim.work_id

    return str(house.house.database.again(act))


def test_only_what_never_arrived_goes_to_another_department_and_by_two_people(
    tmp_path: Path, database_url: str
) -> None:
    bureau = EducationBureau(SECRET, tmp_path / "bureau-books", rule=Rule(shares={Course.GRANT: 1}))
    with small_house(tmp_path, database_url, bureau=bureau) as house:
        arrived = parked(house, "it may have arrived and cannot be asked about")
        with pytest.raises(ActRefused, match="never arrived"):
            done_by_two(house, "shelf.reroute", {"work": arrived, "department": "FT_EDU", "reason": "moved"})
        turned_down = parked(house, "Refused: not ours any more")
        for wrong in ("FT_SBX", "FT_NONE"):
            with pytest.raises(ActRefused, match="another one"):
                done_by_two(house, "shelf.reroute", {"work": turned_down, "department": wrong, "reason": "moved"})
        payload = {"work": turned_down, "department": "FT_EDU", "reason": "the item moved"}
        assert done_by_two(house, "shelf.reroute", payload)[0] == "executed"
        (row,) = house.rows(
            "SELECT w.lane, w.state, w.stage, c.backend, c.receipt_no FROM work w JOIN cases c USING (case_id)"
            " WHERE work_id = :id",
            id=turned_down,
        )
        receipt_no = row.pop("receipt_no")
        assert row == {"lane": "FT_EDU", "state": "due", "stage": "send", "backend": "FT_EDU"}
        entry = house.entries(receipt_no)[-1]
        assert (entry["kind"], entry["facts"]["to"]) == ("case:shelf:rerouted", "FT_EDU")
