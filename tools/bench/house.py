"""The processes of one database's measurements: stack, floor, lean department, each on a port of its own.

Must not measure. The stack is started by ``tools.stack``; its simulator gives way to the lean department.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.bench import letters
from tools.stack import Stack, asking
from tools.stack.child import Child
from tools.stack.ports import ReservedPort
from tools.stack.stack import DEPARTMENT, GATEWAY, OUTLET, ROOT

THREADS = 8
UP_WITHIN = 60.0
_NO_LIMIT = {"CLIENT_RATE": "100000", "ADDRESS_RATE": "100000", "CLIENT_AT_ONCE": "256"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the run. ``gateway_url`` None: SQLite in the stack's folder. ``floor_url``: an empty one."""

    name: str
    gateway_url: str | None
    floor_url: str


class House:
    """A stack with what is measured beside it. All its processes end with the block of ``house``."""

    def __init__(self, stack: Stack, folder: Path, *, workers: int) -> None:
        self.stack = stack
        self.folder = folder
        self._workers = workers
        self._children: list[Child] = []
        self._ports: list[ReservedPort] = []

    @property
    def gateway_port(self) -> int:
        """The port of the gateway's doors, whoever serves them."""
        return int(self.stack.url.rpartition(":")[2])

    @property
    def department_port(self) -> int:
        """The port of the department."""
        return int(self.stack.department_url.rpartition(":")[2])

    def department(self) -> Child:
        """Put the lean department in the simulator's place."""
        self.stack.stop(DEPARTMENT)
        options = ["--port", str(self.department_port), "--secret-file", str(self.stack.secret_file)]
        child = self._start("lean-department", ["tools.bench.department", *options])
        child.wait_until(lambda: asking.answers(self.department_port, "/control/health"), within=UP_WITHIN)
        return child

    def doors_alone(self) -> int:
        """From now on the doors run without dispatch (``gateway web``); returns their process id."""
        if not self.stack.embedded:
            if self._workers:
                self.stack.stop("worker-1")
            return self.stack.pid(GATEWAY)
        self.stack.stop(GATEWAY)
        child = self._start("web", ["gateway", "web"])
        child.wait_until(lambda: asking.answers(self.gateway_port, "/readyz"), within=UP_WITHIN)
        return child.pid

    def worker(self) -> Child:
        """One worker process."""
        child = self._start("worker", ["gateway", "worker"])
        child.wait_until(lambda: child.said("worker.started"), within=UP_WITHIN)
        return child

    def floor(self, url: str, *, answer_bytes: int, one_writer: bool) -> tuple[Child, int]:
        """The floor on a database of its own, and its port."""
        port = ReservedPort()
        self._ports.append(port)
        bank_key = self.folder / "bank.pub.pem"
        if not bank_key.exists():
            bank_key.write_bytes((self.stack.bank_dir / "icbc.pub.pem").read_bytes())
        name = "floor-l" if one_writer else "floor-b"
        child = self._start(
            name,
            [
                "tools.bench.floor_app",
                *("--port", str(port.number), "--database", url, "--threads", str(THREADS)),
                *("--bank-key", str(bank_key), "--answer-bytes", str(answer_bytes)),
                *(["--one-writer"] if one_writer else []),
            ],
        )
        child.wait_until(lambda: asking.answers(port.number, "/readyz"), within=UP_WITHIN)
        return child, port.number

    def letters(self, *, first: int, count: int, say: Callable[[int], None] = lambda _done: None) -> Path:
        """Signed bodies in a file, fresh for ten minutes."""
        path = self.folder / f"bodies-{first}"
        letters.write(path, letters.bodies(self.stack.branch(), OUTLET, first=first, count=count), say=say)
        return path

    def close(self) -> None:
        """End what was started here, last first."""
        for child in reversed(self._children):
            child.stop(within=15.0)
        for port in self._ports:
            port.release()

    def _start(self, name: str, module: list[str]) -> Child:
        child = Child(
            name,
            [sys.executable, "-m", *module],
            environment=self.stack.environment | {"PYTHONPATH": os.fspath(ROOT)},
            cwd=ROOT,
            log=self.folder / "logs" / f"{name}.log",
        )
        self._children.append(child)
        child.start()
        return child


@contextmanager
def house(folder: Path, database: Database, *, embedded: bool, dispatch: bool, say: Say) -> Iterator[House]:
    """A running stack on ``database`` in ``folder``: embedded, or doors and (with ``dispatch``) one worker.

    With ``dispatch`` the lean department has taken the simulator's place.
    """
    workers = int(dispatch and not embedded)
    stack = Stack(
        folder / "stack",
        database_url=database.gateway_url,
        embedded=embedded,
        workers=workers,
        profile="test",
        lane={"cap": 16, "threads": THREADS},
        settings={"THREADS": str(THREADS), **_NO_LIMIT},
        say=say,
    )
    with stack:
        own = House(stack, folder, workers=workers)
        try:
            if dispatch:
                own.department()
            yield own
        finally:
            own.close()
