"""Typed values beside each other: constants of rules in a field's own unit, plain numbers, days moved by a period.

Must not judge input. No floats: money and percent compare as exact decimals of a yuan and of a hundredth.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.catalogue.kinds.values import hundredths

IN_HUNDREDTHS = frozenset({"money", "percent"})


def constant(type_: str, raw: Any) -> Any:
    """A value of a rule as the data file has it (text, int, bool) in the unit of a typed value of ``type_``."""
    if type_ == "bool" or isinstance(raw, bool):
        return raw
    if type_ in IN_HUNDREDTHS:
        return hundredths(str(raw))
    if type_ in {"int", "year"}:
        return int(raw)
    if type_ == "decimal":
        return Decimal(str(raw))
    return date.fromisoformat(raw) if type_ == "date" else str(raw)


def plain_number(type_: str) -> Callable[[Any], Decimal | None]:
    """How a typed value of ``type_`` reads as a number; enum values count by their text, none where they are words."""
    if type_ in IN_HUNDREDTHS:
        return lambda value: Decimal(value).scaleb(-2)

    def read(value: Any) -> Decimal | None:
        try:
            number = Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            return None
        return number if number.is_finite() else None

    return read


def add_period(start: date, period: Mapping[str, int]) -> date:
    """``start`` plus days, months or years; 29 February becomes 28, and no sum runs past the last day there is."""
    months = period.get("months", 0) + 12 * period.get("years", 0)
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        return date.max
    moved = date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))
    try:
        return moved + timedelta(days=period.get("days", 0))
    except OverflowError:
        return date.max


def month_of(day: date) -> str:
    """``YYYY-MM``, as typed months are kept."""
    return f"{day.year:04d}-{day.month:02d}"


def first_day(month: str) -> date:
    """The first day of a typed month."""
    return date(int(month[:4]), int(month[5:7]), 1)
