"""The sandbox department's bodies: our fields to their JSON, their application and events to our words.

Must not verify (``signing`` did before) and must not decide what a code means for a call (``adapter`` does).
All wire names of this department stand in this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from gateway.backends.sandbox.codes import REASON, SILENT, STATUS
from gateway.domain.calls import BackendCall, DecisionReason, Mark, Outcome, Standing, Word
from gateway.domain.clock import read_stamp
from gateway.domain.errors import NotUnderstood
from gateway.wire.strict_json import NotJson, Number
from gateway.wire.strict_json import parse as parse_json

Json = dict[str, Any]

_APPLICATIONS = "/sbx/v1/applications"

_ENVELOPE = {  # FT_SBX 3.1
    "receipt_no": "receiptNo",
    "item": "item",
    "item_version": "itemVersion",
    "outlet": "outlet",
    "received_at": "receivedAt",
}
_APPLICANT = {  # FT_SBX 4; members they do not name are refused, so this is also the list of what may leave
    "kind": "kind",
    "name": "name",
    "doc_type": "docType",
    "doc_no": "docNo",
    "doc_expire": "docExpire",
    "phone": "phone",
    "residence_street": "residenceStreet",
    "residence_address": "residenceAddress",
    "org_name": "orgName",
    "uscc": "uscc",
    "uscc_absent_reason": "usccAbsentReason",
    "legal_rep_name": "legalRepName",
    "legal_rep_doc_type": "legalRepDocType",
    "legal_rep_doc_no": "legalRepDocNo",
    "registered_address": "registeredAddress",
    "contact_name": "contactName",
    "contact_phone": "contactPhone",
}
_AGENT = {  # FT_SBX 3.1
    "name": "name",
    "doc_type": "docType",
    "doc_no": "docNo",
    "phone": "phone",
    "relation": "relation",
}
_ADDRESS = ("region", "street", "community", "detail")  # FT_SBX 4


def file_target() -> str:
    """Path of filing (FT_SBX 3)."""
    return _APPLICATIONS


def find_target(call_id: str) -> str:
    """Path and query of the question by our call id; it needs no encoding (8–32 of ``0-9A-Za-z-``)."""
    return f"{_APPLICATIONS}?callId={call_id}"


def file_body(call: BackendCall) -> bytes:
    """The filing as bytes, sorted, so that the same call gives the same bytes.

    How we want their word stands beside ``content`` there, while a route's constants come inside it: ``answer``
    is lifted out (default: ``callback``).
    """
    content = dict(call.content)
    answer = content.pop("answer", "callback")
    common = call.common
    body = {
        "callId": call.call_id,
        **{theirs: common.get(ours) for ours, theirs in _ENVELOPE.items()},
        "applicant": _person(common.get("applicant") or {}, _APPLICANT),
        "agent": _person(common.get("agent") or {}, _AGENT) or None,
        "content": content,
        "materials": [_material(row) for row in common.get("materials") or []] or None,
        "answer": answer,
    }
    return _bytes(body)


def _bytes(body: Json) -> bytes:
    text = json.dumps(_filled(body), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def act_target(sbx_no: str, act: str) -> str:
    """Path of a supplement or withdrawal of one application, ``act`` being their word for it."""
    return f"{_APPLICATIONS}/{quote(sbx_no, safe='')}/{act}"


def supplement_body(call: BackendCall) -> bytes:
    """FT_SBX 3.2: only what changed; papers as ``material:M1``."""
    changes: Json = dict(call.content)
    for row in call.common.get("materials") or []:
        told = _material(row)
        changes[f"material:{told.pop('id')}"] = told
    return _bytes({"callId": call.call_id, "receiptNo": call.common.get("receipt_no"), "changes": changes})


def withdrawal_body(call: BackendCall) -> bytes:
    """FT_SBX 3.3."""
    common = call.common
    return _bytes({"callId": call.call_id, "receiptNo": common.get("receipt_no"), "why": common.get("why")})


def parse(raw: bytes) -> Json | None:
    """The JSON object in ``raw``, numbers kept as written, or ``None`` when it is not exactly one."""
    try:
        value = parse_json(raw, numbers="text")
    except NotJson:
        return None
    return value if isinstance(value, dict) else None


def envelope(raw: bytes) -> tuple[str, str, Json] | None:
    """``(code, message, data)`` of an answer, or ``None`` when it is no envelope."""
    body = parse(raw)
    code = None if body is None else body.get("code")
    if body is None or not isinstance(code, str) or isinstance(code, Number):
        return None
    data, message = body.get("data"), body.get("message")
    return code, message if isinstance(message, str) else "", data if isinstance(data, dict) else {}


def complaint(message: str, data: Json) -> str:
    """Their message with the fields they name (E111: ``data.errors``), for our staff."""
    rows = data.get("errors")
    named = [
        f"{row.get('path', '')}: {row.get('say', '')}"
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    ]
    return "; ".join([message, *named])


def standing(data: Json) -> Standing:
    """An *application* (FT_SBX 5). Raises ``NotUnderstood``."""
    events = data.get("events")
    if not isinstance(events, list):
        raise NotUnderstood("an application without events")
    words = [word(event) for event in events]
    return Standing(_text(data, "sbxNo"), tuple(w for w in words if w is not None))


def filed_as(data: Json) -> str:
    """The call id an application was filed under. Raises ``NotUnderstood``."""
    return _text(data, "callId")


def duplicates(data: Json) -> int:
    """How many further applications were filed under the same call id."""
    return _whole(data.get("duplicates")) or 0


def pushed(raw: bytes) -> tuple[str, str, Word | None]:
    """``(call id, their number, word)`` of a push. Raises ``NotUnderstood``."""
    body = parse(raw)
    if body is None:
        raise NotUnderstood("a push that is no JSON object")
    return _text(body, "callId"), _text(body, "sbxNo"), word(body.get("event"))


def word(event: object) -> Word | None:
    """One *event*; ``None`` for a status that says nothing new. Raises ``NotUnderstood`` for a broken one.

    Marks are ``wire:<their name>``, materials too (``wire:material:M1``): only the desk, with the item's route,
    can turn them into ours.
    """
    if not isinstance(event, dict):
        raise NotUnderstood("an event that is no object")
    status = _text(event, "status")
    if status in SILENT:
        return None
    outcome = STATUS.get(status, Outcome.UNKNOWN)
    reason = REASON.get(_text(event, "reason", missing=""), DecisionReason.OTHER)
    seq = _whole(event.get("seq"))
    if not seq:
        raise NotUnderstood("an event without its number")
    return Word(
        outcome,
        at=_moment(_text(event, "at")),
        seq=seq,
        event_id=_text(event, "eventId"),
        reason=DecisionReason.GRANTED if outcome is Outcome.GRANTED else reason,
        text=_text(event, "text", missing=""),
        marks=_marks(event.get("marks", [])),
        due_on=_day(event["dueOn"]) if "dueOn" in event else None,
        automatic=event.get("automatic") is True,
        result_follows=event.get("resultFollows") is True,
        raw=json.dumps(as_written(event), ensure_ascii=False, separators=(",", ":")),
    )


def as_written(value: Any) -> Any:
    """A parsed value with its whole numbers as numbers again, so that it prints the way it came."""
    if isinstance(value, dict):
        return {name: as_written(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_written(inner) for inner in value]
    whole = _whole(value)
    return value if whole is None else whole


def _filled(value: Any) -> Any:
    # FT_SBX 1: null and "" are refused; a member without a value is left out.
    if isinstance(value, Mapping):
        return {name: _filled(v) for name, v in value.items() if v is not None and v != ""}
    if isinstance(value, list | tuple):
        return [_filled(v) for v in value]
    return value


def _text(row: Json, name: str, *, missing: str | None = None) -> str:
    value = row.get(name, missing)
    if not isinstance(value, str) or isinstance(value, Number) or (missing is None and not value):
        raise NotUnderstood(f"{name} is missing or no text")
    return value


def _moment(text: str) -> datetime:
    try:
        return read_stamp(text)
    except ValueError:
        raise NotUnderstood("a time that cannot be read") from None


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and len(value) == 8 and value.isascii() and value.isdigit():
            return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        pass
    raise NotUnderstood("a day that cannot be read")


def _marks(rows: object) -> tuple[Mark, ...]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotUnderstood("marks that are no list of objects")
    return tuple(Mark(f"wire:{_text(row, 'field')}", _text(row, "say", missing="")) for row in rows)


def _person(row: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    found = {theirs: row[ours] for ours, theirs in names.items() if row.get(ours)}
    for name, value in found.items():
        if isinstance(value, Mapping):
            found[name] = {part: value[part] for part in _ADDRESS if value.get(part)}
    if "docExpire" in found:
        found["docExpire"] = str(found["docExpire"]).replace("-", "")
    return found


def _material(row: Mapping[str, Any]) -> Json:
    pages = [str(file.get("pages", "")) for file in row.get("files") or []]
    counted = bool(pages) and all(p.isascii() and p.isdigit() for p in pages)
    total = sum(map(int, pages)) if counted else 0
    return {"id": row.get("id"), "how": row.get("how"), "pages": total if 1 <= total <= 999 else None}


def _whole(value: object) -> int | None:
    if isinstance(value, Number) and value.isascii() and value.isdigit():
        return int(value)
    return None
