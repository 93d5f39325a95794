"""The clocks of a case: which limit runs after an event, and until when (domain.md sections 3.2 and 3.7).

Pure. Six clocks, one calendar: intake, decision, correction, delivery, promise, and the special procedure that stops
the decision clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from gateway.calendar.days import WorkingDays
from gateway.domain.case import ENDED, CaseEvent
from gateway.domain.clock import beijing
from gateway.domain.records import Ask, Case, Due, Facts

INTAKE_DAYS = 5  # 行政许可法 art. 32: tell once what is missing within five days, else it counts as accepted
DELIVERY_DAYS = 10  # art. 44: issue and deliver within ten days of the decision
CLOSING = time(18, 0)  # receipt after closing counts from the next working day


@dataclass(frozen=True, slots=True)
class Limits:
    """What an item promises, in working days."""

    promised_days: int
    intake_days: int = INTAKE_DAYS
    delivery_days: int = DELIVERY_DAYS


def first_day(days: WorkingDays, moment: datetime) -> date:
    """The day a clock starts on: the day itself, or the next working day for rest days and after closing time."""
    local = beijing(moment)
    if days.is_working(local.date()) and local.time() < CLOSING:
        return local.date()
    return days.next_working(local.date())


def turn(case: Case, event: CaseEvent, at: datetime, *, days: WorkingDays, limits: Limits, ask: Ask | None) -> Case:
    """The case with the clock that runs after ``event``; ``at`` is when it happened (the department's time).

    A special procedure stops the decision clock: the working days left are kept and run on when it ends.
    """
    if event in {CaseEvent.RECEIVED, CaseEvent.CORRECTED}:
        return replace(case, due=count(days, first_day(days, at), limits.intake_days, kind="intake"))
    if event is CaseEvent.CORRECTION_ASKED:
        due = Due(on=ask.due, kind="correction") if ask and ask.due else None
        return replace(case, due=due)
    if event is CaseEvent.ACCEPTED:
        return replace(case, due=count(days, beijing(at).date(), limits.promised_days, kind="decision"))
    if event is CaseEvent.SPECIAL_STARTED:
        left = days.between(beijing(at).date(), case.due.on) if case.due else limits.promised_days
        return replace(case, due=None, facts=replace(case.facts, days_left=left))
    if event is CaseEvent.SPECIAL_ENDED:
        left = case.facts.days_left
        due = count(days, beijing(at).date(), left, kind="decision")
        return replace(case, due=due, facts=replace(case.facts, days_left=0))
    if event is CaseEvent.APPROVED and case.facts.result_follows:
        return replace(case, due=count(days, beijing(at).date(), limits.delivery_days, kind="delivery"))
    if event is CaseEvent.APPROVED:
        return replace(case, due=promised(case.facts))
    if case.state in ENDED:
        return replace(case, due=None)
    return case


def promised(facts: Facts) -> Due | None:
    """The last day of the papers that are still promised after a grant (容缺, domain.md 3.4); none without any."""
    if not facts.missing:
        return None
    return Due(on=date.fromisoformat(max(until for _, until in facts.missing)), kind="promise")


def warn_on(days: WorkingDays, due: Due) -> date:
    """The day to warn before a limit: two working days ahead for decisions, one for everything shorter."""
    ahead = 2 if due.kind in {"decision", "delivery"} else 1
    day = due.on
    while ahead:
        day -= timedelta(days=1)
        ahead -= days.is_working(day)
    return day


def count(days: WorkingDays, start: date, number: int, *, kind: str) -> Due:
    """The limit of ``number`` working days after ``start``."""
    counted = days.add(start, number)
    return Due(on=counted.day, kind=kind, provisional=counted.provisional, start=start, days=number)


def recount(days: WorkingDays, due: Due) -> Due:
    """The same limit by today's tables; a day that somebody named stays.

    What came after closing time was received on a next working day; if that has become a day off, on the one behind it.
    """
    if due.start is None:
        return due
    moved = due.kind == "intake" and not days.is_working(due.start)
    return count(days, days.next_working(due.start) if moved else due.start, due.days, kind=due.kind)
