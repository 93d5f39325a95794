"""The room of acts: propose, approve by another person, carry out exactly once (rules.md 30).

Must not know what an act does: executors are handed in, one for each kind. An approval is bound to the digest of the
payload as it was shown. What is done is done in the very transaction that says so, under the act's row lock, so that a
process that dies in the middle has done nothing and the act's work row lets another do it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from gateway.acts.kinds import KINDS, ActKind, check_payload, masked
from gateway.acts.persons import Person
from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.domain.actor import Permission
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import (
    ActCode,
    ActRefused,
    BadSettings,
    Busy,
    GatewayError,
    LeaseLost,
    OutcomeUnknown,
)
from gateway.domain.records import Doing, EntryDraft
from gateway.signing.canon import canonical_json, sha256_label
from gateway.signing.vault import Vault
from gateway.store import act_rows as rows
from gateway.store import jobs, trail, work
from gateway.store.act_rows import ActRow, Approval
from gateway.store.database import Database, Tx, new_id

LANE = "acts"
LEASE = timedelta(seconds=60)
_EVERY = timedelta(seconds=30)
_log = structlog.get_logger("acts")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Executor:
    """How one kind is carried out.

    ``check`` refuses a payload that says nonsense, at the proposal and again before it is done; ``run`` does it in the
    transaction it is given, and nothing outside it, and returns one line for people. Both raise ``BadSettings`` with a
    sentence that says what to write instead.
    """

    check: Callable[[Mapping[str, Any], Doing], object]
    run: Callable[[Tx, Mapping[str, Any], Doing], str]


@dataclass(frozen=True, slots=True)
class Shown:
    """One act as a person may see it: secrets masked, with everybody who approved."""

    row: ActRow
    kind: ActKind
    payload: Mapping[str, Any]
    approvals: tuple[Approval, ...]

    @property
    def missing(self) -> int:
        """How many more natural persons must approve."""
        return max(0, self.row.persons - len(self.approvals) - bool(self.row.proposer))


class Acts:
    """Everything that can happen to an act. All refusals are ``ActRefused`` and stand in the trail."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        executors: Mapping[str, Executor],
        clock: Clock,
        owner: str,
        wake: Callable[[], None] = lambda: None,
        kinds: Mapping[str, ActKind] = KINDS,
    ) -> None:
        """``executors`` by kind. Raises ``BadSettings`` unless every kind has one and no other is there."""
        if set(executors) != set(kinds):
            raise BadSettings(f"acts and executors differ: {', '.join(sorted(set(executors) ^ set(kinds)))}")
        self._database = database
        self._vault = vault
        self._executors = dict(executors)
        self._clock = clock
        self._owner = owner
        self._wake = wake
        self._kinds = dict(kinds)

    # -- what people do ---------------------------------------------------------------------------------------

    def propose(self, person: Person, kind_name: str, payload: Mapping[str, Any]) -> ActRow:
        """Put an act before another person, or have it done where its kind takes one person.

        Raises ``ActRefused``: UNKNOWN_KIND, BAD_PAYLOAD, NOT_ALLOWED.
        """
        return self._told(person, "propose", "", lambda: self._propose(person, kind_name, payload))

    def approve(self, person: Person, act_id: str, *, digest: str) -> ActRow:
        """One person's word for exactly what the digest names. The last one needed lets it be carried out.

        Raises ``ActRefused``: UNKNOWN_ACT, NOT_SIGNED_IN, NOT_ALLOWED, SAME_PERSON, OWN_MATTER, WRONG_DIGEST,
        WRONG_STATE, EXPIRED.
        """
        row = self._told(
            person,
            "approve",
            act_id,
            lambda: self._database.again(lambda tx: self._approve(tx, person, act_id, digest=digest)),
        )
        if row.state == rows.APPROVED:
            self._wake()
        return row

    def refuse(self, person: Person, act_id: str, *, reason: str) -> ActRow:
        """Another person says no. Raises ``ActRefused`` as ``approve``."""

        def act(tx: Tx) -> ActRow:
            row = self._open(tx, act_id)
            self._require(person, row)
            if person.natural == row.proposer:
                raise ActRefused(ActCode.SAME_PERSON, "who proposed an act withdraws it, and does not refuse it")
            return self._end(tx, row, "refused", EntryKind.ACT_DECLINED, person, {"reason": as_fact(reason) or "-"})

        return self._told(person, "refuse", act_id, lambda: self._database.again(act))

    def withdraw(self, person: Person, act_id: str) -> ActRow:
        """Who proposed it takes it back. Raises ``ActRefused``: UNKNOWN_ACT, NOT_ALLOWED, WRONG_STATE, EXPIRED."""

        def act(tx: Tx) -> ActRow:
            row = self._open(tx, act_id)
            own = person.natural == row.proposer if row.proposer else person.actor == row.proposed_by
            if not own:
                raise ActRefused(ActCode.NOT_ALLOWED, "only who proposed an act withdraws it; others refuse it")
            return self._end(tx, row, "withdrawn", EntryKind.ACT_WITHDRAWN, person, {})

        return self._told(person, "withdraw", act_id, lambda: self._database.again(act))

    def show(self, act_id: str) -> Shown:
        """One act. Raises ``ActRefused(UNKNOWN_ACT)``."""
        with self._database.read() as tx:
            row = rows.by_id(tx, act_id)
            given = rows.approvals(tx, act_id)
        if row is None:
            raise _unknown(act_id)
        kind = self._kind(row.kind)
        return Shown(row, kind, masked(kind, self._payload(row)), tuple(given))

    def listed(self, *, state: str = "") -> list[ActRow]:
        """Acts of one state, or all; the newest first, at most 200."""
        with self._database.read() as tx:
            return rows.listed(tx, state=state)

    # -- carrying out -------------------------------------------------------------------------------------------

    def carry_out(self, act_id: str) -> ActRow:
        """Do an approved act now, unless it is done already; the act as it stands then. Raises ``Busy``."""
        return self._carried(act_id, lambda tx: rows.close_work(tx, act_id, note="carried out"))

    def handle(self, claim: work.Claim, _started: float) -> None:
        """A worker's way to do it: nothing is done unless the row is still this worker's."""
        self._carried(claim.work_id, lambda tx: work.done(tx, claim))

    def turn(self) -> None:
        """Let proposals whose time is over expire; one process at a time."""
        if jobs.take(self._database, "acts", owner=self._owner, lease=_EVERY, every=_EVERY):
            with self._database.read() as tx:
                found = rows.overdue(tx, self._clock.now())
            for act_id in found:
                self._database.again(partial(self._expire, act_id))
            jobs.done(self._database, "acts", owner=self._owner)

    def _carried(self, act_id: str, close: Callable[[Tx], None]) -> ActRow:
        def act(tx: Tx) -> ActRow:
            row = rows.by_id(tx, act_id, lock=True)
            if row is None:
                raise _unknown(act_id)
            if row.state == rows.APPROVED:
                row = self._execute(tx, row)
            close(tx)
            return row

        try:
            return self._database.again(act)
        except (Busy, OutcomeUnknown, LeaseLost):
            raise  # nothing is known to have been done: its work row is still due
        except Exception as error:
            expected = isinstance(error, GatewayError)
            why = str(error) if expected else type(error).__name__
            if not expected:
                _log.exception("act.failed", act_id=act_id)
            return self._database.again(lambda tx: self._fail(tx, act_id, why, close))

    def _execute(self, tx: Tx, row: ActRow) -> ActRow:
        payload, now = self._payload(row), self._clock.now()
        doing = Doing(at=now, actor=row.proposed_by, facts={"act": row.act_id})
        executor = self._executors[row.kind]
        executor.check(payload, doing)
        result = executor.run(tx, payload, doing)
        rows.move(tx, row.act_id, origin=rows.APPROVED, state="executed", at=now, result=result)
        facts = {"act": row.kind, "result": as_fact(result) or "-"}
        self._note(tx, EntryKind.ACT_EXECUTED, row.act_id, "system:acts", facts, digest=row.digest)
        return replace(row, state="executed", ended_at=now, result=result)

    def _fail(self, tx: Tx, act_id: str, why: str, close: Callable[[Tx], None]) -> ActRow:
        row, now = rows.by_id(tx, act_id, lock=True), self._clock.now()
        if row is None:
            raise _unknown(act_id)
        if row.state == rows.APPROVED:
            rows.move(tx, act_id, origin=rows.APPROVED, state="failed", at=now, result=why)
            self._note(tx, EntryKind.ACT_FAILED, act_id, "system:acts", {"act": row.kind, "why": as_fact(why) or "-"})
            row = replace(row, state="failed", ended_at=now, result=why)
        close(tx)
        return row

    # -- steps ----------------------------------------------------------------------------------------------------

    def _propose(self, person: Person, kind_name: str, payload: Mapping[str, Any]) -> ActRow:
        kind, now, act_id = self._kind(kind_name), self._clock.now(), new_id()
        if kind.propose not in person.permissions:
            raise ActRefused(ActCode.NOT_ALLOWED, f"this person may not propose {kind.title}")
        given = check_payload(kind, payload)
        try:
            self._executors[kind.name].check(given, Doing(at=now, actor=person.actor, facts={"act": act_id}))
        except BadSettings as error:
            raise ActRefused(ActCode.BAD_PAYLOAD, str(error)) from error
        # The salt keeps a digest in the trail from being tried out for what it hides.
        whole = {"act": act_id, "kind": kind.name, "payload": given, "salt": secrets.token_hex(16)}
        raw = canonical_json(whole)
        row = ActRow(
            act_id=act_id,
            kind=kind.name,
            state=rows.PROPOSED if kind.persons > 1 else rows.APPROVED,
            digest=sha256_label(raw),
            payload_sealed=self._vault.seal(raw, rows.PAYLOAD_PLACE.format(act_id=act_id)),
            persons=kind.persons,
            proposed_by=person.actor,
            proposer=person.natural,
            subject=str(given.get(kind.subject, "")) if kind.subject else "",
            proposed_at=now,
            expires_at=now + kind.lives,
        )

        def act(tx: Tx) -> None:
            rows.insert(tx, row)
            facts = {"act": kind.name, "persons": str(kind.persons), "expires": stamp(row.expires_at)}
            self._note(tx, EntryKind.ACT_PROPOSED, act_id, person.actor, facts, digest=row.digest)
            if row.state == rows.APPROVED:
                self._put_work(tx, row)

        self._database.again(act)
        if row.state == rows.APPROVED:
            self._wake()
        return row

    def _approve(self, tx: Tx, person: Person, act_id: str, *, digest: str) -> ActRow:
        row, now = self._open(tx, act_id), self._clock.now()
        self._require(person, row)
        if not person.is_fresh(now):
            raise ActRefused(ActCode.NOT_SIGNED_IN, "sign in again: an approval takes a fresh proof of who you are")
        if person.natural == row.proposer:
            raise ActRefused(ActCode.SAME_PERSON, "who proposed an act does not approve it: another person does")
        if person.natural == row.subject:
            raise ActRefused(ActCode.OWN_MATTER, "this act is about the person who would approve it")
        if digest != row.digest:
            raise ActRefused(ActCode.WRONG_DIGEST, "this is not the digest of the act as it stands: look at it again")
        if not rows.approve(tx, act_id, Approval(person.natural, person.actor, digest, now)):
            raise ActRefused(ActCode.SAME_PERSON, "this person has approved it already: another one is needed")
        enough = len(rows.approvals(tx, act_id)) + bool(row.proposer) >= row.persons
        facts = {"act": row.kind, "enough": "yes" if enough else "no"}
        self._note(tx, EntryKind.ACT_APPROVED, act_id, person.actor, facts, digest=digest)
        if not enough:
            return row
        rows.move(tx, act_id, origin=rows.PROPOSED, state=rows.APPROVED)
        self._put_work(tx, row)
        return replace(row, state=rows.APPROVED)

    def _open(self, tx: Tx, act_id: str) -> ActRow:
        """The act, locked, while something can still be said about it."""
        row = rows.by_id(tx, act_id, lock=True)
        if row is None:
            raise _unknown(act_id)
        if row.state != rows.PROPOSED:
            raise ActRefused(ActCode.WRONG_STATE, f"this act is {row.state} already")
        if row.expires_at <= self._clock.now():
            raise ActRefused(
                ActCode.EXPIRED, f"this act was to be approved until {stamp(row.expires_at)}: propose it anew"
            )
        return row

    def _require(self, person: Person, row: ActRow) -> None:
        if not person.natural:
            raise ActRefused(ActCode.NOT_SIGNED_IN, "this takes a person's token: a command line proves nobody")
        kind = self._kind(row.kind)
        if not {Permission.ACTS_APPROVE, kind.approve} <= person.permissions:
            raise ActRefused(ActCode.NOT_ALLOWED, f"this person may not decide about {kind.title}")

    def _kind(self, name: str) -> ActKind:
        found = self._kinds.get(name)
        if found is None:
            text = f"no act {as_fact(name)[:40]!r}; 'python -m gateway acts kinds' lists them"
            raise ActRefused(ActCode.UNKNOWN_KIND, text)
        return found

    def _end(
        self, tx: Tx, row: ActRow, state: str, kind: EntryKind, person: Person, facts: Mapping[str, str]
    ) -> ActRow:
        now = self._clock.now()
        rows.move(tx, row.act_id, origin=rows.PROPOSED, state=state, at=now, result=facts.get("reason", ""))
        self._note(tx, kind, row.act_id, person.actor, {"act": row.kind, **facts})
        return replace(row, state=state, ended_at=now)

    def _expire(self, act_id: str, tx: Tx) -> None:
        row, now = rows.by_id(tx, act_id, lock=True), self._clock.now()
        if row is not None and row.state == rows.PROPOSED and row.expires_at <= now:
            rows.move(tx, act_id, origin=rows.PROPOSED, state="expired", at=now)
            self._note(tx, EntryKind.ACT_EXPIRED, act_id, "system:acts", {"act": row.kind})

    def _put_work(self, tx: Tx, row: ActRow) -> None:
        work.put_once(
            tx,
            work.row(
                work_id=row.act_id, kind=work.ACT, lane=LANE, case_id="", payload_sealed=b"", now=self._clock.now()
            ),
        )

    def _payload(self, row: ActRow) -> dict[str, Any]:
        """What was proposed, as it was sealed; a row whose digest or name does not fit was tampered with."""
        raw = self._vault.open(row.payload_sealed, rows.PAYLOAD_PLACE.format(act_id=row.act_id))
        whole = json.loads(raw)
        if sha256_label(raw) != row.digest or (whole["act"], whole["kind"]) != (row.act_id, row.kind):
            raise BadSettings("the act's payload is not what was proposed")
        found: dict[str, Any] = whole["payload"]
        return found

    def _told(self, person: Person, step: str, act_id: str, do: Callable[[], T]) -> T:
        """Do a step; a refusal of it is an entry of its own."""
        try:
            return do()
        except ActRefused as error:
            facts = {"step": step, "code": error.code.value}
            self._database.again(partial(self._note_refusal, act_id, person, facts))
            raise

    def _note_refusal(self, act_id: str, person: Person, facts: Mapping[str, str], tx: Tx) -> None:
        known = rows.by_id(tx, act_id, lock=True) is not None  # held, so that entries of one act count in turn
        self._note(tx, EntryKind.ACT_NOT_APPROVED, act_id if known else f"none:{new_id()}", person.actor, facts)

    def _note(
        self, tx: Tx, kind: EntryKind, act_id: str, actor: str, facts: Mapping[str, str], *, digest: str = ""
    ) -> None:
        digests = {"payload": digest} if digest else {}
        draft = EntryDraft(
            kind=kind, subject=f"act:{act_id}", at=self._clock.now(), actor=actor, facts=facts, digests=digests
        )
        trail.append_loose(tx, [draft])


def _unknown(act_id: str) -> ActRefused:
    return ActRefused(ActCode.UNKNOWN_ACT, f"no act {as_fact(act_id)[:40]}; 'python -m gateway acts list' shows them")
