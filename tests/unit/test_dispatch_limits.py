"""What a lane grants: its limits hold over all processes, because its row is the truth (rules.md 18)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.dispatch import limits, policy
from gateway.domain.clock import SystemClock
from gateway.store import switches, work
from gateway.store.database import Database
from gateway.store.tables import metadata

LEASE = timedelta(seconds=30)


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


def lane(database, *, cap=4, rate=0, rows=20):
    work.Lanes.ensure(database, "A", cap=cap, rate=rate)
    now = database.clock.now()
    for number in range(rows):
        columns = work.row(
            work_id=f"{number:03}", kind="call", lane="A", case_id="c", payload_sealed=b"", now=now, due_at=now
        )
        database.again(lambda tx, columns=columns: work.put(tx, columns))


def take(database, wish=10, *, owner="one"):
    """What a process does: ask for room, then claim no more than that."""

    def act(tx):
        room = limits.room(tx, "A", wish=wish, lease=LEASE)
        if room.rows == 0:
            return []
        claims = work.claim(tx, "A", owner=owner, lease=LEASE, limit=room.rows, kinds=("call",))
        return [(claim, room.probe) for claim in claims]

    return database.again(act)


def finish(database, taken):
    for claim, _ in taken:
        database.again(lambda tx, claim=claim: work.done(tx, claim))


def fail(database, times=1):
    for _ in range(times):
        database.again(lambda tx: limits.failed(tx, "A"))


def ready(database):
    with database.read() as tx:
        return work.ready_lanes(tx)


def test_the_cap_counts_the_leases_of_all_processes_together(database, clock):
    lane(database, cap=4)
    mine, yours = take(database, 3, owner="one"), take(database, 3, owner="two")
    assert (len(mine), len(yours)) == (3, 1)
    assert take(database, owner="three") == []
    finish(database, mine[:2])
    assert len(take(database, owner="three")) == 2
    clock.turn(30)  # leases that ran out no longer count
    assert len(take(database, owner="four")) == 4


def test_eight_processes_asking_at_once_stay_below_the_cap(database):
    lane(database, cap=5)
    start = threading.Barrier(8)

    def ask(number):
        start.wait()
        return len(take(database, 3, owner=f"p{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 5


def test_a_lane_that_was_never_set_up_or_whose_cap_was_lowered_grants_nothing(database):
    assert take(database) == []
    lane(database, cap=3)
    assert len(take(database)) == 3
    work.Lanes.ensure(database, "A", cap=1, rate=0)
    assert take(database) == []


def test_the_bucket_gives_one_seconds_worth_at_most_and_fills_with_time(database, clock):
    lane(database, cap=100, rate=4)
    assert len(take(database, 10)) == 4
    assert take(database, 10) == []
    clock.turn(0.5)
    assert len(take(database, 10)) == 2
    clock.turn(0.25)
    assert len(take(database, 10)) == 1
    clock.turn(3600)
    assert len(take(database, 10)) == 4


def test_a_clock_set_back_neither_fills_nor_empties_the_bucket(database, clock):
    lane(database, cap=100, rate=2)
    assert len(take(database, 10)) == 2
    clock.set(clock.now() - timedelta(hours=1))
    with database.write() as tx:
        assert limits.room(tx, "A", wish=10, lease=LEASE).rows == 0
        tx.commit()
    clock.turn(1)
    with database.write() as tx:
        assert limits.room(tx, "A", wish=10, lease=LEASE).rows == 2


def test_after_five_failures_in_a_row_the_lane_is_held_then_one_probe_goes(database, clock):
    lane(database)
    fail(database, 4)
    assert ready(database) == ["A"]
    fail(database)
    assert ready(database) == []
    assert take(database) == []
    clock.turn(4.9)
    assert take(database) == []
    clock.turn(0.1)
    assert ready(database) == ["A"]
    ((probe, is_probe),) = take(database, owner="one")
    assert is_probe
    assert take(database, owner="two") == []
    database.again(lambda tx: work.Lanes.answered(tx, "A"))
    finish(database, [(probe, True)])
    assert [is_probe for _, is_probe in take(database)] == [False] * 4


def test_a_failed_probe_holds_the_lane_twice_as_long(database, clock):
    lane(database)
    fail(database, 5)
    clock.turn(5)
    assert len(take(database)) == 1
    fail(database)
    clock.turn(9.9)
    assert take(database) == []
    clock.turn(0.1)
    assert len(take(database)) == 1


def test_a_probe_whose_process_died_is_followed_by_another_when_its_lease_is_over(database, clock):
    lane(database)
    fail(database, 5)
    clock.turn(5)
    assert len(take(database, owner="dies")) == 1
    clock.turn(29.9)
    assert take(database) == []
    clock.turn(0.1)
    assert [is_probe for _, is_probe in take(database)] == [True]


def test_calls_already_under_way_when_the_lane_closed_do_not_hold_it_longer(database, clock):
    lane(database, cap=16)
    take(database, 16)
    fail(database, 16)
    clock.turn(5)
    assert ready(database) == ["A"]


def test_one_answer_forgets_the_failures_before_it(database):
    lane(database)
    fail(database, 4)
    database.again(lambda tx: work.Lanes.answered(tx, "A"))
    fail(database, 4)
    assert ready(database) == ["A"]


def test_failures_of_an_unknown_lane_are_nothing(database):
    fail(database)
    with database.read() as tx:
        assert work.look_at_lane(tx, "A") is None


# -- planned closures -----------------------------------------------------------------------------------------------


def close(database, *, lasts):
    now = database.clock.now()
    closure = switches.Closure("c1", "A", now, now + timedelta(seconds=lasts), "维护", "维护")
    database.again(lambda tx: switches.put_closure(tx, closure, now=now))


def test_a_closed_lane_grants_nothing_and_is_not_even_ready(database, clock):
    lane(database)
    close(database, lasts=60)
    assert (ready(database), take(database)) == ([], [])
    clock.turn(59.9)
    assert (ready(database), take(database)) == ([], [])
    clock.turn(0.2)
    assert ready(database) == ["A"]
    assert len(take(database)) == 2


def carried_each_second(database, clock, seconds):
    """How many calls start in each second, when every one is answered at once and four looks are taken a second."""
    carried = []
    for _ in range(seconds):
        started = 0
        for _ in range(4):
            taken = take(database, wish=1_000)
            finish(database, taken)
            started += len(taken)
            clock.turn(0.25)
        carried.append(started)
    return carried


def test_what_a_closure_held_goes_out_as_a_ramp_and_not_as_a_stampede(database, clock):
    """1,500 calls wait behind an hour of closure. Without the ramp the first look would start as many as the cap."""
    work.Lanes.ensure(database, "A", cap=1_000, rate=0)
    now = database.clock.now()
    rows = [
        work.row(work_id=f"{n:04}", kind="call", lane="A", case_id="c", payload_sealed=b"", now=now)
        for n in range(1_500)
    ]
    database.again(lambda tx: [work.put(tx, row) for row in rows])
    close(database, lasts=3_600)
    clock.turn(3_600)
    carried = carried_each_second(database, clock, 120)
    assert max(carried[:10]) <= 4, carried
    assert 2 * 10 - 4 <= sum(carried[:10]) <= 30
    assert max(carried[:60]) <= 10
    assert carried[110] > 3 * carried[10]  # it grows
    clock.turn(policy.RAMP.total_seconds())
    assert len(take(database, wish=1_000)) == min(1_000, 1_500 - sum(carried))  # and it ends


def test_a_lane_with_a_rate_of_its_own_never_ramps_above_it(database, clock):
    lane(database, cap=1_000, rate=3, rows=300)
    close(database, lasts=60)
    clock.turn(60 + 120)
    assert max(carried_each_second(database, clock, 20)[1:]) <= 3


def test_the_ramp_doubles_every_half_minute():
    assert [policy.ramp_rate(timedelta(seconds=s), 0) for s in (0, 30, 60, 120, 300)] == [2, 4, 8, 32, 2048]
