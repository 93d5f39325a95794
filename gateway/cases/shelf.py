"""The shelf: work the gateway no longer tries by itself, for people of the house. Must not show form contents."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.clock import stamp
from gateway.store.database import Database, moment


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked row: the receipt of its case ("" = of none we know), its lane and kind, since when and why."""

    receipt_no: str
    lane: str
    kind: str
    since: str
    why: str


def parked(database: Database) -> list[Parked]:
    """Everything on the shelf, the oldest first. Raises ``Busy``."""
    with database.read() as tx:
        rows = tx.all(
            "SELECT c.receipt_no, w.lane, w.kind, w.ended_at, w.note FROM work w"
            " LEFT JOIN cases c ON c.case_id = w.case_id WHERE w.state = 'parked' ORDER BY w.ended_at, w.work_id"
        )
    return [
        Parked(
            receipt_no=row["receipt_no"] or "",
            lane=row["lane"],
            kind=row["kind"],
            since=stamp(moment(row["ended_at"])),
            why=row["note"] or "",
        )
        for row in rows
    ]
