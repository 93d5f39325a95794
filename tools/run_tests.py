"""`make test` and `make test-all`: find PostgreSQL once, run the tests on all cores, say what could not run.

Must not decide what a test needs: that is tests/conftest.py. Only the marker ``full`` is left out of the short run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tools.postgres import VARIABLE, server
from tools.postgres_own import NoPostgres

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run pytest and return its exit code; arguments we do not know are pytest's."""
    parser = argparse.ArgumentParser(description="run the tests", allow_abbrev=False)
    parser.add_argument("--all", action="store_true", help="also the tests marked full, with the slowest listed")
    arguments, rest = parser.parse_known_args()
    started = time.monotonic()
    environment = dict(os.environ)
    why_not = ""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(server(durable=False))
        except NoPostgres as error:
            why_not = str(error)
            print(f"databases: SQLite; {why_not}", flush=True)
        else:
            environment[VARIABLE] = found.url
            print(f"databases: SQLite; {found.describe}", flush=True)
        code = subprocess.run(_command(rest, everything=arguments.all), cwd=ROOT, env=_full(environment, arguments.all))
    minutes, seconds = divmod(int(time.monotonic() - started), 60)
    if why_not:
        print(f"could not run: every test on PostgreSQL ({why_not})")
    scope = "all tests" if arguments.all else "tests without those marked full (make test-all runs them)"
    print(f"{'✓' if code.returncode == 0 else '✗'} {scope}, {minutes} min {seconds} s")
    return code.returncode


def _command(rest: list[str], *, everything: bool) -> list[str]:
    workers = str(min(4, max(2, os.cpu_count() or 2)))
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", "-o", "console_output_style=count"]
    command += ["--durations=25", "--durations-min=0.5"] if everything else ["-m", "not full"]
    return [*command, *rest]


def _full(environment: dict[str, str], everything: bool) -> dict[str, str]:
    return {**environment, "GATEWAY_TEST_FULL": "1"} if everything else environment


if __name__ == "__main__":
    sys.exit(main())
