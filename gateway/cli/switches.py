"""Commands that switch items and outlets off and on, and plan closures of departments. Open cases always go on."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from gateway.cli.acting import carry, with_token
from gateway.cli.base import console, main, next_step, open_house
from gateway.domain.clock import stamp
from gateway.store import switches

_ITEM = click.option("--item", default="", help="item code; default: every item of the outlet")
_OUTLET = click.option("--outlet", default="", help="outlet code; default: everywhere")
_BANK = click.option("--bank", default="", help="only at this bank's outlets")
_REASON = click.option("--reason", required=True, help="why, for the house and the trail")
_SAY = click.option("--say", required=True, help="the sentence the counter reads, in Chinese")
_FROM = click.option("--from", "start", default="", metavar="TIME", help="2026-12-01T08:00:00+08:00; default: now")


@main.group()
def switch() -> None:
    """Items and outlets off and on, at once and in every process; what was taken in goes on."""


@switch.command("off")
@_ITEM
@_OUTLET
@_BANK
@_SAY
@_REASON
@_FROM
@click.option("--until", default="", metavar="TIME", help="default: until it is switched on")
@with_token
def switch_off(start: str, token_file: Path | None, **payload: str) -> None:
    """Take no new submissions of an item, of an outlet, or of an item at an outlet."""
    then = "python -m gateway switch list"
    carry(open_house(), "switch.off", {**payload, "from": start}, token_file=token_file, then=then)


@switch.command("on")
@_ITEM
@_OUTLET
@_BANK
@_REASON
@with_token
def switch_on(token_file: Path | None, **payload: str) -> None:
    """Take submissions again."""
    carry(open_house(), "switch.on", payload, token_file=token_file, then="python -m gateway switch list")


@switch.command("list")
def switch_list() -> None:
    """Everything that is off, since when, until when and why."""
    house = open_house()
    now = house.clock.now()
    table = Table("item", "outlet", "bank", "state", "from", "until", "the counter reads", "why")
    with house.database.read() as tx:
        found = switches.all_off(tx)
    for off in found:
        over = off.until_at is not None and off.until_at <= now
        table.add_row(
            off.item or "every",
            off.outlet or "every",
            off.bank or "every",
            "off" if off.holds(now) else "over" if over else "to come",
            stamp(off.from_at)[:16],
            stamp(off.until_at)[:16] if off.until_at else "switched on",
            off.say,
            off.reason,
        )
    console.print(table)
    next_step("python -m gateway switch on --item … --outlet …" if found else "nothing: everything is on")


@main.group()
def departments() -> None:
    """Departments' systems: planned closures."""


@departments.command("close")
@click.argument("department")
@_FROM
@click.option("--until", required=True, metavar="TIME", help="when calls go out again")
@_SAY
@_REASON
@with_token
def departments_close(department: str, start: str, token_file: Path | None, **payload: str) -> None:
    """Hold every call to DEPARTMENT for a time; counters are told, cases are taken and passed on afterwards."""
    wanted = {**payload, "department": department, "from": start}
    carry(open_house(), "closure.plan", wanted, token_file=token_file, then="python -m gateway departments list")


@departments.command("reopen")
@click.argument("closure")
@_REASON
@with_token
def departments_reopen(token_file: Path | None, **payload: str) -> None:
    """End a closure now, or take back one that is to come; what waits goes out slowly at first."""
    carry(open_house(), "closure.end", payload, token_file=token_file, then="python -m gateway departments list")


@departments.command("list")
def departments_list() -> None:
    """Closures that run or are to come."""
    house = open_house()
    now = house.clock.now()
    table = Table("department", "state", "from", "until", "the counter reads", "why", "closure")
    with house.database.read() as tx:
        found = switches.closures(tx, not_over_before=now)
    for one in found:
        state = "closed" if one.holds(now) else "to come"
        times = (stamp(one.from_at)[:16], stamp(one.until_at)[:16])
        table.add_row(one.lane, state, *times, one.say, one.reason, one.closure_id)
    console.print(table)
    next_step("python -m gateway departments reopen CLOSURE --reason …" if found else "nothing: no closure is planned")
