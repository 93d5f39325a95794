"""Event ids of departments: kept, so that a repeated callback is a no-op (rules.md 25)."""

from __future__ import annotations

import hashlib
from datetime import datetime

from gateway.store.database import Tx, micros

_LONGEST = 80  # the column's width


def first_time(tx: Tx, backend: str, event_id: str, *, call_id: str, at: datetime, exchange_id: str) -> bool:
    """Note the event id; False when it was here before."""
    added = tx.run(
        "INSERT INTO callback (backend, event_id, call_id, received_at, exchange_id)"
        " VALUES (:backend, :event_id, :call_id, :at, :exchange_id) ON CONFLICT (backend, event_id) DO NOTHING",
        {
            "backend": backend,
            "event_id": _fitting(event_id),
            "call_id": call_id[:32],
            "at": micros(at),
            "exchange_id": exchange_id,
        },
    )
    return added.rowcount == 1


def _fitting(event_id: str) -> str:
    """The id itself, or its digest: two long ids with the same beginning must not pass for a repeat."""
    if len(event_id) <= _LONGEST:
        return event_id
    return "sha256:" + hashlib.sha256(event_id.encode()).hexdigest()
