"""Signatures of FT_SBX in both directions (docs/departments/FT_SBX.md section 2).

Must not look into a body: it is signed as bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
CLOCK_SKEW = timedelta(minutes=5)
NONCE_LIFE = timedelta(minutes=10)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+08:00\Z")
_NONCE = re.compile(r"[0-9A-Za-z-]{8,64}\Z")


class Unsigned(Exception):
    """A request that is not taken; ``code`` is the document's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def beijing_text(moment: datetime) -> str:
    """``moment`` as the document writes times: ``2026-11-23T10:15:31.204+08:00``."""
    return moment.astimezone(BEIJING).isoformat(timespec="milliseconds")


def is_time(text: str) -> bool:
    """True for a real moment in the document's form."""
    if not _TIME.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


class Signer:
    """The shared secret at work."""

    def __init__(self, secret: bytes, *, app: str = "") -> None:
        """``app``: the only application id taken; empty = any, the signature decides."""
        if len(secret) < 8:
            raise ValueError("the secret is shorter than 8 bytes")
        self._secret = secret
        self._app = app
        self._nonces: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def sign_request(self, method: str, target: str, *, time: str, nonce: str, body: bytes) -> str:
        """The signature of a request or push; ``target`` is the path with query."""
        return self._mac(method, target, time, nonce, _digest(body))

    def sign_answer(self, status: int, nonce: str, *, time: str, body: bytes) -> str:
        """The signature of an answer to the request with ``nonce`` ("-" = it had none)."""
        return self._mac(str(status), nonce, time, _digest(body))

    def check(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Take a request or raise ``Unsigned``: signature first, then clock, then nonce."""
        app, time, nonce, sign = (headers.get(f"x-sbx-{name}", "") for name in ("app", "time", "nonce", "sign"))
        if not (app and time and sign and _NONCE.match(nonce)):
            raise Unsigned("E101", "a header is missing or malformed")
        expected = self.sign_request(method, target, time=time, nonce=nonce, body=body)
        if not hmac.compare_digest(expected.encode(), sign.encode("utf-8", "replace")) or (
            self._app and app != self._app
        ):
            raise Unsigned("E101", "signature does not hold")
        if not is_time(time) or abs(datetime.fromisoformat(time) - now) > CLOCK_SKEW:
            raise Unsigned("E102", "clock")
        with self._lock:
            if len(self._nonces) > 20000:
                self._nonces = {key: seen for key, seen in self._nonces.items() if now - seen < NONCE_LIFE}
            seen = self._nonces.get(f"{app} {nonce}")
            if seen and now - seen < NONCE_LIFE:
                raise Unsigned("E103", "nonce used")
            self._nonces[f"{app} {nonce}"] = now

    def _mac(self, *lines: str) -> str:
        return hmac.new(self._secret, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def utc_now() -> datetime:
    """The moment, aware."""
    return datetime.now(UTC)
