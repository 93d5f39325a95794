"""Commands about acts: what one person proposes, another approves, and the house does once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Column, Table

from gateway.acts.kinds import KINDS
from gateway.cli.acting import approver, author, told, with_token
from gateway.cli.base import console, main, next_step, open_house
from gateway.domain.clock import stamp
from gateway.store.act_rows import APPROVED

_AS = click.option("--as", "name", default="", help="a made-up person; demo and test profiles only")
_STATES = ("proposed", "approved", "executed", "failed", "refused", "withdrawn", "expired")


@main.group()
def acts() -> None:
    """Acts that need two people: propose, approve by another person, done once."""


@acts.command("kinds")
def acts_kinds() -> None:
    """Every kind, how many persons it takes and what its payload holds."""
    table = Table(Column("kind", no_wrap=True), "what", "persons", "lives", "payload (* must be given)")
    for kind in KINDS.values():
        members = ", ".join(f"{m.name}{'*' if m.required else ''}" for m in kind.members)
        table.add_row(kind.name, kind.title, str(kind.persons), f"{kind.lives.days} d", members)
    console.print(table)
    next_step("python -m gateway acts propose KIND --payload FILE.json")


@acts.command("propose")
@click.argument("kind")
@click.option("--payload", required=True, type=click.File(encoding="utf-8"), help="a JSON object, - for standard input")
@with_token
def acts_propose(kind: str, payload: Any, token_file: Path | None) -> None:
    """Put an act before another person."""
    try:
        given = json.load(payload)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--payload") from error
    if not isinstance(given, dict):
        raise click.BadParameter("write a JSON object", param_hint="--payload")
    house = open_house()
    row = house.acts.propose(author(house, token_file), kind, given)
    if row.state == APPROVED:
        told(house.acts.carry_out(row.act_id))
        next_step(f"python -m gateway acts show {row.act_id}")
        return
    console.print(f"proposed: act {row.act_id}, until {stamp(row.expires_at)[:16]}")
    next_step(f"python -m gateway acts show {row.act_id}; then another person approves it")


@acts.command("list")
@click.option("--state", type=click.Choice(_STATES), default=None, help="default: all")
def acts_list(state: str | None) -> None:
    """Acts, the newest first."""
    found = open_house().acts.listed(state=state or "")
    table = Table(Column("act", no_wrap=True), "kind", "state", "proposed", "by", "until", "result")
    for row in found:
        table.add_row(
            row.act_id,
            row.kind,
            row.state,
            stamp(row.proposed_at)[:16],
            escape(row.proposed_by),
            stamp(row.expires_at)[:16],
            escape(row.result),
        )
    console.print(table)
    next_step("python -m gateway acts show ACT" if found else "nothing: no act was proposed")


@acts.command("show")
@click.argument("act_id")
def acts_show(act_id: str) -> None:
    """One act: what it would do, who stands behind it, and the digest an approval is bound to."""
    shown = open_house().acts.show(act_id)
    row = shown.row
    table = Table(box=None, show_header=False)
    labels = {member.name: member.label for member in shown.kind.members}
    for name, value in (
        ("act", f"{row.act_id} {row.kind} {shown.kind.title}"),
        ("state", row.state + (f": {row.result}" if row.result else "")),
        ("proposed", f"{stamp(row.proposed_at)} by {row.proposed_by}{'' if row.proposer else ' (proves nobody)'}"),
        ("until", stamp(row.expires_at)),
        *((f"{n} {labels.get(n, '')}", _line(v)) for n, v in shown.payload.items()),
        *(("approved", f"{stamp(one.at)} by {one.approved_by}") for one in shown.approvals),
        ("digest", row.digest),
    ):
        table.add_row(escape(name), escape(value))
    console.print(table)
    waits = row.state == "proposed"
    wanted = f"python -m gateway acts approve {row.act_id} --digest {row.digest} --token-file FILE"
    next_step(wanted if waits else "nothing: it is decided")


@acts.command("approve")
@click.argument("act_id")
@click.option("--digest", required=True, help="of the act as you have seen it (acts show)")
@with_token
@_AS
def acts_approve(act_id: str, digest: str, token_file: Path | None, name: str) -> None:
    """Approve an act as another person than who proposed it; with the last approval it is done."""
    house = open_house()
    row = house.acts.approve(approver(house, token_file, name), act_id, digest=digest)
    if row.state == APPROVED:
        told(house.acts.carry_out(row.act_id))
    else:
        console.print("approved; one more person is needed, for nobody is proven behind the proposal")
    next_step(f"python -m gateway acts show {act_id}")


@acts.command("refuse")
@click.argument("act_id")
@click.option("--reason", required=True, help="for who proposed it, and the trail")
@with_token
@_AS
def acts_refuse(act_id: str, reason: str, token_file: Path | None, name: str) -> None:
    """Say no to an act that another person proposed."""
    house = open_house()
    house.acts.refuse(approver(house, token_file, name), act_id, reason=reason)
    console.print(f"act {act_id} is refused")
    next_step("python -m gateway acts list")


@acts.command("withdraw")
@click.argument("act_id")
@with_token
def acts_withdraw(act_id: str, token_file: Path | None) -> None:
    """Take back an act one has proposed."""
    house = open_house()
    house.acts.withdraw(author(house, token_file), act_id)
    console.print(f"act {act_id} is withdrawn")
    next_step("python -m gateway acts list")


def _line(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    first, *rest = text.splitlines() or [""]
    return first[:160] + (f" … ({len(text)} characters)" if rest or len(first) > 160 else "")
