"""Parked work rows: found for people of the house, and given back to the workers or ended by them.

Must not judge whether that is wise; ``cases.shelf`` does. A change of a row happens only while it is parked, so two
people who act at the same moment have one effect. Callers touch the work row first and the case second, as claims do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.store.database import Tx

LIMIT = 500
_ROWS = (
    "SELECT w.work_id, w.kind, w.lane, w.stage, w.case_id, w.note, w.attempt, w.claimed_at, w.created_at, w.ended_at,"
    " c.receipt_no, c.bank, c.item, c.department, c.state AS case_state, c.withdrawal FROM work w"
    " LEFT JOIN cases c ON c.case_id = w.case_id WHERE w.state = 'parked'"
)


def rows(tx: Tx, *, lane: str = "", kind: str = "", limit: int = LIMIT) -> list[Mapping[str, Any]]:
    """Parked rows, the oldest first; ``lane`` and ``kind`` narrow them."""
    wanted = {name: value for name, value in (("lane", lane), ("kind", kind)) if value}
    narrow = "".join(f" AND w.{name} = :{name}" for name in wanted)
    return list(tx.all(f"{_ROWS}{narrow} ORDER BY w.ended_at, w.work_id LIMIT :limit", {**wanted, "limit": limit}))


def named(tx: Tx, name: str) -> list[Mapping[str, Any]]:
    """Parked rows with this work id, or of the case with this receipt number."""
    return list(
        tx.all(
            f"{_ROWS} AND (w.work_id = :name OR c.receipt_no = :name) ORDER BY w.ended_at, w.work_id", {"name": name}
        )
    )


def give_back(tx: Tx, work_id: str, *, stage: str, patience: timedelta, note: str) -> bool:
    """Parked → due now at ``stage``, with at least ``patience`` before it is given up again; False = not parked."""
    now = tx.database.now_sql
    changed = tx.run(
        f"UPDATE work SET state = 'due', stage = :stage, due_at = {now}, owner = NULL, token = token + 1, failures = 0,"
        f" unknown_finds = 0, ended_at = NULL, note = :note, give_up_at = CASE WHEN give_up_at < {now} + :patience"
        f" THEN {now} + :patience ELSE give_up_at END WHERE work_id = :id AND state = 'parked'",
        {
            "stage": stage,
            "note": note[:200],
            "id": work_id,
            "patience": int(patience.total_seconds() * 1_000_000),
            **tx.database.now_params(),
        },
    )
    return changed.rowcount == 1


def move(tx: Tx, work_id: str, lane: str) -> None:
    """Hand a row to another lane, as if it had never been claimed: nothing of it has arrived anywhere."""
    tx.run("UPDATE work SET lane = :lane, claimed_at = NULL WHERE work_id = :id", {"id": work_id, "lane": lane})
    tx.run(
        "UPDATE cases SET backend = :lane WHERE case_id = (SELECT case_id FROM work WHERE work_id = :id)",
        {"id": work_id, "lane": lane},
    )


def end(tx: Tx, work_id: str, *, note: str) -> bool:
    """Parked → cancelled for good; False = not parked."""
    changed = tx.run(
        "UPDATE work SET state = 'cancelled', token = token + 1, note = :note WHERE work_id = :id AND state = 'parked'",
        {"note": note[:200], "id": work_id},
    )
    return changed.rowcount == 1


def open_calls(tx: Tx, case_id: str) -> int:
    """Calls of the case that are due or parked."""
    return int(
        tx.run(
            "SELECT count(*) FROM work WHERE case_id = :id AND kind = 'call' AND state IN ('due', 'parked')",
            {"id": case_id},
        ).scalar_one()
    )


def unmark(tx: Tx, case_id: str) -> None:
    """The case is not waiting for a person any more, unless something else of it is parked."""
    tx.run(
        "UPDATE cases SET parked = 0 WHERE case_id = :id AND NOT EXISTS"
        " (SELECT 1 FROM work WHERE case_id = :id AND state = 'parked')",
        {"id": case_id},
    )
