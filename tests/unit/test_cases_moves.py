"""The one table of moves: every state has its place and its name, and what is not in the table cannot happen."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.domain.case import DECIDED, ENDED, MOVES, STATE_NAMES, CaseEvent, CaseState, Phase, move, phase, way
from gateway.domain.errors import IllegalMove

PAIRS = list(product(CaseState, CaseEvent))


def test_every_state_can_be_reached_left_or_ends_and_has_a_chinese_name() -> None:
    reached = set(MOVES.values()) | {CaseState.SUBMITTED}
    left = {state for state, _ in MOVES}
    assert reached == set(CaseState)
    assert set(CaseState) - left <= ENDED
    assert set(STATE_NAMES) == set(CaseState)
    assert len(set(STATE_NAMES.values())) == len(CaseState)


def test_every_state_leads_to_an_end() -> None:
    ends = set(ENDED)
    while True:
        more = {state for (state, _), target in MOVES.items() if target in ends} - ends
        if not more:
            break
        ends |= more
    assert ends == set(CaseState)


def test_every_pair_that_is_not_in_the_table_is_refused() -> None:
    for state, event in set(PAIRS) - set(MOVES):
        with pytest.raises(IllegalMove, match=f"{event} cannot happen to a case that is {state}"):
            move(state, event)


def test_every_pair_of_the_table_moves_and_its_way_is_itself() -> None:
    for (state, event), target in MOVES.items():
        assert move(state, event) is target
        assert way(state, event) == (event,)


def test_a_way_is_made_of_lawful_moves_and_ends_with_what_was_said() -> None:
    bridged = 0
    for state, event in PAIRS:
        try:
            steps = way(state, event)
        except IllegalMove:
            continue
        at = state
        for step in steps:
            at = move(at, step)
        assert steps[-1] is event
        assert len(steps) <= 2
        bridged += len(steps) == 2
    assert bridged > 0


def test_a_decision_over_an_accepted_case_has_its_review_in_between() -> None:
    assert way(CaseState.ACCEPTED, CaseEvent.APPROVED) == (CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)


def test_nothing_happens_to_a_closed_case() -> None:
    for event in CaseEvent:
        with pytest.raises(IllegalMove):
            way(CaseState.CLOSED, event)


def test_the_phase_says_who_must_act() -> None:
    assert phase(CaseState.CORRECTION) is Phase.WAITING
    assert phase(CaseState.READY) is Phase.COLLECT
    assert phase(CaseState.APPROVED) is Phase.ENDED
    assert phase(CaseState.APPROVED, result_follows=True) is Phase.OPEN
    assert {phase(state) for state in ENDED} == {Phase.ENDED}
    assert phase(CaseState.ISSUING) is Phase.OPEN


def test_what_is_decided_is_never_undecided() -> None:
    assert {target for (state, _), target in MOVES.items() if state in DECIDED} <= DECIDED
