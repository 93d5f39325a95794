"""What a department's words make of a case: in its own order, never twice, never back (rules.md 23–25)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.cases.decide import Verdict, hear
from gateway.cases.journal import Journal
from gateway.domain.calls import DecisionReason, Mark, Outcome, Standing, Word
from gateway.domain.case import CaseState
from gateway.domain.records import Ask, Case, Facts
from gateway.signing.secret import Secret
from gateway.signing.vault import Vault

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
VAULT = Vault(Secret(b"k" * 32), "k1", index_key=Secret(b"i" * 32))
PROMISE = Ask(ask_no=1, kind="promise", text="请按承诺补交材料", what=(Mark("materials.M1", "材料"),))


def case(state: CaseState = CaseState.SUBMITTED, **how: Any) -> Case:
    whole: dict[str, Any] = {
        "case_id": "c" * 32,
        "bank": "B",
        "bank_ref": "20261123B0001",
        "client_id": "b-1",
        "business_digest": "b1-sha256:" + "0" * 64,
        "item": "I-1",
        "item_version": "1",
        "department": "D",
        "backend": "D",
        "outlet": "O",
        "channel": "counter",
        "receipt_no": "FT261123037K3QWB",
        "receipt": "r",
        "received_at": NOW,
        "state": state,
        "since": NOW,
        "event_no": 1,
        "entry_no": 1,
        "due": None,
        "withdrawal": "none",
        "department_ref": "",
        "department_seq": 0,
        "parked": False,
        "facts": Facts(),
        "data_key": VAULT.new_data_key().wrapped,
    }
    return Case(**(whole | how))


def told(before: Case, *words: Word, ref: str = "D-1") -> tuple[Case, Verdict, list[str]]:
    """The case after the words, the verdict, and the events its bank is told."""
    journal = Journal(VAULT, before, now=NOW, actor="department:D")
    verdict = hear(journal, Standing(ref, words), canonical_path=lambda path: path.replace("wire:", "form."))
    events = [json.loads(row["canonical"])["facts"].get("event", "") for row in journal._rows]
    return journal.case, verdict, [event for event in events if event]


def word(outcome: Outcome, seq: int = 0, **how: Any) -> Word:
    return Word(outcome=outcome, seq=seq, **how)


def test_the_usual_words_are_the_usual_events() -> None:
    after, verdict, events = told(
        case(), word(Outcome.ACCEPTED, 1), word(Outcome.REVIEWING, 2), word(Outcome.GRANTED, 3)
    )
    assert events == ["accepted", "review_started", "approved"]
    assert (after.state, after.department_seq, after.department_ref) == (CaseState.APPROVED, 3, "D-1")
    assert verdict == Verdict(moved=True, over=True, park="")


def test_words_are_heard_in_the_department_s_own_order() -> None:
    _, _, events = told(case(), word(Outcome.GRANTED, 3), word(Outcome.ACCEPTED, 1), word(Outcome.REVIEWING, 2))
    assert events == ["accepted", "review_started", "approved"]


def test_words_without_a_sequence_are_heard_by_their_time() -> None:
    later, earlier = NOW + timedelta(hours=2), NOW + timedelta(hours=1)
    _, _, events = told(case(), word(Outcome.REVIEWING, at=later), word(Outcome.ACCEPTED, at=earlier))
    assert events == ["accepted", "review_started"]


def test_a_word_that_was_heard_before_changes_nothing() -> None:
    after, verdict, events = told(case(CaseState.REVIEWING, department_seq=2), word(Outcome.ACCEPTED, 1))
    assert (events, verdict.moved, verdict.park, after.state) == ([], False, "", CaseState.REVIEWING)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (CaseState.ACCEPTED, Outcome.ACCEPTED),
        (CaseState.REVIEWING, Outcome.REVIEWING),
        (CaseState.CORRECTION, Outcome.CORRECTION),
        (CaseState.APPROVED, Outcome.GRANTED),
        (CaseState.DELIVERED, Outcome.GRANTED),
        (CaseState.DENIED, Outcome.DENIED),
        (CaseState.WITHDRAWN, Outcome.WITHDRAWN),
    ],
)
def test_an_equal_outcome_is_a_no_op(state: CaseState, outcome: Outcome) -> None:
    after, verdict, events = told(case(state), word(outcome, 9))
    assert (events, verdict.moved, verdict.park, after.department_seq) == ([], False, "", 9)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (CaseState.APPROVED, Outcome.DENIED),
        (CaseState.DENIED, Outcome.GRANTED),
        (CaseState.WITHDRAWN, Outcome.GRANTED),
        (CaseState.REFUSED_INTAKE, Outcome.GRANTED),
        (CaseState.CLOSED, Outcome.DENIED),
    ],
)
def test_what_would_reverse_an_end_goes_to_a_person(state: CaseState, outcome: Outcome) -> None:
    after, verdict, events = told(case(state), word(outcome, 9))
    assert events == []
    assert outcome.value in verdict.park
    assert (after.state, after.parked) == (state, True)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REVIEWING, Outcome.CORRECTION, Outcome.SPECIAL_STARTED])
def test_progress_told_after_the_end_is_history_and_no_more(outcome: Outcome) -> None:
    after, verdict, events = told(case(CaseState.DENIED), word(outcome))
    assert (events, verdict.park, after.parked) == ([], "", False)


def test_a_word_we_do_not_know_goes_to_a_person_and_stops_nothing() -> None:
    after, verdict, events = told(
        case(), word(Outcome.UNKNOWN, 1, raw="ARCHIVED"), word(Outcome.ACCEPTED, 2), word(Outcome.GRANTED, 3)
    )
    assert "ARCHIVED" in verdict.park
    assert events == ["accepted", "review_started", "approved"]
    assert after.parked is True


def test_a_decision_keeps_reason_text_and_the_department_s_own_time() -> None:
    at = NOW - timedelta(hours=1)
    said = word(Outcome.DENIED, reason=DecisionReason.CONDITION_NOT_MET, text="不符合条件", at=at, automatic=True)
    after, _, _ = told(case(), said)
    decision = after.facts.decision
    assert decision is not None
    assert (decision.kind, decision.reason, decision.text) == ("refused", "CONDITION_NOT_MET", "不符合条件")
    assert (decision.decided_at, decision.automatic) == (at, True)


def test_a_grant_with_papers_still_promised_says_so_and_leaves_the_promise_open() -> None:
    correction = replace(PROMISE, ask_no=2, kind="correction")
    facts = Facts(asks=(PROMISE, correction), missing=(("M1", "2026-11-30"),))
    after, _, _ = told(case(CaseState.REVIEWING, facts=facts), word(Outcome.GRANTED))
    assert after.facts.decision is not None
    assert after.facts.decision.kind == "granted_with_promise"
    assert [(ask.kind, ask.open) for ask in after.facts.asks] == [("promise", True), ("correction", False)]


def test_an_end_without_a_grant_closes_every_question() -> None:
    facts = Facts(asks=(PROMISE,), missing=(("M1", "2026-11-30"),))
    after, _, _ = told(case(facts=facts), word(Outcome.REFUSED_INTAKE))
    assert [ask.open for ask in after.facts.asks] == [False]


def test_corrections_are_numbered_with_the_case_and_speak_our_names() -> None:
    said = word(Outcome.CORRECTION, text="请更正", marks=(Mark("wire:remark", "请写明"),), due_on=date(2026, 12, 1))
    after, verdict, events = told(case(facts=Facts(asks=(PROMISE,))), said)
    ask = after.facts.asks[-1]
    assert (ask.ask_no, ask.kind, ask.text, ask.due) == (2, "correction", "请更正", date(2026, 12, 1))
    assert ask.what == (Mark("form.remark", "请写明"),)
    assert (events, verdict.over, after.state) == (["correction_asked"], False, CaseState.CORRECTION)


def test_the_number_over_there_is_kept_from_the_first_answer_on() -> None:
    after, _, _ = told(case(), word(Outcome.ACCEPTED, 1), ref="D-1")
    again, _, _ = told(after, word(Outcome.REVIEWING, 2), ref="D-2")
    assert again.department_ref == "D-1"


def test_entries_and_events_are_numbered_without_gap() -> None:
    journal = Journal(VAULT, case(event_no=4, entry_no=7), now=NOW, actor="department:D")
    standing = Standing("D-1", (word(Outcome.UNKNOWN, 1, raw="X"), word(Outcome.ACCEPTED, 2), word(Outcome.GRANTED, 3)))
    hear(journal, standing, canonical_path=str)
    assert [row["seq"] for row in journal._rows] == [8, 9, 10, 11]
    assert [row["event_no"] for row in journal._rows] == [None, 5, 6, 7]
    assert (journal.case.entry_no, journal.case.event_no) == (11, 7)


def test_an_event_is_sealed_and_the_trail_holds_its_digest_only() -> None:
    journal = Journal(VAULT, case(), now=NOW, actor="department:D")
    hear(journal, Standing("D-1", (word(Outcome.DENIED, text="因个人原因"),)), canonical_path=str)
    (row,) = journal._rows
    assert "因个人原因".encode() not in row["canonical"]
    assert "因个人原因".encode() not in row["event_sealed"]
    assert json.loads(row["canonical"])["digests"]["event"].startswith("sha256:")


def test_a_department_without_numbers_may_repeat_its_history_at_every_question() -> None:
    """Its own time is the order then (rules.md 25): what is older than the newest word heard is history."""
    accepted = word(Outcome.ACCEPTED, at=NOW)
    reviewing = word(Outcome.REVIEWING, at=NOW + timedelta(hours=1))
    first, verdict, events = told(case(), accepted, reviewing)
    assert (first.state, verdict.park, events) == (CaseState.REVIEWING, "", ["accepted", "review_started"])
    again, verdict, events = told(first, accepted, reviewing)
    assert (again.state, verdict.park, events) == (CaseState.REVIEWING, "", [])


def test_words_of_the_same_second_may_be_repeated_too() -> None:
    said = (word(Outcome.ACCEPTED, at=NOW), word(Outcome.REVIEWING, at=NOW))
    first, _, _ = told(case(), *said)
    again, verdict, events = told(first, *said)
    assert (again.state, verdict.park, events) == (CaseState.REVIEWING, "", [])


# -- departments that send no sequence --------------------------------------------------------------------------

ASKED = word(Outcome.CORRECTION, text="请补正出生日期", marks=(Mark("wire:born", "出生日期"),))


def corrected(after: Case) -> Case:
    """The case once its bank has answered: its questions closed, in the department's hands again."""
    closed = tuple(replace(ask, open=False) for ask in after.facts.asks)
    return replace(after, state=CaseState.SUBMITTED, facts=replace(after.facts, asks=closed))


