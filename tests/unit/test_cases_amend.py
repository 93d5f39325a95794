"""Acts on a filed case: supplement and withdraw, their references, races and retries, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cases import acting
from gateway.cases.amend import present_content, settle_withdrawal
from gateway.cases.handoff import call_id_of, read_call
from gateway.cases.journal import Journal
from gateway.domain.calls import Mark
from gateway.domain.case import CaseEvent
from gateway.domain.records import Ask
from gateway.parties.enrolment import verification_key
from gateway.store import cases, clients, work
from mocks.banks.act_samples import PAPER, sample_supplement, sample_withdrawal
from mocks.banks.icbc_sim import Answer
from mocks.banks.samples import bank_ref
from tests.builders import (
    APP_ID,
    BANK,
    CLIENT_ID,
    LONG_AGO,
    OUTLET,
    SmallHouse,
    bank_key,
    branch_of,
    enrolled,
    public_der,
    small_house,
)

OTHER_OUTLET = "ICBC-FT-02"
OTHER_BANKS_OUTLET = "CCB-FT-02"
ASKED = (Mark("form.remark", "请写明办理事由"), Mark("materials.M1", "请重新提交"), Mark("applicant.phone", "请核对"))


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


@pytest.fixture
def lone_house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    """For what the store has no part in."""
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def ref(house: SmallHouse) -> str:
    house._serial[0] += 1
    return bank_ref(BANK, house._serial[0], now=house.clock.now())


def case_id(house: SmallHouse, receipt_no: str) -> str:
    return str(house.rows("SELECT case_id FROM cases WHERE receipt_no = :no", no=receipt_no)[0]["case_id"])


def claim(house: SmallHouse) -> list[work.Claim]:
    """Take every due call as a worker does."""
    return house.house.database.again(
        lambda tx: work.claim(tx, "FT_SBX", owner="w", lease=timedelta(seconds=30), limit=50, kinds=("call",))
    )


def asked(house: SmallHouse, receipt_no: str, *marks: Mark, event: CaseEvent = CaseEvent.CORRECTION_ASKED) -> str:
    """The department asks for a correction; its number."""

    def act(tx: Any) -> str:
        vault = house.house.vault
        case = cases.lock(tx, vault, case_id(house, receipt_no))
        journal = Journal(vault, case, now=house.clock.now(), actor="department:FT_SBX")
        ask = Ask(len(case.facts.asks) + 1, "correction", "请补正", marks or ASKED)
        journal.case = replace(case, facts=replace(case.facts, asks=(*case.facts.asks, ask)), department_ref="SBX1")
        journal.event(event, ask=ask)
        journal.close(tx)
        return str(ask.ask_no)

    return house.house.database.again(act)


def supplement(house: SmallHouse, receipt_no: str, ask_no: str, **how: Any) -> dict[str, Any]:
    how.setdefault("bank_ref", ref(house))
    outlet = how.pop("outlet", OUTLET)
    return sample_supplement(outlet, receipt_no=receipt_no, ask_no=ask_no, now=house.clock.now(), **how)


def withdrawal(house: SmallHouse, receipt_no: str, **how: Any) -> dict[str, Any]:
    how.setdefault("bank_ref", ref(house))
    outlet = how.pop("outlet", OUTLET)
    return sample_withdrawal(outlet, receipt_no=receipt_no, now=house.clock.now(), **how)


def in_correction(house: SmallHouse, *marks: Mark, **how: Any) -> tuple[str, str]:
    """A case whose call has been sent and whose department asks for a correction: receipt number, ask number."""
    filed = house.submit(house.sample("FT-SBX-002", **how))
    assert filed.ok, filed.business
    for one in claim(house):
        house.house.database.again(
            lambda tx, one=one: work.again(tx, one, after=timedelta(hours=1), stage=work.POLL, failures=0)
        )
    return filed.receipt_no, asked(house, filed.receipt_no, *marks)


def problems(answer: Answer) -> list[tuple[str, str]]:
    return [(e["path"], e["code"]) for e in answer.business.get("errors", [])]


def events(house: SmallHouse, receipt_no: str) -> list[str]:
    return [e["kind"] for e in house.query(receipt_no).business["events"]]


def frozen_call(house: SmallHouse, bank_ref: str) -> Any:
    """The department's call of an act, opened."""
    row = house.rows("SELECT * FROM work WHERE work_id = :id", id=call_id_of(BANK, bank_ref))[0]
    with house.house.database.read() as tx:
        case = cases.by_id(tx, house.house.vault, row["case_id"])
    assert case is not None
    one = work.Claim(
        work_id=row["work_id"],
        kind="call",
        version=1,
        lane=row["lane"],
        case_id=row["case_id"],
        stage=row["stage"],
        token=1,
        attempt=1,
        unknown_finds=0,
        failures=0,
        sent_at=None,
        give_up_at=None,
        created_at=house.clock.now(),
        payload_sealed=bytes(row["payload_sealed"]),
    )
    return read_call(one, house.house.vault.unwrap(case.data_key), department_ref=case.department_ref)


