"""Commands for the bad day: a backup, its restore, and the way back into service."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gateway.bootstrap import build
from gateway.cli.base import console, main, next_step, operator, read_settings
from gateway.dispatch import backup as backups
from gateway.domain.clock import SystemClock

_PAUSE = 5.0  # seconds between two rounds of questions


@main.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="make nothing: check the backup that lies in TARGET")
def backup(target: Path, check: bool) -> None:
    """Copy database and files of the serving gateway to the new folder TARGET; keys are not in it."""
    with _spinner() as bar:
        task = bar.add_task("")
        see = lambda name: bar.update(task, description=name, advance=1)  # noqa: E731 one line says it
        made = (
            backups.check(target, see=see)
            if check
            else backups.make(read_settings(), target, clock=SystemClock(), see=see)
        )
    console.print(
        f"{target}: {made.files} files, {made.size / 1e6:.1f} MB, {made.positions} entries, of {made.made_at}: whole",
        highlight=False,
        markup=False,
    )
    next_step(f"keep it and the keys apart; python -m gateway backup {target} --check, at times a drill with restore")


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Put the backup in FOLDER into an empty database and an empty folder of files."""
    settings = read_settings()
    with _spinner() as bar:
        task = bar.add_task("")
        made = backups.restore(settings, folder, see=lambda name: bar.update(task, description=name, advance=1))
    backups.mark_restored(settings, SystemClock())
    console.print(f"restored {made.positions} entries and {made.files - 1} files of {made.made_at}", highlight=False)
    next_step("python -m gateway recover")


@main.command()
@click.option("--force", is_flag=True, help="this database was restored by other means; every process is stopped")
@click.option("--patience", type=click.FloatRange(0), default=60.0, metavar="SECONDS", help="for silent departments")
@click.option("--go-on", is_flag=True, help="serve though a department is silent: its calls are asked about later")
def recover(force: bool, patience: float, go_on: bool) -> None:
    """After a restore: a new epoch; everything open is compared with its department before anything leaves."""
    house = build(read_settings(), doors=False, dispatch=False)
    try:
        begun = house.recovery.begin(actor=operator(), force=force)
        console.print(f"epoch {begun.epoch}: {begun.to_compare} open calls to compare", highlight=False)
        end = time.monotonic() + patience
        with Progress(TextColumn("asking departments"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
            while True:
                task = bar.add_task("", total=house.recovery.begin(actor=operator()).to_compare)
                silent = dict(house.recovery.compare(see=partial(bar.advance, task)).silent)
                if not silent or time.monotonic() >= end:
                    break
                time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))
        for lane, count in silent.items():
            console.print(f"[red]✗[/] {lane} did not answer for {count} calls", highlight=False)
        if silent and not go_on:
            next_step(
                "call the department and run recover again; --go-on serves meanwhile, those are asked about later"
            )
            sys.exit(1)
        house.recovery.finish(actor=operator(), go_on=go_on)
    finally:
        house.stop()
    console.print("[green]✓[/] back in service; for a week first filings are asked about before they are sent")
    next_step("start the gateway; tell the banks to read their feed from the gap; python -m gateway audit verify")


def _spinner() -> Progress:
    return Progress(SpinnerColumn(), TextColumn("{task.completed} {task.description}"), console=console, transient=True)
