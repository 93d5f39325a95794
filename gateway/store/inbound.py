"""Event ids of departments: kept, so that a repeated callback is a no-op (rules.md 25)."""

from __future__ import annotations

from datetime import datetime

from gateway.store.database import Tx, micros


def first_time(tx: Tx, backend: str, event_id: str, *, call_id: str, at: datetime, exchange_id: str) -> bool:
    """Note the event id; False when it was here before."""
    added = tx.run(
        "INSERT INTO callback (backend, event_id, call_id, received_at, exchange_id)"
        " VALUES (:backend, :event_id, :call_id, :at, :exchange_id) ON CONFLICT (backend, event_id) DO NOTHING",
        {
            "backend": backend,
            "event_id": event_id[:80],
            "call_id": call_id[:32],
            "at": micros(at),
            "exchange_id": exchange_id,
        },
    )
    return added.rowcount == 1