# -- supplement -------------------------------------------------------------------------------------------------------


def test_a_correction_is_answered_at_another_outlet_and_a_new_call_leaves_with_what_changed(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    part = supplement(
        house,
        receipt_no,
        ask_no,
        outlet=OTHER_OUTLET,
        form={"remark": "改正后的事由"},
        materials=[{"id": "M1", **PAPER, "pages": "3"}],
        applicant={"phone": "13800000099"},
    )
    answer = house.call("supplement", part)
    assert answer.ok, answer.business
    case = answer.business["case"]
    assert (case["state"], case["phase"], case.get("asks")) == ("submitted", "open", None)
    assert answer.business["repeat"] is False
    assert answer.business["receipt"] == house.query(receipt_no).business["receipt"]
    assert events(house, receipt_no)[-1] == "corrected"
    call = frozen_call(house, part["bank_ref"])
    assert (call.operation, dict(call.content)) == ("supplement", {"remark": "改正后的事由"})
    assert call.common["supplement_kind"] == "CORRECTION"
    assert call.department_ref == call.common["department_ref"] == "SBX1"
    assert call.common["materials"] == part["materials"]
    assert call.common["changed_applicant"] == {"phone": "13800000099"}
    first = house.rows("SELECT work_id FROM work WHERE case_id = :id ORDER BY created_at", id=call.case_id)[0]
    assert call.common["filed_as"] == first["work_id"] != call.call_id


def test_what_was_filed_is_kept_and_supplements_lie_over_it(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house, remark="原来的事由")
    part = supplement(house, receipt_no, ask_no, form={"remark": "新的事由"})
    assert house.call("supplement", part).ok
    with house.house.database.read() as tx:
        case = cases.by_id(tx, house.house.vault, case_id(house, receipt_no))
        assert case is not None
        assert "原来的事由".encode() in cases.form(tx, house.house.vault, case)
        content = present_content(tx, house.house.vault, case)
    assert content["form"]["remark"] == "新的事由"
    assert content["form"]["scenario"] == "grant"
    sealed = house.rows("SELECT content_sealed FROM act_ref")[0]["content_sealed"]
    assert "新的事由".encode() not in bytes(sealed)


def test_only_what_was_asked_may_change(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house, Mark("form.remark", "请写明"))
    part = supplement(
        house, receipt_no, ask_no, form={"remark": "x", "amount": "1.00"}, materials=[{"id": "M1", **PAPER}]
    )
    answer = house.call("supplement", part)
    assert answer.reason == "NOT_ASKED"
    assert [path for path, _ in problems(answer)] == ["form.amount", "materials[0]"]
    assert house.counts()["act_ref"] == 0
    assert house.query(receipt_no).business["case"]["state"] == "correction"


def test_an_ask_that_names_no_field_of_ours_opens_form_and_papers_but_not_the_applicant(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house, Mark("theirField", "请说明"))
    refused = supplement(house, receipt_no, ask_no, applicant={"phone": "13800000099"})
    assert house.call("supplement", refused).reason == "NOT_ASKED"
    assert house.call("supplement", supplement(house, receipt_no, ask_no, form={"amount": "5.00"})).ok


def test_a_mark_inside_a_value_opens_the_value(lone_house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(lone_house, Mark("applicant.residence_address.detail", "请写到门牌"))
    address = {"region": "440304", "street": "440304007", "detail": "梅华路样例花园9栋901"}
    part = supplement(lone_house, receipt_no, ask_no, applicant={"residence_address": address})
    assert lone_house.call("supplement", part).ok


def test_changed_values_are_judged_by_the_items_own_version_and_only_they(lone_house: SmallHouse) -> None:
    marks = (Mark("form.amount", "请核对"), Mark("materials.M1", "请重新提交"), Mark("applicant.doc_no", "请核对"))
    receipt_no, ask_no = in_correction(lone_house, *marks)
    part = supplement(
        lone_house,
        receipt_no,
        ask_no,
        form={"amount": "0.00"},
        applicant={"doc_no": "440304199003071230"},
        materials=[{"id": "M1", "how": "paper", "original_seen": True}],
    )
    answer = lone_house.call("supplement", part)
    assert answer.reason == "INVALID"
    assert sorted(problems(answer)) == [
        ("applicant.doc_no", "BAD_CHECK_DIGIT"),
        ("form.amount", "OUT_OF_RANGE"),
        ("materials[0].pages", "MISSING"),
    ]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"form": {}}, ("form", "MISSING")),
        ({"form": "text"}, ("form", "WRONG_TYPE")),
        ({"ask_no": ""}, ("ask_no", "MISSING")),
        ({"ask_no": "9"}, ("ask_no", "ASK_UNKNOWN")),
        ({"outlet": "NO-SUCH"}, ("outlet", "OUTLET_UNKNOWN")),
        ({"outlet": OTHER_BANKS_OUTLET}, ("outlet", "OUTLET_NOT_YOURS")),
        ({"formm": {}}, ("formm", "UNKNOWN_MEMBER")),
        ({"case_ref": "20261123ICBC0001"}, ("receipt_no", "MISSING")),
        ({"receipt_no": ""}, ("receipt_no", "MISSING")),
        ({"bank_ref": "20200101ICBC00001"}, ("bank_ref", "BANK_REF_DATE")),
        ({"materials": [{"id": "M1", "how": "promised"}]}, ("materials[0].how", "NOT_IN_LIST")),
        ({"materials": [{"id": "M1", **PAPER}, {"id": "M1", **PAPER}]}, ("materials[1].id", "DUPLICATE_ROW")),
    ],
)
def test_a_supplement_that_cannot_be_read_is_told_what_is_wrong(
    lone_house: SmallHouse, change: dict[str, Any], wanted: tuple[str, str]
) -> None:
    receipt_no, ask_no = in_correction(lone_house)
    answer = lone_house.call("supplement", supplement(lone_house, receipt_no, ask_no, form={"remark": "x"}) | change)
    assert answer.reason == "INVALID"
    assert wanted in problems(answer)


