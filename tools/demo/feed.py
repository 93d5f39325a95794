"""The feed of changes read from the oldest event to the end, held against every case's own events.

Must not forgive: an event that is missing, twice, different or out of its case's order is a fault.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.demo.floor import Floor

_PAGE = 7  # small on purpose: several cursors
_LOOK_EVERY = 0.3


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of it: events and pages read, seconds until the last event stood in it, everything that was wrong."""

    events: int
    pages: int
    waited: float
    wrong: tuple[str, ...]


def check(floor: Floor, receipts: Iterable[str], *, within: float = 45.0) -> Reading:
    """Read to the end; again while the newest events are still on their way into the feed, at most ``within`` s.

    They may be for a while: a gateway that was killed holds the job of ordering until its lease has run out.
    """
    wanted = {number: floor.events(number) for number in receipts}
    began = time.monotonic()
    while True:
        read, pages = _read(floor)
        wrong = _compare(wanted, [event for event in read if event["receipt_no"] in wanted])
        waited = time.monotonic() - began
        if not wrong or waited > within:
            return Reading(len(read), pages, waited, tuple(wrong))
        time.sleep(_LOOK_EVERY)


def _read(floor: Floor) -> tuple[list[dict[str, Any]], int]:
    events: list[dict[str, Any]] = []
    cursor, pages, more = "", 0, True
    while more:
        answer = floor.branch.changes(cursor, limit=_PAGE)
        if not answer.ok:
            raise RuntimeError(f"the feed was refused: {answer.reason}")
        events += answer.business["events"]
        cursor, more = answer.business["next"], answer.business["more"]
        pages += 1
    return events, pages


def _compare(wanted: dict[str, list[dict[str, Any]]], read: list[dict[str, Any]]) -> list[str]:
    wrong = []
    names = Counter((event["receipt_no"], event["event_no"]) for event in read)
    wrong += [f"event {no} of {number} came {times} times" for (number, no), times in names.items() if times > 1]
    for number, events in wanted.items():
        came = [event for event in read if event["receipt_no"] == number]
        if [e["event_no"] for e in came] != [e["event_no"] for e in events]:
            wrong.append(f"{number}: {len(came)} of {len(events)} events, or not in their order")
        elif came != events:
            wrong.append(f"{number}: the feed says something else than the case")
    return wrong
