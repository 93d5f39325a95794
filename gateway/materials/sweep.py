"""Letting go: files nobody claimed, tickets long dead, and what a broken-off upload left on the disk.

Must not let go of what an accepted message named, even when the process died before it could claim it: the business
part a case was filed with is read before anything of it goes.
"""

from __future__ import annotations

import json
from datetime import datetime

import structlog

from gateway.domain.clock import Clock
from gateway.domain.records import Case
from gateway.materials.blobs import Blobs
from gateway.materials.folder import Folder
from gateway.materials.limits import ORPHANS_AFTER, SWEPT_AFTER
from gateway.materials.named import named_files
from gateway.signing.vault import Vault
from gateway.store import blobs as rows
from gateway.store import cases
from gateway.store.blobs import BlobRow
from gateway.store.database import Database, Tx

_EVERY = 600.0  # seconds
_BATCH = 200
_RECENT_DAYS = 3  # a process looks at everything once, then at the folders where something can still happen
_log = structlog.get_logger("materials.sweep")


class Sweep:
    """The recurring duty; harmless in several processes at once."""

    def __init__(self, database: Database, vault: Vault, *, blobs: Blobs, folder: Folder, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._blobs = blobs
        self._folder = folder
        self._clock = clock
        self._last = clock.monotonic()
        self._looked_at_all = False

    def turn(self) -> None:
        """``sweep`` every ten minutes; costs nothing in between."""
        if self._clock.monotonic() - self._last >= _EVERY:
            self._last = self._clock.monotonic()
            self.sweep()

    def sweep(self) -> int:
        """Let go of everything that is due; returns how many files went."""
        now = self._clock.now()
        self._database.again(lambda tx: rows.forget_tickets(tx, expired_before=now - ORPHANS_AFTER))
        gone = self._unclaimed(now) + self._orphans(now)
        if gone:
            _log.info("blobs.swept", files=gone)
        return gone

    def _unclaimed(self, now: datetime) -> int:
        before, gone = now - SWEPT_AFTER, 0
        while True:
            with self._database.read() as tx:
                found = rows.unclaimed(tx, arrived_before=before, limit=_BATCH)
            moved = sum(self._settle(blob, before) for blob in found)
            gone += moved
            if len(found) < _BATCH or not moved:
                return gone

    def _settle(self, blob: BlobRow, before: datetime) -> bool:
        """Claim what a case names after all, else delete; True when it was deleted."""
        with self._database.read() as tx:
            case = cases.by_bank_ref(tx, self._vault, blob.bank, blob.case_ref)
            business = self._filed_with(tx, case, blob) if case is not None else None
        if case is not None and business is not None:
            filed, named = case, business
            self._database.again(lambda tx: self._blobs.claim(tx, filed, named))
        if not self._database.again(lambda tx: rows.delete_unclaimed(tx, blob.blob_id, arrived_before=before)):
            return False
        self._folder.drop(blob.blob_id)
        return True

    def _filed_with(self, tx: Tx, case: Case, blob: BlobRow) -> dict[str, object] | None:
        """The business part, when this blob may be one of those it names; none when it was erased."""
        if case.client_id != blob.client_id:
            return None  # brought for a later message of another client, which claims in its own transaction
        try:
            business: dict[str, object] = json.loads(cases.form(tx, self._vault, case))
        except LookupError:
            return None
        return business if blob.digest in named_files(business) else None

    def _orphans(self, now: datetime) -> int:
        days = _RECENT_DAYS if self._looked_at_all else 0
        gone, whole = 0, []
        for blob_id, is_whole in self._folder.old_files(changed_before=now - ORPHANS_AFTER, days=days):
            if is_whole:
                whole.append(blob_id)
            else:
                self._folder.drop_part(blob_id)
                gone += 1
        with self._database.read() as tx:
            needed = rows.with_key(tx, whole)
        for blob_id in whole:
            if blob_id not in needed:
                self._folder.drop(blob_id)
                gone += 1
        self._looked_at_all = True
        return gone
