"""What FT_EDU does with each operation of its document (docs/departments/FT_EDU.md sections 3, 7 and 9).

Must not know signatures, sockets or opening hours; it is handed bodies that were read and says what is answered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from mocks.departments.edu_blocks import check_submit, check_supplement, check_withdrawal, file_ids
from mocks.departments.edu_courses import OPEN, Course, Plan, Rule, course_of
from mocks.departments.edu_hours import DAY_LIST_READY
from mocks.departments.edu_ledger import EduLedger
from mocks.departments.edu_officers import grant, plan, plan_after_supplement
from mocks.departments.hmac_signing import BEIJING
from mocks.departments.json_checks import Problem, text
from mocks.faults import Fault

FILE_LIMIT = 10 * 1024 * 1024
DAY_PAGE = 500
WARNING = "学籍信息待核"
_FILE_STARTS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "application/pdf": b"%PDF-"}


class Told(Exception):
    """The answer is found: ``code`` of section 8, ``msg``, ``body`` and further headers."""

    def __init__(self, code: int, msg: str, *, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(code))
        self.code = code
        self.msg = msg
        self.body = body
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: the answer's ``body``, the text beside code 0, and how the answer is to go wrong."""

    body: Any
    msg: str = "ok"
    shape: Plan = field(default_factory=lambda: Plan(course=Course.GRANT, first=()))


