"""Rows of ``rules``, ``when`` and ``where`` → ``Rule`` and ``Condition``: common keys, names and conditions.

Must not judge forms (``rules.py`` does) nor know what the single shapes want (``rule_checks.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from gateway.catalogue.codes import Codes
from gateway.catalogue.field_rows import NUMBERS, WHOLE
from gateway.catalogue.item import Condition, Field, Rule
from gateway.catalogue.outlets import Network
from gateway.catalogue.problem import Sheet, nearest
from gateway.catalogue.shape import Shape, day_of, known_all, once_each, real_day, rows_of, table_of, texts_of
from gateway.catalogue.yaml_marks import Listing, Table, plain

CONDITIONS = frozenset({"in", "not_in", "filled", "differs_from", "any_in", "all_in"})
MOMENTS = frozenset({"before_start_with_submission_day", "before_step"})
COMMON = ("rule", "id", "message", "when", "checked", "effective")

_KEY_TYPES = {
    "values": "list",
    "by": "list",
    "min": "int|text",
    "max": "int|text",
    "value": "int|text",
    "from": "int",
    "length": "int",
    "plus": "table",
    "except": "table",
    "codes": "table",
    "where": "list",
}
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]{1,2})?")
_EFFECTIVE = Shape("effective", "from:text to?:text")
_CONDITION = Shape(
    "condition",
    "field?:text rows?:text in?:list not_in?:list filled?:bool differs_from?:text any_in?:list all_in?:list",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule may name: fields, columns of their rows, and materials. ``where`` has a scope of columns only."""

    fields: Mapping[str, Field]
    row_types: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    materials: Collection[str] = ()

    def find(self, name: str) -> Field | None:
        """A field, or the column of ``rows.column``."""
        owner, _, column = name.partition(".")
        found = self.fields.get(owner)
        if found is None or not column:
            return found
        return next((f for f in self.row_types.get(found.type, ()) if f.name == column), None)

    def columns(self, rows: str) -> Scope | None:
        """The scope of one row of the list field ``rows``, or ``None`` when it is no list."""
        found = self.fields.get(rows)
        if found is None or found.type not in self.row_types:
            return None
        return Scope({column.name: column for column in self.row_types[found.type]})

    def names(self, *, dotted: bool = False) -> list[str]:
        """Everything ``find`` finds; with ``dotted`` only columns."""
        plain_names = list(self.fields)
        columns = [f"{n}.{c.name}" for n, f in self.fields.items() for c in self.row_types.get(f.type, ())]
        return columns if dotted else plain_names + columns


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads the rules of one form; ``judge`` of ``rule_checks`` looks at what each shape wants."""

    codes: Codes
    network: Network
    sheet: Sheet
    in_bundle: bool = False

    def read(self, owner: Table, key: str, scope: Scope, judge: Judge) -> tuple[Rule, ...]:
        """The rules of the list under ``key``, in order; unsound ones are left out, their problems noted."""
        listing = owner.get(key)
        return self.read_list(listing, scope, judge) if isinstance(listing, Listing) else ()

    def read_list(self, listing: Listing, scope: Scope, judge: Judge) -> tuple[Rule, ...]:
        """The rules of one list, in order."""
        tables = [row for row in listing if isinstance(row, Table)]
        for row, at in zip(listing, listing.marks, strict=True):
            if not isinstance(row, Table):
                self.sheet.add(at, "rule is no mapping", "write {rule: …, id: …, …, message: …}")
        once_each(tables, "id", "rule id", sheet=self.sheet)
        rules = []
        for row in tables:
            before = len(self.sheet.problems)
            rule = self._rule(row, scope)
            if rule and len(self.sheet.problems) == before and not row.broken:
                judge(rule.shape, row, scope, self)
                rules.append(rule)
        return tuple(rules)

    def _rule(self, row: Table, scope: Scope) -> Rule | None:
        code = row.get("rule")
        shape = self.codes.rule_shapes.get(code) if isinstance(code, str) else None
        if shape is None:
            if "rule" in row:
                self.sheet.add(row.mark("rule"), f"unknown rule {code}", nearest(str(code), self.codes.rule_shapes))
            else:
                self.sheet.add(row.at, "rule without its shape", "write rule: and one of the shapes")
            return None
        keys = [f"{key}:{_KEY_TYPES.get(key, 'text')}" for key in shape.requires]
        keys += [f"{key}?:{_KEY_TYPES.get(key, 'text')}" for key in shape.allows]
        common = "rule:text id:text message:text when?:list checked?:list effective?:table"
        Shape(f"rule {code}", f"{common} {' '.join(keys)}").check(row, self.sheet)
        moments = texts_of(row, "checked", sheet=self.sheet)
        if moments and not self.in_bundle:
            self.sheet.add(row.key_mark("checked"), "checked outside a bundle", "leave checked out")
        start, end = read_effective(row, self.sheet)
        return Rule(
            shape=str(code),
            id=row.get("id", ""),
            message=row.get("message", ""),
            args={key: plain(value) for key, value in row.items() if key not in COMMON and key != "where"},
            when=self.conditions(row, "when", scope),
            where=self._where(row, scope),
            checked=known_all(moments, MOMENTS, "moment", sheet=self.sheet),
            effective_from=start,
            effective_to=end,
        )

    def _where(self, row: Table, scope: Scope) -> tuple[Condition, ...]:
        if "where" not in row:
            return ()
        named = row.get("of") or row.get("field") or ""
        inner = scope.columns(str(named).partition(".")[0])
        if inner is None:
            self.sheet.add(row.key_mark("where"), f"where, but {named} has no rows", "leave where out, or name rows")
            return ()
        return self.conditions(row, "where", inner)

    def conditions(self, row: Table, key: str, scope: Scope) -> tuple[Condition, ...]:
        """The conditions of ``when`` or ``where``; each names one subject and says one thing of it."""
        rows = rows_of(row, key, _CONDITION, sheet=self.sheet)
        if key in row and not rows:
            self.sheet.add(row.mark(key), f"{key} holds no condition", f"write one, or leave {key} out")
        found = (self._condition(condition, scope) for condition in rows)
        return tuple(condition for condition in found if condition)

    def _condition(self, row: Table, scope: Scope) -> Condition | None:
        said = [key for key in row if key in self.codes.conditions]
        if len(said) != 1 or row.broken:
            if not row.broken:
                wanted = ", ".join(sorted(self.codes.conditions))
                self.sheet.add(row.at, f"a condition says one thing, this says {len(said)}", f"write one of {wanted}")
            return None
        kind = said[0]
        by_rows = kind in ("any_in", "all_in")
        key = "rows" if by_rows else "field"
        other = "field" if by_rows else "rows"
        if key not in row or other in row:
            form = "rows: list.column" if by_rows else "field: name"
            self.sheet.add(row.at, f"condition {kind} has no {key} of its own", f"write {form}, and no {other}")
            return None
        subject = self.field(row, key, scope, dotted=by_rows)
        if subject is None:
            return None
        if kind == "filled":
            return Condition(kind, row[key], (row[kind],))
        if kind == "differs_from":
            beside = self.field(row, kind, scope)
            return Condition(kind, row[key], (row[kind],)) if beside else None
        values = self.values(row, kind, subject)
        return Condition(kind, row[key], values) if values else None

    def field(self, row: Table, key: str, scope: Scope, *, dotted: bool = False) -> Field | None:
        """The field or column named under ``key``; ``dotted``: it must be rows.column. Unknown → problem, ``None``."""
        name = row.get(key)
        if not isinstance(name, str):
            return None
        found = scope.find(name)
        if found is None or ("." in name) != dotted:
            what = "no rows.column" if dotted else "no field"
            known = [n for n in scope.names(dotted=dotted) if dotted or "." not in n]
            self.sheet.add(row.mark(key), f"{key} {name} is {what} of this form", nearest(name, known))
            return None
        return found

    def values(self, row: Table, key: str, subject: Field) -> tuple[Any, ...]:
        """The values of a list, each one that the subject can have."""
        listing = row.get(key)
        if not isinstance(listing, Listing):
            return ()
        if not listing:
            self.sheet.add(listing.at, f"{key} is empty", "write at least one value")
        good = []
        for value, at in zip(listing, listing.marks, strict=True):
            if instead := _misfit(value, subject):
                self.sheet.add(at, f"{value} is no value of {subject.name} ({subject.type})", instead)
            else:
                good.append(plain(value))
        return tuple(good)


Judge = Callable[[str, Table, Scope, RuleReader], None]


def _misfit(value: Any, subject: Field) -> str:
    """What to write instead of a value the subject cannot have, or ""."""
    if subject.type == "bool":
        return "" if isinstance(value, bool) else "write true or false"
    if subject.type == "enum":
        options = [option.value for option in subject.options]
        return "" if value in options else nearest(str(value), options)
    if subject.type in WHOLE:
        return "" if _WHOLE.fullmatch(str(value)) else "write a whole number"
    if subject.type in NUMBERS:
        return "" if _NUMBER.fullmatch(str(value)) else "write a number with at most 2 decimals, in quotes"
    if subject.type == "date":
        return "" if isinstance(value, str) and real_day(value) else "write a day as 'YYYY-MM-DD', in quotes"
    return "" if isinstance(value, str) else "write a text, in quotes"


def read_effective(row: Table, sheet: Sheet) -> tuple[date | None, date | None]:
    """First and last day of a block ``effective``; from > to is a problem."""
    days = table_of(row, "effective", _EFFECTIVE, sheet=sheet)
    if days is None:
        return None, None
    start, end = day_of(days, "from", sheet=sheet), day_of(days, "to", sheet=sheet)
    if start and end and start > end:
        sheet.add(days.mark("to"), f"effective ends on {end}, before it begins on {start}", f"write {start} or later")
    return start, end
