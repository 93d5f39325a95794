"""What FT_EDU takes outside the form: head, applicant, delivery, consent, materials (docs/departments/FT_EDU.md 5).

Must not store or decide anything. Members the document does not name are refused, so that a misspelt one is seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mocks.departments.edu_forms import (
    FUTIAN,
    ID_TYPES,
    LINES,
    STREETS,
    check_changes,
    check_form,
    is_day,
    items,
)
from mocks.departments.json_checks import Check, Problem, Problems, anything, one_of, text

MOST_FILES = 30
_LINE = text(most=200)
_WORD = text(most=40)
_CALL_ID = text(r"[0-9A-Za-z-]{8,32}", most=32)
_RECEIPT = text(r"[0-9A-Za-z.-]+", most=32)
_ID_TYPE = one_of(*ID_TYPES)
_ID_NO = text(r"[0-9A-Za-z()\-]+", most=40)
_PHONE = text(r"[0-9+\- ]+", most=30)
_YES_NO = one_of("1", "0")
_MATERIAL = text(r"M[1-9][0-9]?", most=3)
_FILES: Mapping[str, tuple[str, Check]] = {
    "1": ("fileIds", anything),
    "2": ("dueDate", is_day),
    "3": ("eCertNo", text(r"[0-9A-Z.]+", most=100)),
}
"""Status of a material → the member that must stand with it."""


def _moment(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", value):
        return "not yyyy-MM-dd HH:mm:ss"
    try:
        datetime.strptime(value, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  Beijing time by the document
    except ValueError:
        return "no such time"
    return ""


def _check_address(value: Any, path: str, problems: Problems) -> None:
    may = {"streetCode": one_of(*sorted(STREETS)), "community": _LINE}
    problems.members(value, path, needs={"regionCode": text(r"\d{6}", most=6), "detail": _LINE}, may=may)
    if isinstance(value, dict) and "streetCode" in value and value.get("regionCode") != FUTIAN:
        problems.add(f"{path}.streetCode", "given outside Futian")


_HEAD: Mapping[str, Check] = {
    "callId": _CALL_ID,
    "receiptNo": _RECEIPT,
    "itemCode": anything,
    "itemVersion": text(most=32),
    **dict.fromkeys(("channel", "applicant", "delivery", "consent", "form"), anything),
}
_CHANNEL: Mapping[str, Check] = {
    "kind": one_of("BANK_OUTLET"),
    "bankCode": _WORD,
    "outletCode": _WORD,
    "tellerNo": _WORD,
    "takenAt": _moment,
}
_PERSON: Mapping[str, Check] = {
    "subject": one_of("1"),
    "name": _LINE,
    "gender": one_of("1", "2", "0"),
    "idType": _ID_TYPE,
    "idNo": _ID_NO,
    "mobile": _PHONE,
    "address": anything,
}
_ORGANISATION: Mapping[str, Check] = {
    "subject": one_of("2"),
    "orgName": _LINE,
    "legalName": _LINE,
    "legalIdNo": _ID_NO,
    "regAddress": anything,
    "contactName": _LINE,
    "contactMobile": _PHONE,
}
_ORGANISATION_MAY: Mapping[str, Check] = {
    "creditCode": text(r"[0-9A-Z]{18}", most=18),
    "noCodeReason": one_of("01", "02", "09"),
    "legalIdType": _ID_TYPE,
}
_AGENT: Mapping[str, Check] = {"name": _LINE, "idType": _ID_TYPE, "idNo": _ID_NO, "mobile": _PHONE}
_AGENT_MAY: Mapping[str, Check] = {"mandateNo": _WORD, "mandateUntil": is_day}
_DELIVERY: Mapping[str, Check] = {"mode": one_of("CK", "WD", "GZ", "YZ", "DZ")}
_DELIVERY_MAY: Mapping[str, Check] = {"cabinetNo": _WORD, "toName": _LINE, "toMobile": _PHONE, "toAddress": anything}
_CONSENT: Mapping[str, Check] = {
    "noticeVersion": _WORD,
    "sensitive": _YES_NO,
    "truth": _YES_NO,
    "signedAt": _moment,
}


def check_submit(body: Mapping[str, Any]) -> list[Problem]:
    """The problems of a submit, none = good. Whether its files exist is judged by the books."""
    problems = Problems()
    problems.members(body, "", needs=_HEAD, may={"agent": anything, "materials": anything})
    item = str(body.get("itemCode"))
    if "itemCode" in body and item not in items():
        problems.add("itemCode", "not an item of ours")
    if "channel" in body:
        problems.members(body["channel"], "channel", needs=_CHANNEL, may={})
    if "applicant" in body:
        _check_applicant(body["applicant"], problems)
    if "agent" in body:
        problems.members(body["agent"], "agent", needs=_AGENT, may=_AGENT_MAY)
    if "delivery" in body:
        problems.members(body["delivery"], "delivery", needs=_DELIVERY, may=_DELIVERY_MAY)
        if isinstance(body["delivery"], dict) and "toAddress" in body["delivery"]:
            _check_address(body["delivery"]["toAddress"], "delivery.toAddress", problems)
    if "consent" in body:
        problems.members(body["consent"], "consent", needs=_CONSENT, may={"guardian": _YES_NO})
    if "form" in body:
        check_form(item, body["form"], problems)
    if "materials" in body:
        _check_materials(body["materials"], problems)
    return problems.found


def _check_applicant(value: Any, problems: Problems) -> None:
    if isinstance(value, dict) and value.get("subject") == "2":
        problems.members(value, "applicant", needs=_ORGANISATION, may=_ORGANISATION_MAY)
        address = "regAddress"
    else:
        problems.members(value, "applicant", needs=_PERSON, may={"idExpire": is_day})
        address = "address"
    if isinstance(value, dict) and address in value:
        _check_address(value[address], f"applicant.{address}", problems)


def _check_materials(value: Any, problems: Problems) -> None:
    if not isinstance(value, list):
        problems.add("materials", "not a list")
        return
    seen: set[str] = set()
    for position, row in enumerate(value):
        path = f"materials[{position}]"
        needs: dict[str, Check] = {
            "no": _MATERIAL,
            "name": _LINE,
            "status": one_of("1", "2", "3", "4"),
            "originalSeen": _YES_NO,
        }
        with_it = _FILES.get(str(row.get("status"))) if isinstance(row, dict) else None
        if with_it:
            needs[with_it[0]] = with_it[1]
        problems.members(row, path, needs=needs, may={})
        if with_it and with_it[0] == "fileIds" and "fileIds" in row:
            _check_file_ids(row["fileIds"], f"{path}.fileIds", problems)
        if isinstance(row, dict) and isinstance(row.get("no"), str):
            if row["no"] in seen:
                problems.add(f"{path}.no", "twice")
            seen.add(row["no"])
    if len(file_ids({"materials": value})) > MOST_FILES:
        problems.add("materials", f"more than {MOST_FILES} files")


def _check_file_ids(value: Any, path: str, problems: Problems) -> None:
    if not isinstance(value, list) or not value:
        problems.add(path, "not a list with a file id")
        return
    for position, file_id in enumerate(value):
        problems.check(f"{path}[{position}]", file_id, text(r"[0-9A-Za-z-]+", most=40))


def file_ids(body: Mapping[str, Any]) -> dict[str, str]:
    """Path → file id of every file that ``body`` refers to."""
    found: dict[str, str] = {}
    for position, row in enumerate(body.get("materials", ())):
        listed = row.get("fileIds", ()) if isinstance(row, dict) else ()
        for place, file_id in enumerate(listed if isinstance(listed, list) else ()):
            found[f"materials[{position}].fileIds[{place}]"] = str(file_id)
    return found


def check_supplement(item: str, body: Mapping[str, Any]) -> list[Problem]:
    """The problems of a supplement to a case of ``item``."""
    problems = Problems()
    needs = {"supplementId": text(r"[0-9A-Za-z-]+", most=64), "kind": one_of("CORRECTION", "LATE")}
    problems.members(body, "", needs=needs, may={"form": anything, "materials": anything})
    if "form" in body:
        check_changes(item, body["form"], problems)
    if "materials" in body:
        _check_materials(body["materials"], problems)
    if not (body.get("form") or body.get("materials")):
        problems.add("body", "neither form nor materials")
    return problems.found


def check_withdrawal(body: Mapping[str, Any]) -> list[Problem]:
    """The problems of a withdrawal."""
    problems = Problems()
    problems.members(body, "", needs={"callId": _CALL_ID, "reason": text(LINES, most=500)}, may={})
    return problems.found
