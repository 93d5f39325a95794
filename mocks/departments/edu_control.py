"""FT_EDU's part of the control side: read its books, post closures, decide by hand in JSON or on a page.

Must not be reachable from outside the machine (the door sees to that) and is no part of the department's document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mocks.departments import edu_notices
from mocks.departments.control_side import ControlSide, ledger_report
from mocks.departments.door import Door, Reply, Request
from mocks.departments.edu_courses import REASONS, STATES, Rule
from mocks.departments.edu_ledger import EduLedger
from mocks.departments.edu_officers import way_to, word
from mocks.departments.edu_page import page
from mocks.departments.edu_pushes import EduPushes
from mocks.departments.json_checks import read_object
from mocks.departments.pushes import Clerk
from mocks.faults import FaultPlan

_COLUMNS = {
    "callId": "call_id",
    "receiptNo": "receipt_no",
    "caseNo": "case_no",
    "itemCode": "item",
    "state": "state",
}
_SHOWN = {
    **_COLUMNS,
    "seq": "seq",
    "outlet": "outlet",
    "course": "course",
    "filedAt": "filed_at",
    "bodySha256": "body_sha256",
    "repeats": "repeats",
    "conflicts": "conflicts",
    "finds": "finds",
    "hastyFinds": "hasty",
    "arrivals": "arrivals",
    "firstArrivalAt": "first_at",
    "lastArrivalAt": "last_at",
}
_SAID = {"reasonCode", "opinion", "correction", "special", "documents", "collectAt", "promisedDate", "manual"}


class EduControl(ControlSide):
    """Orders of tests, trainers and officers."""

    def __init__(
        self, ledger: EduLedger, clerk: Clerk, rule: Rule, *, faults: FaultPlan, door: Door, pushes: EduPushes
    ) -> None:
        super().__init__(ledger, clerk, faults=faults, door=door)
        self._ledger = ledger
        self._rule = rule
        self._signatures = pushes.signatures
        self.add("GET", "ledger", self._show)
        self.add("POST", "decide", self._decide)
        self.add("GET", "service", lambda _: edu_notices.show(ledger))
        self.add("POST", "service", lambda request: edu_notices.post(ledger, read_object(request.body)))
        self.add("GET", "", lambda _: page(self._ledger.rows(), self._ledger.body_of))
        self.add("POST", "", self._press)

    def _health(self, request: Request) -> Any:
        return {**super()._health(request), "pushAnswerSignatures": dict(self._signatures)}

    def _show(self, request: Request) -> Any:
        asked = dict(parse_qsl(request.target.partition("?")[2]))
        bodies = asked.pop("bodies", "") == "1"
        if unknown := set(asked) - set(_COLUMNS):
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        shown = []
        for row in self._ledger.rows(**{_COLUMNS[name]: value for name, value in asked.items()}):
            entry = {name: row[column] for name, column in _SHOWN.items()}
            # the document's bureau never files twice under one call id; the books could not hold it
            entry["duplicates"] = 0
            if bodies:
                entry |= {"body": row["body"], "files": self._ledger.files_of(row["case_no"])}
            shown.append(entry)
        return ledger_report(shown)

    def _decide(self, request: Request) -> Any:
        order = read_object(request.body)
        case_no = str(order.pop("caseNo", ""))
        state = str(order.pop("state", ""))
        if unknown := set(order) - _SAID:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        self._say(case_no, state, order, through=False)
        return self._ledger.show(case_no)

    def _press(self, request: Request) -> Reply:
        """A button of the page: the officer goes the whole way to the state, then the page again."""
        origin = request.headers.get("origin")
        if origin and urlsplit(origin).netloc != request.headers.get("host"):
            raise ValueError("another site's page")
        asked = dict(parse_qsl(request.body.decode()))
        said = {name: asked[name] for name in ("reasonCode", "opinion") if asked.get(name)}
        self._say(asked.get("caseNo", ""), asked.get("state", ""), said, through=True)
        return Reply(303, b"", {"Location": "/control/"})

    def _say(self, case_no: str, state: str, said: Mapping[str, Any], *, through: bool) -> None:
        if not self._ledger.exists(case_no):
            raise ValueError("caseNo is not known")
        if state not in STATES:
            raise ValueError("state is none of the document's")
        if said.get("reasonCode", "R99") not in REASONS:
            raise ValueError("reasonCode is none of the document's")
        if "correction" in said and not said["correction"].get("items"):
            raise ValueError("a correction without items")
        body = self._ledger.body_of(case_no)
        with self._ledger.whole():
            now = self._ledger.show(case_no)["state"]
            drafts = [word(body, step, self._rule) for step in way_to(now, state)] if through else []
            last = word(body, state, self._rule, reason=said.get("reasonCode", "")) | dict(said)
            if state not in ("REJECTED", "NOT_ACCEPTED", "REVOKED") and through:
                last.pop("reasonCode", None)  # the page's choice of a reason stands beside every button
            self._ledger.decide(case_no, [*drafts, last])
        self._clerk.look()
