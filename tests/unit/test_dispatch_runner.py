"""Threads over due work: bulkheads, leases and an orderly end (rules.md 18, 22, 41)."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.dispatch import runner as room
from gateway.dispatch.runner import Lane, Runner
from gateway.domain.clock import SystemClock
from gateway.domain.errors import LeaseLost
from gateway.store import work
from gateway.store.database import Database
from gateway.store.tables import metadata

SOON = 20.0  # seconds a test waits for what must happen before it calls it missing


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


class Workshop:
    """A runner over lanes whose handlers report what they hold and go on when they are told to."""

    def __init__(self, url):
        self.database = Database(url, SystemClock())
        self.started = queue.Queue()
        self.go_on = threading.Event()
        self.ended = queue.Queue()
        self.runners = []

    def lane(self, name, *, threads=2, cap=8, handle=None, claimed=lambda _tx, claims: claims, kinds=("call",)):
        work.Lanes.ensure(self.database, name, cap=cap, rate=0)
        lease = timedelta(seconds=60)
        return Lane(name=name, kinds=kinds, threads=threads, lease=lease, handle=handle or self.finish, claimed=claimed)

    def run(self, *lanes):
        made = Runner(self.database, lanes={lane.name: lane for lane in lanes}, owner="me", clock=SystemClock())
        self.runners.append(made)
        made.start()
        return made

    def finish(self, claim, started):
        self.database.again(lambda tx: work.done(tx, claim))
        self.ended.put(claim.work_id)

    def hold(self, claim, started):
        self.started.put(claim.work_id)
        assert self.go_on.wait(SOON)
        self.finish(claim, started)

    def put(self, *names, lane="A", kind="call"):
        now = SystemClock().now()
        for name in names:
            row = work.row(work_id=name, kind=kind, lane=lane, case_id="c", payload_sealed=b"", now=now)
            self.database.again(lambda tx, row=row: work.put(tx, row))

    def row(self, name):
        with self.database.read() as tx:
            return dict(tx.one("SELECT * FROM work WHERE work_id = :id", {"id": name}))


@pytest.fixture
def shop(empty_url):
    made = Workshop(empty_url)
    yield made
    made.go_on.set()
    for one in made.runners:
        one.drain(SOON)
    made.database.close()


def all_of(heard, number):
    return sorted(heard.get(timeout=SOON) for _ in range(number))


def test_due_work_is_handed_to_its_lane_and_each_row_once(shop):
    shop.put(*(f"a{n}" for n in range(12)))
    shop.put(*(f"b{n}" for n in range(4)), lane="B")
    runner = shop.run(shop.lane("A"), shop.lane("B"))
    assert len(set(all_of(shop.ended, 16))) == 16
    assert runner.drain(SOON)
    assert shop.ended.empty()


def test_a_slow_peer_does_not_take_another_lanes_threads(shop):
    shop.put("a1", "a2", "a3")
    runner = shop.run(shop.lane("A", threads=2, handle=shop.hold), shop.lane("B", threads=1))
    assert len(all_of(shop.started, 2)) == 2
    shop.put("b1", "b2", lane="B")
    runner.wake()
    assert all_of(shop.ended, 2) == ["b1", "b2"]
    assert shop.started.empty()  # the third waits for a thread of its own lane
    assert [shop.row(name)["owner"] for name in ("a1", "a2", "a3")].count(None) == 1


def test_no_more_is_claimed_than_the_lane_grants(shop):
    shop.put("a1", "a2", "a3", "a4")
    shop.run(shop.lane("A", threads=4, cap=2, handle=shop.hold))
    assert len(all_of(shop.started, 2)) == 2
    assert [shop.row(f"a{n}")["owner"] for n in range(1, 5)].count("me") == 2


def test_a_handler_that_fails_leaves_its_row_to_the_lease_and_others_go_on(shop):
    def fail(claim, started):
        if claim.work_id == "a2":
            return shop.finish(claim, started)
        shop.started.put(claim.work_id)
        raise LeaseLost("x") if claim.work_id == "a1" else RuntimeError("44030419900307123X")

    shop.put("a0", "a1", "a2")
    runner = shop.run(shop.lane("A", threads=1, handle=fail))
    assert all_of(shop.ended, 1) == ["a2"]
    assert runner.drain(SOON)
    for name in ("a0", "a1"):
        row = shop.row(name)
        assert (row["state"], row["stage"], row["owner"], row["attempt"]) == ("due", work.SENDING, "me", 1)


def test_a_lane_that_cannot_be_claimed_from_does_not_stop_the_others(shop):
    tried = threading.Event()

    def break_it(tx, claims):
        tried.set()
        raise RuntimeError("this lane's rows cannot be noted")

    shop.put("a1")
    shop.run(shop.lane("A", claimed=break_it), shop.lane("B"))
    assert tried.wait(SOON)
    shop.put("b1", lane="B")
    assert all_of(shop.ended, 1) == ["b1"]
    assert (shop.row("a1")["owner"], shop.row("a1")["token"]) == (None, 0)  # claim and its entries together or not


def test_what_nobody_here_can_handle_is_left_alone(shop):
    shop.put("w1", kind="word")
    shop.put("c1", lane="C")
    shop.put("a1")
    runner = shop.run(shop.lane("A"))
    assert all_of(shop.ended, 1) == ["a1"]
    assert runner.drain(SOON)
    assert [shop.row(name)["token"] for name in ("w1", "c1")] == [0, 0]


def test_putting_work_and_ringing_is_faster_than_the_next_look(shop, monkeypatch):
    looked = threading.Semaphore(0)
    look = work.ready_lanes

    def watched(tx):
        found = look(tx)
        looked.release()
        return found

    monkeypatch.setattr(room, "_LANES_LOOK_EVERY", 600.0)
    monkeypatch.setattr(work, "ready_lanes", watched)
    runner = shop.run(shop.lane("A"))
    assert looked.acquire(timeout=SOON)  # it looked once, found nothing, and would sleep for ten minutes
    shop.put("a1")
    runner.wake()
    assert all_of(shop.ended, 1) == ["a1"]


def test_draining_waits_for_what_runs_and_claims_nothing_new(shop):
    shop.put("a1")
    runner = shop.run(shop.lane("A", handle=shop.hold))
    assert all_of(shop.started, 1) == ["a1"]
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(runner.drain, SOON)
        runner._thread.join(SOON)  # the claiming thread has ended
        shop.put("a2")
        runner.wake()
        assert not drained.done()
        shop.go_on.set()
        assert drained.result(SOON) is True
    assert shop.row("a1")["state"] == "done"
    assert shop.row("a2")["token"] == 0


def test_what_outlives_the_grace_keeps_its_lease(shop):
    shop.put("a1")
    runner = shop.run(shop.lane("A", handle=shop.hold))
    assert all_of(shop.started, 1) == ["a1"]
    assert runner.drain(0.05) is False
    assert (shop.row("a1")["state"], shop.row("a1")["owner"]) == ("due", "me")
    shop.go_on.set()
    assert all_of(shop.ended, 1) == ["a1"]


def test_a_runner_that_never_started_is_drained_at_once(shop):
    runner = Runner(shop.database, lanes={"A": shop.lane("A")}, owner="me", clock=SystemClock())
    assert runner.drain(SOON) is True
