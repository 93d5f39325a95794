"""The receipt (收件凭证): an object of its own, made once, stored, the same bytes for ever (operations.md section 3).

Must not be made again for a case that has one. It promises receipt, never acceptance by the department.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from gateway.catalogue.kinds import mod37_36_check
from gateway.domain.clock import beijing, stamp
from gateway.signing.canon import canonical_json
from gateway.signing.keys import SigningKey

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: typed O, I, L may be read as 0, 1, 1
_JWS_NAMES = {"ed25519": "EdDSA"}


def _drawn() -> str:
    return "".join([ALPHABET[byte % 32] for byte in secrets.token_bytes(5)])  # 32 letters: each as likely as any


def new_number(slip_no: str, received_at: datetime, *, draw: Callable[[], str] = _drawn) -> str:
    """``FT`` + yyMMdd + slip number + 5 drawn characters + MOD 37,36 check; random, not countable (rules.md 36).

    Drawn again while the check character would be one of I, L, O, U, so that none of them ever occurs.
    """
    while True:
        body = f"FT{beijing(received_at):%y%m%d}{slip_no}{draw()}"
        check = mod37_36_check(body)
        if check in ALPHABET:
            return body + check


def read_number(typed: str) -> str:
    """A typed receipt number in its stored form. Raises ``ValueError`` when its check character does not hold.

    Upper-cased, spaces and hyphens dropped, O I L read as 0 1 1. A suffix such as ``-LIC`` belongs to a bundle's
    step and is not a receipt number.
    """
    text = typed.upper().replace(" ", "").replace("-", "")
    text = text[:2] + text[2:].translate(str.maketrans("OIL", "011"))
    if len(text) != 16 or not text.startswith("FT") or not text[2:].isalnum():
        raise ValueError("not the form of a receipt number")
    if mod37_36_check(text[:15]) != text[15]:
        raise ValueError("the check character does not hold")
    return text


def make(key: SigningKey, payload: dict[str, str]) -> str:
    """A compact JWS over the canonical payload; the receipt key signs nothing else."""
    signed = _header(key.algorithm, key.key_id) + b"." + _b64(canonical_json(payload))
    return (signed + b"." + _b64(key.sign(signed))).decode("ascii")


@lru_cache(maxsize=16)
def _header(algorithm: str, key_id: str) -> bytes:
    return _b64(canonical_json({"alg": _JWS_NAMES[algorithm], "kid": key_id, "typ": "ft-receipt+jws"}))


def payload(
    *,
    receipt_no: str,
    bank: str,
    bank_ref: str,
    item: str,
    item_version: str,
    outlet: str,
    business_digest: str,
    received_at: datetime,
    entry: str,
    provisional_no: str = "",
) -> dict[str, str]:
    """Exactly the members of operations.md section 3; no personal data."""
    members = {
        "v": "1",
        "receipt_no": receipt_no,
        "bank": bank,
        "bank_ref": bank_ref,
        "item": item,
        "item_version": item_version,
        "outlet": outlet,
        "business_digest": business_digest,
        "received_at": stamp(received_at),
        "entry": entry,
    }
    if provisional_no:
        members["provisional_no"] = provisional_no
    return members


def _b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
