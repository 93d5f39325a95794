"""The control side of the sandbox department: read its books, stage faults, decide by hand.

Must not be reachable from outside the machine (the door sees to that) and is no part of the department's document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from mocks.departments.door import Door, Reply, Request
from mocks.departments.sbx_ledger import Ledger
from mocks.departments.sbx_pushes import Clerk
from mocks.departments.sbx_rules import BadBody, read_object
from mocks.departments.sbx_scenarios import REASONS, STATUSES
from mocks.faults import BadFaultOrder, FaultPlan

_COLUMNS = {"callId": "call_id", "receiptNo": "receipt_no", "sbxNo": "sbx_no", "item": "item", "status": "status"}


class Control:
    """Orders of tests and trainers."""

    def __init__(self, ledger: Ledger, clerk: Clerk, *, faults: FaultPlan, door: Door) -> None:
        self._ledger = ledger
        self._clerk = clerk
        self._faults = faults
        self._door = door

    def answer(self, request: Request) -> Reply:
        """Do one order; 404 for an unknown one, 400 with ``error`` for one not understood."""
        orders: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/control/health"): self._health,
            ("GET", "/control/ledger"): self._show,
            ("GET", "/control/faults"): lambda _: self._faults.report(),
            ("POST", "/control/faults"): self._stage,
            ("POST", "/control/decide"): self._decide,
            ("POST", "/control/callback"): self._enrol,
            ("POST", "/control/push"): self._push,
            ("POST", "/control/reset"): self._reset,
        }
        order = orders.get((request.method, request.path))
        if order is None:
            return Reply.as_json({"error": "no such order"}, status=404)
        try:
            return Reply.as_json(order(request))
        except (BadBody, BadFaultOrder, ValueError) as exc:
            return Reply.as_json({"error": str(exc)}, status=400)

    def _health(self, _: Request) -> Any:
        return {"ok": True, "pushes": self._ledger.pushes(), "callbackUrl": self._clerk.callback_url}

    def _show(self, request: Request) -> Any:
        asked = dict(parse_qsl(request.target.partition("?")[2]))
        bodies = asked.pop("bodies", "") == "1"
        if unknown := set(asked) - set(_COLUMNS):
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        rows = self._ledger.rows(**{_COLUMNS[name]: value for name, value in asked.items()})
        by_receipt = Counter(row["receipt_no"] for row in rows)
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
        return {
            "rows": shown,
            "count": len(shown),
            "duplicateCallIds": sorted({row["callId"] for row in shown if row["duplicates"]}),
            "duplicateReceipts": sorted(number for number, filed in by_receipt.items() if filed > 1),
        }

    def _stage(self, request: Request) -> Any:
        order = read_object(request.body)
        seconds = float(order.pop("close_seconds", 0))
        if order or not seconds:
            self._faults.stage(order)
        if seconds:
            self._door.close_for(seconds)
        return self._faults.report()

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

    def _enrol(self, request: Request) -> Any:
        self._clerk.callback_url = str(read_object(request.body).get("url", ""))
        return self._push(request)

    def _push(self, request: Request) -> Any:
        self._ledger.pull_forward()
        self._clerk.look()
        return self._health(request)

    def _reset(self, _: Request) -> Any:
        self._ledger.reset()
        self._faults.stage({})
        return {"ok": True}
