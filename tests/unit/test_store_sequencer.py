"""Order after commit: no gap, nothing left out, whoever commits last (rules.md 13)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.audit.kinds import EntryKind
from gateway.domain.clock import SystemClock
from gateway.domain.records import EntryDraft
from gateway.store import sequencer, trail
from gateway.store.database import Database
from gateway.store.tables import metadata

CASE = (
    "INSERT INTO cases (case_id, bank, bank_ref, client_id, business_digest, item, item_version, department, backend,"
    " outlet, channel, receipt_no, receipt, received_at, state, since, event_no, entry_no, withdrawal, department_seq,"
    " parked, subject_hash, data_key, facts_sealed) VALUES (:id, :bank, :id, 'c', 'd', 'i', 'v', 'd', 'b', :outlet,"
    " 'counter', :id, 'r', 0, 'submitted', 0, 0, 0, 'none', 0, 0, 'h', :key, :key)"
)


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
def postgres(postgres_url, clock):
    made = Database(postgres_url, clock, database_clock=False)
    yield made
    made.close()


def add(tx, subject, seq=1, *, bank="ICBC", case_id="case-1"):
    """One public event of ``case_id`` as an entry; the subject tells them apart in what comes back."""
    draft = EntryDraft(
        kind=EntryKind.EVENT_RECORDED, subject=subject, at=tx.database.clock.now(), actor="system:test", facts={}
    )
    trail.append(tx, [trail.row(draft, seq, case_id=case_id, bank=bank, event_no=seq, event_sealed=subject.encode())])


def open_case(database, case_id="case-1", *, bank="ICBC", outlet="O1"):
    row = {"id": case_id, "bank": bank, "outlet": outlet, "key": b"k"}
    database.again(lambda tx: tx.run(CASE, row))


def settle(database, until="pg_snapshot_xmax(pg_current_snapshot())"):
    """Wait until no transaction older than now, or than ``until``, runs anywhere on the server.

    The server's lowest running number counts for all its databases, so another test's transaction holds ours up.
    """
    if database.is_postgres:
        with database.read() as tx:
            tx.run("SET LOCAL statement_timeout = '60s'")
            tx.run(
                f"DO $$ DECLARE target xid8 := {until}; BEGIN"
                " WHILE pg_snapshot_xmin(pg_current_snapshot()) < target LOOP PERFORM pg_sleep(0.002); END LOOP;"
                " END $$"
            )


def place(database, **how):
    """What the job does, once nobody else's transaction stands in the way."""
    settle(database)
    return database.again(lambda tx: sequencer.place(tx, **how))


def placed(database):
    """(position, subject) of everything that has a position."""
    with database.read() as tx:
        found = tx.all(
            "SELECT p.position, e.subject FROM position p JOIN entry e ON e.row_id = p.row_id ORDER BY p.position"
        )
    return [(row["position"], row["subject"]) for row in found]


def told(database, after=-1, *, bank="ICBC", outlet="", limit=100):
    with database.read() as tx:
        found = sequencer.feed(tx, bank, after, limit=limit, outlet=outlet)
    return [(row["position"], bytes(row["event_sealed"]).decode()) for row in found]


def age(database):
    with database.read() as tx:
        return sequencer.backlog_age(tx)


