"""Examples of the data files made valid for one day: values that begin with @ are replaced.

Must not invent values: the replacements are those of the data files' head, and nothing else begins with @.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from gateway.catalogue.item import Outlet
from gateway.catalogue.kinds.typed import month_of
from gateway.catalogue.rules import is_open
from gateway.domain.clock import stamp

CORPORATE = "corporate_mon_fri"

_LATER = re.compile(r"@today\+([0-9]{1,5})d")


def fill(
    value: Any,
    today: date,
    *,
    now: datetime,
    outlets: Mapping[str, Outlet] | None = None,
    hours: str = CORPORATE,
) -> Any:
    """A copy of an example with @now, @today, @today+Nd, @month and @open_day replaced; plain dicts and lists.

    @open_day is the next day after ``today`` on which the outlet named beside it (``outlet_code``) is open under
    ``hours``. Raises ``ValueError`` for any other @ word, or for an outlet that is not known.
    """
    known = outlets or {}

    def walk(one: Any, beside: Mapping[str, Any]) -> Any:
        if isinstance(one, Mapping):
            return {name: walk(inner, one) for name, inner in one.items()}
        if isinstance(one, list | tuple):
            return [walk(inner, beside) for inner in one]
        if isinstance(one, str) and one.startswith("@"):
            return _word(one, beside)
        return one

    def _word(word: str, beside: Mapping[str, Any]) -> str:
        if word == "@now":
            return stamp(now)
        if word == "@today":
            return today.isoformat()
        if word == "@month":
            return month_of(today)
        if found := _LATER.fullmatch(word):
            return (today + timedelta(days=int(found[1]))).isoformat()
        outlet = known.get(str(beside.get("outlet_code", "")))
        if word == "@open_day" and outlet is not None:
            return _open_day(outlet, today, hours).isoformat()
        raise ValueError(f"no replacement for {word}")

    return walk(value, {})


def _open_day(outlet: Outlet, today: date, hours: str) -> date:
    for ahead in range(1, 15):
        if is_open(outlet, day := today + timedelta(days=ahead), hours):
            return day
    raise ValueError(f"{outlet.code} is never open under {hours}")


def set_to(day: str, today: date) -> date:
    """The day an example's ``day`` (MM-DD) means in the year of ``today``; ``today`` itself for ""."""
    return date(today.year, int(day[:2]), int(day[3:])) if day else today
