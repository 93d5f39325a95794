"""The whole catalogue against its own judges: every example holds, every field of every item refuses something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.catalogue.examples import fill, set_to
from gateway.catalogue.forms import check_form
from gateway.catalogue.item import Example, Field, Item
from gateway.catalogue.kinds import TYPES
from gateway.catalogue.loader import load
from gateway.domain.reasons import FieldCode as Code

CATALOGUE = load(with_sandbox=True)
TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
ITEMS = [item for versions in CATALOGUE.items.values() for item in versions]
EXAMPLES = [(item, example) for item in ITEMS for example in item.examples]
BUNDLE = next(iter(CATALOGUE.bundles.values()))
SHARED = {one.name: one for step in BUNDLE.steps for one in step.item.fields if one.shared}

BAD: dict[str, tuple[object, Code]] = {
    "string": ("坏\x00字", Code.CHAR_NOT_ALLOWED),
    "text": ("坏\x00字", Code.CHAR_NOT_ALLOWED),
    "int": ("一", Code.BAD_FORMAT),
    "decimal": ("1.234", Code.BAD_FORMAT),
    "money": ("1,000", Code.BAD_FORMAT),
    "percent": ("100.01", Code.OUT_OF_RANGE),
    "date": ("2026-02-30", Code.DATE_IMPOSSIBLE),
    "month": ("2026-13", Code.BAD_FORMAT),
    "year": ("26", Code.BAD_FORMAT),
    "datetime": ("2026-11-23 10:00", Code.BAD_FORMAT),
    "bool": ("true", Code.WRONG_TYPE),
    "enum": ("nothing_like_it", Code.NOT_IN_LIST),
    "phone": ("110", Code.BAD_FORMAT),
    "doc_no": ("440304900307123", Code.BAD_FORMAT),
    "uscc": ("91440304MA9FT0013E", Code.BAD_CHECK_DIGIT),
    "address": ("某路1号", Code.WRONG_TYPE),
    "street": ("440304003", Code.NOT_IN_LIST),
    "region_code": ("44", Code.BAD_FORMAT),
    "bank_account": ("12345678", Code.BAD_FORMAT),
    "student_no": ("X123", Code.BAD_FORMAT),
    "disability_cert": ("X123", Code.BAD_FORMAT),
    "plate_no": ("12345", Code.BAD_FORMAT),
    "project_code": ("2026", Code.BAD_FORMAT),
    "seal_record_no": ("44030400000012", Code.BAD_FORMAT),
    "shareholders": ({}, Code.WRONG_TYPE),
    "seals": ({}, Code.WRONG_TYPE),
    "invoices": ({}, Code.WRONG_TYPE),
    "employees": ({}, Code.WRONG_TYPE),
}
FIELDS = [(item, one) for item in ITEMS for one in item.fields]
STEP_FIELDS = [(step.item, one) for step in BUNDLE.steps for one in step.item.fields]


def name_of(value: object) -> str:
    if isinstance(value, Item):
        return value.code
    return value.name if isinstance(value, Example | Field) else str(value)


def test_the_table_of_bad_values_covers_every_type_there_is() -> None:
    assert set(BAD) == TYPES


@pytest.mark.parametrize(("item", "example"), EXAMPLES, ids=name_of)
def test_every_example_of_every_item_validates(item: Item, example: Example) -> None:
    day = set_to(example.day, TODAY)
    form = fill(example.form, day, now=NOW, outlets=CATALOGUE.outlets)
    checked = check_form(CATALOGUE, item, form, today=day, bank="")
    assert checked.problems == ()
    assert set(checked.values) == {name for name, value in form.items() if value not in ("", [])}
    assert item.open_on(day)


@pytest.mark.parametrize("day", [date(2027, 12, 31), date(2028, 2, 29), date(2030, 6, 1)])
def test_every_example_validates_on_other_days_too(day: date) -> None:
    for item, example in EXAMPLES:
        on = set_to(example.day, day)
        form = fill(example.form, on, now=NOW, outlets=CATALOGUE.outlets)
        assert (item.code, check_form(CATALOGUE, item, form, today=on).problems) == (item.code, ())


@pytest.mark.parametrize(("item", "one"), [*FIELDS, *STEP_FIELDS], ids=name_of)
def test_every_field_refuses_a_bad_value_with_its_code(item: Item, one: Field) -> None:
    value, code = BAD[one.type]
    if isinstance(value, str) and one.min_len:
        value = value.ljust(one.min_len, "字")  # else it would be refused as too short
    beside = {one.doc_type_field: "resident_id"} if one.doc_type_field else {}
    problems = check_form(CATALOGUE, item, {**beside, one.name: value}, today=TODAY).problems
    mine = [p for p in problems if p.path == f"form.{one.name}"]
    assert [p.code for p in mine] == [code]
    assert all(p.message for p in mine)


@pytest.mark.parametrize("item", ITEMS, ids=name_of)
def test_an_empty_form_misses_exactly_the_required_fields(item: Item) -> None:
    problems = check_form(CATALOGUE, item, {}, today=TODAY).problems
    missing = {p.path for p in problems if p.code is Code.MISSING}
    assert missing == {f"form.{one.name}" for one in item.fields if one.required}


def steps() -> Iterator[tuple[str, Item, Mapping[str, Any], str]]:
    """Every step of every bundle example as an item of its own: its fields, and those it shares."""
    for example in BUNDLE.examples:
        given = example["form"]
        for step in BUNDLE.steps:
            if step.item.code not in given["steps"]:
                continue
            own = {one.name for one in step.item.fields}
            names = [*step.shared_fields, *(name for name in given["shared"] if name in own)]
            shared = {name: given["shared"][name] for name in names if name in given["shared"]}
            fields = (*(SHARED[name] for name in step.shared_fields if name not in own), *step.item.fields)
            form = {**shared, **given["steps"][step.item.code]}
            yield f"{example['name']}-{step.item.code}", replace(step.item, fields=fields), form, example["bank"]


STEPS = list(steps())


@pytest.mark.parametrize(("item", "form", "bank"), [s[1:] for s in STEPS], ids=[s[0] for s in STEPS])
def test_every_step_of_the_bundle_examples_validates_before_the_start(
    item: Item, form: Mapping[str, Any], bank: str
) -> None:
    filled = fill(form, TODAY, now=NOW, outlets=CATALOGUE.outlets)
    assert check_form(CATALOGUE, item, filled, today=TODAY, bank=bank).problems == ()


def step(code: str) -> tuple[Item, dict[str, Any]]:
    item, form = next((s[1], s[2]) for s in STEPS if s[1].code == code)
    return item, fill(form, TODAY, now=NOW, outlets=CATALOGUE.outlets)


def broken(code: str, change: Mapping[str, Any], bank: str = "ICBC") -> set[tuple[str, Code]]:
    item, form = step(code)
    problems = check_form(CATALOGUE, item, {**form, **change}, today=TODAY, bank=bank).problems
    return {(p.path, p.code) for p in problems}


def test_the_rules_of_the_licence_step_are_broken_one_by_one() -> None:
    _, form = step("FT-BIZ-LIC")
    first, *others = form["shareholders"]
    assert broken("FT-BIZ-LIC", {"shareholders": [{**first, "ratio": "50.01"}, *others]}) == {
        ("rules.R1", Code.SUM_WRONG)
    }
    assert broken("FT-BIZ-LIC", {"registered_capital": "1000000.01"}) == {("rules.R2", Code.SUM_WRONG)}
    late = {**first, "pay_by": "2031-11-24"}
    assert broken("FT-BIZ-LIC", {"shareholders": [late, *others]}) == {("rules.R6", Code.RULE_BROKEN)}
    assert broken("FT-BIZ-LIC", {"company_type": "sole_llc"}) == {("rules.R9", Code.RULE_BROKEN)}
    none = {"supervisor_name": "", "supervisor_doc_type": "", "supervisor_doc_no": ""}
    assert broken("FT-BIZ-LIC", none) == {("rules.R4", Code.RULE_BROKEN), ("rules.R5", Code.RULE_BROKEN)}
    same = {"supervisor_doc_type": "resident_id", "supervisor_doc_no": "44030419900307123x"}
    assert broken("FT-BIZ-LIC", same) == {("rules.R7", Code.RULE_BROKEN)}


def test_a_collector_who_is_not_the_representative_needs_a_power_of_attorney() -> None:
    item, form = step("FT-BIZ-SEAL")
    assert check_form(CATALOGUE, item, form, today=TODAY).materials == ()
    other = {**form, "collector_doc_no": "440304198808089985"}
    assert check_form(CATALOGUE, item, other, today=TODAY).materials == ("M3",)


def test_the_reservation_is_made_at_an_own_outlet_on_an_open_day() -> None:
    _, form = step("FT-BIZ-ACC")
    assert date.fromisoformat(form["reserve_date"]) == date(2026, 11, 24)
    assert broken("FT-BIZ-ACC", {"reserve_date": "2026-11-28"}) == {("rules.R2", Code.RULE_BROKEN)}
    assert broken("FT-BIZ-ACC", {}, bank="CMB") == {("rules.R1", Code.RULE_BROKEN)}


def test_words_with_an_at_sign_are_replaced_and_no_others_exist() -> None:
    given = {"a": "@now", "b": ["@today", {"c": "@today+40d"}], "m": "@month", "t": True, "p": "plain"}
    assert fill(given, TODAY, now=NOW) == {
        "a": "2026-11-23T10:15:00.000+08:00", "b": ["2026-11-23", {"c": "2027-01-02"}], "m": "2026-11", "t": True,
        "p": "plain",
    }  # fmt: skip
    friday = date(2026, 11, 27)
    at = {"outlet_code": "ICBC-FT-03", "day": "@open_day"}
    assert fill(at, friday, now=NOW, outlets=CATALOGUE.outlets)["day"] == "2026-11-30"
    assert fill(at, date(2026, 11, 22), now=NOW, outlets=CATALOGUE.outlets)["day"] == "2026-11-23"
    with pytest.raises(ValueError, match="@tomorrow"):
        fill("@tomorrow", TODAY, now=NOW)
    with pytest.raises(ValueError, match="@open_day"):
        fill({"outlet_code": "none", "day": "@open_day"}, TODAY, now=NOW, outlets=CATALOGUE.outlets)
    with pytest.raises(ValueError, match="never open"):
        fill(at, TODAY, now=NOW, outlets=CATALOGUE.outlets, hours="sunday")
