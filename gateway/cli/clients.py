"""Commands about the banks' enrolled clients: who may call, with which keys, how much, and since when not any more."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from gateway import registry
from gateway.bootstrap import House
from gateway.cli.acting import carry, with_token
from gateway.cli.base import console, main, next_step, open_house
from gateway.contracts.bank import Client, ClientKey
from gateway.domain.clock import stamp
from gateway.domain.requests import Operation
from gateway.parties.enrolment import options_of
from gateway.parties.notify import notify_url
from gateway.signing.profiles import WEAK
from gateway.signing.public_files import public_der
from gateway.store import clients as client_rows

_LIST = "python -m gateway clients list"
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
@with_token
def clients_enrol(
    public_key: Path, cipher_key_file: Path | None, options: tuple[str, ...], token_file: Path | None, **given: Any
) -> None:
    """Enrol one client with its verification key."""
    house = open_house()
    payload = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}
    payload["public_key"] = _key_text(public_key)
    payload["options"] = options_of(options)
    if cipher_key_file:
        payload["cipher_key"] = cipher_key_file.read_text().strip()
    then = "python -m gateway clients list; the client's first call should be an echo"
    carry(house, "client.enrol", payload, token_file=token_file, then=then)


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
@with_token
def clients_rotate(
    client_id: str,
    public_key: Path | None,
    cipher_key_file: Path | None,
    start: str,
    finish: bool,
    token_file: Path | None,
    **given: str,
) -> None:
    """Give a client a new key; the old one and the new one are valid together until the old one ends."""
    if sum((bool(public_key), bool(cipher_key_file), finish)) != 1:
        raise click.UsageError("give one of --public-key, --cipher-key-file and --finish")
    kind, payload = "client.finish_rotation", {"client_id": client_id}
    if public_key is not None:
        kind, payload = "client.rotate", {**payload, **given, "from": start, "public_key": _key_text(public_key)}
    elif cipher_key_file is not None:
        text = cipher_key_file.read_text().strip()
        kind, payload = "client.rotate_cipher", {**payload, "from": start, "cipher_key": text}
    carry(open_house(), kind, payload, token_file=token_file, then=_LIST)


@clients.command("limits")
@click.argument("client_id")
@click.option("--rate", required=True, help="requests a second; 0 = the house's setting")
@click.option("--at-once", required=True, help="requests at the same time; 0 = the house's setting")
@with_token
def clients_limits(token_file: Path | None, **payload: str) -> None:
    """Give a client limits of its own; each process keeps them by itself."""
    carry(open_house(), "client.limits", payload, token_file=token_file, then=_LIST)


@clients.command("notify")
@click.argument("client_id")
@click.option("--url", required=True, help='where it is told; "" = no notices any more')
@click.option("--network", "networks", multiple=True, help="where a host name may resolve to")
@click.option("--ca", type=click.Path(exists=True, path_type=Path), help="the authority its certificate comes from")
@with_token
def clients_notify(
    client_id: str, url: str, networks: tuple[str, ...], ca: Path | None, token_file: Path | None
) -> None:
    """Enrol another notify address; it has to be proven before anything is told there."""
    payload = {
        "client_id": client_id,
        "url": url,
        "networks": ",".join(networks),
        "ca": str(ca.resolve()) if ca else "",
    }
    then = f"python -m gateway clients prove {client_id}" if url else _LIST
    carry(open_house(), "client.notify", payload, token_file=token_file, then=then)


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
@with_token
def clients_block(client_id: str, reason: str, token_file: Path | None) -> None:
    """Block a client at once, in every process; one person is enough."""
    then = f"python -m gateway clients unblock {client_id}, once the bank has a new key or the matter is settled"
    payload = {"client_id": client_id, "reason": reason}
    carry(open_house(), "client.block", payload, token_file=token_file, then=then)


@clients.command("unblock")
@click.argument("client_id")
@click.option("--reason", required=True, help="for the trail")
@with_token
def clients_unblock(client_id: str, reason: str, token_file: Path | None) -> None:
    """Let a blocked client in again."""
    payload = {"client_id": client_id, "reason": reason}
    then = "the client's first call should be an echo"
    carry(open_house(), "client.unblock", payload, token_file=token_file, then=then)


def _key_text(path: Path) -> str:
    return base64.b64encode(public_der(path.read_bytes())).decode()


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
