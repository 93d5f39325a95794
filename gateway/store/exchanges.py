"""Raw bytes in and out, sealed: the evidence behind every answer we gave or got.

Implements the courier's recorder. A failure to record never fails the call it witnesses; it is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog

from gateway.domain.case import DECIDED, ENDED
from gateway.signing.vault import Vault
from gateway.store.database import Database, Tx, micros
from gateway.wire.exchange import Exchange

_log = structlog.get_logger("store.exchanges")


def _place(exchange_id: str, side: str) -> str:
    return f"exchange:{exchange_id}:{side}_sealed"


class ExchangeRecorder:
    """Writes exchanges as they end."""

    def __init__(self, database: Database, vault: Vault, *, on_failure: Callable[[], None]) -> None:
        self._database = database
        self._vault = vault
        self._on_failure = on_failure

    def record(self, exchange: Exchange) -> None:
        """Keep one exchange; never raises into the call."""
        try:
            self._database.again(lambda tx: insert(tx, self._vault, exchange))
        except Exception as error:  # the call it witnesses goes on whatever is wrong here
            self._on_failure()
            _log.error("exchange.not_recorded", exchange_id=exchange.exchange_id, error=type(error).__name__)


def insert(tx: Tx, vault: Vault, exchange: Exchange) -> None:
    """One exchange row in the caller's transaction."""
    tx.run(
        "INSERT INTO exchange (exchange_id, peer, direction, purpose, case_id, call_id, started_at, ended_at, status,"
        " outcome, request_sealed, response_sealed) VALUES (:id, :peer, :direction, :purpose, :case_id, :call_id,"
        " :started, :ended, :status, :outcome, :request, :response)",
        {
            "id": exchange.exchange_id,
            "peer": exchange.peer[:16],  # a client's id may be longer; case and call name it too
            "direction": exchange.direction,
            "purpose": exchange.purpose[:24],
            "case_id": exchange.case_id or None,
            "call_id": exchange.call_id or None,
            "started": micros(exchange.started_at),
            "ended": micros(exchange.ended_at),
            "status": exchange.status,
            "outcome": (f"{exchange.outcome}:{exchange.cause}" if exchange.cause else exchange.outcome)[:80],
            "request": vault.seal(exchange.request_head + exchange.request, _place(exchange.exchange_id, "request")),
            "response": vault.seal(
                exchange.response_head + exchange.response, _place(exchange.exchange_id, "response")
            ),
        },
    )


def delete_before(tx: Tx, before: datetime, *, limit: int) -> int:
    """Delete exchanges that ended before then and belong to no case on which a limit still runs; returns how many."""
    ended = ", ".join(f"'{state}'" for state in sorted(DECIDED | ENDED))
    return tx.run(
        "DELETE FROM exchange WHERE exchange_id IN (SELECT x.exchange_id FROM exchange x LEFT JOIN cases c"
        f" ON c.case_id = x.case_id WHERE x.started_at < :before AND x.ended_at < :before"
        f" AND (c.case_id IS NULL OR (c.state IN ({ended}) AND c.due_on IS NULL)) ORDER BY x.started_at LIMIT :limit)",
        {"before": micros(before), "limit": limit},
    ).rowcount


def of_case(tx: Tx, vault: Vault, case_id: str) -> Sequence[dict[str, Any]]:
    """All exchanges of a case, oldest first, opened: the caller scrubs before showing."""
    found = tx.all("SELECT * FROM exchange WHERE case_id = :id ORDER BY started_at, exchange_id", {"id": case_id})
    return [
        {
            **{k: r[k] for k in ("exchange_id", "peer", "direction", "purpose", "call_id", "status", "outcome")},
            "started_at": r["started_at"],
            "request": vault.open(bytes(r["request_sealed"]), _place(r["exchange_id"], "request")),
            "response": vault.open(bytes(r["response_sealed"]), _place(r["exchange_id"], "response")),
        }
        for r in found
    ]
