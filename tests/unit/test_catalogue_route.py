"""What a back-end gets: its own names, converted values, nothing that was not given."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway.catalogue import convert
from gateway.catalogue.examples import fill
from gateway.catalogue.forms import check_form
from gateway.catalogue.item import Item, Route
from gateway.catalogue.loader import load
from gateway.catalogue.route import translate
from gateway.domain.errors import BadCatalogue

CATALOGUE = load(with_sandbox=True)
TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)
ITEM = CATALOGUE.items["FT-SBX-001"][0]


def routed(**fields: str) -> Item:
    return replace(ITEM, route=Route("apply", fields, {"channel": "bank"}))


def test_the_sandbox_route_speaks_the_departments_words() -> None:
    form = {"scenario": "grant", "remark": "联调", "contact_date": date(2026, 11, 30), "amount": 12850}
    operation, fields = translate(ITEM, {"form": form})
    assert operation == "file"
    assert fields == {
        "answer": "at_once", "scenario": "grant", "remark": "联调", "contactDate": "20261130", "amountFen": 12850,
    }  # fmt: skip


def test_what_was_not_given_is_left_out() -> None:
    assert translate(ITEM, {"form": {"scenario": "grant", "remark": ""}})[1] == {
        "answer": "at_once",
        "scenario": "grant",
    }


def test_sources_may_be_any_block_a_part_of_a_value_or_a_literal() -> None:
    item = routed(
        who="applicant.name", street="applicant.home.street", no="case.receipt_no", kind="=01", gone="form.x.y"
    )
    sources = {
        "applicant": {"name": "陈㐂宁", "home": {"street": "440304007"}},
        "case": {"receipt_no": "FT1"},
        "form": {"x": "1"},
    }
    expected = {"channel": "bank", "who": "陈㐂宁", "street": "440304007", "no": "FT1", "kind": "01"}
    assert translate(item, sources) == ("apply", expected)


def test_another_item_under_the_same_code_gets_its_own_plan() -> None:
    assert translate(routed(a="form.x"), {"form": {"x": "1"}})[1] == {"channel": "bank", "a": "1"}
    assert translate(routed(b="form.x"), {"form": {"x": "1"}})[1] == {"channel": "bank", "b": "1"}


def test_an_item_without_a_route_cannot_be_translated() -> None:
    with pytest.raises(BadCatalogue, match="FT-SBX-001 has no route"):
        translate(replace(ITEM, route=None), {})


@pytest.mark.parametrize("source", ["form.x|reversed", "form", "|text", ""])
def test_a_source_that_names_nothing_is_a_mistake_of_the_catalogue(source: str) -> None:
    with pytest.raises(BadCatalogue, match="route source"):
        translate(routed(a=source), {"form": {"x": "1"}})


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("text", "陈", "陈"),
        ("text", True, "true"),
        ("text", 7, "7"),
        ("text", Decimal("1000000000.50"), "1000000000.50"),
        ("text", date(2026, 11, 23), "2026-11-23"),
        ("text", datetime(2026, 11, 23, 2, 15, tzinfo=UTC), "2026-11-23T10:15:00.000+08:00"),
        ("text", [{"ratio": 3333, "by": date(2026, 1, 1)}], [{"ratio": "3333", "by": "2026-01-01"}]),
        ("iso_date", date(2026, 11, 3), "2026-11-03"),
        ("yyyymmdd", date(2026, 11, 3), "20261103"),
        ("fen", 10050, 10050),
        ("yuan", 10050, "100.50"),
        ("yuan", 7, "0.07"),
        ("yuan", -107, "-1.07"),
    ],
)
def test_a_converter_writes_a_value_its_way(name: str, value: object, result: object) -> None:
    assert name in convert.known()
    assert convert.CONVERTERS[name](value) == result


def test_every_route_of_the_catalogue_translates_every_example_into_plain_json() -> None:
    routed_items = [item for versions in CATALOGUE.items.values() for item in versions if item.route is not None]
    assert len(routed_items) >= 4
    for item in routed_items:
        for example in item.examples:
            given = fill({"form": example.form, "applicant": example.applicant}, TODAY, now=NOW)
            form = check_form(CATALOGUE, item, given["form"], today=TODAY).values
            _, fields = translate(item, {"form": form, "applicant": given["applicant"], "case": {}})
            assert fields
            assert json.loads(json.dumps(fields)) == fields
