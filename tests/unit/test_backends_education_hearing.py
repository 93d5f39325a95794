"""What the education bureau's states do to a case, in any order and with gaps: its words as the desk hears them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.backends.education import wire
from gateway.cases.decide import Verdict, hear
from gateway.cases.journal import Journal
from gateway.cases.paths import canonical_path
from gateway.catalogue.loader import load
from gateway.domain.case import CaseEvent, CaseState
from gateway.domain.records import Case, Facts

NOW = datetime(2026, 11, 23, 6, 5, 9, tzinfo=UTC)
ITEM = load().items["FT-EDU-005"][-1]


class Told(Journal):
    """A journal that also remembers the events it told, in order."""

    def __init__(self, state: CaseState) -> None:
        self.told: list[str] = []
        super().__init__(None, a_case(state), now=NOW, actor="department:FT_EDU")

    def event(self, what: CaseEvent, **more: Any) -> None:
        super().event(what, **more)
        self.told.append(what.value)


def a_case(state: CaseState) -> Case:
    return Case(
        case_id="0" * 32,
        bank="ICBC",
        bank_ref="20261123ICBC00000001",
        client_id="icbc-1",
        business_digest="b1-sha256:0",
        item=ITEM.code,
        item_version=ITEM.version,
        department="FT_EDU",
        backend="FT_EDU",
        outlet="ICBC-FT-03",
        channel="counter",
        receipt_no="FT261123037K3QWB",
        receipt="",
        received_at=NOW,
        state=state,
        since=NOW,
        event_no=1,
        entry_no=1,
        due=None,
        withdrawal="none",
        department_ref="",
        department_seq=0,
        parked=False,
        facts=Facts(),
    )


def case(state: str, seq: int, **more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 23, 14, 5, 10) + timedelta(minutes=seq)
    said = {"callId": "c" * 32, "caseNo": "JY20261123000218", "seq": seq, "state": state, **more}
    return {**said, "stateTime": f"{at:%Y-%m-%d %H:%M:%S}"}


def tell(journal: Journal, *cases: dict[str, Any]) -> list[Verdict]:
    standings = [wire.standing(wire.parse(json.dumps(one).encode()) or {}) for one in cases]
    return [hear(journal, standing, canonical_path=canonical_path(ITEM)) for standing in standings]


def test_the_whole_way_of_a_certificate() -> None:
    journal = Told(CaseState.SUBMITTED)
    states = ["RECEIVED", "ACCEPTED", "REVIEWING", "SUSPENDED", "REVIEWING", "PASSED", "MAKING", "READY", "DELIVERED"]
    verdicts = tell(journal, *[case(state, seq) for seq, state in enumerate(states, start=1)])
    assert journal.told == [
        "accepted",
        "review_started",
        "special_started",
        "special_ended",
        "approved",
        "issuing",
        "ready",
        "delivered",
    ]
    assert not any(verdict.park for verdict in verdicts)
    assert journal.case.state is CaseState.DELIVERED
    assert journal.case.department_ref == "JY20261123000218"


def test_a_review_after_a_special_procedure_is_its_end() -> None:
    journal = Told(CaseState.SPECIAL)
    tell(journal, case("REVIEWING", 7))
    assert journal.told == ["special_ended"]
    assert journal.case.state is CaseState.REVIEWING


@pytest.mark.parametrize(
    ("before", "state", "told"),
    [
        (CaseState.REVIEWING, "MAKING", ["approved", "issuing"]),
        (CaseState.SUBMITTED, "MAKING", ["approved", "issuing"]),
        (CaseState.SPECIAL, "READY", ["special_ended", "approved", "issuing", "ready"]),
        (CaseState.ACCEPTED, "DELIVERED", ["review_started", "approved", "issuing", "ready", "delivered"]),
        (CaseState.APPROVED, "DELIVERED", ["issuing", "ready", "delivered"]),
        (CaseState.RETURNED, "DELIVERED", ["ready", "delivered"]),
        (CaseState.SUBMITTED, "SUSPENDED", ["accepted", "review_started", "special_started"]),
        (CaseState.ACCEPTED, "SUSPENDED", ["review_started", "special_started"]),
    ],
)
def test_a_word_after_a_gap_tells_what_lies_between(before: CaseState, state: str, told: list[str]) -> None:
    journal = Told(before)
    (verdict,) = tell(journal, case(state, 9))
    assert (journal.told, verdict.park) == (told, "")
    if "approved" in told:
        decision = journal.case.facts.decision
        assert decision is not None
        assert (decision.kind, decision.reason) == ("granted", "GRANTED")
        assert journal.case.facts.result_follows


def test_words_are_ordered_by_their_sequence_and_not_by_arrival() -> None:
    journal = Told(CaseState.SUBMITTED)
    tell(journal, case("REVIEWING", 4), case("ACCEPTED", 2), case("PASSED", 11), case("REVIEWING", 4))
    assert journal.told == ["accepted", "review_started", "approved"]
    assert journal.case.department_seq == 11


def test_a_correction_is_asked_in_our_own_names_and_may_lapse() -> None:
    journal = Told(CaseState.REVIEWING)
    items = [{"target": "FORM", "no": "E005-03", "reason": "甲"}, {"target": "MATERIAL", "no": "M1", "reason": "乙"}]
    tell(journal, case("NEED_SUPPLEMENT", 5, correction={"dueDate": "2026-12-01", "items": items}))
    (ask,) = journal.case.facts.asks
    assert [mark.path for mark in ask.what] == ["form.from_school", "materials.M1"]
    (verdict,) = tell(journal, case("SUPPLEMENT_OVERDUE", 6))
    assert journal.told == ["correction_asked", "lapsed"]
    assert (verdict.over, journal.case.state) == (True, CaseState.LAPSED)
    assert not any(ask.open for ask in journal.case.facts.asks)


@pytest.mark.parametrize(
    ("before", "state", "after"),
    [
        (CaseState.SUBMITTED, "NOT_ACCEPTED", CaseState.REFUSED_INTAKE),
        (CaseState.REVIEWING, "REJECTED", CaseState.DENIED),
        (CaseState.REVIEWING, "CANCELED", CaseState.WITHDRAWN),
        (CaseState.APPROVED, "REVOKED", CaseState.REVOKED),
        (CaseState.DELIVERED, "REVOKED", CaseState.REVOKED),
    ],
)
def test_a_case_ends_as_the_bureau_says(before: CaseState, state: str, after: CaseState) -> None:
    journal = Told(before)
    (verdict,) = tell(journal, case(state, 9))
    assert (journal.case.state, verdict.over, verdict.park) == (after, True, "")


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (CaseState.DENIED, "MAKING"),
        (CaseState.WITHDRAWN, "READY"),
        (CaseState.LAPSED, "DELIVERED"),
        (CaseState.DENIED, "PASSED"),
        (CaseState.DENIED, "REVOKED"),
        (CaseState.DELIVERED, "SUPPLEMENT_OVERDUE"),
        (CaseState.REVIEWING, "PONDERING"),
    ],
)
def test_what_would_reverse_an_end_or_is_a_new_word_goes_to_a_person(before: CaseState, state: str) -> None:
    journal = Told(before)
    (verdict,) = tell(journal, case(state, 9))
    assert (journal.told, bool(verdict.park), journal.case.parked) == ([], True, True)


@pytest.mark.parametrize(
    ("before", "state"),
    [(CaseState.READY, "MAKING"), (CaseState.DELIVERED, "READY"), (CaseState.DENIED, "REVIEWING")],
)
def test_progress_told_after_the_end_is_history(before: CaseState, state: str) -> None:
    journal = Told(before)
    (verdict,) = tell(journal, case(state, 9))
    assert (journal.told, verdict.park, journal.case.state) == ([], "", before)
