"""Commands that set up, run and check a gateway. Each ends with what to do next."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from gateway import registry
from gateway.bootstrap import VAULT_FILE
from gateway.catalogue.loader import load as load_catalogue
from gateway.catalogue.loader import problems as catalogue_problems
from gateway.cli.base import console, main, next_step, read_settings
from gateway.dispatch.recovery import require_served
from gateway.doctor import Level, examine
from gateway.domain.clock import SystemClock
from gateway.signing.keys import make_keys
from gateway.signing.vault import make_vault
from gateway.store import migrate as migrations
from gateway.store.database import Database

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.RED: "red", Level.BAD: "red"}


@main.command()
def init() -> None:
    """Make first keys, the vault's key file, the folder for files, an empty peers file; what exists is not touched."""
    keys_dir = Path(os.environ.get("GATEWAY_KEYS_DIR", "var/keys"))
    peers = Path(os.environ.get("GATEWAY_PEERS_FILE", "var/peers.toml"))
    made = make_keys(keys_dir, [bank.lower() for bank in registry.BANKS])
    make_vault(keys_dir / VAULT_FILE)
    Path(os.environ.get("GATEWAY_BLOBS_DIR", "var/blobs")).mkdir(mode=0o700, parents=True, exist_ok=True)
    if not peers.exists():
        peers.parent.mkdir(parents=True, exist_ok=True)
        peers.write_text("# [banks.CODE] and [backends.CODE] tables; docs/settings.md says what goes in.\n")
    for key_id in made:
        console.print(f"made key {key_id}")
    next_step("python -m gateway migrate")


@main.command()
def migrate() -> None:
    """Bring the database to this release's schema."""
    settings = read_settings()
    migrations.upgrade(settings.database_url)
    console.print(f"schema {migrations.present(settings.database_url)}")
    next_step("python -m gateway doctor")


@main.command()
def run() -> None:
    """Serve the doors and talk to departments in one process (the embedded default)."""
    _serve(dispatch=True)


@main.command()
def web() -> None:
    """Serve the doors only; run ``worker`` beside it."""
    _serve(dispatch=False)


def _serve(*, dispatch: bool) -> None:
    from gateway.serving import serve

    settings = read_settings()
    migrations.check(settings.database_url)
    database = Database(settings.database_url, SystemClock())
    try:
        require_served(database)  # here it is one line; in a process behind the fork it would be a stack trace
    finally:
        database.close()
    serve(settings, dispatch=dispatch)


@main.command()
def worker() -> None:
    """Talk to departments; any number of these share the work."""
    from gateway.serving import work_until_stopped

    sys.exit(0 if work_until_stopped(read_settings()) else 1)


@main.command()
def doctor() -> None:
    """Check settings, keys, crypto, clock, disk, catalogue, schema and peers."""
    table = Table("", "what", "says", "do", box=None)
    worst = Level.OK
    for finding in examine(os.environ):
        mark = {Level.OK: "✓", Level.WARN: "!", Level.RED: "‼", Level.BAD: "✗"}[finding.level]
        colour = _COLOURS[finding.level]
        table.add_row(f"[{colour}]{mark}[/]", escape(finding.what), escape(finding.says), escape(finding.advice))
        if finding.level is Level.BAD or worst is Level.OK:
            worst = finding.level
    console.print(table)
    next_step("python -m gateway run" if worst is not Level.BAD else "mend what is marked ✗, top to bottom")
    sys.exit(1 if worst is Level.BAD else 0)


@main.command("check-catalogue")
@click.option("--sandbox", is_flag=True, help="also read the sandbox items")
@click.argument("extra", nargs=-1, type=click.Path(exists=True, path_type=Path))
def check_catalogue(sandbox: bool, extra: tuple[Path, ...]) -> None:
    """Read every item, bundle and outlet (and EXTRA item files); name file, line and what to write instead."""
    found = catalogue_problems(with_sandbox=sandbox, extra=extra)
    for problem in found:
        console.print(f"[red]✗[/] {escape(str(problem))}", soft_wrap=True, highlight=False)
    if found:
        next_step("correct the lines above and run check-catalogue again")
        sys.exit(1)
    catalogue = load_catalogue(with_sandbox=sandbox, extra=extra)
    console.print(
        f"[green]✓[/] {len(catalogue.items)} items, {len(catalogue.bundles)} bundle, {len(catalogue.outlets)} outlets"
    )
