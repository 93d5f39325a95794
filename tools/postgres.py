"""Find a PostgreSQL server for tests, demo and benchmarks, or start one of our own; lend databases from it.

Must not touch a database it did not make and must not leave a server behind.

Order: ``GATEWAY_TEST_DATABASE_URL``, a running server of this machine, Debian's binaries, the binaries of a wheel,
Debian's package (as root only). What is found is said in ``Server.describe``.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tools.postgres_own import NoPostgres, alive, binaries, connect, own, usable

VARIABLE = "GATEWAY_TEST_DATABASE_URL"
UNAVAILABLE = (
    "no PostgreSQL found and none could be started: run 'make setup' (it installs binaries), install the package "
    f"postgresql, or set {VARIABLE} to a server where databases may be created"
)
# names this machine and its numbering of processes: two containers may share a server and a pid
_PIDS = Path("/proc/self/ns/pid")
_NUMBERING = os.readlink(_PIDS) if _PIDS.is_symlink() else ""
_HOST = hashlib.sha256(f"{os.uname().nodename} {_NUMBERING}".encode()).hexdigest()[:6]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that lends databases. ``url`` names a maintenance database, ``describe`` is for people."""

    url: str
    describe: str

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """An autocommit connection to the maintenance database."""
        return connect(self.url)

    def create(self, prefix: str, *, template: str | None = None) -> str:
        """Make a database of a random name beginning with ``prefix`` and return its URL.

        ``template`` is the URL of another database lent by this server, to which nobody is connected.
        """
        name = f"{prefix}_{_HOST}_{os.getpid()}_{secrets.token_hex(4)}"
        with self.connect() as connection:
            if template is None:  # sorting by bytes, as SQLite does, whatever the server's own locale
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'").format(
                        sql.Identifier(name)
                    )
                )
            else:
                source = make_url(template).database or ""
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
                )
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database that ``create`` made, whoever is still connected to it."""
        name = make_url(url).database or ""
        if f"_{_HOST}_{os.getpid()}_" not in name:
            raise ValueError("that database was not made by this process")
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def database(self, prefix: str, *, template: str | None = None) -> Iterator[str]:
        """Lend a database for the length of the block: its URL, ``postgresql+psycopg://…``."""
        url = self.create(prefix, template=template)
        try:
            yield url
        finally:
            self.drop(url)

    def sweep(self, prefix: str) -> None:
        """Drop databases of ``prefix`` left by processes of this machine that were killed."""
        ours = re.compile(rf"^{re.escape(prefix)}_{_HOST}_(\d+)_[0-9a-f]{{8}}$")
        with self.connect() as connection:
            names = [str(row[0]) for row in connection.execute("SELECT datname FROM pg_database")]
            for name in names:
                found = ours.match(name)
                if found and not alive(int(found[1])):
                    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def server(*, durable: bool) -> Iterator[Server]:
    """A server for the length of the block; started here only when none is at hand.

    ``durable`` False lets a server of our own skip flushing to disk: right for tests, wrong for measurements.
    Call it from the main thread: the child is told to stop when the thread that started it ends.
    Raises ``NoPostgres``.
    """
    given = os.environ.get(VARIABLE, "")
    if given:
        yield _given(given)
        return
    running = _running()
    if running:
        yield running
        return
    with _started(durable=durable) as started:
        yield started


@contextmanager
def _started(*, durable: bool) -> Iterator[Server]:
    programs = binaries()
    if programs is None:
        raise NoPostgres(UNAVAILABLE)
    with own(programs, durable=durable) as (url, version):
        yield Server(url, f"PostgreSQL {version}, started here from {programs}" + ("" if durable else ", fsync off"))


def _given(url: str) -> Server:
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    try:
        version = usable(url)
    except psycopg.Error as error:
        raise NoPostgres(f"{VARIABLE} is set, but that server does not answer: {str(error).splitlines()[0]}") from error
    if version is None:
        raise NoPostgres(f"{VARIABLE} is set, but it is older than PostgreSQL 14 or its user may not create databases")
    return Server(url, f"PostgreSQL {version}, given by {VARIABLE}")


def _running() -> Server | None:
    """A server of this machine that lets us in without a password and lets us create databases."""
    users = dict.fromkeys(["postgres", "root", _current_user()])
    places = {"the local socket": "@/{db}?host=/var/run/postgresql", "127.0.0.1:5432": "@127.0.0.1:5432/{db}"}
    for place, form in places.items():
        for user in users:
            url = f"postgresql+psycopg://{user}{form.format(db='postgres')}"
            try:
                version = usable(url)
            except psycopg.Error:
                continue
            if version:
                return Server(url, f"PostgreSQL {version}, running at {place} (user {user})")
    return None


def _current_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's numeric user without a name
        return "postgres"


def main() -> int:
    """``python -m tools.postgres --describe``: say what tests would use; exit code 1 when nothing."""
    parser = argparse.ArgumentParser(description="PostgreSQL for tests, demo and benchmarks")
    parser.add_argument("--describe", action="store_true", required=True, help="say which server would be used")
    parser.add_argument("--own", action="store_true", help="pass over running servers and start one")
    arguments = parser.parse_args()
    try:
        if arguments.own:
            with _started(durable=True) as found:
                print(found.describe)
        else:
            with server(durable=True) as found:
                print(found.describe)
    except NoPostgres as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
