"""One writer for many: shared commits, fair refusal, nobody answered before the commit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.errors import Busy
from gateway.store import group
from gateway.store.database import Database, Tx
from gateway.store.group import Group


def put(tx: Tx, name: str) -> str:
    tx.cursor().execute("INSERT INTO version (name, number) VALUES (:name, 1)", {"name": name})
    return name


@pytest.fixture
def database(sqlite_url, clock):
    made = Database(sqlite_url, clock)
    yield made
    made.close()


def names(database: Database) -> set[str]:
    with database.read() as tx:
        return {r[0] for r in tx.run("SELECT name FROM version WHERE name NOT IN ('directory', 'notices')")}


def test_many_threads_share_commits_and_each_hears_its_own_outcome(database, monkeypatch):
    commits = []
    commit = Tx.commit
    monkeypatch.setattr(Tx, "commit", lambda tx: (commits.append(1), commit(tx))[1])
    writer: Group[str, str] = Group(database, put)
    jobs = [f"n{i}" for i in range(200)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(writer.do, jobs)) == jobs
    assert names(database) == set(jobs)
    assert len(commits) < len(jobs)


def test_one_refused_row_takes_no_other_with_it(database):
    writer: Group[str, str] = Group(database, put)
    held = threading.Event()
    database._one_writer.acquire()  # so that all of them meet in one batch
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(writer.do, name) for name in ("a", "b", "a", "c")]
        held.wait(0.2)
        database._one_writer.release()
        outcomes = [f.exception() for f in futures]
    assert sum(o is not None for o in outcomes) == 1
    assert "UNIQUE constraint failed" in str(next(o for o in outcomes if o))
    assert names(database) == {"a", "b", "c"}


def test_a_full_line_says_busy_and_does_nothing(database, monkeypatch):
    monkeypatch.setattr(group, "_LINE", 1)
    writer: Group[str, str] = Group(database, put)
    database._one_writer.acquire()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(writer.do, "first")
        while not writer._line.empty() or writer._thread is None:
            threading.Event().wait(0.01)
        second = pool.submit(writer.do, "second")
        while writer._line.empty():
            threading.Event().wait(0.01)
        with pytest.raises(Busy):
            writer.do("third")
        database._one_writer.release()
        assert (first.result(), second.result()) == ("first", "second")
    assert names(database) == {"first", "second"}


def test_the_thread_ends_when_nothing_comes_and_begins_again(database, monkeypatch):
    monkeypatch.setattr(group, "_IDLE", 0.05)
    writer: Group[str, str] = Group(database, put)
    writer.do("one")
    thread = writer._thread
    assert thread is not None
    thread.join(2)
    assert writer._thread is None
    assert writer.do("two") == "two"
