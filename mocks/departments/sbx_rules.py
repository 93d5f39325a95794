"""What FT_SBX takes: strict parsing and checking of bodies (docs/departments/FT_SBX.md sections 1, 3 and 4).

Must not store or decide anything. Every problem of a body is reported, not only the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mocks.departments.json_checks import Check, Problem, Problems, anything, one_of, text
from mocks.departments.sbx_signing import is_time


def _day(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{8}", value):
        return "not yyyyMMdd"
    try:
        datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007  a day has no zone
    except ValueError:
        return "no such day"
    return ""


def _moment(value: Any) -> str:
    return "" if isinstance(value, str) and is_time(value) else "not a time with +08:00"


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            return "not a whole number"
        return "" if low <= value <= high else "out of range"

    return check


def _address(value: Any) -> str:
    if isinstance(value, str):
        return _NAME(value)
    problems = Problems()
    region, street = text(r"\d{6}", most=6), text(r"\d{9}", most=9)
    may = {"street": street, "community": _NAME}
    problems.members(value, "", needs={"region": region, "detail": _NAME}, may=may)
    return "; ".join(f"{p['path']}: {p['say']}" for p in problems.found)


_NAME = text(most=200)
_WORD = text(most=40)
_DOC_NO = text(r"[0-9A-Za-z()\-]{2,}", most=40)
_PHONE = text(r"[0-9+\- ]+", most=30)
_CALL_ID = text(r"[0-9A-Za-z-]{8,32}", most=32)
_RECEIPT = text(r"[0-9A-Za-z.\-]+", most=40)
_LONG = text(r"(?s)[^\x00-\x09\x0b-\x1f]+", most=500)
_STREET = text(r"\d{9}", most=9)
_HOW = one_of("paper", "scan", "upload", "e_certificate", "promised")

CONTENT: Mapping[str, Check] = {
    "scenario": text(r"[0-9a-z_]+", most=40),
    "remark": _LONG,
    "contactDate": _day,
    "amountFen": _whole(0, 999_999_999_999_999),
}
_PERSON_NEEDS: Mapping[str, Check] = {"name": _NAME, "docType": _WORD, "docNo": _DOC_NO, "phone": _PHONE}
_PERSON_MAY: Mapping[str, Check] = {
    "kind": one_of("person"),
    "docExpire": _day,
    "residenceStreet": _STREET,
    "residenceAddress": _address,
}
_ORGANISATION_NEEDS: Mapping[str, Check] = {
    "kind": one_of("organisation"),
    "orgName": _NAME,
    "legalRepName": _NAME,
    "legalRepDocNo": _DOC_NO,
    "registeredAddress": _address,
    "contactName": _NAME,
    "contactPhone": _PHONE,
}
_ORGANISATION_MAY: Mapping[str, Check] = {"uscc": _DOC_NO, "usccAbsentReason": _WORD, "legalRepDocType": _WORD}


def check_application(body: Mapping[str, Any]) -> list[Problem]:
    """The problems of a filing, none = good."""
    problems = Problems()
    needs: dict[str, Check] = {
        "callId": _CALL_ID,
        "receiptNo": _RECEIPT,
        "item": text(r"[0-9A-Z-]+", most=20),
        "itemVersion": text(r"[0-9A-Za-z.\-]+", most=12),
        "outlet": text(r"[0-9A-Za-z-]+", most=20),
        "receivedAt": _moment,
        "applicant": anything,
        "content": anything,
        "answer": one_of("at_once", "callback", "poll"),
    }
    problems.members(body, "", needs=needs, may={"agent": anything, "materials": anything})
    applicant = body.get("applicant")
    if isinstance(applicant, dict) and applicant.get("kind", "person") != "person":
        problems.members(applicant, "applicant", needs=_ORGANISATION_NEEDS, may=_ORGANISATION_MAY)
    elif "applicant" in body:
        problems.members(applicant, "applicant", needs=_PERSON_NEEDS, may=_PERSON_MAY)
    if "agent" in body:
        problems.members(body["agent"], "agent", needs=_PERSON_NEEDS, may={"relation": _WORD})
    if "content" in body:
        may = {name: check for name, check in CONTENT.items() if name != "scenario"}
        problems.members(body["content"], "content", needs={"scenario": CONTENT["scenario"]}, may=may)
    if "materials" in body:
        _check_materials(body["materials"], problems)
    return problems.found


def _check_materials(value: Any, problems: Problems) -> None:
    if not isinstance(value, list):
        problems.add("materials", "not a list")
        return
    for position, row in enumerate(value):
        needs = {"id": text(r"M[0-9]{1,2}", most=3), "how": _HOW}
        problems.members(row, f"materials[{position}]", needs=needs, may={"pages": _whole(1, 999), "until": _day})


def check_supplement(body: Mapping[str, Any]) -> list[Problem]:
    """The problems of a supplement's shape; whether a change was asked is judged by the application."""
    problems = Problems()
    problems.members(body, "", needs={"callId": _CALL_ID, "receiptNo": _RECEIPT, "changes": anything}, may={})
    changes = body.get("changes")
    if "changes" in body and (not isinstance(changes, dict) or not changes):
        problems.add("changes", "not an object with a member")
    elif isinstance(changes, dict):
        for name, value in changes.items():
            path = f"changes.{name}"
            if re.fullmatch(r"material:M[0-9]{1,2}", name):
                problems.members(value, path, needs={"how": _HOW}, may={"pages": _whole(1, 999), "until": _day})
            elif name not in CONTENT:
                problems.add(path, "unknown member")
            elif say := CONTENT[name](value):
                problems.add(path, say)
    return problems.found


def check_withdrawal(body: Mapping[str, Any]) -> list[Problem]:
    """The problems of a withdrawal's shape."""
    problems = Problems()
    problems.members(body, "", needs={"callId": _CALL_ID, "receiptNo": _RECEIPT}, may={"why": _NAME})
    return problems.found
