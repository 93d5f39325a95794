"""What an alarm is raised from: counts and oldest times, read in one look. Must not judge what is too old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gateway.store.database import Tx


def parked(tx: Tx, *, older_than: timedelta) -> Sequence[Any]:
    """Parked rows by lane that have waited longer: lane, n, oldest (microseconds since 1970)."""
    return tx.all(
        "SELECT lane, count(*) AS n, min(ended_at) AS oldest FROM work WHERE state = 'parked'"
        f" AND ended_at < {tx.database.now_sql} - :age GROUP BY lane ORDER BY lane",
        {"age": _micros(older_than), **tx.database.now_params()},
    )


def held(tx: Tx, *, late: timedelta) -> Sequence[Any]:
    """Lanes whose breaker has opened and not closed again, with work long due behind it: lane, n, oldest."""
    return tx.all(
        "SELECT w.lane, count(*) AS n, min(w.due_at) AS oldest FROM work w JOIN lane l ON l.lane = w.lane"
        f" WHERE l.open_until IS NOT NULL AND w.state = 'due' AND w.due_at < {tx.database.now_sql} - :late"
        " GROUP BY w.lane ORDER BY w.lane",
        {"late": _micros(late), **tx.database.now_params()},
    )


def jobs(tx: Tx, *, idle: timedelta) -> Sequence[Any]:
    """Duties that ran once and not for so long: name, done_at."""
    return tx.all(
        f"SELECT name, done_at FROM job WHERE done_at > 0 AND done_at < {tx.database.now_sql} - :idle ORDER BY name",
        {"idle": _micros(idle), **tx.database.now_params()},
    )


def unsealed_since(tx: Tx, *, sealed: int) -> int | None:
    """When the first entry at or behind position ``sealed`` was made; none when every placed entry is sealed."""
    found = tx.run(
        "SELECT e.at FROM position p JOIN entry e ON e.row_id = p.row_id WHERE p.position >= :size"
        " ORDER BY p.position LIMIT 1",
        {"size": sealed},
    ).scalar()
    return None if found is None else int(found)


def failing_notices(tx: Tx, *, late: timedelta) -> Sequence[Any]:
    """Notices that failed and are still not told: client_id, n, oldest."""
    return tx.all(
        "SELECT n.client_id, count(*) AS n, min(w.created_at) AS oldest FROM work w JOIN notice n"
        " ON n.work_id = w.work_id WHERE w.kind = 'notice' AND w.state = 'due' AND w.failures > 0"
        f" AND w.created_at < {tx.database.now_sql} - :late GROUP BY n.client_id ORDER BY n.client_id",
        {"late": _micros(late), **tx.database.now_params()},
    )


def overdue(tx: Tx, *, alarm: int) -> Sequence[Any]:
    """Cases whose passed limit was alarmed and still runs, by kind of limit: due_kind, n, oldest (yyyy-mm-dd)."""
    return tx.all(
        "SELECT due_kind, count(*) AS n, min(due_on) AS oldest FROM cases"
        " WHERE due_on IS NOT NULL AND clock_alarm >= :alarm GROUP BY due_kind ORDER BY due_kind",
        {"alarm": alarm},
    )


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
