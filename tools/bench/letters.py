"""Signed requests made before anything is measured: each a submission of its own, by another invented person.

Must not send. A body is percent-encoded ASCII without line ends, so a file holds one a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mocks.banks.icbc_sim import IcbcBranch
from mocks.banks.samples import bank_ref, sample_submission

ITEM = "FT-SBX-002"  # answered by callback: no door waits for its decision
SCENARIO = "grant"


def bodies(branch: IcbcBranch, outlet: str, *, first: int, count: int) -> Iterator[bytes]:
    """``count`` signed bodies with serial numbers from ``first`` on; fresh for ten minutes."""
    for serial in range(first, first + count):
        part = sample_submission(
            ITEM, outlet, bank_ref=bank_ref("ICBC", serial), scenario=SCENARIO, serial=serial, remark="压力测量样例"
        )
        yield branch.build("submit", part).body


def write(path: Path, made: Iterator[bytes], *, say: Callable[[int], None] = lambda _done: None) -> int:
    """Write them one a line and return how many; ``say`` hears how many there are so far."""
    done = 0
    with path.open("wb") as file:
        for body in made:
            file.write(body + b"\n")
            done += 1
            if done % 100 == 0:
                say(done)
    return done


def read(path: Path) -> list[bytes]:
    """What ``write`` wrote."""
    return path.read_bytes().splitlines()
