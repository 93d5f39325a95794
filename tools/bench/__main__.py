"""``python -m tools.bench``: intake against its floor, dispatch and its delay, on SQLite and PostgreSQL.

Shows what it found and writes ``var/bench.json``. Ends with 1 when something could not be measured, never because a
number is bad.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tools.bench import intake, machine, report
from tools.bench.house import THREADS
from tools.bench.letters import ITEM
from tools.bench.run import Plan, Sight, measure
from tools.postgres import NoPostgres
from tools.stack import NotUp
from tools.stack.stack import ROOT

VAR = ROOT / "var"
_ALL = ["sqlite", "postgresql"]


def plan_of(asked: argparse.Namespace) -> Plan:
    """What the options mean."""
    quick = asked.quick
    return Plan(
        rounds=asked.rounds or (3 if quick else 5),
        seconds=asked.seconds or (0.6 if quick else 2.5),
        paced=0 if quick else 200,
    )


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="intake and dispatch on this machine")
    parser.add_argument("--rounds", type=int, help="rounds of every side (5; quick 3)")
    parser.add_argument("--seconds", type=float, help="length of a round (2.5; quick 0.6)")
    parser.add_argument("--quick", action="store_true", help="a glance in about half a minute: intake alone")
    parser.add_argument("--only", choices=_ALL, help="one database only")
    parser.add_argument("--out", type=Path, default=VAR / "bench.json", help="the file for machines")
    return parser.parse_args(words)


def main() -> int:
    """Measure, show, write."""
    asked = arguments()
    plan, console, began = plan_of(asked), Console(), time.monotonic()
    wanted = [asked.only] if asked.only else _ALL
    folder = VAR / f"bench-{secrets.token_hex(4)}"  # not under /tmp: that may be a file system in memory
    folder.mkdir(parents=True, mode=0o700)
    facts = machine.facts(folder)
    console.print(
        f"{facts['processor']}, {facts['cores']} cores, load {facts['load_average'][0]}, Python {facts['python']},"
        f" {facts['file_system'] or 'unknown'} file system; {THREADS} threads, {intake.CONNECTIONS} connections",
        highlight=False,
    )
    columns = SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=sum(plan.steps(name) for name in wanted))
            sight = Sight(lambda text: progress.update(task, description=text), lambda: progress.advance(task))
            found = [measure(name, plan, folder / name, sight) for name in wanted]
    except (NotUp, NoPostgres, intake.NotMeasured) as error:
        console.print(f"not measured: {error}\nlogs are kept in {folder}", style="red", highlight=False, markup=False)
        return 1
    shutil.rmtree(folder)
    options = {
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "threads": THREADS,
        "connections": intake.CONNECTIONS,
        "item": ITEM,
        "lasted_seconds": round(time.monotonic() - began),
    }
    report.show(console, found)
    report.write(asked.out, found, facts, options)
    console.print(f" every round: {asked.out}; what the numbers mean: docs/performance.md", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
