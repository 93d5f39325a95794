"""One bundle file (企业开办) → one frozen ``Bundle`` whose steps are items of their own.

Must not run a bundle. A step has no domain, subject, routing, days or examples of its own in the file: it gets the
bundle's subject, the district level, and working hours turned into days (8 hours a day, rounded up).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePath

from gateway.catalogue.bundle_examples import read_bundle_examples
from gateway.catalogue.field_rows import ROW_FIELD, STEP_FIELD, STEP_MATERIAL, FieldReader, read_materials
from gateway.catalogue.item import Bundle, Condition, Field, Item, Step
from gateway.catalogue.item_file import CODE, SUBJECTS, VERSION, World, sla_of
from gateway.catalogue.item_rows import read_outlets, read_route
from gateway.catalogue.problem import Sheet, nearest
from gateway.catalogue.rule_checks import judge
from gateway.catalogue.rule_rows import RuleReader, Scope, read_effective
from gateway.catalogue.shape import Shape, known, known_all, once_each, rows_of, table_of, texts_of
from gateway.catalogue.yaml_marks import Listing, Table, plain

_HOURS_A_DAY = 8

_BUNDLE = Shape(
    "bundle",
    "code:text name:text name_en:text version:text effective:table subject:text applicant:text outlets:text|list "
    "note?:text promised:table steps:list row_types:table examples:list",
)
_PROMISED = Shape("promised", "first_step_hours:int other_steps_hours:int total_hours:int source:text")
_STEP = Shape(
    "step",
    "code:text name:text name_en:text version:text department:text backend:text kind:text order:int depends_on:list "
    "soft_after?:list optional:bool mode:text promised_hours:int shared_fields:list inputs:list outputs:list "
    "materials:list fields:list rules?:list route?:table sla?:table",
)
_SOFT_AFTER = Shape("soft_after", "step:text when:list")
_OUTPUT = Shape("output", "name:text label:text type:text many:bool required:bool fills?:text")


def read_row_types(row: Table, *, reader: FieldReader) -> dict[str, tuple[Field, ...]]:
    """The columns of the list types of a bundle; the name of a list type is a field type."""
    found: dict[str, tuple[Field, ...]] = {}
    tables = row.get("row_types")
    if not isinstance(tables, Table):
        return {}
    for name in tables:
        if name not in reader.codes.field_types:
            reader.sheet.add(tables.key_mark(name), f"{name} is no field type", nearest(name, reader.codes.field_types))
        elif isinstance(tables[name], Listing):
            found[name] = tuple(reader.read_list(tables[name], ROW_FIELD).values())
        else:
            reader.sheet.add(tables.mark(name), f"row type {name} is no list", "write one column a line")
    return found


def read_bundle(row: Table, path: PurePath, *, world: World, sheet: Sheet, digest: str) -> Bundle | None:
    """Read one bundle file; ``None`` when anything is wrong with it. ``world.row_types`` holds its own already."""
    _BUNDLE.check(row, sheet)
    if "code" in row and (row["code"] != path.stem or not CODE.fullmatch(row["code"])):
        sheet.add(row.mark("code"), f"code {row['code']} in the file {path.name}", f"write {path.stem}")
    start, _ = read_effective(row, sheet)
    for key in ("subject", "applicant"):
        known(row, key, SUBJECTS, sheet=sheet)
    read_outlets(row, world.network, sheet)
    promised = table_of(row, "promised", _PROMISED, sheet=sheet)
    rows = rows_of(row, "steps", _STEP, sheet=sheet)
    once_each(rows, "code", "step", sheet=sheet)
    reader = _StepReader(rows, world, sheet)
    steps = [reader.read(step, row, start, source=path.name, digest=digest) for step in rows]
    reader.check_order()
    if isinstance(row.get("examples"), Listing):
        examples = read_bundle_examples(row, reader.fields, reader.outputs, world=world, sheet=sheet)
    else:
        examples = ()
    done = [step for step in steps if step]
    if sheet.problems or start is None or len(done) < len(steps):
        return None
    return Bundle(
        code=row["code"],
        version=row["version"],
        name=row["name"],
        name_en=row["name_en"],
        effective_from=start,
        steps=tuple(sorted(done, key=lambda step: step.order)),
        row_types={name: world.row_types[name] for name in row["row_types"]},
        examples=examples,
        promised=plain(promised),
    )


class _StepReader:
    """Reads the steps of one bundle; all fields and outputs are read first, since steps name each other's."""

    def __init__(self, rows: Sequence[Table], world: World, sheet: Sheet) -> None:
        self.rows = [row for row in rows if "code" in row]
        self.world = world
        self.sheet = sheet
        reader = FieldReader(world.codes, sheet)
        self.fields = {row["code"]: reader.read(row, "fields", STEP_FIELD) for row in self.rows}
        self.outputs = {row["code"]: self._outputs(row) for row in self.rows}
        self.shared = {n: f for fields in self.fields.values() for n, f in fields.items() if f.shared}

    def read(self, row: Table, bundle: Table, start: date | None, *, source: str, digest: str) -> Step | None:
        """One step; ``None`` when something is wrong with it."""
        code = row.get("code")
        codes, sheet = self.world.codes, self.sheet
        for key, among in (
            ("department", codes.departments),
            ("backend", codes.backends),
            ("kind", codes.kinds),
            ("mode", codes.slas),
        ):
            known(row, key, among, sheet=sheet)
        if code is None:
            return None
        for key, pattern in (("code", CODE), ("version", VERSION)):
            if key in row and not pattern.fullmatch(row[key]):
                sheet.add(
                    row.mark(key), f"{key} {row[key]}", "write it like FT-BIZ-LIC" if key == "code" else "write 2026.1"
                )
        for key in ("order", "promised_hours"):
            if row.get(key, 1) < 1:
                sheet.add(row.mark(key), f"{key} {row[key]}", "write 1 or more")
        depends_on = known_all(texts_of(row, "depends_on", sheet=sheet), self._others(code), "step", sheet=sheet)
        given = {name: f for other in depends_on for name, f in self.outputs.get(other, {}).items()}
        inputs = known_all(texts_of(row, "inputs", sheet=sheet), given, "output of an earlier step", sheet=sheet)
        shared = known_all(texts_of(row, "shared_fields", sheet=sheet), self.shared, "shared field", sheet=sheet)
        for name in shared:
            if name in self.fields[code]:
                sheet.add(row.mark("shared_fields"), f"{name} is a field of this step", "leave it out")
        materials = read_materials(row, STEP_MATERIAL, sheet)
        for material in materials:
            if material.produced_by and material.produced_by not in self._others(code):
                what = f"produced_by {material.produced_by} is no other step"
                sheet.add(row.mark("materials"), what, nearest(material.produced_by, self._others(code)))
        fields = self.fields[code]
        own = {**{name: given[name] for name in inputs}, **{name: self.shared[name] for name in shared}, **fields}
        scope = Scope({**self.outputs[code], **own}, self.world.row_types, [m.id for m in materials])
        rules = RuleReader(codes, self.world.network, sheet, in_bundle=True).read(row, "rules", scope, judge)
        self._fills(row, scope)
        soft_after = self._soft_after(row, code, scope)
        members = self.world.applicants.get(bundle.get("applicant", ""), {})
        route = read_route(row, own, members, sheet=sheet)
        sla = sla_of(row, codes, sheet)
        if sheet.problems or start is None or sla is None:
            return None
        item = Item(
            code=code,
            version=row["version"],
            name=row["name"],
            name_en=row["name_en"],
            effective_from=start,
            effective_to=None,
            domain="",
            department=row["department"],
            backend=row["backend"],
            kind=row["kind"],
            subjects=(bundle.get("subject", ""),),
            mode=row["mode"],
            statutory_days=None,
            promised_days=-(-row["promised_hours"] // _HOURS_A_DAY),
            tolerance_allowed=any(material.deferrable for material in materials),
            tolerance_days=None,
            routing_level="district",
            routing_key="",
            outlets=None,
            windows=(),
            window_message="",
            agent_allowed=True,
            face_check="optional",
            sensitive=(),
            result_type="",
            result_name=row["name"],
            basis="",
            materials=materials,
            fields=tuple(fields.values()),
            rules=rules,
            examples=(),
            note="",
            route=route,
            sla=sla,
            source=source,
            digest=digest,
        )
        return Step(
            item=item,
            order=row["order"],
            depends_on=depends_on,
            soft_after=soft_after,
            optional=row["optional"],
            promised_hours=row["promised_hours"],
            shared_fields=shared,
            inputs=inputs,
            outputs=tuple(plain(output) for output in row["outputs"]),
        )

    def check_order(self) -> None:
        """No step waits for itself, hard or soft, and ``order`` follows ``depends_on``."""
        order = {row["code"]: row.get("order", 0) for row in self.rows}
        waits: dict[str, list[str]] = {}
        for row in self.rows:
            after = [name for name in row.get("depends_on", ()) if isinstance(name, str)]
            for name in after:
                if name in order and "order" in row and order[name] >= row["order"]:
                    what = f"order {row['order']}, but it depends on {name} of order {order[name]}"
                    self.sheet.add(row.mark("order"), what, f"write {order[name] + 1} or more")
            soft = [s.get("step", "") for s in row.get("soft_after", ()) if isinstance(s, Table)]
            waits[row["code"]] = after + soft
        try:
            TopologicalSorter(waits).prepare()
        except CycleError as error:
            circle = " → ".join(error.args[1])
            row = next(row for row in self.rows if row["code"] in error.args[1])
            self.sheet.add(row.mark("depends_on"), f"steps wait in a circle: {circle}", "write one of them first")

    def _others(self, code: str) -> list[str]:
        return [row["code"] for row in self.rows if row["code"] != code]

    def _outputs(self, row: Table) -> dict[str, Field]:
        """The outputs of a step as the fields that later rules may name."""
        rows = rows_of(row, "outputs", _OUTPUT, sheet=self.sheet)
        once_each(rows, "name", "output", sheet=self.sheet)
        found = {}
        for output in rows:
            type_ = known(output, "type", self.world.codes.field_types, sheet=self.sheet)
            if type_ and "name" in output:
                field = Field(output["name"], output.get("label", ""), type_, output.get("required", False))
                found[field.name] = replace(field, output=True)
        return found

    def _fills(self, row: Table, scope: Scope) -> None:
        """An output that fills a column: many values, into a column marked ``output``."""
        for output in row.get("outputs", ()):
            if not isinstance(output, Table) or "fills" not in output:
                continue
            column = scope.find(output["fills"])
            filled = [n for n in scope.names(dotted=True) if (f := scope.find(n)) and f.output]
            if column is None or not column.output or "." not in output["fills"]:
                what = f"fills {output['fills']} is no column with output: true"
                self.sheet.add(output.mark("fills"), what, nearest(output["fills"], filled))
            elif not output.get("many", True):
                self.sheet.add(output.mark("many"), "one value cannot fill a column of rows", "write true")

    def _soft_after(self, row: Table, code: str, scope: Scope) -> tuple[tuple[str, tuple[Condition, ...]], ...]:
        found = []
        reader = RuleReader(self.world.codes, self.world.network, self.sheet)
        for soft in rows_of(row, "soft_after", _SOFT_AFTER, sheet=self.sheet):
            known(soft, "step", self._others(code), sheet=self.sheet)
            found.append((soft.get("step", ""), reader.conditions(soft, "when", scope)))
        return tuple(found)
