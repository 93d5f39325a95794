"""A new version of an item while the house runs: by two people, judged like a release's file, good in every process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.acts.persons import of_sandbox
from gateway.domain.clock import beijing_day
from gateway.domain.errors import ActRefused
from tests.builders import SmallHouse, small_house

SOURCE = Path(__file__).parents[2] / "gateway/catalogue/sandbox/FT-SBX-002.yaml"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url, own_catalogue=True) as small:
        yield small


def item_text(house: SmallHouse, version: str = "2027.1", *, in_days: int = 0, **change: Any) -> str:
    item = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    start = beijing_day(house.clock.now()) + timedelta(days=in_days)
    item |= {"version": version, "effective": {"from": start.isoformat()}, **change}
    return yaml.safe_dump(item, allow_unicode=True, sort_keys=False)


def publish(house: SmallHouse, text: str, version: str = "2027.1", item: str = "FT-SBX-002") -> str:
    acts, now = house.house.acts, house.clock.now()
    payload = {"item": item, "version": version, "file": text}
    row = acts.propose(of_sandbox("li", now), "catalogue.publish", payload)
    assert row.state == "proposed"  # one person publishes nothing
    acts.approve(of_sandbox("wang", now), row.act_id, digest=row.digest)
    return acts.carry_out(row.act_id).state


def version_told(house: SmallHouse) -> str:
    return str(house.call("item", {"item": "FT-SBX-002"}).business["version"])


def look_again(house: SmallHouse) -> None:
    publishing = house.house.ticker._chores[0].__self__  # type: ignore[attr-defined]  # the chore of every process
    publishing._looked = float("-inf")
    publishing.turn()


def test_a_published_version_is_told_filed_under_and_survives_a_restart(tmp_path: Path, database_url: str) -> None:
    with small_house(tmp_path, database_url, own_catalogue=True) as house:
        before = version_told(house)
        filed = house.submit(house.sample())
        assert publish(house, item_text(house, name="新的名称")) == "executed"
        look_again(house)
        assert version_told(house) == "2027.1"
        assert before != "2027.1"
        assert house.query(filed.receipt_no).business["case"]["item_version"] == before  # a case keeps its version
        answer = house.submit(house.sample() | {"item_version": "2027.1"})
        assert answer.ok, answer.raw
        assert answer.business["case"]["item_version"] == "2027.1"
        (entry,) = house.loose_entries("system:catalogue:published")
        assert (entry["facts"]["version"], set(entry["digests"])) == ("2027.1", {"file"})
    with small_house(tmp_path, database_url, own_catalogue=True) as again:
        assert version_told(again) == "2027.1"


def test_a_running_house_reads_it_by_itself(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, own_catalogue=True, with_department=True) as house:
        assert publish(house, item_text(house)) == "executed"
        house.until(lambda: version_told(house) == "2027.1", what="the new version")


def test_a_version_of_later_waits_for_its_day(house: SmallHouse) -> None:
    before = version_told(house)
    assert publish(house, item_text(house, in_days=3)) == "executed"
    look_again(house)
    item = house.house.catalogue.current("FT-SBX-002", beijing_day(house.clock.now()))
    assert item is not None
    assert item.version == before
    house.clock.turn(days=3)
    current = house.house.catalogue.current("FT-SBX-002", beijing_day(house.clock.now()))
    assert current is not None
    assert current.version == "2027.1"


def refused(house: SmallHouse, text: str, version: str = "2027.1", item: str = "FT-SBX-002") -> str:
    with pytest.raises(ActRefused) as caught:
        publish(house, text, version, item)
    return str(caught.value)


def test_what_is_no_good_file_is_refused_with_every_problem_before_anybody_approves(house: SmallHouse) -> None:
    assert "effective.from" in refused(house, item_text(house, in_days=-1))
    assert "no such" in refused(house, item_text(house, colour="blue")) or "colour" in refused(
        house, item_text(house, colour="blue")
    )
    assert refused(house, "{")
    assert refused(house, item_text(house), version="2028.1")  # another version than the file's
    assert refused(house, item_text(house), item="FT-SBX-003")
    assert refused(house, item_text(house), item="../evil")
    assert publish(house, item_text(house)) == "executed"
    assert "is published" in refused(house, item_text(house))
    assert version_told(house) != "2027.1"  # this process has not looked yet; what it holds is whole
