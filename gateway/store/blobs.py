"""Rows of upload tickets and of files that arrived (operations.md 2.5, rules.md 37).

Must not hold bytes, judge them, or know where they lie. A file belongs to (client, case): every question names both.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.signing.vault import Vault
from gateway.store.database import Tx, micros, moment

MOST_TRIES = 3
_ADVISORY = 0x626C6F62  # "blob": a lock space of its own


@dataclass(frozen=True, slots=True)
class TicketRow:
    """What was signed when the ticket was asked for, and what became of it. Times are aware UTC."""

    ticket_hash: str
    kind: str  # put | get
    client_id: str
    bank: str
    case_ref: str
    case_id: str
    purpose: str
    material: str
    digest: str
    size: int
    type: str
    created_at: datetime
    expires_at: datetime
    tries: int = 0
    used: bool = False
    blob_id: str = ""


@dataclass(frozen=True, slots=True)
class BlobRow:
    """One file that arrived. ``case_id`` "" = not claimed yet; ``data_key`` b"" = erased."""

    blob_id: str
    client_id: str
    bank: str
    case_ref: str
    case_id: str
    purpose: str
    material: str
    digest: str
    size: int
    type: str
    data_key: bytes
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """How many different files a case has or may still get, and their bytes."""

    files: int
    size: int


# -- tickets --------------------------------------------------------------------------------------------


def hold_case(tx: Tx, bank: str, case_ref: str) -> None:
    """Let nobody else count this case's files until the transaction ends; SQLite has one writer anyway."""
    if tx.database.is_postgres:
        number = zlib.crc32(f"{bank}:{case_ref}".encode()) - 2**31  # two cases may meet: then they wait, no more
        tx.run("SELECT pg_advisory_xact_lock(:space, :number)", {"space": _ADVISORY, "number": number})


def insert_ticket(tx: Tx, row: TicketRow) -> None:
    """A new ticket."""
    tx.run(
        "INSERT INTO ticket (ticket_hash, kind, client_id, bank, case_ref, case_id, purpose, material, digest, size,"
        " type, created_at, expires_at, tries, used_at, blob_id) VALUES (:hash, :kind, :client, :bank, :ref, :case_id,"
        " :purpose, :material, :digest, :size, :type, :created, :expires, 0, NULL, :blob)",
        {
            "hash": row.ticket_hash,
            "kind": row.kind,
            "client": row.client_id,
            "bank": row.bank,
            "ref": row.case_ref,
            "case_id": row.case_id or None,
            "purpose": row.purpose,
            "material": row.material or None,
            "digest": row.digest,
            "size": row.size,
            "type": row.type,
            "created": micros(row.created_at),
            "expires": micros(row.expires_at),
            "blob": row.blob_id or None,
        },
    )


def ticket(tx: Tx, ticket_hash: str, *, lock: bool = False) -> TicketRow | None:
    """The ticket, or none; with ``lock`` nobody else moves it until the transaction ends."""
    suffix = " FOR UPDATE" if lock and tx.database.is_postgres else ""
    row = tx.one("SELECT * FROM ticket WHERE ticket_hash = :hash" + suffix, {"hash": ticket_hash})
    return None if row is None else _ticket(row)


def begin_try(tx: Tx, ticket_hash: str, *, now: datetime) -> TicketRow | None:
    """Count one more try of a ``put`` ticket that is alive; none when it is not (any more)."""
    row = tx.one(
        "UPDATE ticket SET tries = tries + 1 WHERE ticket_hash = :hash AND kind = 'put' AND expires_at > :now"
        f" AND tries < {MOST_TRIES} RETURNING *",
        {"hash": ticket_hash, "now": micros(now)},
    )
    return None if row is None else _ticket(row)


def give_back_try(tx: Tx, ticket_hash: str) -> None:
    """The try ended well, or failed through no fault of the caller."""
    tx.run("UPDATE ticket SET tries = tries - 1 WHERE ticket_hash = :hash AND tries > 0", {"hash": ticket_hash})


def use_put(tx: Tx, ticket_hash: str, *, blob_id: str, now: datetime) -> None:
    """The ticket has brought its file."""
    tx.run(
        "UPDATE ticket SET used_at = :now, blob_id = :blob, tries = tries - 1 WHERE ticket_hash = :hash",
        {"now": micros(now), "blob": blob_id, "hash": ticket_hash},
    )


def use_get(tx: Tx, ticket_hash: str, *, now: datetime) -> bool:
    """Spend a ``get`` ticket; True only once."""
    spent = tx.run(
        "UPDATE ticket SET used_at = :now WHERE ticket_hash = :hash AND kind = 'get' AND used_at IS NULL"
        " AND expires_at > :now",
        {"now": micros(now), "hash": ticket_hash},
    )
    return spent.rowcount == 1


