"""The sandbox department's own books: every application filed, what was said of it and what is still to be pushed.

Must not speak HTTP or decide anything. One SQLite file, so that the books survive the program: tests compare them
with what the gateway believes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from mocks.departments.books import Books, Draft, beijing_text
from mocks.departments.hmac_signing import BEIJING
from mocks.departments.sbx_scenarios import DECIDED, Plan

_TABLES = """
CREATE TABLE IF NOT EXISTS application (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sbx_no TEXT UNIQUE, call_id TEXT NOT NULL, receipt_no TEXT NOT NULL,
    item TEXT NOT NULL, outlet TEXT NOT NULL, scenario TEXT NOT NULL, answer TEXT NOT NULL, status TEXT NOT NULL,
    filed_at TEXT NOT NULL, body_sha256 TEXT NOT NULL, body TEXT NOT NULL, copies INTEGER NOT NULL,
    reverse INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS application_call ON application (call_id, id);
CREATE TABLE IF NOT EXISTS act (
    call_id TEXT NOT NULL, sbx_no TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (call_id, sbx_no));
CREATE TABLE IF NOT EXISTS event (
    sbx_no TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (sbx_no, seq));
"""


class Ledger(Books):
    """The books, shared by all threads of the program."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "sandbox.sqlite", _TABLES)

    def file(self, body: Mapping[str, Any], raw: bytes, plan: Plan) -> str:
        """Write one application with its first events and what is to come; the new ``sbxNo``."""
        now = self.clock()
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
                (body["callId"], sbx_no, kind, beijing_text(self.clock()), json.dumps(body, ensure_ascii=False)),
            )
            self._drop_plan(sbx_no)
            self._say(sbx_no, plan.first, push=False)
            self._schedule(sbx_no, plan)

    def has_act(self, sbx_no: str, call_id: str) -> bool:
        """True when this supplement or withdrawal was taken before."""
        return self._one("SELECT 1 FROM act WHERE sbx_no = ? AND call_id = ?", sbx_no, call_id) is not None

    def decide(self, sbx_no: str, draft: Draft) -> None:
        """A clerk's word: said and pushed at once, whatever stood before; steps still to come are dropped."""
        with self._lock, self._db:
            self._drop_plan(sbx_no)
            self._say(sbx_no, (draft,), push=True)

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

    def _perform(self, number: str, drafts: list[Draft]) -> None:
        if self._row(number)["status"] not in DECIDED:  # a step of a decided application is dropped
            self._say(number, drafts, push=True)

    def _own_tables(self) -> Iterable[str]:
        return ("application", "act", "event")

    def _say(self, sbx_no: str, drafts: Iterable[Draft], *, push: bool) -> None:
        row = self._row(sbx_no)
        seq = len(self._events(sbx_no))
        now = self.clock()
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
            in_order = reversed(said) if row["reverse"] else said
            self._queue(sbx_no, [_letter(row, event) for event in in_order], copies=row["copies"])

    def _schedule(self, sbx_no: str, plan: Plan) -> None:
        now = self.clock().timestamp()
        self._plan(sbx_no, [(now + after, drafts) for after, drafts in plan.later])

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


def _letter(row: sqlite3.Row, event: Mapping[str, Any]) -> tuple[str, str]:
    """Event id and body of one push (section 6)."""
    body = {"sbxNo": row["sbx_no"], "callId": row["call_id"], "event": event}
    return event["eventId"], json.dumps(body, ensure_ascii=False, separators=(",", ":"))
