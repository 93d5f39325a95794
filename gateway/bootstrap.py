"""The composition root: settings → house. The only importer of concrete peers, through the registry.

Must not serve or decide; it builds every service once per process, after any fork, and hands them their parts.

Over 400 lines; the reason: who gets what is read in one place, and there is no decision in it to be taken apart.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from gateway import registry
from gateway.acts.persons import ReadToken, nobody
from gateway.acts.room import LANE as ACTS_LANE
from gateway.acts.room import LEASE as ACT_LEASE
from gateway.acts.room import Acts
from gateway.calendar import tables as calendar_tables
from gateway.calendar.clockwork import Clockwork
from gateway.cases.amend import Amending
from gateway.cases.clockwatch import ClockWatch
from gateway.cases.desk import Desk
from gateway.cases.info import Info
from gateway.cases.intake import Intake
from gateway.cases.making import Maker
from gateway.cases.query import Reading
from gateway.cases.receipts import read_number
from gateway.cases.shelf import Shelf
from gateway.cases.staff import StaffCases
from gateway.cases.waiting import WaitingRoom
from gateway.catalogue.item import Catalogue
from gateway.catalogue.loader import load as load_catalogue
from gateway.config import PeerBlock, Settings
from gateway.contracts.backend import Backend
from gateway.contracts.bank import Bank
from gateway.contracts.settings import PeerSettings
from gateway.dispatch.calls import Calls, Peer
from gateway.dispatch.chores import Ticker
from gateway.dispatch.notices import LEASE as NOTICE_LEASE
from gateway.dispatch.notices import Notices
from gateway.dispatch.recovery import Recovery, require_served
from gateway.dispatch.runner import Lane, Runner
from gateway.dispatch.sealer import Sealer
from gateway.dispatch.sweeper import Sweeper
from gateway.dispatch.words import LEASE as WORD_LEASE
from gateway.dispatch.words import Words
from gateway.domain.alarms import AlarmKind
from gateway.domain.clock import Clock, SystemClock
from gateway.domain.errors import BadSettings, GatewayError
from gateway.domain.requests import Operation
from gateway.executors import executors
from gateway.materials.attached import Attached
from gateway.materials.blobs import Blobs
from gateway.materials.folder import Folder
from gateway.materials.sweep import Sweep
from gateway.materials.tickets import Tickets
from gateway.parties.changes import ClientChanges, World
from gateway.parties.directory import Directory
from gateway.parties.hearing import Hearing
from gateway.parties.limits import AtOnce, Buckets
from gateway.parties.notify import LANE as NOTIFY_LANE
from gateway.parties.notify import address_of
from gateway.parties.publishing import Publishing, laid_out
from gateway.parties.switchboard import Switchboard
from gateway.parties.switching import Places, Switching
from gateway.people.jwks import Keys
from gateway.people.providers import by_issuer, read_provider
from gateway.people.sessions import Sessions
from gateway.people.tokens import Tokens
from gateway.signing.keys import KeyRing, read_private_file
from gateway.signing.secret import Secret
from gateway.signing.vault import Vault
from gateway.store import catalogue_rows, jobs, messages, recovery, work
from gateway.store.database import Database
from gateway.store.exchanges import ExchangeRecorder
from gateway.store.migrate import check as check_schema
from gateway.telemetry import Metrics
from gateway.web.refusals import Refusals
from gateway.wire.addresses import PeerAddress
from gateway.wire.courier import Courier

VAULT_FILE = "vault.key"
_INBOX_THREADS = 4
_NOTICE_THREADS = 2  # of one process for one client
_log = structlog.get_logger("bootstrap")


@dataclass(frozen=True, slots=True)
class House:
    """Every service of one process."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    keys: KeyRing
    catalogue: Catalogue
    directory: Directory
    switchboard: Switchboard
    banks: Mapping[str, Bank]
    backends: Mapping[str, Backend]
    desk: Desk
    tickets: Tickets
    blobs: Blobs
    clockwork: Clockwork
    watch: ClockWatch
    words: Words
    notices: Notices
    acts: Acts
    shelf: Shelf
    sessions: Sessions
    staff_cases: StaffCases
    courier: Courier
    refusals: Refusals
    metrics: Metrics
    sealer: Sealer
    sweeper: Sweeper
    recovery: Recovery
    runner: Runner | None
    ticker: Ticker
    wake: Callable[[], None]
    owner: str
    read_token: ReadToken = nobody  # who a person's token names

    def start(self) -> None:
        """Start this process's threads."""
        if self.runner is not None:
            self.runner.start()
        self.ticker.start()

    def stop(self) -> bool:
        """Drain and let go. False = something still ran when the grace was over; its lease will run out."""
        quiet = self.runner.drain(self.settings.drain_seconds) if self.runner is not None else True
        for last_duty in (self._flush, self.ticker.stop, self._release_jobs):
            try:
                last_duty()
            except GatewayError as error:  # a store that is away must not keep us from ending
                _log.warning("stop.duty_left", error=str(error))
        self.courier.close()
        self.database.close()
        return quiet

    def _flush(self) -> None:
        self.refusals.flush(everything=True)

    def _release_jobs(self) -> None:
        """Order and seal go on at once elsewhere, not when our leases have run out."""
        jobs.release(self.database, owner=self.owner)


