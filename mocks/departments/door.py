"""A small HTTP/1.1 server for department simulators: real sockets that can be cut, dripped or refused.

Must not know any dialect: it reads a request, lets the department answer, and does what the fault plan says.
``/control/…`` is the simulator's own side: no faults, no signature, loopback only.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

from mocks.faults import Fault, FaultPlan, drip, reset

BODY_CAP = 4 * 1024 * 1024
IDLE_SECONDS = 30.0
_HTML = "<!DOCTYPE html><html><body><h1>系统维护中</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; ``target`` is path with query, header names lower-cased."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``cut``: reset the line instead of answering; ``delay``: seconds to wait before it leaves."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    delay: float = 0.0

    @classmethod
    def as_json(cls, value: Any, *, status: int = 200) -> Reply:
        """An unsigned JSON answer, for the control side."""
        body = json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8"})

    @classmethod
    def html(cls, *, status: int = 200) -> Reply:
        """A page where an answer should be."""
        return cls(status, _HTML.encode(), {"Content-Type": "text/html; charset=utf-8"})


class Department(Protocol):
    """What the door needs of a department."""

    def answer(self, request: Request, fault: Fault | None) -> Reply:
        """Do the request in the department's dialect; ``fault`` names those that need the dialect."""
        ...

    def control(self, request: Request) -> Reply:
        """Do an order of the control side."""
        ...


class Door:
    """Listens, and serves each connection in a thread of its own."""

    def __init__(
        self,
        department: Department,
        faults: FaultPlan,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        body_cap: int = BODY_CAP,
    ) -> None:
        """``body_cap``: bytes of a body above which nothing is read, only HTTP 413 answered."""
        self.body_cap = body_cap
        self.department = department
        self.faults = faults
        self._host = host
        self._stopped = threading.Event()
        self._closed_until = 0.0
        self._listener = self._listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="door", daemon=True)

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections; running ones end with the process."""
        self._stopped.set()
        self._thread.join(timeout=2)
        self._listener.close()

    def close_for(self, seconds: float) -> None:
        """Stop listening for a while: connections are then truly refused, not reset."""
        self._closed_until = time.monotonic() + seconds

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((self._host, port), backlog=256)
        listener.settimeout(0.1)
        return listener

    def _accept(self) -> None:
        while not self._stopped.is_set():
            pause = self._closed_until - time.monotonic()
            if pause > 0:
                self._listener.close()
                self._stopped.wait(pause)
                self._listener = self._listen(self.port)
            try:
                line, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line, address), daemon=True).start()

    def _serve(self, line: socket.socket, address: tuple[str, int]) -> None:
        line.settimeout(IDLE_SECONDS)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # a peer that goes away is its own business
            _Conversation(line, address, self)  # type: ignore[arg-type]  # socketserver's "server" is only kept
        with suppress(OSError):
            line.close()


class _Conversation(BaseHTTPRequestHandler):
    """One connection, request after request."""

    protocol_version = "HTTP/1.1"
    server_version = "sbx"
    sys_version = ""
    server: Door  # type: ignore[assignment]  # narrower than the base's, and always ours

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the ledger is the record."""

    def handle_one_request(self) -> None:
        """Read one request, unless the fault of the moment forbids it, and answer it."""
        self.close_connection = True
        head = self._peek()
        if not head:
            return
        ours = b" /control/" in head
        fault = None if ours else self.server.faults.draw(head.split(b" ", 1)[0].decode("ascii", "replace"))
        if fault is Fault.REFUSE:
            self._break()
            return
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        if fault is Fault.CUT_BEFORE:
            self._break()
            return
        request = self._read()
        if request is None:
            return
        if request.path.startswith("/control/"):
            self._write(self._control(request))
            return
        if fault is Fault.HTTP_503:
            self._write(Reply(503, b"service unavailable\n", {"Content-Type": "text/plain"}))
            return
        self._finish(self.server.department.answer(request, fault), fault)

    def _peek(self) -> bytes:
        """The first bytes of the next request, left where they are; nothing when the other side has gone."""
        try:
            return bytes(self.rfile.peek(1)[:64])  # type: ignore[attr-defined]  # a BufferedReader
        except OSError:
            return b""

    def _read(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self._write(Reply(411))
            return None
        if int(length) > self.server.body_cap:
            self._write(Reply(413))
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers, body)

    def _break(self) -> None:
        # The socket really closes when the handler ends and lets go of its files; until then it only lingers.
        reset(self.connection)
        self.close_connection = True

    def _control(self, request: Request) -> Reply:
        if not ipaddress.ip_address(self.client_address[0]).is_loopback:
            return Reply(404)
        return self.server.department.control(request)

    def _finish(self, reply: Reply, fault: Fault | None) -> None:
        if fault is Fault.CUT_AFTER or reply.cut:
            self._break()
            return
        if reply.delay or fault is Fault.SLOW:
            time.sleep(max(reply.delay, self.server.faults.slow_seconds if fault is Fault.SLOW else 0.0))
        if fault is Fault.HTTP_500:
            reply = Reply(500, b"internal server error\n", {"Content-Type": "text/plain"})
        elif fault is Fault.HTML:
            reply = Reply.html()
        self._write(reply, pause=self.server.faults.drip_seconds if fault is Fault.DRIP else None)

    def _write(self, reply: Reply, *, pause: float | None = None) -> None:
        connection = self.headers.get("Connection", "").lower()
        self.close_connection = connection == "close" or reply.status in (411, 413) or pause is not None
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer: list[bytes] = []
        if pause is None:
            self.wfile.write(head + reply.body)
        else:
            drip(self.wfile.write, head + reply.body, pause)
