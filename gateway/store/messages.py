"""Message rows: the one door of every authenticated message (rules.md 1–4).

Must not judge content: it only tells whether this transport id was seen, with which text, and what was answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.errors import NotAllowed
from gateway.domain.reasons import Reason
from gateway.domain.requests import Hint
from gateway.signing.vault import Vault
from gateway.store import clients
from gateway.store.database import Database, Tx, micros

_GOOD = clients.STILL_GOOD.replace(":client_id", ":client")
REQUEST_PLACE = "message:{client}:{transport}:request_sealed"
ANSWER_PLACE = "message:{client}:{transport}:answer_sealed"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a transport id: the digest it is bound to, and the stored answer (b"" = none)."""

    digest: str
    answer: bytes
    case_id: str


def note(
    database: Database, hint: Hint, *, received_at: datetime, expires_at: datetime, only_good: bool = False
) -> bool:
    """Bind the transport id to its digest. True when new or bound to the same digest, False when reused.

    Hold no transaction when calling: it makes one of its own. With ``only_good`` the client and its key are judged in
    the same statement, so that a block holds at once for reads too: raises ``NotAllowed(NOT_AUTHENTIC)``.
    """
    params = {
        "client": hint.client_id,
        "transport": hint.transport_id,
        "digest": hint.message_digest,
        "operation": hint.operation[:24],
        "received": micros(received_at),
        "expires": micros(expires_at),
    }
    judged = f"WHERE EXISTS ({_GOOD})" if only_good else "WHERE 1 = 1"
    if only_good:
        params |= {"key_id": hint.key_id, "now": micros(received_at)}

    def act(tx: Tx) -> bool:
        added = tx.run(
            "INSERT INTO message (client_id, transport_id, digest, operation, received_at, expires_at)"
            " SELECT CAST(:client AS varchar), CAST(:transport AS varchar), CAST(:digest AS varchar),"
            " CAST(:operation AS varchar), CAST(:received AS bigint), CAST(:expires AS bigint)"
            f" {judged} ON CONFLICT (client_id, transport_id) DO NOTHING",
            params,
        ).rowcount
        if added == 1:
            return True
        if only_good and not clients.still_good(tx, hint.client_id, hint.key_id, now=received_at):
            raise NotAllowed(Reason.NOT_AUTHENTIC)
        known = tx.one("SELECT digest FROM message WHERE client_id = :client AND transport_id = :transport", params)
        return known is None or known["digest"] == params["digest"]

    return database.again(act)


def seen(tx: Tx, vault: Vault, client_id: str, transport_id: str) -> Seen | None:
    """What was noted under this transport id, or none."""
    row = tx.one(
        "SELECT digest, answer_sealed, case_id FROM message WHERE client_id = :c AND transport_id = :t",
        {"c": client_id, "t": transport_id},
    )
    if row is None:
        return None
    answer = b""
    if row["answer_sealed"] is not None:
        place = ANSWER_PLACE.format(client=client_id, transport=transport_id)
        answer = vault.open(bytes(row["answer_sealed"]), place)
    return Seen(digest=row["digest"], answer=answer, case_id=row["case_id"] or "")


def answer(tx: Tx, vault: Vault, hint: Hint, *, case_id: str, raw: bytes) -> None:
    """Store (or replace) the sealed answer of an accepted message (rules.md 2 and 10)."""
    place = ANSWER_PLACE.format(client=hint.client_id, transport=hint.transport_id)
    tx.run(
        "UPDATE message SET answer_sealed = :answer, case_id = :case_id"
        " WHERE client_id = :client AND transport_id = :transport AND digest = :digest",
        {
            "answer": vault.seal(raw, place),
            "case_id": case_id,
            "client": hint.client_id,
            "transport": hint.transport_id,
            "digest": hint.message_digest,
        },
    )


def forget_refused(tx: Tx, hint: Hint) -> None:
    """Take back the note of a refused message, so that the same message can be judged anew and filed."""
    tx.run(
        "DELETE FROM message WHERE client_id = :c AND transport_id = :t AND digest = :d AND answer_sealed IS NULL",
        {"c": hint.client_id, "t": hint.transport_id, "d": hint.message_digest},
    )


def forget_expired(tx: Tx, now: datetime, *, limit: int = 5_000) -> int:
    """Delete notes older than twice the window; the case and the trail stay. Returns how many."""
    return tx.run(
        "DELETE FROM message WHERE (client_id, transport_id) IN (SELECT client_id, transport_id FROM message"
        " WHERE expires_at < :now ORDER BY expires_at LIMIT :limit)",
        {"now": micros(now), "limit": limit},
    ).rowcount
