"""Audit entries as rows: appended in the transaction of what they witness, never changed.

Entries carry no position; the sequencer gives order after commit (rules.md 13).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.audit.entry import canonical, entry_hash, new_entry
from gateway.audit.kinds import EntryKind
from gateway.domain.records import EntryDraft
from gateway.store.database import Tx, micros

_INSERT = (
    "INSERT INTO entry (hash, subject, seq, kind, at, case_id, bank, event_no, event_sealed, canonical)"
    " VALUES (:hash, :subject, :seq, :kind, :at, :case_id, :bank, :event_no, :event_sealed, :canonical)"
)


def row(
    draft: EntryDraft,
    seq: int,
    *,
    case_id: str | None = None,
    bank: str | None = None,
    event_no: int | None = None,
    event_sealed: bytes | None = None,
) -> dict[str, Any]:
    """The row of one entry; ``hash`` is the entry's identity that receipts hold."""
    raw = canonical(
        new_entry(
            EntryKind(draft.kind),
            draft.subject,
            seq=seq,
            at=draft.at,
            actor=draft.actor,
            facts=draft.facts,
            digests=draft.digests,
        )
    )
    return {
        "hash": entry_hash(raw),
        "subject": draft.subject,
        "seq": seq,
        "kind": draft.kind,
        "at": micros(draft.at),
        "case_id": case_id,
        "bank": bank,
        "event_no": event_no,
        "event_sealed": event_sealed,
        "canonical": raw,
    }


def append(tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
    """Insert entry rows whose numbers the caller holds (it has the case locked)."""
    if rows:
        tx.run(_INSERT, rows)


def append_loose(tx: Tx, drafts: Iterable[EntryDraft]) -> None:
    """Insert entries of subjects that are no case (doors, processes): numbered by what is already there."""
    for draft in drafts:
        last = tx.run("SELECT coalesce(max(seq), 0) FROM entry WHERE subject = :s", {"s": draft.subject}).scalar_one()
        append(tx, [row(draft, int(last) + 1)])


def of_case(tx: Tx, case_id: str) -> Sequence[Any]:
    """All entries of a case in their own order: kind, seq, at, event_no, canonical."""
    return tx.all(
        "SELECT hash, seq, kind, at, event_no, event_sealed, canonical FROM entry WHERE case_id = :id ORDER BY seq",
        {"id": case_id},
    )
