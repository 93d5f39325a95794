"""Commands about the banks' enrolled clients: who may call, with which keys, how much, and since when not any more."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Column, Table

from gateway import registry
from gateway.audit.kinds import EntryKind
from gateway.bootstrap import House, client_world
from gateway.cli.base import console, main, next_step, open_house, operator
from gateway.contracts.bank import Client, ClientKey
from gateway.domain.clock import stamp
from gateway.domain.records import EntryDraft
from gateway.domain.requests import Operation
from gateway.parties.changes import ClientChanges, Doing
from gateway.parties.enrolment import options_of
from gateway.parties.notify import check_enrolment, notify_url
from gateway.signing.profiles import WEAK
from gateway.signing.public_files import public_der
from gateway.store import clients as client_rows
from gateway.store import trail
from gateway.store.database import Tx

T = TypeVar("T")
_KEY_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@main.group()
def clients() -> None:
    """The banks' enrolled clients."""


@clients.command("enrol")
@click.option("--bank", required=True, type=click.Choice(sorted(registry.BANKS)))
@click.option("--client-id", required=True, help="our own name for it")
@click.option("--claimed-id", required=True, help="how it names itself on the wire")
@click.option("--profile", help="which of the bank's protocols; default: its first")
@click.option("--algorithm", default="rsa-sha256", show_default=True)
@click.option("--public-key", required=True, type=_KEY_FILE, help="PEM or DER")
@click.option("--cipher-key-file", type=_KEY_FILE, help="base64 of a shared AES key")
@click.option("--outlet", "outlets", multiple=True, help="may file for; default: all of its bank")
@click.option(
    "--operation", "operations", multiple=True, type=click.Choice([o.value for o in Operation]), help="default: all"
)
@click.option("--address", "addresses", multiple=True, help="must call from; default: any")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="of the bank's dialect")
@click.option("--rate", default="", help="requests a second of its own; default: the house's")
@click.option("--at-once", default="", help="requests at the same time of its own; default: the house's")
@click.option("--reason", default="", help="why, for a weak algorithm")
@click.option("--until", default="", metavar="DATE", help="when a weak algorithm ends, within twelve months")
def clients_enrol(public_key: Path, cipher_key_file: Path | None, options: tuple[str, ...], **given: Any) -> None:
    """Enrol one client with its verification key."""
    house = open_house()
    payload = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}
    payload["public_key"] = _key_text(public_key)
    payload["options"] = options_of(options)
    if cipher_key_file:
        payload["cipher_key"] = cipher_key_file.read_text().strip()
    key = _change(house, lambda tx, changes, doing: changes.enrol(tx, payload, doing))
    console.print(f"enrolled {payload['client_id']}, key {key}")
    next_step("python -m gateway clients list; the client's first call should be an echo")


@clients.command("rotate")
@click.argument("client_id")
@click.option("--public-key", type=_KEY_FILE, help="the new verification key, PEM or DER")
@click.option("--algorithm", default="rsa-sha256", show_default=True)
@click.option("--cipher-key-file", type=_KEY_FILE, help="a new shared cipher key instead; both sides change at --from")
@click.option("--from", "start", default="", metavar="TIME", help="2026-12-01T08:00:00+08:00; default: now")
@click.option("--overlap-days", default="14", show_default=True, help="how long the old key stays valid beside it")
@click.option("--reason", default="", help="why, for a weak algorithm")
@click.option("--until", default="", metavar="DATE", help="when a weak algorithm ends, within twelve months")
@click.option("--finish", is_flag=True, help="end the rotation now: every key but the newest is retired")
def clients_rotate(
    client_id: str, public_key: Path | None, cipher_key_file: Path | None, start: str, finish: bool, **given: str
) -> None:
    """Give a client a new key; the old one and the new one are valid together until the old one ends."""
    if sum((bool(public_key), bool(cipher_key_file), finish)) != 1:
        raise click.UsageError("give one of --public-key, --cipher-key-file and --finish")
    house = open_house()
    payload = {"client_id": client_id, "from": start, **given}
    if finish:
        gone = _change(house, lambda tx, changes, doing: changes.finish_rotation(tx, client_id, doing))
        console.print(f"retired {', '.join(gone) or 'nothing: one key was valid'}")
    elif public_key is not None:
        payload["public_key"] = _key_text(public_key)
        key = _change(house, lambda tx, changes, doing: changes.rotate(tx, payload, doing))
        console.print(f"{client_id} has key {key}; the older one ends {given['overlap_days']} days after it begins")
    elif cipher_key_file is not None:
        payload["cipher_key"] = cipher_key_file.read_text().strip()
        key = _change(house, lambda tx, changes, doing: changes.rotate_cipher(tx, payload, doing))
        console.print(f"{client_id} has cipher key {key}")
    next_step("python -m gateway clients list")


