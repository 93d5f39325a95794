"""Every item of the catalogue: what is not connected is closed and still judged; what is connected goes round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.store import migrate
from tests import builders
from tests.builders import SmallHouse, read_catalogue, small_house
from tests.item_examples import part_of

CATALOGUE = read_catalogue(with_sandbox=True)
ITEMS = {code: versions[-1] for code, versions in CATALOGUE.items.items()}
CONNECTED = sorted(code for code, item in ITEMS.items() if item.backend == "FT_SBX")
CLOSED = sorted(set(ITEMS) - set(CONNECTED))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    folder = tmp_path_factory.mktemp("items")
    url = f"sqlite:///{folder}/gateway.db"
    migrate.upgrade(url)
    with small_house(folder, url, with_department=True) as small:
        yield small


def told(house: SmallHouse, part: dict[str, Any]) -> set[tuple[str, str]]:
    answer = house.submit({**part, "confirm_second": True})
    assert answer.signature_ok
    return {(error["path"], error["code"]) for error in answer.business.get("errors", [])}


def test_the_catalogue_has_its_hundred_items_and_the_sandbox_its_four() -> None:
    assert (len(CLOSED), len(CONNECTED)) == (100, 4)


@pytest.mark.parametrize("code", CLOSED)
def test_an_item_that_is_not_connected_is_closed_and_nothing_else_is_wrong_with_its_examples(
    house: SmallHouse, code: str
) -> None:
    item = ITEMS[code]
    for example in item.examples:
        found = told(house, part_of(house, item, example))
        assert ("item", "ITEM_CLOSED") in found
        assert found <= {("item", "ITEM_CLOSED"), ("item", "ITEM_WINDOW_CLOSED")}, example.name


@pytest.mark.parametrize("code", CLOSED[::10])
def test_an_item_that_is_not_connected_tells_everything_else_too(house: SmallHouse, code: str) -> None:
    item = ITEMS[code]
    part = part_of(house, item, item.examples[0])
    part["form"]["nothing_of_the_kind"] = "x"
    part["consents"] = []
    found = told(house, part)
    assert ("item", "ITEM_CLOSED") in found
    assert ("form.nothing_of_the_kind", "UNKNOWN_MEMBER") in found
    assert any(path == "consents" for path, _ in found)


@pytest.mark.parametrize("code", CONNECTED)
def test_a_connected_item_goes_round_with_every_example(house: SmallHouse, code: str) -> None:
    item = ITEMS[code]
    for example in item.examples:
        part = {**part_of(house, item, example), "confirm_second": True}
        filed = house.submit(part)
        assert filed.ok, filed.raw
        case = house.until_state(filed.receipt_no, "approved", turn=0.3).business["case"]
        assert case["item"] == code
        assert case["decision"]["kind"] == "granted"
        (row,) = house.ledger(filed.receipt_no)
        content = json.loads(row["body"])["content"]
        form = part["form"]
        assert content["scenario"] == form["scenario"]
        assert content.get("remark") == form.get("remark")
        assert content.get("contactDate") == (form["contact_date"].replace("-", "") if "contact_date" in form else None)
        assert content.get("amountFen") in ({12850, "12850"} if "amount" in form else {None})


def test_the_sandbox_does_not_exist_in_production(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builders, "write_peers", lambda folder, **_: (folder / "peers.toml").write_text(""))
    with small_house(tmp_path, sqlite_url, settings={"PROFILE": "production"}) as house:
        for code in CONNECTED:
            assert told(house, house.sample(code)) == {("item", "ITEM_UNKNOWN")}
        assert house.counts()["cases"] == 0
