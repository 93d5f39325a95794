"""A small house for tests: keys made on the spot, one enrolled client of a bank, doors, and a department if wanted.

Everything lies in the test's own folder. The clock is the machine's, moved by what was turned; waiting stays real.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import EnvironBuilder, run_wsgi_app

from gateway import bootstrap, config
from gateway.app import create_app
from gateway.bootstrap import VAULT_FILE, House
from gateway.cases.journal import Clocks, Journal, stopped
from gateway.catalogue.loader import load as load_catalogue
from gateway.contracts.bank import Client, ClientKey
from gateway.domain.case import CaseEvent
from gateway.domain.clock import BEIJING, beijing_day
from gateway.domain.requests import Operation
from gateway.parties.enrolment import verification_key
from gateway.signing.keys import KeyRing, make_keys
from gateway.signing.vault import Vault, make_vault
from gateway.store import cases, clients, tables, trail
from gateway.store.database import Database
from mocks.banks.icbc_sim import Answer, IcbcBranch, RawRequest
from mocks.banks.samples import bank_ref, sample_submission
from mocks.departments.education import EducationBureau
from mocks.departments.sandbox import Sandbox

BANK, CLIENT_ID, APP_ID, OUTLET = "ICBC", "icbc-1", "90000000000000000301", "ICBC-FT-03"
SECRET = b"a-secret-shared-with-the-sandbox"
BUREAU_APP = "gw-test"
DEADLINE = 3.0  # seconds of one call to the department
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PATIENCE = 20.0  # seconds a test waits for something that is meant to happen
_DEAD_PORT = 9  # where nobody listens on loopback
_SANDBOX_ITEMS = Path(bootstrap.__file__).parent / "catalogue" / "sandbox"


class MovedClock:
    """The machine's clock, set forward by ``turn``; ``monotonic`` is never moved, so waiting stays real."""

    def __init__(self) -> None:
        self._moved = timedelta(0)

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC) + self._moved

    def monotonic(self) -> float:
        """The machine's own."""
        return time.monotonic()

    def turn(self, **by: float) -> None:
        """Move the wall clock: ``turn(days=4)``, also back."""
        self._moved += timedelta(**by)

    def turn_to_next_minute(self) -> None:
        """To the first moments of a minute, so that what follows happens within one."""
        now = self.now()
        self._moved += timedelta(minutes=1) - timedelta(seconds=now.second, microseconds=now.microsecond)


def bank_key(name: str = "icbc") -> bytes:
    """A bank's private RSA key as PEM, made once in each process; another one for each name."""
    return _made_key(name)


@functools.cache
def _made_key(_name: str) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_der(private_pem: bytes) -> bytes:
    """The public half of a private key."""
    key = load_pem_private_key(private_pem, None)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@functools.cache
def read_catalogue(
    *, with_sandbox: bool = False, extra: tuple[Path, ...] = (), published: tuple[Path, ...] = ()
) -> Any:
    """The catalogue, read once in each process: nobody changes it, and reading it takes longer than most tests."""
    return load_catalogue(with_sandbox=with_sandbox, extra=extra, published=published)


def enrolled(private_pem: bytes, **how: Any) -> Client:
    """The client every small house knows; ``how`` changes its members."""
    key = verification_key("rsa-sha256", public_der(private_pem), LONG_AGO)
    whole: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "bank": BANK,
        "profile": "icbc",
        "claimed_id": APP_ID,
        "status": "active",
        "algorithms": ("rsa-sha256",),
        "keys": (key,),
        "outlets": (),
        "operations": (),
        "addresses": (),
        "options": {},
    }
    return Client(**(whole | how))


def write_peers(
    folder: Path, *, department_port: int = _DEAD_PORT, deadline: float = DEADLINE, bureau_port: int = 0
) -> Path:
    """A peers file with the sandbox department behind a loopback port, and its secret; with a port the bureau too."""
    secret, peers = folder / "department.secret", folder / "peers.toml"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    peers.write_text(
        "[backends.FT_SBX]\n"
        f'base_url = "http://127.0.0.1:{department_port}"\nnetworks = ["127.0.0.0/8"]\ndeadline = {deadline}\n'
        f'[backends.FT_SBX.values]\napp = "gw-test"\n[backends.FT_SBX.secrets]\nhmac = "{secret}"\n'
        + (_bureau_block(bureau_port, secret) if bureau_port else ""),
        encoding="utf-8",
    )
    return peers


