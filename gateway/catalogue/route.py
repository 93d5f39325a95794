"""An item's answers as its back-end wants them: the department's operation and the department's field names.

Must not know any department, nor send anything. Names and converters come from the item's ``route``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.catalogue.convert import CONVERTERS
from gateway.catalogue.item import Item
from gateway.domain.errors import BadCatalogue

Sources = Mapping[str, Mapping[str, Any]]

_KEPT: dict[tuple[str, str], tuple[Item, Callable[[Sources], dict[str, Any]]]] = {}  # one per item version


def translate(item: Item, sources: Sources) -> tuple[str, dict[str, Any]]:
    """(operation, fields) for the item's back-end.

    ``sources`` holds typed values by block: ``form``, ``applicant``, ``case``. A source that was not given is left out.
    Raises ``BadCatalogue`` for an item without a route, or a route that names no source, no converter, or no code for
    a value.
    """
    if item.route is None:
        raise BadCatalogue(f"{item.source}: {item.code} has no route")
    kept = _KEPT.get((item.code, item.version))
    if kept is None or kept[0] is not item:
        kept = _KEPT[item.code, item.version] = (item, _plan(item))
    return item.route.operation, kept[1](sources)


def _plan(item: Item) -> Callable[[Sources], dict[str, Any]]:
    route = item.route
    if route is None:
        raise BadCatalogue(f"{item.source}: {item.code} has no route")
    steps = [(theirs, *_read(item, source)) for theirs, source in route.fields.items()]
    coded = {theirs: dict(table) for theirs, table in route.codes.items()}
    constants = dict(route.constants)

    def fill(sources: Sources) -> dict[str, Any]:
        fields: dict[str, Any] = dict(constants)
        for theirs, block, name, convert in steps:
            if not block:
                fields[theirs] = name
                continue
            value: Any = sources.get(block, {})
            for part in name.split("."):
                value = value.get(part) if type(value) is dict or isinstance(value, Mapping) else None
            if value is not None and value != "":
                value = convert(value)
                fields[theirs] = _code(item, theirs, coded[theirs], value) if theirs in coded else value
        return fields

    return fill


def _code(item: Item, theirs: str, table: Mapping[str, str], value: Any) -> str:
    try:
        return table[value]
    except (KeyError, TypeError):
        raise BadCatalogue(f"{item.source}: {item.code}: route has no code of {theirs} for a value") from None


def _read(item: Item, source: str) -> tuple[str, str, Callable[[Any], Any]]:
    """``form.x|converter`` → (block, name, converter); a literal ``=text`` has no block."""
    if source.startswith("="):
        return "", source[1:], CONVERTERS["text"]
    path, _, converter = source.partition("|")
    block, _, name = path.partition(".")
    convert = CONVERTERS.get(converter or "text")
    if not block or not name or convert is None:
        raise BadCatalogue(f"{item.source}: {item.code}: route source {source!r} is none; write form.name|converter")
    return block, name, convert
