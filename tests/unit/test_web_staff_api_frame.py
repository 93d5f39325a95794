"""The frame of the staff interface on a small application of its own: problems, pages, keys of repetition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from gateway.domain.clock import SystemClock
from gateway.signing.vault import Vault, make_vault
from gateway.store import once as rows
from gateway.store.database import Database
from gateway.web.staff_api import interface, paging
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.fields import Body, Flag, Moment, Text, Whole
from gateway.web.staff_api.once import Once, turn_id
from gateway.web.staff_api.problems import CONFLICT, INTERNAL, Problem

BASE = interface.PREFIX


class ThingIn(Body):
    name = Text(least=1, most=5, required=True)
    size = Whole(least=1, most=9, required=True)
    sure = Flag(load_default=False)
    at = Moment()


class ThingOut(Body):
    number = Whole(least=0, most=10**9, required=True)


class Frame:
    """The application, and how often the act behind it was done."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.done: list[str] = []
        self.fail: Problem | None = None
        self.who = "staff:one"
        self.database = database
        self.app = app = Flask("frame", static_folder=None)
        api = interface.make(app)
        things = StaffBlueprint("things", __name__, url_prefix=f"{BASE}/things")
        once = Once(database, vault, who=lambda: self.who)

        @things.route("/")
        @things.arguments(paging.PageQuery, location="query")
        @things.response(200, paging.page_of(ThingOut))
        def listed(query: dict[str, Any]) -> dict[str, Any]:
            start = query["cursor"][0] if query["cursor"] else 0
            numbers = list(range(start, min(start + query["limit"], 7)))
            return paging.page([{"number": n} for n in numbers], (numbers[-1] + 1,) if numbers[-1] < 6 else None)

        @things.route("/", methods=["POST"])
        @once
        @things.arguments(ThingIn)
        @things.response(201, ThingOut)
        def made(body: dict[str, Any]) -> dict[str, Any]:
            if self.fail:
                raise self.fail
            self.done.append(turn_id())
            return {"number": len(self.done)}

        @things.route("/secret", methods=["POST"])
        @once.not_kept
        @things.response(200, ThingOut)
        def secret() -> dict[str, Any]:
            self.done.append(turn_id())
            return {"number": 4711}

        api.register_blueprint(things)
        app.register_blueprint(interface.docs())
        app.register_error_handler(HTTPException, api.answer_error)
        app.register_error_handler(500, api.answer_error)

    def post(self, body: object, *, key: str = "key-00000001", path: str = "/things/") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        return self.client().post(BASE + path, data=raw, headers=headers)

    def client(self) -> FlaskClient:
        return self.app.test_client()


@pytest.fixture
def frame(database_url: str, tmp_path: Path) -> Iterator[Frame]:
    make_vault(tmp_path / "vault.key")
    database = Database(database_url, SystemClock())
    yield Frame(database, Vault.load(tmp_path / "vault.key"))
    database.close()


GOOD = {"name": "甲", "size": 3}


def test_all_faults_of_a_body_are_told_at_once_in_chinese(frame: Frame) -> None:
    answer = frame.post({"name": "", "size": "3", "sure": "yes", "at": "2026-11-23T10:00:00", "more": 1})

    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    told = answer.get_json()
    assert (told["code"], told["type"]) == ("INVALID", "urn:ft-gov:problem:invalid")
    assert {fault["path"]: fault["message"] for fault in told["errors"]} == {
        "body.name": "须为 1 至 5 个字符",
        "body.size": "须为整数",
        "body.sure": "须为 true 或 false",
        "body.at": "时间须带时区",
        "body.more": "没有这个成员",
    }
    assert frame.done == []


@pytest.mark.parametrize("raw", [b"{", b'{"name":"a","name":"b","size":1}', b'{"a":NaN}', b"[" * 2000, b'"\\ud800"'])
def test_what_is_no_plain_json_is_malformed(frame: Frame, raw: bytes) -> None:
    assert frame.post(raw).get_json()["code"] == "MALFORMED"


def test_another_content_type_is_told_as_such(frame: Frame) -> None:
    answer = frame.client().post(f"{BASE}/things/", data=b"<a/>", headers={"Idempotency-Key": "key-00000001"})
    assert (answer.status_code, answer.get_json()["code"]) == (415, "WRONG_TYPE")


def test_unknown_paths_and_methods_are_problems_too(frame: Frame) -> None:
    missing = frame.client().get(f"{BASE}/nothing")
    wrong = frame.client().delete(f"{BASE}/things/")

    assert missing.get_json()["code"] == "NOT_FOUND"
    assert (wrong.status_code, wrong.get_json()["code"]) == (405, "NO_METHOD")
    assert wrong.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_an_error_of_ours_tells_nothing_of_itself(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "begin", lambda *_a, **_n: 1 / 0)
    told = frame.post(GOOD)

    assert (told.status_code, told.get_json()["code"]) == (500, "INTERNAL")
    assert "division" not in told.get_data(as_text=True)


