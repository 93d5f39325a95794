"""Order after commit: one leased job gives gap-free positions to committed entries (rules.md 13).

An id handed out at INSERT becomes visible at COMMIT, so a cursor on it would lose rows on PostgreSQL. Here only
entries of transactions older than every running one are placed, in (transaction, row) order; on SQLite there is
one writer, and row ids are already in commit order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.store.database import Tx

BATCH = 2_000
_LAST = (
    "SELECT e2.xid, e2.row_id FROM position p2 JOIN entry e2 ON e2.row_id = p2.row_id ORDER BY p2.position DESC LIMIT 1"
)


def place(tx: Tx, *, limit: int = BATCH, settled: bool = True) -> int:
    """Give positions to the next committed entries; returns how many. The caller holds the job's lease.

    ``settled`` False takes them whatever their transactions' numbers: only for a database that nothing else writes to.
    """
    behind, order = "", "row_id"
    if tx.database.is_postgres:
        # Serialises with a second sequencer whose lease ran out while it was still writing.
        tx.run("SELECT pg_advisory_xact_lock(44030413)")
        behind, order = " AND e.xid < pg_snapshot_xmin(pg_current_snapshot())" if settled else "", "xid, row_id"
    last = _last(tx)
    found = tx.run(
        "INSERT INTO position (position, row_id, bank)"
        f" SELECT :start + row_number() OVER (ORDER BY {order}), row_id, bank"
        f" FROM (SELECT e.* {_waiting(tx, last)}{behind} ORDER BY {order} LIMIT :limit) fresh",
        {"start": last, "limit": limit},
    )
    return found.rowcount


def backlog_age(tx: Tx) -> int:
    """Microseconds the oldest entry without position has waited, at least 1; 0 when all have one (alarm above 10 s)."""
    oldest = tx.run(f"SELECT min(e.at) {_waiting(tx, _last(tx))}").scalar()
    if oldest is None:
        return 0
    now = tx.run(f"SELECT {tx.database.now_sql}", tx.database.now_params()).scalar_one()
    return max(1, int(now) - int(oldest))


def _last(tx: Tx) -> int:
    """The highest position, -1 when there is none."""
    last = tx.run("SELECT max(position) FROM position").scalar()
    return -1 if last is None else int(last)


def _waiting(tx: Tx, last: int) -> str:
    """FROM and WHERE of the committed entries behind the last placed one.

    On PostgreSQL not by row id alone: a later transaction may hold the smaller one, and would wait for ever.
    """
    if last < 0:
        return "FROM entry e WHERE true"
    if tx.database.is_postgres:
        return f"FROM entry e, ({_LAST}) last WHERE (e.xid, e.row_id) > (last.xid, last.row_id)"
    return "FROM entry e WHERE e.row_id > (SELECT max(row_id) FROM position)"


def feed(tx: Tx, bank: str, after: int, *, limit: int, outlet: str = "") -> Sequence[Any]:
    """Public events of a bank behind a position: position, case_id, event_no, event_sealed, data_key."""
    return tx.all(
        "SELECT p.position, e.case_id, e.event_no, e.event_sealed, c.data_key FROM position p"
        " JOIN entry e ON e.row_id = p.row_id JOIN cases c ON c.case_id = e.case_id"
        " WHERE p.bank = :bank AND p.position > :after"
        + (" AND c.outlet = :outlet" if outlet else "")
        + " ORDER BY p.position LIMIT :limit",
        {"bank": bank, "after": after, "limit": limit, **({"outlet": outlet} if outlet else {})},
    )


def leaves(tx: Tx, start: int, *, limit: int) -> Sequence[bytes]:
    """Canonical entries from a position on, in order."""
    found = tx.run(
        "SELECT e.canonical FROM position p JOIN entry e ON e.row_id = p.row_id"
        " WHERE p.position >= :start ORDER BY p.position LIMIT :limit",
        {"start": start, "limit": limit},
    )
    return [bytes(r[0]) for r in found]


def placed(tx: Tx) -> int:
    """How many entries have a position."""
    return _last(tx) + 1
