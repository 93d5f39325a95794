"""Mistakes in the lists, the network, the common blocks and the bundle; and files that are no YAML at all."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from gateway.catalogue.loader import HERE, load, problems
from gateway.catalogue.problem import Sheet, nearest
from gateway.catalogue.yaml_marks import read
from gateway.domain.errors import BadCatalogue

LICENCE = "depends_on: []\n  optional: false"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the shipped files that a test may break."""
    for part in ("data", "items", "sandbox"):
        shutil.copytree(HERE / part, tmp_path / "catalogue" / part)
    return tmp_path / "catalogue"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old} is not in {path.name}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# file below data/, old, new with ¦ at the place, part of what
DATA_CASES = [
    ("outlets.yaml", "bank: ICBC\n", "bank: ¦ICBX\n", "unknown bank ICBX"),
    ("outlets.yaml", "street: '440304011'\n", "street: ¦'440304003'\n", "unknown street 440304003"),
    ("outlets.yaml", "slip_no: '03'", "slip_no: ¦'01'", "slip_no 01 stands twice (first on line"),
    ("outlets.yaml", "slip_no: '03'", "slip_no: ¦'0I'", "slip_no 0I cannot stand in a number"),
    ("outlets.yaml", "code: ICBC-FT-03\n", "code: ¦ICBC-FT-02\n", "code ICBC-FT-02 stands twice"),
    ("outlets.yaml", "street_name: 华强北街道", "street_name: ¦福田街道", "street 440304011 has another name"),
    ("outlets.yaml", "mon_fri: '09:00-17:00'", "mon_fri: ¦'17:00-09:00'", "are no opening hours"),
    ("outlets.yaml", "lat: '22.5352'", "lat: ¦22.5352", "22.5352 is read as a decimal"),
    ("outlets.yaml", "site: HALL-FT-03", "site: ¦HALL-FT-33", "unknown site HALL-FT-33"),
    ("domains.yaml", "code: CIV", "code: ¦EDU", "domain EDU stands twice"),
    ("modes.yaml", "en: 'automatic", "eng: 'automatic", "mode has no en"),
    ("sla.yaml", "every_max: 300}", "every_max: ¦3}", "every_max 3 is below every 15"),
    ("doc_types.yaml", "check: uscc_mod31", "check: ¦uscc_mod13", "unknown check uscc_mod13"),
    ("doc_types.yaml", "patterns: ['^8[12]0000", "patterns: [¦'^8(120000", "cannot be compiled"),
    ("rule_shapes.yaml", "code: differs", "code: ¦differ", "unknown rule shape (a new one is a change of code) differ"),
    ("conditions.yaml", "code: filled", "code: ¦full", "unknown condition (a new one is a change of code) full"),
    ("meta.yaml", "items: 100", "items: 101", "100 items are there, counts.items says 101"),
    ("meta.yaml", "domains: 5", "domains: ¦6", "5 domains are listed"),
    (
        "applicant.yaml",
        "field: uscc_absent_reason",
        "field: ¦uscc_absent",
        "field uscc_absent is no field of this form",
    ),
    ("delegation.yaml", "path: agent.phone", "pat: agent.phone", "field of the delegation record has no path"),
    ("delegation.yaml", "name: delivery_mode", "name: delivery_mod", "field delivery_mode is no field of this form"),
    ("bundles/FT-BIZ-SETUP.yaml", LICENCE, LICENCE.replace("[]", "[¦FT-BIZ-LIZ]"), "unknown step FT-BIZ-LIZ"),
    ("bundles/FT-BIZ-SETUP.yaml", LICENCE, LICENCE.replace("[]", "¦[FT-BIZ-SEAL]"), "steps wait in a circle"),
    ("bundles/FT-BIZ-SETUP.yaml", "order: 2", "order: ¦1", "order 1, but it depends on FT-BIZ-LIC of order 1"),
    ("bundles/FT-BIZ-SETUP.yaml", "inputs: [uscc,", "inputs: [¦usc,", "unknown output of an earlier step usc"),
    ("bundles/FT-BIZ-SETUP.yaml", "shared_fields: [company_name,", "shared_fields: [¦company,", "unknown shared field"),
    ("bundles/FT-BIZ-SETUP.yaml", "fills: seals.record_no", "fills: ¦seals.kind", "is no column with output: true"),
    ("bundles/FT-BIZ-SETUP.yaml", "produced_by: FT-BIZ-LIC", "produced_by: FT-BIZ-LIX", "is no other step"),
    ("bundles/FT-BIZ-SETUP.yaml", "  seals:\n", "  ¦sealz:\n", "sealz is no field type"),
    ("bundles/FT-BIZ-SETUP.yaml", "outlet: CMB-FT-01", "outlet: ¦ICBC-FT-01", "unknown outlet ICBC-FT-01"),
    ("bundles/FT-BIZ-SETUP.yaml", "checked: [before_start", "checked: [¦before_begin", "unknown moment before_begin"),
]


