"""What the bank was told by notices, held against every case's own events.

Must not forgive: an event the bank never took, one taken as another event, or a belief that is not the case's state.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.demo.floor import Floor

_LOOK_EVERY = 0.3


@dataclass(frozen=True, slots=True)
class Told:
    """Notices the bank took in their order, how many requests that were in all, and everything that was wrong."""

    taken: tuple[dict[str, Any], ...]
    requests: int
    waited: float
    wrong: tuple[str, ...]


def check(floor: Floor, receipts: Iterable[str], *, within: float = 45.0) -> Told:
    """Look until the bank has taken every event of every case, at most ``within`` seconds."""
    wanted = {number: floor.events(number) for number in receipts}
    began = time.monotonic()
    while True:
        ledger = floor.stack.heard()
        rows = [row for row in ledger["heard"] if row["event"].get("receipt_no") in wanted]
        wrong = _compare(wanted, rows, ledger["states"])
        waited = time.monotonic() - began
        if not wrong or waited > within:
            taken = tuple(row["event"] for row in rows if row["taken"])
            return Told(taken, len(rows), waited, tuple(wrong))
        time.sleep(_LOOK_EVERY)


def _compare(
    wanted: dict[str, list[dict[str, Any]]], rows: list[dict[str, Any]], believed: dict[str, dict[str, Any]]
) -> list[str]:
    wrong: list[str] = []
    for number, events in wanted.items():
        taken = {
            row["event"]["event_no"]: row["event"]
            for row in rows
            if row["taken"] and row["event"]["receipt_no"] == number
        }
        told = {no: event["kind"] for no, event in taken.items()}
        happened = {event["event_no"]: event["kind"] for event in events}
        if told != happened:
            missing = sorted(set(happened) - set(told))
            wrong.append(f"{number}: of {len(happened)} events the bank took {len(told)}; missing {missing or 'none'}")
        elif events and believed[number]["state"] != events[-1]["state"]:
            wrong.append(f"{number}: the bank believes {believed[number]['state']}, it is {events[-1]['state']}")
    return wrong
