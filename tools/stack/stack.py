"""A gateway, its department and its enrolled bank, up and running in one folder.

Must not touch anything outside its folder and the database it is given, and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mocks.banks.icbc_sim import IcbcBranch
from tools.stack import asking, config, keys
from tools.stack import people as people_of
from tools.stack.child import Child, NotUp
from tools.stack.people import BANK_IDP, IDP, PROVIDERS
from tools.stack.ports import ReservedPort, listening

ROOT = Path(__file__).resolve().parents[2]
GATEWAY, DEPARTMENT, BUREAU, BANK = "gateway", "department", "bureau", "bank"
CLIENT_ID, APP_ID = "icbc-branches", "90000000000000000301"
OUTLET = "ICBC-FT-03"
_UP_WITHIN = 60.0
_NOTICES = "/gateway/notice"


class Stack:
    """Use as a context manager: all of it is up inside the block, all of it is gone behind it.

    Processes by name: ``gateway`` (doors; with ``embedded`` also dispatch), ``worker-1`` … ``worker-N``,
    ``department``; where they are asked for, ``bureau`` (education) and ``bank`` (who takes the notices).
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str | None = None,
        embedded: bool = True,
        workers: int = 0,
        profile: str = "demo",
        department_deadline: float = 5.0,
        decide_after: float = 1.0,
        slow_seconds: float = 8.0,
        bureau: bool = False,
        told: bool = False,
        people: bool = False,
        lane: Mapping[str, int] | None = None,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """``folder``: new or empty. ``database_url``: an empty database; default SQLite in the folder.

        ``department_deadline``: seconds of one call, and so the pace of every recovery (a lease is 10 s longer).
        ``decide_after``, ``slow_seconds``: the departments' pace. ``bureau``: the education bureau is there too.
        ``told``: the bank takes notices, at an address that is proven. ``people``: staff can sign in.
        ``lane``: ``cap``, ``rate``, ``threads`` of the department's lane. ``settings``: more settings of the gateway,
        by name without prefix. ``say`` hears of
        every step. Raises ``ValueError`` for workers beside an embedded gateway.
        """
        if embedded and workers:
            raise ValueError("an embedded gateway has no workers beside it: embedded=False")
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self.keys_dir = self.folder / "keys"
        self.bank_dir = self.folder / "bank"
        self.peers_file = self.folder / "peers.toml"
        self.secret_file = self.folder / "department.secret"
        self.bureau_secret_file = self.folder / "bureau.secret"
        self.database_url = database_url or f"sqlite:///{self.folder / 'gateway.db'}"
        self.embedded = embedded
        self._deadline = department_deadline
        self._pace = (decide_after, slow_seconds)
        self._lane = dict(lane or {})
        self._say = say
        self._ports = {name: ReservedPort() for name in (GATEWAY, DEPARTMENT, BUREAU, BANK, *PROVIDERS)}
        self.environment = config.environment(
            os.environ,
            profile=profile,
            database_url=self.database_url,
            keys_dir=self.keys_dir,
            peers_file=self.peers_file,
            blobs_dir=self.folder / "blobs",
            port=self._ports[GATEWAY].number,
            drain_seconds=config.drain_seconds(department_deadline),
            more=settings,
        )
        python = [sys.executable, "-m"]
        self._children = {
            DEPARTMENT: self._child(DEPARTMENT, [*python, "mocks.departments.sandbox", *self._department_options()]),
            **(
                {BUREAU: self._child(BUREAU, [*python, "mocks.departments.education", *self._bureau_options()])}
                if bureau
                else {}
            ),
            **({BANK: self._child(BANK, [*python, "mocks.banks.icbc_notices", *self._bank_options()])} if told else {}),
            GATEWAY: self._child(GATEWAY, [*python, "gateway", "run" if embedded else "web"]),
        }
        for name in PROVIDERS if people else ():
            self._children[name] = self._child(
                name, [*python, "mocks.idp", *people_of.options(name, self._ports[name].number)]
            )
        for place in range(workers):
            name = f"worker-{place + 1}"
            self._children[name] = self._child(name, [*python, "gateway", "worker"])

    # --- what it offers ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self._ports[GATEWAY].number}"

    @property
    def department_url(self) -> str:
        """The department's address."""
        return f"http://127.0.0.1:{self._ports[DEPARTMENT].number}"

    @property
    def bank_key(self) -> Path:
        """The bank's private key, PEM."""
        return self.bank_dir / "icbc.key.pem"

    @property
    def answer_key(self) -> Path:
        """The gateway's public key for answers to the bank, PEM."""
        return self.bank_dir / "gateway.pub.pem"

    @property
    def env_file(self) -> Path:
        """The gateway's settings as lines for a shell to read, for commands by hand."""
        return self.folder / "gateway.env"

    @property
    def bureau_url(self) -> str:
        """The education bureau's address."""
        return f"http://127.0.0.1:{self._ports[BUREAU].number}"

    @property
    def idp_url(self) -> str:
        """The address of the data bureau's identity provider."""
        return f"http://127.0.0.1:{self._ports[IDP].number}"

    def branch(self, **how: Any) -> IcbcBranch:
        """A branch system of the enrolled client; ``how`` as ``IcbcBranch`` takes it."""
        return IcbcBranch(self.url, APP_ID, self.bank_key, self.answer_key, **how)

    def cli(self, *arguments: str, columns: int = 200) -> subprocess.CompletedProcess[str]:
        """``python -m gateway …`` beside the running one, with this stack's settings; look at its ``returncode``."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=ROOT,
            env={**self.environment, "COLUMNS": str(columns)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def log(self, name: str) -> Path:
        """Where the output of a process is."""
        return self._children[name].log

    def pid(self, name: str) -> int:
        """The process id of a process's last start."""
        return self._children[name].pid

    def alive(self, name: str) -> bool:
        """True while it runs, frozen or not."""
        return self._children[name].alive

    def ledger(self, **narrow: str) -> dict[str, Any]:
        """The department's books; ``narrow`` by ``receiptNo``, ``callId``, ``item`` … (mocks/README.md)."""
        query = "&".join(f"{name}={value}" for name, value in narrow.items())
        return self.control("ledger" + (f"?{query}" if query else ""))

    def heard(self) -> dict[str, Any]:
        """What the bank was told: ``heard`` (every request as it came) and ``states`` (what it believes)."""
        return asking.ask_json(self._ports[BANK].number, "/control/ledger")

    def of_bank(self, what: str, order: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One order to the control side of the bank's receiver of notices; with ``order`` a POST."""
        return asking.ask_json(self._ports[BANK].number, f"/control/{what}", order=order)

    def of_bureau(self, what: str, order: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One order to the education bureau's control side; with ``order`` a POST."""
        return asking.ask_json(self._ports[BUREAU].number, f"/control/{what}", order=order)

    def faults(self, **order: Any) -> dict[str, Any]:
        """Stage faults of the department: ``next=["cut_after"], methods=["POST"]`` …; nothing ends them."""
        return self.control("faults", order)

    def decide(self, sbx_no: str, status: str, **more: Any) -> dict[str, Any]:
        """Let a clerk of the department decide by hand."""
        return self.control("decide", {"sbxNo": sbx_no, "status": status, **more})

    def token(self, subject: str, *roles: str, **more: Any) -> str:
        """A token of the provider that speaks of these roles; ``more`` as claims (``outlets=[…]`` for a teller)."""
        provider = BANK_IDP if {"teller", "bank_it"} & set(roles) else IDP
        order = {"subject": subject, "roles": list(roles), **more}
        return str(asking.ask_json(self._ports[provider].number, "/token", order=order)["token"])

    def staff(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, session: str = ""
    ) -> tuple[int, Any]:
        """One request to the staff interface: status and the JSON that came back, none where there is none."""
        headers = {"Authorization": f"Bearer {session}"} if session else {}
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_hex(8)
        port = self._ports[GATEWAY].number
        status, text = asking.ask(port, f"/staff/api/v1{path}", method=method, order=body, headers=headers)
        return status, json.loads(text) if text else None

    def control(self, what: str, order: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One order to the department's control side; with ``order`` a POST."""
        return asking.ask_json(self._ports[DEPARTMENT].number, f"/control/{what}", order=order)

    def metric(self, name: str, **labels: str) -> float:
        """A number of the gateway's ``/metrics``, summed over the labels that are not given."""
        return asking.number(asking.ask(self._ports[GATEWAY].number, "/metrics")[1], name, labels)

    # --- start and stop ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Stack:
        try:
            self._prepare()
            for name in self._children:
                if not self.alive(name):
                    self.start(name, wait=False)
            for name in self._children:
                self._say(f"waiting for the {name}")
                self.wait(name)
            if BANK in self._children:
                self._must("clients", "prove", CLIENT_ID)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything in order: doors, workers, departments, the bank; what does not end in time is killed."""
        workers = sorted(name for name in self._children if name.startswith("worker"))
        for name in (GATEWAY, *workers, DEPARTMENT, BUREAU, BANK, *PROVIDERS):
            if name in self._children:
                self.stop(name)
        for port in self._ports.values():
            port.release()

    def start(self, name: str, *, wait: bool = True) -> None:
        """Start a process that does not run; with ``wait`` until it is up. Raises ``NotUp``."""
        self._children[name].start()
        if wait:
            self.wait(name)

    def wait(self, name: str) -> None:
        """Until it is up: doors ready, department answering, worker started. Raises ``NotUp``."""
        child = self._children[name]
        child.wait_until(self._up_check(name, child), within=_UP_WITHIN)

    def stop(self, name: str) -> int | None:
        """SIGTERM and wait; its exit code, or ``None`` when it did not drain in time and was killed."""
        return self._children[name].stop(within=config.drain_seconds(self._deadline) + 10.0)

    def kill9(self, name: str) -> None:
        """SIGKILL: no goodbye, no drain. Its port is free again when this returns."""
        self._children[name].kill9()
        port = self._ports.get(name)
        end = time.monotonic() + 5
        while port is not None and listening(port.number) and time.monotonic() < end:
            time.sleep(0.01)

    def freeze(self, name: str) -> None:
        """SIGSTOP: alive and silent."""
        self._children[name].freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._children[name].thaw()

    def restart(self, name: str) -> None:
        """Stop it if it runs, start it, wait until it is up. Raises ``NotUp``."""
        self.stop(name)
        self.start(name)

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """The process is down inside the block and up again behind it."""
        self.stop(name)
        try:
            yield
        finally:
            if not self.alive(name):
                self.start(name)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if self.folder.exists() and any(self.folder.iterdir()):
            raise NotUp(f"{self.folder} is not empty: every run has a folder of its own")
        for directory in (self.folder, self.logs, self.bank_dir):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        departments = [
            config.department_toml(config.DEPARTMENT, self.department_url, self.secret_file, **self._lanes())
        ]
        keys.write_secret(self.secret_file)
        if BUREAU in self._children:
            keys.write_secret(self.bureau_secret_file)
            departments.append(
                config.department_toml(config.BUREAU, self.bureau_url, self.bureau_secret_file, **self._lanes())
            )
        providers = [people_of.block(name, self._ports[name].number) for name in PROVIDERS if name in self._children]
        self.peers_file.write_text("".join([*departments, *providers]), "utf-8")
        self.env_file.touch(mode=0o600)  # a database's address may hold a password
        self.env_file.write_text(config.shell_lines(self.environment), "utf-8")
        self._say("starting the departments")
        self.start(DEPARTMENT, wait=False)
        if BUREAU in self._children:
            self.start(BUREAU, wait=False)
        _, public = keys.bank_keys(self.bank_dir, "icbc")
        self._say("making keys (gateway init)")
        self._must("init")
        keys.public_half(sorted(self.keys_dir.glob("answer-icbc.*.pem"))[-1], self.answer_key)
        self._say("making the database (gateway migrate)")
        self._must("migrate")
        self._say("enrolling the bank (gateway clients enrol)")
        who = ["--bank", "ICBC", "--client-id", CLIENT_ID, "--claimed-id", APP_ID]
        self._must("clients", "enrol", *who, "--public-key", str(public))
        if BANK in self._children:
            address = f"http://127.0.0.1:{self._ports[BANK].number}{_NOTICES}"
            self._must("clients", "notify", CLIENT_ID, "--url", address)

    def _must(self, *arguments: str) -> None:
        done = self.cli(*arguments)
        with (self.logs / "cli.log").open("a", encoding="utf-8") as log:
            log.write(f"$ gateway {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            lines = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise NotUp(f"'gateway {' '.join(arguments)}' ended with code {done.returncode}:\n{lines}")

    def _up_check(self, name: str, child: Child) -> Callable[[], bool]:
        if name == GATEWAY:
            return lambda: asking.answers(self._ports[GATEWAY].number, "/readyz")
        if name in {DEPARTMENT, BUREAU}:
            return lambda: asking.answers(self._ports[name].number, "/control/health")
        if name in PROVIDERS:
            return lambda: asking.answers(self._ports[name].number, "/jwks.json")
        if name == BANK:
            return lambda: asking.answers(self._ports[BANK].number, "/control/ledger")
        return lambda: child.said("worker.started")

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(name, command, environment=self.environment, cwd=ROOT, log=self.logs / f"{name}.log")

    def _lanes(self) -> dict[str, Any]:
        return {"deadline": self._deadline, **self._lane}

    def _department_options(self) -> list[str]:
        return self._options_of(DEPARTMENT, config.DEPARTMENT, self.secret_file)

    def _bureau_options(self) -> list[str]:
        shares = ["--shares", "grant=1", "--push-minute", "1", "--hours", "always", "--rate", "0"]
        return [*self._options_of(BUREAU, config.BUREAU, self.bureau_secret_file), *shares]

    def _options_of(self, name: str, code: str, secret: Path) -> list[str]:
        decide_after, slow_seconds = self._pace
        options = {
            "--port": str(self._ports[name].number),
            "--secret-file": str(secret),
            "--state": str(self.folder / name),
            "--callback-url": f"{self.url}/callback/{code}",
            "--app": config.OUR_APP,
            "--decide-after": str(decide_after),
            "--slow-seconds": str(slow_seconds),
        }
        return [word for pair in options.items() for word in pair]

    def _bank_options(self) -> list[str]:
        keys_of = ["--app-id", APP_ID, "--key", str(self.bank_key), "--gateway-key", str(self.answer_key)]
        return [*keys_of, "--path", _NOTICES, "--port", str(self._ports[BANK].number)]
