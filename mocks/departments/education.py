"""The education bureau FT_EDU: a program of its own, written from docs/departments/FT_EDU.md alone.

Must not import the gateway or read its catalogue. ``python -m mocks.departments.education --help``; magic numbers and
the control side are described in ``mocks/README.md``.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import secrets
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from mocks.departments import edu_notices
from mocks.departments.door import Door, Reply, Request
from mocks.departments.edu_control import EduControl
from mocks.departments.edu_courses import SHARED, Course, Rule
from mocks.departments.edu_desk import FILE_LIMIT, Desk, Done, Told, busy
from mocks.departments.edu_ledger import EduLedger
from mocks.departments.edu_pushes import EduPushes
from mocks.departments.edu_signing import EduSigner
from mocks.departments.hmac_signing import Unsigned, utc_now
from mocks.departments.json_checks import BadBody, read_object
from mocks.departments.program import options_of, serve
from mocks.departments.pushes import Clerk
from mocks.faults import Fault, FaultPlan

BASE = "/edu-service/v2"
BODY_LIMIT = 2 * 1024 * 1024
INSTANT = ("FT-EDU-001", "FT-EDU-002")
SHARES = "grant=80,refuse=8,correction=8,special=4"
_PLACES = (
    ("POST", re.compile(r"/cases"), "submit"),
    ("GET", re.compile(r"/cases/by-call/([^/]+)"), "find_by_call"),
    ("GET", re.compile(r"/cases/([^/]+)"), "find"),
    ("POST", re.compile(r"/cases/([^/]+)/supplements"), "supplement"),
    ("POST", re.compile(r"/cases/([^/]+)/withdrawal"), "withdraw"),
    ("POST", re.compile(r"/files"), "upload"),
    ("GET", re.compile(r"/cases/([^/]+)/documents/([^/]+)"), "paper"),
    ("GET", re.compile(r"/day-lists/([^/]+)"), "day_list"),
    ("GET", re.compile(r"/service-status"), "status"),
)


class EducationBureau:
    """The department: a door, books, officers and a clerk. Use as a context manager in tests."""

    def __init__(
        self,
        secret: bytes,
        state: Path,
        *,
        rule: Rule,
        callback_url: str = "",
        app: str = "",
        clock: Callable[[], datetime] = utc_now,
        keep_night: bool = True,
        keep_desk_hours: bool = False,
        most_per_second: int = 20,
        slow_seconds: float = 8.0,
        push_minute: float = 60.0,
        strict_pushes: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """``state``: directory of the books; ``keep_night``: closed 23:55-00:05; ``most_per_second`` 0 = no limit."""
        self._signer = EduSigner(secret, app=app, clock=clock)
        self._clock = clock
        self._keep_night = keep_night
        self._slow_seconds = slow_seconds
        self._most = most_per_second
        self._recent: deque[datetime] = deque()
        self.ledger = EduLedger(state, clock=clock, keep_desk_hours=keep_desk_hours)
        self.faults = FaultPlan(slow_seconds=slow_seconds)
        pushes = EduPushes(self._signer, minute=push_minute, strict=strict_pushes)
        self.clerk = Clerk(self.ledger, pushes, callback_url=callback_url)
        self.desk = Desk(self.ledger, rule, look=self.clerk.look)
        self.door = Door(self, self.faults, host=host, port=port, body_cap=FILE_LIMIT + 1)
        self._control = EduControl(self.ledger, self.clerk, rule, faults=self.faults, door=self.door, pushes=pushes)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.door.port

    def __enter__(self) -> EducationBureau:
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
        if self.ledger.notice("maintenance", False):
            return Reply.html()  # section 11: the front proxy, not we
        done = Done(None)
        try:
            self._signer.check(request.method, request.target, headers=request.headers, body=request.body)
            self._unless_too_fast()
            done = self._do(request, fault)
            told = Told(0, done.msg, body=done.body)
        except Told as exc:
            told = exc
        except Unsigned as exc:
            told = Told(int(exc.code), exc.message)
        if done.shape.html:
            return Reply.html()
        reply = self._sealed(told, request, fault)
        return replace(reply, cut=done.shape.cut, delay=self._slow_seconds if done.shape.slow else 0.0)

    def _do(self, request: Request, fault: Fault | None) -> Done:
        name, parts = _place(request)
        edu_notices.unless_closed(
            self.ledger, self._clock(), asking=name == "status", writing=request.method != "GET", night=self._keep_night
        )
        if name == "upload":
            self._unless_busy(fault)
            return self.desk.upload(request.body, request.headers)
        if request.method == "GET":
            self._unless_busy(fault)
            return self._read(name, parts, request)
        body = _json_body(request)
        if name == "submit":
            if fault is Fault.BUSY and isinstance(body.get("callId"), str):
                self.ledger.note_arrival(body["callId"])
            self._unless_busy(fault)
            return self.desk.submit(body, request.body, fault=fault)
        self._unless_busy(fault)
        return self.desk.supplement(parts[0], body) if name == "supplement" else self.desk.withdraw(parts[0], body)

    def _read(self, name: str, parts: tuple[str, ...], request: Request) -> Done:
        if name == "find":
            return self.desk.find(parts[0])
        if name == "find_by_call":
            return self.desk.find_by_call(parts[0])
        if name == "paper":
            return Done(self.desk.paper(parts[0], parts[1]))
        if name == "day_list":
            page = parse_qs(request.target.partition("?")[2]).get("page", ["1"])[0]
            return self.desk.day_list(parts[0], page)
        return Done(edu_notices.status(self.ledger, self._clock(), night=self._keep_night))

    def _sealed(self, told: Told, request: Request, fault: Fault | None) -> Reply:
        status = 200 if told.code == 0 else int(str(told.code)[:3])
        headers = {"Content-Type": "application/json"}
        if isinstance(told.body, bytes):
            body = told.body
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            headers = {"Content-Type": "application/pdf", "Digest": f"sha-256={digest}"}
        else:
            envelope = {"code": told.code, "msg": told.msg, "traceId": secrets.token_hex(3)}
            if told.body is not None:
                envelope["body"] = told.body
            body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
        signed = self._signer.answer_headers(request.headers, status, body)
        if fault is Fault.WRONG_SIGNATURE:
            good = signed["X-Edu-Signature"]
            signed["X-Edu-Signature"] = good[::-1] if good != good[::-1] else "0" * 64
        return Reply(status, body, {**headers, **told.headers, **signed})

    def _unless_too_fast(self) -> None:
        if not self._most:
            return
        now = self._clock()
        with self.ledger.whole():
            while self._recent and now - self._recent[0] >= timedelta(seconds=1):
                self._recent.popleft()
            if len(self._recent) >= self._most:
                raise Told(42901, "请求过于频繁", headers={"Retry-After": "1"})
            self._recent.append(now)

    @staticmethod
    def _unless_busy(fault: Fault | None) -> None:
        if fault is Fault.BUSY:
            raise busy()


def _place(request: Request) -> tuple[str, tuple[str, ...]]:
    for method, path, name in _PLACES:
        found = path.fullmatch(request.path.removeprefix(BASE)) if request.path.startswith(f"{BASE}/") else None
        if found and method == request.method:
            return name, found.groups()
    raise Told(40001, "没有这个接口", body={"errors": [{"path": "(path)", "reason": "no such operation"}]})


def _json_body(request: Request) -> dict[str, Any]:
    """The body of a POST. Raises ``Told`` 40001."""
    say = ""
    if len(request.body) > BODY_LIMIT:
        say = "over 2 MB"
    elif request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        say = "Content-Type is not application/json"
    try:
        if not say:
            return read_object(request.body)
    except BadBody as exc:
        say = str(exc)
    raise Told(40001, "参数不正确", body={"errors": [{"path": "body", "reason": say}]})


def shares(words: str) -> Mapping[Course, int]:
    """Read ``grant=80,refuse=20``. Raises ``argparse.ArgumentTypeError``."""
    try:
        read = {Course(name): int(part) for name, _, part in (word.partition("=") for word in words.split(","))}
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    if not set(read) <= set(SHARED) or min(read.values()) < 0 or not sum(read.values()):
        raise argparse.ArgumentTypeError(f"shares of {', '.join(SHARED)}, not all 0")
    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = options_of("education", "education bureau FT_EDU")
    parser.add_argument("--decide-after", type=float, default=2.0, help="seconds from filing to the decision")
    parser.add_argument("--shares", type=shares, default=SHARES, help=f"weights of the rule (default {SHARES})")
    parser.add_argument("--seed", type=int, default=0, help="of the rule")
    parser.add_argument("--officers", choices=("rule", "hand"), default="rule")
    parser.add_argument("--instant", default=",".join(INSTANT), help="items decided at once (default %(default)s)")
    parser.add_argument("--correction-days", type=int, default=5, help="working days")
    parser.add_argument("--promise-days", type=int, default=10, help="working days")
    parser.add_argument("--hours", choices=("document", "always"), default="document", help="closed at night or never")
    parser.add_argument("--desk-hours", action="store_true", help="officers act on working days 9-12, 14-18 only")
    parser.add_argument("--rate", type=int, default=20, help="requests a second, 0 = any")
    parser.add_argument("--push-minute", type=float, default=60.0, help="seconds a minute of the push schedule lasts")
    parser.add_argument("--strict-pushes", action="store_true", help="the answer to a push must be signed")
    options = parser.parse_args(arguments)
    rule = Rule(
        shares=options.shares,
        seed=options.seed,
        decide_after=options.decide_after,
        correction_days=options.correction_days,
        promise_days=options.promise_days,
        by_hand=options.officers == "hand",
        instant=frozenset(item for item in options.instant.split(",") if item),
    )
    bureau = EducationBureau(
        options.secret_file.read_bytes().strip(),
        options.state,
        rule=rule,
        callback_url=options.callback_url,
        app=options.app,
        keep_night=options.hours == "document",
        keep_desk_hours=options.desk_hours,
        most_per_second=options.rate,
        slow_seconds=options.slow_seconds,
        push_minute=options.push_minute,
        strict_pushes=options.strict_pushes,
        host=options.host,
        port=options.port,
    )
    return serve(bureau, print_ready=options.print_ready)


if __name__ == "__main__":
    sys.exit(main())
