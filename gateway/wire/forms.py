"""Form bodies and query strings read strictly, as bytes first: ``application/x-www-form-urlencoded`` (WHATWG URL 5.1).

Must not replace, trim or guess: a bad escape or a bad character is refused. Names that repeat are all handed on; what
that means is the peer's business.
"""

from __future__ import annotations

from typing import Literal

MAX_PAIRS = 200  # far above any envelope: it stops a body of a hundred thousand empty members


class NotForm(ValueError):
    """Not a form we take; ``reason`` says why, in English, without content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def raw_pairs(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values as bytes, in order, escapes undone, ``+`` a space, blank values kept.

    Empty pieces (``a=1&&b=2``) are skipped. Raises ``NotForm``: bad escape, a piece without ``=``, too many pieces.
    """
    pieces = raw.split(b"&")
    if len(pieces) > MAX_PAIRS:
        raise NotForm("too many members")
    pairs = []
    for piece in pieces:
        if not piece:
            continue
        name, equals, value = piece.partition(b"=")
        if not equals:
            raise NotForm("a member without =")
        pairs.append((_plain(name), _plain(value)))
    return pairs


def pairs(raw: bytes, encoding: Literal["utf-8", "gb18030"]) -> list[tuple[str, str]]:
    """Names and values as text. Raises ``NotForm``, also where a value is not in ``encoding``."""
    try:
        return [(name.decode(encoding), value.decode(encoding)) for name, value in raw_pairs(raw)]
    except UnicodeDecodeError:
        raise NotForm(f"not {encoding}") from None


def _plain(escaped: bytes) -> bytes:
    """Escapes undone by a C codec: ``%E4`` becomes ``\\xE4``, and a bad escape is its decoding error."""
    if b"+" in escaped:
        escaped = escaped.replace(b"+", b" ")
    if b"%" not in escaped:
        return escaped
    try:
        return escaped.replace(b"\\", b"\\\\").replace(b"%", b"\\x").decode("unicode_escape").encode("latin-1")
    except UnicodeDecodeError:
        raise NotForm("a bad percent escape") from None
