"""What each shape of rule wants of the fields it names: that they exist and that their types fit.

Must not judge forms: this is read once, at load. One function per shape; a shape without one here is unknown to
the product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from decimal import Decimal

from gateway.catalogue.field_rows import NUMBERS
from gateway.catalogue.item import Field
from gateway.catalogue.problem import nearest
from gateway.catalogue.rule_rows import RuleReader, Scope
from gateway.catalogue.shape import Shape
from gateway.catalogue.yaml_marks import Table

DAYS = frozenset({"date", "month"})
OPERATORS = frozenset({"lt", "le", "gt", "ge"})
SUBMISSION_DAY = "submission_day"

_PLUS = Shape("plus", "days?:int months?:int years?:int")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]{1,2})?")


def judge(shape: str, row: Table, scope: Scope, reader: RuleReader) -> None:
    """Note what is wrong with the shape's own keys of one rule; its required keys are known to stand there."""
    CHECKS[shape](row, scope, reader)


def _compare(row: Table, scope: Scope, reader: RuleReader) -> None:
    if row["op"] not in OPERATORS:
        reader.sheet.add(row.mark("op"), f"unknown op {row['op']}", nearest(row["op"], OPERATORS))
    left = reader.field(row, "left", scope, dotted="." in row["left"])
    to_today = row["right"] == SUBMISSION_DAY
    right = None if to_today else reader.field(row, "right", scope)
    if left and not _fits(row, "left", left, DAYS | NUMBERS, reader=reader):
        return
    if left and left.type and to_today and left.type not in DAYS:
        reader.sheet.add(row.mark("left"), f"{left.name} is of type {left.type}, no day", "write a date or month field")
    if left and left.type and right:
        same = DAYS if left.type in DAYS else NUMBERS
        _fits(row, "right", right, same, reader=reader)
    if "plus" in row:
        _plus(row, right, reader)


def _plus(row: Table, right: Field | None, reader: RuleReader) -> None:
    period = _PLUS.check(row["plus"], reader.sheet)
    if right and right.type and right.type not in DAYS:
        reader.sheet.add(row.key_mark("plus"), f"plus on {right.name}, no day", "leave plus out")
    if not period and not period.broken:
        reader.sheet.add(row.mark("plus"), "plus is empty", "write days, months or years")
    for unit, count in period.items():
        if count < 1:
            reader.sheet.add(period.mark(unit), f"{unit} {count}", "write 1 or more")
        if unit == "days" and right and right.type == "month":
            reader.sheet.add(period.key_mark(unit), f"days on {right.name}, a month", "write months or years")


def _differs(row: Table, scope: Scope, reader: RuleReader) -> None:
    left, right = reader.field(row, "left", scope), reader.field(row, "right", scope)
    for key, side in (("left", left), ("right", right)):
        if side and side.type in scope.row_types:
            reader.sheet.add(row.mark(key), f"{side.name} is a list", "write a field with one value")
    if left and right and left.type != right.type and left.type and right.type:
        types = f"{left.type} and {right.type}"
        reader.sheet.add(row.mark("right"), f"types {types} always differ", f"write a field of type {left.type}")


def _required_when(row: Table, scope: Scope, reader: RuleReader) -> None:
    found = reader.field(row, "field", scope)
    _needs_when(row, "required: true on the field", reader)
    if found and found.required:
        reader.sheet.add(row.mark("field"), f"{found.name} is required anyway", "write required: false on the field")


def _material_required_when(row: Table, scope: Scope, reader: RuleReader) -> None:
    if row["material"] not in scope.materials:
        what = f"material {row['material']} is none of this item"
        reader.sheet.add(row.mark("material"), what, nearest(row["material"], scope.materials))
    _needs_when(row, "required: true on the material", reader)


def _value_in(row: Table, scope: Scope, reader: RuleReader) -> None:
    found = reader.field(row, "field", scope)
    if found and found.type in scope.row_types:
        reader.sheet.add(row.mark("field"), f"{found.name} is a list", "write a field with one value")
    elif found:
        reader.values(row, "values", found)


def _limit(row: Table, scope: Scope, reader: RuleReader) -> None:
    found = reader.field(row, "field", scope, dotted="." in row["field"])
    if found and found.type == "enum":
        wrong = [option.value for option in found.options if not _NUMBER.fullmatch(option.value)]
        if wrong:
            what = f"options {', '.join(wrong)} of {found.name} are no numbers"
            reader.sheet.add(row.mark("field"), what, "write a field whose values are numbers")
    elif found:
        _fits(row, "field", found, NUMBERS, reader=reader)
    _bounds(row, reader, needed=True)


def _sum_equals(row: Table, scope: Scope, reader: RuleReader) -> None:
    column = reader.field(row, "of", scope, dotted=True)
    if column:
        _fits(row, "of", column, NUMBERS, reader=reader)
    if ("value" in row) == ("field" in row):
        reader.sheet.add(row.at, "sum_equals wants a value or a field", "write one of value and field")
    if "value" in row:
        _number(row, "value", reader)
    if beside := reader.field(row, "field", scope):
        _fits(row, "field", beside, NUMBERS, reader=reader)


