"""The education bureau's signature: HMAC-SHA256 in headers, both ways (FT_EDU 2).

Must not parse a body and must not judge what it says; signs and compares bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gateway.domain.errors import NotAuthentic
from gateway.domain.reasons import Reason
from gateway.signing.secret import Secret

APP, TIME, NONCE, SIGN = "X-Edu-AppId", "X-Edu-Timestamp", "X-Edu-Nonce", "X-Edu-Signature"
WINDOW = timedelta(seconds=300)  # FT_EDU 2: skew
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLIS = re.compile(r"[1-9][0-9]{12}")  # years 2001 to 2286
_NONCE = re.compile(r"[0-9a-z]{16,32}")


def new_nonce() -> str:
    """32 of ``0-9a-f``, taken once."""
    return secrets.token_hex(16)


def millis(moment: datetime) -> str:
    """Epoch milliseconds as they stand in the header."""
    return str((moment - _EPOCH) // timedelta(milliseconds=1))


def request_sign(secret: Secret, *, method: str, target: str, time: str, nonce: str, body: bytes) -> str:
    """The signature of a request; ``target`` is path with query exactly as sent."""
    return _mac(secret, method, target, time, nonce, _digest(body))


def answer_sign(secret: Secret, *, status: int, time: str, nonce: str, body: bytes) -> str:
    """The signature of an answer to the request that carried ``nonce``."""
    return _mac(secret, "RESPONSE", str(status), time, nonce, _digest(body))


def signed_headers(
    secret: Secret, *, app: str, method: str, target: str, body: bytes, now: datetime, nonce: str
) -> dict[str, str]:
    """The four headers of a request."""
    time = millis(now)
    sign = request_sign(secret, method=method, target=target, time=time, nonce=nonce, body=body)
    return {APP: app, TIME: time, NONCE: nonce, SIGN: sign}


def answer_holds(secret: Secret, *, status: int, headers: Mapping[str, str], body: bytes, nonce: str) -> bool:
    """True only when the answer is theirs and belongs to our nonce; that also makes it fresh."""
    time, given = header(headers, TIME), header(headers, SIGN)
    return bool(time) and _same(answer_sign(secret, status=status, time=time, nonce=nonce, body=body), given)


def check_request(
    secret: Secret, *, app: str, method: str, target: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    """Verify a request of theirs over its raw bytes.

    Raises ``NotAuthentic``; its reason is ``CLOCK`` only once the signature holds.
    """
    time, nonce, given = header(headers, TIME), header(headers, NONCE), header(headers, SIGN)
    if not time or not nonce or not given:
        raise NotAuthentic("a signature header is missing")
    if header(headers, APP) != app:
        raise NotAuthentic("an unknown application id")
    if not _same(request_sign(secret, method=method, target=target, time=time, nonce=nonce, body=body), given):
        raise NotAuthentic("the signature does not hold")
    if not _NONCE.fullmatch(nonce):
        raise NotAuthentic("a nonce that is not 16 to 32 of 0-9a-z")
    if not _MILLIS.fullmatch(time):
        raise NotAuthentic("the time of signing cannot be read", reason=Reason.CLOCK)
    if abs(_EPOCH + timedelta(milliseconds=int(time)) - now) > WINDOW:
        raise NotAuthentic("signed outside the window of 300 seconds", reason=Reason.CLOCK)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header by its name in any case, or ""."""
    low = name.lower()
    return headers.get(low, "") or next((v for k, v in headers.items() if k.lower() == low), "")


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _mac(secret: Secret, *lines: str) -> str:
    # Header values arrive as latin-1 text; what is not ASCII can never have been signed by them.
    text = "\n".join(lines).encode("utf-8", "backslashreplace")
    return hmac.new(secret.reveal(), text, hashlib.sha256).hexdigest()


def _same(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode("utf-8", "backslashreplace"))
