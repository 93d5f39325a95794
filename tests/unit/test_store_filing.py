"""The four rows of intake: all of them or none, whoever else files at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import event, exc

from gateway.audit.kinds import EntryKind
from gateway.contracts.bank import Client, ClientKey
from gateway.domain.clock import SystemClock
from gateway.domain.records import EntryDraft
from gateway.signing.vault import Vault, make_vault
from gateway.store import clients, trail, work
from gateway.store.database import Database, micros
from gateway.store.filing import Filed, Filing, FourRows
from gateway.store.tables import metadata

TABLES = ("message", "cases", "entry", "work")


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
def database(empty_url, clock, vault):
    made = Database(empty_url, clock, database_clock=False)
    keys = tuple(
        ClientKey(key_id=k, use="verify", algorithm="rsa-sha256", material=b"der", valid_from=clock.now())
        for k in ("k1", "k2")
    )
    client = Client(
        client_id="icbc-1",
        bank="ICBC",
        profile="api",
        claimed_id="APP-1",
        status="active",
        algorithms=("rsa-sha256",),
        keys=keys,
        outlets=(),
        operations=(),
    )
    made.again(lambda tx: clients.enrol(tx, vault, client, at=clock.now()))
    yield made
    made.close()


def file(database: Database, four: FourRows) -> Filed:
    return Filing(database)(four)


def rows(clock, name, *, key_id="k1", message=None, case=None, entry=None, job=None):
    """Four rows that differ from those of every other ``name``, with single columns put otherwise."""
    now = clock.now()
    case_id = f"case-{name}"
    draft = EntryDraft(kind=EntryKind.SUBMISSION_RECEIVED, subject=case_id, at=now, actor="bank:ICBC:icbc-1")
    return FourRows(
        message={
            "client_id": "icbc-1",
            "transport_id": f"t-{name}",
            "digest": f"sha256:{name}",
            "operation": "submit",
            "received_at": micros(now),
            "expires_at": micros(now + timedelta(minutes=10)),
            "case_id": case_id,
            "request_sealed": b"request",
            "answer_sealed": b"answer",
            **(message or {}),
        },
        case={
            "case_id": case_id,
            "bank": "ICBC",
            "bank_ref": f"20261123{name}",
            "client_id": "icbc-1",
            "business_digest": "b1-sha256:00",
            "item": "FT-SBX-002",
            "item_version": "2026.1",
            "department": "FT_SBX",
            "backend": "FT_SBX",
            "outlet": "ICBC-FT-01",
            "channel": "counter",
            "receipt_no": f"FT{name}",
            "receipt": "receipt",
            "received_at": micros(now),
            "state": "submitted",
            "since": micros(now),
            "event_no": 1,
            "entry_no": 1,
            "due_on": None,
            "due_kind": None,
            "withdrawal": "none",
            "department_ref": None,
            "department_seq": 0,
            "parked": 0,
            "open_key": f"open-{name}",
            "subject_hash": f"i1:{name}",
            "data_key": b"key",
            "form_sealed": b"form",
            "facts_sealed": b"facts",
            **(case or {}),
        },
        entry={**trail.row(draft, 1, case_id=case_id, bank="ICBC", event_no=1, event_sealed=b"event"), **(entry or {})},
        work={
            **work.row(
                work_id=f"work-{name}", kind=work.CALL, lane="FT_SBX", case_id=case_id, payload_sealed=b"p", now=now
            ),
            **(job or {}),
        },
        key_id=key_id,
    )


def counts(database):
    with database.read() as tx:
        return [tx.run(f"SELECT count(*) FROM {table}").scalar_one() for table in TABLES]


def test_all_four_rows_are_filed_as_they_were_handed_in(database, clock):
    four = rows(clock, "a")
    assert file(database, four) is Filed.FILED
    with database.read() as tx:
        for table, row in zip(TABLES, (four.message, four.case, four.entry, four.work), strict=True):
            stored = tx.one(f"SELECT * FROM {table}")
            assert {name: stored[name] for name in row} == dict(row)


@pytest.mark.parametrize(
    "same",
    [
        {"message": {"transport_id": "t-a"}},
        {"case": {"bank_ref": "20261123a"}},
        {"case": {"receipt_no": "FTa"}},
        {"case": {"open_key": "open-a"}},
        {"case": {"case_id": "case-a"}},
        {"entry": {"subject": "case-a"}},
        {"job": {"work_id": "work-a"}},
    ],
    ids=["message", "submission", "receipt number", "open case", "case", "entry", "work"],
)
def test_a_constraint_that_decides_leaves_none_of_the_four_rows(database, clock, same):
    assert file(database, rows(clock, "a")) is Filed.FILED
    assert file(database, rows(clock, "b", **same)) is Filed.CLASH
    assert counts(database) == [1, 1, 1, 1]
    assert file(database, rows(clock, "c")) is Filed.FILED


def test_what_differs_in_bank_or_client_is_another_submission_and_confirmed_second_cases_have_no_key(database, clock):
    assert file(database, rows(clock, "a", case={"open_key": None})) is Filed.FILED
    second = rows(clock, "b", case={"bank": "CCB", "bank_ref": "20261123a", "open_key": None})
    assert file(database, second) is Filed.FILED
    assert counts(database) == [2, 2, 2, 2]


def test_a_blocked_client_and_a_retired_or_unknown_key_file_nothing(database, clock):
    def retire(tx):
        tx.run("UPDATE client_key SET retired_at = :now WHERE key_id = 'k2'", {"now": micros(clock.now())})

    assert file(database, rows(clock, "x", key_id="k9")) is Filed.BLOCKED
    assert file(database, rows(clock, "x", message={"client_id": "stranger"})) is Filed.BLOCKED
    database.again(retire)
    assert file(database, rows(clock, "x", key_id="k2")) is Filed.BLOCKED
    database.again(lambda tx: clients.set_status(tx, "icbc-1", "blocked"))
    assert file(database, rows(clock, "x")) is Filed.BLOCKED
    assert counts(database) == [0, 0, 0, 0]
    database.again(lambda tx: clients.set_status(tx, "icbc-1", "active"))
    assert file(database, rows(clock, "x")) is Filed.FILED


def test_a_row_that_cannot_be_stored_is_an_error_and_no_clash(database, clock):
    for broken in ({"case": {"outlet": None}}, {"job": {"state": "nowhere"}}, {"entry": {"canonical": None}}):
        with pytest.raises(exc.IntegrityError):
            file(database, rows(clock, "x", **broken))
    assert counts(database) == [0, 0, 0, 0]


@pytest.mark.parametrize("same", [{"case": {"bank_ref": "20261123same"}}, {"message": {"transport_id": "same"}}])
def test_of_eight_that_file_the_same_at_once_exactly_one_does(database, clock, same):
    start = threading.Barrier(8)

    def attempt(number):
        four = rows(clock, str(number), **same)
        start.wait()
        return file(database, four)

    with ThreadPoolExecutor(8) as pool:
        outcomes = Counter(pool.map(attempt, range(8)))
    assert outcomes == {Filed.FILED: 1, Filed.CLASH: 7}
    assert counts(database) == [1, 1, 1, 1]


def test_on_postgresql_filing_is_one_statement_without_a_transaction_around_it(postgres_url, clock, vault, monkeypatch):
    database = Database(postgres_url, clock)
    assert file(database, rows(clock, "warm")) is Filed.BLOCKED
    sent = []
    execute = psycopg.Cursor.execute

    def noted(cursor, statement, *arguments, **how):
        sent.append((statement, cursor.connection.autocommit))
        return execute(cursor, statement, *arguments, **how)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    event.listen(database._autocommit, "commit", lambda _connection: sent.append(("COMMIT", True)))
    assert file(database, rows(clock, "x")) is Filed.BLOCKED
    ((statement, itself),) = sent
    assert (statement.count("INSERT INTO"), itself) == (4, True)
    database.close()
