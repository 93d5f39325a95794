"""The way of every case as the exported trail tells it, held against what its story allows.

Must not ask the gateway: it reads the package an outsider would get, nothing else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from tools.demo.story import Row

_STEPS = {
    "case:call:attempted": "called",
    "case:call:asked": "asked",
    "case:call:takenover": "taken over",
    "case:call:unclear": "unclear",
    "case:call:failed": "not reached",
    "case:call:parked": "parked",
    "case:callback:received": "called back",
    "case:submission:repeated": "replayed",
    "case:submission:retried": "retried",
    "case:submission:conflicted": "conflict",
}
_ANSWERS = {"sending": "answered", "ask": "found", "poll": "polled"}


def ways(package: Path) -> dict[str, list[str]]:
    """Receipt number → the case's steps in order, ending with the state it is in."""
    entries = [json.loads(line) for line in (package / "entries.jsonl").read_text("utf-8").splitlines()]
    numbers = {e["subject"]: e["facts"]["receipt_no"] for e in entries if e["kind"] == "case:submission:received"}
    found: dict[str, list[str]] = {number: [] for number in numbers.values()}
    states: dict[str, str] = {}
    for entry in sorted((e for e in entries if e["subject"] in numbers), key=lambda e: int(e["seq"])):
        number = numbers[entry["subject"]]
        step = _step(entry)
        if step:
            found[number].append(step)
        states[number] = entry["facts"].get("state", states.get(number, "submitted"))
    for number, state in states.items():
        found[number].append(state)
    return found


def judge(rows: Iterable[Row], found: dict[str, list[str]]) -> None:
    """Give each case its path and note every step that occurs too rarely or too often."""
    for row in rows:
        if not row.receipt_no:
            continue
        steps = found.get(row.receipt_no)
        if steps is None:
            row.wrong.append("the case is not in the trail")
            continue
        row.path = short(steps)
        counts = Counter(steps)
        for step, (least, most) in row.steps.items():
            row.want(least <= counts[step] <= most, f"“{step}” stands {counts[step]} times in the trail")
        row.want(not counts["parked"], "the call was parked")


def short(steps: Iterable[str]) -> str:
    """``called → answered → called back ×2 → approved``."""
    parts = [(step, len(list(group))) for step, group in groupby(steps)]
    return " → ".join(step if times == 1 else f"{step} ×{times}" for step, times in parts)


def _step(entry: dict[str, Any]) -> str:
    if entry["kind"] == "case:call:answered":
        facts = entry["facts"]
        return "not known there" if facts.get("known") == "no" else _ANSWERS.get(facts.get("stage", ""), "answered")
    return _STEPS.get(entry["kind"], "")
