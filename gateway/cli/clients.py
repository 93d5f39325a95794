"""Commands about the banks' enrolled clients."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from gateway import registry
from gateway.audit.kinds import EntryKind
from gateway.bootstrap import House
from gateway.cli.base import console, main, next_step, open_house
from gateway.contracts.bank import Client, ClientKey
from gateway.domain.records import EntryDraft
from gateway.domain.requests import Operation
from gateway.parties.enrolment import checked_networks, cipher_key, options_of, verification_key
from gateway.parties.notify import check_enrolment, notify_url
from gateway.signing.public_files import public_der
from gateway.store import clients as client_rows
from gateway.store import trail


@main.group()
def clients() -> None:
    """The banks' enrolled clients."""


@clients.command("enrol")
@click.option("--bank", required=True, type=click.Choice(sorted(registry.BANKS)))
@click.option("--client-id", required=True, help="our own name for it")
@click.option("--claimed-id", required=True, help="how it names itself on the wire")
@click.option("--profile", help="which of the bank's protocols; default: its first")
@click.option("--algorithm", default="rsa-sha256", show_default=True)
@click.option("--public-key", required=True, type=click.Path(exists=True, path_type=Path), help="PEM or DER")
@click.option("--cipher-key-file", type=click.Path(exists=True, path_type=Path), help="base64 of a shared AES key")
@click.option("--outlet", "outlets", multiple=True, help="may file for; default: all of its bank")
@click.option(
    "--operation", "operations", multiple=True, type=click.Choice([o.value for o in Operation]), help="default: all"
)
@click.option("--address", "addresses", multiple=True, help="must call from; default: any")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="of the bank's dialect")
def clients_enrol(
    bank: str,
    client_id: str,
    claimed_id: str,
    profile: str | None,
    algorithm: str,
    public_key: Path,
    cipher_key_file: Path | None,
    **more: tuple[str, ...],
) -> None:
    """Enrol one client with its verification key."""
    house = open_house()
    now = house.clock.now()
    profiles, outlets = house.banks[bank].traits.profiles, house.catalogue.outlets
    if profile is not None and profile not in profiles:
        raise click.BadParameter(f"write {' or '.join(profiles)}", param_hint="--profile")
    for code in more["outlets"]:
        if code not in outlets or outlets[code].bank != bank:
            raise click.BadParameter(f"{code} is no outlet of {bank}", param_hint="--outlet")
    der = public_der(public_key.read_bytes())
    found: list[ClientKey] = [verification_key(algorithm, der, now)]
    if cipher_key_file:
        found.append(cipher_key(cipher_key_file.read_text(), now))
    client = Client(
        client_id=client_id,
        bank=bank,
        profile=profile or profiles[0],
        claimed_id=claimed_id,
        status="active",
        algorithms=(algorithm,),
        keys=tuple(found),
        outlets=more["outlets"],
        operations=more["operations"],
        addresses=checked_networks(more["addresses"]),
        options=options_of(more["options"]),
    )
    check_enrolment(client, sandbox=house.settings.sandbox)
    draft = _client_draft(EntryKind.CLIENT_ENROLLED, client_id, now, {"bank": bank, "key": found[0].key_id})

    def act(tx: Any) -> None:
        for known in client_rows.all_clients(tx, house.vault):
            if known.client_id == client_id or (known.bank, known.claimed_id) == (bank, claimed_id):
                raise click.ClickException(f"{known.client_id} is enrolled already, as {known.claimed_id}")
        client_rows.enrol(tx, house.vault, client, at=now)
        trail.append_loose(tx, [draft])

    house.database.again(act)
    console.print(f"enrolled {client_id}, key {found[0].key_id}")
    next_step("python -m gateway clients list; the client's first call should be an echo")


@clients.command("notify")
@click.argument("client_id")
@click.option("--url", required=True, help='where it is told; "" = no notices any more')
@click.option("--network", "networks", multiple=True, help="where a host name may resolve to")
@click.option("--ca", type=click.Path(exists=True, path_type=Path), help="the authority its certificate comes from")
def clients_notify(client_id: str, url: str, networks: tuple[str, ...], ca: Path | None) -> None:
    """Enrol another notify address; it has to be proven before anything is told there."""
    house = open_house()
    client = _client(house, client_id)
    told = {"url": url, "networks": ",".join(networks), "ca": str(ca.resolve()) if ca else ""}
    changes = {f"notify_{name}": value for name, value in told.items()}
    check_enrolment(replace(client, options={**(client.options or {}), **changes}), sandbox=house.settings.sandbox)
    draft = _client_draft(EntryKind.CLIENT_ENROLLED, client_id, house.clock.now(), {"changed": "notify address"})

    def act(tx: Any) -> None:
        client_rows.set_options(tx, client_id, changes)
        trail.append_loose(tx, [draft])

    house.database.again(act)
    console.print(f"{client_id} is told at {url}" if url else f"{client_id} is told nothing any more")
    next_step(f"python -m gateway clients prove {client_id}" if url else "python -m gateway clients list")


@clients.command("prove")
@click.argument("client_id")
def clients_prove(client_id: str) -> None:
    """Send one test notice; answered as agreed, the client is told of its cases from now on."""
    house = open_house()
    client = _client(house, client_id)
    if not notify_url(client):
        raise click.ClickException(f"{client_id} has no notify address; 'clients notify {client_id} --url …' sets one")
    tried = house.notices.test(client)
    house.courier.close()
    if not tried.ok:
        raise click.ClickException(f"not proven: {tried.why}")
    console.print(f"[green]✓[/] {client_id} answered test notice {tried.notice_id} as agreed")
    next_step("python -m gateway notices list")


def _client(house: House, client_id: str) -> Client:
    client = house.directory().by_id(client_id)
    if client is None:
        raise click.ClickException(f"no client {client_id}; 'python -m gateway clients list' shows them")
    return client


@clients.command("block")
@click.argument("client_id")
def clients_block(client_id: str) -> None:
    """Block a client at once, in every process."""
    _set_status(client_id, "blocked", EntryKind.CLIENT_BLOCKED)


def _set_status(client_id: str, status: str, kind: EntryKind) -> None:
    house = open_house()
    draft = _client_draft(kind, client_id, house.clock.now(), {"status": status})

    def act(tx: Any) -> bool:
        known = client_rows.set_status(tx, client_id, status)
        if known:
            trail.append_loose(tx, [draft])
        return known

    if not house.database.again(act):
        raise click.ClickException(f"no client {client_id}; 'python -m gateway clients list' shows them")
    console.print(f"{client_id} is {status}")


def _client_draft(kind: EntryKind, client_id: str, at: datetime, facts: dict[str, str]) -> EntryDraft:
    return EntryDraft(kind=kind, subject=f"client:{client_id}", at=at, actor="system:cli", facts=facts)


@clients.command("list")
def clients_list() -> None:
    """Every enrolled client, its keys and what it may do."""
    house = open_house()
    table = Table("client", "bank", "wire name", "status", "algorithms", "keys", "outlets")
    with house.database.read() as tx:
        for client in client_rows.all_clients(tx, house.vault):
            table.add_row(
                client.client_id,
                client.bank,
                client.claimed_id,
                client.status,
                ", ".join(client.algorithms),
                ", ".join(k.key_id for k in client.keys),
                ", ".join(client.outlets) or "all",
            )
    console.print(table)
