"""The command line beside a running gateway: a second process on the same database (rules.md 38)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_block_by_a_second_process_holds_at_once_while_the_first_works(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, with_department=True) as house:
        assert house.submit(house.sample("FT-SBX-003")).ok
        assert "is blocked" in gateway(house, sqlite_url, "clients", "block", CLIENT_ID)
        assert house.submit(house.sample()).reason == "NOT_AUTHENTIC"
        assert house.counts()["cases"] == 1


def test_the_trail_is_verified_by_a_second_process_while_the_first_writes_it(tmp_path: Path, database_url: str) -> None:
    with small_house(tmp_path, database_url, with_department=True) as house:
        filed = [house.submit(house.sample(item)).receipt_no for item in ("FT-SBX-002", "FT-SBX-003", "FT-SBX-001")]
        gateway(house, database_url, "audit", "verify")
        assert {house.until_state(no, "approved", turn=0.5).ok for no in filed} == {True}
