"""A department that takes ten seconds, and 200 instant requests: nobody else waits for it (rules.md 10).

Through a real server with its real threads. The time of others is compared with their time a moment before, in the same
run, and widely: what would starve them is a wait of three seconds, not a few milliseconds.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mocks.banks.samples import bank_ref, sample_submission
from tools.stack.stack import OUTLET, Stack

STARVED = 1.0  # seconds: a third of the wait that an instant item may take


def timed(act: Callable[[], object], *, for_seconds: float) -> list[float]:
    """The seconds of each call, one after the other."""
    found, end = [], time.monotonic() + for_seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return found


def p99(seconds: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(seconds, n=100)[98]


@pytest.mark.full
def test_two_hundred_instant_requests_for_a_slow_department_starve_nobody(tmp_path: Path, postgres_url: str) -> None:
    lane = {"cap": 64, "threads": 32}
    how = {"database_url": postgres_url, "embedded": False, "workers": 1, "slow_seconds": 10.0, "lane": lane}
    with Stack(tmp_path / "stack", department_deadline=15.0, **how) as stack:  # type: ignore[arg-type]  # by name
        other = stack.branch()
        echo: Callable[[], object] = lambda: other.call("echo", {"text": "x"})  # noqa: E731 one line says it
        quiet = timed(echo, for_seconds=4.0)
        stack.faults(rate=1.0, kinds=["slow"], methods=["POST"])
        took: list[float] = []
        refused: list[str] = []
        serial = int(time.time()) % 1_000_000

        def file(number: int) -> None:
            business = sample_submission(
                "FT-SBX-001", OUTLET, serial=serial + number, bank_ref=bank_ref("ICBC", serial + number)
            )
            began = time.perf_counter()
            answer = stack.branch().call("submit", business)
            took.append(time.perf_counter() - began)
            if not answer.ok and answer.reason != "TOO_MANY":  # its client may have 32 requests at a time
                refused.append(answer.reason)

        counters = [threading.Thread(target=file, args=(number,)) for number in range(200)]
        for counter in counters:
            counter.start()
            time.sleep(0.02)
        busy = timed(echo, for_seconds=4.0)
        for counter in counters:
            counter.join()
        print(f"others: p99 {p99(quiet) * 1e3:.0f} ms before, {p99(busy) * 1e3:.0f} ms beside 200 instant requests")
        print(f"instant requests: p50 {statistics.median(took) * 1e3:.0f} ms, longest {max(took):.2f} s")
        assert refused == []
        assert len(took) == 200
        assert sum(seconds > STARVED for seconds in took) <= 8  # a quarter of the threads, and once or twice in all
        assert p99(busy) < p99(quiet) + STARVED
        assert max(busy) < STARVED
