"""Commands about the shelf: what the gateway no longer tries by itself, and what a person does about it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Column, Table

from gateway.bootstrap import House
from gateway.cases.shelf import Parked
from gateway.cli.acting import carry, with_token
from gateway.cli.base import console, main, next_step, open_house, operator
from gateway.domain.clock import stamp

_KINDS = click.Choice(["call", "word", "notice"])
_LIST = "python -m gateway shelf list"


@main.group()
def shelf() -> None:
    """Work the gateway no longer tries by itself: a person must look."""


@shelf.command("list")
@click.option("--department", "lane", default="", help="only of this lane: a department's system, or inbox")
@click.option("--kind", type=_KINDS, default=None, help="calls, words of departments, notices to banks")
@click.option("--older-than", type=click.FloatRange(0), default=0.0, metavar="HOURS", help="parked at least so long")
@click.option("--json", "as_json", is_flag=True, help="one JSON array, for programs")
def shelf_list(lane: str, kind: str | None, older_than: float, as_json: bool) -> None:
    """Every parked row, the oldest first: whose case, which department, how long and why."""
    found = open_house().shelf.listed(lane=lane, kind=kind or "", older_than=timedelta(hours=older_than))
    if as_json:
        click.echo(json.dumps([one.picture() for one in found], ensure_ascii=False))
        return
    table = Table(Column("work", no_wrap=True), "receipt", "department", "item", "kind", "since", "age", "why", "may")
    for one in found:
        table.add_row(
            one.work_id,
            one.receipt_no or "-",
            f"{one.department} ({one.lane})" if one.department else one.lane,
            one.item or "-",
            one.kind,
            stamp(one.since)[:16],
            _age(one.age),
            escape(one.why),
            ", ".join(one.may) or "close",
        )
    console.print(table)
    next_step("python -m gateway shelf show WORK" if found else "nothing: the shelf is empty")


@shelf.command("show")
@click.argument("work")
def shelf_show(work: str) -> None:
    """One parked row: why, the case's timeline, and what was said to and fro, masked. WORK: its id or the receipt."""
    house = open_house()
    one = house.shelf.find(work)
    head = Table(box=None, show_header=False)
    for name, value in one.picture().items():
        head.add_row(name, escape(", ".join(value) if isinstance(value, list) else str(value) or "-"))
    console.print(head)
    story = Table("time", "kind", title="timeline")
    for at, kind in house.shelf.story(one):
        story.add_row(at, kind)
    console.print(story)
    for said in house.shelf.spoken(one.case_id, one.bank):
        mark = " (this call)" if said.call_id == one.work_id else ""
        line = f"{stamp(said.at)} {said.direction} {said.peer} {said.purpose}: {said.outcome} {said.exchange_id}{mark}"
        console.print(f"\n{line}\n→ {said.request}\n← {said.response}", markup=False, highlight=False)
    next_step(_advice(one))


@shelf.command("retry")
@click.argument("work")
def shelf_retry(work: str) -> None:
    """Try again by the way that cannot file twice: what was turned down is sent, the rest asked about first."""
    house = open_house()
    _told(house, work, house.shelf.retry(work, actor=operator()))


@shelf.command("re-ask")
@click.argument("work")
def shelf_ask(work: str) -> None:
    """Ask the department how the call stands, before anything is sent again."""
    house = open_house()
    _told(house, work, house.shelf.ask_again(work, actor=operator()))


@shelf.command("send-again")
@click.argument("work")
@click.option("--reason", required=True, help="why it cannot have arrived, for the second person and the trail")
@with_token
def shelf_send_again(work: str, reason: str, token_file: Path | None) -> None:
    """Send a call again though it may have arrived: takes a second person."""
    house = open_house()
    payload = {"work": house.shelf.find(work).work_id, "reason": reason}
    carry(house, "shelf.send_again", payload, token_file=token_file, then=_LIST)


@shelf.command("close")
@click.argument("work")
@click.option("--reason", required=True, help="for the second person and the trail")
@with_token
def shelf_close(work: str, reason: str, token_file: Path | None) -> None:
    """Close parked work for good: takes a second person."""
    house = open_house()
    payload = {"work": house.shelf.find(work).work_id, "reason": reason}
    carry(house, "shelf.close", payload, token_file=token_file, then=_LIST)


def _told(house: House, work: str, what: str) -> None:
    house.wake()
    console.print(f"{escape(work)} is {what} now", highlight=False)
    next_step(_LIST)


def _advice(one: Parked) -> str:
    wish = "re-ask" if "re-ask" in one.may else "retry" if one.may else "close --reason TEXT"
    return f"python -m gateway shelf {wish} {one.work_id}"


def _age(age: timedelta) -> str:
    hours, rest = divmod(int(age.total_seconds()), 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {rest // 60} min"
