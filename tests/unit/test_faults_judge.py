"""The judge of a campaign: every promise is seen to break when it is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tools.faults.bank import Books
from tools.faults.house import Case
from tools.faults.judge import Promise, judge

CASE = Case("R1", "N1", "jws-1", "approved", 2, False, "", 2, 0)


def event(number: int, state: str) -> dict[str, Any]:
    return {"receipt_no": "N1", "event_no": str(number), "state": state}


def heard(number: int, state: str, notice_id: str) -> dict[str, Any]:
    return {"taken": True, "notice_id": notice_id, "event": event(number, state)}


def world() -> dict[str, Any]:
    """Everything as it should be, of one case with two events."""
    return {
        "books": Books(receipts={"R1": "jws-1"}, numbers={"R1": "N1"}, sent=3),
        "cases": [CASE],
        "ledgers": [{"rows": [{"receiptNo": "N1"}], "duplicateCallIds": [], "duplicateReceipts": []}],
        "feed": {"N1": [event(1, "submitted"), event(2, "approved")]},
        "heard": [heard(1, "submitted", "A"), heard(2, "approved", "B"), heard(2, "approved", "B")],
        "trail": "",
    }


def broken(**change: Any) -> list[str]:
    """The promises that are not kept when these members of the world are others."""
    found: list[Promise] = judge(**{**world(), **change})
    return [promise.text for promise in found if not promise.kept]


def test_everything_as_it_should_be_keeps_every_promise() -> None:
    assert broken() == []


def ledger(change: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
    ledgers = copy.deepcopy(world()["ledgers"])
    change(ledgers[0])
    return list(ledgers)


ANSWERED = "every request of the bank was answered in the end"
LOST = "no accepted case is lost"
FILED = "no case is filed twice"
STUCK = "no case is stuck outside the shelf"
FEED = "the feed tells every event once, in order"
TOLD = "every notice has one effect, in order"
BELIEVED = "the bank believes every case's own state"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"books": replace(world()["books"], wrong=["R9: never answered"])}, [ANSWERED]),
        ({"books": replace(world()["books"], receipts={"R1": "jws-1", "R2": "jws-2"})}, [LOST]),
        ({"books": replace(world()["books"], receipts={"R1": "another"})}, [LOST]),
        ({"ledgers": ledger(lambda one: one["rows"].append({"receiptNo": "N1"}))}, [FILED]),
        ({"ledgers": ledger(lambda one: one["rows"].append({"receiptNo": "N2"}))}, [FILED]),
        ({"ledgers": ledger(lambda one: one["rows"].clear())}, [FILED]),
        ({"ledgers": ledger(lambda one: one["duplicateCallIds"].append("C1"))}, [FILED]),
        ({"cases": [replace(CASE, open_work=1)]}, [STUCK]),
        ({"feed": {"N1": [event(2, "approved"), event(1, "submitted")]}}, [FEED, BELIEVED]),
        ({"feed": {"N1": [event(1, "submitted"), event(2, "approved"), event(2, "approved")]}}, [FEED]),
        ({"heard": [heard(1, "submitted", "A"), heard(2, "approved", "B"), heard(2, "approved", "C")]}, [TOLD]),
        ({"heard": [heard(2, "approved", "B"), heard(1, "submitted", "A")]}, [TOLD]),
        ({"heard": [heard(1, "submitted", "A")]}, [TOLD, BELIEVED]),
        ({"trail": "a root differs"}, ["the trail is whole"]),
        ({"books": Books(receipts={"R1": "jws-1"})}, [ANSWERED]),
    ],
)
def test_what_is_broken_is_seen(change: dict[str, Any], wanted: list[str]) -> None:
    assert broken(**change) == wanted


def test_a_case_on_the_shelf_may_be_unfiled_and_undecided_but_never_untold() -> None:
    shelved = replace(CASE, state="submitted", shelved=True, event_no=1, told=1)
    feed = {"N1": [event(1, "submitted")]}
    change = {"cases": [shelved], "feed": feed, "heard": [heard(1, "submitted", "A")]}
    assert broken(**change, ledgers=ledger(lambda one: one["rows"].clear())) == [FILED]  # of nothing: no promise kept
    assert broken(**change) == []
    assert broken(**{**change, "heard": []}) == [TOLD, BELIEVED]
