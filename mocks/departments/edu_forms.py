"""Item data of FT_EDU: the two sheets of its own and the rows of its dictionary (docs/departments/FT_EDU.md section 6).

Must not read any catalogue: ``dictionary/FT_EDU.tsv`` decides about rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from mocks.departments.json_checks import Check, Problems, one_of, text

_DICTIONARY = Path(__file__).with_name("dictionary") / "FT_EDU.tsv"
ID_TYPES = ("01", "02", "03", "04", "05", "06", "07", "99")
FUTIAN = "440304"
STREETS = frozenset(f"440304{n:03d}" for n in (1, 2, *range(4, 12)))
"""The statistical table; there is no 003."""

LINES = r"[^\x00-\x09\x0b-\x1f]+"
"""Text that may hold line breaks and no other control character."""

_LINE = text(most=200)
_NUMBER = text(r"[0-9A-Za-z()\-]+", most=40)
_STUDENT = text(r"[A-Z]\d{17}[\dX]", most=19)

OWN_SHEETS: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]] = {
    "FT-EDU-001": (
        {
            "stuName": _LINE,
            "stuIdType": one_of(*ID_TYPES),
            "stuIdNo": _NUMBER,
            "stuRegNo": _STUDENT,
            "schoolName": _LINE,
            "gradeNo": one_of(*(f"G{n}" for n in range(1, 10))),
            "hukouKind": one_of("SZ", "QG", "GAT", "WJ"),
            "guardianRel": one_of("F", "M", "G", "O"),
            "payAccount": text(r"\d+", most=40),
        },
        {},
    ),
    "FT-EDU-010": (
        {
            "qualKind": one_of("11", "12", "13"),
            "teachSubject": _LINE,
            "eduLevel": one_of("40", "30", "20", "14", "11"),
            "gradSchool": _LINE,
            "mandarinNo": _LINE,
            "mandarinLevel": one_of("1", "2", "3", "4"),
        },
        {"examNo": _LINE},
    ),
}
"""Members an own sheet needs, and those it may have."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the dictionary; ``options`` are the department's codes of a choice."""

    number: str
    label: str
    kind: str
    required: bool
    options: tuple[str, ...]


@cache
def dictionary() -> Mapping[str, Mapping[str, Row]]:
    """Item → row number → row."""
    sheets: dict[str, dict[str, Row]] = {}
    with _DICTIONARY.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines, delimiter="\t"):
            options = tuple(option.partition("=")[0] for option in (line["options"] or "").split(";") if option)
            row = Row(line["number"], line["label"], line["kind"], line["required"] == "Y", options)
            sheets.setdefault(line["item"], {})[row.number] = row
    return sheets


def items() -> frozenset[str]:
    """Every item of the department."""
    return frozenset(OWN_SHEETS) | frozenset(dictionary())


def is_day(value: Any) -> str:
    """The check of a day ``yyyy-MM-dd``."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return "not yyyy-MM-dd"
    try:
        date.fromisoformat(value)
    except ValueError:
        return "no such day"
    return ""


def _address(value: Any) -> str:
    parts = value.split("/", 3) if isinstance(value, str) else []
    if len(parts) < 4:
        return "not regionCode/streetCode/community/detail"
    region, street, _, detail = parts
    if not re.fullmatch(r"\d{6}", region):
        return "regionCode is not six digits"
    if street and (region != FUTIAN or street not in STREETS):
        return "streetCode is not of the statistical table, or given outside Futian"
    return _LINE(detail) and f"detail: {_LINE(detail)}"


_KINDS: Mapping[str, Check] = {
    "text": text(LINES, most=200),
    "long text": text(LINES, most=2000),
    "document number": _NUMBER,
    "whole number": text(r"0|[1-9]\d*", most=15),
    "student number": _STUDENT,
    "region code": text(r"\d{6}", most=6),
    "day": is_day,
    "year": text(r"[12]\d{3}", most=4),
    "address": _address,
    "money": text(r"(0|[1-9]\d*)\.\d\d", most=16),
    "decimal": text(r"(0|[1-9]\d*)\.\d\d", most=16),
    "yes/no": one_of("1", "0"),
    "account": text(r"\d+", most=40),
    "plate": text(r"[^\x00-\x20]+", most=20),
}


def check_form(item: str, form: Any, problems: Problems) -> None:
    """Add every problem of ``form``; a row is named ``form.rows[E005-03]``."""
    if own := OWN_SHEETS.get(item):
        needs, may = own
        problems.members(form, "form", needs=needs, may=may)
    elif item in dictionary():
        given = _rows(form, problems)
        for number, row in dictionary()[item].items():
            if row.required and number not in given:
                problems.add(f"form.rows[{number}]", "missing")
        _check_rows(item, given, problems)


def check_changes(item: str, form: Any, problems: Problems) -> None:
    """Add every problem of the part of a form that a supplement brings; what is left out stays as filed."""
    if own := OWN_SHEETS.get(item):
        problems.members(form, "form", needs={}, may={**own[0], **own[1]})
        if form == {}:
            problems.add("form", "empty")
    else:
        _check_rows(item, _rows(form, problems), problems)


def merge(filed: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``filed`` with ``changes`` laid over it."""
    if "rows" not in filed:
        return {**filed, **changes}
    rows = {row["no"]: row for row in (*filed["rows"], *changes.get("rows", ()))}
    return {"rows": [rows[number] for number in sorted(rows)]}


def _rows(form: Any, problems: Problems) -> dict[str, Any]:
    """Number → value of every row that is one."""
    rows = form.get("rows") if isinstance(form, dict) and set(form) == {"rows"} else None
    if not isinstance(rows, list) or not rows:
        problems.add("form", 'not {"rows":[{"no","value"}]}')
        return {}
    given: dict[str, Any] = {}
    for position, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != {"no", "value"} or not isinstance(row["no"], str):
            problems.add(f"form.rows[{position}]", 'not {"no","value"}')
        elif row["no"] in given:
            problems.add(f"form.rows[{row['no']}]", "twice")
        else:
            given[row["no"]] = row["value"]
    return given


def _check_rows(item: str, given: Mapping[str, Any], problems: Problems) -> None:
    sheet = dictionary()[item]
    for number, value in given.items():
        row = sheet.get(number)
        if row is None:
            problems.add(f"form.rows[{number}]", "no such row")
        else:
            check = one_of(*row.options) if row.kind == "choice" else _KINDS[row.kind]
            problems.check(f"form.rows[{number}]", value, check)
