"""FT_EDU's notice board: planned and unplanned closures, and what they do to a request (FT_EDU.md sections 3, 8, 10).

Must not know operations beyond whether one asks for the status, reads or writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mocks.departments.edu_archive import Archive
from mocks.departments.edu_desk import Told
from mocks.departments.edu_forms import is_day, items
from mocks.departments.edu_hours import Closure, announced, closed_at_night, closed_by_plan
from mocks.departments.edu_signing import time_text


def unless_closed(archive: Archive, now: datetime, *, asking: bool, writing: bool, night: bool) -> None:
    """Raise 50301 when closed: by a closure for all but the status (``asking``), at night for writes only."""
    until = None if asking else _closed(archive, now)
    if night and writing and until is None:
        until = closed_at_night(now)
    if until:
        raise Told(50301, "系统暂停服务", body={"until": time_text(until)})


def status(archive: Archive, now: datetime, *, night: bool) -> dict[str, Any]:
    """``{open, closures}`` with the planned closures of the next seven days."""
    closed = _closed(archive, now) or (closed_at_night(now) if night else None)
    closures = [
        {"from": time_text(closure.begins), "to": time_text(closure.ends), "reason": closure.reason}
        for closure in announced(now, _planned(archive))
    ]
    return {"open": closed is None, "closures": closures}


def post(archive: Archive, order: Mapping[str, Any]) -> dict[str, Any]:
    """Do ``POST /control/service``: any of the names below, each replacing what stood. Raises ``ValueError``."""
    known = {"closures", "closedUntil", "itemsClosed", "maintenance"}
    if unknown := set(order) - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    for closure in order.get("closures", ()):
        if set(closure) != {"from", "to", "reason"} or _moment(closure["from"]) >= _moment(closure["to"]):
            raise ValueError("a closure is {from, to, reason} with from before to")
    if order.get("closedUntil"):
        _moment(order["closedUntil"])
    for item, day in order.get("itemsClosed", {}).items():
        if item not in items() or is_day(day):
            raise ValueError("itemsClosed is {item: yyyy-MM-dd}")
    for name, value in order.items():
        archive.put_notice(name, value)
    return show(archive)


def show(archive: Archive) -> dict[str, Any]:
    """Everything on the board."""
    return {
        "closures": archive.notice("closures", []),
        "closedUntil": archive.notice("closedUntil", ""),
        "itemsClosed": archive.notice("itemsClosed", {}),
        "maintenance": archive.notice("maintenance", False),
    }


def _closed(archive: Archive, now: datetime) -> datetime | None:
    unplanned = archive.notice("closedUntil", "")
    if unplanned and _moment(unplanned) > now:
        return _moment(unplanned)
    return closed_by_plan(now, _planned(archive))


def _planned(archive: Archive) -> list[Closure]:
    found = archive.notice("closures", [])
    return [Closure(_moment(c["from"]), _moment(c["to"]), c["reason"]) for c in found]


def _moment(words: str) -> datetime:
    """A Beijing time ``yyyy-MM-dd HH:mm:ss``, aware. Raises ``ValueError``."""
    return datetime.fromisoformat(f"{words}+08:00")
