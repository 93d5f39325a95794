"""The codes of a route: one for every value of a field, checked when the catalogue is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.catalogue.item import Item, Route
from gateway.catalogue.loader import load, problems
from gateway.catalogue.route import translate
from gateway.domain.errors import BadCatalogue

ITEMS = Path(load.__code__.co_filename).parent / "items"
SOURCE = (ITEMS / "FT-EDU-013.yaml").read_text(encoding="utf-8").replace("FT-EDU-013", "FT-TST-001")
ITEM = load().items["FT-EDU-013"][-1]
BOOL, ENUM = "    E013-04: {'true': '1', 'false': '0'}\n", "E013-05: {dibao: '01', "


@pytest.fixture
def said(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """What the loader says of the sample item with one text replaced."""

    def run(old: str, new: str) -> list[str]:
        assert old in SOURCE
        path = tmp_path / "FT-TST-001.yaml"
        path.write_text(SOURCE.replace(old, new, 1), encoding="utf-8")
        return [f"{p.line}: {p.what}; {p.instead}" for p in problems(extra=[path])]

    return run


def routed(fields: dict[str, str], codes: dict[str, dict[str, str]]) -> Item:
    return replace(ITEM, route=Route("submit", fields, {}, codes))


def test_the_sample_is_sound(said: Callable[[str, str], list[str]]) -> None:
    assert said(BOOL, BOOL) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (ENUM, "E013-05: {", "codes of E013-05 lack dibao; write dibao: with their code"),
        ("'false': '0'", "'falsch': '0'", "codes of E013-04 lack false; write false: with their code"),
        ("'true': '1'", "'true': 1", "code of true is no text; put quotes"),
        (ENUM, ENUM + "rich: '09', ", "is never rich"),
        (BOOL, "    E013-04: '1'\n", "codes of E013-04 are no mapping"),
        (BOOL, "    E013-44: {'true': '1', 'false': '0'}\n", "fields has no E013-44; write E013-04"),
        (BOOL, "    E013-01: {a: '1'}\n", "form.student_name is no field with a list of values"),
        ("E013-04: form.is_boarding", "E013-04: form.is_boarding|text", "is no field with a list of values"),
        ("E013-04: form.is_boarding", "E013-04: =1", "=1 is no field with a list of values"),
    ],
)
def test_codes_that_leave_a_value_out_or_mean_nothing_are_found(
    said: Callable[[str, str], list[str]], old: str, new: str, what: str
) -> None:
    assert [problem for problem in said(old, new) if what in problem]


def test_a_whole_number_between_bounds_can_be_coded_value_by_value(said: Callable[[str, str], list[str]]) -> None:
    found = said(BOOL, BOOL + "    E013-06: {'1': A}\n")
    low, high = next((int(f.min), int(f.max)) for f in ITEM.fields if f.name == "family_size")
    assert len(found) == high - max(low, 2) + 1
    assert all("codes of E013-06 lack" in problem for problem in found)


def test_a_value_is_sent_by_its_code() -> None:
    item = routed(
        {"a": "form.kind", "b": "form.yes", "c": "form.grade", "d": "form.gone"},
        {"a": {"x": "01"}, "b": {"true": "1", "false": "0"}, "c": {"3": "G3"}, "d": {"x": "1"}},
    )
    assert translate(item, {"form": {"kind": "x", "yes": False, "grade": 3}})[1] == {"a": "01", "b": "0", "c": "G3"}


@pytest.mark.parametrize("value", ["y", ["x"]])
def test_a_value_without_a_code_is_a_mistake_of_the_catalogue_and_is_not_shown(value: object) -> None:
    with pytest.raises(BadCatalogue, match="no code of a for a value"):
        translate(routed({"a": "form.kind"}, {"a": {"x": "01"}}), {"form": {"kind": value}})


def test_an_address_in_strokes_keeps_missing_parts_empty() -> None:
    item = routed({"a": "form.place|strokes"}, {})
    place = {"region": "440106", "detail": "样例路1号"}
    assert translate(item, {"form": {"place": place}})[1] == {"a": "440106///样例路1号"}
