"""FT_EDU's own books: every case filed, what became of it, and what is still to be said (docs/departments/FT_EDU.md 7).

Must not speak HTTP or decide anything: it writes down what officers and callers do, and shows it as the document does.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mocks.departments.books import Draft, beijing_text
from mocks.departments.edu_archive import Archive
from mocks.departments.edu_courses import STATES, Course, Plan
from mocks.departments.edu_forms import merge
from mocks.departments.edu_hours import desk_time, working_days_later
from mocks.departments.edu_papers import certificate_number, paper
from mocks.departments.edu_signing import day_text, time_text
from mocks.departments.hmac_signing import BEIJING, utc_now

POLL_PAUSE = timedelta(minutes=10)
_TABLES = """
CREATE TABLE IF NOT EXISTS dossier (
    id INTEGER PRIMARY KEY AUTOINCREMENT, case_no TEXT UNIQUE, call_id TEXT NOT NULL UNIQUE, receipt_no TEXT NOT NULL,
    item TEXT NOT NULL, outlet TEXT NOT NULL, who TEXT NOT NULL, course TEXT NOT NULL, state TEXT NOT NULL,
    seq INTEGER NOT NULL, filed_at TEXT NOT NULL, content_sha256 TEXT NOT NULL, body_sha256 TEXT NOT NULL,
    body TEXT NOT NULL, copies INTEGER NOT NULL, reverse INTEGER NOT NULL, repeats INTEGER NOT NULL DEFAULT 0,
    conflicts INTEGER NOT NULL DEFAULT 0, finds INTEGER NOT NULL DEFAULT 0, hasty INTEGER NOT NULL DEFAULT 0,
    found_at REAL NOT NULL DEFAULT 0, found_seq INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS happening (
    case_no TEXT NOT NULL, seq INTEGER NOT NULL, day TEXT NOT NULL, shown TEXT NOT NULL, PRIMARY KEY (case_no, seq));
CREATE INDEX IF NOT EXISTS happening_day ON happening (day);
CREATE TABLE IF NOT EXISTS act (
    case_no TEXT NOT NULL, act_id TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL,
    answer TEXT NOT NULL, PRIMARY KEY (case_no, kind, act_id));
"""
_ONLY_WITH_ITS_STATE = ("manual", "reasonCode", "opinion", "correction", "special")


class EduLedger(Archive):
    """The books, shared by all threads of the program."""

    def __init__(
        self, directory: Path, *, clock: Callable[[], datetime] = utc_now, keep_desk_hours: bool = False
    ) -> None:
        """``keep_desk_hours``: officers act only while they are at the desk."""
        super().__init__(directory / "education.sqlite", _TABLES, clock=clock)
        self._keep_desk_hours = keep_desk_hours

    def known(self, call_id: str, content_sha256: str) -> tuple[str, bool] | None:
        """(case number, same content) of the case filed under ``call_id``, counted as a repeat; or none."""
        with self._lock, self._db:
            row = self._one("SELECT case_no, content_sha256 FROM dossier WHERE call_id = ?", call_id)
            if row is None:
                return None
            same = row["content_sha256"] == content_sha256
            column = "repeats" if same else "conflicts"
            self._count_arrival(call_id)
            self._db.execute(f"UPDATE dossier SET {column} = {column} + 1 WHERE call_id = ?", (call_id,))  # noqa: S608
            return row["case_no"], same

    def file(
        self, body: Mapping[str, Any], raw: bytes, plan: Plan, *, content_sha256: str, files: Iterable[str]
    ) -> str:
        """Write one case with its first states and what is to come; the new ``caseNo``."""
        now = self.clock()
        applicant = body["applicant"]
        row = {
            "call_id": body["callId"],
            "receipt_no": body["receiptNo"],
            "item": body["itemCode"],
            "outlet": body["channel"]["outletCode"],
            "who": applicant.get("name", applicant.get("orgName")),
            "course": plan.course.value,
            "filed_at": beijing_text(now),
            "content": content_sha256,
            "raw": hashlib.sha256(raw).hexdigest(),
            "body": raw.decode(),
            "copies": plan.copies,
            "reverse": plan.reverse,
        }
        with self._lock, self._db:
            self._count_arrival(body["callId"])
            cursor = self._db.execute(
                "INSERT INTO dossier (call_id, receipt_no, item, outlet, who, course, state, seq, filed_at,"
                " content_sha256, body_sha256, body, copies, reverse) VALUES (:call_id, :receipt_no, :item, :outlet,"
                " :who, :course, '', 0, :filed_at, :content, :raw, :body, :copies, :reverse)",
                row,
            )
            case_no = f"JY{now.astimezone(BEIJING):%Y%m%d}{(cursor.lastrowid or 0) % 1_000_000:06d}"
            self._db.execute("UPDATE dossier SET case_no = ? WHERE id = ?", (case_no, cursor.lastrowid))
            self._use_files(case_no, files)
            self._say(case_no, plan.first, push=False)
            self._schedule(case_no, plan)
            return case_no

    def act(
        self, case_no: str, act_id: str, *, kind: str, body: Mapping[str, Any], files: Iterable[str], plan: Plan
    ) -> dict[str, Any]:
        """Write a supplement or withdrawal and what it causes; the case as its answer shows it.

        A plan that says nothing changes no state and leaves the agenda alone (a late document).
        """
        with self._lock, self._db:
            self._use_files(case_no, files)
            if plan.first:
                self._drop_plan(case_no)
                self._say(case_no, plan.first, push=False)
                self._schedule(case_no, plan)
            shown = self.show(case_no)
            self._db.execute(
                "INSERT INTO act VALUES (?, ?, ?, ?, ?, ?)",
                (case_no, act_id, kind, time_text(self.clock()), _json(body), _json(shown)),
            )
            return shown

    def acted(self, case_no: str, act_id: str, kind: str) -> dict[str, Any] | None:
        """The answer this supplement or withdrawal had, or none when it is new."""
        row = self._one("SELECT answer FROM act WHERE case_no = ? AND act_id = ? AND kind = ?", case_no, act_id, kind)
        return json.loads(row["answer"]) if row else None

    def decide(self, case_no: str, drafts: Iterable[Draft]) -> None:
        """An officer's word: said and pushed at once, whatever stood before; the agenda of the case is dropped."""
        with self._lock, self._db:
            self._drop_plan(case_no)
            self._say(case_no, drafts, push=True)

    def number_of(self, call_id: str) -> str | None:
        """The case filed under ``call_id``, or withdrawn under it; or none."""
        row = self._one("SELECT case_no FROM dossier WHERE call_id = ?", call_id)
        row = row or self._one("SELECT case_no FROM act WHERE act_id = ? AND kind = 'withdrawal'", call_id)
        return row["case_no"] if row else None

    def exists(self, case_no: str) -> bool:
        """True for a case of ours."""
        return self._one("SELECT 1 FROM dossier WHERE case_no = ?", case_no) is not None

    def note_find(self, case_no: str) -> None:
        """Count a question about a case; hasty = sooner than 10 minutes after the last that showed the same."""
        now = self.clock().timestamp()
        with self._lock, self._db:
            self._db.execute(
                "UPDATE dossier SET finds = finds + 1, hasty = hasty + (found_seq = seq AND found_at > ?),"
                " found_at = ?, found_seq = seq WHERE case_no = ?",
                (now - POLL_PAUSE.total_seconds(), now, case_no),
            )

    def show(self, case_no: str, *, history: bool = False) -> dict[str, Any]:
        """The *case* of section 7; ``history``: with every state it had, oldest first. ``KeyError`` when unknown."""
        query = "SELECT shown FROM happening WHERE case_no = ? ORDER BY seq"
        with self._lock:
            past = [json.loads(row["shown"]) for row in self._db.execute(query, (case_no,))]
        if not past:
            raise KeyError(case_no)
        if not history:
            return dict(past[-1])
        kept = ("seq", "state", "stateTime", "reasonCode", "opinion")
        return {**past[-1], "history": [{name: case[name] for name in kept if name in case} for case in past]}

    def body_of(self, case_no: str) -> dict[str, Any]:
        """The submit of a case, its form as corrected since. ``KeyError`` when unknown."""
        query = "SELECT body FROM act WHERE case_no = ? AND kind = 'supplement' ORDER BY rowid"
        with self._lock:
            body: dict[str, Any] = json.loads(self._row(case_no)["body"])
            for row in self._db.execute(query, (case_no,)):
                body["form"] = merge(body["form"], json.loads(row["body"]).get("form") or {})
        return body

    def course_of(self, case_no: str) -> Course:
        """How the case was meant to go when it was filed."""
        return Course(self._row(case_no)["course"])

    def touched(self, day: str) -> list[dict[str, Any]]:
        """The rows of the day list: every case touched on ``day`` with its last state of that day."""
        query = """
            SELECT shown FROM happening AS last WHERE day = :day AND seq = (
            SELECT MAX(seq) FROM happening WHERE case_no = last.case_no AND day = :day) ORDER BY case_no
        """
        kept = ("callId", "caseNo", "itemCode", "seq", "state", "stateTime")
        with self._lock:
            shown = [json.loads(row["shown"]) for row in self._db.execute(query, {"day": day})]
        return [{name: case[name] for name in kept} for case in shown]

    def rows(self, **only: str) -> list[dict[str, Any]]:
        """Every case, oldest first, for the control side; ``only``: columns that must be equal."""
        where = " AND ".join(f"dossier.{column} = :{column}" for column in only) or "1 = 1"
        query = f"""
            SELECT dossier.*, arrivals, first_at, last_at FROM dossier LEFT JOIN arrival USING (call_id)
            WHERE {where} ORDER BY id
        """  # noqa: S608  column names are ours
        with self._lock:
            return [dict(row) for row in self._db.execute(query, only)]

    def _perform(self, number: str, drafts: list[Draft]) -> None:
        state = self._row(number)["state"]
        drafts = [d for d in drafts if d["state"] != "SUPPLEMENT_OVERDUE" or state == "NEED_SUPPLEMENT"]
        self._say(number, drafts, push=True)

    def _own_tables(self) -> Iterable[str]:
        return (*super()._own_tables(), "dossier", "happening", "act")

    def _say(self, case_no: str, drafts: Iterable[Draft], *, push: bool) -> None:
        row = self._row(case_no)
        seq, said = row["seq"], []
        for draft in drafts:
            seq += 2 if seq and (row["id"] + seq) % 4 == 0 else 1  # gaps happen, by the document
            shown = self._shown(row, seq, draft)
            day = shown["stateTime"][:10]
            self._db.execute("INSERT INTO happening VALUES (?, ?, ?, ?)", (case_no, seq, day, _json(shown)))
            self._db.execute("UPDATE dossier SET state = ?, seq = ? WHERE case_no = ?", (shown["state"], seq, case_no))
            said.append((f"{case_no}-{seq}", _json({"eventId": f"{case_no}-{seq}", "case": shown})))
            if shown["state"] == "NEED_SUPPLEMENT":
                ends = datetime.fromisoformat(f"{shown['correction']['dueDate']}T00:00:00+08:00") + timedelta(days=1)
                self._plan(case_no, [(ends.timestamp(), [{"state": "SUPPLEMENT_OVERDUE"}])])
        if push:
            self._queue(case_no, reversed(said) if row["reverse"] else said, copies=row["copies"])

    def _shown(self, row: sqlite3.Row, seq: int, draft: Draft) -> dict[str, Any]:
        """The case after ``draft``: what belongs to the state before is left out, papers stay."""
        now = self.clock()
        case_no, draft = row["case_no"], dict(draft)
        before = self.show(case_no) if row["seq"] or seq > 1 else {}
        for name in _ONLY_WITH_ITS_STATE:
            before.pop(name, None)
        head = {"callId": row["call_id"], "caseNo": case_no, "itemCode": row["item"], "seq": seq}
        head |= {"state": draft["state"], "stateTime": time_text(now)}
        if days := draft.pop("promisedInDays", 0):
            draft["promisedDate"] = working_days_later(now, days)
        if days := draft.pop("dueInDays", 0):
            draft["correction"] = {"dueDate": working_days_later(now, days), **draft["correction"]}
        if days := draft.pop("endsInDays", 0):
            draft["special"] = {"expectedEnd": working_days_later(now, days), **draft["special"]}
        collect_at = draft.pop("collectAt", "")
        papers = list(before.get("documents", ()))
        for title in draft.pop("documents", ()):
            papers.append(self._make_paper(row, f"D{len(papers) + 1}", title=title, draft=draft))
        if papers:
            draft["documents"] = [{**p, "collectAt": collect_at} for p in papers] if collect_at else papers
        return head | {name: value for name, value in (before | draft).items() if name not in head}

    def _make_paper(self, row: sqlite3.Row, doc_no: str, *, title: str, draft: Draft) -> dict[str, Any]:
        now = self.clock()
        lines = [title, f"办件编号：{row['case_no']}", f"事项：{row['item']}", f"申请人：{row['who']}"]
        lines += [f"结果：{STATES[draft['state']]}", draft.get("opinion", ""), f"福田区教育局（模拟）{day_text(now)}"]
        self._keep_paper(row["case_no"], doc_no, paper(lines))
        serial = int(row["case_no"][-6:]) * 10 + int(doc_no[1:]) % 10
        number = certificate_number(now.astimezone(BEIJING).year, serial)
        return {"docNo": doc_no, "title": title, "eCertNo": number}

    def _schedule(self, case_no: str, plan: Plan) -> None:
        now = self.clock()
        steps = []
        for after, drafts in plan.later:
            due = now + timedelta(seconds=after)
            steps.append(((desk_time(due) if self._keep_desk_hours else due).timestamp(), drafts))
        self._plan(case_no, steps)

    def _row(self, case_no: str) -> sqlite3.Row:
        row: sqlite3.Row | None = self._one("SELECT * FROM dossier WHERE case_no = ?", case_no)
        if row is None:
            raise KeyError(case_no)
        return row


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
