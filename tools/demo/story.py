"""A story of the demo: what it wants, what came of it. Must not know how the product is started or shown."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mocks.banks.icbc_sim import Answer
from tools.demo.floor import Floor

MANY = 99
Span = tuple[int, int]
Say = Callable[[str], None]


class Unexpected(Exception):
    """An outcome that ends its story: what came instead of what was wanted."""


@dataclass(slots=True)
class Row:
    """One line of the table at the end. ``wrong`` holds every outcome that was not the expected one.

    ``steps``: how often a step of the case's way through the trail may occur (least, most).
    """

    title: str
    item: str = ""
    receipt_no: str = ""
    receipt: str = ""
    path: str = ""
    seconds: float = 0.0
    filings: int = 0
    steps: Mapping[str, Span] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    over: bool = False

    def want(self, holds: bool, otherwise: str) -> None:
        """Note ``otherwise`` unless it holds; the story goes on."""
        if not holds:
            self.wrong.append(otherwise)

    def need(self, holds: bool, otherwise: str) -> None:
        """As ``want``, but without it the story makes no sense. Raises ``Unexpected``."""
        if not holds:
            raise Unexpected(otherwise)

    def filed(self, answer: Answer, **steps: Span) -> dict[str, Any]:
        """The case of an accepted submission, now this row's. Raises ``Unexpected`` for any other answer."""
        self.need(answer.signature_ok, "the answer's signature does not hold")
        self.need(answer.ok, f"refused: {answer.reason} {answer.return_msg}")
        self.receipt_no, self.receipt = answer.receipt_no, str(answer.business.get("receipt", ""))
        self.seconds = answer.milliseconds / 1000
        self.filings, self.steps = 1, steps
        self.want(answer.business.get("repeat") is False, "a new case was called a repeat")
        case: dict[str, Any] = answer.business["case"]
        self.item = case["item"]
        return case

    def refused(self, answer: Answer, reason: str) -> None:
        """Note it unless the answer is a signed refusal for this reason."""
        self.want(answer.signature_ok, f"{reason}: the refusal's signature does not hold")
        self.want(answer.reason == reason, f"{reason} was expected, {answer.reason or 'no reason'} came")

    @property
    def good(self) -> bool:
        """True once it is over and nothing was wrong."""
        return self.over and not self.wrong


Story = Callable[[Floor, Row], Iterator[None]]
"""Tells a story; every ``yield`` says "now I only wait, others may begin"."""


def play(stories: Sequence[tuple[str, Story]], floor: Floor, *, told: Callable[[Row], None]) -> list[Row]:
    """Begin all stories in order, then end those that wait, in order. ``told`` hears of each that is over."""
    waiting: list[tuple[Row, Iterator[None]]] = []
    rows = []
    for title, story in stories:
        row = Row(title)
        rows.append(row)
        telling = story(floor, row)
        if _goes_on(row, telling):
            waiting.append((row, telling))
        else:
            told(row)
    for row, telling in waiting:
        while _goes_on(row, telling):
            pass
        told(row)
    return rows


def _goes_on(row: Row, telling: Iterator[None]) -> bool:
    try:
        next(telling)
    except StopIteration:
        row.over = True
        return False
    except Unexpected as error:
        row.wrong.append(str(error))
    except (OSError, http.client.HTTPException) as error:
        row.wrong.append(f"no answer: {error!r}")
    except Exception as error:  # an answer of another shape must not hide the other stories
        row.wrong.append(f"{type(error).__name__}: {error}")
    else:
        return True
    row.over = True
    return False
