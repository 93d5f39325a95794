"""Commands that switch items and outlets off and on, and plan closures of departments. Open cases always go on."""

from __future__ import annotations

from collections.abc import Callable

import click
from rich.table import Table

from gateway.bootstrap import House, places
from gateway.cli.base import console, main, next_step, open_house, operator
from gateway.domain.clock import stamp
from gateway.parties.changes import Doing
from gateway.parties.switching import Switching
from gateway.store import switches
from gateway.store.database import Tx

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
def switch_off(start: str, **payload: str) -> None:
    """Take no new submissions of an item, of an outlet, or of an item at an outlet."""
    what = _change(open_house(), lambda tx, room, doing: room.off(tx, {**payload, "from": start}, doing))
    console.print(f"{what} is off")
    next_step("python -m gateway switch list")


@switch.command("on")
@_ITEM
@_OUTLET
@_BANK
@_REASON
def switch_on(**payload: str) -> None:
    """Take submissions again."""
    console.print(f"{_change(open_house(), lambda tx, room, doing: room.on(tx, payload, doing))} is on")
    next_step("python -m gateway switch list")


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
def departments_close(department: str, start: str, **payload: str) -> None:
    """Hold every call to DEPARTMENT for a time; counters are told, cases are taken and passed on afterwards."""
    wanted = {**payload, "department": department, "from": start}
    closure = _change(open_house(), lambda tx, room, doing: room.close(tx, wanted, doing))
    console.print(f"{department} is closed until {payload['until']}, closure {closure}")
    next_step(f"python -m gateway departments reopen {closure} --reason …, when it ends early")


@departments.command("reopen")
@click.argument("closure")
@_REASON
def departments_reopen(**payload: str) -> None:
    """End a closure now, or take back one that is to come; what waits goes out slowly at first."""
    lane = _change(open_house(), lambda tx, room, doing: room.reopen(tx, payload, doing))
    console.print(f"{lane} is open")
    next_step("python -m gateway departments list")


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


def _change(house: House, act: Callable[[Tx, Switching, Doing], str]) -> str:
    room = Switching(places(house))
    doing = Doing(at=house.clock.now(), actor=operator())
    return house.database.again(lambda tx: act(tx, room, doing))
