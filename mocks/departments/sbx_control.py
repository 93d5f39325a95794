"""The sandbox department's part of the control side: read its books, decide by hand.

Must not be reachable from outside the machine (the door sees to that) and is no part of the department's document.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from mocks.departments.control_side import ControlSide, ledger_report
from mocks.departments.door import Door, Request
from mocks.departments.json_checks import read_object
from mocks.departments.pushes import Clerk
from mocks.departments.sbx_ledger import Ledger
from mocks.departments.sbx_scenarios import REASONS, STATUSES
from mocks.faults import FaultPlan

_COLUMNS = {"callId": "call_id", "receiptNo": "receipt_no", "sbxNo": "sbx_no", "item": "item", "status": "status"}


class Control(ControlSide):
    """Orders of tests and trainers."""

    def __init__(self, ledger: Ledger, clerk: Clerk, *, faults: FaultPlan, door: Door) -> None:
        super().__init__(ledger, clerk, faults=faults, door=door)
        self._ledger = ledger
        self.add("GET", "ledger", self._show)
        self.add("POST", "decide", self._decide)

    def _show(self, request: Request) -> Any:
        asked = dict(parse_qsl(request.target.partition("?")[2]))
        bodies = asked.pop("bodies", "") == "1"
        if unknown := set(asked) - set(_COLUMNS):
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        rows = self._ledger.rows(**{_COLUMNS[name]: value for name, value in asked.items()})
        shown = [
            {
                "sbxNo": row["sbx_no"],
                "callId": row["call_id"],
                "receiptNo": row["receipt_no"],
                "item": row["item"],
                "outlet": row["outlet"],
                "scenario": row["scenario"],
                "answer": row["answer"],
                "status": row["status"],
                "filedAt": row["filed_at"],
                "bodySha256": row["body_sha256"],
                "duplicates": row["duplicates"],
                "arrivals": row["arrivals"],
                "firstArrivalAt": row["first_at"],
                "lastArrivalAt": row["last_at"],
                **({"body": row["body"]} if bodies else {}),
            }
            for row in rows
        ]
        return ledger_report(shown)

    def _decide(self, request: Request) -> Any:
        order = read_object(request.body)
        sbx_no = str(order.pop("sbxNo", ""))
        if self._ledger.show(sbx_no) is None:
            raise ValueError("sbxNo is not known")
        if unknown := set(order) - {"status", "reason", "text", "marks", "dueOn", "automatic", "resultFollows"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        if order.get("status") not in STATUSES:
            raise ValueError("status is none of the document's")
        if "reason" in order and order["reason"] not in REASONS:
            raise ValueError("reason is none of the document's")
        self._ledger.decide(sbx_no, order)
        self._clerk.look()
        return self._ledger.show(sbx_no)
