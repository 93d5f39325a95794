"""One case's whole story for people of the house: every entry in order, without form contents."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gateway.cases.receipts import read_number
from gateway.domain.errors import NotFound
from gateway.domain.reasons import Reason
from gateway.store import cases, trail
from gateway.store.database import Database


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: its number with the case, its time (+08:00), its kind and what it says."""

    seq: int
    at: str
    kind: str
    actor: str
    facts: str


def timeline(database: Database, receipt_no: str) -> list[Line]:
    """All entries of the case with this receipt number. Raises ``NotFound``."""
    try:
        number = read_number(receipt_no)
    except ValueError:
        raise NotFound(Reason.CASE_UNKNOWN) from None
    with database.read() as tx:
        case_id = cases.id_of_receipt(tx, number)
        if not case_id:
            raise NotFound(Reason.CASE_UNKNOWN)
        rows = trail.of_case(tx, case_id)
    lines = []
    for row in rows:
        entry = json.loads(row["canonical"])
        facts = " ".join(f"{k}={v}" for k, v in entry["facts"].items())
        lines.append(Line(seq=row["seq"], at=entry["at"], kind=row["kind"], actor=entry["actor"], facts=facts))
    return lines
