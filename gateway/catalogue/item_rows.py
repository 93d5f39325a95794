"""The parts an item is made of beside fields and rules: windows, routing, route, outlets, examples.

Must not join the parts: ``item_file.py`` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from gateway.catalogue.convert import CONVERTERS
from gateway.catalogue.item import Department, Example, Field, Route, Window
from gateway.catalogue.outlets import Network
from gateway.catalogue.problem import Mark, Sheet, nearest
from gateway.catalogue.shape import Shape, known_all, rows_of, table_of, texts_of
from gateway.catalogue.yaml_marks import Listing, Table, plain

STREET_LEVEL = "street"
LEVELS = frozenset({"district", STREET_LEVEL})

_WINDOW = Shape("window", "from:text to:text")
_ROUTING = Shape("routing", "level:text key?:text")
_ROUTE = Shape("route", "operation:text fields?:table constants?:table codes?:table")
_EXAMPLE = Shape("example", "name:text day?:text applicant:table form:table")
_MONTH_DAY = re.compile(r"([0-9]{2})-([0-9]{2})")
_AT = re.compile(r"@(?:now|today|today\+[0-9]{1,5}d|month|open_day)")
_SOURCE = re.compile(r"(form|applicant|case)\.([a-z][a-z0-9_]*)((?:\.[a-z][a-z0-9_]*)*)(?:\|([a-z][a-z0-9_]*))?")
# what a converter can read; one that is not listed reads anything
_READS = {
    "iso_date": ("date",),
    "yyyymmdd": ("date", "datetime"),
    "fen": ("money",),
    "yuan": ("money",),
    "strokes": ("address",),
}
_MOST_CODES = 100
# a leap year for windows, a common one for the day of an example: 02-29 is no day to test on
_LEAP, _COMMON = 2000, 2001


def read_windows(row: Table, sheet: Sheet) -> tuple[Window, ...]:
    """The windows of an item; a day that does not exist and a missing message are problems."""
    windows = []
    for window in rows_of(row, "windows", _WINDOW, sheet=sheet):
        start, end = (_month_day(window, key, _LEAP, sheet=sheet) for key in ("from", "to"))
        if start and end:
            windows.append(Window(start, end))
    if "windows" in row and not row["windows"]:
        sheet.add(row.mark("windows"), "windows is empty", "write a window, or leave windows out")
    if "windows" in row and "window_message" not in row and "window_message" not in row.broken:
        sheet.add(row.key_mark("windows"), "windows without window_message", "write window_message: for other days")
    if "window_message" in row and "windows" not in row and "windows" not in row.broken:
        sheet.add(row.key_mark("window_message"), "window_message without windows", "leave window_message out")
    return tuple(windows)


def _month_day(row: Table, key: str, year: int, *, sheet: Sheet) -> tuple[int, int] | None:
    text = row.get(key)
    if not isinstance(text, str):
        return None
    found = _MONTH_DAY.fullmatch(text)
    try:
        if found:
            day = date(year, int(found[1]), int(found[2]))
            return day.month, day.day
    except ValueError:
        pass  # the form is right, the day does not exist
    sheet.add(row.mark(key), f"{key} {text} is no day of the year", "write a real day as MM-DD")
    return None


def read_routing(
    row: Table, fields: Mapping[str, Field], *, departments: Mapping[str, Department], sheet: Sheet
) -> tuple[str, str]:
    """Level and key; a street item goes to a department of that level by a required field of type street."""
    routing = table_of(row, "routing", _ROUTING, sheet=sheet)
    if routing is None:
        return "", ""
    level, key = routing.get("level", ""), routing.get("key", "")
    if level and level not in LEVELS:
        sheet.add(routing.mark("level"), f"unknown level {level}", nearest(level, LEVELS))
    of_streets = sorted(code for code, d in departments.items() if d.level == STREET_LEVEL)
    backend = row.get("backend")
    to_street = backend in of_streets
    if level == STREET_LEVEL:
        if "backend" in row and not to_street:
            sheet.add(
                row.mark("backend"), "routing.level is street", f"write {' or '.join(of_streets)}, or another level"
            )
        streets = [f.name for f in fields.values() if f.type == "street" and f.required]
        if "key" not in routing and "key" not in routing.broken:
            sheet.add(routing.at, "routing.level street without key", "write key: with a required field of type street")
        elif key and key not in streets:
            sheet.add(routing.mark("key"), f"key {key} is no required field of type street", nearest(key, streets))
    elif level in LEVELS:
        if to_street:
            sheet.add(routing.mark("level"), f"backend is {backend}", "write level: street and its key")
        if "key" in routing:
            sheet.add(routing.key_mark("key"), f"key means nothing at level {level}", "leave key out")
    return level, key


def read_outlets(row: Table, network: Network, sheet: Sheet) -> tuple[str, ...] | None:
    """``None`` for all; else the listed outlets, known and not empty."""
    value = row.get("outlets")
    if isinstance(value, Listing):
        if not value:
            sheet.add(value.at, "outlets is empty", "write all, or a list of outlet codes")
        return known_all(texts_of(row, "outlets", sheet=sheet), network.outlets, "outlet", sheet=sheet)
    if value is not None and value != "all":
        sheet.add(row.mark("outlets"), f"outlets {value}", "write all, or a list of outlet codes")
    return None


def read_route(
    row: Table, fields: Mapping[str, Field], applicant: Mapping[str, Field], *, sheet: Sheet
) -> Route | None:
    """The block ``route``: every ``form.`` and ``applicant.`` source must name a field that exists."""
    route = table_of(row, "route", _ROUTE, sheet=sheet)
    if route is None:
        return None
    wires, constants = route.get("fields", route.empty()), route.get("constants", route.empty())
    for name, value in constants.items():
        if not isinstance(value, str):
            sheet.add(constants.mark(name), f"constant {name} is no text", "put quotes")
        if name in wires:
            sheet.add(constants.key_mark(name), f"{name} stands in fields and in constants", "write it once")
    for name, source in wires.items():
        at = wires.mark(name)
        if not isinstance(source, str):
            sheet.add(at, f"source of {name} is no text", "write form.x, applicant.x, case.x or '=text'")
            continue
        if source.startswith("="):
            continue
        found = _SOURCE.fullmatch(source)
        if found is None:
            sheet.add(at, f"source {source}", "write form.x, applicant.x, case.x or '=text', |converter behind it")
        elif found[1] == "form" and found[2] not in fields:
            sheet.add(at, f"form has no field {found[2]}", nearest(found[2], fields))
        elif found[1] == "applicant" and found[2] not in applicant and found[2] != "kind":
            sheet.add(at, f"applicant has no field {found[2]}", nearest(found[2], [*applicant, "kind"]))
        elif found[4] and found[4] not in CONVERTERS:
            sheet.add(at, f"unknown converter {found[4]}", nearest(found[4], CONVERTERS))
        elif found[1] != "case" and not found[3] and found[4] in _READS:
            read = (fields if found[1] == "form" else applicant).get(found[2])
            if read is None or read.type not in _READS[found[4]]:
                wanted = " or ".join(_READS[found[4]])
                sheet.add(at, f"converter {found[4]} cannot read {found[2]}", f"write a field of type {wanted}")
    codes = _read_codes(route, wires, fields, applicant, sheet=sheet)
    return Route(route.get("operation", ""), plain(wires), plain(constants), codes)


def _read_codes(
    route: Table, wires: Table, fields: Mapping[str, Field], applicant: Mapping[str, Field], *, sheet: Sheet
) -> dict[str, dict[str, str]]:
    """The block ``codes`` of a route: a code for every value the field can have, so that none is met without."""
    codes = route.get("codes", route.empty())
    for name, table in codes.items():
        at = codes.key_mark(name)
        if name not in wires:
            sheet.add(at, f"codes of {name}, but fields has no {name}", nearest(name, wires))
            continue
        if not isinstance(table, Table):
            sheet.add(codes.mark(name), f"codes of {name} are no mapping", "write {value: code, …}")
            continue
        block, _, source = str(wires[name]).partition(".")
        read = {"form": fields, "applicant": applicant}.get(block, {}).get(source)
        wanted = _values_of(read) if read else ()
        if not wanted:
            what = f"codes of {name}, but {wires[name]} is no field with a list of values"
            sheet.add(at, what, "write an enum, a bool or an int from min to max, without a converter")
            continue
        for value in wanted:
            if not table.written(value):
                sheet.add(table.at, f"codes of {name} lack {value}", f"write {value}: with their code")
        for value in table:
            if value not in wanted:
                sheet.add(table.key_mark(value), f"{source} is never {value}", nearest(value, wanted))
            elif not isinstance(table[value], str) or not table[value]:
                sheet.add(table.mark(value), f"code of {value} is no text", "put quotes")
    return {name: plain(table) for name, table in codes.items() if isinstance(table, Table)}


def _values_of(field: Field) -> tuple[str, ...]:
    """Every value of a field as canonical text; empty where they cannot be listed."""
    if field.type == "enum":
        return tuple(option.value for option in field.options)
    if field.type == "bool":
        return ("true", "false")
    if field.type == "int" and field.min and field.max and int(field.max) - int(field.min) < _MOST_CODES:
        return tuple(str(number) for number in range(int(field.min), int(field.max) + 1))
    return ()


def read_examples(
    row: Table,
    windows: tuple[Window, ...],
    *,
    fields: Mapping[str, Field],
    applicants: Mapping[str, Mapping[str, Field]],
    sheet: Sheet,
) -> tuple[Example, ...]:
    """The examples: at least one; names that exist, values as in the business JSON, a day inside a window."""
    examples = []
    rows = rows_of(row, "examples", _EXAMPLE, sheet=sheet)
    if "examples" in row and not row["examples"]:
        sheet.add(row.mark("examples"), "no example", "write at least one complete example")
    for example in rows:
        _example_day(example, windows, sheet)
        read_applicant(example, applicants, sheet)
        if isinstance(form := example.get("form"), Table):
            check_values(form, fields, "form", sheet=sheet)
        examples.append(
            Example(
                example.get("name", ""),
                plain(example.get("applicant", {})),
                plain(example.get("form", {})),
                example.get("day", ""),
            )
        )
    return tuple(examples)


def _example_day(example: Table, windows: tuple[Window, ...], sheet: Sheet) -> None:
    day = _month_day(example, "day", _COMMON, sheet=sheet)
    if windows and "day" not in example and "day" not in example.broken:
        sheet.add(example.at, "example without day, but the item has windows", "write day: MM-DD inside a window")
    if windows and day and not any(window.holds(date(_COMMON, *day)) for window in windows):
        sheet.add(example.mark("day"), f"day {example['day']} is in no window", "write a day inside a window")


def read_applicant(example: Table, applicants: Mapping[str, Mapping[str, Field]], sheet: Sheet) -> None:
    """The applicant of an example: a kind the item allows, and that kind's members."""
    applicant = example.get("applicant")
    if not isinstance(applicant, Table) or not applicants:  # without a sound subject there is no measure
        return
    kind = applicant.get("kind")
    if not isinstance(kind, str) or kind not in applicants:
        sheet.add(applicant.mark("kind"), f"applicant of kind {kind}", nearest(str(kind), applicants))
        return
    members = {**applicants[kind], "kind": None}
    check_values(applicant, members, f"applicant of kind {kind}", sheet=sheet)


def check_values(table: Table, names: Mapping[str, Any], what: str, *, sheet: Sheet) -> None:
    """The members of a sample block exist, and their values are texts, true, false, objects or lists."""
    for name in table:
        if name not in names:
            sheet.add(table.key_mark(name), f"{what} has no {name}", nearest(name, names))
        _check_value(table[name], table.mark(name), sheet)


def _check_value(value: Any, at: Mark, sheet: Sheet) -> None:
    if isinstance(value, Table):
        for name in value:
            _check_value(value[name], value.mark(name), sheet)
    elif isinstance(value, Listing):
        for element, place in zip(value, value.marks, strict=True):
            _check_value(element, place, sheet)
    elif isinstance(value, str):
        if value.startswith("@") and not _AT.fullmatch(value):
            sheet.add(at, f"unknown {value}", "write @now, @today, @today+Nd, @month or @open_day")
    elif value is None:
        sheet.add(at, "null is no value of a form", "leave the member out")
    elif not isinstance(value, bool):
        sheet.add(at, f"{value} is a number; forms hold none", f"put quotes: '{value}'")
