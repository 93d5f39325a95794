"""`make doctor`: what this machine has and lacks for working on the gateway, each line with what to do.

Must not change anything, and runs before `make setup` too: standard library only, packages are looked at by path.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"


def main() -> int:
    """Print one line a matter; 1 when something that is needed is missing."""
    matters = [_python(), _environment(), _postgres(), _libcrypto(), _sandbox(), _disk()]
    for good, name, say in matters:
        print(f"{'✓' if good else '✗'} {name:<20}{say}")
    return 0 if all(good for good, _, _ in matters) else 1


def _python() -> tuple[bool, str, str]:
    good = sys.version_info >= (3, 11)
    say = f"{platform.python_version()} on {platform.machine()}"
    return good, "Python", say if good else say + ": 3.11 or newer is needed"


def _environment() -> tuple[bool, str, str]:
    stamp = ROOT / ".venv" / ".ready"
    if not PYTHON.exists() or not stamp.exists():
        return False, "environment", "not made: make setup"
    locks = [*(ROOT / "requirements").glob("*.txt"), ROOT / "pyproject.toml"]
    if any(lock.stat().st_mtime > stamp.stat().st_mtime for lock in locks):
        return False, "environment", "older than the lock files: make setup"
    return True, "environment", ".venv is as the lock files say"


def _postgres() -> tuple[bool, str, str]:
    if not PYTHON.exists():
        return False, "PostgreSQL", "cannot be looked for before make setup"
    done = subprocess.run(
        [str(PYTHON), "-m", "tools.postgres", "--describe"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = (done.stdout or done.stderr or "the search ended without a word").strip().splitlines()
    return done.returncode == 0, "PostgreSQL", lines[-1]


def _libcrypto() -> tuple[bool, str, str]:
    try:
        library = ctypes.CDLL("libcrypto.so.3")
    except OSError:
        return False, "libcrypto", "libcrypto.so.3 is missing (SM2 needs it): install the package libssl3"
    library.OpenSSL_version.restype = ctypes.c_char_p
    library.OBJ_sn2nid.argtypes = [ctypes.c_char_p]
    version = (library.OpenSSL_version(0) or b"?").decode()
    if library.OBJ_sn2nid(b"SM2") == 0:
        return False, "libcrypto", f"{version}, built without SM2"
    return True, "libcrypto", f"{version}; package {_package('libssl3')}"


def _package(name: str) -> str:
    if not shutil.which("dpkg-query"):
        return "version not known here"
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not Debian's"


def _sandbox() -> tuple[bool, str, str]:
    if os.geteuid() != 0:
        return True, "user", "an ordinary user"
    works = shutil.which("unshare") is not None and (
        subprocess.run(
            ["unshare", "--user", "--map-user=1000", "--map-group=1000", "true"], capture_output=True, check=False
        ).returncode
        == 0
    )
    return True, "user", "root; PostgreSQL of our own runs in a user namespace" if works else "root, no user namespaces"


def _disk() -> tuple[bool, str, str]:
    free = shutil.disk_usage(ROOT).free / 1e9
    return free > 2, "disk", f"{free:.0f} GB free" + ("" if free > 2 else ": tests want 2 GB")


if __name__ == "__main__":
    sys.exit(main())
