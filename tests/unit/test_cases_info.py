"""What a bank may know before anybody files: items, one item, outlets, departments; and receipt and upload ticket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.store import work
from mocks.banks.icbc_sim import Answer
from tests.builders import CLIENT_ID, OUTLET, SmallHouse, bank_key, enrolled, item_file, small_house

DEPARTMENT = "FT_SBX"
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


def problems(answer: Answer) -> list[tuple[str, str]]:
    return [(e["path"], e["code"]) for e in answer.business.get("errors", [])]


def listed(house: SmallHouse) -> list[dict[str, Any]]:
    """Every page of the list."""
    rows: list[dict[str, Any]] = []
    page = "1"
    while page:
        answer = house.call("item_list", {"page": page})
        assert answer.ok, answer.business
        rows += answer.business["items"]
        page = answer.business.get("next_page", "")
    return rows


def strings_only(value: Any) -> bool:
    if isinstance(value, dict):
        return all(strings_only(v) for v in value.values())
    if isinstance(value, list):
        return all(strings_only(v) for v in value)
    return isinstance(value, str | bool)


# -- items -----------------------------------------------------------------------------------------------------------


def test_the_list_holds_every_item_page_by_page_under_one_tag(house: SmallHouse) -> None:
    rows = listed(house)
    codes = {row["item"] for row in rows}
    assert codes == set(house.house.catalogue.items)
    assert len(rows) > 100
    row = next(r for r in rows if r["item"] == "FT-SBX-002")
    assert row["open"] is True
    assert (row["version"], row["mode"], row["promised_days"], row["outlets"]) == ("2026.1", "promise", "5", "all")
    assert set(row["subject"]) == {"person", "organisation"}
    assert all(strings_only(r) for r in rows)
    assert {r["open"] for r in rows if not r["item"].startswith("FT-SBX")} == {False}  # their departments are away


def test_a_list_that_is_known_is_not_sent_again(house: SmallHouse) -> None:
    first = house.call("item_list", {})
    again = house.call("item_list", {"known": first.business["tag"]})
    assert (again.business["unchanged"], again.business["items"]) == (True, [])
    assert again.business["tag"] == first.business["tag"]
    assert house.call("item_list", {"known": "older"}).business["items"] == first.business["items"]


def test_a_window_that_opens_changes_the_tag_and_the_item(tmp_path: Path, sqlite_url: str) -> None:
    extra = item_file(tmp_path, "FT-SBX-901", opens_in=2)
    with small_house(tmp_path, sqlite_url, extra_items=(extra,)) as house:
        before = house.call("item_list", {}).business["tag"]
        (row,) = [r for r in listed(house) if r["item"] == "FT-SBX-901"]
        assert row["open"] is False
        assert set(row["windows"][0]) == {"from", "to"}
        house.clock.turn(days=2)
        (row,) = [r for r in listed(house) if r["item"] == "FT-SBX-901"]
        assert row["open"] is True
        assert house.call("item_list", {}).business["tag"] != before


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"page": "0"}, ("page", "BAD_FORMAT")),
        ({"page": "x"}, ("page", "BAD_FORMAT")),
        ({"pages": "1"}, ("pages", "UNKNOWN_MEMBER")),
    ],
)
def test_a_list_asked_for_wrongly_is_refused(house: SmallHouse, asked: dict[str, Any], wanted: tuple[str, str]) -> None:
    answer = house.call("item_list", asked)
    assert (answer.reason, wanted in problems(answer)) == ("INVALID", True)


def test_a_page_behind_the_last_is_empty(house: SmallHouse) -> None:
    answer = house.call("item_list", {"page": "99"})
    assert (answer.business["items"], "next_page" in answer.business) == ([], False)


def test_an_item_is_the_catalogues_entry_without_its_route(house: SmallHouse) -> None:
    answer = house.call("item", {"item": "FT-SBX-002"})
    entry = answer.business
    assert answer.ok
    assert [f["name"] for f in entry["fields"]] == ["scenario", "remark", "contact_date", "amount"]
    assert {"value": "grant", "label": "准予"} in entry["fields"][0]["options"]
    assert [(m["id"], m["deferrable"]) for m in entry["materials"]] == [("M1", True), ("M2", False)]
    assert [c["kind"] for c in entry["consents"]] == ["privacy_notice", "sensitive", "guardian", "truth"]
    assert all(c["version"] and c["text"] for c in entry["consents"])
    assert "居住" in entry["consents"][1]["text"] or "{" not in entry["consents"][1]["text"]
    assert entry["promise_text"]["days"] == "5"
    assert "cabinet" not in entry["delivery_modes"]
    assert (entry["face_check"], entry["sensitive"]) == ("optional", ["residence"])
    assert entry["versions"] == [{"version": "2026.1", "from": "2019-10-01"}]
    told = answer.raw.decode()
    assert "route" not in entry
    assert "contactDate" not in told
    assert "amountFen" not in told
    assert strings_only({k: v for k, v in entry.items() if k not in {"result"}})


def test_every_item_of_the_catalogue_can_be_shown(house: SmallHouse) -> None:
    for code, versions in house.house.catalogue.items.items():
        for version in versions:
            answer = house.call("item", {"item": code, "version": version.version})
            assert answer.ok, (code, answer.business)
            assert strings_only(dict(answer.business))


def test_an_item_or_version_that_is_none_is_told_so(house: SmallHouse) -> None:
    assert problems(house.call("item", {"item": "NO-SUCH"})) == [("item", "ITEM_UNKNOWN")]
    assert problems(house.call("item", {"item": "FT-SBX-002", "version": "1"})) == [("version", "ITEM_VERSION_OLD")]
    assert problems(house.call("item", {})) == [("item", "MISSING")]


# -- outlets ---------------------------------------------------------------------------------------------------------


def test_a_bank_sees_its_own_outlets_only(house: SmallHouse) -> None:
    answer = house.call("outlet_list", {})
    rows = answer.business["outlets"]
    assert {row["code"] for row in rows} == {o.code for o in house.house.catalogue.outlets.values() if o.bank == "ICBC"}
    row = next(r for r in rows if r["code"] == OUTLET)
    assert row["provisional_series"] == f"FPyyMMdd{row['slip_no']}"
    assert row["items"] == "all" or "FT-SBX-002" in row["items"]
    assert strings_only(rows)
    again = house.call("outlet_list", {"known": answer.business["tag"]})
    assert (again.business["unchanged"], again.business["outlets"]) == (True, [])


def test_a_client_of_one_outlet_sees_that_outlet(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, client=enrolled(bank_key(), outlets=(OUTLET,))) as house:
        assert [row["code"] for row in house.call("outlet_list", {}).business["outlets"]] == [OUTLET]


# -- departments -----------------------------------------------------------------------------------------------------


def status(house: SmallHouse) -> dict[str, Any]:
    (row,) = house.call("department_status", {"department": DEPARTMENT}).business["departments"]
    return dict(row)


def test_a_department_is_open_slow_or_closed_as_its_lane_says_and_we_hold_its_cases(both: SmallHouse) -> None:
    assert (status(both)["state"], status(both)["holds"], "until" in status(both)) == ("open", True, False)
    steps = [(3, timedelta(0), "slow"), (5, timedelta(seconds=5), "slow"), (12, timedelta(seconds=300), "closed")]
    for failures, held, wanted in steps:
        both.house.database.again(
            lambda tx, f=failures, h=held: work.Lanes.failed(tx, DEPARTMENT, failures=f, open_for=h)
        )
        row = status(both)
        assert (row["state"], row["holds"], "until" in row) == (wanted, True, held > timedelta(0))
        assert row["say"]
    both.house.database.again(lambda tx: work.Lanes.answered(tx, DEPARTMENT))
    assert status(both)["state"] == "open"


def test_a_department_that_is_not_connected_is_unknown_and_nothing_is_held_for_it(house: SmallHouse) -> None:
    rows = {r["code"]: r for r in house.call("department_status", {}).business["departments"]}
    assert set(rows) == {i.department for versions in house.house.catalogue.items.values() for i in versions}
    away = [r for code, r in rows.items() if code != DEPARTMENT]
    assert {(r["state"], r["holds"]) for r in away} == {("unknown", False)}
    assert all(r["name"] for r in away)


def test_a_department_that_does_not_exist_is_told_so(house: SmallHouse) -> None:
    assert problems(house.call("department_status", {"department": "NO"})) == [("department", "NOT_IN_LIST")]


# -- receipt, ticket -------------------------------------------------------------------------------------------------


def test_the_receipt_is_the_same_bytes_as_ever(both: SmallHouse) -> None:
    filed = both.submit(both.sample())
    answer = both.call("receipt", {"receipt_no": filed.receipt_no.lower()})
    assert answer.business["receipt"] == filed.business["receipt"]
    assert answer.receipt_no == filed.receipt_no
    assert "case" not in answer.business
    assert both.call("receipt", {"receipt_no": "FT261123037K3QWB"}).reason == "CASE_UNKNOWN"
    assert both.call("receipt", {}).reason == "INVALID"


def test_an_upload_ticket_asked_for_again_in_the_same_message_is_the_same_ticket(both: SmallHouse) -> None:
    asked = {
        "case_ref": both.sample()["bank_ref"],
        "purpose": "material",
        "material": "M1",
        "digest": DIGEST,
        "size": "183220",
        "type": "application/pdf",
    }
    request = both.build("upload_ticket", asked)
    first = both.send(request)
    assert (first.business["status"], first.business["upload"]["path"][:7]) == ("wanted", "/blobs/")
    assert both.send(request).raw == first.raw
    other = both.call("upload_ticket", asked)
    assert other.business["upload"]["path"] != first.business["upload"]["path"]
    assert both.counts()["ticket"] == 2
    refused = both.call("upload_ticket", asked | {"size": "0"}, msg_id="one-id")
    assert (refused.reason, both.call("echo", {"text": "x"}, msg_id="one-id").reason) == (
        "INVALID",
        "MESSAGE_ID_REUSED",
    )


def test_reads_are_never_answered_from_the_store(house: SmallHouse) -> None:
    request = house.build("department_status", {"department": DEPARTMENT})
    assert house.send(request).business["departments"][0]["state"] == "open"
    house.house.database.again(
        lambda tx: work.Lanes.failed(tx, DEPARTMENT, failures=12, open_for=timedelta(seconds=300))
    )
    assert house.send(request).business["departments"][0]["state"] == "closed"


def test_an_operation_a_client_is_not_enrolled_for_is_refused(tmp_path: Path, sqlite_url: str) -> None:
    client = enrolled(bank_key(), operations=("submit", "query"))
    assert client.client_id == CLIENT_ID
    with small_house(tmp_path, sqlite_url, client=client) as house:
        for operation in ("withdraw", "supplement", "item_list", "upload_ticket", "department_status"):
            assert house.call(operation, {}).reason == "OPERATION_NOT_ALLOWED"
