"""Complete, valid ``submit`` business parts for the sandbox items FT-SBX-001 … 004 and for one item of the education
bureau (operations.md 2.4).

Must not depend on a bank's envelope. People are invented: every serial number gives another one, whose resident
number passes its check digit.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta, timezone
from typing import Any

BEIJING = timezone(timedelta(hours=8))
ITEM_VERSION = "2026.1"
STREET = "440304007"
_BORN_FROM = date(1960, 1, 1)
_BIRTH_DAYS = (date(2005, 12, 31) - _BORN_FROM).days + 1
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "安宁祥和清远明哲思齐子墨若水文渊景行怀瑾㐂"


def resident_id(serial: int) -> str:
    """A resident number of Futian with a right check digit (GB 11643-1999); another one for each serial ≥ 0.

    Adults only, born 1960 to 2005; 16.7 million before they repeat.
    """
    days, order = serial % _BIRTH_DAYS, (serial // _BIRTH_DAYS) % 999 + 1
    # 7919 is prime to the number of days: neighbours in serial are far apart in birthday.
    born = _BORN_FROM + timedelta(days=days * 7919 % _BIRTH_DAYS)
    first = f"440304{born:%Y%m%d}{order:03d}"
    return first + "10X98765432"[sum(int(d) * w for d, w in zip(first, _WEIGHTS, strict=True)) % 11]


def person_name(serial: int) -> str:
    """An invented name of two or three characters."""
    given = _GIVEN[serial // len(_FAMILY) % len(_GIVEN)]
    more = _GIVEN[serial // 7 % len(_GIVEN)] if serial % 3 else ""
    return _FAMILY[serial % len(_FAMILY)] + given + more


def mobile(serial: int) -> str:
    """An invented mobile number."""
    return f"138{serial % 100_000_000:08d}"


def bank_ref(bank: str, serial: int, *, now: datetime | None = None) -> str:
    """A business key of our own making: day, bank, serial; ``20261123ICBCSIM00000001``."""
    return f"{(now or _now()).astimezone(BEIJING):%Y%m%d}{bank}SIM{serial:08d}"


def person(serial: int, *, street: str = STREET) -> dict[str, Any]:
    """A person as applicant, living in ``street`` (statistical code)."""
    return {
        "kind": "person",
        "name": person_name(serial),
        "doc_type": "resident_id",
        "doc_no": resident_id(serial),
        "doc_expire": "2040-12-31",
        "phone": mobile(serial),
        "residence_street": street,
        "residence_address": {
            "region": "440304",
            "street": street,
            "community": "样例社区",
            "detail": f"梅华路样例花园{serial % 20 + 1}栋{serial % 30 + 101}",
        },
    }


def uscc(serial: int) -> str:
    """A credit code of an invented company with right check characters (GB 32100-2015, GB 11714-1997)."""
    body = "MA9" + "".join(_USCC[serial // 31**place % 31] for place in range(4, -1, -1))
    values = [int(char, 36) for char in body]
    rest = 11 - sum(value * weight for value, weight in zip(values, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    first = f"91440304{body}{'0123456789X0'[rest]}"
    return first + _USCC[-sum(_USCC.index(char) * 3**place for place, char in enumerate(first)) % 31]


def organisation(serial: int, *, street: str = STREET) -> dict[str, Any]:
    """A company as applicant, registered in ``street``."""
    return {
        "kind": "organisation",
        "org_name": f"深圳市样例{person_name(serial)}科技有限公司",
        "uscc": uscc(serial),
        "legal_rep_name": person_name(serial),
        "legal_rep_doc_type": "resident_id",
        "legal_rep_doc_no": resident_id(serial),
        "registered_address": {"region": "440304", "street": street, "detail": f"福华路样例大厦{serial % 900 + 100}室"},
        "contact_name": person_name(serial + 1),
        "contact_phone": mobile(serial),
    }


def sample_submission(
    item: str,
    outlet: str,
    *,
    bank_ref: str,
    scenario: str = "grant",
    serial: int = 1,
    applicant: str = "person",
    remark: str | None = "样例事项",
    contact_date: str | None = None,
    amount: str | None = None,
    material: str = "paper",
    agent: bool = False,
    now: datetime | None = None,
    item_version: str = ITEM_VERSION,
) -> dict[str, Any]:
    """A complete business part of ``submit`` for a sandbox item.

    ``serial`` picks the applicant, ``applicant`` its kind: ``person``, or ``organisation`` (FT-SBX-002 only), for
    which the legal representative stands at the counter. ``material``: how M1 of FT-SBX-002 comes, ``paper`` or
    ``promised``. ``amount``: yuan as text; ``contact_date``: yyyy-MM-dd; ``None`` leaves the field out. ``agent``:
    someone else stands there, with an authorisation whose file must have been uploaded before. ``now``: when the
    teller pressed the key (aware).
    """
    moment = (now or _now()).astimezone(BEIJING)

    def at(seconds: int) -> str:
        return (moment - timedelta(seconds=seconds)).isoformat(timespec="seconds")

    who = "agent" if agent else "applicant"
    counter = "legal_rep" if applicant == "organisation" and not agent else who
    ref = hashlib.sha256(bank_ref.encode()).hexdigest()
    form = {"scenario": scenario, "remark": remark, "contact_date": contact_date, "amount": amount}
    part: dict[str, Any] = {
        "op": "submit",
        "v": "1",
        "bank_ref": bank_ref,
        "item": item,
        "item_version": item_version,
        "outlet": outlet,
        "teller": {"no": "T30217", "device": "WS-SIM-01"},
        "teller_journal": f"{serial % 1_000_000:06d}",
        "business_date": moment.date().isoformat(),
        "channel": "counter",
        "started_at": at(600),
        "entered_at": at(5),
        "applicant": organisation(serial) if applicant == "organisation" else person(serial),
        "identity_checks": [_identity_check(counter, ref, read_at=at(580), face_at=at(570))],
        "consents": [
            {"kind": "privacy_notice", "version": "PN-2026-1", "by": who, "at": at(90)},
            {"kind": "truth", "version": "TR-2026-1", "by": who, "at": at(80)},
        ],
        "signature": {
            "ref": f"SIG-{ref[:16]}",
            "signer": who,
            "text_digest": f"sha256:{ref}",
            "signed_at": at(60),
            "device": "PAD-SIM-01",
        },
        "materials": [],
        "delivery": {"mode": "outlet", "outlet": outlet},
        "form": {name: value for name, value in form.items() if value is not None},
    }
    if item == "FT-SBX-002":
        _add_paper_and_consent(part, material, who=who, at=at(85), until=moment.date() + timedelta(days=5))
    if agent:
        part["agent"] = _agent(serial, moment.date(), ref)
    return part


def school_leave_submission(
    outlet: str, *, bank_ref: str, serial: int, scan: dict[str, str], now: datetime | None = None
) -> dict[str, Any]:
    """FT-EDU-006, a pupil's leave for health reasons: M2, the diagnosis, comes as the file ``scan`` describes."""
    part = sample_submission("FT-SBX-001", outlet, bank_ref=bank_ref, serial=serial, now=now)
    start = (now or _now()).astimezone(BEIJING).date() + timedelta(days=30)
    at = part["consents"][0]["at"]
    sensitive = {"kind": "sensitive", "version": "SC-2026-1", "tags": ["minor", "health"], "by": "applicant", "at": at}
    paper = {"how": "paper", "original_seen": True, "pages": "1"}
    return {
        **part,
        "item": "FT-EDU-006",
        "consents": [*part["consents"], sensitive],
        "materials": [
            {"id": "M1", **paper},
            {"id": "M2", "how": "scan", "original_seen": True, "files": [scan]},
            {"id": "M3", **paper},
        ],
        "form": {
            "student_name": person_name(serial + 3),
            "student_doc_type": "resident_id",
            "student_doc_no": "440304201506010033",
            "request_type": "suspend",
            "school_name": "福田区样例小学",
            "start_date": start.isoformat(),
            "end_date": (start + timedelta(days=180)).isoformat(),
            "health_reason": "术后需在家休养,医嘱休学一学期",
        },
    }


