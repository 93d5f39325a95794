"""The business part of ``upload_ticket``, read and judged: every problem at once (operations.md 2.5).

Must not know whether the case exists or the file has arrived; that is asked of the store afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from gateway.catalogue.kinds.block import Block, Member
from gateway.catalogue.kinds.notes import Notes
from gateway.catalogue.kinds.values import day, pattern, string, whole, words
from gateway.catalogue.submission_members import as_it_is, digest, ext
from gateway.domain.errors import Invalid
from gateway.domain.reasons import FieldCode
from gateway.materials.limits import LARGEST, LIMITS, MIB, Purpose

_BANK_REF = re.compile(r"[0-9]{8}[A-Za-z0-9_.-]{4,32}")
_DIFFERENCE = re.compile(r"[A-Za-z0-9-]{4,40}")
_NEAR = timedelta(days=3)

_ASKED = Block(
    [
        *(Member(name, name, as_it_is) for name in ("op", "v")),
        Member("receipt_no", "收件编号", string("收件编号", max_len=64)),
        Member("case_ref", "业务流水号", pattern("业务流水号", _BANK_REF)),
        Member("day", "对账日期", day("对账日期")),
        Member("difference_no", "差异编号", pattern("差异编号", _DIFFERENCE)),
        Member("purpose", "文件用途", words("文件用途", *Purpose), True),
        Member("material", "材料编号", string("材料编号", max_len=20)),
        Member("digest", "文件摘要", digest("文件摘要"), True),
        Member("size", "文件大小", whole("文件大小", "1", str(LARGEST)), True),
        Member(
            "type", "文件类型", words("文件类型", *dict.fromkeys(t for one in LIMITS.values() for t in one.types)), True
        ),
        Member("ext", "备注", ext),
    ]
)
_NAMES = {
    Purpose.DAY_FILE: ("day",),
    Purpose.EVIDENCE: ("difference_no", "receipt_no", "case_ref"),
}
_CASE_NAMES = ("receipt_no", "case_ref")
_ALL_NAMES = ("receipt_no", "case_ref", "day", "difference_no")
_LABELS = {"receipt_no": "收件编号", "case_ref": "业务流水号", "day": "对账日期", "difference_no": "差异编号"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file somebody wants to bring. Exactly one of the first four is set; ``size`` in bytes."""

    receipt_no: str
    case_ref: str
    day: date | None
    difference_no: str
    purpose: Purpose
    material: str
    digest: str
    size: int
    type: str


def read_asked(business: Mapping[str, Any], *, today: date) -> Wanted:
    """What is asked for. ``today`` in Beijing. Raises ``Invalid``."""
    notes = Notes(today)
    read, _wrong = _ASKED.run(business, notes)
    purpose = Purpose(read["purpose"]) if "purpose" in read else None
    if purpose is not None:
        _whose(purpose, business, notes)
        _material(purpose, business, notes)
        _limits(purpose, read, notes)
    if "day" in read and read["day"] > today:
        notes.say(FieldCode.DATE_IN_FUTURE, "对账日期晚于今天", "day")
    if notes.problems:
        raise Invalid(notes.settled())
    assert purpose is not None
    return Wanted(
        receipt_no=read.get("receipt_no", ""),
        case_ref=read.get("case_ref", ""),
        day=read.get("day"),
        difference_no=read.get("difference_no", ""),
        purpose=purpose,
        material=read.get("material", ""),
        digest=read["digest"],
        size=read["size"],
        type=read["type"],
    )


def new_reference_problem(case_ref: str, *, today: date) -> tuple[FieldCode, str] | None:
    """What is wrong with the reference of a submission still to come: its first 8 digits are a day near today."""
    try:
        named = date.fromisoformat(case_ref[:8])
    except ValueError:
        return FieldCode.BANK_REF_DATE, "流水号前8位不是有效日期"
    if abs(named - today) > _NEAR:
        return FieldCode.BANK_REF_DATE, "流水号日期与当日相差超过3天"
    return None


def _whose(purpose: Purpose, business: Mapping[str, Any], notes: Notes) -> None:
    """Exactly one name of what the file belongs to, and of the kind that goes with its purpose."""
    allowed = _NAMES.get(purpose, _CASE_NAMES)
    given = [name for name in _ALL_NAMES if business.get(name) not in (None, "")]
    for name in given:
        if name not in allowed:
            notes.say(FieldCode.UNKNOWN_MEMBER, "该用途没有这一项", name)
    if not given:
        notes.say(FieldCode.MISSING, f"请填写{'或'.join(_LABELS[name] for name in allowed)}", allowed[0])
    elif len([name for name in given if name in allowed]) > 1:
        notes.say(FieldCode.UNKNOWN_MEMBER, f"{'、'.join(_LABELS[name] for name in allowed)}只能填一项", given[1])


def _material(purpose: Purpose, business: Mapping[str, Any], notes: Notes) -> None:
    given = business.get("material") not in (None, "")
    if purpose is Purpose.MATERIAL and not given:
        notes.say(FieldCode.MISSING, "请填写材料编号", "material")
    elif purpose is not Purpose.MATERIAL and given:
        notes.say(FieldCode.UNKNOWN_MEMBER, "该用途没有这一项", "material")


def _limits(purpose: Purpose, read: Mapping[str, Any], notes: Notes) -> None:
    limit = LIMITS[purpose]
    if "type" in read and read["type"] not in limit.types:
        notes.say(FieldCode.NOT_IN_LIST, f"该用途的文件类型应为{'、'.join(limit.types)}", "type")
    if "size" in read and read["size"] > limit.size:
        notes.say(FieldCode.OUT_OF_RANGE, f"该用途的文件不得超过{limit.size // MIB}MB", "size")
