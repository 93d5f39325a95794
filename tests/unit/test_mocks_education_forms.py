"""The education bureau's forms over real loopback HTTP: every item taken when right, refused when a row is wrong."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mocks.departments.edu_courses import Course, Rule
from mocks.departments.education import EducationBureau

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"edu-test-secret-not-for-use"
NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
EXAMPLE = json.loads((ROOT / "docs/departments/examples/FT_EDU_submit.json").read_bytes())
GOOD = {
    "text": "样例\n第二行",
    "long text": "说明\n第二行",
    "document number": "44030419900307123X",
    "whole number": "12",
    "student number": "G440304201506010033",
    "region code": "440304",
    "day": "2026-12-01",
    "year": "2018",
    "address": "440304/440304011//梅华路1号/3栋",
    "money": "1200.50",
    "decimal": "86.00",
    "yes/no": "0",
    "account": "6212260000000000009",
    "plate": "粤B12345",
}
BAD = {
    "text": "",
    "long text": "控\t制",
    "document number": "44 0304",
    "whole number": "012",
    "student number": "440304201506010033",
    "region code": "44030",
    "day": "2026-02-30",
    "year": "18",
    "address": "440304/440304003//梅华路1号",
    "money": "1200.5",
    "decimal": "86",
    "yes/no": "Y",
    "account": "6212 2600",
    "plate": " ",
    "choice": "1",
}


def read_sheets() -> dict[str, list[list[str]]]:
    sheets: dict[str, list[list[str]]] = {}
    lines = (ROOT / "mocks/departments/dictionary/FT_EDU.tsv").read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        item, *row = line.split("\t")
        sheets.setdefault(item, []).append(row)
    return sheets


SHEETS = read_sheets()
TEACHER = {
    "qualKind": "12",
    "teachSubject": "语文",
    "eduLevel": "20",
    "gradSchool": "样例师范大学",
    "mandarinNo": "4419000123456",
    "mandarinLevel": "3",
}


def rows(item: str, *, optional: bool = True) -> list[dict[str, str]]:
    made = []
    for number, _, kind, required, options in SHEETS[item]:
        if optional or required == "Y":
            value = options.split(";")[-1].partition("=")[0] if kind == "choice" else GOOD[kind]
            made.append({"no": number, "value": value})
    return made


def changed(item: str, number: str, value: Any) -> list[dict[str, Any]]:
    return [row | {"value": value} if row["no"] == number else row for row in rows(item)]


@pytest.fixture(scope="module")
def submit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, Any], dict[str, Any]]]:
    """Files an application of an item with a form; gives the answer."""
    rule = Rule(shares={Course.GRANT: 1}, by_hand=True)
    state = tmp_path_factory.mktemp("education")
    with EducationBureau(SECRET, state, rule=rule, clock=lambda: NOW, most_per_second=0) as bureau:

        def ask(item: str, form: Any) -> dict[str, Any]:
            call_id = secrets.token_hex(8)
            body = {**EXAMPLE, "callId": call_id, "itemCode": item, "form": form}
            del body["materials"]
            raw = json.dumps(body, ensure_ascii=False).encode()
            stamp, nonce = str(int(NOW.timestamp() * 1000)), secrets.token_hex(8)
            target = "/edu-service/v2/cases"
            lines = ["POST", target, stamp, nonce, hashlib.sha256(raw).hexdigest()]
            headers = {
                "Content-Type": "application/json",
                "X-Edu-AppId": "gw",
                "X-Edu-Timestamp": stamp,
                "X-Edu-Nonce": nonce,
                "X-Edu-Signature": hmac.new(SECRET, "\n".join(lines).encode(), hashlib.sha256).hexdigest(),
            }
            line = http.client.HTTPConnection("127.0.0.1", bureau.port, timeout=3)
            try:
                line.request("POST", target, body=raw, headers=headers)
                return dict(json.loads(line.getresponse().read()))
            finally:
                line.close()

        yield ask


def paths(told: dict[str, Any]) -> list[str]:
    assert told["code"] == 40001, told
    return [error["path"] for error in told["body"]["errors"]]


def test_there_are_twenty_items_eighteen_of_them_with_rows() -> None:
    assert sorted([*SHEETS, "FT-EDU-001", "FT-EDU-010"]) == [f"FT-EDU-{number:03d}" for number in range(1, 21)]


@pytest.mark.parametrize("item", SHEETS)
def test_an_item_with_rows_is_taken_when_right_and_refused_when_a_row_is_wrong(
    submit: Callable[[str, Any], dict[str, Any]], item: str
) -> None:
    assert submit(item, {"rows": rows(item)})["code"] == 0
    assert submit(item, {"rows": rows(item, optional=False)})["code"] == 0

    every = {
        "rows": [row | {"value": BAD[kind]} for row, (_, _, kind, *_) in zip(rows(item), SHEETS[item], strict=True)]
    }
    assert paths(submit(item, every)) == [f"form.rows[{number}]" for number, *_ in SHEETS[item]]

    required = [number for number, _, _, needed, _ in SHEETS[item] if needed == "Y"]
    without = {"rows": [row for row in rows(item) if row["no"] != required[-1]]}
    assert paths(submit(item, without)) == [f"form.rows[{required[-1]}]"]


@pytest.mark.parametrize(
    ("item", "form", "wrong"),
    [
        ("FT-EDU-001", EXAMPLE["form"], ("gradeNo", "6")),
        ("FT-EDU-001", EXAMPLE["form"], ("hukouKind", "GA")),
        ("FT-EDU-001", EXAMPLE["form"], ("stuIdType", "1")),
        ("FT-EDU-010", TEACHER, ("eduLevel", "10")),
        ("FT-EDU-010", TEACHER | {"examNo": "2026012345"}, ("mandarinLevel", "2A")),
        ("FT-EDU-010", TEACHER, ("qualKind", None)),
    ],
)
def test_an_own_sheet_is_taken_when_right_and_refused_when_a_member_is_wrong_missing_or_unknown(
    submit: Callable[[str, Any], dict[str, Any]], item: str, form: dict[str, str], wrong: tuple[str, str | None]
) -> None:
    name, value = wrong

    assert submit(item, form)["code"] == 0
    assert paths(submit(item, form | {name: value})) == [f"form.{name}"]
    assert paths(submit(item, {member: form[member] for member in form if member != name})) == [f"form.{name}"]
    assert paths(submit(item, form | {"remark": "x"})) == ["form.remark"]


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ({"rows": [*rows("FT-EDU-005"), {"no": "E005-08", "value": "1"}]}, "form.rows[E005-08]"),
        ({"rows": [*rows("FT-EDU-005"), {"no": "E005-01", "value": "王"}]}, "form.rows[E005-01]"),
        ({"rows": [*rows("FT-EDU-005"), {"no": "E005-01"}]}, "form.rows[7]"),
        ({"rows": changed("FT-EDU-005", "E005-07", "05")}, "form.rows[E005-07]"),
        ({"rows": changed("FT-EDU-005", "E005-06", 3)}, "form.rows[E005-06]"),
        ({"rows": changed("FT-EDU-005", "E005-01", None)}, "form.rows[E005-01]"),
    ],
)
def test_a_row_that_is_not_of_the_sheet_twice_no_row_or_no_text_is_named(
    submit: Callable[[str, Any], dict[str, Any]], form: dict[str, Any], path: str
) -> None:
    assert paths(submit("FT-EDU-005", form)) == [path]


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("440304///样例路1号", True),
        ("440305//粤海社区/样例路1号", True),
        ("440305/440304001//样例路1号", False),
        ("440304/440304011/样例路1号", False),
        ("440304/440304011//", False),
        ("4403/440304011//样例路1号", False),
    ],
)
def test_an_address_has_four_parts_and_a_street_of_futian_or_none(
    submit: Callable[[str, Any], dict[str, Any]], address: str, taken: bool
) -> None:
    told = submit("FT-EDU-003", {"rows": changed("FT-EDU-003", "E003-07", address)})

    assert (told["code"] == 0) is taken


@pytest.mark.parametrize("form", [{}, [], {"rows": []}, {"rows": {}}, {"stuName": "王小满"}])
def test_an_item_with_rows_takes_nothing_but_rows(submit: Callable[[str, Any], dict[str, Any]], form: Any) -> None:
    assert paths(submit("FT-EDU-009", form))[0] == "form"
