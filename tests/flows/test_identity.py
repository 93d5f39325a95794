"""Who is the same: messages, submissions and receipts are three identities (rules.md 1–4; operations.md 2.3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.case import CaseEvent
from mocks.banks.icbc_sim import Answer, RawRequest
from tests.builders import CLIENT_ID, SmallHouse, small_house


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


def cases(house: SmallHouse) -> int:
    return house.counts()["cases"]


# -- messages ---------------------------------------------------------------------------------------------------


def test_the_same_message_again_gets_the_stored_bytes_and_does_nothing(house: SmallHouse) -> None:
    request = house.build("submit", house.sample())
    first = house.send(request)
    before = house.counts()
    assert house.send(request).raw == first.raw
    after = house.counts()
    assert {name: after[name] - n for name, n in before.items() if after[name] != n} == {"entry": 1}
    assert house.kinds(first.receipt_no)[-1] == "case:submission:repeated"


def test_the_same_message_again_gets_the_stored_bytes_also_when_the_case_has_moved(house: SmallHouse) -> None:
    request = house.build("submit", house.sample())
    first = house.send(request)
    house.happens(first.receipt_no, CaseEvent.ACCEPTED)
    assert house.send(request).raw == first.raw


def test_a_transport_id_with_other_content_is_refused(house: SmallHouse) -> None:
    first = house.submit(house.sample(), msg_id="one-id")
    other = house.submit(house.sample(), msg_id="one-id")
    assert first.ok
    assert (other.reason, cases(house)) == ("MESSAGE_ID_REUSED", 1)
    assert house.loose_entries("door:message:reused")[-1]["facts"]["transport_id"] == "one-id"


def test_a_transport_id_is_bound_over_all_operations(house: SmallHouse) -> None:
    assert house.call("echo", {"text": "x"}, msg_id="one-id").ok
    assert house.submit(house.sample(), msg_id="one-id").reason == "MESSAGE_ID_REUSED"
    assert house.call("echo", {"text": "y"}, msg_id="one-id").reason == "MESSAGE_ID_REUSED"
    assert cases(house) == 0


def test_a_read_again_is_answered_fresh(house: SmallHouse) -> None:
    filed = house.submit(house.sample())
    request = house.build("query", {"receipt_no": filed.receipt_no})
    assert house.send(request).business["case"]["state"] == "submitted"
    house.happens(filed.receipt_no, CaseEvent.ACCEPTED)
    assert house.send(request).business["case"]["state"] == "accepted"


def test_a_refused_message_sent_again_is_judged_anew(house: SmallHouse) -> None:
    first = house.submit(house.sample(serial=5))
    request = house.build("submit", house.sample(serial=5))
    assert house.send(request).reason == "OPEN_CASE_EXISTS"
    assert house.send(request).reason == "OPEN_CASE_EXISTS"
    house.happens(first.receipt_no, CaseEvent.WITHDRAWN)
    again = house.send(request)
    assert again.ok
    assert again.business["repeat"] is False
    assert house.send(request).raw == again.raw


def test_a_refused_message_keeps_its_transport_id_bound_to_its_text(house: SmallHouse) -> None:
    assert house.submit({**house.sample(), "outlet": "NO-SUCH"}, msg_id="one-id").reason == "INVALID"
    assert house.submit(house.sample(), msg_id="one-id").reason == "MESSAGE_ID_REUSED"


def test_a_message_older_than_the_window_is_told_its_clock_and_signed_anew_it_meets_its_case(house: SmallHouse) -> None:
    part = house.sample()
    request = house.build("submit", part)
    first = house.send(request)
    house.clock.turn(minutes=11)
    assert house.send(request).reason == "CLOCK"
    assert house.submit(part).receipt_no == first.receipt_no


# -- submissions ------------------------------------------------------------------------------------------------


def test_an_honest_retry_meets_the_same_case_with_the_same_receipt_and_a_fresh_envelope(house: SmallHouse) -> None:
    part = house.sample()
    first, again = house.submit(part), house.submit(part)
    assert again.signature_ok
    assert again.business["receipt"] == first.business["receipt"]
    assert (first.business["repeat"], again.business["repeat"]) == (False, True)
    assert again.msg_id != first.msg_id
    assert again.raw != first.raw
    assert (cases(house), house.counts()["work"]) == (1, 1)
    assert house.kinds(first.receipt_no)[-1] == "case:submission:retried"


def test_a_retry_is_told_the_present_state(house: SmallHouse) -> None:
    part = house.sample()
    first = house.submit(part)
    house.happens(first.receipt_no, CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED)
    assert house.submit(part).business["case"]["state"] == "reviewing"


def test_the_answer_to_a_retry_is_stored_too(house: SmallHouse) -> None:
    part = house.sample()
    house.submit(part)
    request = house.build("submit", part)
    again = house.send(request)
    assert house.send(request).raw == again.raw


def test_a_retry_meets_its_case_also_when_its_content_would_no_longer_pass(house: SmallHouse) -> None:
    part = house.sample()
    first = house.submit(part)
    house.clock.turn(days=30)  # the reference's day is long past, and so are the times of consent and signature
    again = house.submit(part)
    assert again.ok
    assert again.receipt_no == first.receipt_no
    fresh = house.submit({**part, "bank_ref": part["bank_ref"] + "x"})
    assert fresh.reason == "INVALID"


def test_a_reference_with_other_content_is_a_conflict_that_names_the_receipt(house: SmallHouse) -> None:
    part = house.sample()
    first = house.submit(part)
    other = house.submit({**part, "form": {**part["form"], "remark": "别的"}})
    assert (other.reason, other.receipt_no) == ("CONFLICT", first.receipt_no)
    assert house.kinds(first.receipt_no)[-1] == "case:submission:conflicted"
    assert cases(house) == 1


def test_a_reference_with_other_and_bad_content_is_still_a_conflict(house: SmallHouse) -> None:
    part = house.sample()
    first = house.submit(part)
    other = house.submit({**part, "outlet": "NO-SUCH"})
    assert (other.reason, other.receipt_no) == ("CONFLICT", first.receipt_no)


def test_members_outside_the_digest_do_not_make_a_conflict(house: SmallHouse) -> None:
    part = house.sample()
    first = house.submit(part)
    assert house.submit({**part, "confirm_second": True}).receipt_no == first.receipt_no


def test_a_refused_submission_may_be_corrected_under_its_reference(house: SmallHouse) -> None:
    part = house.sample()
    wrong = {**part, "applicant": {**part["applicant"], "phone": "12"}}
    assert house.submit(wrong).reason == "INVALID"
    mended = house.submit(part)
    assert mended.ok
    assert mended.business["case"]["case_ref"] == part["bank_ref"]


# -- at the same moment -----------------------------------------------------------------------------------------


def all_at_once(house: SmallHouse, requests: list[RawRequest]) -> list[Answer]:
    start = threading.Barrier(len(requests))

    def go(request: RawRequest) -> Answer:
        start.wait()
        return house.send(request)

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(go, requests))


def test_one_submission_in_eight_messages_at_once_is_one_case_with_one_receipt(house: SmallHouse) -> None:
    part = house.sample()
    answers = all_at_once(house, [house.build("submit", part) for _ in range(8)])
    assert [a.ok for a in answers] == [True] * 8
    assert len({a.business["receipt"] for a in answers}) == 1
    assert sorted(a.business["repeat"] for a in answers) == [False] + [True] * 7
    assert (cases(house), house.counts()["work"], house.counts()["message"]) == (1, 1, 8)


def test_one_message_eight_times_at_once_is_one_case_with_one_answer(house: SmallHouse) -> None:
    request = house.build("submit", house.sample())
    answers = all_at_once(house, [request] * 8)
    assert {a.raw for a in answers} == {answers[0].raw}
    assert (cases(house), house.counts()["message"]) == (1, 1)


def test_one_reference_with_eight_contents_at_once_has_one_winner(house: SmallHouse) -> None:
    part = house.sample()
    parts = [{**part, "form": {**part["form"], "remark": f"第{n}种"}} for n in range(8)]
    answers = all_at_once(house, [house.build("submit", p) for p in parts])
    (winner,) = [a for a in answers if a.ok]
    assert {(a.reason, a.receipt_no) for a in answers if not a.ok} == {("CONFLICT", winner.receipt_no)}


def test_one_applicant_at_eight_counters_at_once_has_one_open_case(house: SmallHouse) -> None:
    parts = [house.sample(serial=77) for _ in range(8)]
    answers = all_at_once(house, [house.build("submit", p) for p in parts])
    (winner,) = [a for a in answers if a.ok]
    assert {(a.reason, a.receipt_no) for a in answers if not a.ok} == {("OPEN_CASE_EXISTS", winner.receipt_no)}


# -- a second open case -----------------------------------------------------------------------------------------


def test_a_second_open_case_is_asked_back_and_filed_once_confirmed(house: SmallHouse) -> None:
    first = house.submit(house.sample(serial=5))
    part = house.sample(serial=5)
    asked = house.submit(part)
    assert (asked.reason, asked.receipt_no) == ("OPEN_CASE_EXISTS", first.receipt_no)
    second = house.submit({**part, "confirm_second": True})
    assert second.ok
    assert second.receipt_no != first.receipt_no
    assert house.submit(part).receipt_no == second.receipt_no  # its reference is taken now


def test_a_confirmed_second_case_stands_in_the_way_of_a_third_once_the_first_has_ended(house: SmallHouse) -> None:
    first = house.submit(house.sample(serial=5))
    second = house.submit({**house.sample(serial=5), "confirm_second": True})
    house.happens(first.receipt_no, CaseEvent.WITHDRAWN)
    third = house.submit(house.sample(serial=5))
    assert (third.reason, third.receipt_no) == ("OPEN_CASE_EXISTS", second.receipt_no)
    house.happens(second.receipt_no, CaseEvent.WITHDRAWN)
    assert house.submit(house.sample(serial=5)).ok


def test_the_open_case_of_another_bank_is_not_named(house: SmallHouse) -> None:
    first = house.submit(house.sample(serial=5))
    house.house.database.again(
        lambda tx: tx.run("UPDATE cases SET bank = 'OTHER' WHERE receipt_no = :no", {"no": first.receipt_no})
    )
    asked = house.submit(house.sample(serial=5))
    assert (asked.reason, asked.receipt_no) == ("OPEN_CASE_EXISTS", "")
    assert first.receipt_no.encode() not in asked.raw


def test_another_item_or_another_person_is_no_second_case(house: SmallHouse) -> None:
    assert house.submit(house.sample("FT-SBX-002", serial=5)).ok
    assert house.submit(house.sample("FT-SBX-003", serial=5)).ok
    assert house.submit(house.sample("FT-SBX-002", serial=6)).ok


@pytest.mark.parametrize(
    "ending",
    [
        (CaseEvent.WITHDRAWN,),
        (CaseEvent.REFUSED_INTAKE,),
        (CaseEvent.DENIED,),
        (CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED),
    ],
    ids=lambda ending: str(ending[-1]),
)
def test_after_the_first_has_ended_a_new_one_is_fine(house: SmallHouse, ending: tuple[CaseEvent, ...]) -> None:
    first = house.submit(house.sample(serial=5))
    house.happens(first.receipt_no, *ending)
    assert house.submit(house.sample(serial=5)).ok


# -- a blocked client -------------------------------------------------------------------------------------------


def test_a_blocked_client_is_not_authentic(house: SmallHouse) -> None:
    house.set_status("blocked")
    house.house.directory._looked = float("-inf")  # a second later
    assert house.submit(house.sample()).reason == "NOT_AUTHENTIC"
    assert house.call("echo", {"text": "x"}).reason == "NOT_AUTHENTIC"
    assert cases(house) == 0


def test_a_block_between_opening_and_filing_holds(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def blocked_in_between(file: Callable[[Any], Any], rows: Any) -> Any:
        house.set_status("blocked")
        return file(rows)

    assert house.call("echo", {"text": "the directory is fresh"}).ok
    house.around_filing(monkeypatch, blocked_in_between)
    answer = house.submit(house.sample())
    assert (answer.reason, cases(house)) == ("NOT_AUTHENTIC", 0)
    assert house.counts()["work"] == 0


def test_a_key_retired_between_opening_and_filing_no_longer_files(house: SmallHouse) -> None:
    assert house.call("echo", {"text": "the directory is fresh"}).ok
    house.house.database.again(
        lambda tx: tx.run("UPDATE client_key SET retired_at = 1 WHERE client_id = :c", {"c": CLIENT_ID})
    )
    assert house.submit(house.sample()).reason == "NOT_AUTHENTIC"
    assert cases(house) == 0