def _row_count(row: Table, scope: Scope, reader: RuleReader) -> None:
    _rows(row, scope, reader)
    if "field" in row and ("min" in row or "max" in row):
        reader.sheet.add(row.key_mark("field"), "field beside min or max", "write field, or min and max")
    if beside := reader.field(row, "field", scope):
        _fits(row, "field", beside, {"int"}, reader=reader)
    _bounds(row, reader, needed="field" not in row)
    for key in ("min", "max"):
        if "." in str(row.get(key, "")):
            reader.sheet.add(row.mark(key), f"{key} {row[key]} of a number of rows", "write a whole number")


def _unique_rows(row: Table, scope: Scope, reader: RuleReader) -> None:
    columns = _rows(row, scope, reader)
    if columns is None:
        return
    if not row["by"]:
        reader.sheet.add(row.mark("by"), "by is empty", "write at least one column")
    for name, at in zip(row["by"], row["by"].marks, strict=True):
        if name not in columns.fields:
            reader.sheet.add(at, f"{name} is no column of {row['of']}", nearest(str(name), columns.fields))
    excepted = row.get("except")
    if isinstance(excepted, Table):
        for name in excepted:
            if name not in columns.fields:
                what = f"{name} is no column of {row['of']}"
                reader.sheet.add(excepted.key_mark(name), what, nearest(name, columns.fields))
            elif not isinstance(excepted[name], list):
                reader.sheet.add(excepted.mark(name), f"values of {name} are no list", "write [value, …]")
            else:
                reader.values(excepted, name, columns.fields[name])


def _part_equals(row: Table, scope: Scope, reader: RuleReader) -> None:
    found, beside = reader.field(row, "field", scope), reader.field(row, "equals", scope)
    for key in ("from", "length"):
        if row[key] < 1:
            reader.sheet.add(row.mark(key), f"{key} {row[key]}", "write 1 or more; characters count from 1")
    if found and (found.type in NUMBERS | {"bool", "address", "enum"} or found.type in scope.row_types):
        reader.sheet.add(
            row.mark("field"), f"{found.name} of type {found.type} has no characters", "write a text field"
        )
    codes = row.get("codes")
    if not isinstance(codes, Table) or beside is None:
        return
    for value, part in codes.items():
        if beside.type == "enum" and value not in (options := [option.value for option in beside.options]):
            reader.sheet.add(codes.key_mark(value), f"{value} is no option of {beside.name}", nearest(value, options))
        if not isinstance(part, str) or len(part) != row["length"]:
            what = f"code of {value} is not {row['length']} characters"
            reader.sheet.add(codes.mark(value), what, f"write a text of {row['length']} characters, in quotes")


def _own_outlet(row: Table, scope: Scope, reader: RuleReader) -> None:
    if found := reader.field(row, "field", scope):
        _fits(row, "field", found, {"string"}, reader=reader)
    _among(row, "service", reader.network.services, reader)


def _open_day(row: Table, scope: Scope, reader: RuleReader) -> None:
    if found := reader.field(row, "field", scope):
        _fits(row, "field", found, {"date"}, reader=reader)
    if outlet := reader.field(row, "outlet", scope):
        _fits(row, "outlet", outlet, {"string"}, reader=reader)
    _among(row, "hours", reader.network.hours, reader)


def _rows(row: Table, scope: Scope, reader: RuleReader) -> Scope | None:
    columns = scope.columns(row["of"])
    if columns is None:
        lists = [name for name in scope.fields if scope.columns(name)]
        reader.sheet.add(row.mark("of"), f"of {row['of']} is no list of this form", nearest(row["of"], lists))
    return columns


def _fits(row: Table, key: str, found: Field, types: Collection[str], *, reader: RuleReader) -> bool:
    if found.type in types or not found.type:  # an unknown type was noted at the field
        return True
    wanted = ", ".join(sorted(types))
    reader.sheet.add(row.mark(key), f"{key} {row[key]} is of type {found.type}", f"write a field of type {wanted}")
    return False


def _number(row: Table, key: str, reader: RuleReader) -> bool:
    good = _NUMBER.fullmatch(str(row[key])) is not None
    if not good:
        reader.sheet.add(row.mark(key), f"{key} {row[key]} is no number", "write a number, decimals in quotes")
    return good


def _bounds(row: Table, reader: RuleReader, *, needed: bool) -> None:
    sound = [_number(row, key, reader) for key in ("min", "max") if key in row]
    if not sound and needed:
        reader.sheet.add(row.at, "neither min nor max", "write min, max or both")
    if len(sound) == 2 and all(sound) and Decimal(row["min"]) > Decimal(row["max"]):
        reader.sheet.add(row.mark("min"), f"min {row['min']} is above max {row['max']}", f"write at most {row['max']}")


def _needs_when(row: Table, otherwise: str, reader: RuleReader) -> None:
    if "when" not in row:
        reader.sheet.add(row.at, f"{row['rule']} without when", f"write when: with a condition, or {otherwise}")


def _among(row: Table, key: str, known: Collection[str], reader: RuleReader) -> None:
    if row[key] not in known:
        reader.sheet.add(row.mark(key), f"unknown {key} {row[key]}", nearest(row[key], known))


CHECKS: dict[str, Callable[[Table, Scope, RuleReader], None]] = {
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
