"""What a department said becomes moves of the case (rules.md 23–25).

Must not talk and must not know a department: words arrive canonical. Order is the department's own sequence, else
its event time, else arrival; an equal outcome is a no-op; what would reverse a final decision goes to a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases.journal import Journal
from gateway.domain.calls import DecisionReason, Mark, Outcome, Standing, Word
from gateway.domain.case import DECIDED, ENDED, CaseEvent, CaseState, way
from gateway.domain.errors import IllegalMove
from gateway.domain.records import Ask, Case, Decision, Facts

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FINAL = frozenset(
    {Outcome.GRANTED, Outcome.DENIED, Outcome.REFUSED_INTAKE, Outcome.WITHDRAWN, Outcome.LAPSED, Outcome.REVOKED}
)
_STANDS_AS: dict[Outcome, frozenset[CaseState]] = {
    Outcome.ACCEPTED: frozenset({CaseState.ACCEPTED}),
    Outcome.REVIEWING: frozenset({CaseState.REVIEWING}),
    Outcome.SPECIAL_STARTED: frozenset({CaseState.SPECIAL}),
    Outcome.CORRECTION: frozenset({CaseState.CORRECTION}),
    Outcome.GRANTED: DECIDED - {CaseState.DENIED, CaseState.REVOKED},
    Outcome.DENIED: frozenset({CaseState.DENIED}),
    Outcome.REFUSED_INTAKE: frozenset({CaseState.REFUSED_INTAKE}),
    Outcome.WITHDRAWN: frozenset({CaseState.WITHDRAWN}),
    Outcome.LAPSED: frozenset({CaseState.LAPSED}),
    Outcome.ISSUING: frozenset({CaseState.ISSUING}),
    Outcome.READY: frozenset({CaseState.READY}),
    Outcome.DELIVERED: frozenset({CaseState.DELIVERED, CaseState.CLOSED}),
    Outcome.REVOKED: frozenset({CaseState.REVOKED}),
}
_SAYS_TOO = {  # a later word holds the earlier one, where a sequence has a gap: what is being made was granted before
    Outcome.SPECIAL_STARTED: Outcome.REVIEWING,
    Outcome.ISSUING: Outcome.GRANTED,
    Outcome.READY: Outcome.ISSUING,
    Outcome.DELIVERED: Outcome.READY,
}
_AFTER_GRANT = frozenset({Outcome.ISSUING, Outcome.READY, Outcome.DELIVERED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What hearing some words led to."""

    moved: bool  # at least one event was recorded
    over: bool  # the call has reached its end: nothing more is to be asked
    park: str  # why a person must look, "" when nobody must


def hear(journal: Journal, standing: Standing, *, canonical_path: Callable[[str], str]) -> Verdict:
    """Apply a department's words to the journal's case; ``canonical_path`` turns its field names into ours."""
    if standing.department_ref and not journal.case.department_ref:
        journal.case = replace(journal.case, department_ref=standing.department_ref[:64])
    moved, park = False, ""
    for word in sorted(standing.words, key=lambda w: (w.seq, w.at or _LONG_AGO)):
        if _heard_before(journal.case, word):
            continue
        why = _hear_one(journal, word, canonical_path)
        if why is None:
            moved = True
        elif why:
            park = park or why
        journal.case = _remember(journal.case, word)
    if park and not journal.case.parked:
        journal.case = replace(journal.case, parked=True)
    return Verdict(moved=moved, over=_over(journal.case), park=park)


def _heard_before(case: Case, word: Word) -> bool:
    """By the department's own number, else by its own time (rules.md 25): departments repeat their history."""
    if word.seq:
        return word.seq <= case.department_seq
    facts = case.facts
    if word.at is None:
        return word.outcome is Outcome.CORRECTION and case.state is CaseState.SUBMITTED and _answered(case, word)
    if facts.heard_at is None or word.at > facts.heard_at:
        return False
    return word.at < facts.heard_at or _name(word) in facts.heard_then


def _answered(case: Case, word: Word) -> bool:
    """True when the last question was this one: a department that numbers and dates nothing repeats what it said until
    it has read the answer. Once it has said anything else, the same words are a new question."""
    asked = [ask for ask in case.facts.asks if ask.kind == "correction"]
    said = [mark.say for mark in word.marks]
    return bool(asked) and not asked[-1].open and (asked[-1].text, [m.say for m in asked[-1].what]) == (word.text, said)


def _name(word: Word) -> str:
    """A word without a number, by its event id or all it says: two different ones of one moment are both heard."""
    said = [word.outcome.value, word.reason.value, word.text, *(f"{m.path}={m.say}" for m in word.marks)]
    return hashlib.sha256("\n".join([word.event_id] if word.event_id else said).encode()).hexdigest()[:16]


