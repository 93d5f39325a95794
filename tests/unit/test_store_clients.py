"""Clients and their keys as rows, and the number that says they changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import exc

from gateway.contracts.bank import Client, ClientKey
from gateway.domain.clock import SystemClock
from gateway.signing.vault import NotOpened, Vault, make_vault
from gateway.store import clients
from gateway.store.database import Database, micros
from gateway.store.tables import metadata

MATERIAL = b"\x30\x82the public key or a shared cipher key"


@pytest.fixture
def vault(tmp_path):
    make_vault(tmp_path / "vault.key")
    return Vault.load(tmp_path / "vault.key")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_url(request, _databases, tmp_path_factory):
    """One database of each kind for all tests of this file: emptying it is much faster than making it."""
    if request.param == "sqlite":
        yield _databases.sqlite(tmp_path_factory.mktemp("shared"))
        return
    with _databases.server().database("gwt", template=_databases.postgres_template()) as url:
        yield url


@pytest.fixture
def empty_url(shared_url):
    """That database, without a row."""
    database = Database(shared_url, SystemClock())
    database.again(lambda tx: [tx.run(f"DELETE FROM {table}") for table in metadata.tables])
    database.close()
    return shared_url


@pytest.fixture
def database(empty_url, clock):
    made = Database(empty_url, clock, database_clock=False)
    yield made
    made.close()


def client(clock, name="icbc-1", **other):
    now = clock.now()
    key = ClientKey(key_id="k1", use="verify", algorithm="rsa-sha256", material=MATERIAL, valid_from=now)
    ends = replace(key, key_id="k2", use="cipher", valid_until=now + timedelta(days=30))
    made = Client(
        client_id=name,
        bank="ICBC",
        profile="api",
        claimed_id=f"APP-{name}",
        status="active",
        algorithms=("rsa-sha256",),
        keys=(key, ends),
        outlets=("ICBC-FT-01",),
        operations=("submit", "query"),
        addresses=("10.0.0.0/8",),
        options={"charset": "GBK"},
    )
    return replace(made, **other)


def enrol(database, vault, who):
    database.again(lambda tx: clients.enrol(tx, vault, who, at=database.clock.now()))


def everyone(database, vault):
    with database.read() as tx:
        return clients.all_clients(tx, vault)


def version(database):
    with database.read() as tx:
        return clients.directory_version(tx)


def test_an_enrolled_client_comes_back_as_it_was_with_all_its_keys(database, vault, clock):
    two = client(clock, "icbc-2", keys=(), options={}, outlets=(), operations=(), addresses=())
    one = client(clock)
    enrol(database, vault, two)
    enrol(database, vault, one)
    found = everyone(database, vault)
    assert [replace(c, keys=()) for c in found] == [replace(one, keys=()), two]
    assert sorted(found[0].keys, key=lambda k: k.key_id) == list(one.keys)


def test_every_change_raises_the_number_other_processes_look_at(database, vault, clock):
    numbers = [version(database)]
    assert numbers == [0]
    new = ClientKey(key_id="k3", use="verify", algorithm="sm2", material=b"m", valid_from=clock.now())
    for change in (
        lambda tx: clients.enrol(tx, vault, client(clock), at=clock.now()),
        lambda tx: clients.add_key(tx, vault, "icbc-1", new),
        lambda tx: clients.set_status(tx, "icbc-1", "blocked"),
        lambda tx: clients.set_status(tx, "icbc-1", "active"),
    ):
        database.again(change)
        numbers.append(version(database))
    assert numbers == sorted(set(numbers))


def test_a_change_that_was_rolled_back_raises_nothing(database, vault, clock):
    enrol(database, vault, client(clock))
    before = version(database)
    with database.write() as tx:
        assert clients.set_status(tx, "icbc-1", "blocked")
    assert version(database) == before
    assert everyone(database, vault)[0].status == "active"


def test_changes_at_the_same_moment_are_all_counted(database):
    before = version(database)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(database.again, lambda tx: clients.set_status(tx, "x", "blocked")) for _ in range(16)]:
            assert done.result() is False  # there is no such client
    assert version(database) == before + 16


def test_a_blocked_client_is_still_known_and_a_retired_key_is_not(database, vault, clock):
    enrol(database, vault, client(clock))
    assert database.again(lambda tx: clients.set_status(tx, "icbc-1", "blocked"))
    database.again(
        lambda tx: tx.run("UPDATE client_key SET retired_at = :t WHERE key_id = 'k1'", {"t": micros(clock.now())})
    )
    (found,) = everyone(database, vault)
    assert found.status == "blocked"
    assert [k.key_id for k in found.keys] == ["k2"]


def test_a_second_client_of_the_same_id_or_name_is_refused_whole(database, vault, clock):
    enrol(database, vault, client(clock))
    for double in (client(clock, claimed_id="APP-other"), client(clock, "icbc-9", claimed_id="APP-icbc-1")):
        with pytest.raises(exc.IntegrityError):
            enrol(database, vault, double)
    assert [c.client_id for c in everyone(database, vault)] == ["icbc-1"]
    enrol(database, vault, client(clock, "ccb-1", bank="CCB", claimed_id="APP-icbc-1"))  # another bank's numbering


def test_key_material_is_sealed_and_opens_only_at_its_own_key(database, vault, clock):
    enrol(database, vault, client(clock))
    with database.read() as tx:
        assert all(MATERIAL not in bytes(row["material_sealed"]) for row in tx.all("SELECT * FROM client_key"))
    database.again(lambda tx: tx.run("UPDATE client_key SET key_id = 'k7' WHERE key_id = 'k1'"))
    with pytest.raises(NotOpened):
        everyone(database, vault)
