"""The command line: every duty of an operator, each ending with what to do next.

Must not decide anything a room decides. Runs beside a live gateway as a second process (rules.md 38).

Over 400 lines; the reason: a list of short commands that have nothing in common but the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gateway import __version__, config, registry, telemetry
from gateway.audit import verify as auditor
from gateway.audit.kinds import EntryKind
from gateway.audit.package import Written
from gateway.bootstrap import VAULT_FILE, House, build
from gateway.cases.receipts import read_number
from gateway.cases.rekey import reindex, rewrap
from gateway.cases.timeline import timeline
from gateway.catalogue.loader import load as load_catalogue
from gateway.catalogue.loader import problems as catalogue_problems
from gateway.contracts.bank import Client, ClientKey
from gateway.dispatch.trail_export import export
from gateway.doctor import Level, examine
from gateway.domain.clock import stamp
from gateway.domain.errors import GatewayError
from gateway.domain.records import EntryDraft
from gateway.parties.notify import check_enrolment, notify_url
from gateway.signing.keys import add_key, make_keys
from gateway.signing.public_files import public_der
from gateway.signing.vault import make_vault
from gateway.signing.vault_file import add_index, add_kek
from gateway.store import cases as case_rows
from gateway.store import clients as client_rows
from gateway.store import migrate as migrations
from gateway.store import notices as notice_rows
from gateway.store import trail
from gateway.store.database import moment

console = Console()
_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "red"}


def _settings() -> config.Settings:
    settings = config.from_environment(os.environ)
    telemetry.configure(settings.log_level, settings.log_format)
    return settings


def _house() -> House:
    return build(_settings(), doors=False, dispatch=False)


def _next(text: str) -> None:
    console.print(f"[dim]next:[/] {text}")


class _Group(click.Group):
    """Turns our own errors into one clear message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            raise click.ClickException(str(error) or type(error).__name__) from error


@click.group(cls=_Group)
@click.version_option(__version__)
def main() -> None:
    """The bank-branch government gateway."""


@main.command()
def init() -> None:
    """Make first keys, the vault's key file and an empty peers file; nothing that exists is touched."""
    keys_dir = Path(os.environ.get("GATEWAY_KEYS_DIR", "var/keys"))
    peers = Path(os.environ.get("GATEWAY_PEERS_FILE", "var/peers.toml"))
    made = make_keys(keys_dir, [bank.lower() for bank in registry.BANKS])
    make_vault(keys_dir / VAULT_FILE)
    if not peers.exists():
        peers.parent.mkdir(parents=True, exist_ok=True)
        peers.write_text("# [banks.CODE] and [backends.CODE] tables; docs/settings.md says what goes in.\n")
    for key_id in made:
        console.print(f"made key {key_id}")
    _next("python -m gateway migrate")


@main.command()
def migrate() -> None:
    """Bring the database to this release's schema."""
    settings = _settings()
    migrations.upgrade(settings.database_url)
    console.print(f"schema {migrations.present(settings.database_url)}")
    _next("python -m gateway doctor")


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

    settings = _settings()
    migrations.check(settings.database_url)
    serve(settings, dispatch=dispatch)


@main.command()
def worker() -> None:
    """Talk to departments; any number of these share the work."""
    from gateway.serving import work_until_stopped

    sys.exit(0 if work_until_stopped(_settings()) else 1)


@main.command()
def doctor() -> None:
    """Check settings, keys, crypto, clock, disk, catalogue, schema and peers."""
    table = Table("", "what", "says", "do", box=None)
    worst = Level.OK
    for finding in examine(os.environ):
        mark = {Level.OK: "✓", Level.WARN: "!", Level.BAD: "✗"}[finding.level]
        colour = _COLOURS[finding.level]
        table.add_row(f"[{colour}]{mark}[/]", finding.what, finding.says, finding.advice)
        if finding.level is Level.BAD or worst is Level.OK:
            worst = finding.level
    console.print(table)
    _next("python -m gateway run" if worst is not Level.BAD else "mend what is marked ✗, top to bottom")
    sys.exit(1 if worst is Level.BAD else 0)


@main.command("check-catalogue")
@click.option("--sandbox", is_flag=True, help="also read the sandbox items")
@click.argument("extra", nargs=-1, type=click.Path(exists=True, path_type=Path))
def check_catalogue(sandbox: bool, extra: tuple[Path, ...]) -> None:
    """Read every item, bundle and outlet (and EXTRA item files); name file, line and what to write instead."""
    found = catalogue_problems(with_sandbox=sandbox, extra=extra)
    for problem in found:
        console.print(f"[red]✗[/] {problem}", soft_wrap=True, highlight=False)
    if found:
        _next("correct the lines above and run check-catalogue again")
        sys.exit(1)
    catalogue = load_catalogue(with_sandbox=sandbox, extra=extra)
    console.print(
        f"[green]✓[/] {len(catalogue.items)} items, {len(catalogue.bundles)} bundle, {len(catalogue.outlets)} outlets"
    )


