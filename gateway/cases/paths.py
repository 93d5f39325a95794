"""A department's field names turned back into ours, by the item's own route.

Must not guess: a name the route does not hold is shown as it came.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.catalogue.item import Item

_WIRE = "wire:"
_MATERIAL = "material:"


def canonical_path(item: Item) -> Callable[[str], str]:
    """``wire:contactDate`` → ``form.contact_date``; ``wire:material:M1`` → ``materials.M1``."""
    back = {} if item.route is None else {name: source.partition("|")[0] for name, source in item.route.fields.items()}

    def turn(path: str) -> str:
        if not path.startswith(_WIRE):
            return path
        name = path.removeprefix(_WIRE)
        if name.startswith(_MATERIAL):
            return "materials." + name.removeprefix(_MATERIAL)
        return back.get(name, name)

    return turn
