"""FT_EDU's files, papers and notices on disk: uploads, documents for collection, closures and closed items.

Must not know states of cases; ``edu_ledger`` keeps those in the same file.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mocks.departments.books import Books
from mocks.departments.hmac_signing import utc_now

FILE_LIFE = timedelta(hours=24)
_TABLES = """
CREATE TABLE IF NOT EXISTS file (
    file_id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    content BLOB NOT NULL, uploaded_at REAL NOT NULL, case_no TEXT);
CREATE TABLE IF NOT EXISTS paper (
    case_no TEXT NOT NULL, doc_no TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (case_no, doc_no));
CREATE TABLE IF NOT EXISTS notice (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Archive(Books):
    """Everything beside the cases."""

    def __init__(self, file: Path, tables: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(file, _TABLES + tables, clock=clock)

    def put_file(self, content: bytes, *, name: str, kind: str, file_id: str = "") -> dict[str, Any]:
        """Keep one upload: ``{fileId, sha256, size}``. ``file_id`` empty = a new one."""
        file_id = file_id or f"f-{secrets.token_hex(6)}"
        digest = hashlib.sha256(content).hexdigest()
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (file_id, name, kind, digest, len(content), content, self.clock().timestamp()),
            )
        return {"fileId": file_id, "sha256": digest, "size": len(content)}

    def has_file(self, file_id: str) -> bool:
        """True for an upload that is used, or was made in the last 24 hours."""
        oldest = (self.clock() - FILE_LIFE).timestamp()
        query = "SELECT 1 FROM file WHERE file_id = ? AND (case_no IS NOT NULL OR uploaded_at > ?)"
        return self._one(query, file_id, oldest) is not None

    def files_of(self, case_no: str) -> list[dict[str, Any]]:
        """Name, kind, digest and size of every file of a case."""
        query = "SELECT file_id, name, kind, sha256, size FROM file WHERE case_no = ? ORDER BY uploaded_at, file_id"
        with self._lock:
            return [dict(row) for row in self._db.execute(query, (case_no,))]

    def paper(self, case_no: str, doc_no: str) -> bytes | None:
        """The bytes of a document of a case, or none."""
        row = self._one("SELECT content FROM paper WHERE case_no = ? AND doc_no = ?", case_no, doc_no)
        return bytes(row["content"]) if row else None

    def notice(self, name: str, default: Any) -> Any:
        """What stands on the notice board under ``name``."""
        row = self._one("SELECT value FROM notice WHERE name = ?", name)
        return json.loads(row["value"]) if row else default

    def put_notice(self, name: str, value: Any) -> None:
        """Replace what stands under ``name``."""
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO notice VALUES (?, ?)", (name, json.dumps(value)))

    def _own_tables(self) -> Iterable[str]:
        return ("file", "paper", "notice")

    def _use_files(self, case_no: str, file_ids: Iterable[str]) -> None:
        self._db.executemany(
            "UPDATE file SET case_no = ? WHERE file_id = ? AND case_no IS NULL", [(case_no, i) for i in file_ids]
        )

    def _keep_paper(self, case_no: str, doc_no: str, content: bytes) -> None:
        self._db.execute("INSERT INTO paper VALUES (?, ?, ?)", (case_no, doc_no, content))