class _Bell:
    """Rings the runner of this process, if it has one; other processes look by themselves."""

    def __init__(self) -> None:
        self.runner: Runner | None = None

    def __call__(self) -> None:
        if self.runner is not None:
            self.runner.wake()


def build(
    settings: Settings,
    *,
    doors: bool = True,
    dispatch: bool = True,
    clock: Clock | None = None,
    extra_items: tuple[Path, ...] = (),
    database_clock: bool = True,
) -> House:
    """Build the house for a process with ``doors``, ``dispatch`` or both. Raises ``BadSettings``, ``BadCatalogue``."""
    clock = clock or SystemClock()
    check_schema(settings.database_url)
    database = Database(settings.database_url, clock, pool_size=settings.threads, database_clock=database_clock)
    vault = Vault.load(settings.keys_dir / VAULT_FILE)
    keys = KeyRing.load(settings.keys_dir, allow_published=settings.sandbox)
    catalogue, publications = _catalogue(settings, database, extra_items)
    publishing = Publishing(
        database,
        catalogue,
        read=lambda paths: load_catalogue(with_sandbox=settings.sandbox, extra=extra_items, published=tuple(paths)),
        clock=clock,
        known=publications,
    )
    if doors or dispatch:
        require_served(database)
    calendar_tables.seed(database, clock)
    metrics = Metrics()
    directory = Directory(database, vault, clock)
    banks = _banks(settings, keys=keys, directory=directory, clock=clock)
    backends = backends_of(settings, clock=clock)
    for code, block in settings.backends.items():
        work.Lanes.ensure(database, code, cap=int(block.values.get("cap", 16)), rate=int(block.values.get("rate", 0)))
    work.Lanes.ensure(database, work.INBOX, cap=64, rate=0)
    work.Lanes.ensure(database, ACTS_LANE, cap=4, rate=0)
    bell = _Bell()
    recorder = ExchangeRecorder(database, vault, on_failure=metrics.unrecorded.inc)
    addresses = {code: _address(block) for code, block in {**settings.backends, **settings.providers}.items()}
    courier = Courier(addresses, recorder, clock, later=_client_address(directory))
    owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    switchboard = Switchboard(database, clock)
    clockwork = Clockwork(database, catalogue, clock)
    words = Words(database, vault, catalogue=catalogue, clock=clock, clocks=clockwork)
    sealer = Sealer(
        database, keys=keys, log_id=settings.log_id, owner=owner, clock=clock, report_backlog=metrics.trail_wait.set
    )
    refusals = Refusals(
        database, vault, clock=clock, count=lambda bank, cause: metrics.refusals.labels(bank, cause).inc()
    )
    folder = Folder(settings.blobs_dir)
    blobs = Blobs(database, vault, folder=folder, client_of=lambda client_id: directory().by_id(client_id), clock=clock)
    tickets = Tickets(database, vault, clock=clock, read_number=read_number)
    sweep = Sweep(database, vault, blobs=blobs, folder=folder, clock=clock)
    watch = ClockWatch(database, vault, clockwork=clockwork, clock=clock, owner=owner)
    notices = Notices(
        database,
        vault,
        banks=banks,
        directory=directory,
        courier=courier,
        clock=clock,
        owner=owner,
        observe=lambda lane, outcome: metrics.calls.labels(lane, outcome).inc(),
    )
    providers = by_issuer(
        read_provider(code, block.values, banks=banks, departments=catalogue.departments)
        for code, block in settings.providers.items()
    )
    tokens = Tokens(
        database,
        Keys(lambda code: courier.line(code), clock),
        providers,
        outlets={code: outlet.bank for code, outlet in catalogue.outlets.items()},
        clock=clock,
    )
    sessions = Sessions(database, tokens, clock)
    shelf = Shelf(database, vault, banks=banks, backends=backends, clock=clock, clocks=clockwork)
    staff_cases = StaffCases(database, vault, shelf=shelf, clock=clock)
    acts = Acts(
        database,
        vault,
        executors=executors(
            clients=ClientChanges(vault, client_world(banks, catalogue, sandbox=settings.sandbox)),
            switching=Switching(places(banks, backends, catalogue)),
            directory=directory,
            shelf=shelf,
            staff_cases=staff_cases,
            publishing=publishing,
        ),
        clock=clock,
        owner=owner,
        wake=bell,
    )
    sweeper = Sweeper(
        database,
        clients=directory,
        clock=clock,
        shelf_hours=settings.shelf_hours,
        count=lambda alarms: metrics.count_alarms({k: sum(a.rows for a in alarms if a.kind is k) for k in AlarmKind}),
    )
    hearing = Hearing(database, vault, directory=directory, clock=clock, wake=bell)
    calls = Calls(
        database,
        vault,
        catalogue=catalogue,
        peers={c: Peer(b, timedelta(seconds=addresses[c].deadline)) for c, b in backends.items()},
        courier=courier,
        clock=clock,
        clocks=clockwork,
        attached=Attached(database, blobs),
        ask_first=_after_a_restore(database, clock),
        observe=lambda lane, outcome: metrics.calls.labels(lane, outcome).inc(),
    )
    leases = {c: Peer.lease_for(timedelta(seconds=addresses[c].deadline)) for c in backends}
    way_back = Recovery(database, calls, leases=leases, owner=owner, clock=clock)
    runner = None
    if dispatch:
        runner = bell.runner = Runner(
            database,
            lanes=_lanes(settings, addresses, calls, words, acts),
            owner=owner,
            clock=clock,
            later=_notice_lanes(notices),
        )
    return House(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        keys=keys,
        catalogue=catalogue,
        directory=directory,
        switchboard=switchboard,
        banks=banks,
        backends=backends,
        desk=_desk(
            settings,
            database,
            vault,
            keys,
            catalogue,
            directory,
            backends,
            clock,
            bell,
            clockwork,
            blobs,
            tickets,
            hearing,
            switchboard,
        ),
        tickets=tickets,
        blobs=blobs,
        clockwork=clockwork,
        watch=watch,
        words=words,
        notices=notices,
        acts=acts,
        shelf=shelf,
        sessions=sessions,
        staff_cases=staff_cases,
        courier=courier,
        refusals=refusals,
        metrics=metrics,
        sealer=sealer,
        sweeper=sweeper,
        recovery=way_back,
        runner=runner,
        ticker=Ticker(
            [
                publishing.turn,
                *_chores(
                    database,
                    refusals,
                    sealer,
                    clock,
                    watch,
                    sweep,
                    notices,
                    acts,
                    sweeper,
                    doors=doors,
                    dispatch=dispatch,
                ),
            ]
        ),
        wake=bell,
        owner=owner,
        read_token=sessions.person,
    )


