"""Named converters of a route: a typed value as a department wants to read it.

Must not know any department. A new converter is a change of the gateway with its own review, not of an item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from gateway.domain.clock import stamp

Converter = Callable[[Any], Any]


def text(value: Any) -> Any:
    """A value as canonical text: ``YYYY-MM-DD``, times with +08:00, true and false; inside rows and addresses too."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): text(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [text(inner) for inner in value]
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def iso_date(value: date) -> str:
    """A day as ``2026-11-23``."""
    return value.isoformat()


def yyyymmdd(value: date) -> str:
    """A day as ``20261123``."""
    return f"{value.year:04d}{value.month:02d}{value.day:02d}"


def fen(value: int) -> int:
    """Money as an integer of fen, the way it is kept."""
    return int(value)


def yuan(value: int) -> str:
    """Money as yuan with two decimals: 10050 fen are ``100.50``."""
    whole, cents = divmod(abs(value), 100)
    return f"{'-' if value < 0 else ''}{whole}.{cents:02d}"


def strokes(value: Mapping[str, Any]) -> str:
    """An address as ``region/street/community/detail``; a missing part stays empty between the strokes."""
    return "/".join(str(value.get(part) or "") for part in ("region", "street", "community", "detail"))


CONVERTERS: dict[str, Converter] = {
    "text": text,
    "iso_date": iso_date,
    "yyyymmdd": yyyymmdd,
    "fen": fen,
    "yuan": yuan,
    "strokes": strokes,
}


def known() -> frozenset[str]:
    """The names a route may use."""
    return frozenset(CONVERTERS)
