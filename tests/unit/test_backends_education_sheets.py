"""All items of the education bureau against its form sheets, and their examples as it would read them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.education import bodies
from gateway.catalogue.examples import fill
from gateway.catalogue.forms import check_form
from gateway.catalogue.item import Example, Field, Item
from gateway.catalogue.loader import load
from gateway.catalogue.route import translate
from gateway.domain.calls import BackendCall

CATALOGUE = load()
ITEMS = {code: versions[-1] for code, versions in CATALOGUE.items.items() if versions[-1].backend == "FT_EDU"}
DICTIONARY = Path(__file__).parents[1] / "vectors/FT_EDU/dictionary.tsv"
OWN = {  # FT_EDU 6: our field, their name, their codes
    "FT-EDU-001": {
        "student_name": "stuName",
        "student_doc_type": "stuIdType",
        "student_doc_no": "stuIdNo",
        "student_no": "stuRegNo",
        "school_name": "schoolName",
        "grade": "gradeNo",
        "hukou_type": "hukouKind",
        "guardian_relation": "guardianRel",
        "payee_account": "payAccount",
    },
    "FT-EDU-010": {
        "qualification_type": "qualKind",
        "subject_code": "teachSubject",
        "education_level": "eduLevel",
        "graduate_school": "gradSchool",
        "mandarin_cert_no": "mandarinNo",
        "mandarin_level": "mandarinLevel",
        "exam_cert_no": "examNo",
    },
}
OWN_CODES = {
    "stuIdType": ["01", "02", "03", "04", "05", "06", "07"],
    "gradeNo": [f"G{n}" for n in range(1, 10)],
    "hukouKind": ["SZ", "QG", "GAT", "WJ"],
    "guardianRel": ["F", "M", "G", "O"],
    "qualKind": ["11", "12", "13"],
    "eduLevel": ["40", "30", "20", "14", "11"],
    "mandarinLevel": ["1", "2", "3", "4"],
}
KINDS = {
    "text": {"string"},
    "long text": {"text"},
    "choice": {"enum"},
    "document number": {"doc_no"},
    "whole number": {"int"},
    "student number": {"student_no"},
    "region code": {"region_code"},
    "day": {"date"},
    "year": {"year"},
    "money": {"money"},
    "decimal": {"decimal"},
    "account": {"bank_account"},
    "yes/no": {"bool"},
    "address": {"address"},
    "plate": {"plate_no"},
}
SHAPES = {  # how a value of a kind looks on the wire
    "choice": r"0[1-9]",
    "yes/no": r"[01]",
    "money": r"[0-9]+\.[0-9]{2}",
    "decimal": r"[0-9]+\.[0-9]{2}",
    "day": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "year": r"[0-9]{4}",
    "whole number": r"-?[0-9]+",
    "address": r"440304/440304[0-9]{3}/[^/]*/.+",
}


def rows() -> list[dict[str, str]]:
    with DICTIONARY.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = {(row["item"], row["number"]): row for row in rows()}


def mapped(item: Item) -> dict[str, Field]:
    """Their name → our field, by the item's route."""
    fields = {field.name: field for field in item.fields}
    assert item.route is not None
    return {
        theirs: fields[source.removeprefix("form.").partition("|")[0]] for theirs, source in item.route.fields.items()
    }


def examples() -> Iterator[Any]:
    for code, item in ITEMS.items():
        for example in item.examples:
            yield pytest.param(item, example, id=f"{code}-{example.name}")


def sent_form(item: Item, example: Example) -> tuple[dict[str, Any], dict[str, Any]]:
    """The typed values of an example, and the ``form`` that leaves for the bureau."""
    month, day = (int(part) for part in (example.day or "11-23").split("-"))
    today = date(2026, month, day)
    given = fill({"form": example.form}, today, now=datetime(2026, month, day, 2, tzinfo=UTC))
    typed = check_form(CATALOGUE, item, given["form"], today=today).values
    operation, content = translate(item, {"form": typed})
    call = BackendCall("c" * 32, "case", operation=operation, content=content, common={"item": item.code})
    return dict(typed), json.loads(bodies.filing(call, {}))["form"]


def test_every_item_of_the_bureau_is_routed_and_asked_about_at_most_every_ten_minutes() -> None:
    assert sorted(ITEMS) == [f"FT-EDU-{n:03d}" for n in range(1, 21)]
    for item in ITEMS.values():
        assert item.route is not None, item.code
        assert item.route.operation == "submit"
        assert item.route.constants == {}
        assert min(item.sla.first_after, item.sla.every) * 0.9 >= 600, item.code  # a tenth is jitter


def test_the_dictionary_holds_the_rows_of_all_items_without_a_sheet_of_their_own() -> None:
    assert {item for item, _ in ROWS} == set(ITEMS) - set(OWN)
    assert len(ROWS) == len(rows())


