"""A department that grants everything at once: what the sandbox simulator would cost must not be measured here.

Speaks ``docs/departments/FT_SBX.md`` as far as filing and finding go, keeps its books in memory, and tells at
``/arrivals`` when each application came.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import socketserver
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

_BEIJING = timezone(timedelta(hours=8))
_REASONS = {200: "OK", 404: "Not Found"}


class Books:
    """What was filed. ``arrivals``: receipt number → every moment it came, in seconds since 1970."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filed: dict[str, dict[str, Any]] = {}
        self._arrivals: dict[str, list[float]] = {}

    def file(self, body: bytes, *, at: float) -> dict[str, Any]:
        """Take an application and grant it."""
        read = json.loads(body)
        with self._lock:
            number = f"SBX20260101{len(self._filed) + 1:06d}"
            moment = _moment()
            events = [
                {"eventId": f"{number}-1", "seq": 1, "status": "RECEIVED", "at": moment},
                {"eventId": f"{number}-2", "seq": 2, "status": "GRANTED", "at": moment, "automatic": True},
            ]
            application = {"sbxNo": number, "callId": read["callId"], "status": "GRANTED", "events": events}
            self._filed[read["callId"]] = application
            self._arrivals.setdefault(read["receiptNo"], []).append(at)
        return application

    def find(self, call_id: str) -> dict[str, Any] | None:
        """The application filed under a call id."""
        with self._lock:
            return self._filed.get(call_id)

    def count(self) -> int:
        """How many receipt numbers came."""
        with self._lock:
            return len(self._arrivals)

    def arrivals(self) -> dict[str, list[float]]:
        """A copy of what came when."""
        with self._lock:
            return {receipt: list(moments) for receipt, moments in self._arrivals.items()}


class Door(socketserver.StreamRequestHandler):
    """One kept connection; reads as little of HTTP as the courier writes."""

    disable_nagle_algorithm = True
    server: Department

    def handle(self) -> None:
        """Answer requests until the other side closes."""
        while line := self.rfile.readline():
            method, target, _ = line.decode("latin-1").split(" ", 2)
            headers: dict[str, str] = {}
            while (field := self.rfile.readline().decode("latin-1").strip()) != "":
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", "0")))
            status, answer = self._answer(method, target, body, at=time.time())
            moment = _moment()
            nonce = headers.get("x-sbx-nonce", "-")
            text = "\n".join((str(status), nonce, moment, hashlib.sha256(answer).hexdigest()))
            sign = hmac.digest(self.server.secret, text.encode(), "sha256").hex()
            head = (
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(answer)}\r\nX-Sbx-Time: {moment}\r\nX-Sbx-Sign: {sign}\r\n\r\n"
            )
            self.wfile.write(head.encode() + answer)

    def _answer(self, method: str, target: str, body: bytes, *, at: float) -> tuple[int, bytes]:
        books = self.server.books
        if target == "/arrivals":
            return 200, json.dumps(books.arrivals()).encode()
        if target == "/control/health":
            return 200, json.dumps({"ok": True, "filed": books.count()}).encode()
        found = books.file(body, at=at) if method == "POST" else books.find(target.partition("?callId=")[2])
        if found is None:
            return 404, b'{"code":"N404","message":"not known"}'
        return 200, json.dumps({"code": "0", "message": "ok", "data": found}, separators=(",", ":")).encode()


class Department(socketserver.ThreadingTCPServer):
    """The listening side."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, secret: bytes) -> None:
        self.books = Books()
        self.secret = secret
        super().__init__(("127.0.0.1", port), Door)


def _moment() -> str:
    return datetime.now(UTC).astimezone(_BEIJING).isoformat(timespec="milliseconds")


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="a department that grants at once")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret-file", type=Path, required=True)
    arguments = parser.parse_args()
    with Department(arguments.port, arguments.secret_file.read_bytes().strip()) as department:
        department.serve_forever()


if __name__ == "__main__":
    main()
