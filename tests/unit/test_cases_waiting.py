"""The short wait of instant items never starves anyone (rules.md 10)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cases.waiting import WaitingRoom
from gateway.domain.case import CaseEvent
from gateway.domain.records import Case
from gateway.store import cases, work
from tests.builders import SmallHouse, small_house

SOON = 0.6  # seconds of patience: these tests are about who waits, not how long


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def room(house: SmallHouse, *, places: int = 2) -> WaitingRoom:
    inside = house.house
    return WaitingRoom(inside.database, inside.vault, clock=house.clock, places=places, patience=SOON)


def filed(house: SmallHouse) -> Case:
    number = house.submit(house.sample("FT-SBX-003")).receipt_no
    with house.house.database.read() as tx:
        case = cases.by_receipt(tx, house.house.vault, "ICBC", number)
    assert case is not None
    return case


def waited(waiting: WaitingRoom, case: Case) -> tuple[Case | None, float]:
    began = time.monotonic()
    return waiting.wait(case), time.monotonic() - began


def test_a_decision_inside_the_wait_is_given_back_at_once(house: SmallHouse) -> None:
    case = filed(house)
    events = (CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)
    later = threading.Timer(0.1, house.happens, (case.receipt_no, *events))
    later.start()
    found, _ = waited(room(house), case)
    later.join()
    assert found is not None
    assert found.state == "approved"


def test_a_case_that_only_moves_is_waited_for_further(house: SmallHouse) -> None:
    case = filed(house)
    house.happens(case.receipt_no, CaseEvent.ACCEPTED)
    found, seconds = waited(room(house), case)
    assert found is None
    assert seconds >= SOON / 2


def test_after_one_wait_in_vain_the_next_callers_are_spared_for_a_while(house: SmallHouse) -> None:
    waiting, case = room(house), filed(house)
    assert waited(waiting, case)[1] >= SOON / 2
    assert waited(waiting, case)[1] < SOON / 2


def test_without_a_place_nobody_waits(house: SmallHouse) -> None:
    case = filed(house)
    assert waited(room(house, places=0), case)[1] < SOON / 2
    waiting = room(house, places=1)
    first = threading.Thread(target=waiting.wait, args=(case,))
    first.start()
    time.sleep(0.05)
    assert waited(waiting, case)[1] < SOON / 2
    first.join()


def test_with_the_breaker_open_nobody_waits(house: SmallHouse) -> None:
    case = filed(house)
    open_for = timedelta(seconds=60)
    house.house.database.again(lambda tx: work.Lanes.failed(tx, "FT_SBX", failures=9, open_for=open_for))
    found, seconds = waited(room(house), case)
    assert found is None
    assert seconds < SOON / 2


def test_with_a_full_lane_nobody_waits(house: SmallHouse) -> None:
    case = filed(house)
    house.house.database.again(lambda tx: tx.run("UPDATE lane SET cap = 0"))
    assert waited(room(house), case)[1] < SOON / 2


def test_two_hundred_callers_of_a_slow_department_hold_two_places(house: SmallHouse) -> None:
    waiting, case = room(house, places=2), filed(house)
    began = time.monotonic()
    threads = [threading.Thread(target=waiting.wait, args=(case,)) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < SOON * 4  # one after the other it would take a minute
