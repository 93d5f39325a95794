"""Acts of people as rows: proposals, approvals, and the one move from state to state under the row's lock.

Must not decide who may do what. Payloads are sealed by the caller's room; here they are bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.store.database import Tx, micros, moment

PAYLOAD_PLACE = "act:{act_id}:payload_sealed"
PROPOSED, APPROVED = "proposed", "approved"


@dataclass(frozen=True, slots=True)
class ActRow:
    """One act as it stands; ``proposer`` is "" where no natural person is proven behind ``proposed_by``."""

    act_id: str
    kind: str
    state: str
    digest: str
    payload_sealed: bytes
    persons: int
    proposed_by: str
    proposer: str
    subject: str
    proposed_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    result: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word for one digest."""

    person: str
    approved_by: str
    digest: str
    at: datetime


def insert(tx: Tx, act: ActRow) -> None:
    """A new act."""
    tx.run(
        "INSERT INTO act (act_id, kind, state, digest, payload_sealed, persons, proposed_by, proposer, subject,"
        " proposed_at, expires_at) VALUES (:act_id, :kind, :state, :digest, :payload, :persons, :proposed_by,"
        " :proposer, :subject, :proposed_at, :expires_at)",
        {
            "act_id": act.act_id,
            "kind": act.kind,
            "state": act.state,
            "digest": act.digest,
            "payload": act.payload_sealed,
            "persons": act.persons,
            "proposed_by": act.proposed_by,
            "proposer": act.proposer,
            "subject": act.subject,
            "proposed_at": micros(act.proposed_at),
            "expires_at": micros(act.expires_at),
        },
    )


def by_id(tx: Tx, act_id: str, *, lock: bool = False) -> ActRow | None:
    """The act, held until the end of the transaction with ``lock``."""
    suffix = " FOR UPDATE" if lock and tx.database.is_postgres else ""
    row = tx.one("SELECT * FROM act WHERE act_id = :id" + suffix, {"id": act_id})
    return None if row is None else _act(row)


def listed(tx: Tx, *, state: str = "", limit: int = 200) -> list[ActRow]:
    """Acts of one state, or all, the newest first."""
    narrow = "WHERE state = :state " if state else ""
    found = tx.all(
        f"SELECT * FROM act {narrow}ORDER BY proposed_at DESC, act_id DESC LIMIT :limit",
        {"state": state, "limit": limit},
    )
    return [_act(row) for row in found]


def approvals(tx: Tx, act_id: str) -> list[Approval]:
    """Who approved, in order."""
    found = tx.all("SELECT * FROM act_approval WHERE act_id = :id ORDER BY at, person", {"id": act_id})
    return [Approval(r["person"], r["approved_by"], r["digest"], moment(r["at"])) for r in found]


def approve(tx: Tx, act_id: str, approval: Approval) -> bool:
    """Keep one person's approval; False when this person has given it already."""
    added = tx.run(
        "INSERT INTO act_approval (act_id, person, approved_by, digest, at)"
        " VALUES (:id, :person, :by, :digest, :at) ON CONFLICT (act_id, person) DO NOTHING",
        {
            "id": act_id,
            "person": approval.person,
            "by": approval.approved_by,
            "digest": approval.digest,
            "at": micros(approval.at),
        },
    )
    return added.rowcount == 1


def move(tx: Tx, act_id: str, *, origin: str, state: str, at: datetime | None = None, result: str = "") -> bool:
    """From one state to another; False when it is not in ``origin`` any more. ``at`` ends it."""
    changed = tx.run(
        "UPDATE act SET state = :state, ended_at = :at, result = :result WHERE act_id = :id AND state = :origin",
        {
            "state": state,
            "at": micros(at) if at else None,
            "result": result[:200],
            "id": act_id,
            "origin": origin,
        },
    )
    return changed.rowcount == 1


def overdue(tx: Tx, now: datetime, *, limit: int = 100) -> Sequence[str]:
    """Ids of proposals whose time is over."""
    return [
        r["act_id"]
        for r in tx.all(
            "SELECT act_id FROM act WHERE state = 'proposed' AND expires_at <= :now ORDER BY expires_at LIMIT :limit",
            {"now": micros(now), "limit": limit},
        )
    ]


def close_work(tx: Tx, act_id: str, *, note: str) -> None:
    """End the act's work row whoever holds it; a holder will find its lease lost."""
    tx.run(
        f"UPDATE work SET state = 'done', owner = NULL, ended_at = {tx.database.now_sql}, note = :note,"
        " token = token + 1 WHERE work_id = :id AND state = 'due'",
        {"id": act_id, "note": note[:200], **tx.database.now_params()},
    )


def _act(row: Any) -> ActRow:
    return ActRow(
        act_id=row["act_id"],
        kind=row["kind"],
        state=row["state"],
        digest=row["digest"],
        payload_sealed=bytes(row["payload_sealed"]),
        persons=row["persons"],
        proposed_by=row["proposed_by"],
        proposer=row["proposer"],
        subject=row["subject"],
        proposed_at=moment(row["proposed_at"]),
        expires_at=moment(row["expires_at"]),
        ended_at=moment(row["ended_at"]) if row["ended_at"] is not None else None,
        result=row["result"] or "",
    )
