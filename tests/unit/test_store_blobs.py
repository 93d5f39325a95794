"""Rows of tickets and files: counted, claimed, erased and re-wrapped exactly, on both databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.signing.secret import Secret
from gateway.signing.vault import Vault
from gateway.store import blobs
from gateway.store.blobs import BlobRow, TicketRow
from gateway.store.database import Database, Tx, new_id

OLD, NEW, INDEX = (Secret(os.urandom(32)) for _ in range(3))
VAULT = Vault(OLD, "k1", index_key=INDEX)
WHO = {"client_id": "c1", "bank": "B1", "case_ref": "20261123B1FT0001"}


@pytest.fixture
def database(database_url: str, clock: Any) -> Iterator[Database]:
    found = Database(database_url, clock, database_clock=False)
    yield found
    found.close()


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def a_blob(database: Database, number: int = 1, **how: Any) -> BlobRow:
    row = BlobRow(
        blob_id=new_id(),
        **WHO,
        case_id="",
        purpose="material",
        material="M1",
        digest=digest(number),
        size=10,
        type="application/pdf",
        data_key=VAULT.new_data_key().wrapped,
        arrived_at=database.clock.now(),
    )
    return replace(row, **how)


def a_ticket(database: Database, number: int = 1, **how: Any) -> TicketRow:
    now = database.clock.now()
    row = TicketRow(
        ticket_hash=f"{number:064x}",
        kind="put",
        **WHO,
        case_id="",
        purpose="material",
        material="",
        digest=digest(number),
        size=10,
        type="application/pdf",
        created_at=now,
        expires_at=now + timedelta(minutes=15),
    )
    return replace(row, **how)


def claim(tx: Tx, case_id: str, *, client_id: str = "c1", bank: str = "B1", **named: int | None) -> int:
    return blobs.claim(
        tx,
        case_id,
        client_id=client_id,
        bank=bank,
        case_ref=WHO["case_ref"],
        named={digest(int(name[1:])): pages for name, pages in named.items()},
        now=tx.database.clock.now(),
    )


def test_rows_come_back_as_they_were_put(database: Database) -> None:
    blob, ticket = a_blob(database), a_ticket(database, material="M2", case_id="case-1", blob_id="b")
    database.again(lambda tx: (blobs.put(tx, blob), blobs.insert_ticket(tx, ticket)))
    with database.read() as tx:
        assert blobs.by_id(tx, blob.blob_id) == blob
        assert blobs.ticket(tx, ticket.ticket_hash) == ticket
        assert (blobs.by_id(tx, "none"), blobs.ticket(tx, "none")) == (None, None)


def test_a_try_is_counted_only_on_a_living_ticket(database: Database) -> None:
    now = database.clock.now()
    database.again(lambda tx: blobs.insert_ticket(tx, a_ticket(database)))
    database.again(lambda tx: blobs.insert_ticket(tx, a_ticket(database, 2, kind="get", blob_id="b")))
    name, get = f"{1:064x}", f"{2:064x}"
    tries = [database.again(lambda tx: blobs.begin_try(tx, name, now=now)) for _ in range(4)]
    assert [t.tries if t else None for t in tries] == [1, 2, 3, None]
    database.again(lambda tx: blobs.give_back_try(tx, name))
    later = now + timedelta(minutes=15)
    assert database.again(lambda tx: blobs.begin_try(tx, name, now=later)) is None
    assert database.again(lambda tx: blobs.begin_try(tx, get, now=now)) is None
    assert not database.again(lambda tx: blobs.use_get(tx, name, now=now))
    assert [database.again(lambda tx: blobs.use_get(tx, get, now=now)) for _ in range(2)] == [True, False]


def test_room_counts_each_file_once_however_it_is_promised(database: Database) -> None:
    now = database.clock.now()

    def act(tx: Tx) -> None:
        blobs.put(tx, a_blob(database, 1))
        blobs.put(tx, a_blob(database, 1, client_id="c2"))  # the same file, brought by two
        blobs.insert_ticket(tx, a_ticket(database, 1))
        blobs.insert_ticket(tx, a_ticket(database, 2, size=5))
        blobs.insert_ticket(tx, a_ticket(database, 3, expires_at=now - timedelta(minutes=11)))
        blobs.insert_ticket(tx, a_ticket(database, 4, case_ref="another"))
        blobs.insert_ticket(tx, a_ticket(database, 5, bank="B2"))
        blobs.insert_ticket(tx, a_ticket(database, 6, kind="get"))

    database.again(act)
    with database.read() as tx:
        room = blobs.room_taken(tx, "B1", WHO["case_ref"], alive_after=now - timedelta(minutes=10), but=digest(9))
        but = blobs.room_taken(tx, "B1", WHO["case_ref"], alive_after=now - timedelta(minutes=10), but=digest(2))
    assert (room.files, room.size) == (2, 15)
    assert (but.files, but.size) == (1, 10)


def test_a_claim_binds_what_is_named_once_and_for_good(database: Database) -> None:
    rows = [a_blob(database, n) for n in (1, 2, 3)]
    foreign = a_blob(database, 1, client_id="c2")
    database.again(lambda tx: [blobs.put(tx, row) for row in (*rows, foreign)])
    assert database.again(lambda tx: claim(tx, "case-1", n1=2, n2=None, n9=None)) == 2
    assert database.again(lambda tx: claim(tx, "case-1", n1=2, n2=None)) == 0
    assert database.again(lambda tx: claim(tx, "case-2", n1=2)) == 0
    assert database.again(lambda tx: claim(tx, "case-1", bank="B2", n3=1)) == 0
    with database.read() as tx:
        bound = blobs.of_case(tx, "case-1")
        pages = [r["pages"] for r in tx.all("SELECT pages FROM blob WHERE case_id = 'case-1' ORDER BY digest")]
    assert sorted(b.digest for b in bound) == [digest(1), digest(2)]
    assert {b.client_id for b in bound} == {"c1"}
    assert pages == [2, None]


def test_a_claimed_file_is_never_deleted_as_unclaimed(database: Database) -> None:
    row, other = a_blob(database, 1), a_blob(database, 2)
    database.again(lambda tx: [blobs.put(tx, r) for r in (row, other)])
    database.again(lambda tx: claim(tx, "case-1", n1=1))
    later = database.clock.now() + timedelta(days=400)
    with database.read() as tx:
        assert [b.blob_id for b in blobs.unclaimed(tx, arrived_before=later, limit=9)] == [other.blob_id]
    for blob, gone in ((row, False), (other, True), (other, False)):
        found = database.again(lambda tx, b=blob: blobs.delete_unclaimed(tx, b.blob_id, arrived_before=later))
        assert found is gone


def test_the_same_bytes_again_renew_an_unclaimed_row_and_leave_a_claimed_one(database: Database) -> None:
    first = a_blob(database)
    database.again(lambda tx: blobs.put(tx, first))
    later = database.clock.now() + timedelta(hours=20)
    again = a_blob(database, arrived_at=later)
    assert database.again(lambda tx: blobs.put(tx, again)) == first.blob_id
    with database.read() as tx:
        renewed = blobs.by_id(tx, first.blob_id)
    assert renewed == replace(first, arrived_at=later)
    database.again(lambda tx: claim(tx, "case-1", n1=None))
    database.again(lambda tx: blobs.put(tx, a_blob(database, arrived_at=later + timedelta(hours=1))))
    with database.read() as tx:
        assert blobs.by_id(tx, first.blob_id) == replace(first, arrived_at=later, case_id="case-1")


def test_erasing_a_case_takes_keys_and_leaves_digests(database: Database) -> None:
    row, other = a_blob(database, 1), a_blob(database, 2)
    database.again(lambda tx: [blobs.put(tx, r) for r in (row, other)])
    database.again(lambda tx: claim(tx, "case-1", n1=1))
    assert database.again(lambda tx: blobs.erase(tx, "case-1")) == [row.blob_id]
    assert database.again(lambda tx: blobs.erase(tx, "case-1")) == []
    with database.read() as tx:
        assert [(b.digest, b.data_key) for b in blobs.of_case(tx, "case-1")] == [(digest(1), b"")]
        assert blobs.with_key(tx, [row.blob_id, other.blob_id, "none"]) == {other.blob_id}
        assert blobs.ids_after(tx, "", limit=9) == [other.blob_id]
        fresh = database.clock.now() - timedelta(hours=1)
        own = blobs.of_client_and_case(tx, "c1", "B1", case_ref=WHO["case_ref"], fresh_after=fresh)
    assert [b.digest for b in own] == [digest(2)]


def test_many_ids_are_asked_about_in_parts(database: Database) -> None:
    row = a_blob(database)
    database.again(lambda tx: blobs.put(tx, row))
    with database.read() as tx:
        assert blobs.with_key(tx, [f"{n:032x}" for n in range(1200)] + [row.blob_id]) == {row.blob_id}
        assert blobs.with_key(tx, []) == set()


def test_a_new_key_of_the_vault_wraps_old_files_anew(database: Database) -> None:
    row = a_blob(database)
    database.again(lambda tx: blobs.put(tx, row))
    turned = Vault(NEW, "k2", index_key=INDEX, older_keks={"k1": OLD})
    assert database.again(lambda tx: blobs.rewrap(tx, turned, row.blob_id))
    assert not database.again(lambda tx: blobs.rewrap(tx, turned, row.blob_id))
    assert not database.again(lambda tx: blobs.rewrap(tx, turned, "none"))
    with database.read() as tx:
        after = blobs.by_id(tx, row.blob_id)
    assert after is not None
    sealed = VAULT.unwrap(row.data_key).seal(b"x", "p")
    assert Vault(NEW, "k2", index_key=INDEX).unwrap(after.data_key).open(sealed, "p") == b"x"
