"""Acts: proposed by one, approved by another for exactly what was shown, done once whatever dies (rules.md 30)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.acts.kinds import KINDS, ActKind, Form, Member, check_payload, masked
from gateway.acts.persons import Person, nobody, of_actor, of_command_line
from gateway.acts.room import LANE, LEASE, Acts, Executor
from gateway.audit.kinds import EntryKind
from gateway.domain.actor import FRESH_FOR, MAY, Actor, Permission, Role
from gateway.domain.clock import Clock
from gateway.domain.errors import ActCode, ActRefused, BadSettings, Busy, LeaseLost
from gateway.domain.records import Doing
from gateway.signing.vault import Vault, make_vault
from gateway.store import act_rows, work
from gateway.store.database import Database, Tx
from tests.builders import small_house

ROOT = Path(__file__).resolve().parents[2]
_REASON = Member("reason", "理由", required=True)
TWO = ActKind(
    "test.two",
    "两人",
    Permission.SWITCHES_CHANGE,
    Permission.SWITCHES_CHANGE,
    2,
    (_REASON, Member("who", "本人"), Member("key", "密钥", secret=True)),
    "",
    subject="who",
)
ONE = ActKind("test.one", "一人", Permission.SWITCHES_CHANGE, Permission.SWITCHES_CHANGE, 1, (_REASON,), "")
NAME = "张三丰"
_TURNED_DOWN = {"k": "act:approval:turneddown"}


class Bench:
    """A room over a database, an executor that counts in a table what it has done, and people."""

    def __init__(self, folder: Path, url: str, clock: Any) -> None:
        if not (folder / "vault.key").exists():
            make_vault(folder / "vault.key")
        self.clock = clock
        self.database = Database(url, clock, database_clock=False)
        self.vault = Vault.load(folder / "vault.key")
        self.fails: Exception | None = None
        self.room = self.another_room()
        work.Lanes.ensure(self.database, LANE, cap=4, rate=0)

    def another_room(self) -> Acts:
        """As another process would have it."""
        both = {kind.name: Executor(check=self._check, run=self._run) for kind in (TWO, ONE)}
        return Acts(
            self.database,
            self.vault,
            executors=both,
            clock=self.clock,
            owner="test",
            kinds={kind.name: kind for kind in (TWO, ONE)},
        )

    def _check(self, payload: Mapping[str, Any], _doing: Doing) -> None:
        if payload["reason"] == "nonsense":
            raise BadSettings("this says nothing")

    def _run(self, tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
        tx.run(
            "INSERT INTO version (name, number) VALUES ('done', 1)"
            " ON CONFLICT (name) DO UPDATE SET number = version.number + 1"
        )
        if self.fails:
            raise self.fails
        return f"did {payload['reason']} for {doing.actor}"

    def person(self, name: str, **how: Any) -> Person:
        """Somebody who signed in just now and may do everything."""
        whole = {"permissions": frozenset(Permission), "proven_at": self.clock.now()} | how
        return Person(actor=f"staff:{name}", natural=name, **whole)

    def propose(self, by: Person | None = None, kind: str = "test.two", **payload: Any) -> act_rows.ActRow:
        """A proposal of the first person."""
        return self.room.propose(by or self.person("first"), kind, {"reason": "why", **payload})

    @property
    def done(self) -> int:
        """How often the executor's work is in the database."""
        with self.database.read() as tx:
            return int(tx.run("SELECT number FROM version WHERE name = 'done'").scalar() or 0)

    def entries(self, act_id: str) -> list[dict[str, Any]]:
        """The act's story."""
        with self.database.read() as tx:
            rows = tx.all("SELECT canonical FROM entry WHERE subject = :s ORDER BY seq", {"s": f"act:{act_id}"})
        return [json.loads(row["canonical"]) for row in rows]

    def kinds(self, act_id: str) -> list[str]:
        """Only the kinds of it."""
        return [entry["kind"] for entry in self.entries(act_id)]

    def claims(self) -> list[work.Claim]:
        """What a worker finds due, held for it."""
        return self.database.again(lambda tx: work.claim(tx, LANE, owner="w", lease=LEASE, limit=9, kinds=(work.ACT,)))

    def work_once(self) -> int:
        """What a worker does: claim what is due and carry it out; how many it claimed."""
        claims = self.claims()
        for claim in claims:
            self.room.handle(claim, 0.0)
        return len(claims)

    def work_or_lose(self) -> int:
        """The same, while somebody else may be quicker: then its lease is lost."""
        try:
            return self.work_once()
        except LeaseLost:
            return 0


