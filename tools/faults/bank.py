"""A bank under load: counters that file until they are answered, and a back office that follows the feed.

Must not look into the gateway: it knows what its own requests, the feed and the notices told it. A request without an
answer is signed anew and sent again, as every bank does; so whatever counts twice would show.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mocks.banks.act_samples import sample_supplement, sample_withdrawal
from mocks.banks.icbc_sim import Answer, IcbcBranch
from mocks.banks.samples import bank_ref
from tools.faults.courses import SCAN, SCAN_FILE, Follow, Planned

PATIENCE = 180.0  # seconds until a counter gives a request up
_PAUSE = 0.3
_LOOK_EVERY = 1.0
_AGAIN = {"BUSY", "RESULT_UNKNOWN", "TOO_MANY", "TOO_MANY_AT_ONCE"}
_TOO_LATE = {"TOO_LATE", "ILLEGAL_STATE"}
_ACTS = 5_000_000  # serials of the bank's own references for what follows a filing


class GivenUp(RuntimeError):
    """A request that was never answered, or was refused; the text says which."""


@dataclass
class Books:
    """What the bank knows. ``receipts``: by its own reference; ``acts``: what was done to a case, and the answer."""

    receipts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    acts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    sent: int = 0
    unanswered: int = 0
    wrong: list[str] = field(default_factory=list)


class Bank:
    """Counters and back office of one branch system."""

    def __init__(
        self,
        branch: IcbcBranch,
        plans: Sequence[Planned],
        *,
        outlet: str,
        pace: float,
        filed: Callable[[Planned], None],
    ) -> None:
        """``pace``: seconds from one filing to the next, over all counters.

        ``filed`` hears of every plan that has its receipt, from many threads.
        """
        self.books = Books()
        self._branch = branch
        self._outlet = outlet
        self._filed = filed
        self._pace = pace
        self._waiting: queue.SimpleQueue[Planned] = queue.SimpleQueue()
        for one in plans:
            self._waiting.put(one)
        self._plans: dict[str, Planned] = {}  # by receipt number
        self._acted: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._began = 0.0
        self._threads: list[threading.Thread] = []
        self._office = threading.Thread(target=self._follow, name="back-office", daemon=True)

    def open(self, counters: int) -> None:
        """Begin to file at so many counters, and to follow."""
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(counters)]
        for thread in (*self._threads, self._office):
            thread.start()

    @property
    def serving(self) -> bool:
        """True while a counter still has somebody in front of it."""
        return any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """The back office goes home too."""
        self._over.set()
        self._office.join(PATIENCE)

    def call_in(self) -> None:
        """A first contact as banks make each minute: what waits for us may come (operations.md 7)."""
        try:
            self._until_answered(self._branch.echo)
        except GivenUp as error:
            self.books.wrong.append(f"first contact: {error}")

    def feed(self, limit: int = 200) -> dict[str, list[dict[str, Any]]]:
        """Every event of the feed by receipt number, in the feed's order."""
        events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        cursor, more = "", True
        while more:
            page = self._page(cursor, limit)
            for event in page["events"]:
                events[event["receipt_no"]].append(event)
            cursor, more = page["next"], page["more"]
        return events

    # -- counters -----------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0.0, self._began + one.serial * self._pace - time.monotonic()))
            try:
                self._file(one)
            except GivenUp as error:
                self.books.wrong.append(f"{one.ref} ({one.course.name}): {error}")
            self._filed(one)

    def _file(self, one: Planned) -> None:
        part = one.submission(self._outlet)
        if one.course.scan:
            self._bring(part)
        answer = self._until_taken(lambda: self._branch.submit(part))
        with self._lock:
            self.books.receipts[one.ref] = str(answer.business["receipt"])
            self.books.numbers[one.ref] = answer.receipt_no
            self._plans[answer.receipt_no] = one
        if one.course.follow is Follow.WITHDRAW and one.course.scenario != "correct":
            self._withdraw(answer.receipt_no, one)

    def _bring(self, part: Mapping[str, Any]) -> None:
        """The scan goes up before the application; a ticket that was used or lost is asked for anew."""
        wish = {"op": "upload_ticket", "v": "1", "case_ref": part["bank_ref"], "purpose": "material", "material": "M2"}
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ticket = self._until_taken(lambda: self._branch.call("upload_ticket", {**wish, **SCAN_FILE}))
            upload = ticket.business.get("upload")
            if not upload or self._put(str(upload["path"])) in {200, 201, 409}:
                return
            time.sleep(_PAUSE)
        raise GivenUp("the scan was never taken")

    def _put(self, path: str) -> int:
        place = urlsplit(self._branch.base_url)
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=self._branch.timeout)
        try:
            line.request("PUT", path, body=SCAN, headers={"Content-Type": "application/pdf"})
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            line.close()

    # -- back office --------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        cursor = ""
        while not self._over.is_set():
            try:
                page = self._page(cursor, 200)
            except GivenUp as error:
                self.books.wrong.append(f"the feed: {error}")
                continue
            cursor = page["next"]
            for event in page["events"]:
                self._act_on(event)
            if not page["more"]:
                self._over.wait(_LOOK_EVERY)

    def _act_on(self, event: Mapping[str, Any]) -> None:
        number = str(event["receipt_no"])
        one = self._plans.get(number)
        if event["state"] != "correction" or number in self._acted or one is None:
            return
        self._acted.add(number)
        try:
            if one.course.follow is Follow.SUPPLEMENT:
                self._supplement(number, one)
            elif one.course.follow is Follow.WITHDRAW:
                self._withdraw(number, one)
        except GivenUp as error:
            self.books.wrong.append(f"{number} ({one.course.name}): {error}")

    def _supplement(self, number: str, one: Planned) -> None:
        case = self._until_taken(lambda: self._branch.query(receipt_no=number)).business["case"]
        asks = case.get("asks") or []
        if not asks:
            raise GivenUp("in correction, and nothing is asked")
        part = sample_supplement(
            self._outlet,
            bank_ref=bank_ref("ICBC", _ACTS + one.serial),
            receipt_no=number,
            ask_no=asks[0]["ask_no"],
            form={"remark": "已按要求更正"},
        )
        self._until_taken(lambda: self._branch.call("supplement", part))
        self.books.acts[number].append("supplement")

    def _withdraw(self, number: str, one: Planned) -> None:
        part = sample_withdrawal(self._outlet, bank_ref=bank_ref("ICBC", _ACTS + one.serial), receipt_no=number)
        answer = self._until_answered(lambda: self._branch.call("withdraw", part))
        if not answer.ok and answer.reason not in _TOO_LATE:
            raise GivenUp(f"the withdrawal was refused: {answer.reason} {answer.return_msg}")
        self.books.acts[number].append("withdraw" if answer.ok else "too late")

    def _page(self, cursor: str, limit: int) -> Mapping[str, Any]:
        return self._until_taken(lambda: self._branch.changes(cursor, limit=limit)).business

    # -- until an answer comes ----------------------------------------------------------------------------------------

    def _until_taken(self, ask: Callable[[], Answer]) -> Answer:
        answer = self._until_answered(ask)
        if not answer.ok:
            raise GivenUp(f"refused: {answer.reason or answer.raw[:200]!r} {answer.return_msg}")
        return answer

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer:
        """Ask, signed anew each time, until the gateway has said something that stands. Raises ``GivenUp``."""
        end = time.monotonic() + PATIENCE
        last = "no answer"
        while time.monotonic() < end:
            with self._lock:
                self.books.sent += 1
            try:
                answer = ask()
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
            else:
                if answer.signature_ok and answer.reason not in _AGAIN:
                    return answer
                last = answer.reason or f"HTTP {answer.http_status}, not signed"
            with self._lock:
                self.books.unanswered += 1
            time.sleep(_PAUSE)
        raise GivenUp(f"never answered within {PATIENCE:g} s, last: {last}")
