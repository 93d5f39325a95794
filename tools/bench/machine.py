"""What a measurement ran on: without it the numbers say nothing. Must not run programs."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

_PACKAGES = ("flask", "werkzeug", "gunicorn", "sqlalchemy", "psycopg", "cryptography", "structlog", "prometheus-client")
_PG = ("server_version", "fsync", "synchronous_commit", "wal_sync_method", "data_directory")


def facts(folder: Path) -> dict[str, Any]:
    """Machine, versions and the time; ``folder`` is where SQLite's file will lie."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "file_system": file_system(folder),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def postgres_facts(url: str) -> dict[str, str]:
    """The server's version and how durable it is. Raises ``psycopg.Error``."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True, connect_timeout=5) as connection:
        found = {}
        for name in _PG:
            row = connection.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
            found[name] = str(row[0]) if row and row[0] is not None else ""
    if found["data_directory"] and Path(found["data_directory"]).exists():
        found["file_system"] = file_system(Path(found["data_directory"]))
    return found


def file_system(path: Path) -> str:
    """The kind of file system a path lies on, "" where it cannot be told: on ``tmpfs`` nothing is ever flushed."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return ""
    resolved = str(path.resolve())
    for line in mounts:
        _, at, found, *_ = line.split()
        if (resolved + "/").startswith(at.rstrip("/") + "/") and len(at) >= len(best):
            best, kind = at, found
    return kind


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
