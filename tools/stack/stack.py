"""A gateway, its department and its enrolled bank, up and running in one folder.

Must not touch anything outside its folder and the database it is given, and leaves no process behind.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mocks.banks.icbc_sim import IcbcBranch
from tools.stack import asking, config, keys
from tools.stack.child import Child, NotUp
from tools.stack.ports import ReservedPort, listening

ROOT = Path(__file__).resolve().parents[2]
GATEWAY, DEPARTMENT = "gateway", "department"
CLIENT_ID, APP_ID = "icbc-branches", "90000000000000000301"
OUTLET = "ICBC-FT-03"
_UP_WITHIN = 60.0


class Stack:
    """Use as a context manager: all of it is up inside the block, all of it is gone behind it.

    Processes by name: ``gateway`` (doors; with ``embedded`` also dispatch), ``worker-1`` … ``worker-N``,
    ``department``.
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
        lane: Mapping[str, int] | None = None,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """``folder``: new or empty. ``database_url``: an empty database; default SQLite in the folder.

        ``department_deadline``: seconds of one call, and so the pace of every recovery (a lease is 10 s longer).
        ``decide_after``, ``slow_seconds``: the department's pace. ``lane``: ``cap``, ``rate``, ``threads`` of the
        department's lane. ``settings``: more settings of the gateway, by name without prefix. ``say`` hears of
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
        self.database_url = database_url or f"sqlite:///{self.folder / 'gateway.db'}"
        self.embedded = embedded
        self._deadline = department_deadline
        self._pace = (decide_after, slow_seconds)
        self._lane = dict(lane or {})
        self._say = say
        self._gateway_port, self._department_port = ReservedPort(), ReservedPort()
        self.environment = config.environment(
            os.environ,
            profile=profile,
            database_url=self.database_url,
            keys_dir=self.keys_dir,
            peers_file=self.peers_file,
            port=self._gateway_port.number,
            drain_seconds=config.drain_seconds(department_deadline),
            more=settings,
        )
        python = [sys.executable, "-m"]
        self._children = {
            DEPARTMENT: self._child(DEPARTMENT, [*python, "mocks.departments.sandbox", *self._department_options()]),
            GATEWAY: self._child(GATEWAY, [*python, "gateway", "run" if embedded else "web"]),
        }
        for place in range(workers):
            name = f"worker-{place + 1}"
            self._children[name] = self._child(name, [*python, "gateway", "worker"])

    # --- what it offers ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self._gateway_port.number}"

    @property
    def department_url(self) -> str:
        """The department's address."""
        return f"http://127.0.0.1:{self._department_port.number}"

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

    def faults(self, **order: Any) -> dict[str, Any]:
        """Stage faults of the department: ``next=["cut_after"], methods=["POST"]`` …; nothing ends them."""
        return self.control("faults", order)

    def decide(self, sbx_no: str, status: str, **more: Any) -> dict[str, Any]:
        """Let a clerk of the department decide by hand."""
        return self.control("decide", {"sbxNo": sbx_no, "status": status, **more})

    def control(self, what: str, order: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One order to the department's control side; with ``order`` a POST."""
        return asking.ask_json(self._department_port.number, f"/control/{what}", order=order)

    def metric(self, name: str, **labels: str) -> float:
        """A number of the gateway's ``/metrics``, summed over the labels that are not given."""
        return asking.number(asking.ask(self._gateway_port.number, "/metrics")[1], name, labels)

    # --- start and stop ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Stack:
        try:
            self._prepare()
            for name in self._children:
                if name != DEPARTMENT:
                    self.start(name, wait=False)
            for name in self._children:
                self._say(f"waiting for the {name}")
                self.wait(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything in order: doors, workers, department; what does not end in time is killed."""
        for name in (GATEWAY, *sorted(n for n in self._children if n.startswith("worker")), DEPARTMENT):
            self.stop(name)
        self._gateway_port.release()
        self._department_port.release()

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
        port = {GATEWAY: self._gateway_port, DEPARTMENT: self._department_port}.get(name)
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
        keys.write_secret(self.secret_file)
        self.peers_file.write_text(
            config.peers_toml(self.department_url, self.secret_file, deadline=self._deadline, **self._lane), "utf-8"
        )
        self.env_file.touch(mode=0o600)  # a database's address may hold a password
        self.env_file.write_text(config.shell_lines(self.environment), "utf-8")
        self._say("starting the department")
        self.start(DEPARTMENT, wait=False)
        _, public = keys.bank_keys(self.bank_dir, "icbc")
        self._say("making keys (gateway init)")
        self._must("init")
        keys.public_half(sorted(self.keys_dir.glob("answer-icbc.*.pem"))[-1], self.answer_key)
        self._say("making the database (gateway migrate)")
        self._must("migrate")
        self._say("enrolling the bank (gateway clients enrol)")
        who = ["--bank", "ICBC", "--client-id", CLIENT_ID, "--claimed-id", APP_ID]
        self._must("clients", "enrol", *who, "--public-key", str(public))

    def _must(self, *arguments: str) -> None:
        done = self.cli(*arguments)
        with (self.logs / "cli.log").open("a", encoding="utf-8") as log:
            log.write(f"$ gateway {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            lines = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise NotUp(f"'gateway {' '.join(arguments)}' ended with code {done.returncode}:\n{lines}")

    def _up_check(self, name: str, child: Child) -> Callable[[], bool]:
        if name == GATEWAY:
            return lambda: asking.answers(self._gateway_port.number, "/readyz")
        if name == DEPARTMENT:
            return lambda: asking.answers(self._department_port.number, "/control/health")
        return lambda: child.said("worker.started")

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(name, command, environment=self.environment, cwd=ROOT, log=self.logs / f"{name}.log")

    def _department_options(self) -> list[str]:
        decide_after, slow_seconds = self._pace
        options = {
            "--port": str(self._department_port.number),
            "--secret-file": str(self.secret_file),
            "--state": str(self.folder / "department"),
            "--callback-url": f"{self.url}/callback/{config.DEPARTMENT}",
            "--app": config.OUR_APP,
            "--decide-after": str(decide_after),
            "--slow-seconds": str(slow_seconds),
        }
        return [word for pair in options.items() for word in pair]
