"""Signatures of FT_SBX in both directions (docs/departments/FT_SBX.md section 2).

Must not look into a body: it is signed as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from mocks.departments.hmac_signing import CLOCK_SKEW, Nonces, Unsigned, mac_hex, same, sha256_hex

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+08:00\Z")
_NONCE = re.compile(r"[0-9A-Za-z-]{8,64}\Z")


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
        self._nonces = Nonces()

    def sign_request(self, method: str, target: str, *, time: str, nonce: str, body: bytes) -> str:
        """The signature of a request or push; ``target`` is the path with query."""
        return mac_hex(self._secret, method, target, time, nonce, sha256_hex(body))

    def sign_answer(self, status: int, nonce: str, *, time: str, body: bytes) -> str:
        """The signature of an answer to the request with ``nonce`` ("-" = it had none)."""
        return mac_hex(self._secret, str(status), nonce, time, sha256_hex(body))

    def check(self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Take a request or raise ``Unsigned``: signature first, then clock, then nonce."""
        app, time, nonce, sign = (headers.get(f"x-sbx-{name}", "") for name in ("app", "time", "nonce", "sign"))
        if not (app and time and sign and _NONCE.match(nonce)):
            raise Unsigned("E101", "a header is missing or malformed")
        expected = self.sign_request(method, target, time=time, nonce=nonce, body=body)
        if not same(expected, sign) or (self._app and app != self._app):
            raise Unsigned("E101", "signature does not hold")
        if not is_time(time) or abs(datetime.fromisoformat(time) - now) > CLOCK_SKEW:
            raise Unsigned("E102", "clock")
        if not self._nonces.use(app, nonce, now=now):
            raise Unsigned("E103", "nonce used")
