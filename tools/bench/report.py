"""What a person sees of a run, and the file for machines. Must not measure or judge beyond the target."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.bench.dispatch import Latency, Throughput
from tools.bench.figures import FLOOR, GATEWAY, LOCKED_FLOOR, TARGET, Round, middle, ratio, ratios_by_round

_BAR = 18
_COLOURS = {GATEWAY: "cyan", FLOOR: "bright_black", LOCKED_FLOOR: "bright_black"}


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Dispatch on one database. ``processes``: how the delay was taken, ``embedded`` or ``web + worker``."""

    throughput: Throughput
    latency: Latency
    processes: str


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one database. ``dispatch`` none: not asked for."""

    database: str
    rounds: tuple[Round, ...]
    dispatch: Dispatched | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def sides(self) -> list[str]:
        """Who was measured, the gateway first."""
        return [side for side in (GATEWAY, FLOOR, LOCKED_FLOOR) if any(one.side == side for one in self.rounds)]


def bar(value: float, most: float, width: int = _BAR) -> str:
    """A bar of eighths: full width at ``most``."""
    eighths = round(max(0.0, min(1.0, value / most if most else 0.0)) * width * 8)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def show(console: Console, found: Sequence[Measured]) -> None:
    """Tables and a verdict for each database."""
    console.print(_intake(found))
    if any(one.dispatch for one in found):
        console.print(_dispatch(found))
    for one in found:
        value = ratio(one.rounds)
        by_round = ", ".join(f"{each:.2f}" for each in ratios_by_round(one.rounds))
        good = value <= TARGET
        mark = "[green]✓[/green]" if good else "[red]✗[/red]"
        console.print(
            f" {mark} {one.database}: {value:.2f} times the CPU of {FLOOR} a request"
            f" (target {TARGET:g}; by round {by_round})",
            highlight=False,
        )


def write(path: Path, found: Sequence[Measured], facts: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Everything as JSON, every round included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": dict(facts),
        "options": dict(options),
        "target": TARGET,
        "databases": [
            {
                "database": one.database,
                "facts": dict(one.facts),
                "ratio": round(ratio(one.rounds), 3),
                "ratios_by_round": [round(each, 3) for each in ratios_by_round(one.rounds)],
                "medians": [asdict(middle(one.rounds, side)) for side in one.sides],
                "rounds": [asdict(each) for each in one.rounds],
                "dispatch": asdict(one.dispatch) if one.dispatch else None,
            }
            for one in found
        ],
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def _intake(found: Sequence[Measured]) -> Table:
    table = _table("Signed intake, medians of the rounds; latency in ms, server CPU in µs a request")
    for name in ("database", "side"):
        table.add_column(name, no_wrap=True)
    for name in ("req/s", "p50", "p99", "CPU"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("× b", "+ DB"):
        table.add_column(name, justify="right", no_wrap=True)
    most = max(middle(one.rounds, side).cpu_us for one in found for side in one.sides)
    for one in found:
        floor = middle(one.rounds, FLOOR).cpu_us
        for side in one.sides:
            mid = middle(one.rounds, side)
            table.add_row(
                one.database if side == GATEWAY else "",
                side,
                f"{mid.rate:.0f}",
                f"{mid.p50_ms:.1f}",
                f"{mid.p99_ms:.1f}",
                f"{mid.cpu_us:.0f}",
                Text(bar(mid.cpu_us, most), style=_COLOURS[side]),
                f"{mid.cpu_us / floor:.2f}",
                "" if mid.backend_us is None else f"{mid.backend_us:.0f}",
                style="bold" if side == GATEWAY else "",
                end_section=side == one.sides[-1],
            )
    return table


def _dispatch(found: Sequence[Measured]) -> Table:
    table = _table("One worker, a department that answers at once; ms from received_at to the department")
    table.add_column("database", no_wrap=True)
    for name in ("cases/s", "CPU µs", "p50", "p99", "worst"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("delay taken with", no_wrap=True)
    for one in found:
        if one.dispatch is not None:
            sent, waited = one.dispatch.throughput, one.dispatch.latency
            table.add_row(
                one.database,
                f"{sent.rate:.0f}",
                f"{sent.cpu_us:.0f}",
                f"{waited.p50_ms:.0f}",
                f"{waited.p99_ms:.0f}",
                f"{waited.worst_ms:.0f}",
                f"{one.dispatch.processes}, {waited.rate:g}/s",
            )
    return table