def room_taken(tx: Tx, bank: str, case_ref: str, *, alive_after: datetime, but: str) -> Room:
    """Different files of this case, over all clients: arrived, or promised by tickets that may still bring them.

    ``alive_after``: tickets that expired before it are dead for certain. ``but``: the digest that is asked about.
    """
    row = tx.one(
        "SELECT count(*) AS files, coalesce(sum(size), 0) AS size FROM ("
        " SELECT digest, max(size) AS size FROM ("
        " SELECT digest, size FROM blob WHERE bank = :bank AND case_ref = :ref AND data_key IS NOT NULL"
        " UNION ALL SELECT digest, size FROM ticket WHERE bank = :bank AND case_ref = :ref AND kind = 'put'"
        f" AND used_at IS NULL AND tries < {MOST_TRIES} AND expires_at > :alive"
        ") AS every_one WHERE digest <> :but GROUP BY digest) AS different",
        {"bank": bank, "ref": case_ref, "alive": micros(alive_after), "but": but},
    )
    return Room(files=int(row["files"]), size=int(row["size"]))


def forget_tickets(tx: Tx, *, expired_before: datetime, limit: int = 5_000) -> int:
    """Delete tickets that are long dead; returns how many."""
    return tx.run(
        "DELETE FROM ticket WHERE ticket_hash IN (SELECT ticket_hash FROM ticket WHERE expires_at < :before"
        " ORDER BY expires_at LIMIT :limit)",
        {"before": micros(expired_before), "limit": limit},
    ).rowcount


# -- files ----------------------------------------------------------------------------------------------


def put(tx: Tx, row: BlobRow) -> str:
    """A file's row, or a fresh date for the unclaimed one with the same bytes; the id of the row that stands."""
    return str(
        tx.run(
            "INSERT INTO blob (blob_id, client_id, bank, case_ref, case_id, purpose, material, digest, size, type,"
            " pages, data_key, arrived_at, claimed_at) VALUES (:id, :client, :bank, :ref, NULL, :purpose, :material,"
            " :digest, :size, :type, NULL, :key, :arrived, NULL)"
            " ON CONFLICT (client_id, case_ref, digest) WHERE data_key IS NOT NULL DO UPDATE SET arrived_at ="
            " CASE WHEN blob.case_id IS NULL THEN excluded.arrived_at ELSE blob.arrived_at END RETURNING blob_id",
            {
                "id": row.blob_id,
                "client": row.client_id,
                "bank": row.bank,
                "ref": row.case_ref,
                "purpose": row.purpose,
                "material": row.material or None,
                "digest": row.digest,
                "size": row.size,
                "type": row.type,
                "key": row.data_key,
                "arrived": micros(row.arrived_at),
            },
        ).scalar_one()
    )


def by_id(tx: Tx, blob_id: str) -> BlobRow | None:
    """The file with this id, or none. The caller knows whose it is."""
    row = tx.one("SELECT * FROM blob WHERE blob_id = :id", {"id": blob_id})
    return None if row is None else _blob(row)


def of_client_and_case(tx: Tx, client_id: str, bank: str, *, case_ref: str, fresh_after: datetime) -> list[BlobRow]:
    """A client's own files for one case: claimed ones, and unclaimed ones that arrived after ``fresh_after``."""
    found = tx.all(
        "SELECT * FROM blob WHERE client_id = :client AND bank = :bank AND case_ref = :ref AND data_key IS NOT NULL"
        " AND (case_id IS NOT NULL OR arrived_at > :fresh)",
        {"client": client_id, "bank": bank, "ref": case_ref, "fresh": micros(fresh_after)},
    )
    return [_blob(r) for r in found]


def of_case(tx: Tx, case_id: str) -> list[BlobRow]:
    """Every file a case has claimed, in the order of arrival, erased ones included."""
    found = tx.all("SELECT * FROM blob WHERE case_id = :id ORDER BY arrived_at, blob_id", {"id": case_id})
    return [_blob(r) for r in found]


def of_call(tx: Tx, case_id: str, *, client_id: str, bank: str, case_ref: str) -> list[BlobRow]:
    """What a case has claimed, and what its own client has brought for it and nobody claimed yet; not the erased."""
    found = tx.all(
        "SELECT * FROM blob WHERE data_key IS NOT NULL AND (case_id = :id OR (case_id IS NULL AND client_id = :client"
        " AND bank = :bank AND case_ref = :ref)) ORDER BY arrived_at, blob_id",
        {"id": case_id, "client": client_id, "bank": bank, "ref": case_ref},
    )
    return [_blob(r) for r in found]


