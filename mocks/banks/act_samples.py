"""Business parts of what a branch does to a filed case: supplement and withdraw (operations.md 2.5).

Must not depend on a bank's envelope.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mocks.banks.samples import BEIJING

PAPER = {"how": "paper", "original_seen": True, "pages": "2"}


def sample_supplement(
    outlet: str,
    *,
    bank_ref: str,
    receipt_no: str,
    ask_no: str,
    form: Mapping[str, Any] | None = None,
    materials: Sequence[Mapping[str, Any]] = (),
    applicant: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """The answer to one ask: changed fields, papers (``{"id": "M1", **PAPER}``) and applicant members."""
    moment = (now or datetime.now(BEIJING)).astimezone(BEIJING)
    part: dict[str, Any] = {
        **_head(outlet, bank_ref, receipt_no, moment),
        "op": "supplement",
        "ask_no": ask_no,
        "entered_at": _at(moment, 5),
    }
    if form:
        part["form"] = dict(form)
    if materials:
        part["materials"] = [dict(row) for row in materials]
    if applicant:
        part["applicant"] = dict(applicant)
    return part


def sample_withdrawal(
    outlet: str,
    *,
    bank_ref: str,
    receipt_no: str,
    why: str = "wish",
    text: str = "拟改在其他机构办理",
    who: str = "applicant",
    now: datetime | None = None,
) -> dict[str, Any]:
    """The customer's wish to withdraw, signed at the counter."""
    moment = (now or datetime.now(BEIJING)).astimezone(BEIJING)
    ref = hashlib.sha256(bank_ref.encode()).hexdigest()
    check = {"who": who, "read_method": "chip", "reader": "IDR-SIM-01", "read_at": _at(moment, 120)}
    signature = {
        "ref": f"SIG-{ref[:16]}",
        "signer": who,
        "text_digest": f"sha256:{ref}",
        "signed_at": _at(moment, 30),
        "device": "PAD-SIM-01",
    }
    return {
        **_head(outlet, bank_ref, receipt_no, moment),
        "op": "withdraw",
        "why": why,
        "text": text,
        "identity_checks": [check],
        "signature": signature,
    }


def _head(outlet: str, bank_ref: str, receipt_no: str, moment: datetime) -> dict[str, Any]:
    return {
        "v": "1",
        "bank_ref": bank_ref,
        "receipt_no": receipt_no,
        "outlet": outlet,
        "teller": {"no": "T30217", "device": "WS-SIM-01"},
        "business_date": moment.date().isoformat(),
    }


def _at(moment: datetime, seconds_ago: int) -> str:
    return (moment - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds")