class Desk:
    """The operations. ``look``: tell the clerk that something stands in the books."""

    def __init__(self, ledger: EduLedger, rule: Rule, *, look: Callable[[], None]) -> None:
        self.rule = rule
        self._ledger = ledger
        self._look = look

    def submit(self, body: Mapping[str, Any], raw: bytes, *, fault: Fault | None) -> Done:
        """File a case, or tell the one that stands under the same call id."""
        _take(check_submit(body))
        with self._ledger.whole():
            content = _content(body)
            if known := self._ledger.known(body["callId"], content):
                case_no, same = known
                if not same:
                    raise Told(40901, "同一调用编号的内容不一致")
                return Done(self._ledger.show(case_no))
            self._unless_missing(body)
            self._unless_not_open(body)
            twice, reverse = fault is Fault.TWICE, fault is Fault.OUT_OF_ORDER
            shape = plan(body, self.rule, twice=twice, reverse=reverse)
            files = file_ids(body).values()
            case_no = self._ledger.file(body, raw, shape, content_sha256=content, files=files)
            shown = self._ledger.show(case_no)
        self._look()
        return Done(shown, msg=WARNING if shape.warning else "ok", shape=shape)

    def find(self, case_no: str | None) -> Done:
        """A case with its history."""
        number = self._known(case_no)
        self._ledger.note_find(number)
        return Done(self._ledger.show(number, history=True))

    def find_by_call(self, call_id: str) -> Done:
        """A case with its history, by the call id it was filed (or withdrawn) under."""
        return self.find(self._ledger.number_of(call_id))

    def supplement(self, case_no: str, body: Mapping[str, Any]) -> Done:
        """Take an answer to a correction, or a late document; the same id gets the same answer for ever."""
        with self._ledger.whole():
            number = self._known(case_no)
            supplement_id = str(body.get("supplementId"))
            if before := self._ledger.acted(number, supplement_id, "supplement"):
                return Done(before)
            filed = self._ledger.body_of(number)
            _take(check_supplement(filed["itemCode"], body))
            shown = self._ledger.show(number)
            correction = body["kind"] == "CORRECTION"
            if shown["state"] != "NEED_SUPPLEMENT" if correction else shown["state"] not in OPEN:
                raise Told(40902, "当前状态不能补充", body=shown)
            self._unless_missing(body)
            course = self._ledger.course_of(number)
            causes = (
                plan_after_supplement(filed, self.rule, course=course) if correction else Plan(course=course, first=())
            )
            files = file_ids(body).values()
            told = self._ledger.act(number, supplement_id, kind="supplement", body=body, files=files, plan=causes)
        self._look()
        return Done(told)

    def withdraw(self, case_no: str, body: Mapping[str, Any]) -> Done:
        """Withdraw what is not decided; a decision that falls in this moment wins."""
        _take(check_withdrawal(body))
        with self._ledger.whole():
            number = self._known(case_no)
            if self._ledger.course_of(number) is Course.CROSSING and self._ledger.show(number)["state"] in OPEN:
                self._ledger.decide(number, [grant(self._ledger.body_of(number)["itemCode"])])
                self._look()
            shown = self._ledger.show(number)
            if shown["state"] == "CANCELED":
                return Done(shown)
            if shown["state"] not in OPEN:
                raise Told(40902, "已办结，不能撤回", body=shown)
            withdrawn = Plan(course=Course.HOLD, first=({"state": "CANCELED", "opinion": "已按申请撤回"},))
            told = self._ledger.act(number, body["callId"], kind="withdrawal", body=body, files=(), plan=withdrawn)
        return Done(told)

    def upload(self, content: bytes, headers: Mapping[str, str]) -> Done:
        """Keep one file."""
        kind = headers.get("content-type", "")
        start = _FILE_STARTS.get(kind)
        if start is None:
            raise _wrong("Content-Type", "not image/jpeg, image/png or application/pdf")
        try:
            name = unquote(headers.get("x-edu-file-name", ""), errors="strict")
        except UnicodeDecodeError:
            name = ""
        if say := text(most=200)(name):
            raise _wrong("X-Edu-File-Name", say)
        if not content.startswith(start):
            raise _wrong("body", f"not {kind}")
        if len(content) > FILE_LIMIT:
            raise _wrong("body", "over 10 MB")
        return Done(self._ledger.put_file(content, name=name, kind=kind))

    def paper(self, case_no: str, doc_no: str) -> bytes:
        """The bytes of a document."""
        content = self._ledger.paper(self._known(case_no), doc_no)
        if content is None:
            raise Told(40401, "没有这份文书")
        return content

    def day_list(self, day: str, page: str) -> Done:
        """The cases touched on a day, from 01:00 of the next one on."""
        try:
            asked = date.fromisoformat(day)
        except ValueError:
            raise _wrong("date", "no such day") from None
        if not re.fullmatch(r"[1-9]\d{0,5}", page):
            raise _wrong("page", "not a number from 1")
        ready = datetime.combine(asked + timedelta(days=1), DAY_LIST_READY, BEIJING)
        wait = int((ready - self._ledger.clock()).total_seconds()) + 1
        if wait > 0:
            raise Told(42901, "清单尚未生成", headers={"Retry-After": str(wait)})
        rows = self._ledger.touched(day)
        first = (int(page) - 1) * DAY_PAGE
        pages = max(1, -(-len(rows) // DAY_PAGE))
        part = rows[first : first + DAY_PAGE]
        return Done({"date": day, "page": int(page), "pages": pages, "total": len(rows), "rows": part})

    def _known(self, case_no: str | None) -> str:
        if case_no is None or not self._ledger.exists(case_no):
            raise Told(40401, "没有这笔办件")
        return case_no

    def _unless_missing(self, body: Mapping[str, Any]) -> None:
        missing = [path for path, file_id in file_ids(body).items() if not self._ledger.has_file(file_id)]
        _take([{"path": path, "say": "no such file, or older than 24 hours"} for path in missing])

    def _unless_not_open(self, body: Mapping[str, Any]) -> None:
        course, _ = course_of(body, self.rule)
        tomorrow = (self._ledger.clock() + timedelta(days=1)).astimezone(BEIJING).date().isoformat()
        open_from = self._ledger.notice("itemsClosed", {}).get(body["itemCode"])
        if course is Course.NOT_OPEN:
            open_from = tomorrow
        if open_from and open_from >= tomorrow:
            raise Told(40301, "该事项当前不在受理期", body={"openFrom": open_from})
        if course is Course.BUSY and not self._ledger.arrivals(body["callId"]):
            self._ledger.note_arrival(body["callId"])
            raise busy()


def busy() -> Told:
    """The word for "later" of a data base that is busy; nothing was stored."""
    return Told(50001, "系统繁忙，未受理本次请求")


def _wrong(path: str, reason: str) -> Told:
    return Told(40001, "参数不正确", body={"errors": [{"path": path, "reason": reason}]})


def _take(problems: list[Problem]) -> None:
    if problems:
        errors = [{"path": problem["path"], "reason": problem["say"]} for problem in problems]
        raise Told(40001, "参数不正确", body={"errors": errors})


def _content(body: Mapping[str, Any]) -> str:
    """What section 9 compares, as one digest; the order of rows does not count."""
    applicant, form = body["applicant"], body["form"]
    if "rows" in form:
        form = sorted([row["no"], row["value"]] for row in form["rows"])
    compared = [body["receiptNo"], body["itemCode"], applicant.get("idNo"), applicant.get("orgName"), form]
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()
