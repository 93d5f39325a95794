"""One child process: started with its output in a file, stopped, killed, frozen; never left behind.

Must not know what runs in it. A child leads a process group of its own, so that Ctrl-C is for us alone and a kill
takes its own children too. Should we be killed ourselves, the system tells it to end (where ``setpriv`` is there).
The system watches the thread that started a child, not the process, so one thread starts them all and lives on.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LOOK_EVERY = 0.05
_LIVING: set[Child] = set()
_STARTER = ThreadPoolExecutor(1, thread_name_prefix="starts-children")


class NotUp(RuntimeError):
    """Something did not come up; the text says what, and ends with its last log lines."""


class Child:
    """One program of the stack, over all its starts."""

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._environment = dict(environment)
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begins = 0  # where the output of the last start begins

    @property
    def pid(self) -> int:
        """The process id of the last start. Raises ``RuntimeError`` before the first."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True from a start until the process has ended, however it ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it. Raises ``RuntimeError`` while it runs."""
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        _STARTER.submit(self._start).result()

    def _start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self._log_begins = sink.tell()
            self._process = subprocess.Popen(
                [*_told_when_we_die(), *self._command],
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        _LIVING.add(self)

    def wait_until(self, up: Callable[[], bool], *, within: float) -> None:
        """Return once ``up`` says so. Raises ``NotUp`` after ``within`` seconds, or when the process has ended."""
        end = time.monotonic() + within
        while not up():
            if not self.alive:
                code = self._process.returncode if self._process else None
                raise NotUp(f"{self.name} ended with code {code}; {self._last_words()}")
            if time.monotonic() > end:
                raise NotUp(f"{self.name} is not up after {within:g} s; {self._last_words()}")
            time.sleep(_LOOK_EVERY)

    def stop(self, *, within: float) -> int | None:
        """SIGTERM; its exit code, or ``None`` if it had to be killed after ``within`` seconds."""
        if self._process is None or not self.alive:
            self._forget()
            return self._process.returncode if self._process else 0
        self.thaw()
        self._process.terminate()  # only the leader: it tells its own children
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill9()
            return None
        finally:
            self._forget()

    def kill9(self) -> None:
        """SIGKILL to the process and all its children, at once; nothing is said goodbye to."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._forget()

    def freeze(self) -> None:
        """SIGSTOP to all of it: alive, but nothing moves."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def said(self, word: str) -> bool:
        """True when ``word`` stands in the output since the last start."""
        with self.log.open("rb") as file:
            file.seek(self._log_begins)
            return word.encode() in file.read()

    def last_lines(self, count: int = 15) -> str:
        """The end of its output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-count:])

    def _last_words(self) -> str:
        lines = self.last_lines()
        return f"the end of {self.log}:\n{lines}" if lines else f"{self.log} is empty"

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _forget(self) -> None:
        _LIVING.discard(self)


def _told_when_we_die() -> list[str]:
    return ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


@atexit.register
def _end_all() -> None:
    for child in tuple(_LIVING):
        child.kill9()
