"""Journeys of supplements, withdrawals and notices, from the bank's door to the department and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import verify
from gateway.dispatch.trail_export import export
from gateway.store import clients
from mocks.banks.act_samples import PAPER, sample_supplement, sample_withdrawal
from mocks.banks.icbc_notices import NoticeReceiver
from mocks.banks.samples import bank_ref
from tests.builders import APP_ID, BANK, CLIENT_ID, OUTLET, SmallHouse, small_house


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url, with_department=True) as small:
        yield small


def kinds(house: SmallHouse, receipt_no: str) -> list[str]:
    return [event["kind"] for event in house.query(receipt_no).business["events"]]


def reference(house: SmallHouse) -> str:
    house._serial[0] += 1
    return bank_ref(BANK, house._serial[0], now=house.clock.now())


def supplement(house: SmallHouse, receipt_no: str, ask_no: str, **what: Any) -> dict[str, Any]:
    return sample_supplement(
        OUTLET, bank_ref=reference(house), receipt_no=receipt_no, ask_no=ask_no, now=house.clock.now(), **what
    )


def withdrawal(house: SmallHouse, receipt_no: str) -> dict[str, Any]:
    return sample_withdrawal(OUTLET, bank_ref=reference(house), receipt_no=receipt_no, now=house.clock.now())


def test_a_correction_is_answered_and_the_case_is_granted(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample("FT-SBX-002", "correct")).receipt_no
    (ask,) = house.until_state(receipt_no, "correction").business["case"]["asks"]
    answer = house.call("supplement", supplement(house, receipt_no, ask["ask_no"], form={"remark": "办理入户"}))
    assert answer.business["case"]["state"] == "submitted"
    house.until_state(receipt_no, "approved")
    assert kinds(house, receipt_no) == [
        "received",
        "correction_asked",
        "corrected",
        "accepted",
        "review_started",
        "approved",
    ]
    house.until(lambda: not house.rows("SELECT 1 AS n FROM work WHERE state = 'due'"), what="no call is left open")
    (filed,) = house.ledger(receipt_no)
    assert (filed["duplicates"], filed["arrivals"]) == (0, 1)


def test_a_promised_paper_is_carried_to_the_department_even_after_its_decision(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample("FT-SBX-002", material="promised")).receipt_no
    case = house.until_state(receipt_no, "approved").business["case"]
    assert case["decision"]["kind"] == "granted_with_promise"
    part = supplement(house, receipt_no, "1", materials=[{"id": "M1", **PAPER}])
    assert house.call("supplement", part).ok
    assert kinds(house, receipt_no)[-1] == "promise_settled"
    # This department takes supplements only while a correction is open: its refusal goes to a person, never nowhere.
    house.until(lambda: "case:call:failed" in house.kinds(receipt_no), what="the paper was carried")
    assert house.rows("SELECT state FROM work WHERE state = 'parked'")


def test_a_promise_ends_on_a_real_working_day_not_on_a_stretched_one(house: SmallHouse) -> None:
    item = house.house.catalogue.items["FT-SBX-002"][-1]
    last = house.house.clockwork.promise_ends(item, house.clock.now())
    assert house.house.clockwork.days.is_working(last)
    late = house.sample("FT-SBX-002", material="promised")
    late["promise"]["materials"][0]["until"] = (last + timedelta(days=1)).isoformat()
    errors = house.submit(late).business["errors"]
    assert [(e["path"], e["code"]) for e in errors] == [("promise.materials[0].until", "PROMISE_TOO_LATE")]
    late["promise"]["materials"][0]["until"] = last.isoformat()
    assert house.submit(late).ok


def test_a_withdrawal_after_the_call_left_is_the_departments_to_grant(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample("FT-SBX-002", "correct")).receipt_no
    house.until_state(receipt_no, "correction")
    answer = house.call("withdraw", withdrawal(house, receipt_no))
    assert answer.business["case"]["withdrawal"] == "asked"
    case = house.until_state(receipt_no, "withdrawn").business["case"]
    assert (case["withdrawal"], case.get("asks")) == ("done", None)
    assert kinds(house, receipt_no)[-2:] == ["withdrawal_asked", "withdrawn"]


def test_an_act_that_waits_for_the_filing_leaves_no_entry_each_time_it_is_looked_at(house: SmallHouse) -> None:
    assert house.department is not None
    house.department.faults.stage({"next": ["http503"] * 200})
    receipt_no = house.submit(house.sample("FT-SBX-002")).receipt_no
    house.until(lambda: "case:call:attempted" in house.kinds(receipt_no), what="the filing is tried")
    assert house.call("withdraw", withdrawal(house, receipt_no)).business["case"]["withdrawal"] == "asked"
    (act,) = house.rows("SELECT work_id FROM work WHERE kind = 'call' ORDER BY created_at DESC LIMIT 1")
    waits = "SELECT attempt FROM work WHERE work_id = :id AND attempt >= 3 AND note LIKE 'waits for%'"
    house.until(lambda: house.rows(waits, id=act["work_id"]), what="it was looked at often", turn=20)
    named = [entry for entry in house.entries(receipt_no) if entry["facts"].get("call") == act["work_id"]]
    assert [entry["kind"] for entry in named] == []


def test_a_decision_we_have_not_heard_yet_crosses_the_withdrawal_and_wins(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample("FT-SBX-003")).receipt_no
    house.until(lambda: house.ledger(receipt_no), what="it is filed")
    house.until(lambda: house.ledger(receipt_no)[0]["status"] == "GRANTED", what="the department has decided")
    answer = house.call("withdraw", withdrawal(house, receipt_no))
    assert answer.business["case"]["withdrawal"] == "asked"
    house.until_state(receipt_no, "approved")
    case = house.query(receipt_no).business["case"]
    assert (case["withdrawal"], case["decision"]["kind"]) == ("refused", "granted")
    assert kinds(house, receipt_no)[-2:] == ["approved", "withdrawal_refused"]
    assert house.call("withdraw", withdrawal(house, receipt_no)).reason == "TOO_LATE"


def address_is_read(house: SmallHouse) -> bool:
    client = house.house.directory().by_id(CLIENT_ID)
    return client is not None and bool(client.options)


@contextmanager
def proven_receiver(house: SmallHouse) -> Iterator[NoticeReceiver]:
    """The bank's receiver, its address enrolled and proven by an echo that asked for a test notice."""
    keys = house.folder / f"{APP_ID}-bank.pem", house.folder / "answers.pem"
    with NoticeReceiver(APP_ID, *keys, now=house.clock.now) as receiver:
        address = {"notify_url": receiver.url}
        house.house.database.again(lambda tx: clients.set_options(tx, CLIENT_ID, address))
        house.until(lambda: address_is_read(house), what="the directory has it")
        assert house.call("echo", {"text": "first contact", "notify": True}).ok
        house.until(lambda: house.loose_entries("party:address:proven"), what="the address is proven")
        yield receiver


