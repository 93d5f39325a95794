"""A copy of the whole database into one file, while it serves, and back into an empty one.

SQLite by its own online copy; PostgreSQL by its own programs ``pg_dump`` and ``pg_restore``. Must not know what is in
it, and must not hold keys: a copy is as readable as the database, so what was sealed stays sealed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url

from gateway.domain.errors import BadSettings, Busy
from gateway.store.database import normal_url

SQLITE, POSTGRES = "sqlite", "postgresql"


def kind_of(url: str) -> str:
    """``sqlite`` or ``postgresql``: a copy goes back only into its own kind."""
    return SQLITE if normal_url(url).startswith("sqlite") else POSTGRES


def copy_out(url: str, target: Path) -> None:
    """Write one consistent copy to ``target``, a new file. Raises ``BadSettings`` or ``Busy``."""
    if kind_of(url) == POSTGRES:
        _run_tool("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
        return
    source = _file_of(url)
    if not source.is_file():
        raise BadSettings(f"{source}: no database is here")
    try:
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole, also when read from a medium
    except sqlite3.Error as error:
        raise Busy(f"the copy was not made: {error}") from error


def is_empty(url: str) -> bool:
    """True where a copy may be put. Raises ``Busy`` when the server is away."""
    if kind_of(url) == SQLITE:
        return not _file_of(url).exists()
    engine = create_engine(normal_url(url), hide_parameters=True)
    try:
        return not inspect(engine).get_table_names()
    except Exception as error:
        raise Busy("the database is away") from error
    finally:
        engine.dispose()


def copy_in(url: str, source: Path) -> None:
    """Put a copy into an empty database. Raises ``BadSettings`` where it is not empty or the copy is not one."""
    if not is_empty(url):
        raise BadSettings("the database is not empty: restore into a new one, and keep the old one until all is well")
    if kind_of(url) == POSTGRES:
        _run_tool("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(source))
        return
    target = _file_of(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, part)
        with closing(sqlite3.connect(part)) as copy:
            sound = copy.execute("PRAGMA integrity_check").fetchone()
        if sound != ("ok",):
            raise BadSettings(f"{source.name} is damaged inside: {str(sound)[:200]}")
        os.replace(part, target)
    except sqlite3.Error as error:
        raise BadSettings(f"{source.name} is no database: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _file_of(url: str) -> Path:
    return Path(normal_url(url).removeprefix("sqlite:///"))


def _run_tool(tool: str, url: str, *arguments: str) -> None:
    """The password travels in the environment: a command line is seen by everybody on the machine."""
    if shutil.which(tool) is None:
        raise BadSettings(f"{tool} is not here: install PostgreSQL's client programs (Debian: postgresql-client)")
    parts = make_url(normal_url(url))
    host = parts.host or str(parts.query.get("host", ""))
    known = {
        "PGHOST": host,
        "PGPORT": str(parts.port or parts.query.get("port", "") or ""),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.database or "",
    }
    into = [f"--dbname={parts.database}"] if tool == "pg_restore" else []
    done = subprocess.run(  # noqa: S603 our own words, no shell
        [tool, *into, *arguments],
        env={**os.environ, **{name: value for name, value in known.items() if value}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise BadSettings(f"{tool} ended with code {done.returncode}: {last[:300]}")
