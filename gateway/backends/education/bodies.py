"""What leaves for the education bureau: our canonical blocks as its JSON bodies (FT_EDU 3 to 6).

Must not sign, send or read an answer. Only members its document names leave the house; a member we have nothing for
is left out (FT_EDU 1), and the same call gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.backends.education import codes
from gateway.domain.calls import BackendCall
from gateway.domain.clock import beijing, read_stamp
from gateway.domain.errors import BadCatalogue

Json = dict[str, Any]
FileIds = Mapping[str, Sequence[str]]  # material number → the bureau's file ids

_ROW = re.compile(r"E[0-9]{3}-[0-9]{2}")  # 6: number of a row of a generic sheet
_CHANNEL = "BANK_OUTLET"
_WHY = {  # where the bank gave only a word of ours
    "wish": "申请人要求撤回",
    "wrong_item": "申请事项有误",
    "duplicate": "重复申请",
    "other": "其他原因",
}
_DISTRICT = "440304"


def filing(call: BackendCall, file_ids: FileIds) -> bytes:
    """The body of a submit. ``file_ids``: what the uploads gave, by material."""
    common = call.common
    return _bytes(
        {
            "callId": call.call_id,
            "receiptNo": common.get("receipt_no"),
            "itemCode": common.get("item"),
            "itemVersion": common.get("item_version"),
            "channel": {
                "kind": _CHANNEL,
                "bankCode": common.get("bank"),
                "outletCode": common.get("outlet"),
                "tellerNo": common.get("teller"),
                "takenAt": _time(common.get("received_at")),
            },
            "applicant": _applicant(common.get("applicant") or {}),
            "agent": _agent(common.get("agent") or {}),
            "delivery": _delivery(common.get("delivery") or {}),
            "consent": _consent(common),
            "form": _form(call.content),
            "materials": _materials(common, file_ids),
        }
    )


def supplement(call: BackendCall, file_ids: FileIds) -> bytes:
    """The body of a supplement: changed form members and papers. Raises ``BadCatalogue`` for an unknown kind."""
    kind = call.common.get("supplement_kind")
    if kind not in codes.SUPPLEMENT_KINDS:
        raise BadCatalogue(f"a supplement must be one of {', '.join(sorted(codes.SUPPLEMENT_KINDS))}, not {kind!r}")
    return _bytes(
        {
            "supplementId": call.call_id,
            "kind": kind,
            "form": _form(call.content),
            "materials": _materials(call.common, file_ids),
        }
    )


def withdrawal(call: BackendCall) -> bytes:
    """The body of a withdrawal: why, in the applicant's words, else in ours."""
    why = str(call.common.get("why") or "other")
    return _bytes({"callId": call.call_id, "reason": _WHY.get(why, why)})


def gender(doc_type: str, doc_no: str) -> str:
    """From the 17th digit of an 18-digit resident number, else *not known*."""
    if doc_type != "resident_id" or len(doc_no) != 18 or doc_no[16] not in "0123456789":
        return codes.GENDER_NOT_KNOWN
    return codes.GENDER_MALE if int(doc_no[16]) % 2 else codes.GENDER_FEMALE


