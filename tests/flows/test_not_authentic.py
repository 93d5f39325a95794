"""Before a signature holds everybody hears the same: one code, one shape, one effort; the cause is for our log only."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote_plus

import pytest

from gateway.contracts.bank import Client
from gateway.parties.enrolment import cipher_key
from gateway.store import migrate
from mocks.banks.icbc_sim import RawRequest
from mocks.banks.samples import BEIJING
from tests.builders import (
    APP_ID,
    LONG_AGO,
    SmallHouse,
    another_key,
    bank_key,
    branch_of,
    enrolled,
    small_house,
)

STRANGER, RETIRED, BLOCKED, ELSEWHERE, CIPHERED = "9" * 20, "R1", "B1", "E1", "C1"
Make = Callable[[SmallHouse], RawRequest]


def neighbours() -> list[Client]:
    """Clients that are enrolled and yet cannot call as they do."""
    old = another_key("retired", valid_until=LONG_AGO + timedelta(days=1))
    return [
        enrolled(bank_key(), client_id="retired", claimed_id=RETIRED, keys=(old,)),
        enrolled(bank_key(), client_id="blocked", claimed_id=BLOCKED, status="blocked"),
        enrolled(bank_key(), client_id="elsewhere", claimed_id=ELSEWHERE, addresses=("203.0.113.0/24",)),
        enrolled(
            bank_key(),
            client_id="ciphered",
            claimed_id=CIPHERED,
            keys=(enrolled(bank_key()).keys[0], cipher_key("AAAAAAAAAAAAAAAAAAAAAA==", LONG_AGO)),
            options={"encrypt": "required"},
        ),
    ]


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url, more_clients=neighbours()) as small:
        yield small


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    folder = tmp_path_factory.mktemp("house")
    url = f"sqlite:///{folder}/gateway.db"
    migrate.upgrade(url)
    with small_house(folder, url, more_clients=neighbours()) as small:
        yield small


def refusals(house: SmallHouse, cause: str) -> float:
    labels = {"bank": "ICBC", "cause": cause}
    return house.house.metrics.registry.get_sample_value("gateway_refusals_total", labels) or 0.0


def signed_as(app_id: str, key: str = "icbc", **how: str) -> Make:
    """The same submission signed by another key, or in another client's name."""

    def make(house: SmallHouse) -> RawRequest:
        branch = branch_of(house.folder, house.house.keys, app_id=app_id, key=bank_key(key), **how)
        now = f"{house.clock.now().astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
        return branch.build("submit", house.sample(), timestamp=now)

    return make


def with_extra(**extra: str) -> Make:
    return lambda house: house.build("submit", house.sample(), extra=extra)


def altered(change: Callable[[bytes], bytes]) -> Make:
    """A good request whose body was changed on the way."""

    def make(house: SmallHouse) -> RawRequest:
        request = house.build("submit", house.sample())
        return dataclasses.replace(request, body=change(request.body))

    return make


def other_path(house: SmallHouse) -> RawRequest:
    request = house.build("submit", house.sample())
    return dataclasses.replace(request, url=request.url.replace("case/submit", "case/query"))


def parameter(name: str, value: str) -> Callable[[bytes], bytes]:
    """Another value for one parameter, the signature left as it was."""

    def change(body: bytes) -> bytes:
        pairs = [(n, value if n == name else v) for n, v in parse_qsl(body.decode(), keep_blank_values=True)]
        return "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs).encode()

    return change


CAUSES: dict[str, tuple[Make, str]] = {
    "a client nobody knows": (signed_as(STRANGER), "unknown_client"),
    "another key": (signed_as(APP_ID, "other"), "wrong_key"),
    "a key whose time is over": (signed_as(RETIRED, "retired"), "stale_key"),
    "a blocked client": (signed_as(BLOCKED), "blocked"),
    "from another address": (signed_as(ELSEWHERE), "address_not_enrolled"),
    "an algorithm not enrolled": (signed_as(APP_ID, sign_type="RSA"), "weak_algorithm"),
    "plain where cipher is enrolled": (signed_as(CIPHERED), "plain_refused"),
    "cipher where none is enrolled": (with_extra(encrypt_type="AES"), "cipher_not_enrolled"),
    "a charset nobody agreed on": (with_extra(charset="UTF-7"), "bad_charset"),
    "another path than signed": (other_path, "wrong_key"),
    "one byte of the business part": (altered(lambda b: b.replace(b"FT-SBX-002", b"FT-SBX-003")), "wrong_key"),
    "another transport id": (altered(parameter("msg_id", "another")), "wrong_key"),
    "another time": (altered(parameter("timestamp", "2026-01-01 00:00:00")), "wrong_key"),
    "no signature": (altered(lambda b: re.sub(rb"&sign=[^&]*", b"", b)), "wrong_key"),
    "a signature that is no base64": (altered(parameter("sign", "%%%")), "bad_base64"),
    "a parameter twice": (altered(lambda b: b + b"&app_id=x"), "duplicate_parameter"),
    "a form that is none": (altered(lambda b: b + b"&x=%ZZ"), "bad_form"),
    "no form at all": (altered(lambda _: b"\xff\xfe\x00"), "bad_form"),
    "an empty body": (altered(lambda _: b""), "unknown_client"),
}


