"""The departments' door: verified, stored once, acknowledged; what a word means is decided elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.sandbox import signing
from gateway.domain.errors import Busy, OutcomeUnknown
from gateway.signing.secret import Secret
from gateway.store.database import Database
from tests.builders import SECRET, SmallHouse, small_house

PATH = "/callback/FT_SBX"


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def call_id(house: SmallHouse) -> str:
    """A case whose call a department could speak of."""
    assert house.submit(house.sample()).ok
    return str(house.rows("SELECT work_id FROM work WHERE kind = 'call' ORDER BY created_at DESC")[0]["work_id"])


def pushed(call: str, *, event: str = "E1", **more: Any) -> bytes:
    told = {"eventId": event, "seq": 2, "status": "ACCEPTED", "at": "2026-11-23T10:00:00+08:00"}
    body = {"callId": call, "sbxNo": "SBX00000000000001", "event": told | more}
    return json.dumps(body, ensure_ascii=False).encode()


def push(house: SmallHouse, body: bytes, *, secret: bytes = SECRET, path: str = PATH, **clock: float) -> Any:
    now = house.clock.now() + timedelta(**clock)
    headers = signing.signed_headers(
        Secret(secret), app="sbx-push", method="POST", target=path, body=body, now=now, nonce=signing.new_nonce()
    )
    return house.app.test_client().post(path, data=body, headers=headers)


def told(house: SmallHouse, outcome: str) -> float:
    labels = {"backend": "FT_SBX", "outcome": outcome}
    return house.house.metrics.registry.get_sample_value("gateway_callbacks_total", labels) or 0.0


def test_a_callback_is_stored_with_its_bytes_and_a_row_of_work(house: SmallHouse) -> None:
    answer = push(house, pushed(call_id(house)))
    assert (answer.status_code, answer.get_json()) == (200, {"code": "0"})
    assert (house.counts()["callback"], house.counts()["exchange"]) == (1, 1)
    (row,) = house.rows("SELECT lane, state FROM work WHERE kind = 'word'")
    assert row == {"lane": "inbox", "state": "due"}
    assert told(house, "taken") == 1


def test_the_same_event_again_is_taken_and_changes_nothing(house: SmallHouse) -> None:
    body = pushed(call_id(house))
    for _ in range(3):
        assert push(house, body).status_code == 200
    assert house.counts()["callback"] == 1
    assert len(house.rows("SELECT 1 AS n FROM work WHERE kind = 'word'")) == 1
    assert (told(house, "taken"), told(house, "repeated")) == (1, 2)


def test_a_callback_that_is_not_authentic_is_not_taken_and_leaves_nothing(house: SmallHouse) -> None:
    body = pushed(call_id(house))
    before = house.counts()
    for answer in (
        push(house, body, secret=b"another"),
        push(house, body, minutes=-10),
        house.app.test_client().post(PATH, data=body),
    ):
        assert answer.status_code == 503
        assert answer.get_json() != {"code": "0"}
    assert house.counts() == before
    assert told(house, "not_authentic") == 3


def test_a_verified_callback_nobody_can_read_is_kept_for_a_person_and_not_sent_for_ever(house: SmallHouse) -> None:
    answer = push(house, b'{"callId": 3}')
    assert answer.status_code == 200
    assert house.counts()["exchange"] == 1
    assert house.rows("SELECT outcome FROM exchange") == [{"outcome": "not_understood"}]
    assert house.counts()["callback"] == 0


def test_a_word_about_a_call_we_never_sent_waits_and_is_parked_never_dropped(house: SmallHouse) -> None:
    assert push(house, pushed("0" * 32)).status_code == 200
    (row,) = house.rows("SELECT case_id, state FROM work WHERE kind = 'word'")
    assert row == {"case_id": "", "state": "due"}


@pytest.mark.parametrize("error", [Busy("away"), OutcomeUnknown("broke"), RuntimeError("a fault of ours")])
def test_what_could_not_be_stored_is_not_acknowledged(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    body = pushed(call_id(house))

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Database, "again", fail)
        answer = push(house, body)
    assert answer.status_code == 503
    assert b"Traceback" not in answer.data
    assert push(house, body).status_code == 200
    assert house.counts()["callback"] == 1


def test_an_unknown_back_end_and_another_method_are_plain_and_empty(house: SmallHouse) -> None:
    client = house.app.test_client()
    assert (client.post("/callback/FT_NIX", data=b"x").status_code, client.get(PATH).status_code) == (404, 405)
    assert client.post("/callback/FT_NIX", data=b"x").data == b""


def test_a_body_too_large_or_without_length_is_turned_away(house: SmallHouse) -> None:
    client = house.app.test_client()
    assert client.post(PATH, data=b"x" * 1_048_577).status_code == 413
    assert client.post(PATH, headers={"Transfer-Encoding": "chunked"}).status_code == 411
