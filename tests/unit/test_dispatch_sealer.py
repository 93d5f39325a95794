"""The trail's order and seal, and what goes out of it (rules.md 13, 14)."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit import checkpoint
from gateway.audit.kinds import EntryKind
from gateway.dispatch import sealer as room
from gateway.dispatch import trail_export
from gateway.dispatch.sealer import Sealer
from gateway.domain.clock import SystemClock
from gateway.domain.records import EntryDraft
from gateway.signing.keys import KeyRing, make_keys
from gateway.store import merkle_rows, sequencer, trail
from gateway.store.database import Database
from gateway.store.tables import metadata


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


@pytest.fixture
def keys(tmp_path, clock):
    make_keys(tmp_path / "keys", [], valid_from=clock.now() - timedelta(days=1))
    return KeyRing.load(tmp_path / "keys")


@pytest.fixture
def sealer(database, keys, clock):
    return made(database, keys, clock, "one")


def made(database, keys, clock, owner, backlog=lambda _seconds: None):
    return Sealer(database, keys=keys, log_id="test-log", owner=owner, clock=clock, report_backlog=backlog)


def add(database, number, name="s"):
    drafts = [
        EntryDraft(kind=EntryKind.KEY_ADDED, subject=f"{name}-{n}", at=database.clock.now(), actor="system:test")
        for n in range(number)
    ]
    database.again(lambda tx: trail.append(tx, [trail.row(d, 1) for d in drafts]))
    settle(database)


def settle(database):
    """Wait until no transaction older than now runs anywhere on the server.

    The server's lowest running number counts for all its databases, so another test's transaction holds ours up.
    """
    if database.is_postgres:
        with database.read() as tx:
            tx.run("SET LOCAL statement_timeout = '60s'")
            tx.run(
                "DO $$ DECLARE target xid8 := pg_snapshot_xmax(pg_current_snapshot()); BEGIN"
                " WHILE pg_snapshot_xmin(pg_current_snapshot()) < target LOOP PERFORM pg_sleep(0.002); END LOOP;"
                " END $$"
            )


def leaves(database):
    with database.read() as tx:
        return list(sequencer.leaves(tx, 0, limit=10_000))


def lines(database):
    with database.read() as tx:
        return [checkpoint.read(line.encode()) for line in merkle_rows.checkpoints(tx)]


def naive_root(entries):
    """RFC 9162 section 2.1.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(entries[:split]) + naive_root(entries[split:])).digest()


def test_every_checkpoint_has_the_root_of_all_entries_before_it_and_a_good_signature(database, sealer, keys, clock):
    for number in (1, 1, 2, 7, 20, 32, 1):
        add(database, number, name=f"n{len(leaves(database))}")
        sealer.turn()
        clock.turn(5)
    entries, sealed = leaves(database), lines(database)
    assert [c.size for c in sealed] == [1, 2, 4, 11, 31, 63, 64]
    public = Ed25519PublicKey.from_public_bytes(keys.publics("checkpoint")[0].public_der[-32:])
    for line in sealed:
        assert line.root == naive_root(entries[: line.size]).hex()
        assert (line.log, line.key) == ("test-log", keys.publics("checkpoint")[0].key_id)
        public.verify(bytes.fromhex(line.sig), line.signed_bytes())


def test_a_checkpoint_comes_at_least_every_minute_and_only_when_needed(database, sealer, clock):
    add(database, 3)
    for _ in range(60):
        sealer.turn()
        clock.turn(5)
    moments = [datetime.fromisoformat(c.at) for c in lines(database)]
    pauses = {(later - earlier).total_seconds() for earlier, later in pairwise(moments)}
    assert pauses == {55}
    assert {c.size for c in lines(database)} == {3}
    add(database, 1, name="new")
    sealer.turn()
    assert lines(database)[-1].size == 4  # what is new does not wait for the minute


def test_an_empty_trail_has_no_checkpoint_and_asking_for_one_makes_one_of_any_other(database, sealer):
    assert (sealer.seal(now_too=True), lines(database)) == (0, [])
    add(database, 2)
    assert sealer.order() == 2
    assert sealer.seal() == 2
    assert sealer.seal() == 2
    assert len(lines(database)) == 1
    assert sealer.seal(now_too=True) == 2
    assert len(lines(database)) == 2


def test_more_entries_than_one_batch_are_ordered_and_sealed_in_one_turn(database, sealer, monkeypatch):
    monkeypatch.setattr(sequencer, "BATCH", 7)
    place = sequencer.place
    monkeypatch.setattr(sequencer, "place", lambda tx: place(tx, limit=7))
    add(database, 30)
    sealer.turn()
    assert [(c.size, c.root) for c in lines(database)] == [(30, naive_root(leaves(database)).hex())]


def test_of_two_processes_one_orders_and_seals_until_its_leases_are_over(database, keys, clock):
    one, two = (made(database, keys, clock, owner) for owner in ("one", "two"))
    add(database, 1)
    one.turn()
    add(database, 1, name="more")
    clock.turn(room._ORDER_LEASE.total_seconds() - 0.001)
    two.turn()
    assert len(leaves(database)) == 1
    clock.turn(0.001)
    two.turn()  # the first process has not been heard of since
    assert len(leaves(database)) == 2
    clock.turn((room._SEAL_LEASE - room._ORDER_LEASE).total_seconds() - 0.001)
    two.turn()
    assert [c.size for c in lines(database)] == [1]
    clock.turn(0.001)
    two.turn()
    assert [c.size for c in lines(database)] == [1, 2]
    clock.turn(room._ORDER_LEASE.total_seconds() - 1)
    add(database, 1, name="late")
    one.turn()
    assert len(leaves(database)) == 2  # the second has both now


def test_a_key_that_is_missing_stops_sealing_and_not_ordering(database, clock):
    sealer = made(database, KeyRing(()), clock, "one")
    add(database, 2)
    sealer.turn()
    assert (len(leaves(database)), lines(database)) == (2, [])


def test_the_backlog_is_reported_and_read_as_seconds(database, keys, clock):
    told = []
    sealer = made(database, keys, clock, "one", backlog=told.append)
    sealer.order()
    add(database, 1)
    clock.turn(12.5)
    sealer.order()
    sealer.order()
    assert told == [0, 12.5, 0]


def test_the_whole_trail_goes_out_in_order_with_its_checkpoints_and_public_keys(
    database, sealer, keys, clock, tmp_path
):
    add(database, 5)
    sealer.turn()
    add(database, 1, name="not-ordered-yet")
    written = trail_export.export(database, keys, tmp_path / "trail", log_id="test-log", now=clock.now())
    assert written is not None
    folder = tmp_path / "trail"
    assert (folder / "entries.jsonl").read_bytes() == b"".join(leaf + b"\n" for leaf in leaves(database))
    assert len(leaves(database)) == 5
    assert (folder / "checkpoints.jsonl").read_bytes() == b"".join(c.line() + b"\n" for c in lines(database))
    told = json.loads((folder / "keys.json").read_bytes())
    assert {k.public_der[-32:].hex() for p in ("checkpoint", "receipt") for k in keys.publics(p)} == {
        found for found in _hex_strings(told) if len(found) == 64
    }


def _hex_strings(value):
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in _hex_strings(part)]
