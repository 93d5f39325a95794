"""Pages by cursor: "from this position on", so that rows which come meanwhile neither shift nor repeat a page.

Must not count rows: a total of a million cases is a scan.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import Any

import marshmallow as ma

from gateway.web.staff_api.fields import Body, Many, Part, Text, Whole

SIZE = 50
LARGEST = 200
Place = tuple[int | str, ...]  # what the rows are ordered by


class Cursor(ma.fields.String):
    """An opaque place in a list; loads as ``Place``. Callers give back what ``next`` said."""

    default_error_messages = {"invalid": "不是本接口给出的 cursor", "null": "不能为空值"}

    def __init__(self, **more: Any) -> None:
        super().__init__(metadata={"description": "上一页回答中的 next，原样送回", "maxLength": 400}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        place = read(super()._deserialize(value, attr, data, **more))
        if place is None:
            raise self.make_error("invalid")
        return place


class PageQuery(Body):
    """Every list's query."""

    cursor = Cursor(load_default=None)
    limit = Whole(least=1, most=LARGEST, in_body=False, load_default=SIZE, metadata={"description": "每页条数"})


def page_of(row: type[Body] | Body) -> type[Body]:
    """The answer schema of a list of ``row``: ``items`` and ``next`` (null on the last page)."""
    name = (row if isinstance(row, type) else type(row)).__name__.removesuffix("Out")
    made: type[Body] = Body.from_dict(  # type: ignore[assignment]  # the library says Schema
        {
            "items": Many(Part(row), most=LARGEST, required=True),
            "next": Text(most=400, required=True, allow_none=True),
        },
        name=f"{name}Page",
    )
    return made


def page(items: Sequence[Any], after: Place | None) -> dict[str, Any]:
    """A page as ``page_of`` describes it. ``after``: the place the next page begins behind, none at the end."""
    return {"items": list(items), "next": None if after is None else write(after)}


def write(place: Place) -> str:
    """A place as the caller carries it."""
    return base64.urlsafe_b64encode(json.dumps(list(place), separators=(",", ":")).encode()).rstrip(b"=").decode()


def read(text: str) -> Place | None:
    """The place, none for what we never wrote."""
    if not text.isascii() or not 0 < len(text) <= 400:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not 0 < len(found) <= 4:
        return None
    for part in found:
        whole = isinstance(part, int) and not isinstance(part, bool) and abs(part) < math.pow(2, 63)
        if not whole and not (isinstance(part, str) and len(part) <= 100 and part.isprintable()):
            return None
    return tuple(found) if write(tuple(found)) == text else None
