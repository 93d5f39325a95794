"""From any id that stands in a log line, a message or a letter to the case it belongs to, and the case's work rows.

Must not open anything sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.store.database import Tx

_WAYS = (
    "SELECT case_id FROM cases WHERE case_id = :id",
    "SELECT case_id FROM cases WHERE receipt_no = :id",
    "SELECT case_id FROM work WHERE work_id = :id",
    "SELECT case_id FROM exchange WHERE exchange_id = :id",
    "SELECT case_id FROM message WHERE transport_id = :id AND case_id IS NOT NULL",
    "SELECT case_id FROM cases WHERE bank_ref = :id",
)


def case_of(tx: Tx, name: str) -> str:
    """The case of a request, receipt, call, exchange, bank message or bank reference; "" when there is none."""
    for way in _WAYS:
        found = tx.run(way, {"id": name}).scalar()
        if found:
            return str(found)
    return ""


def head(tx: Tx, case_id: str) -> Any:
    """What stands in clear of a case: receipt_no, bank, client_id, item, department, state, received_at."""
    return tx.one(
        "SELECT receipt_no, bank, client_id, item, department, state, received_at FROM cases WHERE case_id = :id",
        {"id": case_id},
    )


def work_of(tx: Tx, case_id: str) -> Sequence[Any]:
    """The case's work rows, oldest first."""
    return tx.all(
        "SELECT work_id, kind, lane, state, stage, attempt, note, created_at, due_at FROM work WHERE case_id = :id"
        " ORDER BY created_at, work_id",
        {"id": case_id},
    )
