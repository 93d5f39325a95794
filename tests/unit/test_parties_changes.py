"""Changes of clients: two keys at once during a rotation, weak algorithms under conditions, limits of their own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import client_world
from gateway.contracts.bank import Client
from gateway.domain.clock import beijing_day, stamp
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing
from gateway.parties.changes import ClientChanges
from gateway.signing.keys import PUBLISHED
from gateway.store import clients as rows
from tests.builders import APP_ID, BANK, CLIENT_ID, SmallHouse, bank_key, branch_of, public_der, small_house

ADDRESS = "127.0.0.0/8"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def change(house: SmallHouse, name: str, *arguments: Any, sandbox: bool = True, **named: Any) -> Any:
    changes = ClientChanges(house.house.vault, client_world(house.house.banks, house.house.catalogue, sandbox=sandbox))
    doing = Doing(at=house.clock.now(), actor="operator:test")
    return house.house.database.again(lambda tx: getattr(changes, name)(tx, *arguments, doing, **named))


def key_text(name: str) -> str:
    return base64.b64encode(public_der(bank_key(name))).decode()


def enrolment(**more: Any) -> dict[str, Any]:
    whole = {"bank": BANK, "client_id": "branches", "claimed_id": "A1", "public_key": key_text("branches")}
    return whole | more


def rotation(name: str, **more: Any) -> dict[str, Any]:
    return {"client_id": CLIENT_ID, "public_key": key_text(name), "overlap_days": "7", **more}


def client(house: SmallHouse, client_id: str = CLIENT_ID) -> Client:
    with house.house.database.read() as tx:
        return next(c for c in rows.all_clients(tx, house.house.vault) if c.client_id == client_id)


def look_again(house: SmallHouse) -> None:
    """The directory looks at its version no more than once a second."""
    house.house.directory._looked = float("-inf")


def reason(house: SmallHouse, branch: Any) -> str:
    look_again(house)
    mine, house.branch = house.branch, branch
    try:
        return str(house.call("echo", {"text": "x"}).reason)
    finally:
        house.branch = mine


# -- rotation -------------------------------------------------------------------------------------------------------


def test_two_keys_are_valid_during_a_rotation_and_the_old_one_ends_by_itself(house: SmallHouse) -> None:
    old, new = house.branch, branch_of(house.folder, house.house.keys, key=bank_key("next"))
    assert (reason(house, old), reason(house, new)) == ("OK", "NOT_AUTHENTIC")
    change(house, "rotate", rotation("next"))
    assert (reason(house, old), reason(house, new)) == ("OK", "OK")
    house.clock.turn(days=7, seconds=1)
    assert (reason(house, old), reason(house, new)) == ("NOT_AUTHENTIC", "OK")
    assert [e["facts"]["key"] for e in house.loose_entries("party:key:ends")] == [client(house).keys[0].key_id]


def test_a_key_that_begins_later_is_not_valid_before(lite: SmallHouse) -> None:
    new = branch_of(lite.folder, lite.house.keys, key=bank_key("next"))
    change(lite, "rotate", rotation("next", **{"from": stamp(lite.clock.now() + timedelta(days=2))}))
    assert reason(lite, new) == "NOT_AUTHENTIC"
    lite.clock.turn(days=2, seconds=1)
    assert (reason(lite, new), reason(lite, lite.branch)) == ("OK", "OK")


def test_a_finished_rotation_retires_the_old_key_at_once_even_for_a_process_that_has_not_looked(
    house: SmallHouse,
) -> None:
    change(house, "rotate", rotation("next"))
    new = branch_of(house.folder, house.house.keys, key=bank_key("next"))
    assert reason(house, new) == "OK"
    assert len(change(house, "finish_rotation", CLIENT_ID)) == 1
    assert (
        house.call("echo", {"text": "x"}).reason == "NOT_AUTHENTIC"
    )  # read, signed with the old key, not looked again
    assert house.submit(house.sample()).reason == "NOT_AUTHENTIC"
    assert reason(house, new) == "OK"


def test_a_third_key_has_to_wait_for_the_end_of_a_rotation(lite: SmallHouse) -> None:
    change(lite, "rotate", rotation("next"))
    with pytest.raises(BadSettings, match="two keys already"):
        change(lite, "rotate", rotation("third"))
    lite.clock.turn(days=8)
    change(lite, "rotate", rotation("third"))


def test_a_key_comes_once_and_belongs_to_one_client(lite: SmallHouse) -> None:
    change(lite, "rotate", rotation("next"))
    change(lite, "finish_rotation", CLIENT_ID)
    for payload in (rotation("next"), rotation("icbc")):
        with pytest.raises(BadSettings, match="comes once"):
            change(lite, "rotate", payload)
    with pytest.raises(BadSettings, match="one client"):
        change(lite, "enrol", enrolment(public_key=key_text("icbc")))


def test_finishing_never_takes_the_last_key(lite: SmallHouse) -> None:
    assert change(lite, "finish_rotation", CLIENT_ID) == []
    assert reason(lite, lite.branch) == "OK"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"overlap_days": "91"}, "0 to 90"),
        ({"overlap_days": "-1"}, "0 to 90"),
        ({"from": "2020-01-01T00:00:00+08:00"}, "never from the past"),
        ({"public_key": "?"}, "base64"),
        ({"public_key": base64.b64encode(b"no key").decode()}, "not a public key"),
        ({"algorithm": "md5-rsa"}, "unknown signature algorithm"),
        ({"client_id": "nobody"}, "no client nobody"),
    ],
)
def test_a_wrong_rotation_is_refused_in_words(lite: SmallHouse, more: dict[str, str], words: str) -> None:
    before = lite.counts()
    with pytest.raises(BadSettings, match=words):
        change(lite, "rotate", rotation("next") | more)
    assert lite.counts() == before


def test_a_new_cipher_key_takes_over_at_its_moment(lite: SmallHouse) -> None:
    payload = {"client_id": CLIENT_ID, "cipher_key": base64.b64encode(bytes(16)).decode()}
    made = change(lite, "rotate_cipher", payload)
    found = client(lite).cipher_key(lite.clock.now() + timedelta(seconds=1))
    assert found is not None
    assert found.key_id == made
    (entry,) = lite.loose_entries("party:key:added")
    assert payload["cipher_key"] not in json.dumps(entry)


# -- weak algorithms --------------------------------------------------------------------------------------------------


def weak(house: SmallHouse, **more: Any) -> dict[str, Any]:
    until = (beijing_day(house.clock.now()) + timedelta(days=90)).isoformat()
    whole = {"algorithm": "rsa-sha1", "reason": "分行旧系统", "until": until, "addresses": [ADDRESS]}
    return enrolment(**(whole | more))


def test_sha_1_is_enrolled_with_reason_end_and_addresses_and_ends_by_itself(lite: SmallHouse) -> None:
    change(lite, "enrol", weak(lite))
    found = client(lite, "branches")
    assert found.legacy_reason == "分行旧系统"
    assert len(found.verify_keys(lite.clock.now() + timedelta(days=89))) == 1
    assert found.verify_keys(lite.clock.now() + timedelta(days=92)) == ()
    (entry,) = lite.loose_entries("party:key:weak")
    assert entry["facts"]["reason"] == "分行旧系统"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"addresses": []}, "enrolled addresses"),
        ({"until": ""}, "end date"),
        ({"until": "2020-01-01"}, "within twelve months"),
        ({"until": "2099-01-01"}, "within twelve months"),
    ],
)
def test_sha_1_without_its_conditions_is_refused(lite: SmallHouse, more: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        change(lite, "enrol", weak(lite, **more))
    assert lite.counts()["client"] == 1


def test_a_weak_key_does_not_outlive_its_rotation(lite: SmallHouse) -> None:
    change(lite, "enrol", weak(lite))
    change(lite, "rotate", rotation("strong", client_id="branches"))
    assert client(lite, "branches").algorithms == ("rsa-sha1", "rsa-sha256")
    change(lite, "finish_rotation", "branches")
    after = client(lite, "branches")
    assert (after.algorithms, after.legacy_reason) == (("rsa-sha256",), "")


def test_a_published_key_is_refused_outside_sandboxes(lite: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.parties.changes.is_published", lambda _der: True)
    assert PUBLISHED
    with pytest.raises(BadSettings, match="published test key"):
        change(lite, "enrol", enrolment(), sandbox=False)
    change(lite, "enrol", enrolment(), sandbox=True)


# -- limits and block -------------------------------------------------------------------------------------------------


def test_a_client_over_its_own_rate_hears_the_banks_code_and_others_do_not(house: SmallHouse) -> None:
    change(house, "set_limits", {"client_id": CLIENT_ID, "rate": "1"})
    look_again(house)
    told = [house.call("echo", {"text": "x"}) for _ in range(4)]
    assert [answer.reason for answer in told] == ["OK", "OK", "TOO_MANY", "TOO_MANY"]
    assert told[-1].return_code == 500031
    change(house, "enrol", enrolment())
    other = branch_of(house.folder, house.house.keys, key=bank_key("branches"), app_id="A1")
    assert reason(house, other) == "OK"
    change(house, "set_limits", {"client_id": CLIENT_ID, "rate": "0"})
    assert reason(house, house.branch) == "OK"


def test_a_block_holds_for_reads_tickets_and_repeats_of_a_process_that_has_not_looked(house: SmallHouse) -> None:
    part = house.sample()
    filed = house.build("submit", part)
    assert house.send(filed).ok
    ask = {"case_ref": part["bank_ref"], "purpose": "material", "material": "M1", "size": "9", "type": "image/png"}
    ticket = house.build("upload_ticket", {**ask, "digest": "sha256:" + "0" * 64})
    assert house.send(ticket).ok
    look_again(house)
    assert house.query(case_ref=part["bank_ref"]).ok  # the snapshot is fresh from here on
    change(house, "set_status", CLIENT_ID, "blocked", reason="密钥外泄")
    again = [house.send(filed), house.send(ticket), house.query(case_ref=part["bank_ref"]), house.submit(part)]
    assert {answer.reason for answer in again} == {"NOT_AUTHENTIC"}
    change(house, "set_status", CLIENT_ID, "active", reason="新密钥")
    look_again(house)
    assert house.send(filed).ok
    assert APP_ID not in json.dumps(house.loose_entries("party:client:blocked"))
