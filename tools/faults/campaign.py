"""One campaign: the whole house on simulators, a bank that files, trouble meanwhile, and then the truth.

Must not decide what is right; ``judge`` does.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mocks.faults import Fault
from tools.faults.bank import Bank
from tools.faults.courses import Planned, plan
from tools.faults.house import Case, House
from tools.faults.judge import Promise, judge
from tools.faults.trouble import LEASE_MARGIN, Trouble
from tools.stack import Stack
from tools.stack.stack import GATEWAY, OUTLET

DEADLINE = 1.5  # seconds of one call to a department; a lease is ten seconds longer
_SLOW = 2.5  # seconds of a slow answer: longer than the deadline
_DECIDE_AFTER = 1.0
_LOOK_EVERY = 1.0
_CALL_IN_EVERY = 10.0
KINDS = tuple(kind.value for kind in Fault)


@dataclass(frozen=True, slots=True)
class Order:
    """What a campaign is to be. ``workers`` 0 = one embedded gateway that does everything.

    ``rate``: share of requests that go wrong, at the departments and at the bank's receiver of notices.
    ``storm``: seconds over which the filings are spread. ``pause``: seconds between two kills, and between two freezes,
    least and most. ``patience``: seconds until all must be settled
    once the peers are well again.
    """

    cases: int = 1000
    rate: float = 0.3
    counters: int = 8
    workers: int = 2
    seed: int = 0
    storm: float = 180.0
    pause: tuple[float, float] = (2.0, 8.0)
    patience: float = 600.0


@dataclass(frozen=True, slots=True)
class Now:
    """How far it is: what the progress line shows."""

    filed: int
    settled: int
    told: int
    of: int
    moments: int


@dataclass
class Outcome:
    """What came of it. ``seconds`` by stretch; ``drawn``: faults that were really staged, by peer and kind."""

    order: Order
    promises: list[Promise] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    moments: Counter[str] = field(default_factory=Counter)
    drawn: dict[str, Mapping[str, int]] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    courses: Counter[str] = field(default_factory=Counter)
    shelved: list[Case] = field(default_factory=list)
    requests: tuple[int, int] = (0, 0)  # sent by the bank, without an answer that stood
    parked_notices: int = 0

    @property
    def good(self) -> bool:
        """True when every promise was kept."""
        return bool(self.promises) and all(promise.kept for promise in self.promises)


def run(
    order: Order, folder: Path, *, database_url: str | None, see: Callable[[Now], None], say: Callable[[str], None]
) -> Outcome:
    """The whole campaign in ``folder`` (new or empty). Raises ``NotUp`` when the house does not come up."""
    chance = random.Random(order.seed)
    plans = plan(order.cases, chance)
    with Stack(
        folder,
        database_url=database_url,
        embedded=not order.workers,
        workers=order.workers,
        department_deadline=DEADLINE,
        decide_after=_DECIDE_AFTER,
        slow_seconds=_SLOW,
        bureau=True,
        told=True,
        say=say,
    ) as stack:
        house = House(stack.database_url)
        try:
            return _Campaign(order, stack, house, plans, chance, see=see, say=say).run()
        finally:
            house.close()


class _Campaign:
    def __init__(
        self,
        order: Order,
        stack: Stack,
        house: House,
        plans: Sequence[Planned],
        chance: random.Random,
        *,
        see: Callable[[Now], None],
        say: Callable[[str], None],
    ) -> None:
        self._order, self._stack, self._house, self._plans, self._chance = order, stack, house, plans, chance
        self._see, self._say = see, say
        self._outcome = Outcome(order, courses=Counter(one.course.name for one in plans))
        self._filed = 0
        pace = order.storm / order.cases
        self._bank = Bank(stack.branch(timeout=6.0), plans, outlet=OUTLET, pace=pace, filed=self._count)
        victims = [GATEWAY, *(f"worker-{n + 1}" for n in range(order.workers))]
        self._trouble = Trouble(stack, victims, chance, freeze=DEADLINE + LEASE_MARGIN, pause=order.pause)

    def run(self) -> Outcome:
        out = self._outcome
        self._storm()
        self._calm()
        self._say("asking everybody for their books")
        began = time.monotonic()
        cases, books = self._house.cases(), self._bank.books
        books.wrong += [f"did not come up again: {text}" for text in self._trouble.failed]
        out.promises = judge(
            books,
            cases,
            ledgers=[self._stack.ledger(), self._stack.of_bureau("ledger")],
            feed=self._bank.feed(),
            heard=self._stack.heard()["heard"],
            trail=self._trail(),
        )
        out.seconds["the books"] = time.monotonic() - began
        out.moments = self._trouble.counted
        out.states = Counter(case.state for case in cases)
        out.shelved = [case for case in cases if case.shelved]
        out.requests = (books.sent, books.unanswered)
        out.parked_notices = self._house.parked_notices()
        return out

    def _storm(self) -> None:
        """The bank files while everything goes wrong."""
        self._say("filing, with faults, kills and freezes")
        began = time.monotonic()
        self._stage(rate=self._order.rate, kinds=list(KINDS), drip_seconds=0.02)
        self._bank.open(self._order.counters)
        self._trouble.begin()
        while self._bank.serving:
            self._look()
        self._trouble.end()
        self._outcome.seconds["the storm"] = time.monotonic() - began
        self._outcome.drawn = {
            "department": self._stack.control("faults")["drawn"],
            "education bureau": self._stack.of_bureau("faults")["drawn"],
            "bank's receiver": self._stack.of_bank("faults")["drawn"],
        }

    def _calm(self) -> None:
        """The peers are well again: everything must come to its end by itself."""
        self._say("peers are well again; waiting for the end of every case")
        began = called_in = time.monotonic()
        self._stage()
        self._bank.call_in()
        while time.monotonic() < began + self._order.patience:
            now = self._look()
            if now.settled == now.told == now.of:
                break
            if time.monotonic() > called_in + _CALL_IN_EVERY:
                called_in = time.monotonic()
                self._bank.call_in()
        self._bank.close()
        self._outcome.seconds["until all was settled"] = time.monotonic() - began

    def _stage(self, **faults: Any) -> None:
        peers = (self._stack.control, self._stack.of_bureau, self._stack.of_bank)
        for tell in peers:
            tell("faults", {**faults, "seed": self._chance.randrange(1_000_000)} if faults else {})

    def _look(self) -> Now:
        cases = self._house.cases()
        now = Now(
            filed=self._filed,
            settled=sum(case.settled for case in cases),
            told=sum(case.told >= case.event_no for case in cases),
            of=len(self._plans),
            moments=sum(self._trouble.counted.values()),
        )
        self._see(now)
        time.sleep(_LOOK_EVERY)
        return now

    def _count(self, _one: Planned) -> None:
        self._filed += 1

    def _trail(self) -> str:
        done = self._stack.cli("audit", "verify")
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-400:]