def _catalogue(settings: Settings, database: Database, extra: tuple[Path, ...]) -> tuple[Catalogue, int]:
    """The release's catalogue with what was published since, and the number of publications it holds."""
    with database.read() as tx:
        files, version = catalogue_rows.files(tx), catalogue_rows.version(tx)
    with laid_out(files) as paths:
        return load_catalogue(with_sandbox=settings.sandbox, extra=extra, published=tuple(paths)), version


def client_world(banks: Mapping[str, Bank], catalogue: Catalogue, *, sandbox: bool) -> World:
    """What an enrolment of a client is checked against."""
    return World(
        profiles={code: bank.traits.profiles for code, bank in banks.items()},
        outlets={code: outlet.bank for code, outlet in catalogue.outlets.items()},
        operations=frozenset(Operation),
        sandbox=sandbox,
    )


def places(banks: Mapping[str, Bank], backends: Mapping[str, Backend], catalogue: Catalogue) -> Places:
    """What there is to be switched off, and whose systems may be closed."""
    return Places(
        items=catalogue.items,
        outlets={code: outlet.bank for code, outlet in catalogue.outlets.items()},
        banks=frozenset(banks),
        lanes=frozenset(backends),
    )


def _banks(settings: Settings, *, keys: KeyRing, directory: Directory, clock: Clock) -> dict[str, Bank]:
    banks: dict[str, Bank] = {}
    for code, path in registry.BANKS.items():
        block = settings.banks.get(code, PeerBlock(code, {}))
        made: Bank = registry.load(path)(settings=_peer(block), keys=keys, directory=directory, clock=clock)
        banks[code] = made
    _no_strangers("banks", settings.banks, registry.BANKS)
    return banks