@pytest.mark.parametrize(("file", "old", "new", "what"), DATA_CASES, ids=[case[3] for case in DATA_CASES])
def test_a_mistake_in_the_lists_is_found_at_its_place(root: Path, file: str, old: str, new: str, what: str) -> None:
    path = root / "data" / file
    edit(path, old, new)
    text = path.read_text(encoding="utf-8")
    before, mark, after = text.partition("¦")
    path.write_text(before + after, encoding="utf-8")
    matching = [p for p in problems(root=root) if what in p.what and p.file.endswith(file)]
    assert matching, [str(p) for p in problems(root=root)]
    if mark:
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        assert place in [(p.line, p.column) for p in matching]


def test_a_missing_item_is_missed_in_all_and_in_its_domain(root: Path) -> None:
    (root / "items" / "FT-EDU-007.yaml").unlink()
    assert [problem.what for problem in problems(root=root)] == [
        "99 items are there, counts.items says 100",
        "domain EDU holds 19 items, counts.per_domain says 20",
    ]


def test_a_missing_list_is_said_and_nothing_is_loaded(root: Path) -> None:
    (root / "data" / "departments.yaml").unlink()
    (problem,) = problems(root=root)
    assert problem.file.endswith("departments.yaml")
    assert "cannot be read" in problem.what
    with pytest.raises(BadCatalogue):
        load(root=root)


@pytest.mark.parametrize(
    ("content", "line", "column", "what"),
    [
        (b"", 1, 1, "the file is empty"),
        (b"- a\n", 1, 1, "the file is not a mapping"),
        (b"a: 1\n---\nb: 2\n", 2, 1, "not YAML: but found another document"),
        (b"a: x\nb: \x01\n", 2, 4, "not text: control characters are not allowed"),
        (b"a: x\nb: \xff\n", 2, 4, "not text: invalid leading UTF-8 octet"),
        (b"a: x\nb: *a\n", 2, 4, "alias *a"),
        (b"a: &x [1]\n", 1, 4, "anchor &x"),
        (b"? [a]\n: b\n", 1, 3, "a key that is a list or a mapping"),
        (b"a: 1e3\n", 1, 4, "1e3 looks like a number but is read as text"),
        (b"a: 0x1F\n", 1, 4, "0x1F is read as the number of another base or with digits grouped"),
        (b"a: !!python/object:x.Y {}\n", 1, 4, "tag tag:yaml.org,2002:python/object:x.Y"),
        (b"<<: {a: 1}\n", 1, 1, "key << is read by YAML as no text"),
    ],
)
def test_yaml_that_is_not_plain_is_refused_with_its_place(content: bytes, line: int, column: int, what: str) -> None:
    sheet = Sheet("x.yaml")
    read(content, sheet)
    assert [(p.line, p.column, p.what) for p in sheet.problems] == [(line, column, what)]


def test_an_alias_bomb_is_refused_before_anything_is_walked() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    sheet = Sheet("bomb.yaml")
    assert read("\n".join(lines).encode(), sheet) is None
    assert any(problem.what == "alias *a0" for problem in sheet.problems)


def test_deep_nesting_is_a_problem_and_not_a_crash() -> None:
    sheet = Sheet("deep.yaml")
    assert read(b"a: " + b"[" * 3000 + b"]" * 3000, sheet) is None
    assert len(sheet.problems) == 1


def test_quoted_text_that_looks_like_a_reference_is_text() -> None:
    sheet = Sheet("x.yaml")
    assert read(b"a: 'x & *y'\n", sheet) == {"a": "x & *y"}
    assert sheet.problems == []


def test_the_nearest_word_is_offered_or_else_the_list() -> None:
    assert nearest("benefits", ["benefit", "licence"]) == "write benefit"
    assert nearest("zzz", ["benefit", "licence"]) == "write one of benefit, licence"
    assert nearest("zzz", []) == "leave it out: there is nothing to name here"


@pytest.mark.parametrize("seed", range(6))
def test_however_a_file_is_mangled_the_answer_is_a_list_of_problems(root: Path, seed: int) -> None:
    dice = random.Random(seed)
    words = ["null", "5", "[]", "{}", "x", "true", "'0'", "[a, 1]", "{a: 1}", "''"]
    files = [*(root / "data").rglob("*.yaml"), *(root / "items").glob("FT-H*.yaml")]
    for path in dice.sample(sorted(files), 25):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number in dice.sample(range(len(lines)), min(3, len(lines))):
            key, colon, _ = lines[number].partition(": ")
            if "{" not in key:
                lines[number] = f"{key}{colon}{dice.choice(words)}"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = problems(root=root)
    assert found
    assert all(problem.line >= 1 and problem.what and problem.instead for problem in found)
    with pytest.raises(BadCatalogue):
        load(root=root)
