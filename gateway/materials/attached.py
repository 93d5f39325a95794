"""The files that go with a call to a department: found by what its materials name, opened when the peer wants them.

Must not judge what a department takes. A file may still be unclaimed: the call can leave before the claim is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.domain.calls import FileLoader
from gateway.domain.records import Case
from gateway.materials.blobs import Blobs
from gateway.materials.limits import Purpose
from gateway.materials.named import named_files
from gateway.store import blobs as rows
from gateway.store.blobs import BlobRow
from gateway.store.database import Database


class Attached:
    """Finds the files of calls."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def __call__(self, case: Case, common: Mapping[str, Any]) -> dict[str, FileLoader]:
        """By digest, what ``materials`` of a call's common part names and is here; a file that is not is left out.

        A loader raises ``BlobLost`` or ``NotOpened`` for a damaged file.
        """
        named = named_files({"materials": common.get("materials", [])})
        if not named:
            return {}
        with self._database.read() as tx:
            found = rows.of_call(tx, case.case_id, client_id=case.client_id, bank=case.bank, case_ref=case.bank_ref)
        return {
            blob.digest: partial(self._load, blob)
            for blob in found
            if blob.digest in named and blob.data_key and Purpose(blob.purpose).is_paper
        }

    def _load(self, blob: BlobRow) -> tuple[str, bytes]:
        return blob.type, b"".join(self._blobs.open(blob).pieces)
