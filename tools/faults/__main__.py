"""``make faults``: a campaign of faults on SQLite and on PostgreSQL. Exit code 0 = every promise kept."""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tools.faults import campaign, show
from tools.postgres import server
from tools.postgres_own import NoPostgres
from tools.stack import NotUp
from tools.stack.stack import ROOT

_ALL = ("postgresql", "sqlite")
_PREFIX = "gateway_faults"


def main() -> int:
    """Run what was asked for, one database after the other."""
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**31)
    folder = options.folder or ROOT / "var" / "faults" / time.strftime("%Y%m%d-%H%M%S")
    good = True
    try:
        for name in _ALL if options.database == "both" else (options.database,):
            good &= _one(console, name, options, seed, folder / name)
    except (NotUp, NoPostgres) as error:
        console.print(f"[red]✗[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped; nothing was judged")
        return 130
    console.print(f"logs and books: {folder}\nthe same moments again: make faults ARGS='--seed {seed}'", soft_wrap=True)
    return 0 if good else 1


def _one(console: Console, name: str, options: argparse.Namespace, seed: int, folder: Path) -> bool:
    order = campaign.Order(
        cases=options.cases,
        rate=options.rate,
        counters=options.counters,
        workers=options.workers if name == "postgresql" else 0,
        seed=seed,
        storm=options.storm,
        patience=options.patience,
    )
    setting = f"{order.workers} workers" if order.workers else "one process"
    console.rule(f"{order.cases:,} cases on {name}, {setting}, {order.rate:.0%} faults, seed {seed}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _database(name) as url, _progress(console) as progress:
        task = progress.add_task("", total=order.cases)

        def see(now: campaign.Now) -> None:
            progress.update(task, description=show.line(now), completed=min(now.settled, now.told))

        outcome = campaign.run(
            order, folder, database_url=url, see=see, say=lambda text: progress.update(task, description=text)
        )
    console.print(show.summary(outcome))
    verdict = "every promise was kept" if outcome.good else "a promise was broken, see ✗ above"
    console.print(f"{'[green]✓[/]' if outcome.good else '[red]✗[/]'} {verdict}")
    return outcome.good


@contextlib.contextmanager
def _database(name: str) -> Iterator[str | None]:
    if name == "sqlite":
        yield None
        return
    with server(durable=True) as found:
        found.sweep(_PREFIX)
        with found.database(_PREFIX) as url:
            yield url


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.faults", description="a campaign of faults")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--database", choices=(*_ALL, "both"), default="both")
    parser.add_argument("--rate", type=float, default=0.3, help="share of requests to peers that go wrong")
    parser.add_argument("--counters", type=int, default=8, help="counters that file at once")
    parser.add_argument("--storm", type=float, default=180.0, help="seconds over which the cases are filed")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (PostgreSQL)")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds for the rest once the peers are well")
    parser.add_argument("--seed", type=int, help="of the cases, faults and moments; printed at the end")
    parser.add_argument("--folder", type=Path, help="a folder for this run, new or empty (default: under var/faults)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
