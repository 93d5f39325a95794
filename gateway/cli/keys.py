"""Commands about our own keys and the vault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import click
from rich.progress import Progress

from gateway.bootstrap import VAULT_FILE
from gateway.cases.rekey import reindex, rewrap
from gateway.cli.base import console, main, next_step, open_house, our_keys, read_settings
from gateway.signing.keys import add_key
from gateway.signing.public_files import public_pem
from gateway.signing.vault_file import add_index, add_kek
from gateway.store import blobs as blob_rows
from gateway.store import cases as case_rows


@main.group()
def keys() -> None:
    """Our own signing keys."""


@keys.command("add")
@click.argument("purpose")
def keys_add(purpose: str) -> None:
    """One more key for PURPOSE; it signs from now on, older ones still verify."""
    console.print(f"made key {add_key(read_settings().keys_dir, purpose, valid_from=datetime.now(UTC))}")
    next_step(f"restart the processes, and hand out the public half: python -m gateway keys show {purpose}")


@keys.command("show")
@click.argument("purpose")
def keys_show(purpose: str) -> None:
    """The public halves for PURPOSE, newest first, as PEM: what a bank or an auditor needs."""
    ring = our_keys()
    found = ring.publics(purpose)
    if not found:
        raise click.ClickException(f"no key for {purpose}; there are {', '.join(ring.purposes)}")
    for key in found:
        click.echo(f"# {key.key_id} {key.algorithm} signs from {key.valid_from:%Y-%m-%dT%H:%M:%SZ}")
        click.echo(public_pem(key.public_der), nl=False)


@keys.command("rotate-vault")
@click.option("--index", is_flag=True, help="the key of the search hashes instead of the key-encryption key")
def keys_rotate_vault(index: bool) -> None:
    """Add a new key to the vault's file; the old ones still open what they sealed."""
    path = read_settings().keys_dir / VAULT_FILE
    console.print(f"made key {add_index(path) if index else add_kek(path)}")
    next_step(
        f"back the file up, restart every process, then python -m gateway keys {'reindex' if index else 'rewrap'}"
    )


@keys.command("rewrap")
def keys_rewrap() -> None:
    """Wrap the data keys of cases and files with the current key-encryption key; may be broken off and begun again."""
    _rekey("data keys wrapped anew", rewrap, files=True)


@keys.command("reindex")
def keys_reindex() -> None:
    """Make every search hash with the current index key; may be broken off and begun again."""
    _rekey("search hashes made anew", reindex)


def _rekey(what: str, change: Callable[..., int], *, files: bool = False) -> None:
    house = open_house()
    with house.database.read() as tx:
        total = case_rows.count(tx) + (blob_rows.count(tx) if files else 0)
    with Progress(console=console) as bar:
        task = bar.add_task(what, total=total)
        changed = change(house.database, house.vault, progress=lambda done: bar.advance(task, done))
    console.print(f"{changed} {what}")
