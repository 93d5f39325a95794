"""The sandbox department's own books: every application filed, what was said of it and what is still to be pushed.

Must not speak HTTP or decide anything. One SQLite file, so that the books survive the program: tests compare them
with what the gateway believes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mocks.departments.sbx_scenarios import DECIDED, Draft, Plan
from mocks.departments.sbx_signing import BEIJING, beijing_text, utc_now

_TABLES = """
CREATE TABLE IF NOT EXISTS application (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sbx_no TEXT UNIQUE, call_id TEXT NOT NULL, receipt_no TEXT NOT NULL,
    item TEXT NOT NULL, outlet TEXT NOT NULL, scenario TEXT NOT NULL, answer TEXT NOT NULL, status TEXT NOT NULL,
    filed_at TEXT NOT NULL, body_sha256 TEXT NOT NULL, body TEXT NOT NULL, copies INTEGER NOT NULL,
    reverse INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS application_call ON application (call_id, id);
CREATE TABLE IF NOT EXISTS arrival (
    call_id TEXT PRIMARY KEY, arrivals INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS act (
    call_id TEXT NOT NULL, sbx_no TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (call_id, sbx_no));
CREATE TABLE IF NOT EXISTS event (
    sbx_no TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (sbx_no, seq));
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY, sbx_no TEXT NOT NULL, due_at REAL NOT NULL, drafts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS push (
    id INTEGER PRIMARY KEY, sbx_no TEXT NOT NULL, event_id TEXT NOT NULL, body TEXT NOT NULL, due_at REAL NOT NULL,
    waits_for INTEGER, tries INTEGER NOT NULL DEFAULT 0, taken_at TEXT);
CREATE INDEX IF NOT EXISTS push_due ON push (due_at) WHERE taken_at IS NULL;
CREATE INDEX IF NOT EXISTS push_of ON push (sbx_no, id);
"""
_PUSH_FREE = """taken_at IS NULL AND due_at <= ? AND (waits_for IS NULL OR EXISTS (
    SELECT 1 FROM push AS before WHERE before.id = push.waits_for AND before.tries > 0))"""


@dataclass(frozen=True, slots=True)
class Push:
    """One push that is due; ``tries`` so far."""

    id: int
    body: bytes
    tries: int


class Ledger:
    """The books, shared by all threads of the program."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(directory / "sandbox.sqlite", check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # survives kill -9 of this program, which is what is staged
        self._db.executescript(_TABLES)

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

    def file(self, body: Mapping[str, Any], raw: bytes, plan: Plan) -> str:
        """Write one application with its first events and what is to come; the new ``sbxNo``."""
        now = utc_now()
        with self._lock, self._db:
            self._count_arrival(body["callId"])
            row = {
                "call_id": body["callId"],
                "receipt_no": body["receiptNo"],
                "item": body["item"],
                "outlet": body["outlet"],
                "scenario": body["content"]["scenario"],
                "answer": body["answer"],
                "filed_at": beijing_text(now),
                "body_sha256": hashlib.sha256(raw).hexdigest(),
                "body": raw.decode(),
                "copies": plan.copies,
                "reverse": plan.reverse,
            }
            cursor = self._db.execute(
                "INSERT INTO application (call_id, receipt_no, item, outlet, scenario, answer, status, filed_at,"
                " body_sha256, body, copies, reverse) VALUES (:call_id, :receipt_no, :item, :outlet, :scenario,"
                " :answer, '', :filed_at, :body_sha256, :body, :copies, :reverse)",
                row,
            )
            sbx_no = f"SBX{now.astimezone(BEIJING):%Y%m%d}{(cursor.lastrowid or 0) % 1_000_000:06d}"
            self._db.execute("UPDATE application SET sbx_no = ? WHERE id = ?", (sbx_no, cursor.lastrowid))
            self._say(sbx_no, plan.first, push=False)
            self._schedule(sbx_no, plan)
            return sbx_no

    def act(self, sbx_no: str, body: Mapping[str, Any], *, kind: str, plan: Plan) -> None:
        """Write a supplement or withdrawal and what it causes; steps still to come are dropped."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT INTO act VALUES (?, ?, ?, ?, ?)",
                (body["callId"], sbx_no, kind, beijing_text(utc_now()), json.dumps(body, ensure_ascii=False)),
            )
            self._db.execute("DELETE FROM step WHERE sbx_no = ?", (sbx_no,))
            self._say(sbx_no, plan.first, push=False)
            self._schedule(sbx_no, plan)

    def has_act(self, sbx_no: str, call_id: str) -> bool:
        """True when this supplement or withdrawal was taken before."""
        return self._one("SELECT 1 FROM act WHERE sbx_no = ? AND call_id = ?", sbx_no, call_id) is not None

    def decide(self, sbx_no: str, draft: Draft) -> None:
        """A clerk's word: said and pushed at once, whatever stood before; steps still to come are dropped."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM step WHERE sbx_no = ?", (sbx_no,))
            self._say(sbx_no, (draft,), push=True)

    def run_steps(self) -> None:
        """Say everything that is due now; a step of a decided application is dropped."""
        now = utc_now().timestamp()
        with self._lock, self._db:
            due = self._db.execute("SELECT * FROM step WHERE due_at <= ? ORDER BY due_at, id", (now,)).fetchall()
            for step in due:
                self._db.execute("DELETE FROM step WHERE id = ?", (step["id"],))
                if self._row(step["sbx_no"])["status"] not in DECIDED:
                    self._say(step["sbx_no"], json.loads(step["drafts"]), push=True)

    def due_pushes(self, without: Iterable[int], most: int) -> list[Push]:
        """Up to ``most`` pushes to try now, except those ``without`` (already on the way)."""
        skip = set(without)
        now = utc_now().timestamp()
        query = f"SELECT id, body, tries FROM push WHERE {_PUSH_FREE} ORDER BY due_at, id LIMIT ?"  # noqa: S608
        with self._lock:
            rows = self._db.execute(query, (now, most + len(skip))).fetchall()
        found = [Push(row["id"], row["body"].encode(), row["tries"]) for row in rows if row["id"] not in skip]
        return found[:most]

    def push_tried(self, push: Push, *, taken: bool, again_in: float) -> None:
        """Note one try: taken for good, or again in ``again_in`` seconds."""
        now = utc_now()
        with self._lock, self._db:
            self._db.execute(
                "UPDATE push SET tries = tries + 1, taken_at = ?, due_at = ? WHERE id = ?",
                (beijing_text(now) if taken else None, now.timestamp() + again_in, push.id),
            )

    def pull_forward(self) -> None:
        """Let every waiting push be tried now."""
        with self._lock, self._db:
            self._db.execute("UPDATE push SET due_at = ? WHERE taken_at IS NULL", (utc_now().timestamp(),))

    def next_due(self) -> float | None:
        """Epoch seconds of the next step or push that lies in the future, or none."""
        now = utc_now().timestamp()
        query = (
            "SELECT MIN(due_at) AS due FROM (SELECT due_at FROM step UNION ALL"
            " SELECT due_at FROM push WHERE taken_at IS NULL) WHERE due_at > ?"
        )
        row = self._one(query, now)
        return row["due"] if row else None

    def find(self, call_id: str) -> dict[str, Any] | None:
        """The application filed first under ``call_id``, or that of a supplement or withdrawal; as in section 5."""
        with self._lock:
            first = self._one("SELECT sbx_no FROM application WHERE call_id = ? ORDER BY id LIMIT 1", call_id)
            first = first or self._one("SELECT sbx_no FROM act WHERE call_id = ? ORDER BY at LIMIT 1", call_id)
            return self.show(first["sbx_no"]) if first else None

    def show(self, sbx_no: str) -> dict[str, Any] | None:
        """The application as the document's section 5 shows it, or none."""
        with self._lock:
            row = self._one("SELECT * FROM application WHERE sbx_no = ?", sbx_no)
            if row is None:
                return None
            shown = {"sbxNo": sbx_no, "callId": row["call_id"], "status": row["status"], "events": self._events(sbx_no)}
            further = self._filed(row["call_id"]) - 1
            return {**shown, "duplicates": further} if further else shown

    def receipt_of(self, sbx_no: str) -> str:
        """The receipt number an application was filed under."""
        with self._lock:
            return str(self._row(sbx_no)["receipt_no"])

    def rows(self, **only: str) -> list[dict[str, Any]]:
        """Every application, oldest first, for the control side; ``only``: columns that must be equal."""
        where = " AND ".join(f"application.{column} = :{column}" for column in only) or "1 = 1"
        query = f"""
            SELECT application.*, arrivals, first_at, last_at, (SELECT COUNT(*) - 1 FROM application AS other
            WHERE other.call_id = application.call_id) AS duplicates
            FROM application LEFT JOIN arrival USING (call_id) WHERE {where} ORDER BY id
        """  # noqa: S608  column names are ours
        with self._lock:
            return [dict(row) for row in self._db.execute(query, only)]

    def pushes(self) -> dict[str, int]:
        """How many pushes wait and how many were taken."""
        row = self._one("SELECT COUNT(*) AS made, COUNT(taken_at) AS taken FROM push")
        return {"waiting": row["made"] - row["taken"], "taken": row["taken"]} if row else {}

    def reset(self) -> None:
        """Empty the books; numbers go on, so that no number or event id ever comes twice."""
        with self._lock, self._db:
            for table in ("application", "arrival", "act", "event", "step", "push"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608

    def _say(self, sbx_no: str, drafts: Iterable[Draft], *, push: bool) -> None:
        row = self._row(sbx_no)
        seq = len(self._events(sbx_no))
        now = utc_now()
        said = []
        for draft in drafts:
            seq += 1
            event = {"eventId": f"{sbx_no}-{seq}", "seq": seq, "at": beijing_text(now), **draft}
            if days := event.pop("dueInDays", 0):
                event["dueOn"] = f"{(now + timedelta(days=days)).astimezone(BEIJING):%Y%m%d}"
            self._db.execute("INSERT INTO event VALUES (?, ?, ?)", (sbx_no, seq, json.dumps(event, ensure_ascii=False)))
            self._db.execute("UPDATE application SET status = ? WHERE sbx_no = ?", (event["status"], sbx_no))
            said.append(event)
        if push and row["answer"] != "poll":
            self._queue(row, list(reversed(said)) if row["reverse"] else said)

    def _queue(self, row: sqlite3.Row, events: list[dict[str, Any]]) -> None:
        last = self._one("SELECT MAX(id) AS id FROM push WHERE sbx_no = ?", row["sbx_no"])
        before = last["id"] if last else None
        for event in events:
            body = json.dumps(
                {"sbxNo": row["sbx_no"], "callId": row["call_id"], "event": event},
                ensure_ascii=False,
                separators=(",", ":"),
            )
            for _ in range(row["copies"]):
                cursor = self._db.execute(
                    "INSERT INTO push (sbx_no, event_id, body, due_at, waits_for) VALUES (?, ?, ?, ?, ?)",
                    (row["sbx_no"], event["eventId"], body, utc_now().timestamp(), before),
                )
                before = cursor.lastrowid

    def _schedule(self, sbx_no: str, plan: Plan) -> None:
        now = utc_now().timestamp()
        rows = [(sbx_no, now + after, json.dumps(drafts, ensure_ascii=False)) for after, drafts in plan.later]
        self._db.executemany("INSERT INTO step (sbx_no, due_at, drafts) VALUES (?, ?, ?)", rows)

    def _count_arrival(self, call_id: str) -> None:
        now = beijing_text(utc_now())
        self._db.execute(
            "INSERT INTO arrival VALUES (?, 1, ?, ?) ON CONFLICT (call_id)"
            " DO UPDATE SET arrivals = arrivals + 1, last_at = excluded.last_at",
            (call_id, now, now),
        )

    def _filed(self, call_id: str) -> int:
        row = self._one("SELECT COUNT(*) AS n FROM application WHERE call_id = ?", call_id)
        return int(row["n"]) if row else 0

    def _events(self, sbx_no: str) -> list[dict[str, Any]]:
        rows = self._db.execute("SELECT body FROM event WHERE sbx_no = ? ORDER BY seq", (sbx_no,))
        return [json.loads(row["body"]) for row in rows]

    def _row(self, sbx_no: str) -> sqlite3.Row:
        row: sqlite3.Row | None = self._one("SELECT * FROM application WHERE sbx_no = ?", sbx_no)
        if row is None:
            raise KeyError(sbx_no)
        return row

    def _one(self, query: str, *values: object) -> Any:
        with self._lock:
            return self._db.execute(query, values).fetchone()
