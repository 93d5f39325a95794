"""`make check`: types, format, lint, import rules, catalogue, papers, promises. Each runs, also after a failure.

Must not change a file: `make fmt` does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Step:
    """One judgement: its name, its command, and what to do when it says no."""

    name: str
    command: tuple[str, ...]
    next_step: str


STEPS = (
    Step("types", (sys.executable, "-m", "mypy"), "mend the types named above"),
    Step("format", (sys.executable, "-m", "ruff", "format", "--check", "."), "run 'make fmt'"),
    Step("lint", (sys.executable, "-m", "ruff", "check", "."), "run 'make fmt', then mend what is left"),
    Step("import rules", (str(BIN / "lint-imports"), "--no-cache"), "move the import to a floor that may have it"),
    Step(
        "catalogue",
        (sys.executable, "-m", "gateway", "check-catalogue"),
        "mend the catalogue entry at the line named above",
    ),
    Step("papers", (sys.executable, "-m", "tools.generated_docs", "--check"), "run 'make docs'"),
    Step(
        "promises",
        (sys.executable, "-m", "pytest", "tests/architecture", "--tb=short", "-o", "verbosity_assertions=2"),
        "read the failing sentence: each guards a promise in CONTRIBUTING.md",
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a step went: output (both streams), exit code, seconds."""

    step: Step
    code: int
    output: str
    seconds: float


def main() -> int:
    """Run all steps, two at a time, print them in order; 1 when any said no."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with ThreadPoolExecutor(max_workers=2) as pool:
        verdicts = []
        for verdict in pool.map(_run, STEPS):
            verdicts.append(verdict)
            _show(verdict, colour=colour)
    failed = [v for v in verdicts if v.code]
    if not failed:
        print("all well; next: make test")
        return 0
    print("next: " + "; ".join(v.step.next_step for v in failed))
    return 1


def _run(step: Step) -> Verdict:
    started = time.monotonic()
    done = subprocess.run(
        step.command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return Verdict(step, done.returncode, done.stdout, time.monotonic() - started)


def _show(verdict: Verdict, *, colour: bool) -> None:
    mark, code = ("✓", "32") if verdict.code == 0 else ("✗", "31")
    shown = f"\x1b[{code}m{mark}\x1b[0m" if colour else mark
    print(f"{shown} {verdict.step.name:<14}{verdict.seconds:6.1f} s", flush=True)
    if verdict.code:
        lines = verdict.output.rstrip().splitlines()
        if len(lines) > 60:
            print(f"    … {len(lines) - 60} lines before")
        print("\n".join(f"    {line}" for line in lines[-60:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