@main.group()
def keys() -> None:
    """Our own signing keys."""


@keys.command("add")
@click.argument("purpose")
def keys_add(purpose: str) -> None:
    """One more key for PURPOSE; it signs from now on, older ones still verify."""
    console.print(f"made key {add_key(_settings().keys_dir, purpose, valid_from=datetime.now(UTC))}")
    _next("restart the web processes, and tell the banks the new public key")


@keys.command("rotate-vault")
@click.option("--index", is_flag=True, help="the key of the search hashes instead of the key-encryption key")
def keys_rotate_vault(index: bool) -> None:
    """Add a new key to the vault's file; the old ones still open what they sealed."""
    path = _settings().keys_dir / VAULT_FILE
    console.print(f"made key {add_index(path) if index else add_kek(path)}")
    _next(f"back the file up, restart every process, then python -m gateway keys {'reindex' if index else 'rewrap'}")


@keys.command("rewrap")
def keys_rewrap() -> None:
    """Wrap every case's data key with the current key-encryption key; may be broken off and begun again."""
    _rekey("data keys wrapped anew", rewrap)


@keys.command("reindex")
def keys_reindex() -> None:
    """Make every search hash with the current index key; may be broken off and begun again."""
    _rekey("search hashes made anew", reindex)


def _rekey(what: str, change: Callable[..., int]) -> None:
    house = _house()
    with house.database.read() as tx:
        total = case_rows.count(tx)
    with Progress(console=console) as bar:
        task = bar.add_task(what, total=total)
        changed = change(house.database, house.vault, progress=lambda done: bar.advance(task, done))
    console.print(f"{changed} {what}")


@main.group()
def clients() -> None:
    """The banks' enrolled clients."""


@clients.command("enrol")
@click.option("--bank", required=True, type=click.Choice(sorted(registry.BANKS)))
@click.option("--client-id", required=True, help="our own name for it")
@click.option("--claimed-id", required=True, help="how it names itself on the wire")
@click.option("--profile", default="api", show_default=True)
@click.option("--algorithm", default="rsa-sha256", show_default=True)
@click.option("--public-key", required=True, type=click.Path(exists=True, path_type=Path), help="PEM or DER")
@click.option("--cipher-key-file", type=click.Path(exists=True, path_type=Path), help="base64 of a shared AES key")
@click.option("--outlet", "outlets", multiple=True, help="may file for; default: all of its bank")
@click.option("--operation", "operations", multiple=True, help="may ask; default: all")
@click.option("--address", "addresses", multiple=True, help="network it must call from; default: any")
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="an option of the bank's dialect")
def clients_enrol(
    bank: str,
    client_id: str,
    claimed_id: str,
    profile: str,
    algorithm: str,
    public_key: Path,
    cipher_key_file: Path | None,
    **more: tuple[str, ...],
) -> None:
    """Enrol one client with its verification key."""
    from gateway.parties.enrolment import cipher_key, verification_key

    house = _house()
    now = house.clock.now()
    der = public_der(public_key.read_bytes())
    found: list[ClientKey] = [verification_key(algorithm, der, now)]
    if cipher_key_file:
        found.append(cipher_key(cipher_key_file.read_text(), now))
    client = Client(
        client_id=client_id,
        bank=bank,
        profile=profile,
        claimed_id=claimed_id,
        status="active",
        algorithms=(algorithm,),
        keys=tuple(found),
        outlets=more["outlets"],
        operations=more["operations"],
        addresses=more["addresses"],
        options=dict(pair.partition("=")[::2] for pair in more["options"]),
    )
    check_enrolment(client, sandbox=house.settings.sandbox)
    draft = _client_draft(EntryKind.CLIENT_ENROLLED, client_id, now, {"bank": bank, "key": found[0].key_id})

    def act(tx: Any) -> None:
        client_rows.enrol(tx, house.vault, client, at=now)
        trail.append_loose(tx, [draft])

    house.database.again(act)
    console.print(f"enrolled {client_id}, key {found[0].key_id}")
    _next("python -m gateway clients list; the client's first call should be an echo")


@clients.command("notify")
@click.argument("client_id")
@click.option("--url", required=True, help='where it is told; "" = no notices any more')
@click.option("--network", "networks", multiple=True, help="where a host name may resolve to")
@click.option("--ca", type=click.Path(exists=True, path_type=Path), help="the authority its certificate comes from")
def clients_notify(client_id: str, url: str, networks: tuple[str, ...], ca: Path | None) -> None:
    """Enrol another notify address; it has to be proven before anything is told there."""
    house = _house()
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
    _next(f"python -m gateway clients prove {client_id}")


