"""Callbacks on their way to their case: heard once, in order, and never lost (rules.md 25)."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.cases.handoff import Handoff, call_row
from gateway.catalogue.loader import load
from gateway.dispatch.policy import Jitter
from gateway.dispatch.words import LEASE, Words
from gateway.domain.calls import CallbackEvent, DecisionReason, Mark, Outcome, Word
from gateway.domain.case import CaseState
from gateway.domain.clock import SystemClock
from gateway.domain.errors import LeaseLost
from gateway.domain.records import Facts
from gateway.signing.vault import Vault, make_vault
from gateway.store import cases, inbound, trail, work
from gateway.store.database import Database, micros
from gateway.store.tables import metadata

LANE, CASE, CALL = "FT_SBX", "case-1", "call-0001"
FULL = Word(
    outcome=Outcome.CORRECTION,
    at=datetime(2026, 11, 23, 1, 30, tzinfo=UTC),
    seq=3,
    event_id="ev-3",
    reason=DecisionReason.MATERIAL_NOT_SUFFICIENT,
    text="王𠮷祥的照片不清",
    marks=(Mark("wire:contactDate", "日期"), Mark("wire:material:M1", "重拍")),
    due_on=date(2026, 12, 8),
    automatic=True,
    result_follows=True,
    raw='{"state":"03"}',
)


@functools.cache
def catalogue():
    return load(with_sandbox=True)


@functools.cache
def item():
    return catalogue().find("FT-SBX-002", "2026.1")


def word(outcome, seq=0, **more):
    return Word(outcome, seq=seq, event_id=f"ev-{outcome}-{seq}", **more)


class World:
    """The inbox of one department and, once ``file`` was called, the case it speaks of."""

    def __init__(self, url, clock, vault):
        self.clock, self.vault = clock, vault
        self.database = Database(url, clock, database_clock=False)
        self.words = Words(self.database, vault, catalogue=catalogue(), clock=clock, jitter=Jitter(draw=lambda: 0.5))
        self.numbers = iter(range(1, 1000))

    def file(self):
        now, key = self.clock.now(), self.vault.new_data_key()
        row = {
            "case_id": CASE,
            "bank": "ICBC",
            "bank_ref": "20261123a",
            "client_id": "icbc-1",
            "business_digest": "b1-sha256:00",
            "item": item().code,
            "item_version": item().version,
            "department": LANE,
            "backend": LANE,
            "outlet": "ICBC-FT-01",
            "channel": "counter",
            "receipt_no": "FT1",
            "receipt": "receipt",
            "received_at": micros(now),
            "state": "submitted",
            "since": micros(now),
            "event_no": 1,
            "entry_no": 1,
            "withdrawal": "none",
            "department_seq": 0,
            "parked": 0,
            "subject_hash": "i1:h",
            "data_key": key.wrapped,
            "facts_sealed": cases.seal_facts(key, CASE, Facts()),
        }
        insert = f"INSERT INTO cases ({', '.join(row)}) VALUES ({', '.join(f':{n}' for n in row)})"
        handoff = Handoff(operation="file", content={}, common={})
        call = call_row(
            handoff, call_id=CALL, case_id=CASE, item=item(), key=key, now=now, give_up_at=now + timedelta(days=20)
        )
        self.database.again(lambda tx: (tx.run(insert, row), work.put(tx, call)))

    def arrives(self, said, *, backend=LANE, call_id=CALL, ref="SBX-1"):
        """What the callback door does in its transaction; returns the work row's id, "" for a repeat."""
        event = CallbackEvent(call_id=call_id, department_ref=ref, word=said)
        work_id = f"word-{next(self.numbers)}"

        def act(tx):
            now = self.clock.now()
            if said.event_id and not inbound.first_time(
                tx, backend, said.event_id, call_id=call_id, at=now, exchange_id="x"
            ):
                return ""
            work.put(tx, self.words.row(backend, event, work_id=work_id, case_id=work.call_of(tx, backend, call_id)))
            return work_id

        return self.database.again(act)

    def claim(self):
        return self.database.again(
            lambda tx: work.claim(tx, work.INBOX, owner="one", lease=LEASE, limit=10, kinds=(work.WORD,))
        )

    def hear(self):
        """Handle everything that is due; returns how many."""
        claims = sorted(self.claim(), key=lambda c: c.work_id)
        for claim in claims:
            self.words.handle(claim, started=0.0)
        return len(claims)

    def says(self, *said, **more):
        for one in said:
            self.arrives(one, **more)
            assert self.hear() == 1

    def row(self, work_id=CALL):
        with self.database.read() as tx:
            return dict(tx.one("SELECT * FROM work WHERE work_id = :id", {"id": work_id}))

    @property
    def case(self):
        with self.database.read() as tx:
            return cases.by_id(tx, self.vault, CASE)

    @property
    def story(self):
        with self.database.read() as tx:
            entries = trail.of_case(tx, CASE)
        assert [e["seq"] for e in entries] == list(range(2, len(entries) + 2))
        return [e["kind"].removeprefix("case:") for e in entries]


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
def world(empty_url, clock, tmp_path):
    make_vault(tmp_path / "vault.key")
    made = World(empty_url, clock, Vault.load(tmp_path / "vault.key"))
    yield made
    made.database.close()


