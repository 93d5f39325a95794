"""Looks at everything a gateway needs and says what to do about each finding. Must not change anything."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from gateway import config, registry
from gateway.bootstrap import VAULT_FILE, backends_of
from gateway.catalogue.loader import problems as catalogue_problems
from gateway.config import PeerBlock, Settings
from gateway.contracts.bank import Client
from gateway.domain.clock import SystemClock, beijing_day
from gateway.domain.errors import BadSettings, GatewayError
from gateway.signing import selftest
from gateway.signing.keys import KeyRing
from gateway.signing.profiles import WEAK
from gateway.signing.vault import Vault
from gateway.store import clients, migrate, work
from gateway.store.database import Database

_DISK_WARNS = 2 * 1024**3  # bytes
_KEY_WARNS = timedelta(days=30)
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
_CLOCK_WARNS = 1.0  # seconds between our clock and the database's


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    RED = "red"  # allowed for a while, and never to be overlooked: red, but nothing that must be mended to start
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``advice`` says what to do, "" when there is nothing to do."""

    what: str
    level: Level
    says: str
    advice: str = ""


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """All findings, in the order in which one would mend them."""
    try:
        settings = config.from_environment(environment)
    except BadSettings as error:
        for line in str(error).splitlines():
            yield Finding(
                "settings", Level.BAD, line, "correct it and run doctor again; docs/settings.md has the table"
            )
        return
    yield Finding("settings", Level.OK, f"profile {settings.profile}")
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _crypto,
        _keys,
        _catalogue,
        _database,
        _disk,
        _blobs,
        _peers,
    )
    for check in checks:
        try:
            yield from check(settings)
        except Exception as error:  # whatever is broken, the checks behind it are still worth hearing
            says = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield Finding(check.__name__.strip("_"), Level.BAD, says, "see the message")


def _crypto(_settings: Settings) -> Iterator[Finding]:
    for name, ok, detail in selftest.run():
        yield Finding(
            f"crypto {name}",
            Level.OK if ok else Level.BAD,
            detail,
            "" if ok else "this build of the crypto library must not be used: reinstall the locked dependencies",
        )


def _keys(settings: Settings) -> Iterator[Finding]:
    try:
        ring = KeyRing.load(settings.keys_dir, allow_published=settings.sandbox)
        Vault.load(settings.keys_dir / VAULT_FILE)
    except (BadSettings, OSError) as error:
        yield Finding("keys", Level.BAD, str(error), "python -m gateway init makes a first set")
        return
    now = datetime.now(UTC)
    for purpose in ("receipt", "checkpoint", *(f"answer-{bank.lower()}" for bank in registry.BANKS)):
        try:
            key = ring.signer(purpose, now)
            yield Finding(f"key {purpose}", Level.OK, f"{key.key_id} ({key.algorithm})")
        except GatewayError as error:
            yield Finding(f"key {purpose}", Level.BAD, str(error), f"python -m gateway keys add {purpose}")
    for purpose in ring.purposes:
        if purpose.endswith("-sha1"):
            yield Finding(
                f"key {purpose}", Level.WARN, "SHA-1 answers are enrolled", "agree an end date with that client"
            )
    yield Finding("vault", Level.OK, "personal data can be opened and sealed")


def _catalogue(settings: Settings) -> Iterator[Finding]:
    found = catalogue_problems(with_sandbox=settings.sandbox)
    for problem in found:
        yield Finding("catalogue", Level.BAD, str(problem), "python -m gateway check-catalogue shows all of them")
    if not found:
        yield Finding("catalogue", Level.OK, "every item, bundle and outlet reads")


def _database(settings: Settings) -> Iterator[Finding]:
    present, needed = migrate.present(settings.database_url), migrate.needed()
    if present != needed:
        yield Finding("schema", Level.BAD, f"{present or 'empty'}, needed {needed}", "python -m gateway migrate")
        return
    yield Finding("schema", Level.OK, present)
    database = Database(settings.database_url, SystemClock())
    try:
        with database.read() as tx:
            skew = abs((tx.now() - datetime.now(UTC)).total_seconds())
            enrolled = clients.all_clients(tx, Vault.load(settings.keys_dir / VAULT_FILE))
            parked = sum(row["n"] for row in work.counts(tx) if row["state"] == "parked")
        yield Finding(
            "clock",
            Level.OK if skew < _CLOCK_WARNS else Level.WARN,
            f"{skew:.3f} s between this machine and the database",
            "" if skew < _CLOCK_WARNS else "check time synchronisation on both machines",
        )
        yield Finding(
            "clients",
            Level.OK if enrolled else Level.WARN,
            f"{len(enrolled)} enrolled",
            "" if enrolled else "python -m gateway clients enrol --help",
        )
        yield from _client_keys(enrolled)
        yield Finding(
            "shelf",
            Level.WARN if parked else Level.OK,
            f"{parked} parked",
            "python -m gateway shelf list" if parked else "",
        )
    finally:
        database.close()


