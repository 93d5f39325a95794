"""Canonical bytes of JSON values and the digests taken over them (RFC 8785; operations.md 2.2).

Must not parse and must not know what the members mean, but for the one that stands outside the business digest.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes

OUTSIDE_DIGEST = "confirm_second"
BUSINESS_VERSION = "b1"
MAX_DEPTH = 64  # far above every parser's limit: it stops loops, not content

# The C encoder writes exactly the escapes of RFC 8785 section 3.2.2.2 when ensure_ascii is off; with ASCII names its
# order by code point is the order by UTF-16 units.
_SORTED = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
_AS_GIVEN = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


class NotCanonical(ValueError):
    """The value holds something our canonical form has no place for: a number, null, a lone surrogate, another type."""


def canonical_json(value: Any) -> bytes:
    """UTF-8 bytes of ``value`` as RFC 8785 writes them.

    Takes dicts with string names, lists, strings and booleans of exactly these types. Raises ``NotCanonical``.
    """
    encoder = _SORTED
    if not _names_are_ascii(value):
        value = _ordered(value)
        encoder = _AS_GIVEN
    try:
        return encoder.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        raise NotCanonical("a lone surrogate") from None


def sha256_label(data: bytes) -> str:
    """``sha256:`` and 64 lower-case hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def business_canonical(members: Mapping[str, Any]) -> bytes:
    """The bytes the business digest is taken over: everything but the top-level ``confirm_second``.

    Raises ``NotCanonical``.
    """
    return canonical_json({name: value for name, value in members.items() if name != OUTSIDE_DIGEST})


def business_digest(canonical: bytes, algorithm: str = "sha256") -> str:
    """``b1-sha256:…`` or ``b1-sm3:…``, 64 lower-case hex digits. Raises ``ValueError`` for another algorithm."""
    try:
        digest = _DIGESTS[algorithm]
    except KeyError:
        raise ValueError(f"no business digest called {algorithm!r}") from None
    return f"{BUSINESS_VERSION}-{algorithm}:{digest(canonical)}"


def same_business(canonical: bytes, label: str) -> bool:
    """True when ``canonical`` has the stored digest ``label``, computed under the label's own rule.

    An unknown rule is never the same: better a conflict than a case met by mistake.
    """
    rule = label.partition(":")[0]
    version, _, algorithm = rule.partition("-")
    if version != BUSINESS_VERSION or algorithm not in _DIGESTS or not label.isascii():
        return False
    return hmac.compare_digest(business_digest(canonical, algorithm), label)


def sm3_hex(data: bytes) -> str:
    """SM3 (GB/T 32905-2016) as 64 lower-case hex digits."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize().hex()


def _sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_DIGESTS: dict[str, Callable[[bytes], str]] = {"sha256": _sha256_hex, "sm3": sm3_hex}


def _names_are_ascii(value: Any) -> bool:
    """Level by level, so a deep or endless value cannot exhaust the stack. Raises ``NotCanonical``."""
    names: list[str] = []
    level = [value] if type(value) is not str else []
    for _ in range(MAX_DEPTH):
        objects = [node for node in level if type(node) is dict]
        lists = [node for node in level if type(node) is list]
        if len(objects) + len(lists) < len(level):
            _refuse_other_kinds(level)
        for node in objects:
            names += node
        level = [inner for node in objects for inner in node.values() if type(inner) is not str]
        level += [inner for node in lists for inner in node if type(inner) is not str]
        if not level:
            break
    else:
        raise NotCanonical(f"deeper than {MAX_DEPTH} levels")
    try:
        return "".join(names).isascii()
    except TypeError:
        raise NotCanonical("a member name that is not a string") from None


def _refuse_other_kinds(level: list[Any]) -> None:
    for node in level:
        if type(node) not in (bool, dict, list):
            raise NotCanonical(f"a value of type {type(node).__name__}")


def _ordered(value: Any) -> Any:
    """The same value with members in the order of their UTF-16 units (RFC 8785 section 3.2.3)."""
    if type(value) is dict:
        try:
            names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        except UnicodeEncodeError:
            raise NotCanonical("a lone surrogate") from None
        return {name: _ordered(value[name]) for name in names}
    if type(value) is list:
        return [_ordered(element) for element in value]
    return value
