"""The one door of every authentic message: rights, rates, how many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.store import messages
from tests.builders import SmallHouse, small_house


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def test_a_client_beyond_its_rate_is_told_so_and_may_come_again_later(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, settings={"CLIENT_RATE": "1"}) as house:
        told = [house.call("echo", {"text": "x"}).reason for _ in range(4)]
        assert told == ["OK", "OK", "TOO_MANY", "TOO_MANY"]
        house.house.desk._rates._levels.clear()
        assert house.call("echo", {"text": "x"}).ok


def test_a_submission_beyond_the_rate_is_not_filed_and_its_retry_is(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, settings={"CLIENT_RATE": "1"}) as house:
        house.call("echo", {"text": "x"})
        house.call("echo", {"text": "x"})
        request = house.build("submit", house.sample())
        answer = house.send(request)
        assert (answer.reason, answer.return_code, house.counts()["cases"]) == ("TOO_MANY", 500031, 0)
        house.house.desk._rates._levels.clear()
        assert house.send(request).ok


def test_a_client_with_too_many_at_once_is_told_so_and_the_others_are_served(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go = threading.Barrier(3), threading.Event()

    def slowly(file: Callable[[Any], Any], rows: Any) -> Any:
        held.wait(5)
        go.wait(5)
        return file(rows)

    with small_house(tmp_path, sqlite_url, settings={"CLIENT_AT_ONCE": "2"}) as house:
        house.around_filing(monkeypatch, slowly)
        with ThreadPoolExecutor(2) as pool:
            under_way = [pool.submit(house.submit, house.sample()) for _ in range(2)]
            held.wait(5)
            answer = house.call("echo", {"text": "x"})
            go.set()
            assert [future.result().ok for future in under_way] == [True, True]
        assert (answer.reason, answer.return_code) == ("TOO_MANY_AT_ONCE", 500032)
        assert house.call("echo", {"text": "x"}).ok


def test_every_authentic_message_is_noted_with_its_digest(house: SmallHouse) -> None:
    house.call("echo", {"text": "x"}, msg_id="m-echo")
    house.submit(house.sample(), msg_id="m-submit")
    house.submit({}, msg_id="m-bad")
    noted = {row["transport_id"]: row for row in house.rows("SELECT * FROM message")}
    assert set(noted) == {"m-echo", "m-submit", "m-bad"}
    assert all(row["digest"].startswith("sha256:") for row in noted.values())
    assert [name for name, row in noted.items() if row["answer_sealed"] is not None] == ["m-submit"]
    assert {row["expires_at"] - row["received_at"] for row in noted.values()} == {20 * 60 * 1_000_000}


def test_notes_are_forgotten_after_twice_the_window_and_the_submission_is_not(house: SmallHouse) -> None:
    part = house.sample()
    first = house.submit(part, msg_id="m-1")
    house.clock.turn(minutes=21)
    forgotten = house.house.database.again(lambda tx: messages.forget_expired(tx, house.clock.now()))
    assert (forgotten, house.counts()["message"]) == (1, 0)
    assert house.submit(part, msg_id="m-1").receipt_no == first.receipt_no


def test_a_refusal_stands_in_the_trail_without_its_content(house: SmallHouse) -> None:
    house.submit({**house.sample(), "outlet": "NO-SUCH", "agnet": "周以安"})
    (entry,) = house.loose_entries("door:message:refused")
    assert entry["actor"] == "bank:ICBC:icbc-1"
    assert entry["facts"]["operation"] == "submit"
    assert entry["facts"]["reason"] == "INVALID"
    assert entry["facts"]["problems"] == "2"
    assert "周以安" not in str(entry)
