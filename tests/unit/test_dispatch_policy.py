"""When to try again: pauses that grow, spread and end somewhere."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.item import Sla
from gateway.dispatch.policy import Jitter, ask_pause, breaker_opens_for, next_pause, poll_pause

DRAWS = st.floats(0, 1, exclude_max=True)
FAILURES = st.integers(0, 10_000)
EVEN = Jitter(draw=lambda: 0.5)
SECONDS = st.integers(0, 10**7)
SLAS = st.tuples(st.integers(1, 3600), st.integers(1, 3600), st.integers(1, 86_400)).map(
    lambda t: Sla(first_after=t[0], every=t[1], every_max=max(t))
)


def seconds(pause):
    return pause.total_seconds()


@given(st.floats(0.1, 1e6), DRAWS)
def test_a_pause_is_spread_by_a_tenth_at_most(length, draw):
    spread = seconds(Jitter(draw=lambda: draw).spread(length))
    assert 0.9 * length - 1e-6 <= spread <= 1.1 * length + 1e-6


@given(FAILURES, DRAWS)
def test_the_pause_after_failures_lies_between_a_second_and_a_quarter_of_an_hour(failures, draw):
    assert 0.9 <= seconds(next_pause(failures, Jitter(draw=lambda: draw))) <= 990


@given(FAILURES)
def test_the_pause_never_becomes_shorter_with_more_failures(failures):
    assert next_pause(failures, EVEN) <= next_pause(failures + 1, EVEN)


def test_the_first_pauses_are_those_promised():
    assert [seconds(next_pause(n, EVEN)) for n in range(1, 6)] == [1, 2, 4, 8, 16]
    assert seconds(next_pause(50, EVEN)) == 900


@given(SECONDS, SECONDS, FAILURES, DRAWS)
def test_an_unclear_delivery_is_never_asked_about_before_its_deadline_is_over(deadline, since, failures, draw):
    total, gone = timedelta(seconds=deadline), timedelta(seconds=since)
    pause = ask_pause(total, gone, failures, Jitter(draw=lambda: draw))
    assert gone + pause > total
    assert pause >= next_pause(failures, Jitter(draw=lambda: draw))


def test_a_clock_that_went_back_does_not_shorten_the_wait():
    assert ask_pause(timedelta(seconds=20), timedelta(seconds=-5), 1, EVEN) >= timedelta(seconds=25)


@given(SLAS, SECONDS, st.integers(0, 10**5), DRAWS)
def test_looking_again_keeps_to_the_items_schedule_and_never_undercuts_the_departments_hint(sla, age, hint, draw):
    pause = seconds(poll_pause(sla, timedelta(seconds=age), hint, Jitter(draw=lambda: draw)))
    assert 0.9 * min(sla.first_after, sla.every, sla.every_max) <= pause + 1e-6
    assert pause <= 1.1 * max(sla.every_max, hint) + 1e-6
    assert pause >= 0.9 * hint - 1e-6


@given(SLAS, SECONDS, SECONDS)
def test_an_older_call_is_not_looked_at_more_often(sla, first, second):
    younger, older = sorted((max(first, sla.first_after), max(second, sla.first_after)))
    pauses = [poll_pause(sla, timedelta(seconds=age), 0, EVEN) for age in (younger, older)]
    assert pauses == sorted(pauses)


def test_a_lane_stays_open_through_four_failures_and_is_held_longer_with_each_after_that():
    assert [seconds(breaker_opens_for(n)) for n in range(9)] == [0, 0, 0, 0, 0, 5, 10, 20, 40]


@given(FAILURES)
def test_a_lane_is_never_held_longer_than_five_minutes(failures):
    assert breaker_opens_for(failures) <= breaker_opens_for(failures + 1) <= timedelta(minutes=5)
