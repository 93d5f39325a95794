"""Strict reading and checking of JSON bodies for department simulators: every problem is found, not only the first.

Must not know any department's members; they are given as tables of checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Problem = dict[str, str]
"""``{"path": …, "say": …}``"""

Check = Callable[[Any], str]
"""Says what is wrong with a value; "" = nothing."""


class BadBody(Exception):
    """Not a JSON object, or one with a member twice."""


class Problems:
    """Problems of one body, collected."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, say: str) -> None:
        """One more; ``path`` as ``applicant.name`` or ``materials[0]``."""
        self.found.append({"path": path, "say": say})

    def check(self, path: str, value: Any, check: Check) -> None:
        """Add what ``check`` says of ``value``, if anything."""
        if say := check(value):
            self.add(path, say)

    def members(self, value: Any, path: str, *, needs: Mapping[str, Check], may: Mapping[str, Check]) -> None:
        """Check an object: every member of ``needs``, nothing beyond ``needs`` and ``may``."""
        if not isinstance(value, dict):
            self.add(path or "body", "not an object")
            return
        prefix = f"{path}." if path else ""
        for name in needs:
            if name not in value:
                self.add(prefix + name, "missing")
        for name, found in value.items():
            check = needs.get(name) or may.get(name)
            if check is None:
                self.add(prefix + name, "unknown member")
            elif say := check(found):
                self.add(prefix + name, say)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises ``BadBody``."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            raise BadBody("a member twice")
        return members

    def refuse(name: str) -> None:
        raise BadBody(f"{name} is no JSON")

    try:
        value = json.loads(body.decode(), object_pairs_hook=unique, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # lone surrogates
    except (ValueError, RecursionError) as exc:
        raise BadBody(str(exc)) from exc
    if not isinstance(value, dict):
        raise BadBody("not an object")
    return value


def text(pattern: str = r"[^\x00-\x1f]+", *, most: int) -> Check:
    """Text of at most ``most`` characters that matches ``pattern`` as a whole."""
    form = re.compile(pattern)

    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "not text"
        if not value:
            return "empty"
        if len(value) > most:
            return f"longer than {most}"
        return "" if form.fullmatch(value) else "characters not allowed"

    return check


def one_of(*words: str) -> Check:
    """One of these texts."""
    return lambda value: "" if isinstance(value, str) and value in words else f"not one of {', '.join(words)}"


def anything(_: Any) -> str:
    """Whatever: judged elsewhere."""
    return ""