def _client_keys(enrolled: Sequence[Client]) -> Iterator[Finding]:
    """Weak algorithms in red, and keys that end soon without a successor."""
    now = datetime.now(UTC)
    for client in enrolled:
        who = f"client {client.client_id}"
        if client.status == "blocked":
            yield Finding(who, Level.WARN, "is blocked", f"python -m gateway clients unblock {client.client_id}")
        in_use = [k for k in client.keys if k.use == "verify" and (k.valid_until is None or k.valid_until > now)]
        for key in in_use:
            if key.algorithm in WEAK:
                until = f"until {beijing_day(key.valid_until)}" if key.valid_until else "without an end"
                says = f"signs with {key.algorithm} {until}: {client.legacy_reason or 'no reason on record'}"
                yield Finding(who, Level.RED, says, "agree the change with the bank: clients rotate")
        lasts = max((k.valid_until or _FOR_EVER for k in in_use), default=now)
        if lasts - now < _KEY_WARNS:
            says = "no valid key" if not in_use else f"its last key ends on {beijing_day(lasts)}"
            yield Finding(
                who, Level.WARN, says, f"python -m gateway clients rotate {client.client_id} --public-key FILE"
            )


def _disk(settings: Settings) -> Iterator[Finding]:
    place = Path(".")
    if settings.database_url.startswith("sqlite:///"):
        place = Path(settings.database_url.removeprefix("sqlite:///")).parent
    yield _space("disk", place if place.exists() else Path("."), "make room: a full disk stops intake")


def _blobs(settings: Settings) -> Iterator[Finding]:
    """The folder of uploaded files: there, ours to write, ours alone to read, with room left."""
    place = settings.blobs_dir
    if not place.is_dir():
        made = "put a folder there" if place.exists() else "python -m gateway init"
        yield Finding("blobs", Level.BAD, f"{place} is not a folder", made)
        return
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("blobs", Level.BAD, f"{place} cannot be written by this user", "give it to the gateway's user")
        return
    mode = stat.S_IMODE(place.stat().st_mode)
    if mode & 0o077:
        yield Finding("blobs mode", Level.WARN, f"{place} is open to others ({mode:o})", f"chmod 700 {place}")
    yield _space("blobs", place, "make room: uploads are refused as busy when this disk is full")


def _space(what: str, place: Path, advice: str) -> Finding:
    free = shutil.disk_usage(place).free
    well = free > _DISK_WARNS
    return Finding(what, Level.OK if well else Level.WARN, f"{free / 1024**3:.1f} GiB free", "" if well else advice)


def _peers(settings: Settings) -> Iterator[Finding]:
    backends_of(settings, clock=SystemClock())  # raises what a start would raise
    if not settings.backends:
        yield Finding("departments", Level.WARN, "none is set up", "add [backends.CODE] to the peers file")
    if not settings.providers:
        advice = "add [providers.CODE] to the peers file (docs/staff-interface.md)"
        yield Finding("identity providers", Level.WARN, "none is set up: nobody can sign in", advice)
    yield from _answer(
        "department", settings.backends, "calls are held and tried again; check the line and the address"
    )
    yield from _answer(
        "identity provider", settings.providers, "nobody new can sign in; check the line and the address"
    )


def _answer(what: str, blocks: Mapping[str, PeerBlock], advice: str) -> Iterator[Finding]:
    for code, block in blocks.items():
        place = urlsplit(block.text("base_url"))
        port = place.port or (443 if place.scheme == "https" else 80)
        began = time.perf_counter()
        try:
            socket.create_connection((place.hostname or "", port), timeout=2).close()
            yield Finding(f"{what} {code}", Level.OK, f"answers in {(time.perf_counter() - began) * 1000:.0f} ms")
        except OSError as error:
            yield Finding(
                f"{what} {code}",
                Level.WARN,
                f"{place.hostname}:{port}: {error.strerror or error}",
                advice,
            )
