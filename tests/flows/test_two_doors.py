"""Two web processes of one house: what one command line does holds for both, at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.signing.keys import KeyRing, make_keys
from gateway.signing.vault import make_vault
from mocks.banks.icbc_sim import IcbcBranch
from mocks.banks.samples import bank_ref, sample_submission
from tests.builders import (
    BANK,
    CLIENT_ID,
    LONG_AGO,
    OUTLET,
    bank_key,
    branch_of,
    enrol,
    enrolled,
    environment,
    write_peers,
)
from tools.stack import asking
from tools.stack.child import Child
from tools.stack.ports import ReservedPort

ROOT = Path(__file__).resolve().parents[2]
_UP_WITHIN = 60.0


@dataclass
class TwoDoors:
    """Two gunicorn processes over one database, and a branch that talks to each."""

    folder: Path
    url: str
    branches: list[IcbcBranch]
    _serial: int = 0

    def cli(self, *arguments: str) -> str:
        """A command in a third process."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment(self.folder, self.url), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def reads(self) -> list[str]:
        """What each door answers to a harmless read, in turn and at once."""
        return [branch.call("echo", {"text": "x"}).reason for branch in self.branches]

    def files(self) -> list[str]:
        """What each door answers to a new submission."""
        return [branch.call("submit", self.sample()).reason for branch in self.branches]

    def sample(self) -> dict[str, Any]:
        """Another person's application each time."""
        self._serial += 1
        serial = os.getpid() % 10_000 * 100 + self._serial
        return sample_submission("FT-SBX-002", OUTLET, serial=serial, bank_ref=bank_ref(BANK, serial))


@pytest.fixture
def doors(tmp_path: Path, database_url: str) -> Iterator[TwoDoors]:
    make_keys(tmp_path / "keys", [BANK.lower()], valid_from=LONG_AGO)
    make_vault(tmp_path / "keys" / "vault.key")
    write_peers(tmp_path)
    enrol(tmp_path, database_url, [enrolled(bank_key())])
    with ExitStack() as stack:
        branches = []
        for number in (1, 2):
            port = ReservedPort()
            stack.callback(port.release)
            listen = environment(tmp_path, database_url, LISTEN=f"127.0.0.1:{port.number}", WORKERS="1")
            child = Child(
                f"web-{number}",
                [sys.executable, "-m", "gateway", "web"],
                environment={**os.environ, **listen},
                cwd=ROOT,
                log=tmp_path / f"web-{number}.log",
            )
            child.start()
            stack.callback(child.stop, within=20)
            child.wait_until(lambda n=port.number: asking.answers(n, "/readyz"), within=_UP_WITHIN)
            branch = branch_of(tmp_path, KeyRing.load(tmp_path / "keys"))
            branch.base_url = f"http://127.0.0.1:{port.number}"
            branches.append(branch)
        assert len({urlsplit(branch.base_url).port for branch in branches}) == 2
        yield TwoDoors(tmp_path, database_url, branches)


def test_a_block_by_the_command_line_holds_at_the_next_request_of_every_process(doors: TwoDoors) -> None:
    assert doors.files() == ["OK", "OK"]
    for _ in range(3):
        assert doors.reads() == ["OK", "OK"]  # both have looked at the directory just now
        assert "is blocked" in doors.cli("clients", "block", CLIENT_ID, "--reason", "演练")
        assert doors.reads() + doors.files() == ["NOT_AUTHENTIC"] * 4
        assert "is active" in doors.cli("clients", "unblock", CLIENT_ID, "--reason", "演练结束")
        assert within_a_second(doors) == ["OK", "OK"]


def within_a_second(doors: TwoDoors) -> list[str]:
    """A block is at once; letting in again waits for each process to look, once a second."""
    end = time.monotonic() + 10
    told = doors.reads()
    while told != ["OK", "OK"] and time.monotonic() < end:
        time.sleep(0.1)
        told = doors.reads()
    return told
