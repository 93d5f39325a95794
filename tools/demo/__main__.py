"""``python -m tools.demo [--stay]``: start the house, tell its stories, show what came of them.

Exit codes: 0 everything as expected, 1 an outcome was not, 2 the house did not come up.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mocks.banks.samples import BEIJING
from tools.demo import feed, notices, show, stories, stories_counter, stories_hard, stories_staff, trail
from tools.demo.floor import Floor
from tools.demo.story import Row, Say, play
from tools.stack import NotUp, Stack
from tools.stack.stack import ROOT

_START_STEPS = 8
_CLOSING_STEPS = 5
_DEADLINE = 3.0  # seconds of one call: what is unclear is asked about after it, so the demo waits as long
_DECIDE_AFTER = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, or with ``--stay`` the house alone until Ctrl-C."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell started us with Ctrl-C ignored
        signal.signal(number, _interrupt)
    console = show.console()
    folder = options.folder or ROOT / "var" / "demo" / f"{datetime.now(BEIJING):%Y%m%d-%H%M%S}"
    try:
        if options.stay:
            return _stay(console, folder, options.database_url)
        return _tell(console, folder, options.database_url)
    except NotUp as error:
        console.print(f"[red]✗[/] {error}", soft_wrap=True)
        console.print("[dim]next:[/] make doctor")
        return 2
    except KeyboardInterrupt:
        console.print("stopped")
        return 130


def _tell(console: Console, folder: Path, database_url: str | None) -> int:
    began = time.monotonic()
    told = (*stories.DAILY, *stories_counter.AT_THE_COUNTER, *stories_staff.OF_STAFF, *stories_hard.ATTACKS)
    with _progress(console) as progress:
        task = progress.add_task("", total=_START_STEPS + len(told) + len(stories_hard.LAST) + _CLOSING_STEPS)

        def step(text: str) -> None:
            progress.update(task, description=text, advance=1)

        def over(row: Row) -> None:
            progress.console.print(f"{show.mark(row.good)} {row.title}", *(f"[red]{w}[/]" for w in row.wrong), sep="; ")
            step(row.title)

        with _stack(folder, database_url, say=step) as stack:
            up = time.monotonic()
            floor = Floor(stack)
            rows = play(told, floor, told=over)
            progress.update(task, description="killing the gateway with -9 …")
            rows += play(stories_hard.LAST, floor, told=over)
            good = _close(console, floor, rows, say=step)
            stopping = time.monotonic()
            progress.update(task, description="stopping everything")
    spent = (
        f"{up - began:.0f} s to start, {stopping - up:.0f} s for the stories, {time.monotonic() - began:.0f} s in all"
    )
    failed = sum(not row.good for row in rows)
    verdict = (
        "everything came as expected" if good else f"not as expected: {failed} of {len(rows)} stories, see ✗ above"
    )
    console.print(f"{show.mark(good)} {verdict} ({spent})")
    console.print(show.next_steps(stack), soft_wrap=True)
    return 0 if good else 1


def _close(console: Console, floor: Floor, rows: list[Row], *, say: Say) -> bool:
    """The feed, the department's books, the trail; then everything shown. True when all was as expected."""
    stack = floor.stack
    say("reading the changes feed to its end")
    reading = feed.check(floor, [row.receipt_no for row in rows if row.receipt_no])
    say("asking the bank what it was told")
    told = notices.check(floor, [row.receipt_no for row in rows if row.receipt_no])
    for row in rows:
        if row.receipt_no:
            books = stack.ledger(receiptNo=row.receipt_no)
            once = books["count"] == row.filings and not books["duplicateCallIds"]
            row.want(once, f"the department's books hold it {books['count']} times")
    say("exporting the trail")
    package, receipt = stack.folder / "trail", stack.folder / "receipt.jws"
    exported = stack.cli("audit", "export", str(package))
    if exported.returncode == 0:
        trail.judge(rows, trail.ways(package))
    say("verifying the trail")
    last = next((row for row in reversed(rows) if row.receipt), None)
    receipt.write_text(last.receipt if last else "", "ascii")
    verify = ("audit", "verify", show.shown(package), "--receipt", show.shown(receipt))
    verified = stack.cli(*verify)
    say("writing one timeline")
    columns = min(console.width - 4, 170)
    life = stack.cli("timeline", last.receipt_no if last else "-", columns=columns)
    console.print()
    console.print(show.table(rows), show.seen(rows), sep="\n\n")
    console.print()
    if exported.returncode:
        console.print(show.command(("audit", "export", show.shown(package)), exported.stderr, exported.returncode))
    console.print(
        show.command(("timeline", last.receipt_no if last else "-"), life.stdout + life.stderr, life.returncode)
    )
    console.print(show.command(verify, verified.stdout + verified.stderr, verified.returncode))
    console.print(show.told(told))
    console.print(show.feed(reading))
    codes = exported.returncode or verified.returncode or life.returncode
    return not codes and not reading.wrong and not told.wrong and all(row.good for row in rows)


def _stay(console: Console, folder: Path, database_url: str | None) -> int:
    with _progress(console) as progress:
        task = progress.add_task("", total=_START_STEPS)
        stack = _stack(
            folder, database_url, say=lambda text: progress.update(task, description=text, advance=1)
        ).__enter__()
    try:
        console.print(show.house(stack))
        console.print(show.calls(stack), soft_wrap=True)
        console.print("[bold]Ctrl-C[/] stops everything")
        while all(stack.alive(name) for name in ("gateway", "department")):
            time.sleep(1)
        gone = next(name for name in ("gateway", "department") if not stack.alive(name))
        raise NotUp(f"the {gone} has ended; see {stack.log(gone)}")
    except KeyboardInterrupt:
        console.print("\nstopping …")
        return 0
    finally:
        stack.close()
        console.print(f"stopped; everything it wrote is in {show.shown(stack.folder)}")


def _stack(folder: Path, database_url: str | None, *, say: Say) -> Stack:
    return Stack(
        folder,
        database_url=database_url,
        department_deadline=_DEADLINE,
        decide_after=_DECIDE_AFTER,
        bureau=True,
        told=True,
        people=True,
        say=say,
    )


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
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description="the whole house on simulators")
    parser.add_argument("--stay", action="store_true", help="tell no stories; stay until Ctrl-C")
    parser.add_argument("--database-url", help="an empty database (default: SQLite in the run's own folder)")
    parser.add_argument("--folder", type=Path, help="a folder for this run, new or empty (default: under var/demo)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
