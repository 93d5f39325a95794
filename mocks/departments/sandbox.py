"""The sandbox department FT_SBX: a program of its own, written from docs/departments/FT_SBX.md alone.

Must not import the gateway or read its catalogue. ``python -m mocks.departments.sandbox --help``; the control side
is described in ``mocks/README.md``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from mocks.departments import sbx_rules
from mocks.departments.books import beijing_text
from mocks.departments.door import Door, Reply, Request
from mocks.departments.hmac_signing import Unsigned, utc_now
from mocks.departments.json_checks import BadBody, read_object
from mocks.departments.program import options_of, serve
from mocks.departments.pushes import Clerk
from mocks.departments.sbx_control import Control
from mocks.departments.sbx_ledger import Ledger
from mocks.departments.sbx_pushes import SbxPushes
from mocks.departments.sbx_scenarios import DECIDED, Plan, plan, plan_after_supplement
from mocks.departments.sbx_signing import Signer
from mocks.faults import Fault, FaultPlan

BASE = "/sbx/v1/applications"
BODY_LIMIT = 1024 * 1024
_ACT = re.compile(rf"{BASE}/(SBX\d{{14}})/(supplement|withdraw)\Z")
_HTTP = {
    "0": 200,
    "N404": 404,
    "E101": 401,
    "E102": 401,
    "E103": 401,
    "E112": 413,
    "E113": 404,
    "E131": 409,
    "E132": 409,
}


class _Said(Exception):
    """The answer is found: ``code`` of section 8, ``message`` and ``data``."""

    def __init__(self, code: str, message: str = "", *, data: Any = None, status: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.data = data
        self.status = status or _HTTP.get(code, 503 if code.startswith("E2") else 400)


class Sandbox:
    """The department: a door, books and a clerk. Use as a context manager in tests."""

    def __init__(
        self,
        secret: bytes,
        state: Path,
        *,
        callback_url: str = "",
        decide_after: float = 1.0,
        slow_seconds: float = 8.0,
        app: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """``secret``: the shared secret; ``state``: directory of the books; ``port`` 0 = any."""
        self._signer = Signer(secret, app=app)
        self._decide_after = decide_after
        self._slow_seconds = slow_seconds
        self.ledger = Ledger(state)
        self.faults = FaultPlan(slow_seconds=slow_seconds)
        self.clerk = Clerk(self.ledger, SbxPushes(self._signer), callback_url=callback_url)
        self.door = Door(self, self.faults, host=host, port=port)
        self._control = Control(self.ledger, self.clerk, faults=self.faults, door=self.door)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.door.port

    def __enter__(self) -> Sandbox:
        self.clerk.start()
        self.door.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.door.stop()
        self.clerk.stop()
        self.ledger.close()

    def control(self, request: Request) -> Reply:
        """The unsigned side, for tests and trainers."""
        return self._control.answer(request)

    def answer(self, request: Request, fault: Fault | None) -> Reply:
        """One request of the document, answered and signed; ``fault`` as staged."""
        shape = Plan(first=())
        try:
            self._signer.check(
                request.method, request.target, headers=request.headers, body=request.body, now=utc_now()
            )
            shape, data = self._do(request, fault)
            said = _Said("0", "ok", data=data)
        except _Said as exc:
            said = exc
        except Unsigned as exc:
            said = _Said(exc.code, exc.message)
        if shape.html:
            return Reply.html()
        reply = self._sealed(said, request, fault)
        return replace(reply, cut=shape.cut, delay=self._slow_seconds if shape.slow else 0.0)

    def _sealed(self, said: _Said, request: Request, fault: Fault | None) -> Reply:
        envelope = {"code": said.code, "message": said.message}
        if said.data is not None:
            envelope["data"] = said.data
        body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
        time, nonce = beijing_text(utc_now()), request.headers.get("x-sbx-nonce", "") or "-"
        sign = self._signer.sign_answer(said.status, nonce, time=time, body=body)
        if fault is Fault.WRONG_SIGNATURE:
            sign = sign[::-1] if sign != sign[::-1] else "0" * 64
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Sbx-Time": time, "X-Sbx-Sign": sign}
        return Reply(said.status, body, headers)

    def _do(self, request: Request, fault: Fault | None) -> tuple[Plan, Any]:
        if len(request.body) > BODY_LIMIT:
            raise _Said("E112", "body over 1 MiB")
        act = _ACT.match(request.target)
        if request.path == BASE and request.method == "GET":
            self._unless_busy(fault)
            return Plan(first=()), self._find(request)
        if not (request.target == BASE or act):
            raise _Said("E113", "no such path")
        if request.method != "POST":
            raise _Said("E113", "no such method", status=405)
        try:
            body = read_object(request.body)
        except BadBody as exc:
            raise _Said("E110", str(exc)) from exc
        if act:
            return Plan(first=()), self._act(act[1], act[2], body=body, fault=fault)
        return self._file(body, request.body, fault=fault)

    def _find(self, request: Request) -> Any:
        query = parse_qs(request.target.partition("?")[2], keep_blank_values=True)
        if set(query) != {"callId"} or len(query["callId"]) != 1:
            raise _Said("E111", "fields wrong", data={"errors": [{"path": "callId", "say": "exactly one is needed"}]})
        found = self.ledger.find(query["callId"][0])
        if found is None:
            raise _Said("N404", "not known")
        return found

    def _file(self, body: dict[str, Any], raw: bytes, *, fault: Fault | None) -> tuple[Plan, Any]:
        self._take(sbx_rules.check_application(body))
        if fault is Fault.BUSY:
            self.ledger.note_arrival(body["callId"])
        self._unless_busy(fault)
        shape = plan(
            body["content"]["scenario"],
            body["answer"],
            decide_after=self._decide_after,
            twice=fault is Fault.TWICE,
            reverse=fault is Fault.OUT_OF_ORDER,
        )
        sbx_no = self.ledger.file(body, raw, shape)
        shown = self.ledger.show(sbx_no)
        self.clerk.look()
        return shape, shown

    def _act(self, sbx_no: str, kind: str, *, body: dict[str, Any], fault: Fault | None) -> Any:
        check = sbx_rules.check_supplement if kind == "supplement" else sbx_rules.check_withdrawal
        self._take(check(body))
        self._unless_busy(fault)
        with self.ledger.whole():
            shown = self.ledger.show(sbx_no)
            if shown is None:
                raise _Said("N404", "not known")
            if self.ledger.receipt_of(sbx_no) != body["receiptNo"]:
                raise _Said("E132", "receiptNo is another's")
            if self.ledger.has_act(sbx_no, body["callId"]):
                return shown
            if kind == "supplement":
                shape = self._supplement(shown, body)
            else:
                if shown["status"] == "WITHDRAWN":
                    return shown
                if shown["status"] in DECIDED:
                    raise _Said("E131", "decided", data=shown)
                shape = Plan(first=({"status": "WITHDRAWN", "text": "已按申请撤回"},))
            self.ledger.act(sbx_no, body, kind=kind, plan=shape)
        self.clerk.look()
        return self.ledger.show(sbx_no)

    def _supplement(self, shown: dict[str, Any], body: dict[str, Any]) -> Plan:
        if shown["status"] != "CORRECTION":
            raise _Said("E131", "no correction is open", data=shown)
        marked = {mark["field"] for mark in shown["events"][-1].get("marks", ())}
        beyond = sorted(set(body["changes"]) - marked)
        if beyond:
            raise _Said(
                "E133",
                "a change that was not asked",
                data={"errors": [{"path": f"changes.{n}", "say": "not asked"} for n in beyond]},
            )
        return plan_after_supplement(decide_after=self._decide_after)

    @staticmethod
    def _take(problems: list[dict[str, str]]) -> None:
        if problems:
            raise _Said("E111", "fields wrong", data={"errors": problems})

    @staticmethod
    def _unless_busy(fault: Fault | None) -> None:
        if fault is Fault.BUSY:
            raise _Said("E201", "busy, nothing was stored")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = options_of("sandbox", "sandbox department FT_SBX")
    parser.add_argument("--decide-after", type=float, default=1.0, help="seconds")
    options = parser.parse_args(arguments)
    sandbox = Sandbox(
        options.secret_file.read_bytes().strip(),
        options.state,
        callback_url=options.callback_url,
        decide_after=options.decide_after,
        slow_seconds=options.slow_seconds,
        app=options.app,
        host=options.host,
        port=options.port,
    )
    return serve(sandbox, print_ready=options.print_ready)


if __name__ == "__main__":
    sys.exit(main())
