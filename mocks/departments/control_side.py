"""The control side that department simulators share: health, faults, pushes, the enrolled address, a clean start.

Must not be reachable from outside the machine (the door sees to that) and is no part of any department's document.
What needs a department's words, its ledger and decisions by hand, is added by the department.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from mocks.departments.books import Books
from mocks.departments.door import Door, Reply, Request
from mocks.departments.json_checks import BadBody, read_object
from mocks.departments.pushes import Clerk
from mocks.faults import BadFaultOrder, FaultPlan

Order = Callable[[Request], Any]
"""Does one order; what it gives back is the JSON answer, or a ``Reply`` of its own."""


class ControlSide:
    """Orders of tests and trainers."""

    def __init__(self, books: Books, clerk: Clerk, *, faults: FaultPlan, door: Door) -> None:
        self._books = books
        self._clerk = clerk
        self._faults = faults
        self._door = door
        self._orders: dict[tuple[str, str], Order] = {
            ("GET", "/control/health"): self._health,
            ("GET", "/control/faults"): lambda _: self._faults.report(),
            ("POST", "/control/faults"): self._stage,
            ("POST", "/control/callback"): self._enrol,
            ("POST", "/control/push"): self._push,
            ("POST", "/control/reset"): self._reset,
        }

    def answer(self, request: Request) -> Reply:
        """Do one order; 404 for an unknown one, 400 with ``error`` for one not understood."""
        order = self._orders.get((request.method, request.path))
        if order is None:
            return Reply.as_json({"error": "no such order"}, status=404)
        try:
            done = order(request)
        except (BadBody, BadFaultOrder, ValueError) as exc:
            return Reply.as_json({"error": str(exc)}, status=400)
        return done if isinstance(done, Reply) else Reply.as_json(done)

    def add(self, method: str, name: str, order: Order) -> None:
        """Take orders ``method /control/name`` too."""
        self._orders[method, f"/control/{name}"] = order

    def _health(self, _: Request) -> Any:
        return {"ok": True, "pushes": self._books.pushes(), "callbackUrl": self._clerk.callback_url}

    def _stage(self, request: Request) -> Any:
        order = read_object(request.body)
        seconds = float(order.pop("close_seconds", 0))
        if order or not seconds:
            self._faults.stage(order)
        if seconds:
            self._door.close_for(seconds)
        return self._faults.report()

    def _enrol(self, request: Request) -> Any:
        self._clerk.callback_url = str(read_object(request.body).get("url", ""))
        return self._push(request)

    def _push(self, request: Request) -> Any:
        self._books.pull_forward()
        self._clerk.look()
        return self._health(request)

    def _reset(self, _: Request) -> Any:
        self._books.reset()
        self._faults.stage({})
        return {"ok": True}


def ledger_report(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer of ``GET /control/ledger`` for ``rows``, each with ``callId``, ``receiptNo`` and ``duplicates``."""
    by_receipt = Counter(row["receiptNo"] for row in rows)
    return {
        "rows": rows,
        "count": len(rows),
        "duplicateCallIds": sorted({row["callId"] for row in rows if row["duplicates"]}),
        "duplicateReceipts": sorted(number for number, filed in by_receipt.items() if filed > 1),
    }
