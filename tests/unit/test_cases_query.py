"""Reading: cursors, pages, the ping. Another bank's things are the same as nothing (rules.md 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.case import CaseEvent
from gateway.signing.keys import add_key
from tests.builders import BANK, LONG_AGO, SmallHouse, bank_key, enrolled, small_house


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def page(house: SmallHouse, cursor: str = "", **more: str) -> dict[str, object]:
    answer = house.call("changes", {"cursor": cursor, **more})
    assert answer.ok, answer.raw
    return dict(answer.business)


def filed(house: SmallHouse, count: int, **how: str) -> list[str]:
    numbers = [house.submit(house.sample("FT-SBX-003", **how)).receipt_no for _ in range(count)]
    house.house.sealer.order()
    return numbers


# -- the feed -------------------------------------------------------------------------------------------------------


def test_an_empty_feed_has_no_cursor_yet_and_asking_again_is_fine(house: SmallHouse) -> None:
    assert page(house) | {"message": ""} == page(house, "") | {"message": ""}
    assert (page(house)["events"], page(house)["next"], page(house)["more"]) == ([], "", False)


def test_pages_follow_one_another_without_loss_or_repeat(house: SmallHouse) -> None:
    numbers = filed(house, 5)
    seen, cursor, mores = [], "", []
    for _ in range(3):
        found = page(house, cursor, limit="2")
        seen += [event["receipt_no"] for event in found["events"]]  # type: ignore[attr-defined]  # a list of events
        cursor, more = str(found["next"]), found["more"]
        mores.append(more)
    assert seen == numbers
    assert mores == [True, True, False]
    assert page(house, cursor)["events"] == []
    assert page(house, cursor)["next"] == cursor


def test_what_is_not_placed_yet_does_not_show_and_never_appears_behind_a_cursor(house: SmallHouse) -> None:
    first = filed(house, 1)
    late = house.submit(house.sample("FT-SBX-003")).receipt_no
    found = page(house)
    assert [event["receipt_no"] for event in found["events"]] == first  # type: ignore[attr-defined]  # events
    house.house.sealer.order()
    behind = page(house, str(found["next"]))
    assert [event["receipt_no"] for event in behind["events"]] == [late]  # type: ignore[attr-defined]  # events


def test_the_feed_can_be_narrowed_to_an_outlet(house: SmallHouse) -> None:
    filed(house, 1, outlet="ICBC-FT-01")
    (other,) = filed(house, 1, outlet="ICBC-FT-02")
    events = page(house, outlet="ICBC-FT-02")["events"]
    assert [event["receipt_no"] for event in events] == [other]  # type: ignore[attr-defined]  # events


def test_a_garbled_cursor_is_unknown(house: SmallHouse) -> None:
    filed(house, 1)
    for cursor in ("x", "c1", "c1.0", "c1.zz.a", "c1.-1.a", "c1.0." + "0" * 24, "c1.٠.a", "c1.ffffffffffffffff.a", "."):
        answer = house.call("changes", {"cursor": cursor})
        assert (answer.reason, answer.return_code) == ("CURSOR_UNKNOWN", 931507)


def test_a_cursor_moved_by_hand_or_of_another_bank_is_unknown(house: SmallHouse) -> None:
    filed(house, 3)
    good = str(page(house, limit="1")["next"])
    head, place, epoch, proof = good.split(".")
    moved = f"{head}.{int(place, 16) + 1:x}.{epoch}.{proof}"
    others = house.house.vault.search_hash("cursor:OTHER", f"{int(place, 16) - 1}:1").rpartition(":")[2][:24]
    own = house.house.vault.search_hash("cursor:ICBC", f"{int(place, 16) - 1}:1").rpartition(":")[2][:24]
    assert own == proof
    for cursor in (moved, f"{head}.{place}.{epoch}.{others}", f"{head}.{place}.2.{proof}", good.upper()):
        assert house.call("changes", {"cursor": cursor}).reason == "CURSOR_UNKNOWN"
    assert page(house, good)["events"]


# -- one case -------------------------------------------------------------------------------------------------------


def test_a_case_is_found_by_either_of_its_names(house: SmallHouse) -> None:
    part = house.sample()
    answer = house.submit(part)
    by_number, by_ref = house.query(answer.receipt_no), house.query(case_ref=part["bank_ref"])
    assert by_number.business["case"] == by_ref.business["case"]
    assert by_number.business["receipt"] == answer.business["receipt"]
    assert by_number.business["case"]["case_ref"] == part["bank_ref"]


def test_another_bank_s_case_is_the_same_as_no_case(house: SmallHouse) -> None:
    part = house.sample()
    number = house.submit(part).receipt_no
    nothing = dict(house.query("FT261123037K3QWB").business)
    house.house.database.again(lambda tx: tx.run("UPDATE cases SET bank = 'OTHER'"))
    assert dict(house.query(number).business) == nothing
    assert dict(house.query(case_ref=part["bank_ref"]).business) == nothing
    assert nothing["reason"] == "CASE_UNKNOWN"


def test_events_are_told_only_when_asked_for(house: SmallHouse) -> None:
    number = house.submit(house.sample()).receipt_no
    house.happens(number, CaseEvent.ACCEPTED)
    assert "events" not in house.call("query", {"receipt_no": number}).business
    events = house.query(number).business["events"]
    assert [event["kind"] for event in events] == ["received", "accepted"]
    assert [event["state"] for event in events] == ["submitted", "accepted"]


def test_an_erased_case_keeps_its_numbers_and_states_and_nothing_else(house: SmallHouse) -> None:
    number = house.submit(house.sample()).receipt_no
    house.house.sealer.order()
    house.house.database.again(lambda tx: tx.run("UPDATE cases SET data_key = NULL"))
    answer = house.query(number)
    assert answer.business["case"]["state"] == "submitted"
    assert answer.business["receipt"]
    assert answer.business["events"] == [{"event_no": "1", "kind": "erased"}]
    assert page(house)["events"] == [{"event_no": "1", "kind": "erased"}]


# -- the ping -------------------------------------------------------------------------------------------------------


def test_echo_tells_who_we_think_is_calling_and_with_which_keys(house: SmallHouse) -> None:
    told = house.call("echo", {"text": "first contact 测试㐂"}).business
    assert told["text"] == "first contact 测试㐂"
    assert (told["bank"], told["profile"], told["algorithm"]) == (BANK, "icbc", "rsa-sha256")
    assert told["key_id"] == enrolled(bank_key()).keys[0].key_id
    assert told["our_key_id"] == house.house.keys.publics("answer-icbc")[0].key_id
    assert abs(int(told["skew_seconds"])) <= 2
    assert told["outlets"] == []


def test_echo_names_the_key_its_answer_is_signed_with_after_a_rotation(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url) as house:
        before = house.call("echo", {"text": "x"}).business["our_key_id"]
    new = add_key(tmp_path / "keys", "answer-icbc", valid_from=LONG_AGO.replace(year=2021))
    with small_house(tmp_path, sqlite_url) as house:
        answer = house.call("echo", {"text": "x"})
    assert answer.signature_ok  # the branch was given the newest public half
    assert answer.business["our_key_id"] == new != before


def test_echo_tells_the_difference_of_the_clocks(house: SmallHouse) -> None:
    request = house.build("echo", {"text": "x"})
    house.clock.turn(seconds=90)
    assert 89 <= int(house.send(request).business["skew_seconds"]) <= 92


def test_a_test_notice_is_not_promised_while_no_address_is_enrolled(house: SmallHouse) -> None:
    answer = house.call("echo", {"text": "x", "notify": True})
    assert answer.ok
    assert [(w["code"], w["path"]) for w in answer.business["warnings"]] == [("MEMBER_IGNORED", "notify")]


def test_a_client_s_outlets_are_told(tmp_path: Path, sqlite_url: str) -> None:
    client = replace(enrolled(bank_key()), outlets=("ICBC-FT-01",))
    with small_house(tmp_path, sqlite_url, client=client) as house:
        assert house.call("echo", {"text": "x"}).business["outlets"] == ["ICBC-FT-01"]
