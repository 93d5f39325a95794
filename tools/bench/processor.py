"""CPU time of processes, as the kernel counts it. Linux only; must not keep anything open.

What is read is utime + stime of whole processes (all threads), in ticks of 10 ms: measure over a second or more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def parse_stat(text: str) -> tuple[int, float]:
    """Parent's id and CPU seconds from ``/proc/<pid>/stat``; children that were waited for are counted in."""
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / TICKS


def tree_seconds(root: int) -> float:
    """CPU seconds so far of a process and everything below it. Raises ``ProcessLookupError`` when it is gone."""
    found: dict[int, tuple[int, float]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            found[int(entry.name)] = stat
    if root not in found:
        raise ProcessLookupError(root)
    below = {root}
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in found.items() if parent in below} - below
        below |= more
        grown = bool(more)
    return sum(found[pid][1] for pid in below)


def each_seconds(pids: Iterable[int]) -> dict[int, float]:
    """CPU seconds so far by process; those that cannot be read are left out."""
    return {pid: stat[1] for pid in pids if (stat := _stat(pid))}


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds between two readings; a process that came in between counts from its birth."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def name(pid: int) -> str:
    """The program's short name, "" when there is no such process here."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> tuple[int, float] | None:
    try:
        return parse_stat((_PROC / str(pid) / "stat").read_text())
    except OSError:
        return None