def backends_of(settings: Settings, *, clock: Clock) -> dict[str, Backend]:
    """The back-ends that are set up, built. Raises ``BadSettings``: unknown, half-set, or a sandbox in production."""
    _no_strangers("backends", settings.backends, registry.BACKENDS)
    backends: dict[str, Backend] = {}
    for code, block in settings.backends.items():
        if code in registry.SANDBOX_BACKENDS and not settings.sandbox:
            raise BadSettings(f"[backends.{code}] is a sandbox and refused in the {settings.profile} profile")
        made: Backend = registry.load(registry.BACKENDS[code])(settings=_peer(block), clock=clock)
        backends[code] = made
    return backends


def _no_strangers(table: str, blocks: Mapping[str, PeerBlock], known: Mapping[str, str]) -> None:
    strangers = sorted(set(blocks) - set(known))
    if strangers:
        raise BadSettings(f"[{table}.{strangers[0]}]: no adapter of that code; known are {', '.join(known)}")


def _peer(block: PeerBlock) -> PeerSettings:
    plain = {k: str(v) for k, v in block.values.items() if isinstance(v, str | int | float)}
    plain |= {k: str(v) for k, v in dict(block.values.get("values", {})).items()}
    secrets = {
        name: Secret(read_private_file(Path(path)).strip())
        for name, path in dict(block.values.get("secrets", {})).items()
    }
    return PeerSettings(code=block.code, values=plain, secrets=secrets)


def _address(block: PeerBlock) -> PeerAddress:
    more: dict[str, Any] = {}
    if block.text("tls_ca"):
        more["verify"] = block.text("tls_ca")
    return PeerAddress(
        base_url=block.text("base_url"),
        networks=tuple(block.values.get("networks", ())),
        deadline=float(block.values.get("deadline", 20.0)),
        max_bytes=int(block.values.get("max_bytes", 1_048_576)),
        **more,
    )


def _lanes(
    settings: Settings, addresses: Mapping[str, PeerAddress], calls: Calls, words: Words, acts: Acts
) -> dict[str, Lane]:
    lanes = {
        code: Lane(
            name=code,
            kinds=(work.CALL,),
            threads=int(block.values.get("threads", 8)),
            lease=Peer.lease_for(timedelta(seconds=addresses[code].deadline)),
            handle=lambda claim, started: calls.handle(claim, started=started),
            claimed=calls.claimed,
        )
        for code, block in settings.backends.items()
    }
    lanes[work.INBOX] = Lane(
        name=work.INBOX,
        kinds=(work.WORD,),
        threads=_INBOX_THREADS,
        lease=WORD_LEASE,
        handle=lambda claim, started: words.handle(claim, started=started),
    )
    lanes[ACTS_LANE] = Lane(name=ACTS_LANE, kinds=(work.ACT,), threads=1, lease=ACT_LEASE, handle=acts.handle)
    return lanes


