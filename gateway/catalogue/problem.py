"""What is wrong with the catalogue's files: one problem each, with its place and what to write instead.

Must not decide what is wrong: readers do, and note it on the sheet of their file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple


class Mark(NamedTuple):
    """A place in a file; line and column count from 1."""

    line: int
    column: int


TOP = Mark(1, 1)


@dataclass(frozen=True, slots=True)
class CatalogueProblem:
    """One thing to mend: ``instead`` is a whole phrase that begins with a verb ("write …", "put quotes …")."""

    file: str
    line: int
    column: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.what}; {self.instead}"


@dataclass(slots=True)
class Sheet:
    """The problems of one file, in the order they were seen."""

    file: str
    problems: list[CatalogueProblem] = field(default_factory=list)

    def add(self, at: Mark, what: str, instead: str) -> None:
        """Note one problem at a place of this file."""
        self.problems.append(CatalogueProblem(self.file, at.line, at.column, what, instead))


def nearest(word: str, words: Iterable[str], *, limit: int = 20) -> str:
    """What to write instead of an unknown word: the likeliest one, else the whole list, cut at ``limit`` words."""
    known = sorted(set(words))
    close = get_close_matches(word, known, n=1)
    if close:
        return f"write {close[0]}"
    if not known:
        return "leave it out: there is nothing to name here"
    return f"write one of {', '.join(known[:limit])}{' …' if len(known) > limit else ''}"
