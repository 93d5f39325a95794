"""Commands about working days and limits. The tables are official ones only; nobody writes days by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click
from rich.table import Column, Table

from gateway.calendar import tables
from gateway.cli.acting import carry, with_token
from gateway.cli.base import console, main, next_step, open_house
from gateway.domain.clock import beijing_day
from gateway.store import cases as case_rows


@main.group()
def calendar() -> None:
    """Government working days, and the limits counted by them."""


@calendar.command("show")
@click.argument("year", required=False, type=click.IntRange(2000, 2999))
def calendar_show(year: int | None) -> None:
    """The years with an official table; with YEAR its days that differ from the week's rule."""
    days = open_house().clockwork.days
    if year is None:
        table = Table("year", "working days", "announced in")
        for known, source in sorted(days.sources.items()):
            table.add_row(str(known), str(days.working_days_of(known)), source)
        console.print(table)
    elif year in days.official:
        console.print(f"{year}: {days.working_days_of(year)} working days; {days.sources[year]}")
        console.print("off: " + _listed(days.off, year))
        console.print("worked: " + _listed(days.work, year))
    else:
        console.print(f"{year} has no official table: weekends and fixed holidays count, and limits are provisional")
    next_step("python -m gateway calendar load FILE, once a year's notice is out")


@calendar.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_token
def calendar_load(file: Path, token_file: Path | None) -> None:
    """Load a year's official table (the form of the shipped one), and count every running limit again."""
    house = open_house()
    table = tables.read(file)
    payload = {"table": file.read_text(encoding="utf-8")}
    if not carry(house, "calendar.load", payload, token_file=token_file, then="python -m gateway calendar overdue"):
        return
    house.clockwork.forget()
    changed = house.watch.recount()  # running processes do the same within a minute
    console.print(
        f"{table.year}: {house.clockwork.days.working_days_of(table.year)} working days; {changed} limits counted anew"
    )


@calendar.command("overdue")
def calendar_overdue() -> None:
    """Every case whose limit has passed, the oldest first."""
    house = open_house()
    with house.database.read() as tx:
        found = case_rows.overdue(tx, beijing_day(house.clock.now()))
    table = Table(Column("receipt", no_wrap=True), Column("due", no_wrap=True), "limit", "state", "department", "item")
    for row in found:
        table.add_row(row["receipt_no"], row["due_on"], row["due_kind"], row["state"], row["department"], row["item"])
    console.print(table)
    next_step("python -m gateway timeline RECEIPT_NO" if found else "nothing: every limit is kept")


def _listed(days: frozenset[date], year: int) -> str:
    return " ".join(day.isoformat() for day in sorted(days) if day.year == year) or "none"
