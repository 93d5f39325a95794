"""One call to a department: claimed, talked about, recorded (rules.md 17).

Never holds a transaction while talking, never sends again what may have arrived without asking first, never guesses
what an answer means. Which state follows is the desk's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases.amend import settle_withdrawal
from gateway.cases.decide import hear
from gateway.cases.handoff import read_call
from gateway.cases.journal import Clocks, Journal, stopped
from gateway.cases.paths import canonical_path
from gateway.catalogue.item import Catalogue, Item
from gateway.contracts.backend import SUPPLEMENT, WITHDRAW, Backend, Line
from gateway.dispatch import limits
from gateway.dispatch.policy import LEASE_MARGIN, Jitter, ask_pause, next_pause, poll_pause
from gateway.domain.calls import BackendCall, FileLoader, Standing
from gateway.domain.case import DECIDED, ENDED
from gateway.domain.clock import Clock
from gateway.domain.errors import (
    DeliveryUnknown,
    FromPeer,
    LeaseLost,
    NotAuthentic,
    NotUnderstood,
    Refused,
)
from gateway.domain.records import Case
from gateway.signing.vault import Vault
from gateway.store import case_calls, cases, work
from gateway.store.database import Database, Tx
from gateway.wire.courier import Courier

_log = structlog.get_logger("dispatch.calls")
_UNKNOWN_FINDS = 2  # times the department must say it does not know a call before it is sent again


@dataclass(frozen=True, slots=True)
class Peer:
    """One back-end and how long a call to it may take in all."""

    backend: Backend
    deadline: timedelta

    @staticmethod
    def lease_for(deadline: timedelta) -> timedelta:
        """How long a claim holds: longer than the call may take, so that a live worker never loses it."""
        return deadline + LEASE_MARGIN


@dataclass(frozen=True, slots=True)
class Answer:
    """What talking led to: a standing, "they do not know it", or an error."""

    standing: Standing | None = None
    error: FromPeer | None = None


class Calls:
    """Handler of work rows of kind ``call``."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        catalogue: Catalogue,
        peers: Mapping[str, Peer],
        courier: Courier,
        clock: Clock,
        clocks: Clocks = stopped,
        attached: Callable[[Case, Mapping[str, Any]], Mapping[str, FileLoader]] = lambda _case, _common: {},
        jitter: Jitter | None = None,
        ask_first: Callable[[], bool] = lambda: False,
        observe: Callable[[str, str], None] = lambda _lane, _outcome: None,
    ) -> None:
        """``ask_first``: True in the time after a restore: a department may have what we file for the first time."""
        self._database = database
        self._vault = vault
        self._catalogue = catalogue
        self._peers = peers
        self._courier = courier
        self._clock = clock
        self._clocks = clocks
        self._attached = attached
        self._jitter = jitter or Jitter()
        self._ask_first = ask_first
        self._observe = observe

    def claimed(self, tx: Tx, claims: list[work.Claim]) -> list[work.Claim]:
        """Entries of the claiming transaction: about to send, or about to ask. Returns the claims to be carried now:
        an act is carried only after the filing it speaks of, and one that waits leaves no entry."""
        waiting = case_calls.waiting(tx, claims)
        for claim in sorted(claims, key=lambda c: c.case_id):
            if claim.work_id in waiting:
                self._put_off(tx, claim)
                continue
            if claim.stage == work.POLL:
                continue
            kind = EntryKind.CALL_ATTEMPTED if claim.stage == work.SENDING else EntryKind.CALL_ASKED
            if claim.taken_over:
                kind = EntryKind.CALL_TAKEN_OVER
            cases.note(
                tx,
                claim.case_id,
                kind,
                now=self._clock.now(),
                facts={"call": claim.work_id, "attempt": str(claim.attempt), "department": claim.lane},
            )

        return [claim for claim in claims if claim.work_id not in waiting]

    def _put_off(self, tx: Tx, claim: work.Claim) -> None:
        failures = claim.failures + 1
        stage = work.SEND if claim.stage == work.SENDING else claim.stage
        pause = next_pause(failures, self._jitter)
        work.again(tx, claim, after=pause, stage=stage, failures=failures, note="waits for the filing to be taken")

    def handle(self, claim: work.Claim, *, started: float) -> None:
        """Talk and record; ``started`` is the monotonic moment of the claim, from which the deadline counts."""
        peer = self._peers[claim.lane]
        with self._database.read() as tx:
            case = cases.by_id(tx, self._vault, claim.case_id)
        if case is None or not case.data_key:
            self._database.again(lambda tx: work.park(tx, claim, note="the case is gone or erased"))
            return
        item = self._catalogue.find(case.item, case.item_version)
        if item is None:
            self._database.again(lambda tx: work.park(tx, claim, note="the item version is not in the catalogue"))
            return
        try:
            call = read_call(claim, self._vault.unwrap(case.data_key), department_ref=case.department_ref)
        except Exception as error:
            self._keep(claim, peer, item, _reader_failed(claim, error))
            return
        if _comes_too_late(call, case):
            self._database.again(lambda tx: self._record_too_late(tx, claim))
            return
        if claim.stage == work.SENDING:
            call = replace(call, files=self._attached(case, call.common))
        self._keep(claim, peer, item, self._talk(peer, claim, call, started))

    def _keep(self, claim: work.Claim, peer: Peer, item: Item, answer: Answer) -> None:
        self._observe(claim.lane, type(answer.error).__name__ if answer.error else claim.stage)
        try:
            self._database.again(lambda tx: self._record(tx, claim, peer, item, answer))
        except LeaseLost:
            # Someone else holds the row: what we learnt is on record as an exchange, and will be learnt again.
            _log.warning("call.lease_lost", call_id=claim.work_id, token=claim.token)

    def _record_too_late(self, tx: Tx, claim: work.Claim) -> None:
        """A result stands: nothing is sent, and a withdrawal that was asked is refused by it (rules.md 24)."""
        case = cases.lock(tx, self._vault, claim.case_id)
        journal = Journal(
            self._vault, case, now=self._clock.now(), actor=f"department:{claim.lane}", clocks=self._clocks
        )
        settle_withdrawal(journal)
        work.done(tx, claim, note="decided already")
        journal.close(tx)

    def _talk(self, peer: Peer, claim: work.Claim, call: BackendCall, started: float) -> Answer:
        line = self._courier.line(claim.lane, case_id=call.case_id, call_id=claim.work_id, started=started)
        try:
            if claim.stage == work.SENDING:
                return Answer(standing=self._known_before(peer.backend, call, line) or peer.backend.submit(call, line))
            return Answer(standing=self._ask(peer.backend, call, line))
        except FromPeer as error:
            error.exchange_id = error.exchange_id or line.exchange_id  # so that a person finds the raw bytes
            return Answer(error=error)
        except Exception as error:
            return _reader_failed(claim, error)

    def _known_before(self, backend: Backend, call: BackendCall, line: Line) -> Standing | None:
        """What the department has of this call from before a restore (rules.md 40); none when it has nothing.

        Raises ``DeliveryUnknown`` where it cannot be asked and would file twice: then it is a person's decision.
        """
        if not self._ask_first() or call.operation in (SUPPLEMENT, WITHDRAW):
            return None
        if backend.traits.finds_by_our_id:
            return backend.find(call, line)
        if backend.traits.repeat_safe:
            return None
        raise DeliveryUnknown("after a restore: it may have been filed before", peer=backend.code)

    @staticmethod
    def _ask(backend: Backend, call: BackendCall, line: Line) -> Standing | None:
        return backend.find(call, line)

    # -- recording ------------------------------------------------------------------------------------------

    def _record(self, tx: Tx, claim: work.Claim, peer: Peer, item: Item, answer: Answer) -> None:
        if claim.stage == work.POLL and answer.error is None and answer.standing is not None:
            pause = self._until_next_look(claim, item, answer.standing)
            if not self._has_news(tx, claim, answer.standing) and not self._over_time(claim, pause):
                work.again(tx, claim, after=pause, stage=work.POLL, failures=0)
                work.Lanes.answered(tx, claim.lane)
                return
        case = cases.lock(tx, self._vault, claim.case_id)
        journal = Journal(
            self._vault, case, now=self._clock.now(), actor=f"department:{claim.lane}", clocks=self._clocks
        )
        if answer.error is not None:
            self._record_error(tx, claim, peer, journal, answer.error)
        elif answer.standing is None:
            self._record_unknown(tx, claim, peer, journal)
        else:
            self._record_standing(tx, claim, item, journal, answer.standing)
        journal.close(tx)

    def _has_news(self, tx: Tx, claim: work.Claim, standing: Standing) -> bool:
        case = cases.by_id(tx, self._vault, claim.case_id)
        if case is None or (standing.department_ref and not case.department_ref):
            return True
        return any(w.seq == 0 or w.seq > case.department_seq for w in standing.words)

    def _record_standing(self, tx: Tx, claim: work.Claim, item: Item, journal: Journal, standing: Standing) -> None:
        facts = {"call": claim.work_id, "stage": claim.stage}
        if standing.department_ref:
            facts["ref"] = as_fact(standing.department_ref)
        journal.note(EntryKind.CALL_ANSWERED, facts)
        verdict = hear(journal, standing, canonical_path=canonical_path(item))
        settle_withdrawal(journal)
        work.Lanes.answered(tx, claim.lane)
        pause = self._until_next_look(claim, item, standing)
        if verdict.park:
            _park(tx, claim, journal, why=verdict.park, note=verdict.park)
        elif verdict.over:
            work.done(tx, claim, note="decided")
        elif case_calls.followed_otherwise(tx, claim):
            work.done(tx, claim, note="taken; the case is followed by its own call")
        elif self._over_time(claim, pause):
            _park(tx, claim, journal, why="out_of_time", note="no decision by the promised date")
        else:
            work.again(tx, claim, after=pause, stage=work.POLL, failures=0)

    def _until_next_look(self, claim: work.Claim, item: Item, standing: Standing) -> timedelta:
        return poll_pause(item.sla, self._clock.now() - claim.created_at, standing.ask_again, self._jitter)

    def _record_unknown(self, tx: Tx, claim: work.Claim, peer: Peer, journal: Journal) -> None:
        """The department says it does not know the call."""
        finds = claim.unknown_finds + 1
        journal.note(EntryKind.CALL_ANSWERED, {"call": claim.work_id, "stage": claim.stage, "known": "no"})
        work.Lanes.answered(tx, claim.lane)
        if claim.stage == work.POLL:
            # It took the call once and has lost it: sending again is a person's decision.
            _park(tx, claim, journal, why="forgotten", note="the department no longer knows a call it had taken")
        elif peer.backend.traits.repeat_safe or (finds >= _UNKNOWN_FINDS and peer.backend.traits.finds_by_our_id):
            work.again(tx, claim, after=timedelta(0), stage=work.SEND, failures=claim.failures)
        elif peer.backend.traits.finds_by_our_id:
            work.again(
                tx,
                claim,
                after=next_pause(claim.failures + 1, self._jitter),
                stage=work.ASK,
                failures=claim.failures + 1,
                unknown_finds=finds,
            )
        else:
            _park(tx, claim, journal, why="may_have_arrived", note="it may have arrived and cannot be asked about")

    def _record_error(self, tx: Tx, claim: work.Claim, peer: Peer, journal: Journal, error: FromPeer) -> None:
        facts = {"call": claim.work_id, "stage": claim.stage, "why": as_fact(error.text) or type(error).__name__}
        if error.exchange_id:
            facts["exchange"] = error.exchange_id
        if isinstance(error, Refused | NotUnderstood | NotAuthentic):
            journal.note(EntryKind.CALL_FAILED, facts)
            _park(tx, claim, journal, why=type(error).__name__, note=f"{type(error).__name__}: {error.text}")
            if isinstance(error, Refused):  # turned down is answered: the peer is there
                work.Lanes.answered(tx, claim.lane)
            return
        limits.failed(tx, claim.lane)
        failures = claim.failures + 1
        if isinstance(error, DeliveryUnknown) and claim.stage == work.SENDING:
            journal.note(EntryKind.CALL_UNCLEAR, facts)
            since = tx.now() - claim.sent_at if claim.sent_at else timedelta(0)
            after = ask_pause(peer.deadline, since, failures, self._jitter)
            stage, finds = work.ASK, 0
        else:
            journal.note(EntryKind.CALL_FAILED, facts)
            after = next_pause(failures, self._jitter)
            stage = work.SEND if claim.stage == work.SENDING else claim.stage
            finds = claim.unknown_finds
        if self._over_time(claim, after):
            _park(tx, claim, journal, why="out_of_time", note=f"out of time: {error.text}")
            return
        work.again(
            tx, claim, after=after, stage=stage, failures=failures, unknown_finds=finds, note=type(error).__name__
        )

    def _over_time(self, claim: work.Claim, pause: timedelta) -> bool:
        return claim.give_up_at is not None and self._clock.now() + pause > claim.give_up_at


def _reader_failed(claim: work.Claim, error: Exception) -> Answer:
    _log.exception("call.peer_failed", call_id=claim.work_id, peer=claim.lane)
    return Answer(error=NotUnderstood(f"our reader failed: {type(error).__name__}", peer=claim.lane))


def _comes_too_late(call: BackendCall, case: Case) -> bool:
    """True when a result stands and the call has nothing to do any more; promised papers are owed after a grant too."""
    if case.state in ENDED:
        return True
    late_papers = call.operation == SUPPLEMENT and call.common.get("supplement_kind") == "LATE"
    return case.state in DECIDED and not late_papers


def _park(tx: Tx, claim: work.Claim, journal: Journal, *, why: str, note: str) -> None:
    """To a person: the row to the shelf, the case marked, an entry in the case's own story."""
    journal.note(EntryKind.CALL_PARKED, {"call": claim.work_id, "why": as_fact(why)})
    journal.case = replace(journal.case, parked=True)
    work.park(tx, claim, note=as_fact(note))  # a department's text may hold what a text column refuses