@pytest.mark.parametrize("at", [NOW, None])
def test_a_correction_repeated_after_it_was_answered_asks_nothing_anew(at: datetime | None) -> None:
    asked = replace(ASKED, at=at)
    after, _, events = told(case(), asked)
    assert events == ["correction_asked"]
    again, verdict, events = told(corrected(after), asked)
    assert (again.state, events, verdict.park) == (CaseState.SUBMITTED, [], "")
    assert len(again.facts.asks) == 1


def test_a_correction_of_a_later_time_is_a_new_question_even_in_the_same_words() -> None:
    after, _, _ = told(case(), replace(ASKED, at=NOW))
    again, _, events = told(corrected(after), replace(ASKED, at=NOW + timedelta(hours=1)))
    assert (again.state, events) == (CaseState.CORRECTION, ["correction_asked"])


def test_without_time_the_same_question_counts_once_anything_else_was_said_in_between() -> None:
    after, _, _ = told(case(), ASKED)
    between, _, _ = told(corrected(after), word(Outcome.ACCEPTED), word(Outcome.REVIEWING))
    again, _, events = told(between, ASKED)
    assert (again.state, events) == (CaseState.CORRECTION, ["correction_asked"])


def test_another_question_without_time_is_asked_at_once() -> None:
    after, _, _ = told(case(), ASKED)
    again, _, events = told(corrected(after), replace(ASKED, text="请补正地址"))
    assert (again.state, events) == (CaseState.CORRECTION, ["correction_asked"])


def test_two_different_words_of_one_moment_are_both_heard_and_their_repetition_is_not() -> None:
    words = (word(Outcome.ACCEPTED, at=NOW), word(Outcome.REVIEWING, at=NOW))
    after, _, events = told(case(), *words)
    assert events == ["accepted", "review_started"]
    _, verdict, events = told(after, *words)
    assert (events, verdict.moved, verdict.park) == ([], False, "")
