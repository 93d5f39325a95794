"""What ``upload_ticket`` may ask for: every problem at once, the limits of each purpose."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.domain.errors import Invalid
from gateway.domain.reasons import FieldCode as Code
from gateway.materials.asking import new_reference_problem, read_asked
from gateway.materials.limits import MIB, Purpose
from gateway.materials.named import named_files

TODAY = date(2026, 11, 23)
DIGEST = "sha256:" + "2d" * 32
EXAMPLE: dict[str, Any] = {
    "op": "upload_ticket",
    "v": "1",
    "case_ref": "20261123ICBCFT0300000871",
    "purpose": "material",
    "material": "M1",
    "digest": DIGEST,
    "size": "183220",
    "type": "application/pdf",
}
DAY_FILE = {"day": "2026-11-22", "purpose": "day_file", "digest": DIGEST, "size": "51877", "type": "text/plain"}


def with_(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in {**EXAMPLE, **members}.items() if value is not None}


def problems(business: dict[str, Any]) -> list[tuple[str, Code]]:
    with pytest.raises(Invalid) as caught:
        read_asked(business, today=TODAY)
    return [(p.path, p.code) for p in caught.value.problems]


def test_the_example_is_read() -> None:
    wanted = read_asked({**EXAMPLE, "ext": {"note": "x"}}, today=TODAY)
    assert (wanted.case_ref, wanted.purpose, wanted.material) == ("20261123ICBCFT0300000871", Purpose.MATERIAL, "M1")
    assert (wanted.digest, wanted.size, wanted.type) == (DIGEST, 183220, "application/pdf")


def test_a_day_file_and_evidence_belong_to_a_day_and_a_difference() -> None:
    assert read_asked(DAY_FILE, today=TODAY).day == date(2026, 11, 22)
    evidence = with_(case_ref=None, material=None, purpose="evidence", difference_no="D20261123-0007")
    assert read_asked(evidence, today=TODAY).difference_no == "D20261123-0007"


@pytest.mark.parametrize(
    ("business", "expected"),
    [
        (with_(case_ref=None), [("receipt_no", Code.MISSING)]),
        (with_(receipt_no="FT261123037K3QWB"), [("case_ref", Code.UNKNOWN_MEMBER)]),
        (with_(case_ref="ICBC-1"), [("case_ref", Code.BAD_FORMAT)]),
        (with_(day="2026-11-22"), [("day", Code.UNKNOWN_MEMBER)]),
        (with_(material=None), [("material", Code.MISSING)]),
        (with_(material="M" * 21), [("material", Code.TOO_LONG)]),
        (with_(purpose="signature"), [("material", Code.UNKNOWN_MEMBER)]),
        (with_(purpose="photo"), [("purpose", Code.NOT_IN_LIST)]),
        (with_(digest="md5:" + "0" * 32), [("digest", Code.BAD_FORMAT)]),
        (with_(digest="sha256:" + "AB" * 32), [("digest", Code.BAD_FORMAT)]),
        (with_(size="0"), [("size", Code.OUT_OF_RANGE)]),
        (with_(size="-1"), [("size", Code.OUT_OF_RANGE)]),
        (with_(size=str(20 * MIB + 1)), [("size", Code.OUT_OF_RANGE)]),
        (with_(type="image/gif"), [("type", Code.NOT_IN_LIST)]),
        (with_(type="text/plain"), [("type", Code.NOT_IN_LIST)]),
        (with_(purpose="form", material=None), [("type", Code.NOT_IN_LIST)]),
        (
            with_(purpose="form", material=None, type="application/json", size=str(MIB + 1)),
            [("size", Code.OUT_OF_RANGE)],
        ),
        ({**DAY_FILE, "size": str(200 * MIB + 1)}, [("size", Code.OUT_OF_RANGE)]),
        ({**DAY_FILE, "day": "2026-11-24"}, [("day", Code.DATE_IN_FUTURE)]),
        ({**DAY_FILE, "day": "2026-02-30"}, [("day", Code.DATE_IMPOSSIBLE)]),
        ({**DAY_FILE, "case_ref": "20261123ICBC0001"}, [("case_ref", Code.UNKNOWN_MEMBER)]),
        (with_(digset="x"), [("digset", Code.UNKNOWN_MEMBER)]),
        (with_(ext={"a": True}), [("ext", Code.WRONG_TYPE)]),
        ({}, [("purpose", Code.MISSING), ("digest", Code.MISSING), ("size", Code.MISSING), ("type", Code.MISSING)]),
    ],
)
def test_every_problem_has_its_place_and_code(business: dict[str, Any], expected: list[tuple[str, Code]]) -> None:
    assert problems(business) == expected


@pytest.mark.parametrize("size", [1, 20 * MIB])
def test_the_limits_themselves_are_allowed(size: int) -> None:
    assert read_asked(with_(size=str(size)), today=TODAY).size == size


def test_a_reference_still_to_come_begins_with_a_day_near_today() -> None:
    assert new_reference_problem("20261120ICBC0001", today=TODAY) is None
    for reference in ("20261119ICBC0001", "20261127ICBC0001", "20261340ICBC0001"):
        problem = new_reference_problem(reference, today=TODAY)
        assert problem is not None
        assert problem[0] is Code.BANK_REF_DATE


def test_files_are_found_wherever_they_are_named_but_not_in_the_form() -> None:
    a, b, c, d = (f"sha256:{x * 64}" for x in "abcd")
    business = {
        "materials": [
            {"id": "M1", "files": [{"digest": a, "pages": "2"}, {"digest": b}]},
            {"id": "M2", "how": "paper"},
        ],
        "agent": {"authorisation": {"file": {"digest": c, "pages": "0"}}},
        "signature": {"text_digest": d, "image": {"digest": a}},
        "form_blob": {"digest": d.replace("sha256", "sm3")},
        "form": {"x": {"digest": "sha256:" + "e" * 64}},
        "ext": {"digest": "sha256:" + "f" * 64},
    }
    assert named_files(business) == {a: 2, b: None, c: None, d.replace("sha256", "sm3"): None}
