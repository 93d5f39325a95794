"""One call to a department through every way it can end (rules.md 17)."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gateway.cases.handoff import Handoff, call_row
from gateway.catalogue.loader import load
from gateway.contracts.backend import Answers, BackendTraits
from gateway.dispatch.calls import Calls, Peer
from gateway.dispatch.policy import Jitter
from gateway.domain.calls import DecisionReason, Mark, Outcome, Standing, Word
from gateway.domain.case import CaseState
from gateway.domain.clock import SystemClock
from gateway.domain.errors import (
    DeliveryUnknown,
    NotAuthentic,
    NotDelivered,
    NotUnderstood,
    Refused,
)
from gateway.domain.records import Facts
from gateway.signing.vault import Vault, make_vault
from gateway.store import cases, trail, work
from gateway.store.database import Database, micros
from gateway.store.tables import metadata

LANE, CASE, CALL = "FT_SBX", "case-1", "call-0001"
DEADLINE = timedelta(seconds=20)
LEASE = Peer.lease_for(DEADLINE)
PATIENCE = timedelta(days=20)
ACCEPTED = Word(Outcome.ACCEPTED, seq=1)
REVIEWING = Word(Outcome.REVIEWING, seq=2)
GRANTED = Word(Outcome.GRANTED, seq=3, reason=DecisionReason.GRANTED, text="准予", result_follows=True)
DENIED = Word(Outcome.DENIED, seq=3, reason=DecisionReason.CONDITION_NOT_MET, text="不符合条件")


@functools.cache
def catalogue():
    return load(with_sandbox=True)


@functools.cache
def item():
    return catalogue().find("FT-SBX-002", "2026.1")  # looked at after 30 s, 30 s, up to 300 s; five days promised


def says(*words, ref="SBX-1", ask_again=0):
    return Standing(department_ref=ref, words=words, ask_again=ask_again)


class FakeBackend:
    """Answers from a list; what is in it is returned, raised or, when it is a function, done first."""

    code = LANE

    def __init__(self, *, repeat_safe=False, finds_by_our_id=True):
        self.traits = BackendTraits(frozenset({Answers.POLL}), repeat_safe=repeat_safe, finds_by_our_id=finds_by_our_id)
        self.answers = []
        self.asked = []
        self.calls = []

    def submit(self, call, line):
        return self._next("submit", call)

    def find(self, call, line):
        return self._next("find", call)

    def _next(self, what, call):
        self.asked.append(what)
        self.calls.append(call)
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeCourier:
    """Hands out lines that lead nowhere."""

    def __init__(self):
        self.lines = []

    def line(self, peer, *, case_id, call_id, started):
        self.lines.append((peer, case_id, call_id, started))
        return SimpleNamespace(exchange_id="ex-1")


class World:
    """A filed case with its call, and one worker."""

    def __init__(self, url, clock, vault, backend=None):
        self.clock, self.vault = clock, vault
        self.database = Database(url, clock, database_clock=False)
        self.backend = backend or FakeBackend()
        self.courier = FakeCourier()
        self.observed = []
        self.calls = Calls(
            self.database,
            vault,
            catalogue=catalogue(),
            peers={LANE: Peer(self.backend, DEADLINE)},
            courier=self.courier,
            clock=clock,
            jitter=Jitter(draw=lambda: 0.5),
            observe=lambda lane, outcome: self.observed.append(outcome),
        )
        work.Lanes.ensure(self.database, LANE, cap=4, rate=0)
        self.key = vault.new_data_key()
        self._file()

    def _file(self):
        now = self.clock.now()
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
            "open_key": "open",
            "subject_hash": "i1:h",
            "data_key": self.key.wrapped,
            "facts_sealed": cases.seal_facts(self.key, CASE, Facts()),
        }
        insert = f"INSERT INTO cases ({', '.join(row)}) VALUES ({', '.join(f':{n}' for n in row)})"
        handoff = Handoff(
            operation="file", content={"scenario": "grant", "remark": "备注"}, common={"receipt_no": "FT1"}
        )
        call = call_row(
            handoff, call_id=CALL, case_id=CASE, item=item(), key=self.key, now=now, give_up_at=now + PATIENCE
        )
        self.database.again(lambda tx: (tx.run(insert, row), work.put(tx, call)))

    def claim(self, owner="one"):
        def act(tx):
            claims = work.claim(tx, LANE, owner=owner, lease=LEASE, limit=4, kinds=(work.CALL,))
            return self.calls.claimed(tx, claims)

        return self.database.again(act)

    def step(self, *answers, owner="one"):
        """One claim and what follows from it; returns what the department was asked, "" when nothing was due."""
        self.backend.answers = list(answers)
        before = len(self.backend.asked)
        for claim in self.claim(owner):
            self.calls.handle(claim, started=self.clock.monotonic())
        assert self.backend.answers == []
        return " ".join(self.backend.asked[before:])

    @property
    def row(self):
        with self.database.read() as tx:
            return dict(tx.one("SELECT * FROM work WHERE work_id = :id", {"id": CALL}))

    @property
    def stands(self):
        """State and stage of the work row, and the seconds until it is due."""
        row = self.row
        due = (row["due_at"] - micros(self.clock.now())) / 1_000_000
        return (row["state"], row["stage"], due) if row["state"] == "due" else (row["state"], row["note"])

    @property
    def case(self):
        with self.database.read() as tx:
            return cases.by_id(tx, self.vault, CASE)

    @property
    def story(self):
        with self.database.read() as tx:
            entries = trail.of_case(tx, CASE)
        assert [e["seq"] for e in entries] == list(range(2, len(entries) + 2))
        assert self.case.entry_no == len(entries) + 1
        return [e["kind"].removeprefix("case:") for e in entries]

    def tells(self, text):
        with self.database.read() as tx:
            return any(text.encode() in bytes(e["canonical"]) for e in trail.of_case(tx, CASE))

    def change(self, **what):
        self.database.again(lambda tx: cases.save(tx, self.vault, replace(cases.lock(tx, self.vault, CASE), **what)))

    def later(self, seconds):
        self.clock.turn(seconds)
        return self


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
def made(empty_url, clock, tmp_path):
    make_vault(tmp_path / "vault.key")
    worlds = []

    def make(backend=None):
        worlds.append(World(empty_url, clock, Vault.load(tmp_path / "vault.key"), backend))
        return worlds[-1]

    yield make
    for world in worlds:
        world.database.close()


@pytest.fixture
def world(made):
    return made()


# -- answers ---------------------------------------------------------------------------------------------------


def test_a_taken_call_is_looked_at_until_it_is_decided(world):
    started = world.clock.monotonic()
    assert world.step(says(ACCEPTED)) == "submit"
    assert world.courier.lines == [(LANE, CASE, CALL, started)]
    (call,) = world.backend.calls
    assert (call.call_id, call.operation, call.content) == (CALL, "file", {"scenario": "grant", "remark": "备注"})
    assert world.stands == ("due", work.POLL, 30)
    assert (world.case.state, world.case.department_ref, world.case.event_no) == (CaseState.ACCEPTED, "SBX-1", 2)
    assert world.step() == ""
    assert world.later(30).step(says(ACCEPTED, REVIEWING)) == "find"
    assert world.backend.calls[-1].department_ref == "SBX-1"
    assert world.case.state is CaseState.REVIEWING
    assert world.later(30).step(says(ACCEPTED, REVIEWING, GRANTED)) == "find"
    assert world.stands == ("done", "decided")
    assert (world.case.state, world.case.facts.result_follows) == (CaseState.APPROVED, True)
    assert world.case.facts.decision.text == "准予"
    assert world.observed == ["sending", "poll", "poll"]
    assert world.story == [
        "call:attempted",
        "call:answered",
        "event:recorded",
        "call:answered",
        "event:recorded",
        "call:answered",
        "event:recorded",
    ]


def test_a_call_decided_at_once_is_done_with_the_steps_the_law_wants(world):
    assert world.step(says(ACCEPTED, DENIED)) == "submit"
    assert world.stands == ("done", "decided")
    assert (world.case.state, world.case.facts.decision.kind) == (CaseState.DENIED, "refused")
    assert world.story == ["call:attempted", "call:answered", *["event:recorded"] * 3]  # accepted, in review, denied
    assert world.later(86_400).step() == ""


def test_a_correction_is_asked_in_our_own_words_for_fields(world):
    marks = (Mark("wire:contactDate", "日期不对"), Mark("wire:material:M1", "不清晰"), Mark("wire:unheardOf", "?"))
    world.step(says(Word(Outcome.CORRECTION, seq=1, text="请补正", marks=marks)))
    (ask,) = world.case.facts.asks
    assert [m.path for m in ask.what] == ["form.contact_date", "materials.M1", "unheardOf"]
    assert (world.case.state, world.stands) == (CaseState.CORRECTION, ("due", work.POLL, 30))


def test_the_departments_hint_is_kept_and_old_calls_are_looked_at_more_rarely(world):
    world.step(says(ACCEPTED, ask_again=45))
    assert world.stands == ("due", work.POLL, 45)
    world.later(2_000).step(says(ACCEPTED))
    assert world.stands == ("due", work.POLL, 200)
    world.later(86_400).step(says(ACCEPTED))
    assert world.stands == ("due", work.POLL, 300)


def test_words_are_heard_in_the_departments_order_whatever_order_they_come_in(world):
    world.step(says(GRANTED, REVIEWING, ACCEPTED))
    assert world.case.state is CaseState.APPROVED
    assert world.story.count("event:recorded") == 3


def test_a_word_older_than_what_was_heard_changes_nothing(world):
    world.step(says(Word(Outcome.REVIEWING, seq=5)))
    events = world.case.event_no
    world.later(30).step(says(Word(Outcome.ACCEPTED, seq=4)))
    assert (world.case.state, world.case.event_no) == (CaseState.REVIEWING, events)
    assert world.stands == ("due", work.POLL, 30)


def test_the_same_outcome_again_is_no_event_with_or_without_a_sequence(world):
    world.step(says(ACCEPTED))
    events, entries = world.case.event_no, world.case.entry_no
    world.later(30).step(says(ACCEPTED))
    assert world.case.entry_no == entries  # a look without news leaves no trace in the trail
    world.later(30).step(says(Word(Outcome.ACCEPTED)))
    assert world.case.event_no == events
    assert world.stands == ("due", work.POLL, 30)


def test_their_number_is_kept_even_when_it_comes_without_news(world):
    world.step(says(ACCEPTED, ref=""))
    assert world.case.department_ref == ""
    world.later(30).step(says(ACCEPTED, ref="SBX-9"))
    assert world.case.department_ref == "SBX-9"


# -- not delivered, delivery unknown ------------------------------------------------------------------------------


def test_what_certainly_did_not_arrive_is_sent_again_after_growing_pauses(world):
    for pause in (1, 2, 4, 8):
        assert world.step(NotDelivered("refused", exchange_id="")) == "submit"
        assert world.stands == ("due", work.SEND, pause)
        assert world.step() == ""
        world.later(pause)
    assert world.step(says(ACCEPTED)) == "submit"
    assert world.row["failures"] == 0
    assert world.story[:4] == ["call:attempted", "call:failed"] * 2
    assert world.tells('"exchange":"ex-1"')


def test_a_call_repeated_is_the_same_call(world):
    world.step(NotDelivered("x"))
    world.later(1).step(says(ACCEPTED))
    first, second = world.backend.calls
    assert replace(second, attempt=1) == first


def test_after_an_unclear_delivery_the_department_is_asked_and_not_before_the_deadline(world):
    def slowly():
        world.later(3)
        return DeliveryUnknown("the answer was cut")

    sent = world.clock.now()
    assert world.step(slowly) == "submit"
    assert world.stands == ("due", work.ASK, 17 + 1)
    assert world.clock.now() + timedelta(seconds=18) > sent + DEADLINE
    assert world.later(17.9).step() == ""
    assert world.later(0.1).step(says(ACCEPTED)) == "find"
    assert world.case.state is CaseState.ACCEPTED
    assert world.story[:4] == ["call:attempted", "call:unclear", "call:asked", "call:answered"]


def test_a_department_must_say_twice_that_it_does_not_know_a_call_before_it_is_sent_again(world):
    world.step(DeliveryUnknown("cut"))
    assert world.later(21).step(None) == "find"
    assert world.stands == ("due", work.ASK, 2)
    assert world.later(2).step(None) == "find"
    assert world.stands == ("due", work.SEND, 0)
    assert world.step(says(ACCEPTED)) == "submit"
    assert world.case.state is CaseState.ACCEPTED
    assert world.backend.asked == ["submit", "find", "find", "submit"]


def test_asking_that_fails_in_between_does_not_count_as_not_known(world):
    world.step(DeliveryUnknown("cut"))
    world.later(21).step(None)
    assert world.later(2).step(NotDelivered("away")) == "find"
    assert world.stands == ("due", work.ASK, 4)
    assert world.later(4).step(DeliveryUnknown("cut")) == "find"
    assert world.stands == ("due", work.ASK, 8)
    assert world.later(8).step(None) == "find"
    assert world.stands == ("due", work.SEND, 0)


def test_a_second_unclear_delivery_starts_the_asking_anew(world):
    world.step(DeliveryUnknown("cut"))
    world.later(21).step(None)
    world.later(2).step(None)
    world.step(DeliveryUnknown("cut again"))
    assert world.row["unknown_finds"] == 0
    world.later(60).step(None)
    assert world.stands[1] == work.ASK


def test_where_repeating_is_safe_one_not_known_is_enough(made):
    world = made(FakeBackend(repeat_safe=True))
    world.step(DeliveryUnknown("cut"))
    assert world.later(21).step(None) == "find"
    assert world.stands == ("due", work.SEND, 0)


def test_where_calls_cannot_be_asked_about_a_person_decides(made):
    world = made(FakeBackend(finds_by_our_id=False))
    world.step(DeliveryUnknown("cut"))
    world.later(21).step(None)
    assert world.stands == ("parked", "it may have arrived and cannot be asked about")
    assert world.case.parked


def test_failures_hold_the_lane_and_an_answer_frees_it(world):
    def held():
        with world.database.read() as tx:
            state = work.look_at_lane(tx, LANE)
        return state.failures, state.open_until > 0

    for expected in ((1, False), (2, False), (3, False), (4, False), (5, True)):
        world.later(60).step(NotDelivered("away"))
        assert held() == expected
    world.later(60).step(Refused("not like this"))  # turned down is answered
    assert held() == (0, False)


# -- dead and slow workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failures_before", [0, 2])
def test_a_call_whose_worker_died_is_taken_over_by_asking_first(world, failures_before):
    for _ in range(failures_before):
        world.step(NotDelivered("away"))
        world.later(5)
    assert len(world.claim("dies")) == 1
    assert world.later(29.9).step() == ""
    assert world.later(0.1).step(says(ACCEPTED), owner="two") == "find"
    assert world.story[-4:] == ["call:attempted", "call:takenover", "call:answered", "event:recorded"]
    assert world.case.state is CaseState.ACCEPTED


def test_a_worker_that_was_frozen_past_its_lease_records_nothing(world):
    def meanwhile():
        world.later(31)
        world.backend.answers = [says(ACCEPTED)]
        (second,) = world.claim("two")
        world.calls.handle(second, started=world.clock.monotonic())
        return says(ACCEPTED, DENIED)

    assert world.step(meanwhile) == "submit find"
    assert (world.case.state, world.case.event_no) == (CaseState.ACCEPTED, 2)
    assert world.story == ["call:attempted", "call:takenover", "call:answered", "event:recorded"]
    assert world.stands == ("due", work.POLL, 30)


def test_a_decision_that_came_another_way_while_talking_stands(world):
    def meanwhile():
        world.database.again(lambda tx: work.close_call(tx, CASE, note="decided by callback"))
        return NotDelivered("away")

    world.step(meanwhile)
    assert world.stands == ("done", "decided by callback")
    assert world.story == ["call:attempted"]


def test_nothing_is_sent_for_a_case_that_is_over(world):
    world.change(state=CaseState.WITHDRAWN)
    assert world.step() == ""
    assert world.stands == ("done", "decided already")


# -- to a person -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (Refused("item closed"), "Refused: item closed"),
        (NotUnderstood("no JSON\x00here"), "NotUnderstood: no JSON<U+0000>here"),
        (NotAuthentic("bad signature"), "NotAuthentic: bad signature"),
        (RuntimeError("44030419900307123X"), "NotUnderstood: our reader failed: RuntimeError"),
        (RecursionError(), "NotUnderstood: our reader failed: RecursionError"),
    ],
)
def test_an_answer_that_is_no_answer_parks_the_call_once_and_for_all(world, error, note):
    world.step(error)
    assert world.stands == ("parked", note)
    assert world.case.parked
    assert world.case.state is CaseState.SUBMITTED
    assert world.story == ["call:attempted", "call:failed", "call:parked"]
    assert not world.tells("44030419900307123X")
    assert world.later(86_400).step() == ""


def test_a_word_we_do_not_know_is_kept_as_it_came_and_shown_to_a_person(world):
    world.step(says(ACCEPTED, Word(Outcome.UNKNOWN, seq=2, raw='状态"99"')))
    assert world.stands[0] == "parked"
    assert "99" in world.stands[1]
    assert world.case.parked
    assert world.case.state is CaseState.ACCEPTED  # what was understood before it counts
    assert world.tells("状态<U+0022>99<U+0022>")
    assert world.story[-2:] == ["callback:ignored", "call:parked"]


def test_a_word_that_fits_no_state_parks_the_call(world):
    world.change(state=CaseState.REVIEWING, department_seq=2)
    world.step(says(Word(Outcome.REFUSED_INTAKE, seq=7)))
    assert world.stands == ("parked", "the department said refused_intake of a case that is reviewing")
    assert world.case.state is CaseState.REVIEWING


def test_a_decision_that_reverses_a_final_one_is_shown_to_a_person_and_not_obeyed(world):
    world.step(says(ACCEPTED, Word(Outcome.GRANTED, seq=2), Word(Outcome.DENIED, seq=3)))
    assert world.stands == ("parked", "the department said denied of a case that is approved")
    assert (world.case.state, world.case.facts.decision.kind, world.case.parked) == (
        CaseState.APPROVED,
        "granted",
        True,
    )


def test_progress_told_after_the_end_is_history(world):
    world.step(says(ACCEPTED, Word(Outcome.GRANTED, seq=2), Word(Outcome.REVIEWING, seq=3)))
    assert world.stands == ("done", "decided")
    assert not world.case.parked


def test_a_department_that_forgot_a_call_it_had_taken_is_not_sent_it_again(world):
    world.step(says(ACCEPTED))
    assert world.later(30).step(None) == "find"
    assert world.stands == ("parked", "the department no longer knows a call it had taken")
    assert (world.case.state, world.case.parked) == (CaseState.ACCEPTED, True)


@pytest.mark.parametrize(
    ("before", "answer", "note"),
    [
        ((), says(ACCEPTED), "no decision by the promised date"),
        ((says(ACCEPTED),), says(ACCEPTED), "no decision by the promised date"),
        ((says(ACCEPTED),), says(ACCEPTED, REVIEWING), "no decision by the promised date"),
        ((), NotDelivered("away"), "out of time: away"),
        ((DeliveryUnknown("cut"),), NotDelivered("away"), "out of time: away"),
    ],
    ids=["first answer", "no news", "news", "not delivered", "asking"],
)
def test_after_the_promised_date_a_person_is_asked(world, before, answer, note):
    for earlier in before:
        world.step(earlier)
    world.later(timedelta(days=20).total_seconds()).step(answer)
    assert world.stands == ("parked", note)
    assert world.case.parked
    assert world.story[-1] == "call:parked"
    assert world.tells('"why":"out_of_time"')


def test_a_decision_counts_also_after_the_promised_date(world):
    world.step(says(ACCEPTED))
    world.later(timedelta(days=40).total_seconds()).step(says(ACCEPTED, REVIEWING, DENIED))
    assert world.stands == ("done", "decided")


@pytest.mark.parametrize(
    ("broken", "note"),
    [
        ("UPDATE cases SET data_key = NULL", "the case is gone or erased"),
        ("DELETE FROM cases", "the case is gone or erased"),
        ("UPDATE cases SET item_version = '1999.1'", "the item version is not in the catalogue"),
    ],
)
def test_a_call_that_cannot_be_made_any_more_is_parked_and_blocks_no_other(world, broken, note):
    world.database.again(lambda tx: tx.run(broken))
    assert world.step() == ""
    assert world.stands == ("parked", note)


def test_entries_tell_our_own_time_and_the_decision_tells_theirs(world):
    theirs = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    world.step(says(ACCEPTED, replace(DENIED, at=theirs)))
    assert world.case.facts.decision.decided_at == theirs
    assert world.case.since == world.clock.now()
