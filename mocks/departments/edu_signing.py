"""Signatures of FT_EDU in both directions (docs/departments/FT_EDU.md section 2), and its way to write times.

Must not look into a body: it is signed as bytes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from mocks.departments.hmac_signing import (
    BEIJING,
    CLOCK_SKEW,
    Nonces,
    Unsigned,
    mac_hex,
    same,
    sha256_hex,
    utc_now,
)

PUSH_APP = "edu-push"
NO_NONCE = "0" * 16
_NONCE = re.compile(r"[0-9a-z]{16,32}\Z")
_MILLIS = re.compile(r"[0-9]{13}\Z")


def time_text(moment: datetime) -> str:
    """``moment`` as the document writes times: ``2026-11-23 14:05:10``, Beijing."""
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def day_text(moment: datetime) -> str:
    """The Beijing day of ``moment``: ``2026-11-23``."""
    return f"{moment.astimezone(BEIJING):%Y-%m-%d}"


def millis(moment: datetime) -> str:
    """Epoch milliseconds as text."""
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


class EduSigner:
    """The shared secret at work."""

    def __init__(self, secret: bytes, *, app: str = "", clock: Callable[[], datetime] = utc_now) -> None:
        """``app``: the only ``X-Edu-AppId`` taken; empty = any, the signature decides."""
        if len(secret) < 8:
            raise ValueError("the secret is shorter than 8 bytes")
        self._secret = secret
        self._app = app
        self._clock = clock
        self._nonces = Nonces()

    def sign_request(self, method: str, target: str, *, timestamp: str, nonce: str, body: bytes) -> str:
        """The signature of a request or push; ``target`` is path with query exactly as sent."""
        return mac_hex(self._secret, method, target, timestamp, nonce, sha256_hex(body))

    def sign_answer(self, status: int, nonce: str, *, timestamp: str, body: bytes) -> str:
        """The signature of an answer; ``nonce`` is the request's."""
        return mac_hex(self._secret, "RESPONSE", str(status), timestamp, nonce, sha256_hex(body))

    def check(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes) -> None:
        """Take a request or raise ``Unsigned``: signature first, then clock, then nonce."""
        app, timestamp, nonce, signature = _read(headers)
        expected = self.sign_request(method, target, timestamp=timestamp, nonce=nonce, body=body)
        if not (app and same(expected, signature)) or (self._app and app != self._app):
            raise Unsigned("40101", "签名不正确")
        now = self._clock()
        if not _MILLIS.match(timestamp) or abs(int(timestamp) - int(millis(now))) > CLOCK_SKEW.total_seconds() * 1000:
            raise Unsigned("40102", "时间戳超出允许范围")
        if not _NONCE.match(nonce) or not self._nonces.use(app, nonce, now=now):
            raise Unsigned("40103", "随机数格式不正确或已使用")

    def answer_headers(self, request: Mapping[str, str], status: int, body: bytes) -> dict[str, str]:
        """The three headers of an answer to a request with headers ``request``; 16 zeros stand for no nonce."""
        asked = request.get("x-edu-nonce", "")
        nonce = asked if _NONCE.match(asked) else NO_NONCE
        timestamp = millis(self._clock())
        return {
            "X-Edu-Timestamp": timestamp,
            "X-Edu-Nonce": nonce,
            "X-Edu-Signature": self.sign_answer(status, nonce, timestamp=timestamp, body=body),
        }

    def push_headers(self, target: str, body: bytes) -> dict[str, str]:
        """The headers of one push, signed now."""
        timestamp, nonce = millis(self._clock()), secrets.token_hex(12)
        return {
            "Content-Type": "application/json",
            "X-Edu-AppId": PUSH_APP,
            "X-Edu-Timestamp": timestamp,
            "X-Edu-Nonce": nonce,
            "X-Edu-Signature": self.sign_request("POST", target, timestamp=timestamp, nonce=nonce, body=body),
        }

    def answer_holds(self, nonce: str, status: int, *, headers: Mapping[str, str], body: bytes) -> bool | None:
        """Whether the answer to our push with ``nonce`` is signed well; none = it carries no signature."""
        _, timestamp, answered, signature = _read(headers)
        if not signature:
            return None
        expected = self.sign_answer(status, nonce, timestamp=timestamp, body=body)
        return same(expected, signature) and answered in ("", nonce)


def _read(headers: Mapping[str, str]) -> tuple[str, str, str, str]:
    app, timestamp, nonce, signature = (
        headers.get(f"x-edu-{name}", "") for name in ("appid", "timestamp", "nonce", "signature")
    )
    return app, timestamp, nonce, signature