def claim(
    tx: Tx, case_id: str, *, client_id: str, bank: str, case_ref: str, named: Mapping[str, int | None], now: datetime
) -> int:
    """Bind the files with these digests (to pages, where told) to the case; those already bound stay as they are."""
    bound = 0
    for digest, pages in sorted(named.items()):  # always in one order: two messages of one case never cross
        bound += tx.run(
            "UPDATE blob SET case_id = :case_id, claimed_at = :now, pages = :pages WHERE client_id = :client"
            " AND bank = :bank AND case_ref = :ref AND digest = :digest AND case_id IS NULL AND data_key IS NOT NULL",
            {
                "case_id": case_id,
                "now": micros(now),
                "pages": pages,
                "client": client_id,
                "bank": bank,
                "ref": case_ref,
                "digest": digest,
            },
        ).rowcount
    return bound


def unclaimed(tx: Tx, *, arrived_before: datetime, limit: int) -> list[BlobRow]:
    """Files nobody has named for long, oldest first."""
    found = tx.all(
        "SELECT * FROM blob WHERE case_id IS NULL AND arrived_at < :before ORDER BY arrived_at LIMIT :limit",
        {"before": micros(arrived_before), "limit": limit},
    )
    return [_blob(r) for r in found]


def delete_unclaimed(tx: Tx, blob_id: str, *, arrived_before: datetime) -> bool:
    """Forget a file that is still unclaimed and still old; True when it went."""
    gone = tx.run(
        "DELETE FROM blob WHERE blob_id = :id AND case_id IS NULL AND arrived_at < :before",
        {"id": blob_id, "before": micros(arrived_before)},
    )
    return gone.rowcount == 1


def erase(tx: Tx, case_id: str) -> list[str]:
    """Delete the keys of a case's files; digests stay. Returns the ids whose bytes may go."""
    gone = tx.run(
        "UPDATE blob SET data_key = NULL WHERE case_id = :id AND data_key IS NOT NULL RETURNING blob_id",
        {"id": case_id},
    )
    return [str(r[0]) for r in gone]


def with_key(tx: Tx, blob_ids: Sequence[str]) -> set[str]:
    """Those of the ids whose file is still needed."""
    found: set[str] = set()
    for start in range(0, len(blob_ids), 500):
        ids = {f"i{n}": blob_id for n, blob_id in enumerate(blob_ids[start : start + 500])}
        marks = ", ".join(f":{name}" for name in ids)
        rows = tx.run(f"SELECT blob_id FROM blob WHERE data_key IS NOT NULL AND blob_id IN ({marks})", ids)
        found |= {str(r[0]) for r in rows}
    return found


def ids_after(tx: Tx, blob_id: str, *, limit: int) -> list[str]:
    """The next ids in their own order, erased files left out."""
    found = tx.run(
        "SELECT blob_id FROM blob WHERE blob_id > :last AND data_key IS NOT NULL ORDER BY blob_id LIMIT :limit",
        {"last": blob_id, "limit": limit},
    )
    return [str(r[0]) for r in found]


def rewrap(tx: Tx, vault: Vault, blob_id: str) -> bool:
    """Wrap the file's data key with the current key-encryption key; False when it already is (rules.md 31)."""
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    key = tx.run("SELECT data_key FROM blob WHERE blob_id = :id" + suffix, {"id": blob_id}).scalar()
    if key is None or not vault.needs_rewrap(bytes(key)):
        return False
    tx.run("UPDATE blob SET data_key = :key WHERE blob_id = :id", {"key": vault.rewrap(bytes(key)), "id": blob_id})
    return True


def count(tx: Tx) -> int:
    """How many files there are, erased ones left out."""
    return int(tx.run("SELECT count(*) FROM blob WHERE data_key IS NOT NULL").scalar_one())


def _ticket(row: Mapping[str, Any]) -> TicketRow:
    return TicketRow(
        ticket_hash=row["ticket_hash"],
        kind=row["kind"],
        client_id=row["client_id"],
        bank=row["bank"],
        case_ref=row["case_ref"],
        case_id=row["case_id"] or "",
        purpose=row["purpose"],
        material=row["material"] or "",
        digest=row["digest"],
        size=int(row["size"]),
        type=row["type"],
        created_at=moment(row["created_at"]),
        expires_at=moment(row["expires_at"]),
        tries=int(row["tries"]),
        used=row["used_at"] is not None,
        blob_id=row["blob_id"] or "",
    )


def _blob(row: Mapping[str, Any]) -> BlobRow:
    return BlobRow(
        blob_id=row["blob_id"],
        client_id=row["client_id"],
        bank=row["bank"],
        case_ref=row["case_ref"],
        case_id=row["case_id"] or "",
        purpose=row["purpose"],
        material=row["material"] or "",
        digest=row["digest"],
        size=int(row["size"]),
        type=row["type"],
        data_key=bytes(row["data_key"] or b""),
        arrived_at=moment(row["arrived_at"]),
    )
