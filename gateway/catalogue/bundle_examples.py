"""Examples of a bundle: shared fields once, one block for each step, and outputs for the rules that need them.

Must not validate the values: the forms do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.catalogue.item import Field
from gateway.catalogue.item_rows import check_values, read_applicant
from gateway.catalogue.problem import Sheet, nearest
from gateway.catalogue.shape import Shape, known, rows_of, table_of
from gateway.catalogue.yaml_marks import Table, plain

if TYPE_CHECKING:
    from gateway.catalogue.item_file import World

_EXAMPLE = Shape("example", "name:text bank:text outlet:text applicant:table form:table outputs?:table")
_FORM = Shape("form", "shared:table steps:table")


def read_bundle_examples(
    row: Table,
    fields: Mapping[str, Mapping[str, Field]],
    outputs: Mapping[str, Mapping[str, Field]],
    *,
    world: World,
    sheet: Sheet,
) -> tuple[Mapping[str, Any], ...]:
    """The examples as plain mappings; names of steps, fields and outputs must exist, outlets be of the bank."""
    examples = rows_of(row, "examples", _EXAMPLE, sheet=sheet)
    if not row["examples"]:
        sheet.add(row.mark("examples"), "no example", "write at least one complete example")
    kind = row.get("applicant", "")
    shared = {name: field for own in fields.values() for name, field in own.items() if field.shared}
    asked = {step: {n: f for n, f in own.items() if not f.shared} for step, own in fields.items()}
    for example in examples:
        bank = known(example, "bank", world.network.banks, sheet=sheet)
        known(example, "outlet", [o.code for o in world.network.outlets.values() if o.bank == bank], sheet=sheet)
        read_applicant(example, {kind: world.applicants.get(kind, {})}, sheet)
        form = table_of(example, "form", _FORM, sheet=sheet) or example.empty()
        if isinstance(form.get("shared"), Table):
            check_values(form["shared"], shared, "form.shared", sheet=sheet)
        _by_step(form.get("steps"), asked, sheet)
        _by_step(example.get("outputs"), outputs, sheet)
    return tuple(plain(example) for example in examples)


def _by_step(blocks: Any, names: Mapping[str, Mapping[str, Field]], sheet: Sheet) -> None:
    if not isinstance(blocks, Table):
        return
    for step, block in blocks.items():
        if step not in names:
            sheet.add(blocks.key_mark(step), f"unknown step {step}", nearest(step, names))
        elif not isinstance(block, Table):
            sheet.add(blocks.mark(step), f"block of {step} is no mapping", "write name: value lines")
        else:
            check_values(block, names[step], f"step {step}", sheet=sheet)
