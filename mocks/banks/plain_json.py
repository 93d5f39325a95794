"""The business part as banks write it: RFC 8785 for objects, lists, strings and booleans (operations.md 2.1, 2.2).

Must not accept numbers or null: the business part has none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any, *, charset: str = "UTF-8") -> str:
    """``value`` sorted and compact; characters that ``charset`` lacks are written ``\\uXXXX``.

    The canonical form proper is that of UTF-8. Raises ``ValueError`` for numbers, null and non-text names.
    """
    text = _write(value)
    if charset.upper().replace("-", "") == "UTF8":
        return text
    return "".join(char if _fits(char, charset) else _escaped(char) for char in text)


def business_digest(business: Mapping[str, Any]) -> str:
    """The label and digest b1 of a business part (operations.md 2.2)."""
    counted = {name: value for name, value in business.items() if name != "confirm_second"}
    return f"b1-sha256:{hashlib.sha256(canonical(counted).encode()).hexdigest()}"


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_write, value))}]"
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_write(name)}:{_write(value[name])}" for name in names) + "}"
    raise ValueError(f"the business part has no {type(value).__name__}")


def _fits(char: str, charset: str) -> bool:
    try:
        char.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
