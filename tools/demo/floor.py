"""What the stories stand on: the running stack, the bank's counter, and patience.

Must not judge an outcome; the stories do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from mocks.banks.icbc_sim import IcbcBranch
from mocks.banks.samples import bank_ref, sample_submission
from tools.stack import Stack
from tools.stack.stack import OUTLET

_LOOK_EVERY = 0.2
_PERSONS = 10_000_000
T = TypeVar("T")


class Floor:
    """One counter of the bank before a running stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.branch: IcbcBranch = stack.branch()
        self._serial = secrets.randbelow(_PERSONS)  # other people in each run: a database may be used again

    def part(self, item: str, scenario: str = "grant", **more: Any) -> dict[str, Any]:
        """The business part of a submission by another person each time."""
        reference = self.reference()
        return sample_submission(item, OUTLET, bank_ref=reference, scenario=scenario, serial=self._serial, **more)

    def reference(self) -> str:
        """A reference of the bank that was never used."""
        return bank_ref("ICBC", self.person())

    def person(self) -> int:
        """The serial number of somebody who was never here."""
        self._serial += 1
        return self._serial

    def case(self, receipt_no: str) -> dict[str, Any]:
        """The case as its bank sees it now."""
        found: dict[str, Any] = self.branch.query(receipt_no=receipt_no).business.get("case", {})
        return found

    def events(self, receipt_no: str) -> list[dict[str, Any]]:
        """The case's events, as its bank is told them."""
        found: list[dict[str, Any]] = self.branch.query(receipt_no=receipt_no, timeline=True).business.get("events", [])
        return found

    def took(self, receipt_no: str) -> float:
        """Seconds from the first event of the case to its last one."""
        at = [datetime.fromisoformat(event["recorded_at"]) for event in self.events(receipt_no)]
        return (at[-1] - at[0]).total_seconds() if at else 0.0

    def until_state(self, receipt_no: str, state: str, *, within: float = 15.0) -> dict[str, Any]:
        """The case once it is in ``state``; after ``within`` seconds as it is then."""
        return _until(lambda: self.case(receipt_no), lambda case: case.get("state") == state, within)

    def filed(self, receipt_no: str, *, within: float = 10.0) -> dict[str, Any]:
        """What the department's books hold of the receipt, once they hold something."""
        return _until(lambda: self.stack.ledger(receiptNo=receipt_no), lambda books: books["count"] > 0, within)

    def filings(self) -> int:
        """Applications in the department's books."""
        return int(self.stack.ledger()["count"])

    def until(self, holds: Callable[[], bool], *, within: float = 10.0) -> bool:
        """Wait until it holds; False when it does not ``within`` seconds."""
        return _until(holds, bool, within)


def _until(look: Callable[[], T], good: Callable[[T], bool], within: float) -> T:
    end = time.monotonic() + within
    while True:
        found = look()
        if good(found) or time.monotonic() > end:
            return found
        time.sleep(_LOOK_EVERY)
