"""What a campaign files, and what the customer does afterwards. Pure; must not send anything.

The department's simulators decide by the scenario that stands in a sandbox item's form, or by the applicant's
telephone number (mocks/README.md).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mocks.banks.samples import bank_ref, sample_submission, school_leave_submission

SCAN = b"%PDF-1.4\n% a paper, scanned at the counter\n" + b"0 0 0 rg 12 12 40 40 re f\n" * 400
SCAN_FILE = {
    "digest": "sha256:" + hashlib.sha256(SCAN).hexdigest(),
    "size": str(len(SCAN)),
    "type": "application/pdf",
}
_BANK = "ICBC"


class Follow(StrEnum):
    """What the customer does once the case is filed."""

    NOTHING = "waits"
    SUPPLEMENT = "answers a correction"
    WITHDRAW = "withdraws"


@dataclass(frozen=True, slots=True)
class Course:
    """One kind of case. ``weight``: how often, beside the others."""

    name: str
    item: str
    scenario: str
    weight: int
    follow: Follow = Follow.NOTHING
    scan: bool = False


COURSES: tuple[Course, ...] = (
    Course("decided at once", "FT-SBX-001", "grant", 14),
    Course("called back, granted", "FT-SBX-002", "grant", 14),
    Course("polled, granted", "FT-SBX-003", "grant", 10),
    Course("called back, refused", "FT-SBX-004", "refuse", 8),
    Course("answer lost", "FT-SBX-002", "lost", 8),
    Course("answer is an HTML page", "FT-SBX-003", "garbage", 8),
    Course("every callback twice", "FT-SBX-002", "twice", 8),
    Course("callbacks out of order", "FT-SBX-004", "out_of_order", 8),
    Course("corrected and granted", "FT-SBX-004", "correct", 8, Follow.SUPPLEMENT),
    Course("withdrawn in correction", "FT-SBX-002", "correct", 5, Follow.WITHDRAW),
    Course("withdrawn while it moves", "FT-SBX-002", "grant", 4, Follow.WITHDRAW),
    Course("school leave with a scan", "FT-EDU-006", "", 5, scan=True),
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One case of a campaign, before it is filed. ``serial`` names the applicant and the bank's reference."""

    serial: int
    course: Course

    @property
    def ref(self) -> str:
        """The bank's own reference."""
        return bank_ref(_BANK, self.serial)

    def submission(self, outlet: str) -> dict[str, Any]:
        """The business part of ``submit``; always the same for one plan and one minute."""
        if self.course.scan:
            return school_leave_submission(outlet, bank_ref=self.ref, serial=self.serial, scan=SCAN_FILE)
        return sample_submission(
            self.course.item, outlet, bank_ref=self.ref, scenario=self.course.scenario, serial=self.serial
        )


def plan(count: int, chance: random.Random) -> list[Planned]:
    """So many cases, drawn by weight; every course occurs once before chance begins (where ``count`` allows)."""
    drawn: Iterator[Course] = iter(chance.choices(COURSES, [course.weight for course in COURSES], k=count))
    first = list(COURSES[:count])
    courses = first + [next(drawn) for _ in range(count - len(first))]
    chance.shuffle(courses)
    return [Planned(serial, course) for serial, course in enumerate(courses, start=1)]
