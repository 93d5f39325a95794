"""Small recurring duties: one that fails never stops the others."""

from __future__ import annotations

import threading

from gateway.dispatch.chores import Ticker
from gateway.domain.errors import Busy


def test_a_chore_that_fails_is_tried_again_and_stops_no_other():
    rounds, enough = [], threading.Event()

    def away():
        rounds.append("busy")
        raise Busy("the database is away")

    def broken():
        rounds.append("broken")
        raise RuntimeError("a mistake")

    def well():
        rounds.append("well")
        if rounds.count("well") == 3:
            enough.set()

    ticker = Ticker([away, broken, well], every=0.001)
    ticker.start()
    assert enough.wait(20)
    ticker.stop()
    assert rounds[:9] == ["busy", "broken", "well"] * 3


def test_every_chore_is_done_a_last_time_at_the_end():
    done = []
    ticker = Ticker([lambda: done.append(threading.current_thread().name)], every=600)
    ticker.start()
    ticker.stop()
    assert done == [threading.current_thread().name]


def test_a_ticker_that_never_started_does_its_chores_once_at_the_end():
    done = []
    Ticker([lambda: done.append(1)]).stop()
    assert done == [1]