def _bytes(body: Json) -> bytes:
    text = json.dumps(_filled(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def _filled(value: Any) -> Any:
    # FT_EDU 1: null and "" are refused; a member without a value is left out.
    if isinstance(value, Mapping):
        kept = {name: _filled(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_filled(inner) for inner in value]
    return value


def _form(content: Mapping[str, Any]) -> Json:
    rows = sorted(name for name in content if _ROW.fullmatch(name))
    if not rows:
        return dict(sorted(content.items()))
    if len(rows) < len(content):
        raise BadCatalogue("a route names both rows of a sheet and members of another")
    return {"rows": [{"no": name, "value": content[name]} for name in rows if content[name] != ""]}


def _time(text: Any) -> str | None:
    return f"{beijing(read_stamp(str(text))):%Y-%m-%d %H:%M:%S}" if text else None


def _id_type(ours: Any) -> str | None:
    return codes.ID_TYPE.get(str(ours), codes.ID_OTHER) if ours else None


def _flag(given: Any) -> str:
    return codes.YES if given else codes.NO


def _address(row: Any) -> Json | None:
    if not isinstance(row, Mapping):
        return None
    region = str(row.get("region", ""))
    return {
        "regionCode": region[:6],
        "streetCode": row.get("street") if region[:6] == _DISTRICT else None,
        "community": row.get("community"),
        "detail": row.get("detail"),
    }


def _applicant(row: Mapping[str, Any]) -> Json:
    if row.get("kind") == "organisation":
        return {
            "subject": "2",
            "orgName": row.get("org_name"),
            "creditCode": row.get("uscc"),
            "noCodeReason": None if row.get("uscc") else codes.NO_CODE.get(str(row.get("uscc_absent_reason"))),
            "legalName": row.get("legal_rep_name"),
            "legalIdType": _id_type(row.get("legal_rep_doc_type")),
            "legalIdNo": row.get("legal_rep_doc_no"),
            "regAddress": _address(row.get("registered_address")),
            "contactName": row.get("contact_name"),
            "contactMobile": row.get("contact_phone"),
        }
    return {
        "subject": "1",
        "name": row.get("name"),
        "gender": gender(str(row.get("doc_type", "")), str(row.get("doc_no", ""))),
        "idType": _id_type(row.get("doc_type")),
        "idNo": row.get("doc_no"),
        "idExpire": row.get("doc_expire"),
        "mobile": row.get("phone"),
        "address": _address(row.get("residence_address")),
    }


def _agent(row: Mapping[str, Any]) -> Json | None:
    if not row:
        return None
    mandate = row.get("authorisation") or {}
    return {
        "name": row.get("name"),
        "idType": _id_type(row.get("doc_type")),
        "idNo": row.get("doc_no"),
        "mobile": row.get("phone"),
        "mandateNo": mandate.get("no"),
        "mandateUntil": mandate.get("until"),
    }


def _delivery(row: Mapping[str, Any]) -> Json | None:
    mode = row.get("mode")
    if mode is None:
        return None
    if mode not in codes.DELIVERY:
        raise BadCatalogue(f"no code of theirs for the delivery mode {mode!r}")
    recipient = row.get("recipient") or {}
    return {
        "mode": codes.DELIVERY[mode],
        "cabinetNo": row.get("cabinet"),
        "toName": recipient.get("name"),
        "toMobile": recipient.get("phone"),
        "toAddress": _address(recipient.get("address")),
    }


def _consent(common: Mapping[str, Any]) -> Json:
    given = {row.get("kind"): row for row in common.get("consents") or []}
    return {
        "noticeVersion": given.get("privacy_notice", {}).get("version"),
        "sensitive": _flag("sensitive" in given),
        "guardian": codes.YES if "guardian" in given else None,
        "truth": _flag("truth" in given),
        "signedAt": _time(common.get("signed_at")),
    }


def _materials(common: Mapping[str, Any], file_ids: FileIds) -> list[Json]:
    names, until = common.get("material_names") or {}, common.get("promised_until") or {}
    found = []
    for row in common.get("materials") or []:
        number, how = row.get("id"), row.get("how")
        if how not in codes.MATERIAL:
            raise BadCatalogue(f"no status of theirs for a paper handed in as {how!r}")
        found.append(
            {
                "no": number,
                "name": names.get(number, number),
                "status": codes.MATERIAL[how],
                "originalSeen": _flag(row.get("original_seen") is True),
                "fileIds": list(file_ids.get(number, ())),
                "eCertNo": (row.get("certificate") or {}).get("no"),
                "dueDate": until.get(number) if how == "promised" else None,
            }
        )
    return found
