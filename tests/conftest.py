"""What every test may ask for: a clock that can be turned, a fresh database of each kind, no way to the outside.

A test that cannot run is never passed over in silence: without PostgreSQL it fails with a sentence that says what to
do, and under ``CI=true`` a skipped test fails the run.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # bare `pytest` does not put the working folder there; the code is not installed
    sys.path.insert(0, str(ROOT))

from tools.postgres import Server, server  # noqa: E402 only after the path is set
from tools.postgres_own import NoPostgres  # noqa: E402

_PREFIX = "gwt"
_MONDAY_TEN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # 10:00 in Futian on a working day
_SLOW_IS_FINE: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}

settings.register_profile("quick", derandomize=True, **_SLOW_IS_FINE)
settings.register_profile("full", max_examples=400, **_SLOW_IS_FINE)
settings.load_profile("full" if os.environ.get("GATEWAY_TEST_FULL") else "quick")


class TurnableClock:
    """A ``gateway.domain.clock.Clock`` that stands still until it is turned; safe to share between threads."""

    def __init__(self, moment: datetime = _MONDAY_TEN) -> None:
        self._lock = threading.Lock()
        self._now = moment
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Aware, UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds; turned together with ``now``, never set back."""
        with self._lock:
            return self._monotonic

    def turn(self, seconds: float) -> datetime:
        """Let ``seconds`` pass (not fewer than none) and return the new present."""
        if seconds < 0:
            raise ValueError("time does not pass backwards: use set() for a wall clock that jumps")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds
            return self._now

    def set(self, moment: datetime) -> datetime:
        """Put the wall clock to ``moment`` (aware), also back; ``monotonic`` stays."""
        if moment.tzinfo is None:
            raise ValueError("a naive time")
        with self._lock:
            self._now = moment.astimezone(UTC)
            return self._now


class OutsideNetwork(RuntimeError):
    """A test tried to leave the machine."""


@pytest.fixture
def clock() -> TurnableClock:
    """A clock at 2026-11-23 10:00 in Futian (a Monday) that stands still until turned."""
    return TurnableClock()


class _Databases:
    """Databases lent to the tests of one worker: one migrated template of each kind, copied for each test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._server: Server | None = None
        self._why_not = ""
        self._templates: dict[str, str] = {}

    def sqlite(self, folder: Path) -> str:
        """A fresh migrated file in ``folder``."""
        template = self._template("sqlite", f"sqlite:///{self._folder / 'template.db'}")
        for file in self._folder.glob("template.db*"):
            shutil.copy(file, folder / file.name.replace("template", "gateway", 1))
        return template.replace(str(self._folder / "template.db"), str(folder / "gateway.db"))

    def server(self) -> Server:
        """PostgreSQL, found or started on first use. Raises ``NoPostgres``, the second time without looking."""
        if self._why_not:
            raise NoPostgres(self._why_not)
        if self._server is None:
            try:
                self._server = self._stack.enter_context(server(durable=False))
            except NoPostgres as error:
                self._why_not = str(error)
                raise
            self._server.sweep(_PREFIX)
        return self._server

    def postgres_template(self) -> str:
        """The migrated database that tests are copied from."""
        if "postgres" not in self._templates:
            self._template("postgres", self._stack.enter_context(self.server().database(f"{_PREFIX}_template")))
        return self._templates["postgres"]

    def _template(self, kind: str, url: str) -> str:
        if kind not in self._templates:
            from gateway.store.migrate import upgrade  # only tests of the store need the store to import

            upgrade(url)
            self._templates[kind] = url
        return self._templates[kind]


@pytest.fixture(scope="session")
def _databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Databases]:
    with ExitStack() as stack:
        yield _Databases(tmp_path_factory.mktemp("templates"), stack)


@pytest.fixture
def sqlite_url(_databases: _Databases, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite file."""
    return _databases.sqlite(tmp_path)


@pytest.fixture
def postgres_url(_databases: _Databases) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database, dropped after the test."""
    try:
        template = _databases.postgres_template()
    except NoPostgres as error:
        pytest.fail(str(error), pytrace=False)
    with _databases.server().database(_PREFIX, template=template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database: the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def _is_here(family: int, address: Any) -> bool:
    if family not in {socket.AF_INET, socket.AF_INET6}:
        return True  # sockets of the file system
    host = str(address[0]).strip("[]").lower()
    return host in {"", "localhost", "0.0.0.0", "::", "::1"} or host.removeprefix("::ffff:").startswith("127.")


@pytest.fixture(scope="session", autouse=True)
def _no_outside_network() -> Iterator[None]:
    """Python's sockets reach this machine only; a name or address beyond it is a mistake of the test."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

    def guard(own: socket.socket, address: Any) -> None:
        if not _is_here(own.family, address):
            own.close()  # the caller may clean up after an OSError only
            raise OutsideNetwork(f"a test tried to reach {address!r}: tests talk to this machine only")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        guard(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        guard(self, address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        guard(self, rest[-1])
        return sendto(self, data, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket.socket, "sendto", guarded_sendto)
        yield


def _not_run(reporter: Any) -> list[str]:
    """One line for each test that was collected and not judged, with its reason."""
    lines = []
    for kind in ("skipped", "xfailed"):
        for report in reporter.stats.get(kind, []):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", kind)
            lines.append(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
    return lines


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Under ``CI=true`` a test that could not run is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput") or reporter is None:
        return
    if os.environ.get("CI") == "true" and exitstatus == 0 and _not_run(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end what could not run."""
    lines = _not_run(terminalreporter)
    if lines:
        terminalreporter.section("could not run" + (": a failure in CI" if os.environ.get("CI") == "true" else ""))
        for line in lines:
            terminalreporter.line(line)