def told(receiver: NoticeReceiver, receipt_no: str) -> list[dict[str, Any]]:
    return [row["event"] for row in receiver.heard(receipt_no=receipt_no) if row["taken"]]


def test_a_bank_is_told_every_event_as_it_happens(house: SmallHouse) -> None:
    with proven_receiver(house) as receiver:
        receipt_no = house.submit(house.sample("FT-SBX-002")).receipt_no
        house.until_state(receipt_no, "approved")
        house.until(lambda: len(told(receiver, receipt_no)) == 4, what="all four events are told")
        assert told(receiver, receipt_no) == house.query(receipt_no).business["events"]


def test_a_bank_that_was_away_is_told_as_soon_as_it_is_heard_again(house: SmallHouse) -> None:
    with proven_receiver(house) as receiver:
        receiver.faults.stage({"rate": 1.0, "kinds": ["http503"]})
        numbers = [house.submit(house.sample("FT-SBX-002")).receipt_no for _ in range(3)]
        for number in numbers:
            house.until_state(number, "approved")
        failed = "SELECT 1 AS n FROM notice_log WHERE outcome = 'failed'"
        house.until(lambda: len(house.rows(failed)) >= 3, what="each case was tried")
        assert [told(receiver, number) for number in numbers] == [[], [], []]
        receiver.faults.stage({})
        house.house.database.again(lambda tx: tx.run("UPDATE notice_client SET pulled_at = 0"))
        assert house.call("echo", {"text": "back again"}).ok
        house.until(lambda: all(len(told(receiver, n)) == 4 for n in numbers), what="everything is told")
        for number in numbers:
            assert [e["event_no"] for e in told(receiver, number)] == ["1", "2", "3", "4"]
        house.until(lambda: not house.rows("SELECT 1 AS n FROM work WHERE state = 'due'"), what="nothing is left")


def test_the_trail_verifies_with_acts_in_it(house: SmallHouse) -> None:
    receipt_no = house.submit(house.sample("FT-SBX-002", "correct")).receipt_no
    (ask,) = house.until_state(receipt_no, "correction").business["case"]["asks"]
    assert house.call("supplement", supplement(house, receipt_no, ask["ask_no"], form={"remark": "办理入户"})).ok
    house.until_state(receipt_no, "approved")
    house.house.sealer.order()
    house.house.sealer.seal(now_too=True)
    target = house.folder / "trail"
    export(house.house.database, house.house.keys, target, log_id="ft-gov-log-1", now=house.clock.now())
    assert verify.main([str(target)]) == 0
