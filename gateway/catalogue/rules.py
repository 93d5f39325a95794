"""Cross-field rules: each shape of the closed set as a closure, built once per item and kept.

Must not judge single values, read files or find anybody: a rule sees typed values only. A rule with an empty or invalid
side is not judged, outside its days neither. Meanings: the rule shapes at the head of the data files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from operator import ge, gt, le, lt
from typing import Any

from gateway.catalogue.item import Outlet, Rule
from gateway.catalogue.kinds.typed import add_period, constant, first_day, month_of, plain_number
from gateway.catalogue.rule_facts import EMPTY, Facts, Scope, all_of
from gateway.domain.reasons import FieldCode

SUBMISSION_DAY = "submission_day"
BEFORE_START = "before_start_with_submission_day"

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"lt": lt, "le": le, "gt": gt, "ge": ge}
_WEEKDAYS = {"saturday": (5,), "sunday": (6,)}


Broken = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule ready to run; ``material`` is the paper it makes a required one, "" for every other shape."""

    id: str
    code: FieldCode
    message: str
    broken: Broken
    material: str = ""


def build(rule: Rule, scope: Scope) -> Check:
    """The rule as a closure. Raises ``KeyError`` for a shape that does not exist."""
    shape = SHAPES[rule.shape](rule, scope)
    when = all_of(rule.when, scope)
    first, last = rule.effective_from or date.min, rule.effective_to or date.max

    def broken(facts: Facts) -> bool:
        return first <= facts.day <= last and when(facts) is True and shape(facts)

    plain = not rule.when and rule.effective_from is None and rule.effective_to is None
    code = FieldCode.SUM_WRONG if rule.shape == "sum_equals" else FieldCode.RULE_BROKEN
    material = str(rule.args["material"]) if rule.shape == "material_required_when" else ""
    return Check(rule.id, code, rule.message, shape if plain else broken, material)


def _picked(rule: Rule, scope: Scope, owner: str) -> Callable[[Facts], list[dict[str, Any]] | None]:
    """The rows that ``where`` picks; none when the list is not given or holds something invalid."""
    where = all_of(rule.where, scope.inside(owner))

    def pick(facts: Facts) -> list[dict[str, Any]] | None:
        rows = facts.get(owner)
        if rows is None:
            return None
        return [row for row in rows if where(Facts(row, facts.day)) is True] if rule.where else list(rows)

    return pick


def _compare(rule: Rule, scope: Scope) -> Broken:
    left, right, holds = rule.args["left"], rule.args["right"], _OPERATORS[rule.args["op"]]
    plus = rule.args.get("plus") or {}
    owner, _, column = left.partition(".")
    left_type, right_type = scope.type_of(left), scope.type_of(right)
    # An output not known yet stands for the submission day before the first call (rules.md 26).
    today = right == SUBMISSION_DAY or (not right_type and BEFORE_START in rule.checked)
    if today:
        right_type = "date"
    read_left, read_right = _sides(left_type, right_type)

    def broken(facts: Facts) -> bool:
        beside = facts.day if today else facts.get(right)
        given = facts.get(owner)
        if beside is None or given is None:
            return False
        if plus:
            beside = _moved(beside, plus)
        limit = read_right(beside)
        found = [row.get(column) for row in given] if column else [given]
        return any(value is not None and not holds(read_left(value), limit) for value in found)

    return broken


def _moved(value: Any, plus: Mapping[str, int]) -> Any:
    return add_period(value, plus) if isinstance(value, date) else month_of(add_period(first_day(str(value)), plus))