def test_a_word_reaches_its_case_with_everything_that_was_said(world):
    world.file()
    world.says(FULL)
    (ask,) = world.case.facts.asks
    assert (ask.text, ask.due) == (FULL.text, FULL.due_on)
    assert ask.what == (Mark("form.contact_date", "日期"), Mark("materials.M1", "重拍"))
    assert (world.case.state, world.case.department_seq, world.case.department_ref) == (
        CaseState.CORRECTION,
        3,
        "SBX-1",
    )
    assert world.row("word-1")["state"] == "done"
    assert world.row()["state"] == "due"  # the call goes on
    assert world.story == ["callback:received", "event:recorded"]


def test_what_was_said_rests_sealed_at_its_own_row(world):
    world.file()
    first, second = world.arrives(FULL), world.arrives(word(Outcome.ACCEPTED))
    assert "照片".encode() not in bytes(world.row(first)["payload_sealed"])
    other = f"(SELECT w.payload_sealed FROM work w WHERE w.work_id = '{first}')"
    world.database.again(lambda tx: tx.run(f"UPDATE work SET payload_sealed = {other} WHERE work_id = '{second}'"))
    claim = next(c for c in world.claim() if c.work_id == second)
    world.words.handle(claim, started=0.0)
    assert world.row(second)["state"] == "parked"  # it opens at no other row, and is not tried for ever


def test_a_decision_closes_the_open_call_whoever_holds_it(world):
    world.file()
    (held,) = world.database.again(
        lambda tx: work.claim(tx, LANE, owner="two", lease=LEASE, limit=1, kinds=(work.CALL,))
    )
    world.says(word(Outcome.ACCEPTED, 1), word(Outcome.GRANTED, 2))
    assert world.case.state is CaseState.APPROVED
    assert (world.row()["state"], world.row()["note"]) == ("done", "decided by callback")
    with pytest.raises(LeaseLost):
        world.database.again(lambda tx: work.done(tx, held))


def test_the_same_event_again_is_one_event(world):
    world.file()
    world.says(word(Outcome.ACCEPTED, 1))
    assert world.arrives(word(Outcome.ACCEPTED, 1)) == ""
    assert world.hear() == 0
    world.says(Word(Outcome.ACCEPTED, event_id="another id, same word"))
    assert world.case.event_no == 2
    assert world.story == ["callback:received", "event:recorded", "callback:received"]


def test_a_word_that_comes_after_a_later_one_changes_nothing(world):
    world.file()
    world.says(word(Outcome.DENIED, 5), word(Outcome.REVIEWING, 4), word(Outcome.GRANTED, 3))
    assert (world.case.state, world.case.parked) == (CaseState.DENIED, False)
    assert [world.row(f"word-{n}")["state"] for n in (1, 2, 3)] == ["done"] * 3
    assert world.story.count("callback:received") == 3  # heard all the same


