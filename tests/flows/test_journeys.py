"""Journeys from the bank's door to the department's decision and back, on both databases, over real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit import verify
from gateway.dispatch.trail_export import export
from tests.builders import SmallHouse, small_house

LAWFUL = ["received", "accepted", "review_started", "approved"]


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url, with_department=True) as small:
        yield small


def kinds(events: list[dict[str, object]]) -> list[object]:
    return [event["kind"] for event in events]


def all_words_heard(house: SmallHouse) -> None:
    house.until(lambda: house.department and not house.department.ledger.pushes()["waiting"], what="all pushes")
    house.until(lambda: not house.rows("SELECT 1 AS n FROM work WHERE lane = 'inbox' AND state = 'due'"))


def test_an_instant_grant_is_told_inside_the_call_and_replaces_the_stored_answer(house: SmallHouse) -> None:
    request = house.build("submit", house.sample("FT-SBX-001"))
    began = time.monotonic()
    answer = house.send(request)
    assert time.monotonic() - began <= 3.5
    assert answer.ok
    assert answer.business["case"]["state"] == "approved"
    assert answer.business["case"]["decision"]["kind"] == "granted"
    assert answer.business["case"]["decision"]["automatic"] is True
    assert house.send(request).raw == answer.raw
    assert kinds(house.query(answer.receipt_no).business["events"]) == ["received", "approved"]


def test_an_instant_refusal_is_told_inside_the_call(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-001", "refuse"))
    assert answer.ok
    assert answer.business["case"]["state"] == "denied"
    assert answer.business["case"]["decision"]["reason"] == "CONDITION_NOT_MET"


def test_a_grant_by_callback_arrives_without_anybody_asking(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-002"))
    assert answer.business["case"]["state"] == "submitted"
    done = house.until_state(answer.receipt_no, "approved")
    assert kinds(done.business["events"]) == LAWFUL
    assert done.business["receipt"] == answer.business["receipt"]
    told = house.kinds(answer.receipt_no)
    assert "case:callback:received" in told
    assert "case:call:asked" not in told


def test_a_grant_by_polling_is_found(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-003"))
    done = house.until_state(answer.receipt_no, "approved", turn=0.5)
    assert kinds(done.business["events"]) == LAWFUL
    assert "case:callback:received" not in house.kinds(answer.receipt_no)


def test_a_refusal_ends_the_case_with_its_reason(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-004", "refuse"))
    case = house.until_state(answer.receipt_no, "denied").business["case"]
    assert case["phase"] == "ended"
    assert case["decision"]["kind"] == "refused"
    assert case["decision"]["reason"] == "CONDITION_NOT_MET"


def test_a_correction_is_an_ask_in_our_own_names(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-002", "correct"))
    case = house.until_state(answer.receipt_no, "correction").business["case"]
    (ask,) = case["asks"]
    assert case["phase"] == "waiting"
    assert ask["kind"] == "correction"
    assert [mark["path"] for mark in ask["what"]] == ["form.remark"]
    assert ask["due"]


def test_a_lost_answer_is_asked_about_and_filed_exactly_once(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-002", "lost"))
    house.until_state(answer.receipt_no, "approved", turn=0.5)
    (filed,) = house.ledger(answer.receipt_no)
    assert (filed["duplicates"], filed["arrivals"]) == (0, 1)
    assert "case:call:unclear" in house.kinds(answer.receipt_no)


def test_a_web_page_instead_of_an_answer_is_asked_about_and_filed_exactly_once(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-003", "garbage"))
    house.until_state(answer.receipt_no, "approved", turn=0.5)
    (filed,) = house.ledger(answer.receipt_no)
    assert (filed["duplicates"], filed["arrivals"]) == (0, 1)


def test_callbacks_that_come_twice_change_nothing_the_second_time(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-002", "twice"))
    house.until_state(answer.receipt_no, "approved")
    all_words_heard(house)
    assert kinds(house.query(answer.receipt_no).business["events"]) == LAWFUL
    words = house.rows("SELECT count(*) AS n FROM callback")
    assert house.kinds(answer.receipt_no).count("case:callback:received") == words[0]["n"]


def test_callbacks_out_of_order_end_in_the_lawful_order(house: SmallHouse) -> None:
    answer = house.submit(house.sample("FT-SBX-002", "out_of_order"))
    house.until_state(answer.receipt_no, "approved")
    all_words_heard(house)
    events = house.query(answer.receipt_no).business["events"]
    assert kinds(events) == LAWFUL
    assert [event["event_no"] for event in events] == ["1", "2", "3", "4"]


def test_the_feed_is_complete_and_each_case_in_order(house: SmallHouse) -> None:
    filed = [house.submit(house.sample(item)).receipt_no for item in ("FT-SBX-001", "FT-SBX-002", "FT-SBX-004")]
    for receipt_no in filed:
        house.until_state(receipt_no, "approved")
    wanted = {no: house.query(no).business["events"] for no in filed}
    house.until(lambda: len(house.feed()) == sum(map(len, wanted.values())), what="the feed has every event")
    feed = house.feed(limit="2")
    assert {no: [e for e in feed if e["receipt_no"] == no] for no in filed} == wanted
    for events in wanted.values():
        assert [event["event_no"] for event in events] == [str(n + 1) for n in range(len(events))]


def test_the_whole_trail_verifies_after_a_journey(house: SmallHouse) -> None:
    house.until_state(house.submit(house.sample("FT-SBX-002")).receipt_no, "approved")
    house.house.sealer.order()
    house.house.sealer.seal(now_too=True)
    target = house.folder / "trail"
    export(house.house.database, house.house.keys, target, log_id="ft-gov-log-1", now=house.clock.now())
    assert verify.main([str(target)]) == 0
