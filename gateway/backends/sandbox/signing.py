"""The sandbox department's signature: HMAC-SHA256 in headers, both ways (FT_SBX 2).

Must not parse a body and must not judge what it says; signs and compares bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.domain.clock import read_stamp, stamp
from gateway.domain.errors import NotAuthentic
from gateway.domain.reasons import Reason
from gateway.signing.secret import Secret

APP, TIME, NONCE, SIGN = "X-Sbx-App", "X-Sbx-Time", "X-Sbx-Nonce", "X-Sbx-Sign"
WINDOW = timedelta(minutes=5)  # FT_SBX 2


def new_nonce() -> str:
    """32 hex digits, taken once."""
    return secrets.token_hex(16)


def request_sign(secret: Secret, *, method: str, target: str, time: str, nonce: str, body: bytes) -> str:
    """The signature of a request; ``target`` is path with query exactly as sent."""
    return _mac(secret, method, target, time, nonce, _digest(body))


def answer_sign(secret: Secret, *, status: int, nonce: str, time: str, body: bytes) -> str:
    """The signature of an answer to the request that carried ``nonce`` ("-" when it had none)."""
    return _mac(secret, str(status), nonce, time, _digest(body))


def signed_headers(
    secret: Secret, *, app: str, method: str, target: str, body: bytes, now: datetime, nonce: str
) -> dict[str, str]:
    """The four headers of a request."""
    time = stamp(now)
    sign = request_sign(secret, method=method, target=target, time=time, nonce=nonce, body=body)
    return {APP: app, TIME: time, NONCE: nonce, SIGN: sign}


def answer_holds(secret: Secret, *, status: int, headers: Mapping[str, str], body: bytes, nonce: str) -> bool:
    """True only when the answer is theirs and belongs to our nonce; that also makes it fresh."""
    time, given = header(headers, TIME), header(headers, SIGN)
    return bool(time) and _same(answer_sign(secret, status=status, nonce=nonce, time=time, body=body), given)


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
    try:
        moment = read_stamp(time)
    except ValueError:
        raise NotAuthentic("the time of signing cannot be read", reason=Reason.CLOCK) from None
    if abs(moment - now) > WINDOW:
        raise NotAuthentic("signed outside the window of five minutes", reason=Reason.CLOCK)


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