@pytest.fixture
def bench(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Bench]:
    made = Bench(tmp_path, database_url, clock)
    yield made
    made.database.close()


def refused(bench: Bench, code: ActCode, do: Any) -> None:
    """The step is turned down with this code, and its own entry says so."""
    with bench.database.read() as tx:
        before = int(tx.run("SELECT count(*) FROM entry WHERE kind = :k", _TURNED_DOWN).scalar_one())
    with pytest.raises(ActRefused) as error:
        do()
    assert error.value.code is code
    with bench.database.read() as tx:
        found = tx.all("SELECT canonical FROM entry WHERE kind = :k ORDER BY row_id", _TURNED_DOWN)
    assert len(found) == before + 1
    assert json.loads(found[-1]["canonical"])["facts"]["code"] == code.value


# -- two people -------------------------------------------------------------------------------------------------------


def test_another_person_approves_and_a_worker_does_it_once(bench: Bench) -> None:
    row = bench.propose()
    assert (row.state, bench.work_once(), bench.done) == ("proposed", 0, 0)
    approved = bench.room.approve(bench.person("second"), row.act_id, digest=row.digest)
    assert (approved.state, bench.done) == ("approved", 0)
    assert (bench.work_once(), bench.work_once(), bench.done) == (1, 0, 1)
    shown = bench.room.show(row.act_id)
    assert (shown.row.state, shown.row.result, shown.missing) == ("executed", "did why for staff:first", 0)
    assert [a.person for a in shown.approvals] == ["second"]
    assert bench.kinds(row.act_id) == ["act:proposal:made", "act:approval:given", "act:execution:done"]
    assert {e["digests"]["payload"] for e in bench.entries(row.act_id)} == {row.digest}
    assert [e["actor"] for e in bench.entries(row.act_id)] == ["staff:first", "staff:second", "system:acts"]


def test_who_proposed_it_never_approves_it_also_under_another_account(bench: Bench) -> None:
    row = bench.propose()
    other_account = replace(bench.person("first"), actor="staff:first-as-admin")
    for person in (bench.person("first"), other_account):
        refused(bench, ActCode.SAME_PERSON, partial(bench.room.approve, person, row.act_id, digest=row.digest))
    assert (bench.work_once(), bench.done) == (0, 0)


def test_nobody_approves_what_is_about_themselves(bench: Bench) -> None:
    row = bench.propose(who="second")
    refused(
        bench,
        ActCode.OWN_MATTER,
        partial(bench.room.approve, bench.person("second"), row.act_id, digest=row.digest),
    )
    assert bench.room.approve(bench.person("third"), row.act_id, digest=row.digest).state == "approved"


def test_a_command_line_proves_nobody_so_two_people_approve_what_it_proposed(bench: Bench) -> None:
    row = bench.propose(of_command_line("operator:root"))
    refused(
        bench,
        ActCode.NOT_SIGNED_IN,
        partial(bench.room.approve, of_command_line("operator:root"), row.act_id, digest=row.digest),
    )
    assert bench.room.show(row.act_id).missing == 2
    assert bench.room.approve(bench.person("second"), row.act_id, digest=row.digest).state == "proposed"
    refused(
        bench,
        ActCode.SAME_PERSON,
        partial(bench.room.approve, bench.person("second"), row.act_id, digest=row.digest),
    )
    assert bench.work_once() == 0
    assert bench.room.approve(bench.person("third"), row.act_id, digest=row.digest).state == "approved"
    assert (bench.work_once(), bench.done) == (1, 1)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"permissions": frozenset({Permission.SWITCHES_CHANGE})}, ActCode.NOT_ALLOWED),
        ({"permissions": frozenset({Permission.ACTS_APPROVE})}, ActCode.NOT_ALLOWED),
        ({"proven_at": None}, ActCode.NOT_SIGNED_IN),
        ({"natural": ""}, ActCode.NOT_SIGNED_IN),
    ],
)
def test_only_a_person_who_may_and_with_a_fresh_proof_approves(
    bench: Bench, how: dict[str, Any], code: ActCode
) -> None:
    row = bench.propose()
    person = replace(bench.person("second"), **how)
    refused(bench, code, partial(bench.room.approve, person, row.act_id, digest=row.digest))


