"""One item file → one frozen ``Item``; everything wrong with it is noted, with its place.

Must not compare files with each other: ``loader.py`` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath

from gateway.catalogue.codes import Codes, read_sla
from gateway.catalogue.field_rows import FORM_FIELD, ITEM_MATERIAL, FieldReader, read_materials
from gateway.catalogue.item import Field, Item, Sla
from gateway.catalogue.item_rows import read_examples, read_outlets, read_route, read_routing, read_windows
from gateway.catalogue.outlets import Network
from gateway.catalogue.problem import Mark, Sheet
from gateway.catalogue.rule_checks import judge
from gateway.catalogue.rule_rows import RuleReader, Scope, read_effective
from gateway.catalogue.shape import Shape, known, known_all, table_of, texts_of
from gateway.catalogue.yaml_marks import Table

SUBJECTS = ("person", "organisation")
FACE_CHECKS = ("required", "optional", "none")
CODE = re.compile(r"[A-Z0-9]{2,8}(?:-[A-Z0-9]{1,8}){1,3}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,11}")

_ITEM = Shape(
    "item",
    "code:text name:text name_en:text version:text effective:table domain:text department:text backend:text kind:text "
    "subject:text also_subject?:text mode:text statutory_days:int|null promised_days:int tolerance:table routing:table "
    "outlets:text|list windows?:list window_message?:text agent_allowed:bool face_check:text sensitive:list "
    "result:table basis:text materials:list fields:list rules?:list examples:list note?:text route?:table sla?:table",
)
_TOLERANCE = Shape("tolerance", "allowed:bool deadline_days:int|null")
_RESULT = Shape("result", "type:text name:text")


@dataclass(frozen=True, slots=True)
class World:
    """What all item files are read against. ``applicants``: members of the applicant block by kind."""

    codes: Codes
    network: Network
    applicants: Mapping[str, Mapping[str, Field]]
    row_types: Mapping[str, tuple[Field, ...]]


@dataclass(frozen=True, slots=True)
class ItemFile:
    """What a file says it is, for the comparison of files; ``item`` only when nothing is wrong with it."""

    code: str
    version: str
    domain: str
    start: date | None
    end: date | None
    at: Mark
    sheet: Sheet
    item: Item | None


def read_item(row: Table, path: PurePath, *, world: World, sheet: Sheet, digest: str) -> ItemFile:
    """Read one item file. ``path`` is for its name, which must be ``CODE.yaml`` or ``CODE@VERSION.yaml``."""
    codes = world.codes
    _ITEM.check(row, sheet)
    _name_fits(row, path, sheet)
    start, end = read_effective(row, sheet)
    for key, among in (
        ("domain", codes.domains),
        ("department", codes.departments),
        ("backend", codes.backends),
        ("kind", codes.kinds),
        ("mode", codes.slas),
        ("face_check", FACE_CHECKS),
    ):
        known(row, key, among, sheet=sheet)
    subjects = _subjects(row, sheet)
    applicants = {kind: world.applicants[kind] for kind in subjects}
    fields = FieldReader(codes, sheet).read(row, "fields", FORM_FIELD)
    if "fields" in row and not row["fields"]:
        sheet.add(row.mark("fields"), "no field", "write at least one field")
    materials = read_materials(row, ITEM_MATERIAL, sheet)
    scope = Scope(fields, world.row_types, [material.id for material in materials])
    rules = RuleReader(codes, world.network, sheet).read(row, "rules", scope, judge)
    level, key = read_routing(row, fields, departments=codes.departments, sheet=sheet)
    windows = read_windows(row, sheet)
    result = table_of(row, "result", _RESULT, sheet=sheet) or row.empty()
    known(result, "type", codes.result_types, sheet=sheet)
    tolerance = _tolerance(row, any(material.deferrable for material in materials), sheet)
    _days(row, sheet)
    members = {name: field for kind in subjects for name, field in world.applicants[kind].items()}
    route = read_route(row, fields, members, sheet=sheet)
    examples = read_examples(row, windows, fields=fields, applicants=applicants, sheet=sheet)
    outlets = read_outlets(row, world.network, sheet)
    sensitive = known_all(texts_of(row, "sensitive", sheet=sheet), codes.sensitive_tags, "sensitive tag", sheet=sheet)
    sla = sla_of(row, codes, sheet)
    item = None
    if not sheet.problems and start and sla:
        item = Item(
            code=row["code"],
            version=row["version"],
            name=row["name"],
            name_en=row["name_en"],
            effective_from=start,
            effective_to=end,
            domain=row["domain"],
            department=row["department"],
            backend=row["backend"],
            kind=row["kind"],
            subjects=subjects,
            mode=row["mode"],
            statutory_days=row["statutory_days"],
            promised_days=row["promised_days"],
            tolerance_allowed=tolerance[0],
            tolerance_days=tolerance[1],
            routing_level=level,
            routing_key=key,
            outlets=outlets,
            windows=windows,
            window_message=row.get("window_message", ""),
            agent_allowed=row["agent_allowed"],
            face_check=row["face_check"],
            sensitive=sensitive,
            result_type=result["type"],
            result_name=result["name"],
            basis=row["basis"],
            materials=materials,
            fields=tuple(fields.values()),
            rules=rules,
            examples=examples,
            note=row.get("note", ""),
            route=route,
            sla=sla,
            source=path.name,
            digest=digest,
        )
    at = row.mark("code")
    return ItemFile(row.get("code", ""), row.get("version", ""), row.get("domain", ""), start, end, at, sheet, item)


def sla_of(row: Table, codes: Codes, sheet: Sheet) -> Sla | None:
    """The item's own block ``sla``, else the default of its mode."""
    own = row.get("sla")
    return read_sla(own, sheet) if isinstance(own, Table) else codes.slas.get(row.get("mode", ""))