def test_a_word_of_a_call_we_do_not_know_yet_waits_and_is_heard_when_we_do(world):
    work_id = world.arrives(word(Outcome.ACCEPTED, 1))
    assert world.hear() == 1
    assert (world.row(work_id)["state"], world.row(work_id)["case_id"]) == ("due", "")
    world.file()
    assert world.hear() == 0
    world.clock.turn(1)
    assert world.hear() == 1
    assert world.case.state is CaseState.ACCEPTED
    assert world.row(work_id)["state"] == "done"


@pytest.mark.parametrize("how", [{"call_id": "never-sent"}, {"backend": "FT_OTHER"}])
def test_a_word_of_a_call_never_sent_to_that_department_is_parked_in_the_end(world, how):
    world.file()
    work_id = world.arrives(word(Outcome.GRANTED, 9), **how)
    pauses = 0
    while world.row(work_id)["state"] == "due":
        world.clock.turn((world.row(work_id)["due_at"] - micros(world.clock.now())) / 1_000_000)
        assert world.hear() == 1
        pauses += 1
        assert pauses < 20
    assert world.row(work_id)["state"] == "parked"
    assert "a call we never sent to it" in world.row(work_id)["note"]
    assert world.clock.now() >= datetime(2026, 11, 23, 2, 1, tzinfo=UTC)  # after a minute at least
    assert (world.case.state, world.story) == (CaseState.SUBMITTED, [])


def test_a_word_we_do_not_know_is_parked_and_the_call_goes_on(world):
    world.file()
    world.says(Word(Outcome.UNKNOWN, event_id="e", seq=1, raw="77"))
    assert world.row("word-1")["state"] == "parked"
    assert "77" in world.row("word-1")["note"]
    assert world.case.parked
    assert world.row()["state"] == "due"
    assert world.story == ["callback:received", "callback:ignored", "call:parked"]


def test_a_word_that_would_reverse_a_decision_is_parked(world):
    world.file()
    world.says(word(Outcome.GRANTED, 1), word(Outcome.DENIED, 2))
    assert (world.case.state, world.case.parked) == (CaseState.APPROVED, True)
    assert world.row("word-2")["state"] == "parked"


@pytest.mark.parametrize("gone", ["data_key = NULL", "item_version = '1999.1'"])
def test_a_word_of_a_case_that_cannot_hear_any_more_is_parked(world, gone):
    world.file()
    world.database.again(lambda tx: tx.run(f"UPDATE cases SET {gone}"))
    world.says(word(Outcome.ACCEPTED, 1))
    assert world.row("word-1")["state"] == "parked"


def test_a_worker_that_lost_its_lease_changes_nothing(world):
    world.file()
    world.arrives(word(Outcome.ACCEPTED, 1))
    (old,) = world.claim()
    world.clock.turn(LEASE.total_seconds())
    (new,) = world.claim()
    with pytest.raises(LeaseLost):
        world.words.handle(old, started=0.0)
    assert (world.case.state, world.story) == (CaseState.SUBMITTED, [])
    world.words.handle(new, started=0.0)
    assert world.case.state is CaseState.ACCEPTED


def test_words_heard_at_the_same_moment_are_numbered_without_gap(world):
    world.file()
    said = [word(Outcome.ACCEPTED, 1), word(Outcome.REVIEWING, 2), word(Outcome.GRANTED, 3), Word(Outcome.GRANTED)]
    for one in said:
        world.arrives(one)
    claims = world.claim()
    start = threading.Barrier(len(claims))

    def handle(claim):
        start.wait()
        world.words.handle(claim, started=0.0)

    with ThreadPoolExecutor(len(claims)) as pool:
        list(pool.map(handle, claims))
    assert world.case.state is CaseState.APPROVED
    assert world.story.count("callback:received") == 4
    assert world.row()["state"] == "done"


def test_a_word_waits_no_longer_than_its_lease_and_pauses_say(world):
    assert timedelta(seconds=10) <= LEASE <= timedelta(minutes=1)
    world.arrives(word(Outcome.ACCEPTED, 1))
    world.hear()
    assert world.row("word-1")["due_at"] == micros(world.clock.now() + timedelta(seconds=1))