def test_a_second_factor_that_is_too_old_is_not_fresh(bench: Bench, clock: Any) -> None:
    row, person = bench.propose(), bench.person("second")
    clock.turn(FRESH_FOR.total_seconds() + 1)
    refused(bench, ActCode.NOT_SIGNED_IN, partial(bench.room.approve, person, row.act_id, digest=row.digest))
    assert bench.room.approve(bench.person("second"), row.act_id, digest=row.digest).state == "approved"


def test_an_approval_is_bound_to_the_digest_that_was_shown(bench: Bench) -> None:
    row, other = bench.propose(), bench.propose()
    assert row.digest != other.digest  # the same payload twice: a salt keeps them apart
    second = bench.person("second")
    refused(bench, ActCode.WRONG_DIGEST, partial(bench.room.approve, second, row.act_id, digest=other.digest))
    refused(bench, ActCode.UNKNOWN_ACT, partial(bench.room.approve, second, "0" * 32, digest=row.digest))


def test_a_payload_that_was_tampered_with_is_not_carried_out(bench: Bench) -> None:
    row, other = bench.propose(), bench.propose(reason="another")
    bench.room.approve(bench.person("second"), row.act_id, digest=row.digest)
    bench.database.again(
        lambda tx: tx.run(
            "UPDATE act SET payload_sealed = :p WHERE act_id = :id", {"p": other.payload_sealed, "id": row.act_id}
        )
    )
    bench.work_once()
    assert (bench.done, bench.kinds(row.act_id)[-1]) == (0, "act:execution:failed")


def test_one_person_is_enough_where_the_kind_says_so(bench: Bench) -> None:
    row = bench.propose(of_command_line("operator:root"), "test.one")
    assert row.state == "approved"
    assert (bench.room.carry_out(row.act_id).state, bench.work_once(), bench.done) == ("executed", 0, 1)


# -- ends without being done ------------------------------------------------------------------------------------------


def test_a_refused_a_withdrawn_and_an_expired_act_are_never_done(bench: Bench, clock: Any) -> None:
    no, back, late = bench.propose(), bench.propose(), bench.propose()
    second = bench.person("second")
    refused(bench, ActCode.SAME_PERSON, partial(bench.room.refuse, bench.person("first"), no.act_id, reason="no"))
    assert bench.room.refuse(second, no.act_id, reason="网点未通知").state == "refused"
    refused(bench, ActCode.NOT_ALLOWED, partial(bench.room.withdraw, second, back.act_id))
    assert bench.room.withdraw(bench.person("first"), back.act_id).state == "withdrawn"
    clock.turn(TWO.lives.total_seconds())
    third = bench.person("third")
    refused(bench, ActCode.EXPIRED, partial(bench.room.approve, third, late.act_id, digest=late.digest))
    bench.room.turn()
    assert [row.act_id for row in bench.room.listed(state="expired")] == [late.act_id]
    for row in (no, back, late):
        refused(bench, ActCode.WRONG_STATE, lambda r=row: bench.room.approve(third, r.act_id, digest=r.digest))
    assert (bench.work_once(), bench.done) == (0, 0)
    last = [next(k for k in reversed(bench.kinds(r.act_id)) if "turneddown" not in k) for r in (no, back, late)]
    assert last == ["act:proposal:refused", "act:proposal:withdrawn", "act:proposal:expired"]


def test_an_act_that_cannot_be_done_changes_nothing_and_says_why(bench: Bench) -> None:
    for error, said in ((BadSettings("taken meanwhile"), "taken meanwhile"), (KeyError("x"), "KeyError")):
        bench.fails = error
        row = bench.propose()
        bench.room.approve(bench.person("second"), row.act_id, digest=row.digest)
        assert bench.work_once() == 1
        ended = bench.room.show(row.act_id).row
        assert (ended.state, ended.result, bench.done, bench.work_once()) == ("failed", said, 0, 0)
        assert bench.entries(row.act_id)[-1]["facts"]["why"] == said


