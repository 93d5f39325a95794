"""The bad day, drilled: a backup of the serving gateway, its loss, the restore, and the way back (rules.md 40)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from mocks.banks.icbc_sim import Answer, IcbcBranch
from mocks.banks.samples import bank_ref, sample_submission
from tools.stack.stack import OUTLET, Stack

PATIENCE = 40.0


class Drill:
    """A stack, its one branch, and what the branch remembers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.branch: IcbcBranch = stack.branch()
        self._serial = int(time.time()) % 1_000_000

    def business(self, item: str, scenario: str = "grant") -> dict[str, Any]:
        self._serial += 1
        ref = bank_ref("ICBC", self._serial)
        return sample_submission(item, OUTLET, scenario=scenario, serial=self._serial, bank_ref=ref)

    def file(self, business: dict[str, Any]) -> str:
        answer = self.branch.call("submit", business)
        assert answer.ok, answer.raw
        return answer.receipt_no

    def until(self, look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < end, f"never happened: {what}"
            time.sleep(0.2)
        return found

    def state(self, receipt_no: str) -> str:
        return str(self.branch.call("query", {"receipt_no": receipt_no}).business["case"]["state"])

    def until_state(self, receipt_no: str, state: str) -> None:
        self.until(lambda: self.state(receipt_no) == state, f"{receipt_no} {state}")

    def feed(self, cursor: str = "") -> tuple[list[dict[str, Any]], str]:
        events: list[dict[str, Any]] = []
        while True:
            page: Answer = self.branch.call("changes", {"cursor": cursor, "limit": "200"})
            assert page.ok, page.raw
            events += page.business["events"]
            cursor = page.business["next"]
            if not page.business["more"]:
                return events, cursor

    def cli(self, *arguments: str, code: int = 0) -> str:
        done = self.stack.cli(*arguments)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said
        return said


@pytest.fixture
def drill(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Drill]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    with Stack(tmp_path / "stack", database_url=url, department_deadline=2.0, decide_after=5.0) as stack:
        yield Drill(stack)


def lose(stack: Stack) -> None:
    """The database and the files are gone, as if the disk had died."""
    if stack.database_url.startswith("sqlite"):
        for path in stack.folder.glob("gateway.db*"):
            path.unlink()
    else:
        engine = create_engine(stack.database_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
    shutil.rmtree(stack.folder / "blobs", ignore_errors=True)


@pytest.mark.parametrize("drill", ["sqlite", "postgres"], indirect=True)
def test_after_the_loss_nothing_is_filed_twice_and_everything_ends(drill: Drill, tmp_path: Path) -> None:
    stack, folder = drill.stack, tmp_path / "backup"
    decided = drill.file(drill.business("FT-SBX-001"))
    drill.until_state(decided, "approved")
    stack.control("faults", {"next": ["busy"] * 3, "methods": ["POST"]})
    waiting = drill.file(drill.business("FT-SBX-002"))  # in the backup it is not with the department yet

    said = drill.cli("backup", str(folder))
    assert "whole" in said
    assert "whole" in drill.cli("backup", str(folder), "--check")
    drill.until_state(waiting, "approved")  # filed and decided after the backup: the restore will not know
    late_business = drill.business("FT-SBX-002")
    late = drill.file(late_business)  # the whole case is lost
    drill.until_state(late, "approved")
    seen, cursor = drill.until(lambda: (f := drill.feed())[0] and f, "events")
    before = stack.ledger()["rows"]

    stack.stop("gateway")
    lose(stack)
    drill.cli("restore", str(folder))
    refused = drill.cli("run", code=1)
    assert "recover" in refused
    said = drill.cli("recover")
    assert "epoch 2" in said
    stack.start("gateway")

    drill.until_state(decided, "approved")
    drill.until_state(waiting, "approved")
    assert drill.branch.call("query", {"receipt_no": late}).reason == "CASE_UNKNOWN"
    again = drill.file(late_business)  # the bank files again what we lost, under its old reference
    drill.until_state(again, "approved")
    after = stack.ledger()["rows"]
    assert sorted(r["callId"] for r in after) == sorted(r["callId"] for r in before)  # nothing twice

    events, _ = drill.until(lambda: (f := drill.feed(cursor))[0] and f, "the gap")
    assert events[0]["kind"] == "feed_gap"
    assert events[0]["at"] == events[0]["recorded_at"]

    def all_told() -> set[str]:
        found = {str(e["receipt_no"]) for e in drill.feed()[0]}
        return found if {decided, waiting, again} <= found else set()

    told = drill.until(all_told, "the feed tells of every case")
    assert late not in told
    assert any(e["receipt_no"] == late for e in seen)
    kinds = drill.cli("audit", "verify")
    assert "✗" not in kinds


@pytest.mark.parametrize("drill", ["sqlite"], indirect=True)
def test_a_silent_department_holds_the_doors_until_somebody_says_go_on(drill: Drill, tmp_path: Path) -> None:
    stack, folder = drill.stack, tmp_path / "backup"
    receipt_no = drill.file(drill.business("FT-SBX-002"))
    drill.cli("backup", str(folder))
    drill.until_state(receipt_no, "approved")
    stack.stop("gateway")
    stack.stop("department")
    lose(stack)
    drill.cli("restore", str(folder))
    said = drill.cli("recover", "--patience", "0", code=1)
    assert "FT_SBX did not answer" in said
    assert "recover" in drill.cli("run", code=1)  # the doors stay shut
    drill.cli("recover", "--patience", "0", "--go-on")
    stack.start("department")
    stack.start("gateway")
    drill.until_state(receipt_no, "approved")
    assert len(stack.ledger()["rows"]) == 1


@pytest.mark.parametrize("drill", ["sqlite"], indirect=True)
def test_what_is_no_whole_backup_or_no_empty_place_is_refused_with_a_sentence(drill: Drill, tmp_path: Path) -> None:
    stack, folder = drill.stack, tmp_path / "backup"
    drill.file(drill.business("FT-SBX-001"))
    drill.cli("backup", str(folder))
    assert "exists" in drill.cli("backup", str(folder), code=1)
    assert "not empty" in drill.cli("restore", str(folder), code=1)  # the old database is never written over
    assert "was not restored" in drill.cli("recover", code=1)
    stack.stop("gateway")
    lose(stack)

    def damaged(name: str, change: Callable[[Path], None]) -> str:
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        change(copy)
        drill.cli("backup", str(copy), "--check", code=1)
        return drill.cli("restore", str(copy), code=1)

    def flip(copy: Path) -> None:
        whole = bytearray((copy / "database").read_bytes())
        whole[len(whole) // 2] ^= 1
        (copy / "database").write_bytes(bytes(whole))

    def say(**members: Any) -> Callable[[Path], None]:
        def change(copy: Path) -> None:
            manifest = json.loads((copy / "manifest.json").read_text())
            (copy / "manifest.json").write_text(json.dumps(manifest | members))

        return change

    assert "damaged" in damaged("flipped", flip)
    assert "missing" in damaged("gone", lambda copy: (copy / "database").unlink())
    assert "not finished" in damaged("unfinished", lambda copy: (copy / "manifest.json").unlink())
    assert "does not belong" in damaged("more", lambda copy: (copy / "other").write_text("x") and None)
    assert "version" in damaged("future", say(v="2"))
    assert "cannot be read" in damaged("nonsense", lambda copy: (copy / "manifest.json").write_text("{") and None)
    copy = tmp_path / "foreign"
    shutil.copytree(folder, copy)
    say(database="postgresql")(copy)
    assert "backup of postgresql" in drill.cli("restore", str(copy), code=1)
    say(database="sqlite", log="another")(copy)
    assert "'another'" in drill.cli("restore", str(copy), code=1)
    drill.cli("restore", str(folder))
    drill.cli("recover")