def _remember(case: Case, word: Word) -> Case:
    if word.seq:
        return replace(case, department_seq=word.seq)
    if word.at is None:
        return case
    facts = case.facts
    then = (*facts.heard_then, _name(word)) if word.at == facts.heard_at else (_name(word),)
    return replace(case, facts=replace(facts, heard_at=word.at, heard_then=then))


def _over(case: Case) -> bool:
    return case.state in ENDED or case.state in DECIDED


def _hear_one(journal: Journal, word: Word, canonical_path: Callable[[str], str]) -> str | None:
    """None when the case moved, "" when there was nothing to do, else why a person must look."""
    if word.outcome.event is None:
        journal.note(EntryKind.CALLBACK_IGNORED, {"why": "unknown_word", "raw": as_fact(word.raw) or "-"})
        return f"the department used a word we do not know: {as_fact(word.raw)}"
    state = journal.case.state
    if state in _STANDS_AS.get(word.outcome, frozenset()):
        return ""
    try:
        words = _unfolded(state, word)
    except IllegalMove:
        journal.note(
            EntryKind.CALLBACK_IGNORED, {"why": "late_or_illegal", "said": word.outcome.value, "state": state.value}
        )
        against = word.outcome in _AFTER_GRANT and state not in _STANDS_AS[Outcome.GRANTED]
        if _over(journal.case) and word.outcome not in _FINAL and not against:
            return ""  # progress told after the end: history, no more
        return f"the department said {word.outcome.value} of a case that is {state.value}"
    for one in words:
        steps = way(journal.case.state, _event(journal.case.state, one.outcome))
        for step in steps[:-1]:
            journal.event(step, at=one.at)
        _last_step(journal, steps[-1], one, canonical_path)
    return None


def _unfolded(state: CaseState, word: Word) -> tuple[Word, ...]:
    """The words to hear so that this one can be: itself, or first what it holds. Raises ``IllegalMove``."""
    try:
        way(state, _event(state, word.outcome))
    except IllegalMove:
        earlier = _SAYS_TOO.get(word.outcome)
        if earlier is None or state in _STANDS_AS[earlier]:
            raise
        before = replace(word, outcome=earlier)
        if earlier is Outcome.GRANTED:
            before = replace(before, reason=DecisionReason.GRANTED, result_follows=True)
        return (*_unfolded(state, before), word)
    return (word,)


def _event(state: CaseState, outcome: Outcome) -> CaseEvent:
    """The case event a word causes; a review that is told of a case in a special procedure is the procedure's end."""
    if outcome is Outcome.REVIEWING and state is CaseState.SPECIAL:
        return CaseEvent.SPECIAL_ENDED
    event = outcome.event
    if event is None:
        raise IllegalMove(f"{outcome} is no event")
    return event


def _last_step(journal: Journal, event: CaseEvent, word: Word, canonical_path: Callable[[str], str]) -> None:
    facts = journal.case.facts
    ask: Ask | None = None
    decision: Decision | None = None
    if event is CaseEvent.CORRECTION_ASKED:
        ask = Ask(
            ask_no=len(facts.asks) + 1,
            kind="correction",
            text=word.text,
            what=tuple(Mark(path=canonical_path(m.path), say=m.say) for m in word.marks),
            due=word.due_on,
        )
        facts = replace(facts, asks=(*facts.asks, ask))
    elif event in {CaseEvent.APPROVED, CaseEvent.DENIED}:
        decision = Decision(
            kind=_kind(event, facts),
            reason=word.reason.value,
            text=word.text,
            decided_at=word.at or journal.case.since,
            automatic=word.automatic,
        )
        facts = replace(
            facts, decision=decision, result_follows=word.result_follows, asks=_closed(facts.asks, keep="promise")
        )
    elif event in {CaseEvent.REFUSED_INTAKE, CaseEvent.WITHDRAWN, CaseEvent.LAPSED, CaseEvent.REVOKED}:
        facts = replace(facts, asks=_closed(facts.asks, keep=""))
    journal.case = replace(journal.case, facts=facts)
    journal.event(event, at=word.at, ask=ask, decision=decision)


def _kind(event: CaseEvent, facts: Facts) -> str:
    if event is CaseEvent.DENIED:
        return "refused"
    return "granted_with_promise" if facts.missing else "granted"


def _closed(asks: Sequence[Ask], *, keep: str) -> tuple[Ask, ...]:
    """All questions closed, except those of the kind that outlives a decision."""
    return tuple(a if a.kind == keep else replace(a, open=False) for a in asks)