def test_a_store_that_is_away_leaves_the_act_to_be_done_later(bench: Bench, clock: Any) -> None:
    bench.fails = Busy("away")
    row = bench.propose()
    bench.room.approve(bench.person("second"), row.act_id, digest=row.digest)
    with pytest.raises(Busy):
        bench.work_once()
    assert bench.room.show(row.act_id).row.state == "approved"
    bench.fails = None
    clock.turn(LEASE.total_seconds() + 1)
    assert (bench.work_once(), bench.done) == (1, 1)


def test_nonsense_is_refused_when_it_is_proposed(bench: Bench) -> None:
    first = bench.person("first")
    for kind, payload, code in (
        ("test.two", {"reason": "nonsense"}, ActCode.BAD_PAYLOAD),
        ("test.two", {}, ActCode.BAD_PAYLOAD),
        ("test.two", {"reason": "x", "more": "y"}, ActCode.BAD_PAYLOAD),
        ("test.two", {"reason": ["x"]}, ActCode.BAD_PAYLOAD),
        ("test.three", {"reason": "x"}, ActCode.UNKNOWN_KIND),
    ):
        refused(bench, code, partial(bench.room.propose, first, kind, payload))
    nothing = replace(first, permissions=frozenset())
    refused(bench, ActCode.NOT_ALLOWED, partial(bench.room.propose, nothing, "test.two", {"reason": "x"}))


# -- races and deaths -------------------------------------------------------------------------------------------------


def at_once(*steps: Any) -> list[Any]:
    """Do all steps at the same moment; what each gave, or the code of its refusal."""
    gate = threading.Barrier(len(steps))

    def run(step: Any) -> Any:
        gate.wait()
        try:
            done = step()
            return getattr(done, "state", done)
        except ActRefused as error:
            return error.code

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(run, steps))


def test_two_approvers_at_once_are_one_execution(bench: Bench) -> None:
    for _ in range(5):
        row, before = bench.propose(), bench.done
        people = [bench.person(f"p{n}") for n in range(4)]
        rooms = [bench.another_room() for _ in people]
        told = at_once(
            *(
                partial(room.approve, person, row.act_id, digest=row.digest)
                for room, person in zip(rooms, people, strict=True)
            )
        )
        assert sorted(told) == sorted(["approved", *[ActCode.WRONG_STATE] * 3])
        ended = at_once(*(partial(room.carry_out, row.act_id) for room in rooms), bench.work_or_lose)
        assert set(ended[:4]) == {"executed"}
        assert bench.done == before + 1
        assert bench.kinds(row.act_id).count("act:execution:done") == 1


def test_approve_and_withdraw_at_once_have_one_winner(bench: Bench) -> None:
    for _ in range(8):
        row, before = bench.propose(), bench.done
        first, second, other = bench.person("first"), bench.person("second"), bench.another_room()
        told = at_once(
            partial(bench.room.approve, second, row.act_id, digest=row.digest),
            partial(other.withdraw, first, row.act_id),
        )
        assert sorted(map(str, told)) in (["WRONG_STATE", "approved"], ["WRONG_STATE", "withdrawn"])
        bench.work_once()
        assert bench.done == before + ("approved" in told)


def test_a_worker_that_lost_its_row_does_nothing(bench: Bench, clock: Any) -> None:
    row = bench.propose()
    bench.room.approve(bench.person("second"), row.act_id, digest=row.digest)
    claims = [bench.claims()[0]]
    clock.turn(LEASE.total_seconds() + 1)
    claims += bench.claims()
    with pytest.raises(LeaseLost):
        bench.room.handle(claims[0], 0.0)
    assert bench.done == 0  # what it did was rolled back with its lease
    bench.room.handle(claims[1], 0.0)
    assert bench.done == 1


_DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from tests.unit.test_acts_room import Bench
from gateway.domain.clock import SystemClock

folder, url, act_id, digest, where = sys.argv[1:]
bench = Bench(Path(folder), url, SystemClock())
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
bench.room.approve(bench.person("second"), act_id, digest=digest)
if where == "between":
    die()
done = bench._run
def run(tx, payload, doing):
    result = done(tx, payload, doing)
    die()
    return result
