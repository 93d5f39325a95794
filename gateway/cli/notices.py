"""Commands about what the banks' clients were told, and what not yet."""

from __future__ import annotations

import click
from rich.table import Column, Table

from gateway.cases.receipts import read_number
from gateway.cli.base import console, main, next_step, open_house
from gateway.domain.clock import stamp
from gateway.store import cases as case_rows
from gateway.store import notices as notice_rows
from gateway.store.database import Tx, moment


@main.group()
def notices() -> None:
    """What the banks' clients were told, and what not yet."""


@notices.command("list")
@click.option("--receipt", "receipt_no", help="every try of one case instead")
def notices_list(receipt_no: str | None) -> None:
    """What is not told yet, the parked first; with --receipt every try of one case."""
    house = open_house()
    with house.database.read() as tx:
        table = _tries(tx, receipt_no) if receipt_no else _waiting(tx)
    console.print(table)
    next_step("python -m gateway notices resend --client CLIENT, or --receipt NUMBER")


def _tries(tx: Tx, receipt_no: str) -> Table:
    table = Table("event", "time", "outcome", "why", "exchange", title=receipt_no)
    for one in notice_rows.tries(tx, _case_id(tx, receipt_no)):
        table.add_row(str(one.event_no), stamp(one.at), one.outcome, one.why, one.exchange_id)
    return table


def _waiting(tx: Tx) -> Table:
    table = Table("client", Column("case", no_wrap=True), "told", "of", "state", "tries", "again at", "why")
    for row in notice_rows.open_rows(tx):
        again = stamp(moment(row["due_at"])) if row["state"] == "due" else "-"
        why = row["why"] or row["note"] or ""
        cells = (row["sent_no"], row["wanted_no"], row["state"], row["failures"], again, why)
        table.add_row(row["client_id"], row["receipt_no"], *map(str, cells))
    return table


@notices.command("resend")
@click.option("--client", "client_id", default="", help="all that waits or is parked for this client")
@click.option("--receipt", "receipt_no", default="", help="of one case")
@click.option("--from", "from_no", type=click.IntRange(0), default=0, help="again from this event on, with --receipt")
def notices_resend(client_id: str, receipt_no: str, from_no: int) -> None:
    """Tell again, now: what waits or is parked; with --from also what was told."""
    if not (client_id or receipt_no) or (from_no and not receipt_no):
        raise click.UsageError("say --client, or --receipt and perhaps --from")
    house = open_house()

    def act(tx: Tx) -> int:
        case_id = _case_id(tx, receipt_no) if receipt_no else ""
        return notice_rows.resend(tx, client_id=client_id, case_id=case_id, from_no=from_no)

    console.print(f"{house.database.again(act)} due now")
    next_step("python -m gateway notices list")


def _case_id(tx: Tx, receipt_no: str) -> str:
    try:
        found = case_rows.id_of_receipt(tx, read_number(receipt_no))
    except ValueError:
        found = ""
    if not found:
        raise click.ClickException(f"no case {receipt_no}")
    return found
