"""A small campaign of faults in every run, larger ones in the full one (docs/faults.md): every promise is kept.

The seed of cases, faults and moments is printed: ``GATEWAY_TEST_SEED`` plays them again.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tools.faults.campaign import Order, Outcome, run


def campaign(folder: Path, database_url: str | None, **how: object) -> Outcome:
    """A campaign of that size; what it says on its way goes to the test's output."""
    seed = int(os.environ.get("GATEWAY_TEST_SEED") or random.SystemRandom().randrange(2**31))
    print(f"GATEWAY_TEST_SEED={seed}")
    order = Order(seed=seed, **how)  # type: ignore[arg-type]  # the test's own words, checked by the dataclass
    return run(order, folder / "stack", database_url=database_url, see=lambda _now: None, say=print)


def every_promise_was_kept(outcome: Outcome) -> None:
    """The promises, and that the storm was one: faults were drawn and something was killed and frozen."""
    print(outcome.moments, outcome.drawn, outcome.seconds, outcome.states)
    assert [(promise.text, promise.broken) for promise in outcome.promises if not promise.kept] == []
    assert len(outcome.promises) == 8
    assert sum(outcome.drawn["department"].values()) > 0
    assert any("killed" in what for what in outcome.moments)


def test_a_small_campaign_of_doors_and_two_workers_keeps_every_promise(tmp_path: Path, postgres_url: str) -> None:
    outcome = campaign(
        tmp_path, postgres_url, cases=48, counters=4, workers=2, storm=20.0, pause=(1.0, 3.0), patience=150.0
    )
    every_promise_was_kept(outcome)
    assert any("frozen" in what for what in outcome.moments)


@pytest.mark.full
def test_a_campaign_of_one_process_keeps_every_promise(tmp_path: Path) -> None:
    every_promise_was_kept(campaign(tmp_path, None, cases=300, workers=0, storm=90.0, patience=300.0))


@pytest.mark.full
def test_a_campaign_of_doors_and_three_workers_keeps_every_promise(tmp_path: Path, postgres_url: str) -> None:
    every_promise_was_kept(campaign(tmp_path, postgres_url, cases=400, workers=3, storm=90.0, patience=300.0))
