"""An ICBC branch system that is told: takes the gateway's notices, verifies them, answers signed, keeps a ledger.

Must not import the gateway; written from the bank protocol description (notification) and operations.md 7 alone.
``python -m mocks.banks.icbc_notices --help``; its control side is ``/control/ledger`` and ``/control/faults``.
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mocks.banks.icbc_sim import string_to_sign
from mocks.banks.samples import BEIJING
from mocks.departments.door import Door, Reply, Request
from mocks.faults import BadFaultOrder, Fault, FaultPlan

_SKEW = timedelta(minutes=10)
_NEEDED = {"from", "api", "app_id", "charset", "format", "timestamp", "biz_content", "sign_type", "sign"}
_FAULTY, _LATER = "400017", "-500099"


class NotTaken(Exception):
    """A notice this bank does not believe or understand; the text says why."""


class NoticeReceiver:
    """The bank's own door for notices. Use as a context manager in tests."""

    def __init__(
        self,
        app_id: str,
        private_key_pem_path: str | Path,
        gateway_public_key_path: str | Path,
        *,
        path: str = "/gateway/notice",
        encrypt_key: bytes | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        slow_seconds: float = 8.0,
        now: Callable[[], datetime] = lambda: datetime.now(BEIJING),
    ) -> None:
        """``path``: of the address enrolled with the gateway, which is part of what is signed."""
        self._now = now
        private = serialization.load_pem_private_key(Path(private_key_pem_path).read_bytes(), password=None)
        public = serialization.load_pem_public_key(Path(gateway_public_key_path).read_bytes())
        if not isinstance(private, rsa.RSAPrivateKey) or not isinstance(public, rsa.RSAPublicKey):
            raise TypeError("both keys must be RSA")
        self._app_id, self._private, self._public = app_id, private, public
        self._path, self._encrypt_key = path, encrypt_key
        self._lock = threading.Lock()
        self._heard: list[dict[str, Any]] = []
        self.faults = FaultPlan(slow_seconds=slow_seconds)
        self.door = Door(self, self.faults, host=host, port=port)

    def __enter__(self) -> NoticeReceiver:
        self.door.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.door.stop()

    @property
    def url(self) -> str:
        """What to enrol with the gateway as notify_url."""
        return f"http://127.0.0.1:{self.door.port}{self._path}"

    # -- the ledger -------------------------------------------------------------------------------------------------

    def heard(self, *, kind: str = "", receipt_no: str = "") -> list[dict[str, Any]]:
        """Every request as it came: ``notice_id, event, taken, why, code``, repeats included."""
        with self._lock:
            rows = [dict(row) for row in self._heard]
        return [
            row
            for row in rows
            if (not kind or row["event"].get("kind") == kind)
            and (not receipt_no or row["event"].get("receipt_no") == receipt_no)
        ]

    def states(self) -> dict[str, dict[str, Any]]:
        """What this bank believes of each case: the event with the highest number, as operations.md 7 asks."""
        latest: dict[str, dict[str, Any]] = {}
        for row in self.heard():
            event = row["event"]
            number = event.get("receipt_no", "")
            known = latest.get(number)
            if row["taken"] and number and (known is None or int(event["event_no"]) > int(known["event_no"])):
                latest[number] = event
        return latest

    # -- the door ---------------------------------------------------------------------------------------------------

    def answer(self, request: Request, fault: Fault | None) -> Reply:
        """Judge one notice, note it, answer it signed; ``fault`` as staged."""
        row: dict[str, Any] = {"notice_id": "", "event": {}, "taken": False, "why": "", "code": _FAULTY}
        try:
            content = self._opened(request)
            row["notice_id"], row["event"] = str(content["notice_id"]), dict(content["event"])
            if fault is Fault.BUSY:
                row |= {"why": "busy", "code": _LATER}
            else:
                row |= {"taken": True, "code": "0"}
        except (NotTaken, KeyError, TypeError, ValueError) as error:
            row["why"] = str(error)
        with self._lock:
            self._heard.append(row)
        body = self._sealed(row["code"], row["notice_id"], row["why"], spoilt=fault is Fault.WRONG_SIGNATURE)
        return Reply(200, body, {"Content-Type": "application/json; charset=UTF-8"})

    def _opened(self, request: Request) -> dict[str, Any]:
        if request.method != "POST" or request.target != self._path:
            raise NotTaken(f"no such path: {request.method} {request.target}")
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, encoding="utf-8")
        members = dict(pairs)
        if len(members) != len(pairs) or not set(members) >= _NEEDED:
            raise NotTaken("members missing or twice")
        self._verify(members)
        if (members["from"], members["app_id"], members["format"]) != ("ft-gov", self._app_id, "json"):
            raise NotTaken("from, app_id or format is wrong")
        sent = datetime.strptime(members["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
        if abs(self._now() - sent) > _SKEW:
            raise NotTaken("clock")
        content = json.loads(self._plain(members))
        if content["op"] != "notice" or content["v"] != "1" or content["msg_id"] != content["notice_id"]:
            raise NotTaken("not a notice")
        return dict(content)

    def _verify(self, members: Mapping[str, str]) -> None:
        text = string_to_sign(self._path, members).encode("utf-8")
        if members["sign_type"] != "RSA2":
            raise NotTaken("sign_type")
        try:
            self._public.verify(base64.b64decode(members["sign"], validate=True), text, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise NotTaken("signature") from None

    def _plain(self, members: Mapping[str, str]) -> str:
        if self._encrypt_key is None:
            if "encrypt_type" in members:
                raise NotTaken("encrypted, and no key is agreed")
            return members["biz_content"]
        if members.get("encrypt_type") != "AES":
            raise NotTaken("plain, and encryption is agreed")
        cipher = Cipher(algorithms.AES(self._encrypt_key), modes.CBC(bytes(16))).decryptor()
        padded = cipher.update(base64.b64decode(members["biz_content"])) + cipher.finalize()
        pad = padding.PKCS7(128).unpadder()
        return (pad.update(padded) + pad.finalize()).decode("utf-8")

    def _sealed(self, code: str, notice_id: str, why: str, *, spoilt: bool) -> bytes:
        """The reply; signed is everything behind the first brace and before ``,"sign":"``."""
        content = {"return_code": int(code), "return_msg": why or "success", "msg_id": notice_id}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        if self._encrypt_key is not None:
            pad = padding.PKCS7(128).padder()
            cipher = Cipher(algorithms.AES(self._encrypt_key), modes.CBC(bytes(16))).encryptor()
            padded = pad.update(text.encode()) + pad.finalize()
            text = f'"{base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()}"'
        signed = f'"response_biz_content":{text},"sign_type":"RSA2"'
        source = signed + ("x" if spoilt else "")
        sign = base64.b64encode(self._private.sign(source.encode(), PKCS1v15(), hashes.SHA256())).decode()
        return f'{{{signed},"sign":"{sign}"}}'.encode()

    def control(self, request: Request) -> Reply:
        """``GET /control/ledger``; ``POST /control/faults`` as for the departments; ``POST /control/reset``."""
        match request.method, request.path:
            case "GET", "/control/ledger":
                return Reply.as_json({"heard": self.heard(), "states": self.states()})
            case "GET", "/control/faults":
                return Reply.as_json(self.faults.report())
            case "POST", "/control/faults":
                try:
                    self.faults.stage(json.loads(request.body or b"{}"))
                except (ValueError, BadFaultOrder) as error:
                    return Reply.as_json({"error": str(error)}, status=400)
                return Reply.as_json(self.faults.report())
            case "POST", "/control/reset":
                with self._lock:
                    self._heard.clear()
                return Reply.as_json({"heard": []})
        return Reply(404)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m mocks.banks.icbc_notices", description="an ICBC notice receiver")
    parser.add_argument("--app-id", required=True)
    parser.add_argument("--key", type=Path, required=True, help="the application's private key, PEM")
    parser.add_argument("--gateway-key", type=Path, required=True, help="the gateway's public key, PEM")
    parser.add_argument("--path", default="/gateway/notice", help="of the enrolled address; it is signed")
    parser.add_argument("--encrypt-key-file", type=Path, help="base64 of the shared AES key")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port (default)")
    options = parser.parse_args(arguments)
    secret = base64.b64decode(options.encrypt_key_file.read_text()) if options.encrypt_key_file else None
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with NoticeReceiver(
        options.app_id,
        options.key,
        options.gateway_key,
        path=options.path,
        encrypt_key=secret,
        host=options.host,
        port=options.port,
    ) as receiver:
        print(json.dumps({"ready": True, "port": receiver.door.port, "url": receiver.url}), flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
