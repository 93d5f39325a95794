"""A form as a whole: what is missing, unknown, hidden, broken; all of it at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from gateway.catalogue.forms import check_form, form_of
from gateway.catalogue.item import Condition, Field, Item, Material, Option, Rule
from gateway.catalogue.loader import load
from gateway.domain.errors import Problem
from gateway.domain.reasons import FieldCode as Code

CATALOGUE = load()
DAY = date(2026, 11, 23)
KINDS = (Option("fixed", "固定"), Option("open", "无固定"))
PAPERS = (Option("resident_id", "居民身份证"), Option("passport", "护照"))
ITEM = replace(
    CATALOGUE.items["FT-HLT-013"][0],
    code="FT-TST-001",
    materials=(Material("M9", "样例材料", "Sample", False, False, False),),
    fields=(
        Field("worker", "员工姓名", "string", True, max_len=20),
        Field("kind", "合同类型", "enum", True, options=KINDS),
        Field("start", "起始日期", "date", True),
        Field("end", "终止日期", "date", False),
        Field("months", "临床实习月数", "int", False, min="8", max="60"),
        Field("doc_type", "证件类型", "enum", False, options=PAPERS),
        Field("doc_no", "证件号码", "doc_no", False, doc_type_field="doc_type"),
        Field("waived", "不设监事", "bool", True, available_from="2026-12-01"),
        Field("cabinet", "柜号", "string", False, available_from="later"),
        Field("holders", "股东", "shareholders", False),
    ),
    rules=(
        Rule("compare", "R1", "终止日期须晚于起始日期", {"left": "start", "op": "lt", "right": "end"}),
        Rule("required_when", "R2", "须填终止日期", {"field": "end"}, (Condition("in", "kind", ("fixed",)),)),
        Rule("sum_equals", "R3", "合计须为100.00%", {"of": "holders.ratio", "value": "100.00"}),
        Rule("material_required_when", "R4", "须交材料", {"material": "M9"}, (Condition("in", "kind", ("fixed",)),)),
    ),
)  # fmt: skip
GOOD = {"worker": "陈㐂宁", "kind": "open", "start": "2026-01-01"}


def found(form: Any, item: Item = ITEM, today: date = DAY) -> list[tuple[str, Code]]:
    return [(p.path, p.code) for p in check_form(CATALOGUE, item, form, today=today).problems]


def holder(**change: Any) -> dict[str, Any]:
    return {
        "name": "张样例", "holder_kind": "person", "doc_type": "resident_id", "doc_no": "44030419900307123X",
        "subscribed": "1.00", "ratio": "100", "pay_by": "2030-01-01", "form": "cash", **change,
    }  # fmt: skip


def test_a_good_form_gives_typed_values_and_no_problem() -> None:
    checked = check_form(CATALOGUE, ITEM, {**GOOD, "end": "2026-02-01", "months": "9"}, today=DAY)
    assert checked.problems == ()
    assert checked.values == {
        "worker": "陈㐂宁", "kind": "open", "start": date(2026, 1, 1), "end": date(2026, 2, 1), "months": 9,
    }  # fmt: skip


def test_everything_wrong_is_told_at_once() -> None:
    form = {"worker": "", "kind": "other", "start": "2026-02-30", "months": "7", "wroker": "x"}
    assert found(form) == [
        ("form.worker", Code.MISSING),
        ("form.kind", Code.NOT_IN_LIST),
        ("form.start", Code.DATE_IMPOSSIBLE),
        ("form.months", Code.OUT_OF_RANGE),
        ("form.wroker", Code.UNKNOWN_MEMBER),
    ]


def test_messages_name_the_field_and_the_nearest_member() -> None:
    problems = check_form(CATALOGUE, ITEM, {**GOOD, "months": "7", "wroker": "x"}, today=DAY).problems
    assert problems == (
        Problem("form.months", Code.OUT_OF_RANGE, "临床实习月数应为8至60"),
        Problem("form.wroker", Code.UNKNOWN_MEMBER, "没有这一项，是否为worker"),
    )


def test_an_empty_optional_answer_is_no_answer() -> None:
    checked = check_form(CATALOGUE, ITEM, {**GOOD, "end": "", "months": ""}, today=DAY)
    assert checked.problems == ()
    assert "end" not in checked.values


def test_a_document_type_and_its_number_are_filled_together() -> None:
    assert found({**GOOD, "doc_type": "passport"}) == [("form.doc_no", Code.MISSING)]
    assert found({**GOOD, "doc_no": "E12345678"}) == [("form.doc_type", Code.MISSING)]
    assert found({**GOOD, "doc_type": "passport", "doc_no": "E12345678"}) == []


def test_a_field_is_refused_before_its_day_and_required_from_it_on() -> None:
    assert found({**GOOD, "waived": True}) == [("form.waived", Code.UNKNOWN_MEMBER)]
    assert found(GOOD, today=date(2026, 12, 1)) == [("form.waived", Code.MISSING)]
    assert found({**GOOD, "waived": True}, today=date(2026, 12, 1)) == []
    assert found({**GOOD, "cabinet": "C1"}) == [("form.cabinet", Code.UNKNOWN_MEMBER)]


def test_a_broken_rule_is_named_by_its_id() -> None:
    assert found({**GOOD, "kind": "fixed"}) == [("rules.R2", Code.RULE_BROKEN)]
    assert found({**GOOD, "end": "2025-01-01"}) == [("rules.R1", Code.RULE_BROKEN)]
    problems = check_form(CATALOGUE, ITEM, {**GOOD, "holders": [holder(ratio="99")]}, today=DAY).problems
    assert problems == (Problem("rules.R3", Code.SUM_WRONG, "合计须为100.00%"),)


def test_a_rule_over_an_invalid_field_is_not_judged() -> None:
    assert found({**GOOD, "kind": "fixed", "end": "2025-99-99"}) == [("form.end", Code.DATE_IMPOSSIBLE)]
    assert found({**GOOD, "holders": [holder(ratio="101")]}) == [("form.holders[0].ratio", Code.OUT_OF_RANGE)]


def test_a_cell_is_named_by_row_and_column() -> None:
    form = {**GOOD, "holders": [holder(), holder(doc_no="440304199003071230", nmae="x")]}
    assert found(form) == [
        ("form.holders[1].doc_no", Code.BAD_CHECK_DIGIT),
        ("form.holders[1].nmae", Code.UNKNOWN_MEMBER),
    ]


def test_rules_name_the_materials_they_require() -> None:
    checked = check_form(CATALOGUE, ITEM, {**GOOD, "kind": "fixed", "end": "2027-01-01"}, today=DAY)
    assert (checked.materials, checked.problems) == (("M9",), ())
    assert check_form(CATALOGUE, ITEM, GOOD, today=DAY).materials == ()


def test_what_is_no_object_is_no_form() -> None:
    assert found([]) == found("x") == found(None) == [("form", Code.WRONG_TYPE)]


def test_a_form_full_of_mistakes_is_cut_off_somewhere() -> None:
    assert len(found({**GOOD, "holders": [{}] * 1000})) == 200


def test_a_form_is_built_once_and_anew_for_another_catalogue() -> None:
    kept = form_of(CATALOGUE, ITEM)
    assert form_of(CATALOGUE, ITEM) is kept
    again = replace(CATALOGUE, digest="another")
    assert form_of(again, ITEM) is not kept
    assert form_of(again, replace(ITEM)) is not form_of(again, ITEM)
