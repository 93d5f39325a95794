"""Jobs that one process runs at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.domain.clock import SystemClock
from gateway.store import jobs
from gateway.store.database import Database
from gateway.store.tables import metadata

LEASE, EVERY = timedelta(seconds=30), timedelta(seconds=5)


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


def take(database, owner, name="sealer"):
    return jobs.take(database, name, owner=owner, lease=LEASE, every=EVERY)


def test_the_holder_keeps_a_job_and_runs_it_as_often_as_it_is_due(database, clock):
    assert take(database, "one")
    jobs.done(database, "sealer", owner="one")
    assert not take(database, "one")
    clock.turn(5)
    assert take(database, "one")
    assert not take(database, "two")
    assert take(database, "two", name="another job")


def test_a_job_is_taken_over_when_its_holders_lease_has_run_out(database, clock):
    assert take(database, "one")
    clock.turn(29.9)
    assert not take(database, "two")
    clock.turn(0.1)
    assert take(database, "two")
    assert not take(database, "one")


def test_every_round_renews_the_lease(database, clock):
    for _ in range(10):
        assert take(database, "one")
        jobs.done(database, "sealer", owner="one")
        clock.turn(10)
        assert not take(database, "two")


def test_a_former_holder_cannot_say_that_the_job_ran(database, clock):
    assert take(database, "one")
    clock.turn(30)
    assert take(database, "two")
    jobs.done(database, "sealer", owner="one")
    assert take(database, "two")  # still due


def test_a_released_job_is_free_at_once_but_not_due_earlier(database, clock):
    assert take(database, "one")
    jobs.done(database, "sealer", owner="one")
    jobs.release(database, owner="one")
    assert not take(database, "two")
    clock.turn(5)
    assert take(database, "two")


def test_of_eight_processes_that_ask_at_once_one_gets_the_job(database):
    start = threading.Barrier(8)

    def ask(number):
        start.wait()
        return take(database, f"p{number}")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 1
