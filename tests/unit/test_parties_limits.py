"""Buckets and the cap on what runs at once."""

from __future__ import annotations

import pytest

from gateway.domain.errors import NotAllowed
from gateway.domain.reasons import Reason
from gateway.parties import limits
from gateway.parties.limits import AtOnce, Buckets


def test_a_burst_is_allowed_and_then_the_rate(clock) -> None:
    buckets = Buckets(clock, rate=2, burst=4)
    assert [buckets.take("a") for _ in range(5)] == [True] * 4 + [False]
    clock.turn(1)
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]


def test_a_bucket_is_never_fuller_than_its_burst(clock) -> None:
    buckets = Buckets(clock, rate=2, burst=4)
    assert buckets.take("a")
    clock.turn(3600)
    assert [buckets.take("a") for _ in range(5)] == [True] * 4 + [False]


def test_each_caller_has_its_own_bucket(clock) -> None:
    buckets = Buckets(clock, rate=1, burst=1)
    assert [buckets.take("a"), buckets.take("a"), buckets.take("b")] == [True, False, True]


def test_refused_requests_do_not_push_the_next_one_further_away(clock) -> None:
    buckets = Buckets(clock, rate=1, burst=1)
    assert buckets.take("a")
    for _ in range(50):
        buckets.take("a")
    clock.turn(1)
    assert buckets.take("a")


def test_a_flood_of_callers_takes_no_more_memory_than_agreed(clock, monkeypatch) -> None:
    monkeypatch.setattr(limits, "_KEPT", 100)
    buckets = Buckets(clock, rate=1, burst=1)
    for number in range(1000):
        assert buckets.take(f"caller-{number}")
    assert len(buckets._levels) == 100


def test_so_many_at_once_and_no_more() -> None:
    at_once = AtOnce(2)
    with at_once.hold("a"), at_once.hold("a"):
        with at_once.hold("b"):
            pass
        with pytest.raises(NotAllowed) as caught, at_once.hold("a"):
            pass
    assert caught.value.reason is Reason.TOO_MANY_AT_ONCE
    with at_once.hold("a"):
        assert at_once._running == {"a": 1}
    assert at_once._running == {}


def test_a_request_that_fails_gives_its_place_back() -> None:
    at_once = AtOnce(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), at_once.hold("a"):
            raise ValueError("x")
    assert at_once._running == {}


def test_a_key_with_a_rate_of_its_own_is_held_to_that_one(clock) -> None:
    buckets = Buckets(clock, rate=100, burst=200)
    assert [buckets.take("small", rate=1) for _ in range(3)] == [True, True, False]
    assert all(buckets.take("other") for _ in range(50))


def test_a_cap_of_its_own_counts_instead_of_everybodys() -> None:
    at_once = AtOnce(5)
    with at_once.hold("a", cap=1):
        with pytest.raises(NotAllowed) as refused, at_once.hold("a", cap=1):
            pass
        assert refused.value.reason is Reason.TOO_MANY_AT_ONCE
        with at_once.hold("a"):
            pass