def _name_fits(row: Table, path: PurePath, sheet: Sheet) -> None:
    code, version = row.get("code"), row.get("version")
    if version is not None and not VERSION.fullmatch(version):
        sheet.add(row.mark("version"), f"version {version}", "write up to 12 letters, digits and points")
    if code is None:
        return
    if not CODE.fullmatch(code) or len(code) > 20:
        sheet.add(row.mark("code"), f"code {code}", "write capitals and digits with hyphens, like AA-BBB-001")
    allowed = [code, f"{code}@{version}"]
    if path.stem not in allowed:
        sheet.add(
            row.mark("code"),
            f"code {code} stands in the file {path.name}",
            f"write {path.stem.split('@')[0]}, or name the file {code}.yaml",
        )


def _subjects(row: Table, sheet: Sheet) -> tuple[str, ...]:
    subject = known(row, "subject", SUBJECTS, sheet=sheet)
    also = known(row, "also_subject", SUBJECTS, sheet=sheet)
    if subject and subject == also:
        other = next(kind for kind in SUBJECTS if kind != subject)
        sheet.add(row.mark("also_subject"), f"also_subject {also} is the subject", f"write {other}, or leave it out")
    return tuple(dict.fromkeys(kind for kind in (subject, also) if kind))


def _tolerance(row: Table, deferrable: bool, sheet: Sheet) -> tuple[bool, int | None]:
    """Deferred materials: allowed with a limit in days exactly when some material may be deferred."""
    found = table_of(row, "tolerance", _TOLERANCE, sheet=sheet)
    if found is None or len(found) < 2:
        return False, None
    allowed, days = found["allowed"], found["deadline_days"]
    if allowed and (days is None or days < 1):
        sheet.add(found.mark("deadline_days"), "tolerance without a limit", "write deadline_days: 1 or more")
    if not allowed and days is not None:
        sheet.add(found.mark("deadline_days"), "a limit, but tolerance is not allowed", "write null")
    if allowed != deferrable and "materials" in row:
        what = "no material is deferrable" if allowed else "a material is deferrable"
        sheet.add(found.mark("allowed"), what, f"write {'false' if allowed else 'true'}, or mend the materials")
    return allowed, days


def _days(row: Table, sheet: Sheet) -> None:
    """Promised days follow the mode: instant 0, spot 1, promise at least 1; none is negative."""
    statutory, promised, mode = row.get("statutory_days"), row.get("promised_days"), row.get("mode")
    if statutory is not None and statutory < 1:
        sheet.add(row.mark("statutory_days"), f"statutory_days {statutory}", "write 1 or more, or null")
    if promised is None:
        return
    fixed = {"instant": 0, "spot": 1}.get(str(mode))
    if fixed is not None and promised != fixed:
        sheet.add(row.mark("promised_days"), f"promised_days {promised} of an item of mode {mode}", f"write {fixed}")
    elif fixed is None and promised < 1:
        sheet.add(row.mark("promised_days"), f"promised_days {promised}", "write 1 or more")
