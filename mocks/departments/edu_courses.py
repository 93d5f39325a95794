"""How a case of FT_EDU can go: states and reasons of its document, magic mobile numbers, the seeded rule.

Pure: must not store, send or wait. The magic numbers are described in ``mocks/README.md``; states and reasons are
those of docs/departments/FT_EDU.md section 7.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mocks.departments.books import Draft

STATES: Mapping[str, str] = {
    "RECEIVED": "已收件",
    "ACCEPTED": "已受理",
    "NOT_ACCEPTED": "不予受理",
    "NEED_SUPPLEMENT": "待补正",
    "SUPPLEMENT_OVERDUE": "逾期未补正",
    "REVIEWING": "审查中",
    "SUSPENDED": "特别程序",
    "PASSED": "准予",
    "REJECTED": "不予",
    "MAKING": "制证中",
    "READY": "待领取",
    "DELIVERED": "已送达",
    "CANCELED": "已撤回",
    "REVOKED": "已撤销",
}
OPEN = frozenset({"RECEIVED", "ACCEPTED", "NEED_SUPPLEMENT", "REVIEWING", "SUSPENDED"})
"""Not decided and not ended: what may still be withdrawn."""

REASONS: Mapping[str, str] = {
    "R01": "不符合办理条件",
    "R02": "申请信息与登记信息不一致",
    "R03": "已享受同一事项",
    "R04": "不在受理时间内",
    "R05": "材料虚假",
    "R99": "详见意见",
}


class Course(StrEnum):
    """How a case goes."""

    GRANT = "grant"
    REFUSE = "refuse"
    NOT_ACCEPTED = "not_accepted"
    CORRECTION = "correction"
    OVERDUE = "overdue"
    SPECIAL = "special"
    SPECIAL_REFUSE = "special_refuse"
    MANUAL = "manual"
    MANUAL_REFUSE = "manual_refuse"
    DELIVERED = "delivered"
    REVOKED = "revoked"
    HOLD = "hold"
    CROSSING = "crossing"  # decided in the moment a withdrawal arrives
    SLOW = "slow"
    LOST = "lost"
    HTML = "html"
    TWICE = "twice"
    OUT_OF_ORDER = "out_of_order"
    WARNING = "warning"
    NOT_OPEN = "not_open"
    BUSY = "busy"


MAGIC: Mapping[str, tuple[Course, str]] = {
    "9901": (Course.GRANT, ""),
    "9902": (Course.REFUSE, "R01"),
    "9903": (Course.REFUSE, "R02"),
    "9904": (Course.REFUSE, "R03"),
    "9905": (Course.REFUSE, "R04"),
    "9906": (Course.REFUSE, "R05"),
    "9907": (Course.REFUSE, "R99"),
    "9908": (Course.NOT_ACCEPTED, "R01"),
    "9909": (Course.CORRECTION, ""),
    "9910": (Course.OVERDUE, ""),
    "9911": (Course.SPECIAL, ""),
    "9912": (Course.SPECIAL_REFUSE, "R01"),
    "9913": (Course.MANUAL, ""),
    "9914": (Course.MANUAL_REFUSE, "R02"),
    "9915": (Course.DELIVERED, ""),
    "9916": (Course.REVOKED, "R05"),
    "9917": (Course.HOLD, ""),
    "9918": (Course.CROSSING, ""),
    "9919": (Course.SLOW, ""),
    "9920": (Course.LOST, ""),
    "9921": (Course.HTML, ""),
    "9922": (Course.TWICE, ""),
    "9923": (Course.OUT_OF_ORDER, ""),
    "9924": (Course.WARNING, ""),
    "9925": (Course.NOT_OPEN, ""),
    "9926": (Course.BUSY, ""),
}
"""Last four digits of the applicant's mobile number → course and reason."""

SHARED = (Course.GRANT, Course.REFUSE, Course.CORRECTION, Course.SPECIAL)


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of the officers. ``shares``: weights of ``SHARED``; ``decide_after`` seconds; ``by_hand``: none acts."""

    shares: Mapping[Course, int]
    seed: int = 0
    decide_after: float = 2.0
    correction_days: int = 5
    promise_days: int = 10
    by_hand: bool = False
    instant: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """``first``: what stands in the answer; ``later``: (seconds after filing, drafts) to come.

    ``copies`` of each push, ``reverse`` order of the pushes of one moment; ``cut``, ``html``, ``slow``, ``warning``:
    how the answer to the submit goes.
    """

    course: Course
    first: tuple[Draft, ...]
    later: tuple[tuple[float, tuple[Draft, ...]], ...] = ()
    copies: int = 1
    reverse: bool = False
    cut: bool = False
    html: bool = False
    slow: bool = False
    warning: bool = False


def course_of(body: Mapping[str, Any], rule: Rule) -> tuple[Course, str]:
    """Course and reason of a submit: the same application always goes the same way."""
    applicant = body["applicant"]
    magic = MAGIC.get(str(applicant.get("mobile", applicant.get("contactMobile", "")))[-4:])
    if magic:
        return magic
    if rule.by_hand:
        return Course.HOLD, ""
    who = applicant.get("idNo", applicant.get("orgName"))
    case = json.dumps([rule.seed, body["itemCode"], who, body["form"]], ensure_ascii=False, sort_keys=True)
    drawn = int.from_bytes(hashlib.sha256(case.encode()).digest()[:8]) % (sum(rule.shares.values()) or 1)
    for course in SHARED:
        drawn -= rule.shares.get(course, 0)
        if drawn < 0:
            return course, "R01" if course is Course.REFUSE else ""
    return Course.GRANT, ""
