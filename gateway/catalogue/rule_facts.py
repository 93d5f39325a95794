"""What rules look at, and the conditions under which they are judged: the closed set of conditions as closures.

Must not know the shapes of rules. A condition over an invalid field cannot be told, and then the rule is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from gateway.catalogue.item import Condition, Field, Outlet
from gateway.catalogue.kinds.typed import constant

EMPTY: tuple[object, ...] = (None, "", [])


@dataclass(slots=True)
class Facts:
    """What rules look at: typed values, the names given but invalid, the submission day and the submitting bank."""

    values: Mapping[str, Any]
    day: date
    wrong: frozenset[str] = frozenset()
    bank: str = ""

    def filled(self, name: str) -> bool:
        """Given, rightly or wrongly."""
        return name in self.wrong or self.values.get(name) not in EMPTY

    def get(self, name: str) -> Any:
        """The typed value, or none where it is empty or invalid."""
        return None if name in self.wrong else self.values.get(name)


@dataclass(frozen=True, slots=True)
class Scope:
    """The fields a rule may name, the columns of their rows, and the outlets of the house."""

    fields: Mapping[str, Field]
    row_types: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    outlets: Mapping[str, Outlet] = field(default_factory=dict)

    def type_of(self, name: str) -> str:
        """The type of a field or of ``rows.column``; "" when there is none here, for example a later output."""
        owner, _, column = name.partition(".")
        found = self.fields.get(owner)
        if found is not None and column:
            found = next((f for f in self.row_types.get(found.type, ()) if f.name == column), None)
        return found.type if found else ""

    def inside(self, name: str) -> Scope:
        """The scope of one row of the list field ``name``."""
        found = self.fields.get(name.partition(".")[0])
        columns = self.row_types.get(found.type, ()) if found else ()
        return Scope({column.name: column for column in columns})


Holds = Callable[[Facts], bool | None]  # none: cannot be told, because the subject is invalid


def all_of(conditions: tuple[Condition, ...], scope: Scope) -> Holds:
    """True when every condition holds, also when there is none; none when one cannot be told."""
    tests = [_condition(one, scope) for one in conditions]

    def holds(facts: Facts) -> bool | None:
        told = [test(facts) for test in tests]
        return False if False in told else None if None in told else True

    return holds


def _condition(one: Condition, scope: Scope) -> Holds:
    if one.kind == "filled":
        wanted = bool(one.values[0]) if one.values else True
        return lambda facts: facts.filled(one.subject) is wanted
    if one.kind == "differs_from":
        other = str(one.values[0])
        return lambda facts: _differ(facts, one.subject, other)
    type_ = scope.type_of(one.subject)
    listed = tuple(constant(type_, value) for value in one.values)
    if one.kind in {"any_in", "all_in"}:
        return _rows_in(one.subject, listed, need_all=one.kind == "all_in")

    def told(facts: Facts) -> bool | None:
        if one.subject in facts.wrong:
            return None
        inside = facts.values.get(one.subject) in listed
        return inside if one.kind == "in" else not inside

    return told


def _differ(facts: Facts, left: str, right: str) -> bool | None:
    if left in facts.wrong or right in facts.wrong:
        return None
    one, other = facts.get(left), facts.get(right)
    return one is not None and other is not None and one != other


def _rows_in(subject: str, listed: tuple[Any, ...], *, need_all: bool) -> Holds:
    owner, _, column = subject.partition(".")

    def told(facts: Facts) -> bool | None:
        if owner in facts.wrong:
            return None
        inside = [row.get(column) in listed for row in facts.get(owner) or ()]
        return bool(inside) and all(inside) if need_all else any(inside)

    return told
