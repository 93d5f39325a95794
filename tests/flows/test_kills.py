"""Processes killed and frozen under load, departments faulty: nothing is lost, nothing is filed twice.

A freeze lasts longer than a lease, so that another worker takes the calls over while the first still believes in
them; a kill never tests that. The seed of the moments is printed: ``GATEWAY_TEST_SEED`` plays them again.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.case import DECIDED, ENDED
from gateway.domain.clock import SystemClock
from gateway.store.database import Database
from mocks.banks.icbc_sim import IcbcBranch
from mocks.banks.samples import bank_ref, sample_submission
from tools.stack import Stack

DEADLINE = 1.5  # seconds of one call; a lease is ten seconds longer
FREEZE = DEADLINE + 11.0
FAULTS = ["cut_after", "cut_before", "http500", "http503", "busy", "html", "wrong_signature", "slow", "drip", "twice"]
STORIES = [
    ("FT-SBX-001", "grant"),
    ("FT-SBX-002", "grant"),
    ("FT-SBX-003", "grant"),
    ("FT-SBX-004", "refuse"),
    ("FT-SBX-002", "lost"),
    ("FT-SBX-003", "garbage"),
    ("FT-SBX-002", "twice"),
    ("FT-SBX-004", "out_of_order"),
]
FINAL = sorted(state.value for state in DECIDED | ENDED)


@dataclass
class Counters:
    """A bank's branches: each submission is sent, signed anew each time, until the gateway has taken it."""

    branch: IcbcBranch
    pause: float
    receipts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _serial: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def open(self, count: int) -> None:
        """Begin, at so many counters."""
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def close(self, *, within: float) -> None:
        """Take no more customers; those who wait are still served."""
        self._over.set()
        end = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "a submission was never taken"

    def _serve(self) -> None:
        while not self._over.is_set():
            with self._lock:
                self._serial += 1
                serial = self._serial
            item, scenario = STORIES[serial % len(STORIES)]
            ref = bank_ref("ICBC", serial)
            self._until_taken(sample_submission(item, "ICBC-FT-03", bank_ref=ref, scenario=scenario, serial=serial))
            self._over.wait(self.pause)

    def _until_taken(self, part: dict[str, Any]) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                answer = self.branch.submit(part)
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
                continue
            if answer.ok:
                self.receipts[part["bank_ref"]] = str(answer.business["receipt"])
                return
            if answer.reason not in {"BUSY", "RESULT_UNKNOWN", "TOO_MANY", "TOO_MANY_AT_ONCE"}:
                self.wrong.append(f"{part['bank_ref']}: {answer.raw[:300]!r}")
                return
            time.sleep(0.2)


@dataclass
class Trouble:
    """Draws moments, victims and what befalls them."""

    stack: Stack
    victims: list[str]
    chance: random.Random

    def befall(self, what: str, victim: str) -> None:
        """One moment: killed and started again, or frozen past every lease and thawed."""
        print(f"{what} {victim}")
        if what == "kill":
            self.stack.kill9(victim)
            time.sleep(self.chance.uniform(0, 0.5))
            self.stack.start(victim)
        else:
            self.stack.freeze(victim)
            time.sleep(FREEZE)
            self.stack.thaw(victim)

    def moments(self, kinds: list[str]) -> None:
        """One after the other, at moments nobody expects."""
        for what in kinds:
            time.sleep(self.chance.uniform(0.3, 2.0))
            self.befall(what, self.chance.choice(self.victims))


def seeded() -> random.Random:
    seed = int(os.environ.get("GATEWAY_TEST_SEED") or random.SystemRandom().randrange(2**31))
    print(f"GATEWAY_TEST_SEED={seed}")
    return random.Random(seed)


def until(happened: Callable[[], Any], *, within: float, what: str) -> None:
    end = time.monotonic() + within
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.25)


def cases_of(stack: Stack) -> list[dict[str, Any]]:
    """Every case with its state, its last event's number, and whether its call is on the shelf."""
    database = Database(stack.database_url, SystemClock())
    try:
        with database.read() as tx:
            return [
                dict(row)
                for row in tx.all(
                    "SELECT c.bank_ref, c.receipt_no, c.receipt, c.state, c.event_no, w.state AS call_state, w.note"
                    " FROM cases c JOIN work w ON w.case_id = c.case_id AND w.kind = 'call'"
                )
            ]
    finally:
        database.close()


def unsettled(stack: Stack) -> list[dict[str, Any]]:
    stack.control("push", {})
    return [c for c in cases_of(stack) if c["state"] not in FINAL and c["call_state"] != "parked"]


