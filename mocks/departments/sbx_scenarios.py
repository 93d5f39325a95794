"""What a magic scenario makes of an application (docs/departments/FT_SBX.md section 7).

Pure: must not store, send or wait; it only says what is to happen and when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mocks.departments.books import Draft

DECIDED = frozenset({"GRANTED", "REFUSED", "NOT_ACCEPTED", "WITHDRAWN"})
STATUSES = DECIDED | {"RECEIVED", "ACCEPTED", "REVIEWING", "CORRECTION", "SPECIAL_BEGIN", "SPECIAL_END"}
REASONS = frozenset({"S01", "S02", "S03", "S04", "S05", "S06", "S99"})
NEVER_AT_ONCE = frozenset({"correct", "lost", "twice", "out_of_order", "hold"})


@dataclass(frozen=True, slots=True)
class Plan:
    """``first``: events of the answer; ``later``: (seconds after filing, events) to come.

    ``copies`` of each push, ``reverse`` order of the pushes of one moment; ``html``, ``cut``, ``slow``: how the
    answer to the filing goes wrong.
    """

    first: tuple[Draft, ...]
    later: tuple[tuple[float, tuple[Draft, ...]], ...] = ()
    copies: int = 1
    reverse: bool = False
    html: bool = False
    cut: bool = False
    slow: bool = False


def plan(scenario: str, answer: str, *, decide_after: float, twice: bool = False, reverse: bool = False) -> Plan:
    """What happens to an application with ``scenario`` that wants its word by ``answer``.

    ``twice`` and ``reverse`` put a staged fault of the callbacks upon any scenario.
    """
    twice = twice or scenario == "twice"
    reverse = reverse or scenario == "out_of_order"
    shape = Plan(
        first=(),
        copies=2 if twice else 1,
        reverse=reverse,
        html=scenario == "garbage",
        cut=scenario == "lost",
        slow=scenario == "slow",
    )
    if answer == "at_once" and scenario not in NEVER_AT_ONCE:
        decided = {**_decision(scenario), "automatic": True}
        return replace(shape, first=({"status": "RECEIVED"}, decided))
    opening = _opening(scenario, answer)
    review: tuple[Draft, ...] = ({"status": "REVIEWING"},)
    if opening["status"] == "RECEIVED":
        review = ({"status": "ACCEPTED"}, *review)
    if scenario == "hold":
        return replace(shape, first=(opening,))
    if scenario == "correct":
        return replace(shape, first=(opening,), later=((decide_after, (_correction(),)),))
    if reverse:
        return replace(shape, first=(opening,), later=((decide_after, (*review, _decision(scenario))),))
    later = ((decide_after / 2, review), (decide_after, (_decision(scenario),)))
    return replace(shape, first=(opening,), later=later)


def plan_after_supplement(*, decide_after: float) -> Plan:
    """What happens when a correction was answered: it goes on and is granted; nothing is asked twice."""
    first = ({"status": "ACCEPTED"}, {"status": "REVIEWING"})
    return Plan(first=first, later=((decide_after, (_decision("grant"),)),))


def _opening(scenario: str, answer: str) -> Draft:
    if answer == "at_once":
        return {"status": "RECEIVED", "resultFollows": True}
    return {"status": "RECEIVED" if scenario == "correct" else "ACCEPTED"}


def _decision(scenario: str) -> Draft:
    if scenario == "refuse":
        return {"status": "REFUSED", "reason": "S01", "text": "经审查，不符合办理条件"}
    return {"status": "GRANTED", "text": "经审查，符合办理条件，准予"}


def _correction() -> Draft:
    return {
        "status": "CORRECTION",
        "text": "请补充说明事项",
        "marks": [{"field": "remark", "say": "请写明办理事由"}],
        "dueInDays": 5,
    }
