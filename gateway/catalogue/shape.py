"""Which keys a row of the catalogue's files may hold, of which type; and reading them without surprise.

Must not know what a row is for. A shape is written like ``Shape("window", "from:text to?:text")``: ``?`` = may be
missing, ``|`` = either type. A refused value is taken out, so readers go on and find the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.catalogue.problem import Mark, Sheet, nearest
from gateway.catalogue.yaml_marks import Listing, Table

_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "text": (lambda v: isinstance(v, str) and v.strip() != "", "text that is not empty"),
    "int": (lambda v: isinstance(v, int) and not isinstance(v, bool), "a whole number"),
    "bool": (lambda v: isinstance(v, bool), "true or false"),
    "null": (lambda v: v is None, "null"),
    "list": (lambda v: isinstance(v, list), "a list"),
    "table": (lambda v: isinstance(v, dict), "a mapping"),
    "any": (lambda v: True, "a value"),
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Key:
    """One allowed key: the names of its types, and whether it must stand there."""

    types: tuple[str, ...]
    required: bool

    def fits(self, value: Any) -> bool:
        """True when the value is of one of the types."""
        return any(_TYPES[name][0](value) for name in self.types)

    @property
    def wanted(self) -> str:
        """The types in words."""
        return " or ".join(_TYPES[name][1] for name in self.types)


class Shape:
    """The allowed keys of one kind of row; ``name`` is for messages."""

    __slots__ = ("keys", "name")

    def __init__(self, name: str, keys: str) -> None:
        self.name = name
        self.keys: dict[str, Key] = {}
        for part in keys.split():
            key, _, types = part.partition(":")
            self.keys[key.removesuffix("?")] = Key(tuple(types.split("|")), not key.endswith("?"))

    def check(self, table: Table, sheet: Sheet) -> Table:
        """The same table without what it must not hold; every problem is on the sheet."""
        for key in [key for key in (*table, *table.broken) if key not in self.keys]:
            sheet.add(table.key_mark(key), f"unknown key {key} in {self.name}", nearest(key, self.keys))
            table.drop(key)
        for key, rule in self.keys.items():
            if key in table:
                if not rule.fits(table[key]):
                    sheet.add(table.mark(key), f"{key} of {self.name} is of the wrong type", f"write {rule.wanted}")
                    table.drop(key)
            elif rule.required and key not in table.broken:
                sheet.add(table.at, f"{self.name} has no {key}", f"write {key}: with {rule.wanted}")
        return table


def table_of(owner: Table, key: str, shape: Shape, *, sheet: Sheet) -> Table | None:
    """The checked mapping under ``key``, or ``None`` where none was written."""
    value = owner.get(key)
    return shape.check(value, sheet) if isinstance(value, Table) else None


def rows_of(owner: Table, key: str, shape: Shape, *, sheet: Sheet) -> list[Table]:
    """The checked rows of the list under ``key``; empty where none was written."""
    value = owner.get(key)
    return rows_in(value, shape, sheet=sheet) if isinstance(value, Listing) else []


def rows_in(listing: Listing, shape: Shape, *, sheet: Sheet) -> list[Table]:
    """The checked rows of a list; an element that is no mapping is a problem."""
    rows = []
    for value, at in zip(listing, listing.marks, strict=True):
        if isinstance(value, Table):
            rows.append(shape.check(value, sheet))
        else:
            sheet.add(at, f"{shape.name} is no mapping", "write {key: value, …}")
    return rows


def texts_of(owner: Table, key: str, *, sheet: Sheet) -> list[tuple[str, Mark]]:
    """The texts of the list under ``key`` with their places; other elements and equal ones are problems."""
    value = owner.get(key)
    found: list[tuple[str, Mark]] = []
    if isinstance(value, Listing):
        for element, at in zip(value, value.marks, strict=True):
            if not isinstance(element, str) or not element.strip():
                sheet.add(at, f"an element of {key} is no text", "put quotes, or write a word")
            elif any(element == other for other, _ in found):
                sheet.add(at, f"{element} stands twice in {key}", "write it once")
            else:
                found.append((element, at))
    return found


def known(owner: Table, key: str, codes: Collection[str], *, sheet: Sheet) -> str:
    """The code under ``key``; an unknown one is a problem, and "" is returned for it."""
    value = owner.get(key, "")
    if value and value not in codes:
        sheet.add(owner.mark(key), f"unknown {key} {value}", nearest(value, codes))
        return ""
    return str(value)


def known_all(pairs: Iterable[tuple[str, Mark]], codes: Collection[str], what: str, *, sheet: Sheet) -> tuple[str, ...]:
    """The codes of a list; unknown ones are problems and left out."""
    good = []
    for value, at in pairs:
        if value in codes:
            good.append(value)
        else:
            sheet.add(at, f"unknown {what} {value}", nearest(value, codes))
    return tuple(good)


def once_each(rows: Sequence[Table], key: str, what: str, *, sheet: Sheet) -> None:
    """Two rows with an equal value under ``key`` are a problem of the later one."""
    seen: dict[str, int] = {}
    for row in rows:
        value = row.get(key)
        if not isinstance(value, str):
            continue
        at = row.mark(key)
        if value in seen:
            sheet.add(at, f"{what} {value} stands twice (first on line {seen[value]})", f"write another {key}")
        seen.setdefault(value, at.line)


def day_of(owner: Table, key: str, *, sheet: Sheet) -> date | None:
    """The day YYYY-MM-DD under ``key``; ``None`` where it is missing or no real day (then a problem)."""
    text = owner.get(key)
    if not isinstance(text, str):
        return None
    day = real_day(text)
    if day is None:
        sheet.add(owner.mark(key), f"{key} {text} is no real day", "write a day as 'YYYY-MM-DD', in quotes")
    return day


def real_day(text: str) -> date | None:
    """A day written YYYY-MM-DD that exists, else ``None``."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