@pytest.mark.parametrize("case", CAUSES)
def test_it_is_refused_without_its_cause_and_the_cause_is_counted(shared: SmallHouse, case: str) -> None:
    house = shared
    make, cause = CAUSES[case]
    house.clock.turn(hours=1)  # the bytes of the first twenty refusals in each hour are kept
    before, counted = house.counts(), refusals(house, cause)
    answer = house.send(make(house))
    after = house.counts()
    assert answer.signature_ok
    assert (answer.return_code, answer.reason) == (400017, "NOT_AUTHENTIC")
    assert cause.encode() not in answer.raw
    assert {name for name in after if after[name] != before[name]} == {"exchange"}  # the raw bytes, for a person
    assert refusals(house, cause) == counted + 1


def test_every_refusal_looks_the_same_but_for_the_transport_id(shared: SmallHouse) -> None:
    house = shared
    shapes, headers = set(), set()
    for make, _ in CAUSES.values():
        _, raw = house.post(make(house))
        content = json.loads(raw)["response_biz_content"]
        headers.add(content.pop("msg_id") == "")
        shapes.add(json.dumps(content))
    assert len(shapes) == 1
    assert headers == {True, False}


def test_a_stranger_costs_as_much_as_a_client_with_a_bad_signature(house: SmallHouse) -> None:
    makes = {"known": signed_as(APP_ID, "other"), "unknown": signed_as(STRANGER, "other")}
    requests = {name: make(house) for name, make in makes.items()}
    for _ in range(20):  # from here on no raw bytes are kept in this hour, which takes longer than all the rest
        house.post(requests["known"])
    taken: dict[str, list[float]] = {name: [] for name in makes}
    for _ in range(25):  # in turn, so that whatever else this machine does meets both
        for name, request in requests.items():
            began = time.perf_counter()
            house.post(request)
            taken[name].append(time.perf_counter() - began)
    assert 1 / 2 < min(taken["known"]) / min(taken["unknown"]) < 2


def test_refusals_become_one_entry_a_minute_for_each_address_client_and_cause(house: SmallHouse) -> None:
    house.clock.turn_to_next_minute()
    for _ in range(3):
        house.send(signed_as(APP_ID, "other")(house))
    house.send(signed_as(STRANGER)(house), address="127.0.0.9")
    house.house.refusals.flush()
    assert house.loose_entries("door:request:refused") == []  # the minute is not over
    house.clock.turn(seconds=61)
    house.house.refusals.flush()
    told = [entry["facts"] for entry in house.loose_entries("door:request:refused")]
    assert {(f["address"], f["claimed"], f["cause"], f["count"]) for f in told} == {
        ("127.0.0.1", APP_ID, "wrong_key", "3"),
        ("127.0.0.9", STRANGER, "unknown_client", "1"),
    }
    house.house.refusals.flush(everything=True)
    assert len(house.loose_entries("door:request:refused")) == 2


def test_the_raw_bytes_of_twenty_refusals_an_hour_are_kept(house: SmallHouse) -> None:
    house.clock.turn_to_next_minute()
    request = signed_as(STRANGER)(house)
    for _ in range(25):
        house.send(request)
    assert house.counts()["exchange"] == 20
    house.clock.turn(hours=1)
    house.send(request)
    assert house.counts()["exchange"] == 21


def test_a_client_s_name_used_by_strangers_too_often_is_told_so(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url, settings={"CLIENT_RATE": "1"}) as house:
        request = signed_as(STRANGER)(house)
        told = [house.send(request).reason for _ in range(4)]
    assert told == ["NOT_AUTHENTIC", "NOT_AUTHENTIC", "TOO_MANY", "TOO_MANY"]


@pytest.mark.parametrize("minutes", [-11, 11])
def test_an_authentic_message_outside_the_window_is_told_its_clock(house: SmallHouse, minutes: int) -> None:
    now = house.clock.now().astimezone(BEIJING) + timedelta(minutes=minutes)
    answer = house.submit(house.sample(), timestamp=f"{now:%Y-%m-%d %H:%M:%S}")
    assert answer.signature_ok
    assert (answer.reason, answer.return_code) == ("CLOCK", 400011)
    assert house.counts()["cases"] == 0


def test_the_clock_is_not_told_to_a_signature_that_does_not_hold(house: SmallHouse) -> None:
    branch = branch_of(house.folder, house.house.keys, key=bank_key("other"))
    assert house.send(branch.build("submit", house.sample(), timestamp="2020-01-01 00:00:00")).reason == "NOT_AUTHENTIC"


def test_a_blocked_client_hears_at_the_desk_what_it_hears_at_the_door(house: SmallHouse) -> None:
    assert house.call("echo", {"text": "the directory is fresh"}).ok
    house.set_status("blocked")
    at_desk = dict(house.submit(house.sample()).business)
    house.house.directory._looked = float("-inf")
    at_door = dict(house.submit(house.sample()).business)
    assert at_desk == at_door
    assert at_door["reason"] == "NOT_AUTHENTIC"
