"""`make setup`: make .venv and install exactly what the lock files say. Standard library only: nothing exists yet.

Must not change anything outside the project (as root it may add Debian's package python3-venv when that is missing)
and must not write down where packages came from. Written so that an old Python can read it and say what is wrong.
"""

import os
import shutil
import subprocess
import sys
import time

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".ready")
LOCKS = [os.path.join("requirements", name + ".txt") for name in ("core", "dev", "tools")]


class Failed(Exception):
    """Set-up cannot go on; the text says what to do."""


def main():
    """Do all steps; 0 when the environment is ready, 1 with one sentence when not."""
    if sys.version_info < OLDEST:
        return _with_a_newer_python()
    started = time.monotonic()
    environment = _environment()
    try:
        _need_ensurepip(environment)
        _step("virtual environment", _make_venv, environment)
        _step("packages", _install, environment)
    except Failed as error:
        print("✗ " + str(error), file=sys.stderr)
        return 1
    with open(STAMP, "w", encoding="utf-8") as stamp:
        stamp.write("made by tools/setup.py; older than the lock files = run make setup again\n")
    print(f"✓ ready in {time.monotonic() - started:.0f} s")
    return 0


def _with_a_newer_python():
    for minor in (14, 13, 12, 11):
        other = shutil.which(f"python3.{minor}")
        if other:
            return subprocess.call([other, os.path.abspath(__file__)])
    print(
        "✗ this needs Python 3.11 or newer and python3 is {}.{}: install a newer one".format(*sys.version_info[:2])
        + " and run 'make setup PYTHON=python3.11'",
        file=sys.stderr,
    )
    return 1


def _environment():
    """The environment for child processes: caches inside the project where the home folder cannot be written."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", UV_NO_PROGRESS="1")
    environment.pop("PYTHONPATH", None)
    environment.pop("PIP_REQUIRE_VIRTUALENV", None)
    environment.setdefault("UV_HTTP_RETRIES", "1")  # pip takes over soon where uv finds no way
    home = os.path.expanduser("~")
    if not (os.path.isdir(home) and os.access(home, os.W_OK)):
        cache = os.path.join(ROOT, ".cache")
        for name, folder in (("XDG_CACHE_HOME", ""), ("UV_CACHE_DIR", "uv"), ("PIP_CACHE_DIR", "pip")):
            environment.setdefault(name, os.path.join(cache, folder) if folder else cache)
    return environment


def _need_ensurepip(environment):
    """Debian ships Python without the part that makes virtual environments."""
    if _has_ensurepip():
        return
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = dict(environment, DEBIAN_FRONTEND="noninteractive")
        print(f"  installing the package {package} …", flush=True)
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", package]):
            subprocess.call(command, env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if _has_ensurepip():
            return
    raise Failed(f"Python cannot make virtual environments here: install the package {package} and try again")


def _has_ensurepip():
    probe = [sys.executable, "-c", "import ensurepip, venv"]
    return subprocess.call(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def _make_venv(environment):
    """A fresh environment, unless one of the same Python stands there and works."""
    probe = [PYTHON, "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        found = subprocess.run(probe, env=environment, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        found = ""
    if found == "{}.{}".format(*sys.version_info[:2]):
        return "kept, Python " + found
    _run([sys.executable, "-m", "venv", "--clear", VENV], environment)
    return "made, Python {}.{}".format(*sys.version_info[:2])


def _install(environment):
    """All lock files with their hashes: by uv, or by pip where uv has no way (it does not read pip's settings)."""
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes"]
    _run([*pip, "-r", os.path.join("requirements", "tools.txt")], environment)
    uv = [PYTHON, "-m", "uv", "pip", "sync", "--quiet", "--require-hashes", "--python", PYTHON]
    try:
        _run([*uv, *LOCKS], environment)
        return "installed by uv"
    except Failed:
        files = [part for lock in LOCKS for part in ("-r", lock)]
        _run([*pip, *files], environment)
        return "installed by pip, uv had no way to them"


def _run(command, environment):
    """Run quietly; raise ``Failed`` with the end of what it said."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join("    " + line for line in done.stdout.strip().splitlines()[-15:])
        name = " ".join(os.path.basename(part) for part in command[:4])
        raise Failed(f"'{name} …' ended with {done.returncode}:\n{said}")


def _step(name, act, environment):
    started = time.monotonic()
    print(f"  {name} …", end="", flush=True)
    try:
        said = act(environment)
    except Failed:
        print(flush=True)
        raise
    print(f" {said} ({time.monotonic() - started:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
