"""Judges of what holds other values: an object with named members, a list of such objects.

Must not know any member by name. Unknown members are refused (operations.md section 8), with the nearest known name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from gateway.catalogue.kinds.characters import shown
from gateway.catalogue.kinds.notes import Judge, Notes
from gateway.domain.reasons import FieldCode

MAX_ROWS = 10_000
_MAX_UNKNOWN = 20  # the search for the nearest name is not free; a hostile object has thousands of names


@dataclass(frozen=True, slots=True)
class Member:
    """One named value of an object. ``offered_from``: the first day it may be given, none = always."""

    name: str
    label: str
    judge: Judge
    required: bool = False
    offered_from: date | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A document type and its number: both filled or both empty."""

    type_name: str
    type_label: str
    no_name: str
    no_label: str


class Block:
    """An object with named members, judged member by member; built once, used for every request."""

    __slots__ = ("_names", "_new", "_pairs", "_plan")

    def __init__(self, members: Sequence[Member], pairs: Sequence[Pair] = ()) -> None:
        self._plan = tuple((m.name, f"请填写{m.label}", m.required, m.judge) for m in members)
        self._new = tuple((m.name, m.label, m.offered_from) for m in members if m.offered_from is not None)
        self._pairs = tuple(pairs)
        self._names = frozenset(m.name for m in members)

    def judge(self, value: object, notes: Notes, _siblings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The typed members that are given and right; none when it is not an object at all."""
        if type(value) is not dict and not isinstance(value, Mapping):  # the first test is the quick one
            notes.say(FieldCode.WRONG_TYPE, "应为对象")
            return None
        return self.run(value, notes)[0]

    def run(self, value: Mapping[str, Any], notes: Notes) -> tuple[dict[str, Any], list[str]]:
        """The typed members, and the names of those that are given but wrong."""
        problems = notes.problems
        typed: dict[str, Any] = {}
        wrong: list[str] = []
        hidden = self._hidden(notes.today) if self._new else None
        start, seen = len(problems), 0
        for name, missing, required, judge in self._plan:
            given = value.get(name)
            if given is None:
                if required and not (hidden and name in hidden):
                    problems.append((name, FieldCode.MISSING, missing))
                continue
            seen += 1
            if given == "":
                if required and not (hidden and name in hidden):
                    problems.append((name, FieldCode.MISSING, missing))
                continue
            if hidden and name in hidden:
                problems.append((name, FieldCode.UNKNOWN_MEMBER, hidden[name]))
                continue
            before = len(problems)
            result = judge(given, notes, value)
            if len(problems) != before:
                notes.place(before, name)
                wrong.append(name)
            if result is not None:
                typed[name] = result
        if seen != len(value):
            self._unknown(value, notes)
        for pair in self._pairs:
            self._pair(pair, value, notes, start=start)
        return typed, wrong

    def _hidden(self, today: date) -> dict[str, str]:
        return {
            name: f"{label}尚未开放" if first == date.max else f"{label}自{first}起方可填写"
            for name, label, first in self._new
            if first is not None and today < first
        }

    def _unknown(self, value: Mapping[str, Any], notes: Notes) -> None:
        unknown = [str(name) for name in value if name not in self._names]
        for name in unknown[:_MAX_UNKNOWN]:
            near = get_close_matches(name[:64], self._names, n=1, cutoff=0.5)
            hint = f"没有这一项，是否为{near[0]}" if near else "没有这一项"
            notes.say(FieldCode.UNKNOWN_MEMBER, hint, shown(name) or "?")

    def _pair(self, pair: Pair, value: Mapping[str, Any], notes: Notes, *, start: int) -> None:
        has_type, has_no = bool(value.get(pair.type_name)), bool(value.get(pair.no_name))
        if has_type == has_no:
            return
        name, label = (pair.no_name, pair.no_label) if has_type else (pair.type_name, pair.type_label)
        if all(at != name for at, _, _ in notes.problems[start:]):  # a required member is already reported
            notes.say(FieldCode.MISSING, f"请填写{label}", name)


def rows(label: str, judge: Judge, *, least: int = 0, most: int = MAX_ROWS) -> Judge:
    """A list, each value judged alone; what could not be read leaves none in its place, so that indices stay true."""
    not_list, too_many, missing = f"{label}应为列表", f"{label}不得超过{most}项", f"请填写{label}"

    def judge_rows(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> list[Any] | None:
        if not isinstance(value, list | tuple):
            notes.say(FieldCode.WRONG_TYPE, not_list)
            return None
        if len(value) > most:
            notes.say(FieldCode.TOO_MANY_ROWS, too_many)
            return None
        if len(value) < least:
            notes.say(FieldCode.MISSING, missing)
            return None
        problems = notes.problems
        typed = []
        for index, row in enumerate(value):
            before = len(problems)
            result = judge(row, notes, {})
            if len(problems) != before:
                notes.place(before, f"[{index}]")
            typed.append(result)
        return typed

    return judge_rows
