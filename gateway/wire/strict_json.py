"""JSON read strictly: the one parser for everything that came over a wire (rules.md 9).

Must not know what the members mean. Refused: members named twice, ``NaN`` and ``Infinity``, bad UTF-8, lone surrogates,
control characters other than a line feed, too much depth. Depth is judged before any recursion, so a deep document is
refused like any other and never a ``RecursionError``.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, Literal

_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # possessive: linear, also where a quote is missing
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_C1_IN_UTF8 = re.compile(rb"\xc2[\x80-\x9f]")
_SHALLOW = 100  # so many opening brackets cannot trouble the stack, whatever their order


class NotJson(ValueError):
    """Not the JSON we take; ``reason`` says why, in English, without content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Number(str):
    """A number exactly as written (``100.50`` stays ``100.50``); only with ``numbers="text"``."""

    __slots__ = ()


def parse(text: str | bytes, *, max_depth: int = 32, numbers: Literal["refuse", "text"] = "refuse") -> Any:
    """The value: dicts, lists, strings, booleans; with ``numbers="text"`` also ``Number`` and ``None``.

    The outermost object or list is depth 1. Raises ``NotJson`` and nothing else.
    """
    text, octets = _both_forms(text)
    # The scanner refuses U+0000 to U+001F inside strings; the two searches are for what it lets through.
    if b"\x7f" in octets or (b"\xc2" in octets and _C1_IN_UTF8.search(octets)):
        raise NotJson("a control character")
    if octets.count(b"[") + octets.count(b"{") > _SHALLOW:
        _refuse_depth(text, max_depth)
    decoder = _STRICT if numbers == "refuse" else _KEEPING
    try:
        value = decoder.decode(text)
    except JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from None
    except RecursionError:  # only where the caller's own stack was nearly spent
        raise NotJson("too deep") from None
    _check(value, max_depth, escapes=b"\\" in octets, nulls=numbers == "text")
    return value


def _both_forms(text: str | bytes) -> tuple[str, bytes]:
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8"), text
        return text, text.encode("utf-8")
    except UnicodeDecodeError:
        raise NotJson("not UTF-8") from None
    except UnicodeEncodeError:
        raise NotJson("a lone surrogate") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("a member named twice")
    return members


def _refuse_number(literal: str) -> Any:
    raise NotJson("a number")


def _refuse_constant(literal: str) -> Any:
    raise NotJson("NaN or Infinity")


_STRICT = JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_refuse_number,
    parse_float=_refuse_number,
    parse_constant=_refuse_constant,
)
_KEEPING = JSONDecoder(
    object_pairs_hook=_members, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
)


def _refuse_depth(text: str, max_depth: int) -> None:
    """Take the innermost pairs off, once per level allowed: what is left is too deep, or no JSON anyway."""
    brackets = _NOT_BRACKETS.sub("", _STRINGS.sub("", text))
    for _ in range(max_depth):
        if not brackets:
            return
        brackets = _without_innermost(brackets)
    if brackets:
        raise NotJson(f"deeper than {max_depth} levels, or brackets that do not match")


_INNERMOST = re.compile(r"(?:\[\]|\{\})+")


def _without_innermost(brackets: str) -> str:
    return _INNERMOST.sub("", brackets)


def _check(value: Any, max_depth: int, *, escapes: bool, nulls: bool) -> None:
    """What the scanner lets through: depth, nulls, and characters that came as escapes."""
    strings = [value] if escapes and type(value) is str else []
    level = [value]
    for _ in range(max_depth + 1):
        objects = [node for node in level if type(node) is dict]
        lists = [node for node in level if type(node) is list]
        if not nulls and None in level:
            raise NotJson("null")
        if not objects and not lists:
            break
        if escapes:
            strings += [name for node in objects for name in node]
            strings += [inner for node in objects for inner in node.values() if type(inner) is str]
            strings += [inner for node in lists for inner in node if type(inner) is str]
        level = [inner for node in objects for inner in node.values() if type(inner) is not str]
        level += [inner for node in lists for inner in node if type(inner) is not str]
    else:
        raise NotJson(f"deeper than {max_depth} levels")
    # No pair can arise from joining: a surrogate next to another one stays two code points in a Python string.
    if strings and _FORBIDDEN.search("".join(strings)):
        raise NotJson("a control character or lone surrogate")
