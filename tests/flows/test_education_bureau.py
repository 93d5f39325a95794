"""The education bureau end to end: what a bank brings reaches it, and what it says reaches the bank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import VAULT_FILE
from gateway.cases.rekey import rewrap
from gateway.signing.vault import Vault
from gateway.signing.vault_file import add_kek
from gateway.store import blobs as blob_rows
from mocks.banks.act_samples import sample_supplement
from mocks.banks.samples import bank_ref
from mocks.departments.edu_courses import Course, Rule
from mocks.departments.education import EducationBureau
from tests.builders import BANK, BUREAU_APP, OUTLET, SECRET, SmallHouse, read_catalogue, small_house
from tests.item_examples import part_of

ITEM = "FT-EDU-006"
SCAN = b"%PDF-1.7\n" + b"a scan of a planted paper\n" * 4_000
CORRECTION = "13800009909"


def bureau_of(folder: Path) -> EducationBureau:
    rule = Rule(shares={Course.GRANT: 1}, decide_after=0.3)
    return EducationBureau(
        SECRET, folder / "bureau", rule=rule, app=BUREAU_APP, keep_night=False, most_per_second=0, push_minute=0.05
    )


@pytest.fixture
def bureau(tmp_path: Path) -> EducationBureau:
    return bureau_of(tmp_path)


@pytest.fixture
def house(tmp_path: Path, database_url: str, bureau: EducationBureau) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url, with_department=True, bureau=bureau) as small:
        yield small


def digest_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def file_of(raw: bytes) -> dict[str, str]:
    return {"digest": digest_of(raw), "size": str(len(raw)), "type": "application/pdf"}


def bring(house: SmallHouse, raw: bytes, material: str, **case: str) -> None:
    """Ask for a ticket as the bank does, and bring the file."""
    asked = {"op": "upload_ticket", "v": "1", **case, "purpose": "material", "material": material, **file_of(raw)}
    answer = house.call("upload_ticket", asked)
    assert answer.business["status"] == "wanted", answer.raw
    path = answer.business["upload"]["path"]
    assert house.app.test_client().put(path, data=raw).status_code == 201


def application(house: SmallHouse, **how: Any) -> dict[str, Any]:
    """A whole submission of the item's example; ``how`` names the way each of its papers is handed in."""
    item = read_catalogue(with_sandbox=True).items[ITEM][-1]
    part = part_of(house, item, item.examples[0], **how)
    part["confirm_second"] = True
    return part


def scan(raw: bytes) -> dict[str, Any]:
    return {"how": "scan", "original_seen": True, "files": [file_of(raw)]}


def digests_at(bureau: EducationBureau, receipt_no: str) -> list[str]:
    """Digests of the files the bureau holds for a case, by its own books."""
    (row,) = [r for r in bureau.ledger.rows() if r["receipt_no"] == receipt_no]
    return ["sha256:" + file["sha256"] for file in bureau.ledger.files_of(row["case_no"])]


def test_a_file_a_bank_brought_reaches_the_bureau_and_the_decision_the_bank(
    house: SmallHouse, bureau: EducationBureau
) -> None:
    part = application(house, M2=scan(SCAN))
    bring(house, SCAN, "M2", case_ref=part["bank_ref"])
    filed = house.submit(part)
    assert filed.ok, filed.raw
    case = house.until_state(filed.receipt_no, "approved").business["case"]
    assert case["decision"]["kind"] == "granted"
    assert digests_at(bureau, filed.receipt_no) == [digest_of(SCAN)]


def test_a_paper_asked_for_in_a_correction_is_brought_as_a_file_and_reaches_the_bureau(
    house: SmallHouse, bureau: EducationBureau
) -> None:
    part = application(house)
    part["applicant"]["phone"] = CORRECTION
    receipt_no = house.submit(part).receipt_no
    (ask,) = house.until_state(receipt_no, "correction").business["case"]["asks"]
    marked = [mark["path"] for mark in ask["what"]]
    assert marked
    more: dict[str, Any] = {}
    for path in marked:
        kind, _, name = path.partition(".")
        if kind == "materials":
            bring(house, SCAN, name, receipt_no=receipt_no)
            more["materials"] = [{"id": name, **scan(SCAN)}]
        elif kind == "form":
            more["form"] = {name: part["form"][name]}
    house._serial[0] += 1
    ref = bank_ref(BANK, house._serial[0], now=house.clock.now())
    act = sample_supplement(
        OUTLET, bank_ref=ref, receipt_no=receipt_no, ask_no=ask["ask_no"], now=house.clock.now(), **more
    )
    answer = house.call("supplement", act)
    assert answer.ok, answer.raw
    house.until_state(receipt_no, "approved")
    events = [event["kind"] for event in house.query(receipt_no).business["events"]]
    assert events.count("correction_asked") == 1
    assert digests_at(bureau, receipt_no) == [digest_of(SCAN)]


def test_a_file_that_was_lost_on_our_side_goes_to_a_person_and_nothing_is_filed(
    house: SmallHouse, bureau: EducationBureau
) -> None:
    part = application(house, M2=scan(SCAN))
    bring(house, SCAN, "M2", case_ref=part["bank_ref"])
    for file in (house.folder / "blobs").rglob("*.blob"):
        file.unlink()
    receipt_no = house.submit(part).receipt_no
    house.until(lambda: "case:call:parked" in house.kinds(receipt_no), what="a person is asked")
    assert bureau.ledger.rows() == []


def test_after_a_rewrap_files_open_with_the_new_key_alone(
    house: SmallHouse,
) -> None:
    part = application(house, M2=scan(SCAN))
    bring(house, SCAN, "M2", case_ref=part["bank_ref"])
    path = house.folder / "keys" / VAULT_FILE
    add_kek(path)
    turned = Vault.load(path)
    assert rewrap(house.house.database, turned) == 1
    assert rewrap(house.house.database, turned) == 0
    with house.house.database.read() as tx:
        (blob_id,) = blob_rows.ids_after(tx, "", limit=9)
        blob = blob_rows.by_id(tx, blob_id)
    assert blob is not None
    assert not turned.needs_rewrap(blob.data_key)
