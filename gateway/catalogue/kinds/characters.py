"""Which characters may stand in a text, and full-width input for identifiers.

Names are never normalised (operations.md 2.1): only identifiers are mapped, and only for checking and storing.
"""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, lone surrogates and the two non-characters XML 1.0 cannot carry.
# Private-use and unassigned code points stay: rare names are written with them on older systems.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_FORBIDDEN_IN_TEXT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

# A table instead of str.upper(): that would turn ß into SS and let it pass for two letters.
_NARROW = {code: chr(code - 0xFEE0).upper() for code in range(0xFF01, 0xFF5F)} | {
    code: chr(code).upper() for code in range(ord("a"), ord("z") + 1)
}


def has_forbidden(text: str, *, multiline: bool = False) -> bool:
    """True when a character may not stand here; ``\\n`` may, in multi-line text."""
    if text.isprintable():
        return False
    return (_FORBIDDEN_IN_TEXT if multiline else _FORBIDDEN).search(text) is not None


def narrow(text: str) -> str:
    """Full-width digits, letters and signs as ASCII, letters upper case; O and I are never turned into 0 and 1."""
    return text.upper() if text.isascii() else text.translate(_NARROW)


def shown(name: str) -> str:
    """A member name of a stranger, short and printable enough for a message."""
    return "".join(char if char.isprintable() else "?" for char in name[:40])