@clients.command("prove")
@click.argument("client_id")
def clients_prove(client_id: str) -> None:
    """Send one test notice; answered as agreed, the client is told of its cases from now on."""
    house = _house()
    client = _client(house, client_id)
    if not notify_url(client):
        raise click.ClickException(f"{client_id} has no notify address; 'clients notify {client_id} --url …' sets one")
    tried = house.notices.test(client)
    house.courier.close()
    if not tried.ok:
        raise click.ClickException(f"not proven: {tried.why}")
    console.print(f"[green]✓[/] {client_id} answered test notice {tried.notice_id} as agreed")
    _next("python -m gateway notices list")


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
    house = _house()
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
    house = _house()
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


@main.group("notices")
def notice_commands() -> None:
    """What the banks' clients were told, and what not yet."""


@notice_commands.command("list")
@click.option("--receipt", "receipt_no", help="every try of one case instead")
def notices_list(receipt_no: str | None) -> None:
    """What is not told yet, the parked first; with --receipt every try of one case."""
    house = _house()
    with house.database.read() as tx:
        if receipt_no:
            table = Table("event", "time", "outcome", "why", "exchange", title=receipt_no)
            for one in notice_rows.tries(tx, _case_id(tx, receipt_no)):
                table.add_row(str(one.event_no), stamp(one.at), one.outcome, one.why, one.exchange_id)
        else:
            table = Table("client", "case", "told", "of", "state", "tries", "again at", "why")
            for row in notice_rows.open_rows(tx):
                again = stamp(moment(row["due_at"])) if row["state"] == "due" else "-"
                why = row["why"] or row["note"] or ""
                cells = (row["sent_no"], row["wanted_no"], row["state"], row["failures"], again, why)
                table.add_row(row["client_id"], row["receipt_no"], *map(str, cells))
    console.print(table)
    _next("python -m gateway notices resend --client CLIENT, or --receipt NUMBER")


@notice_commands.command("resend")
@click.option("--client", "client_id", default="", help="all that waits or is parked for this client")
@click.option("--receipt", "receipt_no", default="", help="of one case")
@click.option("--from", "from_no", type=click.IntRange(0), default=0, help="again from this event on, with --receipt")
def notices_resend(client_id: str, receipt_no: str, from_no: int) -> None:
    """Tell again, now: what waits or is parked; with --from also what was told."""
    if not (client_id or receipt_no) or (from_no and not receipt_no):
        raise click.UsageError("say --client, or --receipt and perhaps --from")
    house = _house()

    def act(tx: Any) -> int:
        case_id = _case_id(tx, receipt_no) if receipt_no else ""
        return notice_rows.resend(tx, client_id=client_id, case_id=case_id, from_no=from_no)

    console.print(f"{house.database.again(act)} due now")
    _next("python -m gateway notices list")


def _case_id(tx: Any, receipt_no: str) -> str:
    try:
        found = case_rows.id_of_receipt(tx, read_number(receipt_no))
    except ValueError:
        found = ""
    if not found:
        raise click.ClickException(f"no case {receipt_no}")
    return found


@main.command("timeline")
@click.argument("receipt_no")
def show_timeline(receipt_no: str) -> None:
    """Everything that happened to one case, in order."""
    house = _house()
    lines = timeline(house.database, receipt_no)
    table = Table("n", "time", "kind", "facts", title=receipt_no)
    for line in lines:
        table.add_row(str(line.seq), line.at, line.kind, line.facts)
    console.print(table)
    _next("python -m gateway audit verify")


@main.group()
def audit() -> None:
    """The trail."""


@audit.command("export")
@click.argument("target", type=click.Path(path_type=Path))
def audit_export(target: Path) -> None:
    """Write the whole trail to TARGET (a folder, or a .zip) for someone outside."""
    written = _export(target)
    console.print(f"wrote {written.entries} entries and {written.checkpoints} checkpoints to {target}")
    _next(f"python -m gateway audit verify {target}")


def _export(target: Path) -> Written:
    house = _house()
    house.sealer.order()
    house.sealer.seal(now_too=True)
    return export(house.database, house.keys, target, log_id=house.settings.log_id, now=house.clock.now())


@audit.command("verify")
@click.argument("package", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--receipt", type=click.Path(exists=True, path_type=Path), help="a receipt to look for")
def audit_verify(package: Path | None, receipt: Path | None) -> None:
    """Verify the trail: this gateway's own, or an exported PACKAGE."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        if package is None:
            package = Path(folder) / "trail"
            _export(package)
        arguments = [str(package), *(["--receipt", str(receipt)] if receipt else [])]
        sys.exit(auditor.main(arguments))
