"""Transactions, times and errors of the database, on both kinds."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, exc

from gateway.domain.clock import SystemClock
from gateway.domain.errors import BadSettings, Busy, OutcomeUnknown
from gateway.store.database import Database, is_unique_violation, micros, moment, new_id, normal_url
from gateway.store.tables import metadata

ID_NUMBER = "44030419900307123X"
PUT = "INSERT INTO version (name, number) VALUES (:name, :number)"


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
def postgres(postgres_url):
    made = Database(postgres_url, SystemClock())
    yield made
    made.close()


@pytest.fixture
def sqlite(sqlite_url, clock):
    made = Database(sqlite_url, clock)
    yield made
    made.close()


def put(name, number=1):
    return lambda tx: tx.run(PUT, {"name": name, "number": number})


def names(database):
    with database.read() as tx:
        return [row["name"] for row in tx.all("SELECT name FROM version WHERE name <> 'notices' ORDER BY name")]


def terminate(database, pid):
    """End another connection, and be sure that it has ended."""
    with database.read() as tx:
        assert tx.run("SELECT pg_terminate_backend(:pid, 5000)", {"pid": pid}).scalar_one() is True


# -- times and ids ------------------------------------------------------------------------------------------


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive"):
        micros(datetime(2026, 11, 23, 10, 0))


@given(
    st.datetimes(
        timezones=st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes))),
        min_value=datetime(1900, 1, 1),
        max_value=datetime(2200, 1, 1),
    )
)
def test_a_time_comes_back_from_its_number_to_the_microsecond(when):
    again = moment(micros(when))
    assert again == when
    assert again.utcoffset() == timedelta(0)


def test_a_time_comes_back_from_the_database(database, clock):
    when = datetime(2026, 11, 23, 2, 0, 0, 123457, tzinfo=UTC)
    database.again(put("t", micros(when)))
    with database.read() as tx:
        assert moment(tx.one("SELECT number FROM version WHERE name = 't'")["number"]) == when
        assert tx.now() == clock.now()


def test_postgresql_keeps_the_time_itself_unless_a_test_turns_it(postgres, postgres_url, clock):
    with postgres.read() as tx:
        assert abs(tx.now() - datetime.now(UTC)) < timedelta(minutes=1)
    turned = Database(postgres_url, clock, database_clock=False)
    with turned.read() as tx:
        assert tx.now() == clock.now()
    turned.close()


def test_new_ids_are_32_hex_digits_all_different_and_in_the_order_of_making():
    made = [new_id() for _ in range(500)]
    assert len(set(made)) == 500
    assert {len(i) for i in made} == {32}
    assert all(set(i) <= set("0123456789abcdef") for i in made)
    assert [i[:12] for i in made] == sorted(i[:12] for i in made)


# -- the URL and the statements -------------------------------------------------------------------------------


@pytest.mark.parametrize("given_url", ["postgres://h/d", "postgresql://h/d", "postgresql+psycopg://h/d"])
def test_the_usual_spellings_of_postgresql_are_understood(given_url):
    assert normal_url(given_url) == "postgresql+psycopg://h/d"


@pytest.mark.parametrize("given_url", ["mysql://h/d", "sqlite://", "", "postgresql+asyncpg://h/d"])
def test_a_database_we_do_not_run_on_is_refused(given_url):
    with pytest.raises(BadSettings, match="sqlite:/// or postgresql://"):
        normal_url(given_url)


def test_statements_with_percent_signs_and_casts_mean_the_same_everywhere(database):
    with database.read() as tx:
        found = tx.one("SELECT CAST(:x AS varchar) || '%s %' AS t, CAST(:n AS bigint) AS n", {"x": "50%", "n": 7})
    assert (found["t"], found["n"]) == ("50%%s %", 7)


def test_one_statement_may_run_for_many_rows(database):
    database.again(lambda tx: tx.run(PUT, [{"name": n, "number": 1} for n in ("a", "b", "c")]))
    assert names(database) == ["a", "b", "c"]


# -- reading ---------------------------------------------------------------------------------------------------


def test_a_read_transaction_cannot_write(database):
    def sneak():
        with database.read() as tx:
            put("sneaked in")(tx)
            tx.commit()

    with pytest.raises((Busy, exc.InternalError)):
        sneak()
    assert names(database) == []


def test_a_connection_that_was_read_with_may_write_afterwards(database):
    for round_no in range(3):
        assert len(names(database)) == round_no
        database.again(put(f"n{round_no}"))
    assert names(database) == ["n0", "n1", "n2"]


def test_a_look_does_not_wait_for_a_writer_and_sees_only_what_is_committed(database):
    with database.write() as writer:
        put("half done")(writer)
        assert names(database) == []
        writer.commit()
    assert names(database) == ["half done"]


# -- writing ---------------------------------------------------------------------------------------------------


def test_a_transaction_without_commit_leaves_nothing(database):
    with database.write() as tx:
        put("forgotten")(tx)
    assert names(database) == []


def test_a_transaction_that_fails_leaves_nothing(database):
    def stop_half_way(tx):
        put("first")(tx)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        database.again(stop_half_way)
    assert names(database) == []


def test_many_threads_write_one_after_the_other(database):
    database.again(put("counter", 0))
    raise_it = "UPDATE version SET number = number + 1 WHERE name = 'counter'"
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(database.again, lambda tx: tx.run(raise_it)) for _ in range(40)]:
            done.result()
    with database.read() as tx:
        assert tx.one("SELECT number FROM version")["number"] == 40


def test_a_statement_that_breaks_a_constraint_is_not_repeated(database):
    database.again(put("once"))
    tries = []
    with pytest.raises(exc.IntegrityError) as caught:
        database.again(lambda tx: (tries.append(1), put("once")(tx)))
    assert is_unique_violation(caught.value)
    assert len(tries) == 1


def test_a_missing_value_is_not_taken_for_a_clash(database):
    with pytest.raises(exc.IntegrityError) as caught:
        database.again(put("x", None))
    assert not is_unique_violation(caught.value)


# -- busy, away, unknown ---------------------------------------------------------------------------------------


def test_a_writer_in_another_process_is_waited_for_and_the_transaction_repeated(sqlite, sqlite_url, clock):
    other = Database(sqlite_url, clock)  # its own lock, like a second process
    event.listen(other.engine, "connect", lambda dbapi, _record: dbapi.execute("PRAGMA busy_timeout=1"))
    refused = threading.Event()
    event.listen(other.engine, "handle_error", lambda _context: refused.set())
    with ThreadPoolExecutor(1) as pool:
        with sqlite.write() as holder:
            put("first")(holder)
            second = pool.submit(other.again, put("second"))
            assert refused.wait(10)
            holder.commit()
        second.result(10)
    assert names(sqlite) == ["first", "second"]
    other.close()


def test_a_database_that_stays_locked_is_busy_in_the_end(sqlite, sqlite_url, clock):
    other = Database(sqlite_url, clock)
    event.listen(other.engine, "connect", lambda dbapi, _record: dbapi.execute("PRAGMA busy_timeout=1"))
    refusals = []
    event.listen(other.engine, "handle_error", lambda _context: refusals.append(1))
    with sqlite.write() as holder:
        put("held")(holder)
        with pytest.raises(Busy):
            other.again(put("never"))
    assert len(refusals) > 1
    assert names(sqlite) == []
    other.close()


def test_a_serialization_failure_repeats_the_whole_transaction(postgres):
    postgres.again(put("row", 0))
    tries = []

    def act(tx):
        tx.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tries.append(tx.one("SELECT number FROM version")["number"])
        if len(tries) == 1:
            postgres.again(lambda other: other.run("UPDATE version SET number = 10"))
        tx.run("UPDATE version SET number = number + 1")

    postgres.again(act)
    assert tries == [0, 10]
    with postgres.read() as tx:
        assert tx.one("SELECT number FROM version")["number"] == 11


def test_a_connection_broken_before_the_commit_was_sent_is_busy(postgres):
    def break_then_write(tx):
        terminate(postgres, tx.run("SELECT pg_backend_pid()").scalar_one())
        put("lost")(tx)

    with pytest.raises(Busy):
        postgres.again(break_then_write)
    assert names(postgres) == []


def test_a_connection_broken_at_the_commit_leaves_the_outcome_unknown_and_is_not_repeated(postgres):
    tries = []

    def act(tx):
        tries.append(1)
        put("perhaps")(tx)
        terminate(postgres, tx.run("SELECT pg_backend_pid()").scalar_one())

    with pytest.raises(OutcomeUnknown):
        postgres.again(act)
    assert len(tries) == 1


def test_a_connection_broken_under_a_statement_that_commits_itself_leaves_the_outcome_unknown(postgres):
    def break_under_it():
        with postgres.one_statement() as cursor:
            terminate(postgres, cursor.execute("SELECT pg_backend_pid()").fetchone()[0])
            cursor.execute("SELECT 1")

    with pytest.raises(OutcomeUnknown):
        break_under_it()
    postgres.again(put("the pool is well again"))
    assert names(postgres) == ["the pool is well again"]


def test_a_server_that_is_not_there_is_busy_and_nothing_was_done(clock):
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", clock)
    with pytest.raises(Busy, match="away"):
        nowhere.again(put("x"))
    with pytest.raises(Busy, match="away"), nowhere.one_statement() as cursor:
        cursor.execute("SELECT 1")
    nowhere.close()


# -- what errors tell --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_it",
    [
        lambda tx: tx.run(PUT, {"name": ID_NUMBER, "number": None}),
        lambda tx: (put(ID_NUMBER)(tx), put(ID_NUMBER)(tx)),
        lambda tx: tx.run("SELECT nothing FROM version WHERE name = :name", {"name": ID_NUMBER}),
        lambda tx: tx.run("INSERT INTO version (name) VALUES (:name)", [{"name": ID_NUMBER}, {"name": ID_NUMBER}]),
    ],
    ids=["a value missing", "a value twice", "a mistake in the statement", "many rows"],
)
def test_no_error_shows_what_a_statement_carried(database, break_it):
    with pytest.raises((exc.DBAPIError, Busy)) as caught:
        database.again(break_it)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "version" in told
    assert ID_NUMBER not in told