def _sides(left: str, right: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How two types come to a common unit: a month beside a date compares months, unlike numbers compare plainly."""
    days = {"date", "month"}
    if left == right:
        return _same, _same
    if left in days and right in days:
        return (month_of, _same) if left == "date" else (_same, month_of)
    return plain_number(left), plain_number(right)


def _same(value: Any) -> Any:
    return value


def _differs(rule: Rule, _scope: Scope) -> Broken:
    left, right = rule.args["left"], rule.args["right"]

    def broken(facts: Facts) -> bool:
        one, other = facts.get(left), facts.get(right)
        return one not in EMPTY and other not in EMPTY and one == other

    return broken


def _required_when(rule: Rule, _scope: Scope) -> Broken:
    name = rule.args["field"]
    return lambda facts: not facts.filled(name)


def _material_required_when(_rule: Rule, _scope: Scope) -> Broken:
    return lambda _facts: True  # the conditions are the whole of it; ``build`` puts them round


def _value_in(rule: Rule, scope: Scope) -> Broken:
    name = rule.args["field"]
    listed = tuple(constant(scope.type_of(name), value) for value in rule.args["values"])

    def broken(facts: Facts) -> bool:
        value = facts.get(name)
        return value not in EMPTY and value not in listed

    return broken


def _limit(rule: Rule, scope: Scope) -> Broken:
    owner, _, column = str(rule.args["field"]).partition(".")
    low, high = (plain_number("text")(rule.args[key]) if key in rule.args else None for key in ("min", "max"))
    read = plain_number(scope.type_of(rule.args["field"]))
    pick = _picked(rule, scope, owner)

    def beyond(value: Any) -> bool:
        number = None if value in EMPTY else read(value)
        return number is not None and ((low is not None and number < low) or (high is not None and number > high))

    def broken(facts: Facts) -> bool:
        if not column:
            return beyond(facts.get(owner))
        return any(beyond(row.get(column)) for row in pick(facts) or ())

    return broken


def _sum_equals(rule: Rule, scope: Scope) -> Broken:
    of = str(rule.args["of"])
    owner, _, column = of.partition(".")
    read, other = plain_number(scope.type_of(of)), rule.args.get("field", "")
    read_other = plain_number(scope.type_of(other) if other else "text")

    def broken(facts: Facts) -> bool:
        wanted = facts.get(other) if other else rule.args["value"]
        rows = facts.get(owner)
        if not rows or wanted is None:
            return False
        found = [read(row[column]) for row in rows if row.get(column) is not None]
        return sum(number for number in found if number is not None) != read_other(wanted)

    return broken


def _row_count(rule: Rule, scope: Scope) -> Broken:
    owner, other = str(rule.args["of"]), rule.args.get("field", "")
    low, high = int(rule.args.get("min", 0)), int(rule.args["max"]) if "max" in rule.args else None
    pick = _picked(rule, scope, owner)

    def broken(facts: Facts) -> bool:
        rows = pick(facts)
        if rows is None:
            return False
        if other:
            wanted = facts.get(other)
            return wanted is not None and len(rows) != wanted
        return len(rows) < low or (high is not None and len(rows) > high)

    return broken


def _unique_rows(rule: Rule, scope: Scope) -> Broken:
    owner, by = str(rule.args["of"]), tuple(rule.args["by"])
    inner = scope.inside(owner)
    left_out = {
        column: tuple(constant(inner.type_of(column), value) for value in values)
        for column, values in (rule.args.get("except") or {}).items()
    }

    def broken(facts: Facts) -> bool:
        seen: set[tuple[Any, ...]] = set()
        for row in facts.get(owner) or ():
            key = tuple(row.get(column) for column in by)
            if None in key or any(row.get(column) in values for column, values in left_out.items()):
                continue
            if key in seen:
                return True
            seen.add(key)
        return False

    return broken


def _part_equals(rule: Rule, _scope: Scope) -> Broken:
    name, other, start = rule.args["field"], rule.args["equals"], int(rule.args["from"]) - 1
    end, codes = start + int(rule.args["length"]), rule.args.get("codes") or {}

    def broken(facts: Facts) -> bool:
        value, beside = facts.get(name), facts.get(other)
        if value in EMPTY or beside in EMPTY:
            return False
        return str(value)[start:end] != str(codes.get(str(beside), beside))

    return broken


def _own_outlet(rule: Rule, scope: Scope) -> Broken:
    name, service = rule.args["field"], rule.args["service"]

    def broken(facts: Facts) -> bool:
        code = facts.get(name)
        if code in EMPTY:
            return False
        outlet = scope.outlets.get(code)
        return outlet is None or service not in outlet.services or (facts.bank != "" and outlet.bank != facts.bank)

    return broken


def _open_day(rule: Rule, scope: Scope) -> Broken:
    name, at, hours = rule.args["field"], rule.args["outlet"], rule.args["hours"]

    def broken(facts: Facts) -> bool:
        day, outlet = facts.get(name), scope.outlets.get(facts.get(at) or "")
        return day is not None and outlet is not None and not is_open(outlet, day, hours)

    return broken


def is_open(outlet: Outlet, day: date, hours: str) -> bool:
    """True when the outlet is open on ``day`` under that key of its opening hours (calendar of outlets)."""
    return bool(outlet.opening_hours.get(hours)) and day.weekday() in _WEEKDAYS.get(hours, range(5))


SHAPES: dict[str, Callable[[Rule, Scope], Broken]] = {
    "compare": _compare,
    "differs": _differs,
    "required_when": _required_when,
    "material_required_when": _material_required_when,
    "value_in": _value_in,
    "limit": _limit,
    "sum_equals": _sum_equals,
    "row_count": _row_count,
    "unique_rows": _unique_rows,
    "part_equals": _part_equals,
    "own_outlet": _own_outlet,
    "open_day": _open_day,
}
