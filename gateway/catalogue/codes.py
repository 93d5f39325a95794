"""The closed lists of the catalogue: domains, kinds, modes, types, rule shapes, departments, back-ends and so on.

Must not read items. Every other reader asks here whether a code exists; what the lists mean: ``data/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.catalogue.item import Department, DocType, Sla
from gateway.catalogue.problem import Mark, Sheet, nearest
from gateway.catalogue.shape import Shape, known_all, once_each, rows_of, table_of, texts_of
from gateway.catalogue.yaml_marks import Table

DOC_CHECKS = frozenset({"iso7064_mod_11_2", "uscc_mod31"})
CODE_FILES = (
    "meta",
    "domains",
    "kinds",
    "modes",
    "sla",
    "result_types",
    "sensitive",
    "field_types",
    "doc_types",
    "rule_shapes",
    "conditions",
    "departments",
    "backends",
)

SLA = Shape("sla", "first_after:int every:int every_max:int")
_META = Shape(
    "meta.yaml",
    "title:text status:text code_note:text basis:text counts:table calibration:text working_hours:list "
    "entitlement:table",
)
_COUNTS = Shape("counts", "items:int domains:int per_domain:int")
_ENTITLEMENT = Shape("entitlement", "items:text bundles:text")
_DOMAIN = Shape("domain", "code:text name:text en:text")
_KIND = Shape("kind", "code:text name:text national_type:text")
_MODE = Shape("mode", "code:text name:text en:text")
_RESULT = Shape("result type", "code:text name:text")
_FIELD_TYPE = Shape("field type", "code:text rule:text patterns?:list check?:text")
_DOC_TYPE = Shape("document type", "code:text label:text patterns:list check?:text note?:text")
_RULE_SHAPE = Shape("rule shape", "code:text requires:list allows:list meaning:text example:table")
_CONDITION = Shape("condition", "code:text meaning:text")
_DEPARTMENT = Shape("department", "code:text name:text en:text level:text exchange_suggested:text payload?:text")
_BACKEND = Shape("backend", "code:text name:text en:text network:bool")


@dataclass(frozen=True, slots=True)
class RuleShape:
    """The keys one shape of rule must and may hold beside the common ones."""

    requires: tuple[str, ...]
    allows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Codes:
    """Everything an item may name. ``places``: department code → where it stands, for messages."""

    domains: frozenset[str]
    kinds: frozenset[str]
    slas: Mapping[str, Sla]  # mode → default
    result_types: frozenset[str]
    sensitive_tags: Mapping[str, str]
    field_types: frozenset[str]
    doc_types: Mapping[str, DocType]
    rule_shapes: Mapping[str, RuleShape]
    conditions: frozenset[str]
    departments: Mapping[str, Department]
    backends: frozenset[str]  # departments and the back-ends that are none
    entitlement: Mapping[str, str]
    items_wanted: int
    items_per_domain: int


def read_codes(
    tables: Mapping[str, Table],
    sheets: Mapping[str, Sheet],
    *,
    known_shapes: Collection[str],
    known_conditions: Collection[str],
    sandbox: tuple[Table, Sheet] | None = None,
) -> Codes:
    """The lists from their files (by stem); ``sandbox``: one file with further domains and departments."""

    def rows(stem: str, shape: Shape, key: str = "") -> list[Table]:
        return _rows(tables[stem], key or stem, shape, sheet=sheets[stem])

    meta, meta_sheet = _META.check(tables["meta"], sheets["meta"]), sheets["meta"]
    counts = table_of(meta, "counts", _COUNTS, sheet=meta_sheet) or meta.empty()
    entitlement = table_of(meta, "entitlement", _ENTITLEMENT, sheet=meta_sheet) or meta.empty()
    texts_of(meta, "working_hours", sheet=meta_sheet)
    domains = rows("domains", _DOMAIN)
    if isinstance(wanted := counts.get("domains"), int) and wanted != len(domains):
        meta_sheet.add(counts.mark("domains"), f"{len(domains)} domains are listed", f"write {len(domains)}")
    departments = rows("departments", _DEPARTMENT)
    if sandbox:
        table, sheet = sandbox
        Shape("sandbox file", "domains:list departments:list").check(table, sheet)
        domains += rows_of(table, "domains", _DOMAIN, sheet=sheet)
        departments += rows_of(table, "departments", _DEPARTMENT, sheet=sheet)
        once_each(departments, "code", "department", sheet=sheet)
    named = {
        code: Department(code, _s(d, "name"), _s(d, "en"), _s(d, "level")) for d in departments for code in _code(d)
    }
    modes = {code for row in rows("modes", _MODE) for code in _code(row)}
    return Codes(
        domains=frozenset(code for row in domains for code in _code(row)),
        kinds=frozenset(code for row in rows("kinds", _KIND) for code in _code(row)),
        slas=_slas(tables["sla"], modes, sheets["sla"]),
        result_types=frozenset(code for row in rows("result_types", _RESULT) for code in _code(row)),
        sensitive_tags=_tags(tables["sensitive"], sheets["sensitive"]),
        field_types=_field_types(rows("field_types", _FIELD_TYPE), sheets["field_types"]),
        doc_types=_doc_types(rows("doc_types", _DOC_TYPE), sheets["doc_types"]),
        rule_shapes=_shapes(rows("rule_shapes", _RULE_SHAPE), known_shapes, sheets["rule_shapes"]),
        conditions=_conditions(rows("conditions", _CONDITION), known_conditions, sheets["conditions"]),
        departments=named,
        backends=frozenset(named) | {code for row in rows("backends", _BACKEND) for code in _code(row)},
        entitlement={key: value for key, value in entitlement.items() if isinstance(value, str)},
        items_wanted=counts.get("items", 0),
        items_per_domain=counts.get("per_domain", 0),
    )


def read_sla(table: Table, sheet: Sheet) -> Sla | None:
    """One block ``sla``: whole seconds, first_after and every at least 1, every_max not below every."""
    SLA.check(table, sheet)
    found = [table.get(key) for key in ("first_after", "every", "every_max")]
    first, every, longest = (n if isinstance(n, int) else 0 for n in found)
    for key, value in (("first_after", first), ("every", every)):
        if key in table and value < 1:
            sheet.add(table.mark(key), f"{key} {value} is no pause", "write seconds, at least 1")
    if "every_max" in table and longest < every:
        sheet.add(table.mark("every_max"), f"every_max {longest} is below every {every}", f"write at least {every}")
    return Sla(first, every, longest) if min(first, every) >= 1 and longest >= every else None


def _rows(table: Table, key: str, shape: Shape, *, sheet: Sheet) -> list[Table]:
    Shape(f"{key} file", f"{key}:list").check(table, sheet)
    found = rows_of(table, key, shape, sheet=sheet)
    once_each(found, "code", shape.name, sheet=sheet)
    return found


def _s(row: Table, key: str) -> str:
    return str(row.get(key, ""))


def _code(row: Table) -> tuple[str, ...]:
    code = row.get("code")
    return (code,) if isinstance(code, str) else ()


def _slas(table: Table, modes: set[str], sheet: Sheet) -> dict[str, Sla]:
    Shape("sla file", "sla:table").check(table, sheet)
    by_mode = table_of(table, "sla", Shape("sla", " ".join(f"{mode}:table" for mode in sorted(modes))), sheet=sheet)
    found = {}
    for mode, row in (by_mode or {}).items():
        if isinstance(row, Table) and (sla := read_sla(row, sheet)):
            found[mode] = sla
    return found


def _tags(table: Table, sheet: Sheet) -> dict[str, str]:
    Shape("sensitive file", "sensitive_tags:table").check(table, sheet)
    tags = {}
    for code, label in table.get("sensitive_tags", table.empty()).items():
        if isinstance(label, str) and label.strip():
            tags[code] = label
        else:
            sheet.add(table["sensitive_tags"].mark(code), f"tag {code} has no text", "write what may be disclosed")
    return tags


def _patterns(row: Table, sheet: Sheet) -> tuple[str, ...]:
    good = []
    for pattern, at in texts_of(row, "patterns", sheet=sheet):
        try:
            re.compile(pattern)
        except re.error as error:
            sheet.add(
                at, f"pattern {pattern} cannot be compiled: {error}", "write a regular expression in single quotes"
            )
        else:
            good.append(pattern)
    return tuple(good)


def _field_types(rows: list[Table], sheet: Sheet) -> frozenset[str]:
    for row in rows:
        _patterns(row, sheet)
    return frozenset(code for row in rows for code in _code(row))


def _doc_types(rows: list[Table], sheet: Sheet) -> dict[str, DocType]:
    found = {}
    for row in rows:
        check = _s(row, "check")
        if check and check not in DOC_CHECKS:
            sheet.add(row.mark("check"), f"unknown check {check}", nearest(check, DOC_CHECKS))
        patterns = _patterns(row, sheet)
        if not patterns and "patterns" in row:
            sheet.add(row.mark("patterns"), "no pattern", "write at least one form the number may have")
        for code in _code(row):
            found[code] = DocType(code, _s(row, "label"), patterns, check)
    return found


def _shapes(rows: list[Table], known_shapes: Collection[str], sheet: Sheet) -> dict[str, RuleShape]:
    found = {}
    for row in rows:
        requires = tuple(key for key, _ in texts_of(row, "requires", sheet=sheet))
        allows = tuple(key for key, _ in texts_of(row, "allows", sheet=sheet))
        for code in known_all(_pairs(row), known_shapes, "rule shape (a new one is a change of code)", sheet=sheet):
            found[code] = RuleShape(requires, allows)
    return found


def _conditions(rows: list[Table], known_conditions: Collection[str], sheet: Sheet) -> frozenset[str]:
    found: list[str] = []
    for row in rows:
        found += known_all(_pairs(row), known_conditions, "condition (a new one is a change of code)", sheet=sheet)
    return frozenset(found)


def _pairs(row: Table) -> list[tuple[str, Mark]]:
    return [(code, row.mark("code")) for code in _code(row)]