def test_pages_follow_each_other_to_the_end_without_gap_or_repeat(frame: Frame) -> None:
    found, cursor = [], ""
    while True:
        page = frame.client().get(f"{BASE}/things/?limit=3{cursor and '&cursor=' + cursor}").get_json()
        found += [item["number"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert found == list(range(7))


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WzEuNV0", "WzEsMiwzLDQsNV0", "%C3%A4", "W3RydWVd", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"]
)
def test_a_cursor_that_we_never_gave_is_refused(frame: Frame, cursor: str) -> None:
    answer = frame.client().get(f"{BASE}/things/?cursor={cursor}")
    assert answer.get_json()["errors"] == [{"path": "query.cursor", "message": "不是本接口给出的 cursor"}]


def test_a_parameter_that_nobody_knows_is_refused(frame: Frame) -> None:
    answer = frame.client().get(f"{BASE}/things/?limit=0&colour=red")
    assert {fault["path"] for fault in answer.get_json()["errors"]} == {"query.limit", "query.colour"}


@pytest.mark.parametrize("key", ["", "short", "k" * 81, "key 00000001"])
def test_a_post_without_a_usable_key_does_nothing(frame: Frame, key: str) -> None:
    assert frame.post(GOOD, key=key).get_json()["code"] == "KEY_MISSING"
    assert frame.done == []


def test_the_same_request_again_hears_the_same_and_nothing_is_done_twice(frame: Frame) -> None:
    first = frame.post(GOOD)
    again = frame.post(b'{ "size": 3, "name": "\xe7\x94\xb2" }')  # the same content, written otherwise

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json() == {"number": 1}
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(frame.done) == 1


def test_a_key_is_bound_to_its_content_and_to_its_caller(frame: Frame) -> None:
    frame.post(GOOD)
    other = frame.post({**GOOD, "size": 4})
    frame.who = "staff:two"
    of_another = frame.post({**GOOD, "size": 4})

    assert (other.status_code, other.get_json()["code"]) == (422, "KEY_REUSED")
    assert of_another.get_json() == {"number": 2}
    assert frame.done[0] != frame.done[1]


def test_a_refused_request_leaves_its_key_free(frame: Frame) -> None:
    assert frame.post({"name": "甲"}).status_code == 422
    frame.fail = Problem(CONFLICT)
    assert frame.post(GOOD).status_code == 409
    frame.fail = None

    assert frame.post(GOOD).status_code == 201


def test_after_an_error_of_ours_the_same_turn_is_taken_again_with_the_same_id(frame: Frame) -> None:
    frame.fail = Problem(INTERNAL)
    assert frame.post(GOOD).status_code == 500
    assert frame.post(GOOD).get_json()["code"] == "STILL_RUNNING"
    frame.fail = None
    frame.database.again(lambda tx: tx.run("UPDATE api_once SET started_at = started_at - 61000000"))

    assert frame.post(GOOD).status_code == 201
    frame.database.again(lambda tx: tx.run("UPDATE api_once SET status = 0, started_at = started_at - 61000000"))
    assert frame.post(GOOD).status_code == 201  # the process died before it kept the answer
    assert frame.done[0] == frame.done[1]


def test_an_answer_that_must_not_be_kept_is_not_kept(frame: Frame) -> None:
    assert frame.post(b"", path="/things/secret").get_json() == {"number": 4711}
    assert frame.post(b"", path="/things/secret").get_json()["code"] == "NOT_KEPT"
    with frame.database.read() as tx:
        assert tx.one("SELECT answer_sealed FROM api_once")["answer_sealed"] is None


def test_kept_answers_are_sealed(frame: Frame) -> None:
    frame.post(GOOD)
    with frame.database.read() as tx:
        assert b"number" not in bytes(tx.one("SELECT answer_sealed FROM api_once")["answer_sealed"])


def test_the_description_names_every_problem_and_the_page_asks_nothing_from_outside(frame: Frame) -> None:
    told = frame.client().get(f"{BASE}/openapi.json").get_json()
    page = frame.client().get(f"{BASE}/docs/")

    answers = told["paths"][f"{BASE}/things/"]["post"]["responses"]
    assert answers["422"]["$ref"].endswith("UNPROCESSABLE_CONTENT") or "422" in answers
    assert list(told["components"]["responses"]["DEFAULT_ERROR"]["content"]) == ["application/problem+json"]
    assert "http" not in page.get_data(as_text=True)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    with frame.client().get(f"{BASE}/docs/assets/swagger-ui-bundle.js") as script:
        assert len(script.get_data()) > 1_000_000
    assert frame.client().get(f"{BASE}/docs/assets/index.css").status_code == 404
