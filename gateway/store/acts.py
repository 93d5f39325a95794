"""Acts on a case (supplement, withdraw …) by their own bank reference: identity, and what was said (rules.md 1).

Must not decide what an act does. A reference is unique over submissions and acts together, by constraint and for
ever: every changing operation has a work row whose key is made of bank and reference (``cases.handoff.call_id_of``),
so a submission and an act that race with the same reference meet at the primary key of ``work``, and intake needs no
fifth row. Work rows of acts and submissions are therefore never deleted, only their payload may go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain.errors import Conflict
from gateway.domain.reasons import Reason
from gateway.store.database import Tx, micros

CONTENT_PLACE = "act_ref:{bank}:{bank_ref}:content_sealed"


@dataclass(frozen=True, slots=True)
class Act:
    """One accepted act: which case it was for and what it said, by digest."""

    bank: str
    bank_ref: str
    case_id: str
    client_id: str
    operation: str
    business_digest: str
    seq: int


def find(tx: Tx, bank: str, bank_ref: str) -> Act | None:
    """The act with this reference, or none."""
    r = tx.one(
        "SELECT case_id, client_id, operation, business_digest, seq FROM act_ref"
        " WHERE bank = :bank AND bank_ref = :ref",
        {"bank": bank, "ref": bank_ref},
    )
    return None if r is None else Act(bank=bank, bank_ref=bank_ref, **r)


def insert(tx: Tx, act: Act, *, at: datetime, content_sealed: bytes) -> bool:
    """Keep the act; False when the reference was taken meanwhile."""
    added = tx.run(
        "INSERT INTO act_ref (bank, bank_ref, case_id, client_id, operation, business_digest, seq, at, content_sealed)"
        " VALUES (:bank, :bank_ref, :case_id, :client_id, :operation, :digest, :seq, :at, :content)"
        " ON CONFLICT (bank, bank_ref) DO NOTHING",
        {
            "bank": act.bank,
            "bank_ref": act.bank_ref,
            "case_id": act.case_id,
            "client_id": act.client_id,
            "operation": act.operation,
            "digest": act.business_digest,
            "seq": act.seq,
            "at": micros(at),
            "content": content_sealed,
        },
    )
    return added.rowcount == 1


def of_case(tx: Tx, case_id: str, operation: str) -> Sequence[Any]:
    """All acts of one operation on a case, in their order: bank, bank_ref, content_sealed."""
    return tx.all(
        "SELECT bank, bank_ref, content_sealed FROM act_ref WHERE case_id = :id AND operation = :op ORDER BY seq",
        {"id": case_id, "op": operation},
    )


def accept_message(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Store the message of an accepted act with its answer, in the act's own transaction.

    A note of the same message that was refused before gives way. False when the same message was accepted meanwhile.
    Raises ``Conflict(MESSAGE_ID_REUSED)`` when its id is bound to another text.
    """
    names = ", ".join(row)
    added = tx.run(
        f"INSERT INTO message ({names}) VALUES ({', '.join(':' + n for n in row)})"
        " ON CONFLICT (client_id, transport_id) DO UPDATE SET answer_sealed = excluded.answer_sealed,"
        " request_sealed = excluded.request_sealed, case_id = excluded.case_id"
        " WHERE message.digest = excluded.digest AND message.answer_sealed IS NULL",
        dict(row),
    ).rowcount
    if added == 1:
        return True
    known = tx.one(
        "SELECT digest FROM message WHERE client_id = :client_id AND transport_id = :transport_id", dict(row)
    )
    if known is not None and known["digest"] != row["digest"]:
        raise Conflict(Reason.MESSAGE_ID_REUSED)
    return False