def _identity_check(who: str, ref: str, *, read_at: str, face_at: str) -> dict[str, Any]:
    face = {
        "result": "pass",
        "score_band": "high",
        "threshold": "T3",
        "vendor_tx": f"FX-{ref[:16]}",
        "liveness": "pass",
        "at": face_at,
    }
    return {"who": who, "read_method": "chip", "reader": "IDR-SIM-01", "read_at": read_at, "face": face}


def _add_paper_and_consent(part: dict[str, Any], material: str, *, who: str, at: str, until: date) -> None:
    """FT-SBX-002 wants one paper and, for the residence it stores, a consent of its own."""
    part["consents"].insert(
        1, {"kind": "sensitive", "version": "SC-2026-1", "tags": ["residence"], "by": who, "at": at}
    )
    if material == "promised":
        part["materials"] = [{"id": "M1", "how": "promised"}]
        part["promise"] = {
            "text_version": "PR-2026-1",
            "materials": [{"id": "M1", "until": until.isoformat()}],
            "signature_ref": part["signature"]["ref"],
            "courier": False,
        }
    else:
        part["materials"] = [{"id": "M1", "how": "paper", "original_seen": True, "pages": "2"}]


def _agent(serial: int, day: date, ref: str) -> dict[str, Any]:
    other = serial + 500_000
    paper = {"digest": f"sha256:{ref}", "size": "96411", "type": "application/pdf", "pages": "1"}
    return {
        "name": person_name(other),
        "doc_type": "resident_id",
        "doc_no": resident_id(other),
        "phone": mobile(other),
        "relation": "relative",
        "authorisation": {
            "no": f"SQ-{ref[:10]}",
            "scope": ["submit", "supplement", "withdraw"],
            "signed_on": (day - timedelta(days=3)).isoformat(),
            "until": (day + timedelta(days=30)).isoformat(),
            "file": paper,
        },
    }


def _now() -> datetime:
    return datetime.now(BEIJING)
