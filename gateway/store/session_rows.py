"""Sessions and used tokens. Must not hold a secret: a session is found by the digest of what its holder carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.store.database import Tx, micros, moment


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as it stands; ``actor`` as its room wrote it."""

    session_id: str
    label: str
    actor: Mapping[str, Any]
    csrf: str
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime


def use_token(tx: Tx, name: str, *, at: datetime, until: datetime) -> bool:
    """True the first time a token is shown; it is remembered until it could not be believed any more."""
    tx.run("DELETE FROM used_token WHERE until_at < :now", {"now": micros(at)})
    added = tx.run(
        "INSERT INTO used_token (name, until_at) VALUES (:name, :until) ON CONFLICT (name) DO NOTHING",
        {"name": name, "until": micros(until)},
    )
    return added.rowcount == 1


def insert(tx: Tx, row: SessionRow) -> None:
    """Open it; sessions that are long over are swept away on the way."""
    tx.run("DELETE FROM session WHERE ends_at < :now", {"now": micros(row.opened_at)})
    tx.run(
        "INSERT INTO session (session_id, label, actor, csrf, opened_at, seen_at, ends_at)"
        " VALUES (:id, :label, :actor, :csrf, :opened, :seen, :ends)",
        {
            "id": row.session_id,
            "label": row.label,
            "actor": json.dumps(dict(row.actor), sort_keys=True),
            "csrf": row.csrf,
            "opened": micros(row.opened_at),
            "seen": micros(row.seen_at),
            "ends": micros(row.ends_at),
        },
    )


def find(tx: Tx, session_id: str) -> SessionRow | None:
    """The session, or none."""
    row = tx.one("SELECT * FROM session WHERE session_id = :id", {"id": session_id})
    if row is None:
        return None
    return SessionRow(
        session_id=row["session_id"],
        label=row["label"],
        actor=json.loads(row["actor"]),
        csrf=row["csrf"],
        opened_at=moment(row["opened_at"]),
        seen_at=moment(row["seen_at"]),
        ends_at=moment(row["ends_at"]),
    )


def seen(tx: Tx, session_id: str, at: datetime) -> None:
    """Its holder was here."""
    tx.run(
        "UPDATE session SET seen_at = :at WHERE session_id = :id AND seen_at < :at",
        {"id": session_id, "at": micros(at)},
    )


def end(tx: Tx, session_id: str) -> bool:
    """End one; False when it had ended."""
    return tx.run("DELETE FROM session WHERE session_id = :id", {"id": session_id}).rowcount == 1


def end_all(tx: Tx, label: str) -> int:
    """End every session of one person; returns how many."""
    return tx.run("DELETE FROM session WHERE label = :label", {"label": label}).rowcount
