"""Papers that keep up with the code: decisions in their form, links that lead somewhere, modules one can read.

Must not judge wording.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADR = ROOT / "docs/adr"
DECISIONS = sorted(ADR.glob("[0-9]*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
PEERS = [p for room in ("adapters", "backends") for p in (ROOT / "gateway" / room).rglob("README.md")]
PAPERS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *PEERS})


def _anchor(heading: str) -> str:
    """What a heading is called in a link, as Markdown viewers do it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_there_is_a_front_page() -> None:
    assert (ROOT / "README.md").is_file()


@pytest.mark.parametrize("path", DECISIONS, ids=lambda p: p.stem)
def test_a_decision_has_context_decision_status_and_consequences(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[:4] == ["Context", "Decision", "Status", "Consequences"]
    assert re.match(rf"# {int(path.name[:4])}\. \S", text), "the title carries the number of the file"
    assert "| for | against |" in text, "the consequences weigh pros and cons in a table"


def test_decisions_are_numbered_without_gap_and_indexed() -> None:
    assert DECISIONS, "there are decisions"
    assert [int(p.name[:4]) for p in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    index = (ADR / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in DECISIONS if f"]({p.name})" not in index] == []


@pytest.mark.parametrize("path", PAPERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_between_papers_lead_somewhere(path: Path) -> None:
    dead = []
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            dead.append(target)
        elif anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            if anchor not in {_anchor(h) for h in headings}:
                dead.append(target)
    assert dead == []


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.strip() and not (ast.get_docstring(ast.parse(text)) or "").strip():
            silent.append(path.relative_to(ROOT).as_posix())
    assert silent == []


def test_a_module_over_400_lines_gives_its_reason() -> None:
    long = []
    for top in ("gateway", "mocks", "tools"):  # a long file of tests is a list of sentences
        for path in sorted((ROOT / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if text.count("\n") > 400 and "reason:" not in (ast.get_docstring(ast.parse(text)) or "").lower():
                long.append(f"{path.relative_to(ROOT)} ({text.count(chr(10))} lines)")
    assert long == []


def test_the_make_targets_the_papers_speak_of_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    spoken = {
        (path.name, word)
        for path in PAPERS
        for word in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))
    }
    assert {pair for pair in spoken if pair[1] not in targets} == set()