def feed_of(branch: IcbcBranch) -> dict[str, list[int]]:
    """Numbers of the feed's events by case, in the feed's order."""
    numbers: dict[str, list[int]] = defaultdict(list)
    cursor, more = "", True
    while more:
        page = branch.changes(cursor, limit=200)
        assert page.ok, page.raw
        for event in page.business["events"]:
            numbers[event["receipt_no"]].append(int(event["event_no"]))
        cursor, more = page.business["next"], page.business["more"]
    return numbers


def everything_is_true(stack: Stack, bank: Counters, *, patience: float) -> None:
    """What must hold once everything runs again and the department is well."""
    stack.faults()
    bank.close(within=patience)
    assert bank.wrong == []
    until(lambda: not unsettled(stack), within=patience, what=f"never settled: {unsettled(stack)}")
    cases = {case["bank_ref"]: case for case in cases_of(stack)}
    # Nothing that was receipted is lost, and each submission is one case with the receipt that was given.
    assert {ref: case["receipt"] for ref, case in cases.items()} == bank.receipts
    # The department's own books: nothing twice; what is not there was never sent and lies on the shelf.
    ledger = stack.ledger()
    assert (ledger["duplicateCallIds"], ledger["duplicateReceipts"]) == ([], [])
    filed = {row["receiptNo"] for row in ledger["rows"]}
    shelved = {case["receipt_no"] for case in cases.values() if case["call_state"] == "parked"}
    receipted = {case["receipt_no"] for case in cases.values()}
    assert filed <= receipted
    assert receipted - filed <= shelved
    # The trail is whole, and the feed tells every event of every case, in order, without a gap.
    verified = stack.cli("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    wanted = {case["receipt_no"]: list(range(1, case["event_no"] + 1)) for case in cases.values()}
    branch = stack.branch()
    until(lambda: feed_of(branch) == wanted, within=45, what="the feed is not what happened")
    print(f"{len(cases)} cases, {len(filed)} filed, {len(shelved)} on the shelf")
    assert len(cases) > 5


def torment(stack: Stack, victims: list[str], kinds: list[str], *, counters: int, patience: float) -> None:
    """The whole story: load, faults, moments, and then the truth."""
    chance = seeded()
    bank = Counters(stack.branch(timeout=5.0), pause=0.15)
    stack.faults(rate=0.2, kinds=FAULTS, seed=chance.randrange(1_000_000), drip_seconds=0.01)
    bank.open(counters)
    Trouble(stack, victims, chance).moments(kinds)
    time.sleep(1.0)
    everything_is_true(stack, bank, patience=patience)


def test_a_killed_process_and_a_frozen_worker_lose_nothing_and_file_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    chance = seeded()
    with Stack(
        tmp_path / "stack",
        database_url=postgres_url,
        embedded=False,
        workers=2,
        department_deadline=DEADLINE,
        decide_after=0.5,
        slow_seconds=2.5,
    ) as stack:
        bank = Counters(stack.branch(timeout=5.0), pause=0.15)
        trouble = Trouble(stack, [], chance)
        stack.faults(rate=0.15, kinds=FAULTS, seed=chance.randrange(1_000_000), drip_seconds=0.01)
        bank.open(2)
        time.sleep(chance.uniform(0.5, 1.5))
        frozen = threading.Thread(target=trouble.befall, args=("freeze", "worker-1"))
        frozen.start()
        time.sleep(chance.uniform(0.5, 2.0))
        trouble.befall("kill", chance.choice(["gateway", "worker-2"]))
        frozen.join()
        everything_is_true(stack, bank, patience=60)


@pytest.mark.full
def test_ten_moments_of_an_embedded_gateway_lose_nothing_and_file_nothing_twice(tmp_path: Path) -> None:
    kinds = ["kill", "freeze", "kill", "kill", "freeze", "kill", "freeze", "kill", "kill", "freeze"]
    with Stack(tmp_path / "stack", department_deadline=DEADLINE, decide_after=0.5, slow_seconds=2.5) as stack:
        torment(stack, ["gateway"], kinds, counters=3, patience=180)


@pytest.mark.full
def test_ten_moments_of_doors_and_two_workers_lose_nothing_and_file_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    kinds = ["freeze", "kill", "kill", "freeze", "kill", "freeze", "kill", "kill", "freeze", "kill"]
    with Stack(
        tmp_path / "stack",
        database_url=postgres_url,
        embedded=False,
        workers=2,
        department_deadline=DEADLINE,
        decide_after=0.5,
        slow_seconds=2.5,
    ) as stack:
        torment(stack, ["gateway", "worker-1", "worker-2"], kinds, counters=3, patience=180)
