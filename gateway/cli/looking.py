"""Commands that look: a case's timeline, the trail."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table

from gateway.audit import verify as auditor
from gateway.audit.package import Written
from gateway.cases.timeline import timeline
from gateway.cli.base import console, main, next_step, open_house, our_keys
from gateway.dispatch.trail_export import export


@main.command("timeline")
@click.argument("receipt_no")
def show_timeline(receipt_no: str) -> None:
    """Everything that happened to one case, in order."""
    house = open_house()
    lines = timeline(house.database, receipt_no)
    table = Table("n", "time", "kind", "facts", title=receipt_no)
    for line in lines:
        table.add_row(str(line.seq), line.at, line.kind, line.facts)
    console.print(table)
    next_step("python -m gateway audit verify")


@main.group()
def audit() -> None:
    """The trail."""


@audit.command("export")
@click.argument("target", type=click.Path(path_type=Path))
def audit_export(target: Path) -> None:
    """Write the whole trail to TARGET (a folder, or a .zip) for someone outside."""
    written = _export(target)
    console.print(f"wrote {written.entries} entries and {written.checkpoints} checkpoints to {target}")
    next_step(f"python -m gateway audit verify {target}")


def _export(target: Path) -> Written:
    house = open_house()
    house.sealer.order()
    house.sealer.seal(now_too=True)
    return export(house.database, house.keys, target, log_id=house.settings.log_id, now=house.clock.now())


@audit.command("verify")
@click.argument("package", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--receipt", type=click.Path(exists=True, path_type=Path), help="a receipt to look for")
@click.option("--trusted-key", "trusted", multiple=True, metavar="HEX", help="a checkpoint key you know; default: ours")
def audit_verify(package: Path | None, receipt: Path | None, trusted: tuple[str, ...]) -> None:
    """Verify the trail: this gateway's own, or an exported PACKAGE."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        if package is None:
            package = Path(folder) / "trail"
            _export(package)
        # Without a key from elsewhere the house's own ring says what to trust, not the package.
        pinned = trusted or [k.public_der[-32:].hex() for k in our_keys().publics("checkpoint")]
        arguments = [str(package), *(["--receipt", str(receipt)] if receipt else [])]
        arguments += [part for key in pinned for part in ("--trusted-key", key)]
        sys.exit(auditor.main(arguments))