@clients.command("limits")
@click.argument("client_id")
@click.option("--rate", required=True, help="requests a second; 0 = the house's setting")
@click.option("--at-once", required=True, help="requests at the same time; 0 = the house's setting")
def clients_limits(**payload: str) -> None:
    """Give a client limits of its own; each process keeps them by itself."""
    house = open_house()
    _change(house, lambda tx, changes, doing: changes.set_limits(tx, payload, doing))
    console.print(f"{payload['client_id']}: {payload['rate']} a second, {payload['at_once']} at once")
    next_step("python -m gateway clients list")


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
@click.option("--reason", default="", help="for the trail")
def clients_block(client_id: str, reason: str) -> None:
    """Block a client at once, in every process."""
    _set_status(client_id, "blocked", reason)
    next_step(f"python -m gateway clients unblock {client_id}, once the bank has a new key or the matter is settled")


@clients.command("unblock")
@click.argument("client_id")
@click.option("--reason", required=True, help="for the trail")
def clients_unblock(client_id: str, reason: str) -> None:
    """Let a blocked client in again."""
    _set_status(client_id, "active", reason)
    next_step("the client's first call should be an echo")


def _set_status(client_id: str, status: str, reason: str) -> None:
    house = open_house()
    _change(house, lambda tx, changes, doing: changes.set_status(tx, client_id, status, doing, reason=reason))
    console.print(f"{client_id} is {status}")


def _change(house: House, act: Callable[[Tx, ClientChanges, Doing], T]) -> T:
    """One change of a client, in a transaction of its own."""
    changes = ClientChanges(house.vault, client_world(house))
    doing = Doing(at=house.clock.now(), actor=operator())
    return house.database.again(lambda tx: act(tx, changes, doing))


def _key_text(path: Path) -> str:
    return base64.b64encode(public_der(path.read_bytes())).decode()


def _client_draft(kind: EntryKind, client_id: str, at: datetime, facts: dict[str, str]) -> EntryDraft:
    return EntryDraft(kind=kind, subject=f"client:{client_id}", at=at, actor=operator(), facts=facts)


@clients.command("list")
def clients_list() -> None:
    """Every enrolled client, its keys with their validity, its limits and what it may do."""
    house = open_house()
    now = house.clock.now()
    table = Table(
        Column("client", no_wrap=True), "bank", "wire name", "status", "keys", "a second", "at once", "outlets"
    )
    with house.database.read() as tx:
        for client in client_rows.all_clients(tx, house.vault):
            table.add_row(
                client.client_id,
                client.bank,
                client.claimed_id,
                client.status,
                "\n".join(_key_line(key, now) for key in client.keys),
                str(client.rate or house.settings.client_rate),
                str(client.at_once or house.settings.client_at_once),
                ", ".join(client.outlets) or "all",
            )
    console.print(table)
    next_step("python -m gateway clients rotate CLIENT_ID --public-key FILE, when a key comes to its end")


def _key_line(key: ClientKey, now: datetime) -> str:
    state = "waits" if key.valid_from > now else "ended" if key.valid_until and key.valid_until <= now else "valid"
    until = f" until {stamp(key.valid_until)[:16]}" if key.valid_until else ""
    start = f" from {stamp(key.valid_from)[:16]}" if state == "waits" else ""
    line = f"{key.key_id} {key.algorithm} {state}{start}{until}"
    return f"[red]{line}[/]" if key.algorithm in WEAK else line
