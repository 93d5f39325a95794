"""The enrolled clients as a snapshot, and what is checked before a key is believed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.errors import BadSettings, Busy
from gateway.parties.directory import Directory
from gateway.parties.enrolment import checked_networks, cipher_key, options_of, verification_key
from gateway.signing.vault import Vault, make_vault
from gateway.store import clients
from gateway.store.database import Database
from tests.builders import APP_ID, BANK, CLIENT_ID, LONG_AGO, another_key, bank_key, enrolled, public_der


@pytest.fixture
def store(tmp_path: Path, database_url: str, clock) -> Iterator[tuple[Database, Vault]]:
    make_vault(tmp_path / "vault.key")
    database = Database(database_url, clock)
    yield database, Vault.load(tmp_path / "vault.key")
    database.close()


def enrol(store: tuple[Database, Vault], **how: object) -> None:
    database, vault = store
    database.again(lambda tx: clients.enrol(tx, vault, enrolled(bank_key(), **how), at=LONG_AGO))


def test_a_client_is_found_by_its_bank_and_its_name_on_the_wire(store, clock) -> None:
    enrol(store)
    snapshot = Directory(*store, clock)()
    found = snapshot.find(BANK, APP_ID)
    assert found is not None
    assert (found.client_id, found.keys) == (CLIENT_ID, enrolled(bank_key()).keys)
    assert snapshot.by_id(CLIENT_ID) == found
    assert (snapshot.find("CCB", APP_ID), snapshot.find(BANK, "other"), snapshot.by_id("x")) == (None, None, None)
    assert len(snapshot) == 1


def test_a_change_is_seen_after_a_second_and_not_looked_for_before(store, clock) -> None:
    directory = Directory(*store, clock)
    assert len(directory()) == 0
    enrol(store)
    clock.turn(0.9)
    assert len(directory()) == 0
    clock.turn(0.1)
    assert len(directory()) == 1


def test_without_a_change_the_snapshot_stays_the_same_object(store, clock) -> None:
    enrol(store)
    directory = Directory(*store, clock)
    first = directory()
    clock.turn(5)
    assert directory() is first


def test_a_blocked_client_is_still_found_and_says_so(store, clock) -> None:
    enrol(store)
    database, _ = store
    directory = Directory(*store, clock)
    assert directory().by_id(CLIENT_ID).status == "active"
    assert database.again(lambda tx: clients.set_status(tx, CLIENT_ID, "blocked")) is True
    assert database.again(lambda tx: clients.set_status(tx, "nobody", "blocked")) is False
    clock.turn(1)
    assert directory().by_id(CLIENT_ID).status == "blocked"


def test_a_store_that_goes_away_leaves_the_last_snapshot_and_only_a_first_look_is_busy(
    store, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(store)
    directory, fresh = Directory(*store, clock), Directory(*store, clock)
    first = directory()

    def away(_self: Database) -> None:
        raise Busy("the database is away")

    monkeypatch.setattr(Database, "read", away)
    clock.turn(5)
    assert directory() is first
    with pytest.raises(Busy):
        fresh()


def test_two_keys_are_good_at_once_during_a_rotation_the_newest_first(clock) -> None:
    now = clock.now()
    old = another_key("old", valid_from=now - timedelta(days=9), valid_until=now + timedelta(days=1))
    new = another_key("new", valid_from=now - timedelta(days=1))
    coming = another_key("coming", valid_from=now + timedelta(days=1))
    client = enrolled(bank_key(), keys=(old, new, coming))
    assert client.verify_keys(now) == (new, old)
    assert client.verify_keys(now + timedelta(days=2)) == (coming, new)


def test_a_key_that_is_weak_or_of_another_kind_is_not_enrolled(clock) -> None:
    der = public_der(bank_key())
    assert verification_key("rsa-sha256", der, clock.now()).material == der
    for algorithm, material in (("rsa-sha256", b"no key"), ("rsa-md5", der), ("ed25519", der)):
        with pytest.raises(BadSettings):
            verification_key(algorithm, material, clock.now())


@pytest.mark.parametrize("text", ["AAAA", "not base64", "", "AAAAAAAAAAAAAAAAAAAAAA"])
def test_a_cipher_key_of_a_wrong_size_is_not_enrolled(clock, text: str) -> None:
    with pytest.raises(BadSettings):
        cipher_key(text, clock.now())
    assert len(cipher_key("AAAAAAAAAAAAAAAAAAAAAA==\n", clock.now()).material) == 16


def test_addresses_and_options_are_checked_before_they_are_written() -> None:
    assert checked_networks(["10.2.0.0/24", "::1/128"]) == ("10.2.0.0/24", "::1/128")
    assert options_of(["a=b", "c=d=e", "f="]) == {"a": "b", "c": "d=e", "f": ""}
    for wrong in ("10.2.0.1/24", "branch.test", ""):
        with pytest.raises(BadSettings, match="network"):
            checked_networks([wrong])
    for wrong in ("a", "=b"):
        with pytest.raises(BadSettings, match="NAME=VALUE"):
            options_of([wrong])