def test_positions_begin_at_nought_and_go_on_without_gap_however_they_are_batched(database):
    assert place(database) == 0
    for number in range(5):
        database.again(lambda tx, n=number: add(tx, f"s{n}"))
    assert [place(database, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert placed(database) == [(n, f"s{n}") for n in range(5)]
    with database.read() as tx:
        assert sequencer.placed(tx) == 5
        assert [b'"subject":"s3"' in leaf for leaf in sequencer.leaves(tx, 3, limit=9)] == [True, False]


def test_what_was_rolled_back_leaves_no_gap(database):
    database.again(lambda tx: add(tx, "a"))
    with database.write() as tx:
        add(tx, "never")
    database.again(lambda tx: add(tx, "b"))
    place(database)
    assert placed(database) == [(0, "a"), (1, "b")]


def test_the_backlog_has_an_age_while_anything_waits_and_none_otherwise(database, clock):
    assert age(database) == 0
    database.again(lambda tx: add(tx, "a"))
    assert age(database) == 1  # even when no time has passed: it waits
    clock.turn(11)
    assert age(database) == 11_000_000
    place(database)
    assert age(database) == 0
    database.again(lambda tx: add(tx, "b"))
    clock.set(clock.now() - timedelta(hours=1))  # written by a machine whose clock is ahead
    assert age(database) == 1


def test_the_feed_tells_a_bank_its_own_events_behind_a_position(database):
    open_case(database)
    open_case(database, "case-2", outlet="O2")
    open_case(database, "case-3", bank="CCB")
    for seq, (case_id, bank) in enumerate(
        [("case-1", "ICBC"), ("case-3", "CCB"), ("case-2", "ICBC"), ("case-1", None), ("case-1", "ICBC")], 1
    ):
        database.again(lambda tx, s=seq, c=case_id, b=bank: add(tx, f"e{s}", s, bank=b, case_id=c))
    assert told(database) == []
    place(database)
    assert told(database) == [(0, "e1"), (2, "e3"), (4, "e5")]
    assert told(database, 0) == [(2, "e3"), (4, "e5")]
    assert told(database, limit=1) == [(0, "e1")]
    assert told(database, outlet="O2") == [(2, "e3")]
    assert told(database, bank="CCB") == [(1, "e2")]


# -- transactions that overlap -----------------------------------------------------------------------------------


def test_on_postgresql_nothing_is_placed_before_an_older_transaction_that_still_runs(postgres):
    open_case(postgres)
    with postgres.write() as older, postgres.write() as younger:
        add(older, "older")
        add(younger, "younger")
        younger.commit()
        assert postgres.again(sequencer.place) == 0
        assert told(postgres) == []
        older.commit()
    assert place(postgres) == 2
    assert placed(postgres) == [(0, "older"), (1, "younger")]
    assert told(postgres, -1) == [(0, "older"), (1, "younger")]


def test_on_postgresql_order_is_the_transactions_even_where_row_ids_are_the_other_way_round(postgres):
    with postgres.write() as older, postgres.write() as younger:
        older.run("SELECT pg_current_xact_id()")
        add(younger, "younger")
        younger.commit()
        add(older, "older")
        older.commit()
    assert place(postgres) == 2
    assert placed(postgres) == [(0, "older"), (1, "younger")]


def test_on_postgresql_an_older_transaction_that_fails_holds_nobody_up(postgres):
    with postgres.write() as older:
        add(older, "older")
        postgres.again(lambda tx: add(tx, "younger"))
        assert postgres.again(sequencer.place) == 0
    assert place(postgres) == 1
    assert placed(postgres) == [(0, "younger")]


def test_on_postgresql_an_entry_with_a_smaller_row_id_than_the_last_placed_one_still_counts_as_waiting(postgres):
    with postgres.write() as first, postgres.write() as running, postgres.write() as last:
        numbers = [tx.run("SELECT pg_current_xact_id()::text").scalar_one() for tx in (first, running, last)]
        add(last, "last")
        last.commit()
        add(first, "first")
        first.commit()
        settle(postgres, f"'{numbers[1]}'::xid8")
        assert postgres.again(sequencer.place) == 1
        assert age(postgres) > 0
    assert place(postgres) == 1
    assert placed(postgres) == [(0, "first"), (1, "last")]
    assert age(postgres) == 0


def test_on_sqlite_a_second_writer_comes_after_the_first_and_order_is_that_of_commits(sqlite_url, clock):
    database = Database(sqlite_url, clock)
    trying = threading.Event()

    def second():
        trying.set()
        database.again(lambda tx: add(tx, "second"))

    with ThreadPoolExecutor(1) as pool:
        with database.write() as first:
            waiting = pool.submit(second)
            assert trying.wait(10)
            add(first, "first")
            first.commit()
        waiting.result(10)
    place(database)
    assert placed(database) == [(0, "first"), (1, "second")]
    database.close()


def test_eight_writers_a_sequencer_and_a_reader_at_once_lose_and_repeat_nothing(empty_url):
    database = Database(empty_url, SystemClock())
    open_case(database)
    quiet = threading.Event()

    def write(writer):
        for number in range(12):
            with database.write() as tx:
                add(tx, f"w{writer}-{number}-a")
                add(tx, f"w{writer}-{number}-b")
                if number % 4 != 3:  # every fourth is given up
                    tx.commit()

    def order():
        while not quiet.is_set() or age(database):
            database.again(lambda tx: sequencer.place(tx, limit=7))

    def read():
        heard, over = [], False
        while not over:
            over = quiet.is_set() and not age(database)
            heard += told(database, heard[-1][0] if heard else -1, limit=5)
            while over and (more := told(database, heard[-1][0], limit=5)):
                heard += more
        return heard

    with ThreadPoolExecutor(10) as pool:
        ordering, reading = pool.submit(order), pool.submit(read)
        for done in [pool.submit(write, w) for w in range(8)]:
            done.result(60)
        quiet.set()
        ordering.result(60)
        heard = reading.result(60)
    wanted = {f"w{w}-{n}-{part}" for w in range(8) for n in range(12) if n % 4 != 3 for part in "ab"}
    assert [position for position, _ in heard] == list(range(len(wanted)))
    assert {subject for _, subject in heard} == wanted
    assert heard == placed(database)
    database.close()


def test_two_sequencers_at_once_give_every_entry_one_position(database):
    database.again(lambda tx: [add(tx, f"s{n}") for n in range(60)])
    settle(database)
    start = threading.Barrier(2)

    def order():
        start.wait()
        while database.again(lambda tx: sequencer.place(tx, limit=3)):
            pass

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(order) for _ in range(2)]:
            done.result(60)
    assert placed(database) == [(n, f"s{n}") for n in range(60)]
