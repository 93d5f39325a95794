"""The command that follows one request end to end: entries, work and what was said, by any id one has in hand."""

from __future__ import annotations

import click
from rich.markup import escape
from rich.table import Table

from gateway.cases.receipts import read_number
from gateway.cases.timeline import timeline
from gateway.cli.base import console, main, next_step, open_house
from gateway.domain.clock import stamp
from gateway.domain.errors import BadSettings
from gateway.store import trace_rows
from gateway.store.database import moment


@main.command()
@click.argument("name", metavar="ID")
@click.option("--bodies", is_flag=True, help="also what was said to and fro, masked")
def trace(name: str, bodies: bool) -> None:
    """Follow ID, a request_id of a log line, receipt, call, exchange, bank message or bank reference, to its case."""
    house = open_house()
    with house.database.read() as tx:
        case_id = trace_rows.case_of(tx, _typed(name))
        if not case_id:
            raise BadSettings(f"nothing is known under {name[:64]!r}: refused requests stand in the log only")
        head, rows = trace_rows.head(tx, case_id), trace_rows.work_of(tx, case_id)
    top = Table(box=None, show_header=False)
    top.add_row("request_id", case_id)
    for member in ("receipt_no", "bank", "client_id", "item", "department", "state"):
        top.add_row(member, escape(str(head[member])))
    console.print(top)
    story = Table("n", "time", "kind", "actor", "facts", title="timeline")
    for line in timeline(house.database, head["receipt_no"]):
        story.add_row(str(line.seq), line.at, line.kind, escape(line.actor), escape(line.facts))
    console.print(story)
    work = Table("work", "kind", "lane", "state", "stage", "tries", "due", "note", title="work")
    for row in rows:
        due = stamp(moment(row["due_at"])) if row["state"] == "due" else ""
        told = (row["work_id"], row["kind"], row["lane"], row["state"], row["stage"], str(row["attempt"]), due)
        work.add_row(*told, escape(row["note"] or ""))
    console.print(work)
    for said in house.shelf.spoken(case_id, head["bank"]):
        heading = f"{stamp(said.at)} {said.direction} {said.peer} {said.purpose}: {said.outcome} {said.exchange_id}"
        console.print(heading, markup=False, highlight=False)
        if bodies:
            console.print(f"→ {said.request}\n← {said.response}\n", markup=False, highlight=False)
    next_step(f"python -m gateway trace {name} --bodies" if not bodies else "python -m gateway shelf list")


def _typed(name: str) -> str:
    try:
        return read_number(name)
    except ValueError:
        return name.strip()
