"""All items of the education bureau, each filed by a bank and driven to a decision over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.catalogue.item import Catalogue, Item
from mocks.departments.edu_courses import Course, Rule
from mocks.departments.education import EducationBureau
from mocks.departments.hmac_signing import utc_now
from tests import builders
from tests.builders import BUREAU_APP, SECRET, SmallHouse, read_catalogue, small_house
from tests.item_examples import part_of

OF_BUREAU = sorted(
    code for code, versions in read_catalogue(with_sandbox=True).items.items() if versions[-1].backend == "FT_EDU"
)
REFUSED = "13800009902"


def always_open(*args: Any, **named: Any) -> Catalogue:
    """The catalogue without its windows: the test passes on any day."""
    found = read_catalogue(*args, **named)
    items = {code: tuple(replace(item, windows=()) for item in versions) for code, versions in found.items.items()}
    return replace(found, items=items)


class BureauClock:
    """The bureau goes by the same clock as the house, once that stands: a moved one must not look like a replay."""

    def __init__(self) -> None:
        self.now: Callable[[], datetime] = utc_now

    def __call__(self) -> datetime:
        return self.now()


@pytest.fixture
def bureau_clock() -> BureauClock:
    return BureauClock()


@pytest.fixture
def bureau(tmp_path: Path, bureau_clock: BureauClock) -> EducationBureau:
    return EducationBureau(
        SECRET,
        tmp_path / "bureau",
        rule=Rule(shares={Course.GRANT: 1}, decide_after=0.2),
        app=BUREAU_APP,
        clock=bureau_clock,
        keep_night=False,
        most_per_second=0,
        push_minute=0.05,
    )


@pytest.fixture
def house(
    tmp_path: Path,
    database_url: str,
    bureau: EducationBureau,
    bureau_clock: BureauClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[SmallHouse]:
    monkeypatch.setattr(builders, "read_catalogue", always_open)
    with small_house(tmp_path, database_url, with_department=True, bureau=bureau) as small:
        bureau_clock.now = small.clock.now
        yield small


def items(house: SmallHouse) -> list[Item]:
    return [house.house.catalogue.items[code][-1] for code in OF_BUREAU]


def file_all(house: SmallHouse, *, phone: str = "") -> dict[str, Item]:
    """Every example of every item, filed; receipt number → item."""
    filed: dict[str, Item] = {}
    for item in items(house):
        for example in item.examples:
            part = {**part_of(house, item, example), "confirm_second": True}
            if phone:  # the bureau's officers decide by its last digits
                person = part["applicant"]
                person["contact_phone" if person["kind"] == "organisation" else "phone"] = phone
            answer = house.submit(part)
            assert answer.ok, (item.code, example.name, answer.raw)
            filed[answer.receipt_no] = item
    return filed


def test_the_bureau_has_its_twenty_items() -> None:
    assert len(OF_BUREAU) == 20


@pytest.mark.parametrize("how", ["called back", "asked"])
def test_every_item_is_granted_whether_the_bureau_calls_back_or_is_asked(
    house: SmallHouse, bureau: EducationBureau, how: str
) -> None:
    if how == "asked":
        bureau.clerk.callback_url = ""
    filed = file_all(house)
    turn = 30.0 if how == "asked" else 0.0
    for receipt_no, item in filed.items():
        case = house.until_state(receipt_no, "approved", "ready", "delivered", turn=turn).business["case"]
        assert (case["item"], case["decision"]["kind"]) == (item.code, "granted")
    rows = {row["receipt_no"]: row["item"] for row in bureau.ledger.rows()}
    assert rows == {receipt_no: item.code for receipt_no, item in filed.items()}


def test_every_item_can_be_refused_and_the_bank_hears_why(house: SmallHouse, bureau: EducationBureau) -> None:
    for receipt_no, item in file_all(house, phone=REFUSED).items():
        case = house.until_state(receipt_no, "denied").business["case"]
        assert (case["item"], case["decision"]["kind"]) == (item.code, "refused")
        assert case["decision"]["reason"]


def test_an_instant_item_is_decided_inside_the_bank_s_own_call(house: SmallHouse) -> None:
    for item in items(house):
        if item.mode != "instant":
            continue
        part = part_of(house, item, item.examples[0])
        began = house.clock.monotonic()
        answer = house.submit(part)
        assert answer.business["case"]["decision"]["kind"] == "granted", item.code
        assert house.clock.monotonic() - began < 3.0
        assert house.submit(part).business["case"]["decision"]["kind"] == "granted"  # an honest retry hears it too
