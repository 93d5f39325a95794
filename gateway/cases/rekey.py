"""New vault keys for old rows: data keys wrapped anew, search hashes made anew (rules.md 31).

Both go in short transactions and can be broken off and begun again at any time: what is already new is left alone.
Must not open form contents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.cases.making import open_key_of
from gateway.signing.vault import Vault
from gateway.store import blobs, cases
from gateway.store.database import Database, Tx

_BATCH = 200
Progress = Callable[[int], None]


class IdsAfter(Protocol):
    """The next ids after one, in their own order."""

    def __call__(self, tx: Tx, last: str, /, *, limit: int) -> list[str]: ...


def rewrap(database: Database, vault: Vault, *, progress: Progress = lambda _done: None) -> int:
    """Wrap the data key of every case and every file with the current key-encryption key; returns how many changed."""
    changed = _walk(database, cases.ids_after, lambda tx, case_id: cases.rewrap(tx, vault, case_id), progress)
    return changed + _walk(database, blobs.ids_after, lambda tx, blob_id: blobs.rewrap(tx, vault, blob_id), progress)


def reindex(database: Database, vault: Vault, *, progress: Progress = lambda _done: None) -> int:
    """Make every search hash with the current index key; returns how many were changed."""

    def change(tx: Tx, case_id: str) -> bool:
        case = cases.lock(tx, vault, case_id)
        subject = vault.search_hash(*case.facts.subject)
        return cases.reindex(tx, case_id, subject_hash=subject, open_key=open_key_of(subject, case.item))

    return _walk(database, cases.ids_after, change, progress)


def _walk(database: Database, ids_after: IdsAfter, change: Callable[[Tx, str], bool], progress: Progress) -> int:
    last, changed = "", 0
    while True:
        with database.read() as look:
            found = ids_after(look, last, limit=_BATCH)
        if not found:
            return changed
        changed += database.again(_all(change, found))
        last = found[-1]
        progress(len(found))


def _all(change: Callable[[Tx, str], bool], ids: list[str]) -> Callable[[Tx], int]:
    return lambda tx: sum(change(tx, one) for one in ids)