bench.room._executors = {k: type(e)(check=e.check, run=run) for k, e in bench.room._executors.items()}
bench.room.carry_out(act_id)
"""


@pytest.mark.parametrize("where", ["between", "in the middle"])
def test_a_process_killed_between_approval_and_execution_or_in_its_middle_leaves_it_to_another(
    tmp_path: Path, database_url: str, where: str
) -> None:
    from gateway.domain.clock import SystemClock

    bench = Bench(tmp_path, database_url, SystemClock())
    row = bench.propose()
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_DIES), str(tmp_path), database_url, row.act_id, row.digest, where],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert (bench.room.show(row.act_id).row.state, bench.done) == ("approved", 0)
    assert (bench.work_once(), bench.done) == (1, 1)
    assert bench.kinds(row.act_id) == ["act:proposal:made", "act:approval:given", "act:execution:done"]
    bench.database.close()


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_a_payload_is_sealed_at_rest_and_secrets_are_never_shown_again(bench: Bench) -> None:
    row = bench.propose(reason=NAME, key="c2VjcmV0")
    with bench.database.read() as tx:
        everything = repr(tx.all("SELECT * FROM act")) + repr(tx.all("SELECT canonical FROM entry"))
        raw = bytes(tx.one("SELECT payload_sealed FROM act")["payload_sealed"])
    assert NAME not in everything
    assert NAME.encode() not in raw
    assert "c2VjcmV0" not in everything
    assert bench.room.show(row.act_id).payload == {"reason": NAME, "key": "●●●●"}


def test_every_kind_has_an_executor_in_the_house_and_no_other_is_there(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url) as house:
        assert set(house.house.acts._executors) == set(KINDS)
    with pytest.raises(BadSettings, match="differ"):
        Acts(house.house.database, house.house.vault, executors={}, clock=house.clock, owner="x")


def test_operator_and_reviewer_or_administrator_and_security_are_the_two_of_every_kind() -> None:
    proposers, deciders = (Role.OPERATOR, Role.ADMIN, Role.SECURITY), (Role.REVIEWER, Role.SECURITY)
    for kind in KINDS.values():
        assert any(kind.propose in MAY[role] for role in proposers), kind.name
        assert any({Permission.ACTS_APPROVE, kind.approve} <= MAY[role] for role in deciders), kind.name
    assert not {Permission.ACTS_APPROVE, KINDS["client.enrol"].approve} <= MAY[Role.REVIEWER]
    assert not {Permission.ACTS_APPROVE, KINDS["switch.off"].approve} <= MAY[Role.SECURITY]


def test_a_person_of_the_room_of_people_is_named_as_entries_name_them(clock: Any) -> None:
    actor = Actor("E1001", "staff", frozenset({Role.REVIEWER}), second_factor_at=clock.now())
    person = of_actor(actor)
    assert (person.natural, person.is_fresh(clock.now())) == ("person:staff:E1001", True)
    assert Permission.ACTS_APPROVE in person.permissions


def test_no_token_is_believed_where_nobody_signs_people_in(clock: Any) -> None:
    with pytest.raises(ActRefused) as error:
        nobody("a.b.c", clock.now())
    assert error.value.code is ActCode.NOT_SIGNED_IN


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_is_described_whole(kind: ActKind) -> None:
    assert len(kind.name) <= 32
    assert kind.title
    assert kind.why
    assert kind.persons in {1, 2}
    assert timedelta(0) < kind.lives <= timedelta(days=30)
    assert len({member.name for member in kind.members}) == len(kind.members)
    assert not kind.subject or kind.subject in {member.name for member in kind.members}
    assert EntryKind.ACT_PROPOSED.meaning


def test_tables_lists_and_empty_members_of_a_payload() -> None:
    kind = ActKind(
        "t",
        "t",
        Permission.CLIENTS_CHANGE,
        Permission.CLIENTS_CHANGE,
        2,
        (Member("a", "", form=Form.TEXTS), Member("b", "", form=Form.TABLE)),
        "",
    )
    assert check_payload(kind, {"a": ["x"], "b": {"n": "v"}}) == {"a": ["x"], "b": {"n": "v"}}
    assert check_payload(kind, {"a": [], "b": {}}) == {}
    for wrong in ({"a": "x"}, {"a": [1]}, {"b": {"n": 1}}, {"b": ["x"]}, {"a": ["x\x00"]}):
        with pytest.raises(ActRefused):
            check_payload(kind, wrong)
    assert masked(kind, {"a": ["x"]}) == {"a": ["x"]}
