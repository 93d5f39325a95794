"""The parts of the business JSON that are the desk's own: references, items in force, small questions.

Must not judge forms; that is the catalogue's work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Any

from gateway.catalogue.item import Catalogue, Item
from gateway.domain.errors import Problem
from gateway.domain.reasons import FieldCode, WarningCode
from gateway.domain.requests import AnswerWarning

_BANK_REF = re.compile(r"([0-9]{8})[A-Za-z0-9_.-]{4,32}")
_NEAR = timedelta(days=3)


def bank_ref_problems(bank_ref: str, today: date) -> list[Problem]:
    """``bank_ref`` begins with a real day within three days of Beijing's today, so it cannot restart daily."""
    found = _BANK_REF.fullmatch(bank_ref)
    if found is None:
        code = FieldCode.BAD_FORMAT if bank_ref else FieldCode.MISSING
        return [Problem("bank_ref", code, "流水号应为8位日期加4至32位字母、数字、下划线、点或短横")]
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return [Problem("bank_ref", FieldCode.BANK_REF_DATE, "流水号前8位不是有效日期")]
    if abs(day - today) > _NEAR:
        return [Problem("bank_ref", FieldCode.BANK_REF_DATE, "流水号日期与当日相差超过3天")]
    return []


def item_of(
    catalogue: Catalogue, business: Mapping[str, Any], *, today: date, backends: Collection[str]
) -> tuple[Item | None, tuple[AnswerWarning, ...], list[Problem]]:
    """The item version a submission names, none when there is no such one, and why it may not be filed under today.

    A superseded version is taken until its last day and then is ``ITEM_VERSION_OLD``. An item without a route, or
    whose back-end has no adapter here, is ``ITEM_CLOSED``: never taken in and left lying. Both are still returned,
    so that everything else that is wrong can be told with it.
    """
    code, version = business.get("item"), business.get("item_version")
    versions = catalogue.items.get(code, ()) if isinstance(code, str) else ()
    if not versions:
        missing = code in (None, "")
        return (
            None,
            (),
            [
                Problem(
                    "item",
                    FieldCode.MISSING if missing else FieldCode.ITEM_UNKNOWN,
                    "须填写事项编码" if missing else "没有这一事项",
                )
            ],
        )
    item = catalogue.find(str(code), str(version)) if isinstance(version, str) and version else None
    if item is None:
        text = "没有这一事项版本，现行版本为" + (catalogue.current(str(code), today) or versions[-1]).version
        return None, (), [Problem("item_version", FieldCode.ITEM_VERSION_OLD, text)]
    if not item.in_force(today):
        return item, (), [Problem("item_version", FieldCode.ITEM_VERSION_OLD, "该事项版本已停止受理")]
    if item.route is None or item.backend not in backends:
        return item, (), [Problem("item", FieldCode.ITEM_CLOSED, "该事项暂未开通受理")]
    current = catalogue.current(item.code, today)
    if current is not None and current.version != item.version:
        text = f"该事项已有新版本{current.version}，请尽快更新"
        return item, (AnswerWarning(WarningCode.ITEM_VERSION_SUPERSEDED, text, "item_version"),), []
    return item, (), []


Check = Callable[[Any], bool]


def member_problems(
    business: Mapping[str, Any], required: Mapping[str, Check], optional: Mapping[str, Check]
) -> list[Problem]:
    """Problems of a small question: members missing, of a wrong kind, or unknown (with the nearest known name)."""
    problems: list[Problem] = []
    known = {"op", "v", "ext", *required, *optional}
    for name, value in business.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"，是否为{near[0]}" if near else ""
            problems.append(Problem(name, FieldCode.UNKNOWN_MEMBER, f"没有这一项{hint}"))
        elif name == "ext" and not _is_ext(value):
            problems.append(Problem(name, FieldCode.WRONG_TYPE, "备注应为文本对象且不超过2KB"))
        elif (name in required or value != "") and not ({**required, **optional}.get(name, _anything)(value)):
            missing = value == ""
            problems.append(
                Problem(
                    name, FieldCode.MISSING if missing else FieldCode.BAD_FORMAT, "须填写" if missing else "格式不正确"
                )
            )
    problems += [Problem(name, FieldCode.MISSING, "须填写") for name in required if name not in business]
    return problems


def _anything(_value: Any) -> bool:
    return True


def _is_ext(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(v, str) for v in value.values())
        and sum(len(k.encode()) + len(v.encode()) for k, v in value.items()) <= 2048
    )
