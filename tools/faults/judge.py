"""The truth after a campaign: four promises, held against the books of everybody (docs/faults.md).

Must not forgive and must not guess: each promise lists what breaks it, by receipt number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.faults.bank import Books
from tools.faults.house import FINAL, Case


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised, of how many, and what broke it."""

    text: str
    of: int
    broken: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """True when nothing broke it. A promise about nothing is not kept."""
        return self.of > 0 and not self.broken


def judge(
    books: Books,
    cases: Sequence[Case],
    *,
    ledgers: Sequence[Mapping[str, Any]],
    feed: Mapping[str, Sequence[Mapping[str, Any]]],
    heard: Sequence[Mapping[str, Any]],
    trail: str,
) -> list[Promise]:
    """All promises. ``ledgers``: each department's books; ``heard``: every notice as the bank noted it.

    ``trail``: "" when the trail was verified, else what was wrong with it.
    """
    return [
        Promise("every request of the bank was answered in the end", books.sent, tuple(books.wrong)),
        Promise("no accepted case is lost", len(books.receipts), tuple(_lost(books, cases))),
        Promise("no case is filed twice", *_filed(cases, ledgers)),
        Promise("no case is stuck outside the shelf", len(cases), tuple(_stuck(cases))),
        Promise("the feed tells every event once, in order", *_fed(cases, feed)),
        Promise("every notice has one effect, in order", *_told(cases, heard)),
        Promise("the bank believes every case's own state", len(cases), tuple(_believed(cases, feed, heard))),
        Promise("the trail is whole", 1, (trail,) if trail else ()),
    ]


def _lost(books: Books, cases: Sequence[Case]) -> list[str]:
    """Accepted means: the bank holds a receipt, and it is the receipt of one case."""
    held = Counter(case.bank_ref for case in cases)
    receipts = {case.bank_ref: case.receipt for case in cases}
    wrong = [f"{ref}: {times} cases" for ref, times in held.items() if times != 1]
    wrong += [
        f"{ref}: another receipt than given" for ref, given in books.receipts.items() if receipts.get(ref) != given
    ]
    return wrong + [f"{ref}: a case without a receipt at the bank" for ref in receipts if ref not in books.receipts]


def _filed(cases: Sequence[Case], ledgers: Sequence[Mapping[str, Any]]) -> tuple[int, tuple[str, ...]]:
    """Once in the department's books; not at all only when it waits for a person."""
    times = Counter(str(row["receiptNo"]) for ledger in ledgers for row in ledger["rows"])
    known = {case.receipt_no: case for case in cases}
    wrong = [f"{number}: filed {count} times" for number, count in times.items() if count != 1]
    wrong += [f"{name}: twice in the department's own check" for ledger in ledgers for name in _doubles(ledger)]
    wrong += [f"{number}: filed, and no case of ours" for number in times if number not in known]
    wrong += [
        f"{number}: {case.state}, never filed"
        for number, case in known.items()
        if not times[number] and not case.shelved and case.state != "withdrawn"
    ]
    return sum(times.values()), tuple(wrong)


def _doubles(ledger: Mapping[str, Any]) -> list[str]:
    return [str(name) for kind in ("duplicateCallIds", "duplicateReceipts") for name in ledger.get(kind, ())]


def _stuck(cases: Sequence[Case]) -> list[str]:
    return [f"{c.receipt_no}: {c.state}, {c.open_work} still moving" for c in cases if not c.settled]


def _fed(cases: Sequence[Case], feed: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[int, tuple[str, ...]]:
    wrong = []
    for case in cases:
        numbers = [int(event["event_no"]) for event in feed.get(case.receipt_no, ())]
        if numbers != list(range(1, case.event_no + 1)):
            wrong.append(f"{case.receipt_no}: {numbers}, not 1 to {case.event_no}")
    return sum(len(events) for events in feed.values()), tuple(wrong)


def _told(cases: Sequence[Case], heard: Sequence[Mapping[str, Any]]) -> tuple[int, tuple[str, ...]]:
    """Repeats are allowed when they carry the same number and the same words; order and wholeness are not optional."""
    taken: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in heard:
        if row["taken"] and row["event"].get("receipt_no"):
            taken[row["event"]["receipt_no"]].append(row)
    wrong = []
    for case in cases:
        rows = taken.get(case.receipt_no, [])
        names: dict[int, set[str]] = defaultdict(set)
        words: dict[int, set[str]] = defaultdict(set)
        first: list[int] = []
        for row in rows:
            number = int(row["event"]["event_no"])
            if number not in names:
                first.append(number)
            names[number].add(row["notice_id"])
            words[number].add(repr(sorted(row["event"].items())))
        if first != list(range(1, case.event_no + 1)):
            wrong.append(f"{case.receipt_no}: told {first}, not 1 to {case.event_no}")
        wrong += [f"{case.receipt_no}: event {n} under {len(ids)} numbers" for n, ids in names.items() if len(ids) > 1]
        wrong += [f"{case.receipt_no}: event {n} in {len(w)} versions" for n, w in words.items() if len(w) > 1]
    return sum(len(rows) for rows in taken.values()), tuple(wrong)


def _believed(
    cases: Sequence[Case], feed: Mapping[str, Sequence[Mapping[str, Any]]], heard: Sequence[Mapping[str, Any]]
) -> list[str]:
    """The last word by each way is the state the case has, and it is final unless the case is on the shelf."""
    by_notice: dict[str, Mapping[str, Any]] = {}
    for row in heard:
        number = row["event"].get("receipt_no", "")
        if (
            row["taken"]
            and number
            and int(row["event"]["event_no"]) > int(by_notice.get(number, {}).get("event_no", 0))
        ):
            by_notice[number] = row["event"]
    wrong = []
    for case in cases:
        events = feed.get(case.receipt_no) or [{}]
        said = {"the feed": events[-1].get("state"), "notices": by_notice.get(case.receipt_no, {}).get("state")}
        wrong += [
            f"{case.receipt_no}: {way}: {state}, not {case.state}" for way, state in said.items() if state != case.state
        ]
        if not case.shelved and case.state not in FINAL:
            wrong.append(f"{case.receipt_no}: {case.state} is not final")
    return wrong
