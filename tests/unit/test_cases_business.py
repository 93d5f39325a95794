"""References, items in force and small questions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.cases.business import bank_ref_problems, item_of, member_problems
from gateway.domain.reasons import FieldCode, WarningCode
from tests.builders import read_catalogue

TODAY = date(2026, 11, 23)
SBX = frozenset({"FT_SBX"})


@pytest.mark.parametrize("days", range(-3, 4))
def test_a_reference_may_be_three_days_off(days: int) -> None:
    assert bank_ref_problems(f"{TODAY + timedelta(days=days):%Y%m%d}ICBC0001", TODAY) == []


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("", FieldCode.MISSING),
        ("20261123", FieldCode.BAD_FORMAT),
        ("20261123abc", FieldCode.BAD_FORMAT),
        ("20261123" + "x" * 33, FieldCode.BAD_FORMAT),
        ("20261123ICBC 01", FieldCode.BAD_FORMAT),
        ("20261123ICBC0001\n", FieldCode.BAD_FORMAT),
        ("２０２６1123ICBC0001", FieldCode.BAD_FORMAT),
        ("20261131ICBC0001", FieldCode.BANK_REF_DATE),
        ("00000000ICBC0001", FieldCode.BANK_REF_DATE),
        ("20261127ICBC0001", FieldCode.BANK_REF_DATE),
        ("20261119ICBC0001", FieldCode.BANK_REF_DATE),
    ],
)
def test_a_reference_against_the_rule_has_one_problem(ref: str, code: FieldCode) -> None:
    (problem,) = bank_ref_problems(ref, TODAY)
    assert (problem.path, problem.code) == ("bank_ref", code)


def find(item: object, version: object = "2026.1", *, today: date = TODAY, catalogue: object = None):
    part = {"item": item, "item_version": version}
    return item_of(catalogue or read_catalogue(with_sandbox=True), part, today=today, backends=SBX)


def test_an_item_in_force_has_no_problem() -> None:
    item, warnings, problems = find("FT-SBX-001")
    assert item is not None
    assert (item.code, warnings, problems) == ("FT-SBX-001", (), [])


@pytest.mark.parametrize(
    ("item", "version", "code"),
    [
        ("", "1", FieldCode.MISSING),
        (None, "1", FieldCode.MISSING),
        ("FT-XXX-001", "1", FieldCode.ITEM_UNKNOWN),
        (["FT-SBX-001"], "1", FieldCode.ITEM_UNKNOWN),
        (True, "1", FieldCode.ITEM_UNKNOWN),
        ("FT-SBX-001", "1999.1", FieldCode.ITEM_VERSION_OLD),
        ("FT-SBX-001", "", FieldCode.ITEM_VERSION_OLD),
        ("FT-SBX-001", ["2026.1"], FieldCode.ITEM_VERSION_OLD),
    ],
)
def test_an_item_that_does_not_exist_has_one_problem(item: object, version: object, code: FieldCode) -> None:
    found, _, (problem,) = find(item, version)
    assert (found, problem.code) == (None, code)


def test_an_item_without_a_connected_department_is_closed_and_still_known() -> None:
    item, _, (problem,) = find("FT-EDU-001")
    assert item is not None
    assert problem.code is FieldCode.ITEM_CLOSED


def test_an_item_before_its_first_day_is_not_taken() -> None:
    item, _, (problem,) = find("FT-SBX-001", today=date(2019, 9, 30))
    assert item is not None
    assert problem.code is FieldCode.ITEM_VERSION_OLD


def test_a_superseded_version_is_taken_with_a_warning_until_its_last_day() -> None:
    catalogue = read_catalogue(with_sandbox=True)
    (old,) = catalogue.items["FT-SBX-001"]
    old = replace(old, effective_to=TODAY)
    new = replace(old, version="2027.1", effective_from=TODAY, effective_to=None)
    both = replace(catalogue, items={**catalogue.items, "FT-SBX-001": (old, new)})
    item, warnings, problems = find("FT-SBX-001", catalogue=both)
    assert (item, problems) == (old, [])
    assert [w.code for w in warnings] == [WarningCode.ITEM_VERSION_SUPERSEDED]
    _, _, (problem,) = find("FT-SBX-001", catalogue=both, today=TODAY + timedelta(days=1))
    assert problem.code is FieldCode.ITEM_VERSION_OLD
    _, _, (unknown,) = find("FT-SBX-001", "x", catalogue=both)
    assert "2027.1" in unknown.message


def is_text(value: object) -> bool:
    return isinstance(value, str)


def ask(**members: object) -> dict[str, FieldCode]:
    found = member_problems({"op": "x", "v": "1", **members}, {"text": is_text}, {"limit": is_text})
    return {problem.path: problem.code for problem in found}


def test_a_small_question_is_judged_member_by_member() -> None:
    assert ask(text="a") == {}
    assert ask(text="a", limit="") == {}
    assert ask(text="a", ext={"x": "y"}) == {}
    assert ask() == {"text": FieldCode.MISSING}
    assert ask(text=True) == {"text": FieldCode.BAD_FORMAT}
    assert ask(text="a", limit=True) == {"limit": FieldCode.BAD_FORMAT}
    assert ask(text="a", limt="1") == {"limt": FieldCode.UNKNOWN_MEMBER}
    assert ask(text="a", ext={"x": {"y": "z"}}) == {"ext": FieldCode.WRONG_TYPE}
    assert ask(text="a", ext={"x": "字" * 700}) == {"ext": FieldCode.WRONG_TYPE}
    assert ask(limt="1", limit=True) == {
        "limt": FieldCode.UNKNOWN_MEMBER,
        "limit": FieldCode.BAD_FORMAT,
        "text": FieldCode.MISSING,
    }


def test_a_required_member_that_is_empty_is_missing() -> None:
    found = member_problems({"text": ""}, {"text": lambda value: value != ""}, {})
    assert [(problem.path, problem.code) for problem in found] == [("text", FieldCode.MISSING)]
