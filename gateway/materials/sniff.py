"""The type of a file by its first bytes, and whether a text is one to its end (rules.md 37).

Must not decode pictures or documents: they are looked at by name of their first bytes and never opened here.
"""

from __future__ import annotations

import codecs
import re

from gateway.materials.limits import JPEG, JSON, PDF, PNG, TEXT

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"%PDF-", PDF),
    (b"\xff\xd8\xff", JPEG),
)
_LONGEST = max(len(magic) for magic, _ in _MAGIC)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK = b" \t\r\n"


class Sniffer:
    """Takes a file piece by piece; ``fits`` says at the end whether it may be of the type that was signed."""

    __slots__ = ("_decoder", "_first", "_head", "_text", "_type")

    def __init__(self, type_: str) -> None:
        self._type = type_
        self._head = b""
        self._first = b""  # of a text: its first character that is no blank
        self._text = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        if len(self._head) < _LONGEST:
            self._head += piece[: _LONGEST - len(self._head)]
        if self._type in {JSON, TEXT} and self._text:
            self._first = self._first or piece.lstrip(_BLANK)[:1]
            self._text = _NOT_TEXT.search(piece) is None and self._decodes(piece, final=False)

    def fits(self) -> bool:
        """True when the bytes so far, taken as the whole, are of the signed type as far as their looks tell."""
        looks = next((name for magic, name in _MAGIC if self._head.startswith(magic)), "")
        if self._type not in {JSON, TEXT}:
            return looks == self._type
        if looks or not self._text or not self._decodes(b"", final=True):
            return False
        return self._type == TEXT or self._first == b"{"

    def _decodes(self, piece: bytes, *, final: bool) -> bool:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            return False
        return True
