"""Every shape of rule: when it is broken, when it holds, and when it is not judged at all."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway.catalogue.item import Condition, Field, Option, Outlet, Rule
from gateway.catalogue.kinds.typed import add_period
from gateway.catalogue.rule_facts import Facts, Scope
from gateway.catalogue.rules import SHAPES, build
from gateway.domain.reasons import FieldCode

DAY = date(2026, 11, 23)


def field(name: str, type_: str, *options: str) -> Field:
    return Field(name, name, type_, False, options=tuple(Option(o, o) for o in options))


def outlet(code: str, bank: str, *services: str) -> Outlet:
    hours = {"mon_fri": "09:00-17:00", "saturday": "10:00-16:00", "sunday": None, "corporate_mon_fri": "09:00-12:00"}
    return Outlet(code, "01", bank, code, "440304004", "", "", services, hours)


SCOPE = Scope(
    {
        one.name: one
        for one in [
            field("start", "date"),
            field("end", "date"),
            field("from_month", "month"),
            field("to_month", "month"),
            field("born_year", "year"),
            field("few", "int"),
            field("many", "int"),
            field("capital", "money"),
            field("area", "decimal"),
            field("kind", "enum", "fixed", "open"),
            field("level", "enum", "1", "2", "3"),
            field("agreed", "bool"),
            field("one_no", "doc_no"),
            field("other_no", "doc_no"),
            field("cert", "disability_cert"),
            field("sort", "enum", "visual", "physical"),
            field("holders", "shareholders"),
            field("outlet_code", "string"),
        ]
    },
    {
        "shareholders": (
            field("kind", "enum", "person", "organisation"),
            field("doc_no", "doc_no"),
            field("amount", "money"),
            field("ratio", "percent"),
            field("share", "decimal"),
            field("pay_by", "date"),
            field("size", "enum", "10000", "100000"),
        )
    },
    {"A-1": outlet("A-1", "A", "zone"), "A-2": outlet("A-2", "A"), "B-1": outlet("B-1", "B", "zone")},
)


def rule(shape: str, *, when: tuple[Condition, ...] = (), where: tuple[Condition, ...] = (), **args: Any) -> Rule:
    named = {name.rstrip("_"): value for name, value in args.items()}
    return Rule(shape, "R1", "不符合规定", named, when, where)


def broken(one: Rule, wrong: tuple[str, ...] = (), bank: str = "", day: date = DAY, **values: Any) -> bool:
    return build(one, SCOPE).broken(Facts(values, day, frozenset(wrong), bank))


def test_compare_orders_days_strictly_or_not() -> None:
    less, at_most = (
        rule("compare", left="start", op="lt", right="end"),
        rule("compare", left="start", op="le", right="end"),
    )
    assert not broken(less, start=date(2026, 1, 1), end=date(2026, 1, 2))
    assert broken(less, start=date(2026, 1, 1), end=date(2026, 1, 1))
    assert not broken(at_most, start=date(2026, 1, 1), end=date(2026, 1, 1))
    assert broken(rule("compare", left="few", op="ge", right="many"), few=1, many=2)
    assert broken(rule("compare", left="few", op="gt", right="many"), few=2, many=2)


def test_compare_with_an_empty_or_invalid_side_is_not_judged() -> None:
    one = rule("compare", left="start", op="lt", right="end")
    assert not broken(one, start=date(2026, 1, 1))
    assert not broken(one, end=date(2026, 1, 1))
    assert not broken(one, wrong=("end",), start=date(2026, 1, 1), end=date(2025, 1, 1))


def test_compare_adds_its_period_to_the_right_side() -> None:
    one = rule("compare", left="end", op="le", right="start", plus={"years": 1})
    assert not broken(one, start=date(2024, 2, 29), end=date(2025, 2, 28))
    assert broken(one, start=date(2024, 2, 29), end=date(2025, 3, 1))
    notice = rule("compare", left="end", op="ge", right="start", plus={"days": 30})
    assert broken(notice, start=date(2026, 11, 1), end=date(2026, 11, 30))
    assert not broken(notice, start=date(2026, 11, 1), end=date(2026, 12, 1))
    months = rule("compare", left="to_month", op="le", right="from_month", plus={"months": 2})
    assert not broken(months, from_month="2026-11", to_month="2027-01")
    assert broken(months, from_month="2026-11", to_month="2027-02")


def test_a_month_beside_a_day_compares_months() -> None:
    one = rule("compare", left="from_month", op="ge", right="start")
    assert not broken(one, from_month="2026-11", start=date(2026, 11, 30))
    assert broken(one, from_month="2026-10", start=date(2026, 11, 1))
    other = rule("compare", left="start", op="le", right="from_month")
    assert not broken(other, start=date(2026, 11, 30), from_month="2026-11")


def test_numbers_of_unlike_types_compare_by_what_they_mean() -> None:
    one = rule("compare", left="capital", op="le", right="many")
    assert not broken(one, capital=10000, many=100)  # 100 yuan
    assert broken(one, capital=10001, many=100)
    assert broken(rule("compare", left="area", op="lt", right="few"), area=Decimal("3.00"), few=3)


def test_compare_may_speak_of_the_submission_day() -> None:
    one = rule("compare", left="end", op="ge", right="submission_day")
    assert not broken(one, end=DAY)
    assert broken(one, end=date(2026, 11, 22))


def test_compare_looks_at_every_row() -> None:
    one = rule("compare", left="holders.pay_by", op="le", right="start", plus={"years": 5})
    rows = [{"pay_by": date(2030, 1, 1)}, {}, {"pay_by": date(2032, 1, 1)}]
    assert broken(one, start=date(2026, 1, 1), holders=rows)
    assert not broken(one, start=date(2026, 1, 1), holders=rows[:2])


def test_an_output_not_known_yet_stands_for_the_submission_day_only_where_the_rule_says_so() -> None:
    args = {"left": "from_month", "op": "ge", "right": "establish_date"}
    early = Rule("compare", "R2", "", args, checked=("before_start_with_submission_day", "before_step"))
    assert broken(early, from_month="2026-10")
    assert not broken(early, from_month="2026-11")
    assert not broken(Rule("compare", "R2", "", args), from_month="2020-01")


def test_differs_wants_two_unlike_values_and_lets_empty_ones_be() -> None:
    one = rule("differs", left="one_no", right="other_no")
    assert broken(one, one_no="E1", other_no="E1")
    assert not broken(one, one_no="E1", other_no="E2")
    assert not broken(one, one_no="E1")
    assert not broken(one)


def test_required_when_counts_an_invalid_answer_as_given() -> None:
    one = rule("required_when", field="end", when=(Condition("in", "kind", ("fixed",)),))
    assert broken(one, kind="fixed")
    assert not broken(one, kind="open")
    assert not broken(one, kind="fixed", end=date(2026, 1, 1))
    assert not broken(one, wrong=("end",), kind="fixed")
    assert not broken(one, wrong=("kind",), kind="fixed")


def test_material_required_when_names_its_material() -> None:
    one = rule("material_required_when", material="M3", when=(Condition("differs_from", "one_no", ("other_no",)),))
    assert build(one, SCOPE).material == "M3"
    assert broken(one, one_no="E1", other_no="E2")
    assert not broken(one, one_no="E1", other_no="E1")
    assert not broken(one, one_no="E1")
    assert not broken(one, wrong=("other_no",), one_no="E1")


@pytest.mark.parametrize("values", [[1, 2], ["1", "2"]])
def test_value_in_reads_its_values_as_the_field_has_them(values: list[Any]) -> None:
    one = rule("value_in", field="level", values=values)
    assert broken(one, level="3")
    assert not broken(one, level="2")
    assert not broken(one)


def test_value_in_of_a_flag_knows_true_from_one() -> None:
    one = rule("value_in", field="agreed", values=[True])
    assert broken(one, agreed=False)
    assert not broken(one, agreed=True)


def test_limit_holds_for_one_number_and_for_the_rows_it_picks() -> None:
    assert broken(rule("limit", field="few", min=2, max=5), few=6)
    assert broken(rule("limit", field="few", min=2), few=1)
    assert not broken(rule("limit", field="few", min=2, max=5), few=5)
    assert broken(rule("limit", field="capital", max=100), capital=10001)
    person = (Condition("in", "kind", ("person",)),)
    rows = [{"kind": "person", "size": "100000"}, {"kind": "organisation", "size": "1000000"}, {"kind": "person"}]
    assert not broken(rule("limit", field="holders.size", max=100000, where=person), holders=rows)
    assert broken(rule("limit", field="holders.size", max=99999, where=person), holders=rows)
    assert broken(rule("limit", field="holders.size", max=100000), holders=rows)
    assert not broken(rule("limit", field="holders.size", max=1))


def test_a_sum_is_exact_and_has_its_own_code() -> None:
    one = rule("sum_equals", of="holders.ratio", value="100.00")
    rows = [{"ratio": 3333}, {"ratio": 3333}, {"ratio": 3334}]
    assert build(one, SCOPE).code is FieldCode.SUM_WRONG
    assert not broken(one, holders=rows)
    assert broken(one, holders=rows[:2])
    assert not broken(one, holders=[])
    tenths = [{"share": Decimal("0.10")}, {"share": Decimal("0.20")}]
    assert not broken(rule("sum_equals", of="holders.share", value="0.30"), holders=tenths)


def test_a_sum_may_equal_another_field() -> None:
    one = rule("sum_equals", of="holders.amount", field="capital")
    assert not broken(one, capital=300, holders=[{"amount": 100}, {"amount": 200}])
    assert broken(one, capital=301, holders=[{"amount": 100}, {"amount": 200}])
    assert not broken(one, holders=[{"amount": 100}])
    assert not broken(one, wrong=("holders",), capital=301, holders=[{"amount": 100}])


def test_row_count_lies_between_bounds_or_equals_a_field() -> None:
    persons = rule("row_count", of="holders", min=1, max=1, where=(Condition("in", "kind", ("person",)),))
    assert not broken(persons, holders=[{"kind": "person"}, {"kind": "organisation"}])
    assert broken(persons, holders=[{"kind": "organisation"}])
    assert broken(persons, holders=[{"kind": "person"}] * 2)
    same = rule("row_count", of="holders", field="few")
    assert not broken(same, few=0, holders=[])
    assert broken(same, few=2, holders=[{}])
    assert not broken(same, holders=[{}])
    assert not broken(same, few=2)


def test_unique_rows_compares_the_named_columns_and_leaves_exceptions_out() -> None:
    one = rule("unique_rows", of="holders", by=["kind", "doc_no"])
    twice = [{"kind": "person", "doc_no": "E1"}, {"kind": "person", "doc_no": "E1"}]
    assert broken(one, holders=twice)
    assert not broken(
        one, holders=[twice[0], {"kind": "person", "doc_no": "E2"}, {"kind": "person"}, {"kind": "person"}]
    )
    assert not broken(rule("unique_rows", of="holders", by=["kind"], except_={"kind": ["person"]}), holders=twice)


def test_part_equals_counts_characters_from_one_and_maps_codes() -> None:
    level = rule("part_equals", field="cert", from_=20, length=1, equals="level")
    sort = rule("part_equals", field="cert", from_=19, length=1, equals="sort", codes={"visual": "1", "physical": "4"})
    cert = "44030419900307123X42"
    assert not broken(level, cert=cert, level="2")
    assert broken(level, cert=cert, level="3")
    assert not broken(sort, cert=cert, sort="physical")
    assert broken(sort, cert=cert, sort="visual")
    assert not broken(level, level="3")


def test_own_outlet_belongs_to_the_bank_and_has_the_service() -> None:
    one = rule("own_outlet", field="outlet_code", service="zone")
    assert not broken(one, bank="A", outlet_code="A-1")
    assert broken(one, bank="A", outlet_code="A-2")
    assert broken(one, bank="A", outlet_code="B-1")
    assert broken(one, bank="A", outlet_code="C-9")
    assert not broken(one, outlet_code="B-1")
    assert not broken(one, bank="A")


def test_open_day_follows_the_hours_of_the_outlet() -> None:
    corporate = rule("open_day", field="start", outlet="outlet_code", hours="corporate_mon_fri")
    assert not broken(corporate, outlet_code="A-1", start=date(2026, 11, 23))
    assert broken(corporate, outlet_code="A-1", start=date(2026, 11, 28))
    saturday = rule("open_day", field="start", outlet="outlet_code", hours="saturday")
    assert not broken(saturday, outlet_code="A-1", start=date(2026, 11, 28))
    assert broken(saturday, outlet_code="A-1", start=date(2026, 11, 23))
    sunday = rule("open_day", field="start", outlet="outlet_code", hours="sunday")
    assert broken(sunday, outlet_code="A-1", start=date(2026, 11, 29))
    assert not broken(corporate, outlet_code="C-9", start=date(2026, 11, 28))


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        (Condition("in", "kind", ("fixed",)), {"kind": "fixed"}, True),
        (Condition("in", "kind", ("fixed",)), {}, False),
        (Condition("not_in", "kind", ("fixed",)), {}, True),
        (Condition("not_in", "agreed", (True,)), {"agreed": True}, False),
        (Condition("not_in", "agreed", (True,)), {"agreed": False}, True),
        (Condition("filled", "agreed", (True,)), {"agreed": False}, True),
        (Condition("filled", "holders", (True,)), {"holders": []}, False),
        (Condition("filled", "end", (False,)), {}, True),
        (
            Condition("any_in", "holders.kind", ("person",)),
            {"holders": [{"kind": "organisation"}, {"kind": "person"}]},
            True,
        ),
        (Condition("any_in", "holders.kind", ("person",)), {}, False),
        (Condition("all_in", "holders.kind", ("person",)), {"holders": [{"kind": "person"}]}, True),
        (Condition("all_in", "holders.kind", ("person",)), {"holders": [{"kind": "person"}, {}]}, False),
        (Condition("all_in", "holders.kind", ("person",)), {"holders": []}, False),
    ],
)
def test_a_rule_is_judged_only_when_its_condition_holds(
    condition: Condition, values: dict[str, Any], holds: bool
) -> None:
    assert broken(rule("required_when", field="few", when=(condition,)), **values) is holds


def test_all_conditions_must_hold_and_an_untold_one_stops_the_rule() -> None:
    both = (Condition("in", "kind", ("fixed",)), Condition("filled", "agreed", (True,)))
    one = rule("required_when", field="few", when=both)
    assert broken(one, kind="fixed", agreed=True)
    assert not broken(one, kind="fixed")
    assert not broken(
        rule("required_when", field="few", when=(Condition("any_in", "holders.kind", ("person",)),)),
        wrong=("holders",),
        holders=[{"kind": "person"}],
    )


def test_a_rule_holds_only_on_its_days() -> None:
    one = Rule(
        "required_when", "R1", "", {"field": "few"}, effective_from=date(2024, 7, 1), effective_to=date(2026, 12, 31)
    )
    assert not broken(one, day=date(2024, 6, 30))
    assert broken(one, day=date(2024, 7, 1))
    assert broken(one, day=date(2026, 12, 31))
    assert not broken(one, day=date(2027, 1, 1))


def test_a_period_stays_inside_the_calendar() -> None:
    assert add_period(date(2026, 1, 31), {"months": 1}) == date(2026, 2, 28)
    assert add_period(date(2026, 12, 15), {"months": 1, "days": 20}) == date(2027, 2, 4)
    assert add_period(date(9999, 6, 1), {"years": 5}) == date.max
    assert add_period(date(9999, 12, 31), {"days": 1}) == date.max


def test_every_shape_leaves_an_empty_form_in_peace() -> None:
    args: dict[str, Any] = {
        "left": "start", "op": "le", "right": "end", "field": "few", "material": "M1", "values": ["1"],
        "of": "holders.amount", "by": ["kind"], "from": 1, "length": 1, "equals": "level", "service": "zone",
        "outlet": "outlet_code", "hours": "mon_fri", "value": "1",
    }  # fmt: skip
    judged = {name: build(Rule(name, "R1", "", args), SCOPE).broken(Facts({}, DAY)) for name in SHAPES}
    assert {name for name, result in judged.items() if result} == {"required_when", "material_required_when"}