@pytest.mark.parametrize("code", sorted(set(ITEMS) - set(OWN)))
def test_the_rows_of_a_generic_sheet_are_the_fields_of_the_item(code: str) -> None:
    item = ITEMS[code]
    sheet = {number: row for (owner, number), row in ROWS.items() if owner == code}
    fields = mapped(item)
    assert list(fields) == list(sheet)
    assert list(fields.values()) == list(item.fields)
    for number, row in sheet.items():
        field = fields[number]
        assert re.fullmatch(rf"E{code[-3:]}-[0-9]{{2}}", number)
        assert row["label"] == field.label
        assert field.type in KINDS[row["kind"]], number
        assert row["required"] == ("Y" if field.required else "N")


@pytest.mark.parametrize("code", sorted(set(ITEMS) - set(OWN)))
def test_a_choice_goes_by_the_number_its_option_has_on_the_sheet(code: str) -> None:
    route = ITEMS[code].route
    assert route is not None
    coded = set()
    for number, field in mapped(ITEMS[code]).items():
        row = ROWS[code, number]
        if row["kind"] == "choice":
            theirs = dict(reversed(option.split("=", 1)) for option in row["options"].split(";"))
            assert {o.label: route.codes[number][o.value] for o in field.options} == theirs
            coded.add(number)
        elif row["kind"] == "yes/no":
            assert route.codes[number] == {"true": "1", "false": "0"}
            coded.add(number)
        else:
            assert row["options"] == ""
    assert set(route.codes) == coded


@pytest.mark.parametrize("code", sorted(OWN))
def test_an_own_sheet_is_filled_by_its_names_and_codes(code: str) -> None:
    route = ITEMS[code].route
    assert route is not None
    assert {field.name: theirs for theirs, field in mapped(ITEMS[code]).items()} == OWN[code]
    assert len(route.fields) == len(ITEMS[code].fields)
    for theirs, table in route.codes.items():
        assert list(table.values()) == OWN_CODES[theirs]
    assert set(route.codes) == set(OWN_CODES) & set(OWN[code].values())


@pytest.mark.parametrize(("item", "example"), list(examples()))
def test_an_example_leaves_as_its_sheet_wants_it(item: Item, example: Example) -> None:
    typed, form = sent_form(item, example)
    if item.code in OWN:
        sent = form
        assert not re.search(r"E[0-9]{3}-", " ".join(form))
    else:
        assert list(form) == ["rows"]
        numbers = [row["no"] for row in form["rows"]]
        assert numbers == sorted(set(numbers))
        assert all(set(row) == {"no", "value"} for row in form["rows"])
        sent = {row["no"]: row["value"] for row in form["rows"]}
    fields = mapped(item)
    assert set(sent) == {theirs for theirs, field in fields.items() if typed.get(field.name) not in (None, "")}
    assert {theirs for theirs, field in fields.items() if field.required} <= set(sent)
    route = item.route
    assert route is not None
    for theirs, value in sent.items():
        assert type(value) is str
        assert value
        given = typed[fields[theirs].name]
        if theirs in route.codes:
            assert value in route.codes[theirs].values()
        elif isinstance(given, str):
            assert value == given
        if (item.code, theirs) in ROWS:
            assert re.fullmatch(SHAPES.get(ROWS[item.code, theirs]["kind"], r"(?s).+"), value), (theirs, value)


def test_the_first_example_of_the_subsidy_is_the_sheet_of_the_document() -> None:
    _, form = sent_form(ITEMS["FT-EDU-001"], ITEMS["FT-EDU-001"].examples[0])
    assert form == {
        "stuName": "张小样",
        "stuIdType": "01",
        "stuIdNo": "440304201506010033",
        "stuRegNo": "G440304201506010033",
        "schoolName": "深圳市福田区样例学校",
        "gradeNo": "G5",
        "hukouKind": "QG",
        "guardianRel": "F",
        "payAccount": "6222020000000000018",
    }


def test_money_decimals_yes_and_addresses_of_a_generic_sheet() -> None:
    _, form = sent_form(ITEMS["FT-EDU-016"], ITEMS["FT-EDU-016"].examples[0])
    sent = {row["no"]: row["value"] for row in form["rows"]}
    example = ITEMS["FT-EDU-016"].examples[0].form
    place = example["site_address"]
    assert sent["E016-03"] == ("1" if example["for_profit"] else "0")
    assert sent["E016-04"] == "/".join(place.get(part, "") for part in ("region", "street", "community", "detail"))
    assert sent["E016-05"] == f"{float(example['site_area']):.2f}"
    assert sent["E016-07"] == "1000000.00"


def test_an_address_without_a_community_keeps_its_strokes_and_what_was_not_given_has_no_row() -> None:
    item = ITEMS["FT-EDU-003"]
    number, source = next((n, s) for n, s in item.route.fields.items() if s.endswith("|strokes"))
    name = source.removeprefix("form.").removesuffix("|strokes")
    _, content = translate(item, {"form": {name: {"region": "440304", "street": "440304009", "detail": "样例苑"}}})
    assert content == {number: "440304/440304009//样例苑"}