def _client_address(directory: Directory) -> Callable[[str], PeerAddress | None]:
    """Where a client of a bank is told: by its enrolment of this moment."""

    def find(client_id: str) -> PeerAddress | None:
        client = directory().by_id(client_id)
        return None if client is None else address_of(client)

    return find


def _notice_lanes(notices: Notices) -> Callable[[str], Lane | None]:
    """One bulkhead for each client that is told something, opened when its first notice is due."""

    def open_lane(name: str) -> Lane | None:
        if not name.startswith(NOTIFY_LANE):
            return None
        return Lane(
            name=name,
            kinds=(work.NOTICE,),
            threads=_NOTICE_THREADS,
            lease=NOTICE_LEASE,
            handle=lambda claim, started: notices.handle(claim, started=started),
        )

    return open_lane


def _desk(
    settings: Settings,
    database: Database,
    vault: Vault,
    keys: KeyRing,
    catalogue: Catalogue,
    directory: Directory,
    backends: Mapping[str, Backend],
    clock: Clock,
    wake: Callable[[], None],
    clockwork: Clockwork,
    blobs: Blobs,
    tickets: Tickets,
    hearing: Hearing,
    switchboard: Switchboard,
) -> Desk:
    waiting = WaitingRoom(database, vault, clock=clock, places=settings.threads // 4)
    return Desk(
        database,
        intake=Intake(
            database,
            vault,
            make=Maker(vault, keys=keys, catalogue=catalogue, clockwork=clockwork, digest_algorithm=settings.digest),
            catalogue=catalogue,
            directory=directory,
            blobs=blobs,
            backends=backends,
            clock=clock,
            clockwork=clockwork,
            switchboard=switchboard,
            waiting=waiting,
            wake=wake,
        ),
        vault=vault,
        amending=Amending(
            database,
            vault,
            catalogue=catalogue,
            directory=directory,
            backends={code: backend.traits for code, backend in backends.items()},
            clock=clock,
            clockwork=clockwork,
            wake=wake,
            blobs=blobs,
            digest_algorithm=settings.digest,
        ),
        reading=Reading(database, vault, keys=keys, directory=directory, clock=clock),
        info=Info(
            database,
            catalogue=catalogue,
            directory=directory,
            backends=frozenset(backends),
            switchboard=switchboard,
            clock=clock,
        ),
        tickets=tickets,
        directory=directory,
        clock=clock,
        rates=Buckets(clock, rate=settings.client_rate, burst=2 * settings.client_rate),
        at_once=AtOnce(settings.client_at_once),
        heard=hearing,
    )


def _chores(
    database: Database,
    refusals: Refusals,
    sealer: Sealer,
    clock: Clock,
    watch: ClockWatch,
    sweep: Sweep,
    notices: Notices,
    acts: Acts,
    sweeper: Sweeper,
    *,
    doors: bool,
    dispatch: bool,
) -> list[Callable[[], None]]:
    chores: list[Callable[[], None]] = []
    if dispatch:
        chores += [
            sealer.turn,
            notices.turn,
            watch.turn,
            sweep.turn,
            acts.turn,
            _forgetting(database, clock),
            sweeper.turn,
        ]
    if doors:
        chores.append(refusals.flush)
    return chores


def _forgetting(database: Database, clock: Clock) -> Callable[[], None]:
    last = [clock.monotonic()]

    def forget() -> None:
        """Old message notes, once a minute."""
        if clock.monotonic() - last[0] >= 60:
            last[0] = clock.monotonic()
            database.again(lambda tx: messages.forget_expired(tx, clock.now()))

    return forget


def _after_a_restore(database: Database, clock: Clock) -> Callable[[], bool]:
    with database.read() as tx:  # a restore happens while nothing runs, so one look is enough
        until = recovery.ask_first_until(tx)
    return lambda: clock.now() < until
