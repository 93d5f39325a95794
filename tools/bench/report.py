"""What a person sees of a run, and the file for machines. Must not measure or judge beyond the target."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.bench.dispatch import Latency, Throughput
from tools.bench.figures import FLOOR, GATEWAY, LOCKED_FLOOR, TARGET, Round, middle, ratio, ratios_by_round

_BAR = 24
_COLOURS = {GATEWAY: "cyan", FLOOR: "bright_black", LOCKED_FLOOR: "bright_black"}


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one database. ``processes``: how the latency was taken, ``embedded`` or ``web + worker``."""

    database: str
    rounds: tuple[Round, ...]
    throughput: Throughput
    latency: Latency
    processes: str
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
    """Two tables and a verdict."""
    console.print(_intake(found))
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
                "dispatch": asdict(one.throughput),
                "commit_to_department": {"processes": one.processes, **asdict(one.latency)},
            }
            for one in found
        ],
    }
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _intake(found: Sequence[Measured]) -> Table:
    table = Table(title="Signed intake, medians of the rounds", title_justify="left", header_style="bold")
    table.add_column("database")
    table.add_column("side")
    for name in ("requests/s", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    table.add_column("server CPU µs a request")
    table.add_column("lowest–highest", justify="right")
    table.add_column("× floor b", justify="right")
    table.add_column("+ in database", justify="right")
    most = max(middle(one.rounds, side).cpu_us for one in found for side in one.sides)
    for one in found:
        floor = middle(one.rounds, FLOOR).cpu_us
        for side in one.sides:
            mid = middle(one.rounds, side)
            shown = Text(f"{mid.cpu_us:6.0f} ", style="bold" if side == GATEWAY else "")
            shown.append(bar(mid.cpu_us, most), style=_COLOURS[side])
            table.add_row(
                one.database if side == GATEWAY else "",
                side,
                f"{mid.rate:.0f}",
                f"{mid.p50_ms:.1f}",
                f"{mid.p99_ms:.1f}",
                shown,
                f"{mid.cpu_low:.0f}–{mid.cpu_high:.0f}",
                f"{mid.cpu_us / floor:.2f}",
                "" if mid.backend_us is None else f"{mid.backend_us:.0f}",
                end_section=side == one.sides[-1],
            )
    return table


def _dispatch(found: Sequence[Measured]) -> Table:
    table = Table(title="Dispatch to a department that answers at once", title_justify="left", header_style="bold")
    for name in ("database", "one worker", "commit to department"):
        table.add_column(name)
    for name in ("p50 ms", "p99 ms", "worst ms"):
        table.add_column(name, justify="right")
    for one in found:
        sent, waited = one.throughput, one.latency
        table.add_row(
            one.database,
            f"{sent.rate:.0f} cases/s ({sent.cases} in {sent.seconds:.1f} s, {sent.cpu_us:.0f} µs CPU each)",
            f"{one.processes}, {waited.cases} cases at {waited.rate:g}/s",
            f"{waited.p50_ms:.0f}",
            f"{waited.p99_ms:.0f}",
            f"{waited.worst_ms:.0f}",
        )
    return table
