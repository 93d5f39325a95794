"""What every department simulator keeps on disk: its agenda, its outbox and how often each call arrived.

Must not know any dialect: a department's own books are made on top and say what a step of the agenda means.
One SQLite file, so that all of it survives a kill: tests compare the books with what the gateway believes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mocks.departments.hmac_signing import BEIJING, utc_now

_TABLES = """
CREATE TABLE IF NOT EXISTS arrival (
    call_id TEXT PRIMARY KEY, arrivals INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agenda (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL, due_at REAL NOT NULL, drafts TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS agenda_of ON agenda (number);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL, event_id TEXT NOT NULL, body TEXT NOT NULL, due_at REAL NOT NULL,
    waits_for INTEGER, tries INTEGER NOT NULL DEFAULT 0, taken_at TEXT);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at) WHERE taken_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_of ON outbox (number, id);
"""
_OUTBOX_FREE = """taken_at IS NULL AND due_at <= ? AND (waits_for IS NULL OR EXISTS (
    SELECT 1 FROM outbox AS before WHERE before.id = outbox.waits_for AND before.tries > 0))"""
_NEVER = 9e12  # epoch seconds: given up, unless someone pulls it forward

Draft = dict[str, Any]
"""Something a department will say, before it has number, sequence and time."""


def beijing_text(moment: datetime) -> str:
    """``moment`` as the books write times: ``2026-11-23T10:15:31.204+08:00``."""
    return moment.astimezone(BEIJING).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Push:
    """One push that is due since ``due_at`` (epoch seconds); ``tries`` so far."""

    id: int
    body: bytes
    tries: int
    due_at: float


class Books(ABC):
    """The books, shared by all threads of one program. ``number`` is the department's own number of a case."""

    def __init__(self, file: Path, tables: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        """``tables``: the department's own tables; ``clock`` tells aware UTC."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.clock = clock
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # survives kill -9 of this program, which is what is staged
        self._db.executescript(_TABLES + tables)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Keep the other threads out while something is looked at and then written."""
        with self._lock:
            yield

    def note_arrival(self, call_id: str) -> None:
        """Count a request to file that was read but not taken."""
        with self._lock, self._db:
            self._count_arrival(call_id)

    def arrivals(self, call_id: str) -> int:
        """How many requests to file were read under ``call_id``."""
        row = self._one("SELECT arrivals FROM arrival WHERE call_id = ?", call_id)
        return int(row["arrivals"]) if row else 0

    def run_steps(self) -> None:
        """Say everything on the agenda that is due now."""
        now = self.clock().timestamp()
        with self._lock, self._db:
            due = self._db.execute("SELECT * FROM agenda WHERE due_at <= ? ORDER BY due_at, id", (now,)).fetchall()
            for step in due:
                # one step may drop another of the same case
                if self._db.execute("DELETE FROM agenda WHERE id = ?", (step["id"],)).rowcount:
                    self._perform(step["number"], json.loads(step["drafts"]))

    def due_pushes(self, without: Iterable[int], most: int) -> list[Push]:
        """Up to ``most`` pushes to try now, except those ``without`` (already on the way)."""
        skip = set(without)
        query = f"SELECT id, body, tries, due_at FROM outbox WHERE {_OUTBOX_FREE} ORDER BY due_at, id LIMIT ?"  # noqa: S608
        with self._lock:
            rows = self._db.execute(query, (self.clock().timestamp(), most + len(skip))).fetchall()
        found = (row for row in rows if row["id"] not in skip)
        return [Push(row["id"], row["body"].encode(), row["tries"], row["due_at"]) for row in found][:most]

    def push_tried(self, push: Push, *, taken: bool, again_in: float | None) -> None:
        """Note one try: taken for good, again in ``again_in`` seconds, or given up (none).

        One that was pulled forward while it was on the way stays due.
        """
        now = self.clock()
        due = _NEVER if again_in is None else now.timestamp() + again_in
        with self._lock, self._db:
            self._db.execute(
                "UPDATE outbox SET tries = tries + 1, taken_at = ?,"
                " due_at = CASE WHEN due_at = ? THEN ? ELSE due_at END WHERE id = ?",
                (beijing_text(now) if taken else None, push.due_at, due, push.id),
            )

    def pull_forward(self) -> None:
        """Let every waiting push be tried now."""
        with self._lock, self._db:
            self._db.execute("UPDATE outbox SET due_at = ? WHERE taken_at IS NULL", (self.clock().timestamp(),))

    def next_due(self, after: float) -> float | None:
        """Epoch seconds of the next step or push due later than ``after`` (epoch seconds), or none."""
        query = (
            "SELECT MIN(due_at) AS due FROM (SELECT due_at FROM agenda UNION ALL"
            " SELECT due_at FROM outbox WHERE taken_at IS NULL) WHERE due_at > ?"
        )
        row = self._one(query, after)
        return row["due"] if row else None

    def pushes(self) -> dict[str, int]:
        """How many pushes wait and how many were taken."""
        row = self._one("SELECT COUNT(*) AS made, COUNT(taken_at) AS taken FROM outbox")
        return {"waiting": row["made"] - row["taken"], "taken": row["taken"]}

    def reset(self) -> None:
        """Empty the books; numbers go on, so that no number or event id ever comes twice."""
        with self._lock, self._db:
            for table in ("arrival", "agenda", "outbox", *self._own_tables()):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608

    @abstractmethod
    def _perform(self, number: str, drafts: list[Draft]) -> None:
        """Say ``drafts`` of the case ``number``, inside the running transaction."""

    @abstractmethod
    def _own_tables(self) -> Iterable[str]:
        """The department's tables that a reset empties."""

    def _plan(self, number: str, steps: Iterable[tuple[float, Iterable[Draft]]]) -> None:
        """Put (epoch seconds, drafts) on the agenda of a case."""
        rows = [(number, due, json.dumps(list(drafts), ensure_ascii=False)) for due, drafts in steps]
        self._db.executemany("INSERT INTO agenda (number, due_at, drafts) VALUES (?, ?, ?)", rows)

    def _drop_plan(self, number: str) -> None:
        self._db.execute("DELETE FROM agenda WHERE number = ?", (number,))

    def _queue(self, number: str, events: Iterable[tuple[str, str]], *, copies: int) -> None:
        """Queue (event id, body) to be pushed one after the other, each ``copies`` times.

        Each waits for the first try of the one before, so that they leave in this order.
        """
        last = self._one("SELECT MAX(id) AS id FROM outbox WHERE number = ?", number)
        before = last["id"]
        for event_id, body in events:
            for _ in range(copies):
                cursor = self._db.execute(
                    "INSERT INTO outbox (number, event_id, body, due_at, waits_for) VALUES (?, ?, ?, ?, ?)",
                    (number, event_id, body, self.clock().timestamp(), before),
                )
                before = cursor.lastrowid

    def _count_arrival(self, call_id: str) -> None:
        now = beijing_text(self.clock())
        self._db.execute(
            "INSERT INTO arrival VALUES (?, 1, ?, ?) ON CONFLICT (call_id)"
            " DO UPDATE SET arrivals = arrivals + 1, last_at = excluded.last_at",
            (call_id, now, now),
        )

    def _one(self, query: str, *values: object) -> Any:
        with self._lock:
            return self._db.execute(query, values).fetchone()
