"""Work rows: each is held by one worker at a time, and only its holder may record (rules.md 17, 18, 22)."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, exc

from gateway.domain.clock import SystemClock
from gateway.domain.errors import LeaseLost
from gateway.store import work
from gateway.store.database import Database, micros
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


def put(database, work_id, *, lane="A", kind=work.CALL, due=None, version=1, case_id="", stage=work.SEND):
    now = database.clock.now()
    columns = work.row(
        work_id=work_id,
        kind=kind,
        lane=lane,
        case_id=case_id or f"case-{work_id}",
        payload_sealed=b"sealed",
        now=now,
        due_at=due,
        stage=stage,
    )
    database.again(lambda tx: work.put(tx, {**columns, "version": version}))


def take(database, lane="A", *, owner="one", limit=10, kinds=(work.CALL,), version=1):
    return database.again(
        lambda tx: work.claim(tx, lane, owner=owner, lease=LEASE, limit=limit, kinds=kinds, version=version)
    )


def take_one(database, **how):
    (claim,) = take(database, **how)
    return claim


def stored(database, work_id):
    with database.read() as tx:
        return dict(tx.one("SELECT * FROM work WHERE work_id = :id", {"id": work_id}))


def ids(claims):
    return sorted(claim.work_id for claim in claims)


# -- claiming --------------------------------------------------------------------------------------------------


def test_a_claim_holds_the_row_until_the_lease_ends(database, clock):
    put(database, "a")
    claim = take_one(database)
    assert (claim.token, claim.attempt, claim.stage, claim.taken_over) == (1, 1, work.SENDING, False)
    assert (claim.sent_at, claim.created_at, claim.payload_sealed) == (clock.now(), clock.now(), b"sealed")
    row = stored(database, "a")
    assert (row["owner"], row["due_at"]) == ("one", micros(clock.now() + LEASE))
    clock.turn(29.999)
    assert take(database, owner="two") == []
    clock.turn(0.001)
    assert ids(take(database, owner="two")) == ["a"]


def test_the_rows_due_longest_are_taken_first_and_never_more_than_asked(database, clock):
    now = clock.now()
    order = [f"r{n:02}" for n in range(20)]
    for number in random.Random(7).sample(range(20), 20):
        put(database, order[number], due=now - timedelta(seconds=100 - number))
    put(database, "later", due=now + timedelta(seconds=1))
    assert ids(take(database, limit=6)) == order[:6]
    assert ids(take(database, limit=6)) == order[6:12]
    assert ids(take(database, limit=100)) == order[12:]
    assert take(database) == []


def test_never_more_than_the_limit_is_taken_whatever_plan_the_database_chooses(database):
    for number in range(40):
        put(database, f"r{number:02}")

    def act(tx):
        if database.is_postgres:  # the plan it chose by itself for a table analysed while empty
            for way in ("hashjoin", "hashagg", "sort", "material", "mergejoin", "memoize"):
                tx.run(f"SET LOCAL enable_{way} = off")
        return work.claim(tx, "A", owner="one", lease=LEASE, limit=3, kinds=(work.CALL,))

    assert len(database.again(act)) == 3
    assert len(database.again(act)) == 3


def test_only_kinds_and_versions_with_a_handler_are_taken(database):
    put(database, "call")
    put(database, "word", kind=work.WORD)
    put(database, "newer", version=2)
    put(database, "elsewhere", lane="B")
    assert ids(take(database, kinds=(work.WORD,))) == ["word"]
    assert ids(take(database)) == ["call"]
    assert ids(take(database, version=2)) == ["newer"]


def test_on_postgresql_rows_another_claim_is_taking_are_passed_over_without_waiting(postgres_url, clock):
    database = Database(postgres_url, clock, database_clock=False)
    for name in "abcd":
        put(database, name)
    with database.write() as first, database.write() as second:
        mine = work.claim(first, "A", owner="one", lease=LEASE, limit=2, kinds=(work.CALL,))
        yours = work.claim(second, "A", owner="two", lease=LEASE, limit=3, kinds=(work.CALL,))
        assert (ids(mine), ids(yours)) == (["a", "b"], ["c", "d"])
    assert len(take(database)) == 4  # neither was committed
    database.close()


def test_eight_workers_together_take_every_row_exactly_once(database):
    database.again(
        lambda tx: [
            work.put(
                tx,
                work.row(
                    work_id=f"{n:03}", kind="call", lane="A", case_id="c", payload_sealed=b"", now=database.clock.now()
                ),
            )
            for n in range(150)
        ]
    )
    start = threading.Barrier(8)

    def worker(name):
        taken = []
        start.wait()
        while claims := take(database, owner=f"w{name}", limit=4):
            assert len(claims) <= 4
            taken += ids(claims)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [i for part in pool.map(worker, range(8)) for i in part]
    assert sorted(taken) == [f"{n:03}" for n in range(150)]


# -- stages, leases, fencing -------------------------------------------------------------------------------------


def test_a_row_whose_sender_died_is_asked_about_and_marked_as_taken_over(database, clock):
    put(database, "a")
    sent = take_one(database)
    clock.turn(30)
    second = take_one(database, owner="two")
    assert (second.stage, second.taken_over, second.token, second.attempt) == (work.ASK, True, 2, 2)
    assert second.sent_at == sent.sent_at  # when its bytes may have left, not when it was taken over
    database.again(lambda tx: work.again(tx, second, after=timedelta(0), stage=work.ASK, failures=1, unknown_finds=1))
    third = take_one(database)
    assert (third.stage, third.taken_over, third.failures, third.unknown_finds) == (work.ASK, False, 1, 1)


def test_a_row_sent_again_remembers_only_the_last_sending(database, clock):
    put(database, "a")
    first = take_one(database)
    database.again(lambda tx: work.again(tx, first, after=timedelta(seconds=5), stage=work.SEND, failures=1))
    clock.turn(5)
    second = take_one(database)
    assert (second.stage, second.sent_at, second.taken_over) == (work.SENDING, clock.now(), False)
    assert stored(database, "a")["claimed_at"] == micros(first.sent_at)


@pytest.mark.parametrize("stage", [work.ASK, work.POLL])
def test_a_row_that_only_asks_stays_at_its_stage(database, clock, stage):
    put(database, "a", stage=stage)
    assert take_one(database).stage == stage
    clock.turn(30)
    claim = take_one(database)
    assert (claim.stage, claim.taken_over, claim.sent_at) == (stage, True, None)


@pytest.mark.parametrize(
    "record",
    [
        lambda tx, claim: work.done(tx, claim),
        lambda tx, claim: work.park(tx, claim, note="x"),
        lambda tx, claim: work.again(tx, claim, after=timedelta(0), stage=work.SEND, failures=9),
    ],
    ids=["done", "park", "again"],
)
def test_a_holder_whose_lease_was_taken_over_can_record_nothing(database, clock, record):
    put(database, "a")
    old = take_one(database, owner="old")
    clock.turn(30)
    new = take_one(database, owner="new")
    before = stored(database, "a")

    def late(tx):
        tx.run("INSERT INTO version (name, number) VALUES ('an effect of the record', 1)")
        record(tx, old)

    with pytest.raises(LeaseLost):
        database.again(late)
    assert stored(database, "a") == before
    with database.read() as tx:
        assert tx.all("SELECT * FROM version") == []
    database.again(lambda tx: record(tx, new))
    with pytest.raises(LeaseLost):  # and not twice either
        database.again(lambda tx: (record(tx, new), record(tx, new), work.done(tx, old)))


def test_a_late_record_counts_while_nobody_has_taken_the_row_over(database, clock):
    put(database, "a")
    claim = take_one(database)
    clock.turn(300)
    database.again(lambda tx: work.done(tx, claim))
    assert stored(database, "a")["state"] == "done"


def test_a_row_is_given_back_with_its_next_stage_and_pause(database, clock):
    put(database, "a")
    claim = take_one(database)
    database.again(
        lambda tx: work.again(
            tx, claim, after=timedelta(seconds=7), stage=work.ASK, failures=3, unknown_finds=1, note="x" * 300
        )
    )
    row = stored(database, "a")
    assert (row["state"], row["owner"], row["stage"]) == ("due", None, work.ASK)
    assert (row["failures"], row["unknown_finds"], row["note"]) == (3, 1, "x" * 200)
    assert row["due_at"] == micros(clock.now() + timedelta(seconds=7))
    clock.turn(6.9)
    assert take(database) == []
    clock.turn(0.1)
    assert ids(take(database)) == ["a"]


def test_done_and_parked_rows_rest(database, clock):
    for name in ("a", "b"):
        put(database, name)
    first, second = sorted(take(database), key=lambda c: c.work_id)
    database.again(lambda tx: work.done(tx, first, note="decided"))
    database.again(lambda tx: work.park(tx, second, note="y" * 300))
    clock.turn(86_400)
    assert take(database) == []
    done, parked = stored(database, "a"), stored(database, "b")
    assert (done["state"], done["owner"], done["note"]) == ("done", None, "decided")
    assert (parked["state"], parked["owner"], parked["note"]) == ("parked", None, "y" * 200)
    assert done["ended_at"] is not None
    with database.read() as tx:
        assert [(r["lane"], r["kind"], r["state"], r["n"]) for r in work.counts(tx)] == [("A", "call", "parked", 1)]


def test_a_state_that_is_none_is_refused(database):
    put(database, "a")
    with pytest.raises(exc.IntegrityError):
        database.again(lambda tx: tx.run("UPDATE work SET state = 'lost'"))


def test_closing_a_cases_call_takes_it_from_its_holder_and_leaves_words_alone(database):
    put(database, "call", case_id="c1")
    put(database, "word", kind=work.WORD, lane=work.INBOX, case_id="c1")
    put(database, "other", case_id="c2")
    held = next(c for c in take(database) if c.work_id == "call")
    database.again(lambda tx: work.close_call(tx, "c1", note="decided by callback"))
    assert stored(database, "call")["state"] == "done"
    assert [stored(database, i)["state"] for i in ("word", "other")] == ["due", "due"]
    with pytest.raises(LeaseLost):
        database.again(lambda tx: work.park(tx, held, note="late"))


def test_a_call_is_known_only_to_the_department_it_went_to(database):
    put(database, "call", lane="FT_A", case_id="c1")
    put(database, "word", lane="FT_A", kind=work.WORD, case_id="c2")
    with database.read() as tx:
        assert work.call_of(tx, "FT_A", "call") == "c1"
        assert work.call_of(tx, "FT_B", "call") == ""
        assert work.call_of(tx, "FT_A", "word") == ""
        assert work.call_of(tx, "FT_A", "nothing") == ""


# -- many rows ---------------------------------------------------------------------------------------------------


def test_claiming_and_looking_among_many_rows_ask_the_index_for_what_is_due(database_url):
    database = Database(database_url, SystemClock())
    later = datetime.now(UTC) + timedelta(days=1)
    columns = work.row(work_id="", kind="call", lane="A", case_id="c", payload_sealed=b"", now=later)
    names = ", ".join(columns)
    insert = f"INSERT INTO work ({names}) VALUES ({', '.join(':' + n for n in columns)})"
    database.again(lambda tx: tx.run(insert, [{**columns, "work_id": f"{n:06}"} for n in range(5_000)]))
    work.Lanes.ensure(database, "A", cap=4, rate=0)
    database.again(lambda tx: tx.run("ANALYZE"))
    sent = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: sent.append((told[2], told[3])))
    assert take(database) == []
    with database.read() as tx:
        assert work.ready_lanes(tx) == []
        assert work.live(tx, "A") == 0
    questions = [(s, p) for s, p in sent if "FROM work" in s]
    assert len(questions) == 3
    explain = "EXPLAIN " if database.is_postgres else "EXPLAIN QUERY PLAN "
    with database.engine.connect() as connection:
        for statement, params in questions:
            rows = connection.exec_driver_sql(explain + statement, params).all()
            plan = [" ".join(map(str, row)).strip() for row in rows]
            index = next(i for i, line in enumerate(plan) if "ix_work_claim" in line or "ix_work_leased" in line)
            asked = plan[index + 1] if database.is_postgres else plan[index]
            assert "due_at" in asked, plan  # else every row of the lane is read to find that none is due
            assert "lane" in asked
    database.close()
