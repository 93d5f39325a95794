"""What FT_EDU's officers say of a case and when, once it is known how the case goes (``edu_courses``).

Pure: must not store, send or wait; it only says what is to happen and after how many seconds. The words are those of
docs/departments/FT_EDU.md section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mocks.departments.books import Draft
from mocks.departments.edu_courses import REASONS, Course, Plan, Rule, course_of

_LATE = frozenset({Course.MANUAL, Course.MANUAL_REFUSE, Course.CORRECTION, Course.OVERDUE, Course.SPECIAL})
NEVER_AT_ONCE = _LATE | {Course.SPECIAL_REFUSE, Course.HOLD, Course.CROSSING, Course.TWICE, Course.OUT_OF_ORDER}
COUNTER = "福田区教育局办事窗口"
_WORDS_OF_GRANT = {"FT-EDU-001": ("核定补贴 7000.00 元", "补贴核定结果通知")}


def plan(body: Mapping[str, Any], rule: Rule, *, twice: bool = False, reverse: bool = False) -> Plan:
    """What happens to a submit; ``twice`` and ``reverse`` put a staged fault of the pushes upon any course."""
    course, reason = course_of(body, rule)
    shape = Plan(
        course=course,
        first=(),
        copies=2 if twice or course is Course.TWICE else 1,
        reverse=reverse or course is Course.OUT_OF_ORDER,
        cut=course is Course.LOST,
        html=course is Course.HTML,
        slow=course is Course.SLOW,
        warning=course is Course.WARNING,
    )
    after = _after_review(body, course, reason, rule=rule)
    half, whole = rule.decide_after / 2, rule.decide_after
    if body["itemCode"] in rule.instant:
        if course not in NEVER_AT_ONCE and not (twice or reverse):
            first = ({"state": "RECEIVED"}, *(draft for wait, draft in after if wait == 0))
            return replace(shape, first=first, later=_timed(after, whole, only_later=True))
        opening = ({"state": "RECEIVED"}, {"state": "REVIEWING", "manual": True})
        if course in (Course.CORRECTION, Course.OVERDUE):
            return replace(shape, first=opening, later=_correction(body, course, rule=rule))
        return replace(shape, first=opening, later=_grouped(_timed(after, whole), shape))
    shape = replace(shape, first=({"state": "RECEIVED"},))
    if course is Course.HOLD:
        return shape
    if course is Course.NOT_ACCEPTED:
        return replace(shape, later=((half, ({"state": course.name, **_no(reason)},)),))
    if course in (Course.CORRECTION, Course.OVERDUE):
        return replace(shape, later=_correction(body, course, rule=rule))
    review = ((half / 2, (_accepted(rule),)), (half, ({"state": "REVIEWING"},)))
    return replace(shape, later=_grouped((*review, *_timed(after, whole)), shape))


def plan_after_supplement(body: Mapping[str, Any], rule: Rule, *, course: Course) -> Plan:
    """What happens when a correction was answered: accepted, reviewed, granted; nothing is asked twice.

    ``course``: how the case was meant to go; one that is decided by hand stays so.
    """
    half, whole = rule.decide_after / 2, rule.decide_after
    later: tuple[tuple[float, tuple[Draft, ...]], ...] = ()
    if not rule.by_hand and course not in (Course.HOLD, Course.CROSSING):
        later = ((half / 2, (_accepted(rule),)), (half, ({"state": "REVIEWING"},)))
        later += _timed(_after_review(body, Course.GRANT, "", rule=rule), whole)
    return Plan(course=course, first=({"state": "RECEIVED"},), later=later)


def grant(item: str) -> Draft:
    """The decision for the applicant."""
    opinion, title = _WORDS_OF_GRANT.get(item, ("经审查，符合办理条件，准予办理", "办理结果通知书"))
    return {"state": "PASSED", "opinion": opinion, "documents": [title]}


def refusal(reason: str) -> Draft:
    """The decision against the applicant."""
    return {"state": "REJECTED", **_no(reason), "documents": ["不予办理决定书"]}


def correction_asked(body: Mapping[str, Any], rule: Rule) -> Draft:
    """The once-only list for a case: its first field, and its first material if it has any."""
    form, materials = body["form"], body.get("materials") or ()
    field = form["rows"][0]["no"] if "rows" in form else next(iter(form))
    asked = [{"target": "FORM", "no": field, "reason": "请核对并更正此项"}]
    if materials:
        asked.append({"target": "MATERIAL", "no": materials[0]["no"], "reason": "材料不清晰，请重新提交"})
    return {
        "state": "NEED_SUPPLEMENT",
        "opinion": "材料不齐全或者不符合法定形式，请一次性补正",
        "correction": {"items": asked},
        "dueInDays": rule.correction_days,
    }


def word(body: Mapping[str, Any], state: str, rule: Rule, *, reason: str = "") -> Draft:
    """What an officer says by hand of a case, with everything that belongs to ``state``."""
    if state == "PASSED":
        return grant(body["itemCode"])
    if state == "REJECTED":
        return refusal(reason or "R01")
    if state in ("NOT_ACCEPTED", "REVOKED"):
        return {"state": state, **_no(reason or "R01")}
    if state == "NEED_SUPPLEMENT":
        return correction_asked(body, rule)
    if state == "ACCEPTED":
        return _accepted(rule)
    if state == "SUSPENDED":
        return {"state": state, "special": {"kind": "专家评审"}, "endsInDays": rule.promise_days}
    return {"state": state, "collectAt": COUNTER} if state == "READY" else {"state": state}


def way_to(now: str, wanted: str) -> tuple[str, ...]:
    """The states an officer goes through from ``now`` to ``wanted``, both left out."""
    if wanted not in ("PASSED", "REJECTED", "SUSPENDED", "NEED_SUPPLEMENT"):
        return ()
    if now == "ACCEPTED":
        return ("REVIEWING",)
    return ("ACCEPTED", "REVIEWING") if now == "RECEIVED" and wanted != "NEED_SUPPLEMENT" else ()


def _after_review(body: Mapping[str, Any], course: Course, reason: str, *, rule: Rule) -> list[tuple[float, Draft]]:
    """(Parts of ``decide_after`` after the decision, draft), from the decision on."""
    if course in (Course.HOLD, Course.CROSSING):
        return []
    if course in (Course.REFUSE, Course.MANUAL_REFUSE, Course.NOT_ACCEPTED):
        return [(0, refusal(reason))]
    if course in (Course.SPECIAL, Course.SPECIAL_REFUSE):
        suspended = {"state": "SUSPENDED", "special": {"kind": "专家评审"}, "endsInDays": rule.promise_days}
        end = refusal(reason) if course is Course.SPECIAL_REFUSE else grant(body["itemCode"])
        return [(0, suspended), (0.5, {"state": "REVIEWING"}), (1, end)]
    told: list[tuple[float, Draft]] = [(0, grant(body["itemCode"]))]
    if course is Course.REVOKED:
        return [*told, (0.5, {"state": "REVOKED", **_no(reason)})]
    if course is Course.DELIVERED or body["delivery"]["mode"] != "DZ":
        told += [(0.25, {"state": "MAKING"}), (0.5, {"state": "READY", "collectAt": COUNTER})]
    if course is Course.DELIVERED:
        told.append((0.75, {"state": "DELIVERED"}))
    return told


def _correction(body: Mapping[str, Any], course: Course, *, rule: Rule) -> tuple[tuple[float, tuple[Draft, ...]], ...]:
    half, whole = rule.decide_after / 2, rule.decide_after
    asked = (half, (correction_asked(body, rule),))
    return (asked, (whole, ({"state": "SUPPLEMENT_OVERDUE"},))) if course is Course.OVERDUE else (asked,)


def _timed(
    after: list[tuple[float, Draft]], whole: float, *, only_later: bool = False
) -> tuple[tuple[float, tuple[Draft, ...]], ...]:
    if only_later:
        return tuple((wait * whole, (draft,)) for wait, draft in after if wait)
    return tuple((whole + wait * whole, (draft,)) for wait, draft in after)


def _grouped(later: tuple[tuple[float, tuple[Draft, ...]], ...], shape: Plan) -> tuple[Any, ...]:
    """All in one moment when the pushes are to come in reverse order, else as they are."""
    if not shape.reverse or not later:
        return later
    return ((later[-1][0], tuple(draft for _, drafts in later for draft in drafts)),)


def _accepted(rule: Rule) -> Draft:
    return {"state": "ACCEPTED", "promisedInDays": rule.promise_days}


def _no(reason: str) -> Draft:
    return {"reasonCode": reason, "opinion": f"经审查，{REASONS[reason]}"}
