"""The command that shows what somebody must look at now."""

from __future__ import annotations

import json
import sys

import click
from rich.markup import escape
from rich.table import Table

from gateway.cli.base import console, main, next_step, open_house
from gateway.domain.alarms import Severity
from gateway.domain.clock import stamp


@main.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON array, for programs")
def alarms(as_json: bool) -> None:
    """What is older or stiller than it should be; exit code 1 while there is anything."""
    found = open_house().sweeper.look()
    if as_json:
        rows = [
            {"kind": a.kind, "severity": a.kind.severity, "what": a.what, "rows": a.rows, "since": stamp(a.since)}
            for a in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
    else:
        table = Table("", "alarm", "what", "rows", "since", "means")
        for a in found:
            colour = "red" if a.kind.severity is Severity.NOW else "yellow"
            table.add_row(
                f"[{colour}]{a.kind.severity}[/]", a.kind, escape(a.what), str(a.rows), stamp(a.since), a.kind.meaning
            )
        if found:
            console.print(table)
        next_step(f"{found[0].kind.first}; docs/runbook.md, {found[0].kind}" if found else "nothing: no alarm")
    sys.exit(1 if found else 0)