def test_a_case_that_asks_nothing_cannot_be_supplemented(lone_house: SmallHouse) -> None:
    filed = lone_house.submit(lone_house.sample())
    part = supplement(lone_house, filed.receipt_no, "1", form={"remark": "x"})
    assert lone_house.call("supplement", part).reason == "ILLEGAL_STATE"


def test_another_banks_case_is_no_case(lone_house: SmallHouse) -> None:
    part = supplement(lone_house, "FT261123037K3QWB", "1", form={"remark": "x"})
    assert lone_house.call("supplement", part).reason == "CASE_UNKNOWN"
    del part["receipt_no"]
    assert lone_house.call("supplement", part | {"case_ref": "20261123ICBC0009"}).reason == "CASE_UNKNOWN"


def test_a_case_can_be_named_by_the_reference_it_was_filed_under(lone_house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(lone_house)
    part = supplement(lone_house, receipt_no, ask_no, form={"remark": "x"})
    named = lone_house.query(receipt_no).business["case"]["case_ref"]
    del part["receipt_no"]
    assert lone_house.call("supplement", part | {"case_ref": named}).ok


def test_a_promise_is_brought_piece_by_piece_and_settled_with_the_last(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002", material="promised"))
    assert filed.business["case"]["missing"][0]["id"] == "M1"
    two = (("M1", "2026-11-30"), ("M9", "2026-11-30"))

    def promise_two(tx: Any) -> None:
        vault = house.house.vault
        case = cases.lock(tx, vault, case_id(house, filed.receipt_no))
        what = tuple(Mark(f"materials.{m}", m) for m, _ in two)
        ask = replace(case.facts.asks[0], what=what)
        cases.save(tx, vault, replace(case, facts=replace(case.facts, missing=two, asks=(ask,))))

    house.house.database.again(promise_two)
    answer = house.call("supplement", supplement(house, filed.receipt_no, "1", materials=[{"id": "M1", **PAPER}]))
    assert answer.ok, answer.business
    assert [m["id"] for m in answer.business["case"]["missing"]] == ["M9"]
    assert [m["path"] for m in answer.business["case"]["asks"][0]["what"]] == ["materials.M9"]
    assert events(house, filed.receipt_no) == ["received"]
    again = supplement(house, filed.receipt_no, "1", materials=[{"id": "M1", **PAPER}])
    assert house.call("supplement", again).reason == "NOT_ASKED"


def test_the_last_promised_paper_settles_the_promise_also_after_the_grant(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002", material="promised"))
    claim(house)
    house.happens(filed.receipt_no, CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)
    part = supplement(house, filed.receipt_no, "1", materials=[{"id": "M1", **PAPER}])
    answer = house.call("supplement", part)
    assert answer.ok, answer.business
    assert (answer.business["case"].get("missing"), answer.business["case"].get("asks")) == (None, None)
    assert answer.business["case"]["state"] == "approved"
    assert events(house, filed.receipt_no)[-1] == "promise_settled"
    call = frozen_call(house, part["bank_ref"])
    assert call.common["supplement_kind"] == "LATE"
    assert (dict(call.content), call.common["missing"]) == ({}, [])


# -- identity: one reference over all operations, races, retries ------------------------------------------------------


def test_the_same_message_again_gets_the_stored_bytes_and_does_nothing(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    request = house.build("supplement", supplement(house, receipt_no, ask_no, form={"remark": "x"}))
    first = house.send(request)
    before = house.counts()
    assert house.send(request).raw == first.raw
    after = house.counts()
    assert {name: after[name] - n for name, n in before.items() if after[name] != n} == {"entry": 1}
    assert house.kinds(receipt_no)[-1] == "case:act:repeated"


def test_an_honest_retry_is_told_the_present_state_and_nothing_is_done_twice(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    part = supplement(house, receipt_no, ask_no, form={"remark": "x"})
    first = house.call("supplement", part)
    house.happens(receipt_no, CaseEvent.ACCEPTED)
    before = house.counts()
    again = house.call("supplement", part)
    assert (first.business["repeat"], again.business["repeat"]) == (False, True)
    assert again.business["case"]["state"] == "accepted"
    assert again.business["receipt"] == first.business["receipt"]
    assert (house.counts()["work"], house.counts()["act_ref"]) == (before["work"], 1)
    assert house.kinds(receipt_no)[-1] == "case:act:retried"
    house.clock.turn(days=30)  # the reference's day is judged only while we do not know it
    assert house.call("supplement", part).business["repeat"] is True


def test_one_reference_is_one_operation_for_ever(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    part = supplement(house, receipt_no, ask_no, form={"remark": "x"})
    assert house.call("supplement", part).ok
    other = house.call("supplement", part | {"form": {"remark": "y"}})
    withdrawn = house.call("withdraw", withdrawal(house, receipt_no, bank_ref=part["bank_ref"]))
    filed = house.submit(house.sample(bank_ref=part["bank_ref"]))
    named = house.query(receipt_no).business["case"]["case_ref"]
    over = house.call("withdraw", withdrawal(house, receipt_no, bank_ref=named))
    assert [a.reason for a in (other, withdrawn, filed, over)] == ["CONFLICT"] * 4
    assert {a.receipt_no for a in (other, withdrawn, filed, over)} == {receipt_no}
    assert house.counts()["cases"] == 1
    assert house.query(receipt_no).business["case"]["withdrawal"] == "none"


def test_a_transport_id_is_bound_over_acts_too(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    assert house.call("supplement", supplement(house, receipt_no, ask_no, form={"remark": "x"}), msg_id="one-id").ok
    assert house.call("withdraw", withdrawal(house, receipt_no), msg_id="one-id").reason == "MESSAGE_ID_REUSED"
    assert house.call("echo", {"text": "x"}, msg_id="two-ids").ok
    assert house.call("withdraw", withdrawal(house, receipt_no), msg_id="two-ids").reason == "MESSAGE_ID_REUSED"


def test_a_refused_act_sent_again_is_judged_anew(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002"))
    request = house.build("supplement", supplement(house, filed.receipt_no, "1", form={"remark": "x"}))
    assert house.send(request).reason == "ILLEGAL_STATE"
    assert asked(house, filed.receipt_no) == "1"
    again = house.send(request)
    assert again.ok
    assert house.send(request).raw == again.raw


def test_a_blocked_client_or_a_retired_key_acts_no_more(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    house.house.database.again(lambda tx: tx.run("UPDATE client_key SET retired_at = 1"))  # the snapshot is older
    answer = house.call("supplement", supplement(house, receipt_no, ask_no, form={"remark": "x"}))
    assert answer.reason == "NOT_AUTHENTIC"
    assert house.counts()["act_ref"] == 0


def test_the_same_act_from_many_threads_is_done_once(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    part = supplement(house, receipt_no, ask_no, form={"remark": "x"})
    requests = [house.build("supplement", part) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(house.send, requests))
    assert [a.reason for a in answers] == ["OK"] * 8
    assert sorted(a.business["repeat"] for a in answers) == [False] + [True] * 7
    assert (house.counts()["act_ref"], events(house, receipt_no).count("corrected")) == (1, 1)
    assert len(house.rows("SELECT 1 AS n FROM work")) == 2


def test_one_reference_raced_by_two_operations_belongs_to_one_of_them(house: SmallHouse) -> None:
    for _ in range(3):
        receipt_no, _ask = in_correction(house)
        one = ref(house)
        submit = house.build("submit", house.sample(bank_ref=one))
        withdraw = house.build("withdraw", withdrawal(house, receipt_no, bank_ref=one))
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(house.send, [submit, withdraw]))
        assert sorted(a.reason for a in answers) == ["CONFLICT", "OK"]
        claimed = house.rows("SELECT bank_ref FROM act_ref WHERE bank_ref = :r", r=one)
        filed = house.rows("SELECT bank_ref FROM cases WHERE bank_ref = :r", r=one)
        assert len(claimed) + len(filed) == 1


def test_a_submission_that_commits_between_our_look_and_our_act_is_met(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt_no, _ask = in_correction(house)
    one, known = ref(house), acting.Acting._known
    looked = threading.Event()

    def slow(self: Any, arrival: Any) -> Any:
        found = known(self, arrival)
        if not looked.is_set():
            looked.set()
            assert house.submit(house.sample(bank_ref=one)).ok
        return found

    monkeypatch.setattr(acting.Acting, "_known", slow)
    answer = house.call("withdraw", withdrawal(house, receipt_no, bank_ref=one))
    assert answer.reason == "CONFLICT"
    assert answer.receipt_no != receipt_no
    assert house.counts()["act_ref"] == 0
    assert house.query(receipt_no).business["case"]["withdrawal"] == "none"


def test_two_answers_to_one_ask_race_and_one_of_them_is_told_that_nothing_is_asked(house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(house)
    requests = [
        house.build("supplement", supplement(house, receipt_no, ask_no, form={"remark": text})) for text in "ab"
    ]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(house.send, requests))
    assert sorted(a.reason for a in answers) == ["ILLEGAL_STATE", "OK"]
    assert events(house, receipt_no).count("corrected") == 1


def test_another_client_of_the_bank_may_act_on_the_case(tmp_path: Path, sqlite_url: str) -> None:
    key = verification_key("rsa-sha256", public_der(bank_key("second")), LONG_AGO)
    second = enrolled(bank_key("second"), client_id="icbc-2", claimed_id="90000000000000000302", keys=(key,))
    with small_house(tmp_path, sqlite_url, more_clients=[second]) as house:
        receipt_no, ask_no = in_correction(house)
        first = house.branch
        house.branch = branch_of(tmp_path, house.house.keys, key=bank_key("second"), app_id="90000000000000000302")
        answer = house.call("supplement", supplement(house, receipt_no, ask_no, form={"remark": "x"}))
        house.branch = first
        assert answer.ok, answer.business
        assert house.entries(receipt_no)[-2]["actor"] == f"bank:{BANK}:icbc-2"
        assert APP_ID != "90000000000000000302"


# -- withdraw ---------------------------------------------------------------------------------------------------------


def test_what_never_left_the_house_is_withdrawn_at_once(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002", material="promised"))
    part = withdrawal(house, filed.receipt_no)
    answer = house.call("withdraw", part)
    assert answer.ok, answer.business
    case = answer.business["case"]
    assert (case["state"], case["withdrawal"], case["phase"]) == ("withdrawn", "done", "ended")
    assert (case.get("asks"), case.get("missing")) == (None, None)
    assert events(house, filed.receipt_no) == ["received", "withdrawn"]
    states = house.rows("SELECT state FROM work ORDER BY created_at")
    assert [r["state"] for r in states] == ["cancelled", "cancelled"]
    assert claim(house) == []
    assert "case:call:cancelled" in house.kinds(filed.receipt_no)
    assert house.call("withdraw", part).business["repeat"] is True
    assert house.call("withdraw", withdrawal(house, filed.receipt_no)).reason == "ILLEGAL_STATE"


def test_a_withdrawn_case_gives_its_place_to_the_next_one(house: SmallHouse) -> None:
    filed = house.submit(house.sample(serial=5))
    assert house.submit(house.sample(serial=5)).reason == "OPEN_CASE_EXISTS"
    assert house.call("withdraw", withdrawal(house, filed.receipt_no)).ok
    assert house.submit(house.sample(serial=5)).ok


def test_what_may_have_left_is_asked_of_the_department(house: SmallHouse) -> None:
    filed = house.submit(house.sample("FT-SBX-002"))
    claim(house)
    part = withdrawal(house, filed.receipt_no)
    answer = house.call("withdraw", part)
    assert (answer.business["case"]["state"], answer.business["case"]["withdrawal"]) == ("submitted", "asked")
    assert events(house, filed.receipt_no)[-1] == "withdrawal_asked"
    call = frozen_call(house, part["bank_ref"])
    assert (call.operation, call.common["why"], call.common["why_code"]) == ("withdraw", part["text"], "wish")
    assert house.call("withdraw", withdrawal(house, filed.receipt_no)).reason == "ILLEGAL_STATE"


def test_a_department_that_takes_no_withdrawals_is_left_to_a_person(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.backends.sandbox.adapter import SandboxBackend

    monkeypatch.setattr(SandboxBackend, "traits", replace(SandboxBackend.traits, withdraws=False))
    with small_house(tmp_path, database_url) as house:
        filed = house.submit(house.sample("FT-SBX-002"))
        claim(house)
        answer = house.call("withdraw", withdrawal(house, filed.receipt_no))
        assert answer.business["case"]["withdrawal"] == "asked"
        assert house.rows("SELECT parked FROM cases")[0]["parked"] == 1
        (row,) = house.rows("SELECT state, note FROM work WHERE state = 'parked'")
        assert "withdrawal" in row["note"]
        assert "case:call:parked" in house.kinds(filed.receipt_no)


@pytest.mark.parametrize("last", [CaseEvent.APPROVED, CaseEvent.DENIED])
def test_after_a_decision_it_is_too_late(house: SmallHouse, last: CaseEvent) -> None:
    filed = house.submit(house.sample("FT-SBX-002"))
    claim(house)
    house.happens(filed.receipt_no, CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, last)
    assert house.call("withdraw", withdrawal(house, filed.receipt_no)).reason == "TOO_LATE"
    assert house.counts()["act_ref"] == 0


@pytest.mark.parametrize(
    ("told", "withdrawal_is", "last_event"),
    [
        ((CaseEvent.WITHDRAWN,), "done", "withdrawn"),
        ((CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED), "refused", "withdrawal_refused"),
        ((CaseEvent.REFUSED_INTAKE,), "refused", "withdrawal_refused"),
        ((CaseEvent.ACCEPTED,), "asked", "accepted"),
    ],
)
def test_a_decision_that_crosses_a_withdrawal_wins(
    house: SmallHouse, told: tuple[CaseEvent, ...], withdrawal_is: str, last_event: str
) -> None:
    filed = house.submit(house.sample("FT-SBX-002"))
    claim(house)
    assert house.call("withdraw", withdrawal(house, filed.receipt_no)).ok

    def word(tx: Any) -> None:
        vault = house.house.vault
        case = cases.lock(tx, vault, case_id(house, filed.receipt_no))
        journal = Journal(vault, case, now=house.clock.now(), actor="department:FT_SBX")
        for event in told:
            journal.event(event)
        settle_withdrawal(journal)
        journal.close(tx)

    house.house.database.again(word)
    assert house.query(filed.receipt_no).business["case"]["withdrawal"] == withdrawal_is
    assert events(house, filed.receipt_no)[-1] == last_event


def test_a_claim_and_a_withdrawal_race_and_the_case_is_never_both_sent_and_withdrawn(house: SmallHouse) -> None:
    for _ in range(4):
        filed = house.submit(house.sample("FT-SBX-002"))
        request = house.build("withdraw", withdrawal(house, filed.receipt_no))
        with ThreadPoolExecutor(2) as pool:
            claimed = pool.submit(claim, house)
            answered = pool.submit(house.send, request)
        case = answered.result().business["case"]
        assert [c.case_id for c in claimed.result()] in ([], [case_id(house, filed.receipt_no)])
        assert (case["withdrawal"] == "done") is (claimed.result() == [])
        (row,) = house.rows(
            "SELECT state FROM work WHERE case_id = :id ORDER BY created_at LIMIT 1",
            id=case_id(house, filed.receipt_no),
        )
        assert row["state"] == ("cancelled" if claimed.result() == [] else "due")
        for one in claim(house):
            house.house.database.again(lambda tx, one=one: work.done(tx, one))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"why": "boredom"}, ("why", "NOT_IN_LIST")),
        ({"text": "字" * 201}, ("text", "TOO_LONG")),
        ({"signature": ""}, ("signature", "MISSING")),
        ({"identity_checks": []}, ("identity_checks", "MISSING")),
    ],
)
def test_a_withdrawal_that_cannot_be_read_is_told_what_is_wrong(
    lone_house: SmallHouse, change: dict[str, Any], wanted: tuple[str, str]
) -> None:
    filed = lone_house.submit(lone_house.sample())
    answer = lone_house.call("withdraw", withdrawal(lone_house, filed.receipt_no) | change)
    assert answer.reason == "INVALID"
    assert wanted in problems(answer)


def test_an_agent_signs_only_if_the_case_has_one(lone_house: SmallHouse) -> None:
    filed = lone_house.submit(lone_house.sample())
    answer = lone_house.call("withdraw", withdrawal(lone_house, filed.receipt_no, who="agent"))
    assert set(problems(answer)) == {("signature.signer", "SIGNATURE_MISMATCH"), ("identity_checks", "NOT_IN_LIST")}


def test_acts_stand_in_the_trail_with_their_digests(lone_house: SmallHouse) -> None:
    receipt_no, ask_no = in_correction(lone_house)
    part = supplement(lone_house, receipt_no, ask_no, form={"remark": "x"})
    assert lone_house.call("supplement", part).ok
    (entry,) = [e for e in lone_house.entries(receipt_no) if e["kind"] == "case:act:received"]
    assert entry["actor"] == f"bank:{BANK}:{CLIENT_ID}"
    assert len(entry["facts"].pop("request")) == 32
    assert entry["facts"] == {
        "operation": "supplement",
        "bank_ref": part["bank_ref"],
        "outlet": OUTLET,
        "ask_no": ask_no,
    }
    assert set(entry["digests"]) == {"message", "business"}
    assert lone_house.house.database is not None
    with lone_house.house.database.read() as tx:
        assert clients.directory_version(tx) >= 1
