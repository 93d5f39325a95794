"""Items and outlets off and on at once, and departments closed for a time: what the counter is told, what goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import places
from gateway.domain.clock import stamp
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing
from gateway.parties.switching import Switching
from mocks.banks.icbc_sim import Answer
from tests.builders import OUTLET, SmallHouse, small_house

ITEM, OTHER_ITEM, OTHER_OUTLET, DEPARTMENT = "FT-SBX-002", "FT-SBX-003", "ICBC-FT-01", "FT_SBX"
SAY, WHY = "该事项系统升级，暂停受理", "上游系统升级"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def change(house: SmallHouse, name: str, *, looked: bool = True, **payload: Any) -> str:
    """One change; ``looked``: this process knows of it, else only the database does."""
    room = Switching(places(house.house.banks, house.house.backends, house.house.catalogue))
    whole = {"say": SAY, "reason": WHY, **payload}
    doing = Doing(at=house.clock.now(), actor="operator:test")
    made: str = house.house.database.again(lambda tx: getattr(room, name)(tx, whole, doing))
    if looked:
        house.house.switchboard.forget()
    return made


def problems(answer: Answer) -> list[tuple[str, str, str]]:
    return [(e["path"], e["code"], e["message"]) for e in answer.business.get("errors", [])]


def item_row(house: SmallHouse, code: str = ITEM) -> dict[str, Any]:
    page = "1"
    while page:
        answer = house.call("item_list", {"page": page}).business
        found = [row for row in answer["items"] if row["item"] == code]
        if found:
            return dict(found[0])
        page = answer.get("next_page", "")
    raise AssertionError(code)


def outlet_row(house: SmallHouse, code: str = OUTLET) -> dict[str, Any]:
    return next(dict(row) for row in house.call("outlet_list", {}).business["outlets"] if row["code"] == code)


def status(house: SmallHouse) -> dict[str, Any]:
    return dict(house.call("department_status", {"department": DEPARTMENT}).business["departments"][0])


# -- off and on -------------------------------------------------------------------------------------------------------


def test_an_item_that_is_switched_off_is_refused_with_its_stable_code_and_the_counters_sentence(
    house: SmallHouse,
) -> None:
    house.call("item_list", {})
    change(house, "off", item=ITEM)
    answer = house.submit(house.sample(ITEM))
    assert (answer.reason, problems(answer)) == ("INVALID", [("item", "ITEM_CLOSED", SAY)])
    assert house.submit(house.sample(OTHER_ITEM)).ok
    change(house, "on", item=ITEM)
    assert house.submit(house.sample(ITEM)).ok
    off, on = house.loose_entries("house:switch:off")[0], house.loose_entries("house:switch:on")[0]
    assert off["subject"] == on["subject"] == f"switch:{ITEM}:*:*"
    assert (off["facts"]["say"], off["facts"]["reason"]) == (SAY, WHY)


def test_off_is_at_once_also_for_a_process_that_has_not_looked(house: SmallHouse) -> None:
    assert house.submit(house.sample(ITEM)).ok
    change(house, "off", looked=False, item=ITEM)
    before = house.counts()["cases"]
    answer = house.submit(house.sample(ITEM))
    assert problems(answer) == [("item", "ITEM_CLOSED", SAY)]
    assert house.counts()["cases"] == before
    change(house, "off", looked=False, outlet=OUTLET)
    assert problems(house.submit(house.sample(OTHER_ITEM))) == [("outlet", "OUTLET_NOT_ENTITLED", SAY)]


def test_an_honest_retry_of_what_was_taken_meets_its_case_after_the_switch(house: SmallHouse) -> None:
    part = house.sample(ITEM)
    filed = house.submit(part)
    change(house, "off", item=ITEM)
    again = house.submit(part)
    assert (again.ok, again.receipt_no) == (True, filed.receipt_no)


def test_what_was_taken_in_goes_on_while_its_item_is_off(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, with_department=True, decide_after=1.0) as house:
        filed = house.submit(house.sample(ITEM))
        change(house, "off", item=ITEM)
        assert house.until_state(filed.receipt_no, "approved", turn=0.5).ok


def test_one_outlet_is_off_for_one_item_and_the_others_go_on(lite: SmallHouse) -> None:
    tag = lite.call("item_list", {}).business["tag"]
    change(lite, "off", item=ITEM, outlet=OUTLET)
    assert problems(lite.submit(lite.sample(ITEM))) == [("item", "ITEM_CLOSED", SAY)]
    assert lite.submit(lite.sample(OTHER_ITEM)).ok
    assert lite.submit(lite.sample(ITEM, outlet=OTHER_OUTLET)).ok
    row = item_row(lite)
    assert row["open"] is True
    assert OUTLET not in row["outlets"]
    assert OTHER_OUTLET in row["outlets"]
    assert ITEM not in outlet_row(lite)["items"]
    assert lite.call("item_list", {"known": tag}).business["tag"] != tag


def test_lists_and_tags_change_with_a_switch_and_back(lite: SmallHouse) -> None:
    items, outlets = lite.call("item_list", {}).business["tag"], lite.call("outlet_list", {}).business["tag"]
    taken = outlet_row(lite)["items"]
    assert (item_row(lite)["open"], ITEM in taken) == (True, True)
    change(lite, "off", item=ITEM)
    row = item_row(lite)
    assert (row["open"], row["outlets"], row["say"]) == (False, [], SAY)
    assert lite.call("item_list", {"known": items}).business.get("unchanged") is None
    change(lite, "on", item=ITEM)
    assert lite.call("item_list", {"known": items}).business["unchanged"] is True
    change(lite, "off", outlet=OUTLET)
    shut = outlet_row(lite)
    assert (shut["items"], shut["say"]) == ([], SAY)
    assert lite.call("outlet_list", {"known": outlets}).business.get("unchanged") is None
    elsewhere = outlet_row(lite, OTHER_OUTLET)["items"]
    assert elsewhere == "all" or ITEM in elsewhere
    change(lite, "on", outlet=OUTLET)
    assert (outlet_row(lite)["items"], "say" in outlet_row(lite)) == (taken, False)


def test_a_switch_with_times_begins_and_ends_by_itself(lite: SmallHouse) -> None:
    now = lite.clock.now()
    change(
        lite,
        "off",
        item=ITEM,
        **{"from": stamp(now + timedelta(hours=1)), "until": stamp(now + timedelta(hours=2))},
    )
    assert lite.submit(lite.sample(ITEM)).ok
    lite.clock.turn(hours=1, seconds=1)
    assert problems(lite.submit(lite.sample(ITEM))) == [("item", "ITEM_CLOSED", SAY)]
    lite.clock.turn(hours=1)
    assert lite.submit(lite.sample(ITEM)).ok


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        ("off", {"item": "FT-NO-001"}, "no item"),
        ("off", {"outlet": "ICBC-FT-99"}, "no outlet"),
        ("off", {"item": ITEM, "bank": "NOBODY"}, "no bank"),
        ("off", {}, "name an item, an outlet"),
        ("off", {"item": ITEM, "say": ""}, "sentence the counter reads"),
        ("off", {"item": ITEM, "say": "停" * 61}, "at most 60"),
        ("off", {"item": ITEM, "say": "暂停𠮷"}, "GBK"),
        ("off", {"item": ITEM, "reason": " "}, "write why"),
        ("off", {"item": ITEM, "until": "2020-01-01T00:00:00+08:00"}, "after the beginning"),
        ("off", {"item": ITEM, "from": "tomorrow"}, "write a time"),
        ("on", {"item": ITEM}, "not switched off"),
        ("close", {"department": "FT_NO", "until": "2099-01-01T00:00:00+08:00"}, "no department's system"),
        ("close", {"department": DEPARTMENT}, "until must lie"),
        ("close", {"department": DEPARTMENT, "until": "2099-01-01T00:00:00+08:00"}, "at most 31 days"),
        ("reopen", {"closure": "none"}, "no closure of that id"),
    ],
)
def test_a_wrong_switch_or_closure_is_refused_in_words(
    lite: SmallHouse, name: str, payload: dict[str, str], words: str
) -> None:
    before = lite.counts()
    with pytest.raises(BadSettings, match=words):
        change(lite, name, **payload)
    assert lite.counts() == before


# -- closures ---------------------------------------------------------------------------------------------------------


def close(house: SmallHouse, *, begins: float = 0.0, lasts: float = 3600.0, say: str = SAY) -> str:
    start = house.clock.now() + timedelta(seconds=begins)
    times = {"from": stamp(start) if begins else "", "until": stamp(start + timedelta(seconds=lasts))}
    return change(house, "close", department=DEPARTMENT, say=say, **times)


def test_a_closed_department_is_told_to_the_counter_before_and_during_and_not_after(house: SmallHouse) -> None:
    assert status(house)["state"] == "open"
    close(house, begins=86_400, say="明日系统维护，我方照常收件")
    coming = status(house)
    assert (coming["state"], coming["closes"]["say"]) == ("open", "明日系统维护，我方照常收件")
    house.clock.turn(days=1, seconds=1)
    closed = status(house)
    assert (closed["state"], closed["holds"], closed["say"]) == ("closed", True, "明日系统维护，我方照常收件")
    assert closed["until"] == coming["closes"]["until"]
    filed = house.submit(house.sample(ITEM))
    assert filed.ok  # taken, and said at once
    assert [w["code"] for w in filed.business["warnings"]] == ["DEPARTMENT_CLOSED"]
    house.clock.turn(hours=1)
    assert status(house)["state"] == "open"
    assert "warnings" not in house.submit(house.sample(ITEM)).business


def test_nothing_is_sent_while_a_department_is_closed_and_all_of_it_afterwards(
    tmp_path: Path, database_url: str
) -> None:
    with small_house(tmp_path, database_url, with_department=True) as house:
        closure = close(house)
        filed = [house.submit(house.sample(item)).receipt_no for item in (ITEM, OTHER_ITEM, "FT-SBX-001")]
        looks = [status(house)["state"] for _ in range(20)]  # the runner looks meanwhile
        house.clock.turn(minutes=2)  # more than that and the department would not believe our clock
        assert {*looks, status(house)["state"]} == {"closed"}
        assert house.ledger() == []
        assert {kind for no in filed for kind in house.kinds(no)} == {"case:submission:received"}
        change(house, "reopen", closure=closure)
        for receipt_no in filed:
            house.until_state(receipt_no, "approved", turn=0.5)
        assert len(house.ledger()) == 3
        (ended,) = house.loose_entries("house:closure:ended")
        assert ended["subject"] == f"department:{DEPARTMENT}"


def test_a_closure_that_is_to_come_is_taken_back(lite: SmallHouse) -> None:
    closure = close(lite, begins=3600)
    change(lite, "reopen", closure=closure)
    assert "closes" not in status(lite)
    lite.clock.turn(hours=1, minutes=1)
    assert status(lite)["state"] == "open"
