"""The command line beside a running gateway: a second process on the same database (rules.md 38)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import CLIENT_ID, SmallHouse, environment, small_house

ROOT = Path(__file__).resolve().parents[2]


def gateway(house: SmallHouse, url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment(house.folder, url), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_second_process_reads_verifies_and_blocks_while_the_first_works(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{database}_url")
    with small_house(tmp_path, url, with_department=True) as house:
        filed = house.submit(house.sample("FT-SBX-002"))
        assert "case:submission:received" in gateway(house, url, "timeline", filed.receipt_no)
        for _ in range(3):
            house.submit(house.sample("FT-SBX-003"))
        gateway(house, url, "audit", "verify")
        assert "is blocked" in gateway(house, url, "clients", "block", CLIENT_ID)
        assert house.submit(house.sample()).reason == "NOT_AUTHENTIC"
        assert house.counts()["cases"] == 4
