"""What judges of values write on, and what a judge is.

A judge is a closure built once and kept: it looks at one value, notes what is wrong and gives back the typed value.
Must not know where in a request a value stands: paths grow outwards, from the judge to the block around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from gateway.domain.errors import Problem
from gateway.domain.reasons import FieldCode

Finding = tuple[str, FieldCode, str]  # path below the value, code, Chinese message

# judge(value, notes, siblings): the typed value, or None where there is none. Siblings: the raw members beside it.
Judge = Callable[[object, "Notes", Mapping[str, Any]], Any]

MAX_PROBLEMS = 200  # a form blob may hold ten thousand bad rows; nobody reads more than this


class Notes:
    """The sheet of one check: the day it happens on (Beijing) and everything found wrong so far.

    ``latest`` is the last moment that is not yet the future, for times that must lie in the past.
    """

    __slots__ = ("latest", "problems", "today")

    def __init__(self, today: date, latest: datetime | None = None) -> None:
        self.today = today
        self.latest = latest
        self.problems: list[Finding] = []

    def say(self, code: FieldCode, message: str, at: str = "") -> None:
        """One thing wrong, ``at`` a path below the value being judged."""
        self.problems.append((at, code, message))

    def place(self, before: int, name: str) -> None:
        """Put ``name`` before the paths of everything noted since there were ``before`` problems."""
        problems = self.problems
        for index in range(before, len(problems)):
            at, code, message = problems[index]
            problems[index] = (join(name, at), code, message)

    def settled(self) -> tuple[Problem, ...]:
        """Everything found, in the order it was found."""
        return tuple(Problem(at, code, message) for at, code, message in self.problems[:MAX_PROBLEMS])


def join(name: str, at: str) -> str:
    """``name`` with a path below it: ``rows`` and ``[0].col`` give ``rows[0].col``."""
    if not at:
        return name
    return name + at if at[0] == "[" else f"{name}.{at}"