def _bureau_block(port: int, secret: Path) -> str:
    return (
        f'[backends.FT_EDU]\nbase_url = "http://127.0.0.1:{port}"\nnetworks = ["127.0.0.0/8"]\ndeadline = {DEADLINE}\n'
        f'[backends.FT_EDU.values]\napp = "{BUREAU_APP}"\n[backends.FT_EDU.secrets]\nhmac = "{secret}"\n'
    )


def environment(folder: Path, url: str, **settings: str) -> dict[str, str]:
    """The environment of a gateway in ``folder``; ``settings`` by name without prefix."""
    whole = {
        "PROFILE": "test",
        "DATABASE_URL": url,
        "KEYS_DIR": str(folder / "keys"),
        "PEERS_FILE": str(folder / "peers.toml"),
        "BLOBS_DIR": str(folder / "blobs"),
        "ADDRESS_RATE": "10000",
        "CLIENT_RATE": "10000",
        "THREADS": "16",
    }
    return {config.PREFIX + name: value for name, value in (whole | settings).items()}


@dataclass
class SmallHouse:
    """What a test holds in its hand."""

    folder: Path
    clock: MovedClock
    house: House
    app: Flask
    branch: IcbcBranch
    department: Sandbox | None = None
    url: str = ""
    _serial: list[int] = field(default_factory=lambda: [int(time.time() * 1000) % 10_000_000])

    # -- the bank's side ------------------------------------------------------------------------------------

    def sample(self, item: str = "FT-SBX-002", scenario: str = "grant", **how: Any) -> dict[str, Any]:
        """A valid submission of another person each time, made now."""
        self._serial[0] += 1
        serial = how.pop("serial", self._serial[0])
        now = self.clock.now()
        how.setdefault("bank_ref", bank_ref(BANK, self._serial[0], now=now))
        return sample_submission(item, how.pop("outlet", OUTLET), scenario=scenario, serial=serial, now=now, **how)

    def build(self, operation: str, business: Mapping[str, Any], **how: Any) -> RawRequest:
        """A signed request of the enrolled client, stamped with the house's clock."""
        how.setdefault("timestamp", f"{self.clock.now().astimezone(BEIJING):%Y-%m-%d %H:%M:%S}")
        return self.branch.build(operation, business, **how)

    def send(self, request: RawRequest, *, address: str = "127.0.0.1") -> Answer:
        """The very bytes through the doors, and the answer as the bank's client reads it."""
        status, raw = self.post(request, address=address)
        return self.branch.read(status, raw)

    def post(self, request: RawRequest, *, address: str = "127.0.0.1", **environ: Any) -> tuple[int, bytes]:
        """Status and body of the answer; ``environ`` replaces members of the WSGI environment."""
        parts = urlsplit(request.url)
        builder = EnvironBuilder(
            path=parts.path,
            query_string=parts.query,
            method=request.method,
            headers=list(request.headers.items()),
            data=request.body,
            environ_overrides={"REMOTE_ADDR": address, **environ},
        )
        wsgi = builder.get_environ()
        for name in [name for name, value in environ.items() if value is None]:
            del wsgi[name]
        chunks, status, _ = run_wsgi_app(self.app, wsgi, buffered=True)
        builder.close()
        return int(status.split()[0]), b"".join(chunks)

    def call(self, operation: str, business: Mapping[str, Any], **how: Any) -> Answer:
        """Build, send, read."""
        return self.send(self.build(operation, business, **how))

    def submit(self, business: Mapping[str, Any], **how: Any) -> Answer:
        """File an application."""
        return self.call("submit", business, **how)

    def query(self, receipt_no: str = "", **more: Any) -> Answer:
        """One case, with its events."""
        named = {"receipt_no": receipt_no} if receipt_no else {}
        return self.call("query", {**named, "timeline": True, **more})

    def feed(self, *, limit: str = "200") -> list[dict[str, Any]]:
        """Every event of the bank's feed, page by page."""
        events: list[dict[str, Any]] = []
        cursor, more = "", True
        while more:
            page = self.call("changes", {"cursor": cursor, "limit": limit}).business
            events += page["events"]
            cursor, more = page["next"], page["more"]
        return events

    # -- the house's side -----------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Rows of every table."""
        with self.house.database.read() as tx:
            return {name: int(tx.run(f"SELECT count(*) FROM {name}").scalar_one()) for name in tables.metadata.tables}

    def rows(self, statement: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of a question of a test's own."""
        with self.house.database.read() as tx:
            return [dict(row) for row in tx.all(statement, params)]

    def kinds(self, receipt_no: str) -> list[str]:
        """Kinds of a case's audit entries, in order."""
        return [str(entry["kind"]) for entry in self.entries(receipt_no)]

    def entries(self, receipt_no: str) -> list[dict[str, Any]]:
        """A case's audit entries, in order, as they are hashed."""
        with self.house.database.read() as tx:
            found = tx.one("SELECT case_id FROM cases WHERE receipt_no = :no", {"no": receipt_no})
            return [json.loads(row["canonical"]) for row in trail.of_case(tx, found["case_id"])]

    def loose_entries(self, kind: str) -> list[dict[str, Any]]:
        """Entries of one kind, oldest first, as they are hashed."""
        found = self.rows("SELECT canonical FROM entry WHERE kind = :kind ORDER BY row_id", kind=kind)
        return [json.loads(row["canonical"]) for row in found]

    def happens(self, receipt_no: str, *events: CaseEvent, clocks: Clocks = stopped) -> None:
        """Let events happen to a case without any department; its clocks stand still unless they are given."""

        def act(tx: Any) -> None:
            vault = self.house.vault
            found = tx.one("SELECT case_id FROM cases WHERE receipt_no = :no", {"no": receipt_no})
            case = cases.lock(tx, vault, found["case_id"])
            journal = Journal(vault, case, now=self.clock.now(), actor="system:test", clocks=clocks)
            for event in events:
                journal.event(event)
            journal.close(tx)

        self.house.database.again(act)

    def set_status(self, status: str) -> None:
        """Block or unblock the client, as the command line does."""
        self.house.database.again(lambda tx: clients.set_status(tx, CLIENT_ID, status))

    def around_filing(self, patch: pytest.MonkeyPatch, act: Callable[[Callable[[Any], Any], Any], Any]) -> None:
        """Call ``act(file, rows)`` where the four rows of a submission would be filed."""
        intake = cast(Any, self.house.desk._changes[Operation.SUBMIT]).__self__
        file = intake._file
        patch.setattr(intake, "_file", lambda rows: act(file, rows))

    def until(self, happened: Callable[[], Any], *, what: str = "", turn: float = 0.0) -> Any:
        """Wait until ``happened`` gives something true and return it; ``turn`` seconds of clock at each look."""
        end = time.monotonic() + PATIENCE
        while True:
            found = happened()
            if found:
                return found
            assert time.monotonic() < end, f"never happened: {what or happened}"
            self.clock.turn(seconds=turn)
            time.sleep(0.03)

    def until_state(self, receipt_no: str, *states: str, turn: float = 0.0) -> Answer:
        """Wait until the bank is told one of these states."""

        def look() -> Answer | None:
            answer = self.query(receipt_no)
            return answer if answer.business["case"]["state"] in states else None

        answer: Answer = self.until(look, what=f"{receipt_no} in {states}", turn=turn)
        return answer

    def ledger(self, receipt_no: str = "") -> list[dict[str, Any]]:
        """The department's books."""
        assert self.department is not None
        narrow = {"receipt_no": receipt_no} if receipt_no else {}
        return [dict(row) for row in self.department.ledger.rows(**narrow)]


@contextmanager
def small_house(
    folder: Path,
    url: str,
    *,
    client: Client | None = None,
    more_clients: Iterable[Client] = (),
    with_department: bool = False,
    bureau: EducationBureau | None = None,
    decide_after: float = 0.2,
    extra_items: tuple[Path, ...] = (),
    settings: Mapping[str, str] | None = None,
    branch: Mapping[str, Any] | None = None,
    more_peers: str = "",
    own_catalogue: bool = False,
) -> Iterator[SmallHouse]:
    """A house over a migrated database. With a department it runs and is called back; else nothing leaves it.

    ``bureau``: the education bureau beside the sandbox department, made by the test and run here.
    """
    clock = MovedClock()
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        # One that publishes takes newer items into the catalogue it holds: never into the one all others share.
        patch.setattr(bootstrap, "load_catalogue", load_catalogue if own_catalogue else read_catalogue)
        department = None
        if with_department:
            department = stack.enter_context(Sandbox(SECRET, folder / "books", decide_after=decide_after))
        key = bank_key()
        if not (folder / "keys").exists():
            make_keys(folder / "keys", [BANK.lower()], valid_from=LONG_AGO)
            make_vault(folder / "keys" / VAULT_FILE)
            write_peers(
                folder,
                department_port=department.port if department else _DEAD_PORT,
                bureau_port=stack.enter_context(bureau).port if bureau else 0,
            )
            with (folder / "peers.toml").open("a", encoding="utf-8") as peers:
                peers.write(more_peers)
            enrol(folder, url, [client or enrolled(key), *more_clients])
        house = bootstrap.build(
            config.from_environment(environment(folder, url, **(settings or {}))),
            dispatch=with_department,
            clock=clock,
            extra_items=extra_items,
            database_clock=False,
        )
        stack.callback(house.stop)
        app = create_app(house)
        small = SmallHouse(folder, clock, house, app, branch_of(folder, house.keys, **(branch or {})), department)
        if department is not None:
            small.url = stack.enter_context(serving(app))
            department.clerk.callback_url = f"{small.url}/callback/FT_SBX"
            if bureau is not None:
                bureau.clerk.callback_url = f"{small.url}/callback/FT_EDU"
            house.start()
        yield small


def enrol(folder: Path, url: str, found: Iterable[Client]) -> None:
    """Write clients before the house is built, so that its first look finds them."""
    clock = MovedClock()
    database, vault = Database(url, clock), Vault.load(folder / "keys" / VAULT_FILE)
    try:
        for client in found:
            database.again(lambda tx, client=client: clients.enrol(tx, vault, client, at=clock.now()))
    finally:
        database.close()


def branch_of(folder: Path, keys: KeyRing, *, key: bytes = b"", app_id: str = APP_ID, **how: Any) -> IcbcBranch:
    """The bank's client library with the enrolled key, or another one."""
    private, public = folder / f"{app_id}-bank.pem", folder / "answers.pem"
    private.write_bytes(key or bank_key())
    signer = keys.publics(f"answer-{BANK.lower()}")[0]
    pem = load_der_public_key(signer.public_der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(pem)
    return IcbcBranch("http://gateway.test", app_id, private, public, **how)


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        del type, message, args


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The doors on a loopback port, for callers that are programs of their own."""
    server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def another_key(name: str = "other", **how: Any) -> ClientKey:
    """A verification key that is not the client's usual one."""
    return verification_key("rsa-sha256", public_der(bank_key(name)), how.pop("valid_from", LONG_AGO), **how)


def item_file(
    folder: Path,
    code: str,
    *,
    like: str = "FT-SBX-003",
    opens_in: int | None = None,
    extra_field: Mapping[str, Any] | None = None,
    answer: str = "",
) -> Path:
    """A sandbox item under a new code. ``opens_in``: days until its window of three days, none = no window.

    ``extra_field`` is one more field of the form and of the route; ``answer`` how the department answers.
    """
    item = yaml.safe_load((_SANDBOX_ITEMS / f"{like}.yaml").read_text(encoding="utf-8"))
    item["code"], item["name"], item["name_en"] = code, f"新事项{code}", f"New item {code}"
    if opens_in is not None:
        opens = beijing_day(datetime.now(UTC)) + timedelta(days=opens_in)
        days = [f"{opens + timedelta(days=n):%m-%d}" for n in range(3)]
        item["windows"] = [{"from": days[0], "to": days[2]}]
        item["window_message"] = "该事项当前不在受理期"
        for example in item["examples"]:
            example["day"] = next(day for day in days if day != "02-29")
    if extra_field is not None:
        item["fields"].append(dict(extra_field))
        item["route"]["fields"]["remark"] = f"form.{extra_field['name']}"
        for example in item["examples"]:
            example["form"][extra_field["name"]] = "样例"
    if answer:
        item["route"]["constants"]["answer"] = answer
    path = folder / f"{code}.yaml"
    path.write_text(yaml.safe_dump(item, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path
