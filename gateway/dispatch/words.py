"""Verified callbacks on their way to their case (rules.md 25).

The door stored raw bytes and acknowledged; here the word reaches the case under its lock. A word of a call we do not
know waits a while (it may be faster than our own record) and is then parked, never dropped.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases.amend import settle_withdrawal
from gateway.cases.decide import hear
from gateway.cases.journal import Clocks, Journal, stopped
from gateway.cases.paths import canonical_path
from gateway.catalogue.item import Catalogue
from gateway.dispatch.policy import Jitter, next_pause
from gateway.domain.calls import CallbackEvent, DecisionReason, Mark, Outcome, Standing, Word
from gateway.domain.clock import Clock
from gateway.signing.vault import NotOpened, Vault
from gateway.store import cases, work
from gateway.store.database import Database, Tx

_PLACE = "work:{work_id}:word_sealed"
_TRIES_FOR_UNKNOWN = 6
LEASE = timedelta(seconds=30)


class Words:
    """Handler of work rows of kind ``word``; also makes them, for the callback door."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        catalogue: Catalogue,
        clock: Clock,
        clocks: Clocks = stopped,
        jitter: Jitter | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._catalogue = catalogue
        self._clock = clock
        self._clocks = clocks
        self._jitter = jitter or Jitter()

    def row(self, backend: str, event: CallbackEvent, *, work_id: str, case_id: str) -> dict[str, Any]:
        """The work row of one callback, to be put in the transaction that stores the callback."""
        raw = json.dumps({"backend": backend, **_event_json(event)}, ensure_ascii=False).encode()
        return work.row(
            work_id=work_id,
            kind=work.WORD,
            lane=work.INBOX,
            case_id=case_id,
            payload_sealed=self._vault.seal(raw, _PLACE.format(work_id=work_id)),
            now=self._clock.now(),
        )

    def handle(self, claim: work.Claim, *, started: float) -> None:
        """Let the case hear the word; ``started`` is unused, nothing is sent from here."""
        del started
        try:
            data = json.loads(self._vault.open(claim.payload_sealed, _PLACE.format(work_id=claim.work_id)))
        except NotOpened:  # the key is gone: trying again would be for ever
            self._database.again(lambda tx: work.park(tx, claim, note="the word no longer opens"))
            return
        self._database.again(lambda tx: self._apply(tx, claim, data))

    def _apply(self, tx: Tx, claim: work.Claim, data: dict[str, Any]) -> None:
        backend, event = data["backend"], _event(data)
        case_id = work.call_of(tx, backend, event.call_id)
        if not case_id:
            if claim.failures >= _TRIES_FOR_UNKNOWN:
                work.park(tx, claim, note=f"a word from {backend} about a call we never sent to it")
            else:
                failures = claim.failures + 1
                work.again(tx, claim, after=next_pause(failures, self._jitter), stage=claim.stage, failures=failures)
            return
        case = cases.lock(tx, self._vault, case_id)
        item = self._catalogue.find(case.item, case.item_version)
        if item is None or not case.data_key:
            work.park(tx, claim, note="the case was erased or its item version is not in the catalogue")
            return
        journal = Journal(self._vault, case, now=self._clock.now(), actor=f"department:{backend}", clocks=self._clocks)
        journal.note(
            EntryKind.CALLBACK_RECEIVED,
            {"call": event.call_id, "event": as_fact(event.word.event_id) or "-", "said": event.word.outcome.value},
        )
        standing = Standing(department_ref=event.department_ref, words=(event.word,))
        verdict = hear(journal, standing, canonical_path=canonical_path(item))
        settle_withdrawal(journal)
        if verdict.park:
            journal.note(EntryKind.CALL_PARKED, {"call": event.call_id, "why": as_fact(verdict.park)})
            work.park(tx, claim, note=verdict.park)
        else:
            work.done(tx, claim)
        if verdict.over:
            work.close_call(tx, case_id, note="decided by callback")
        journal.close(tx)


def _event_json(event: CallbackEvent) -> dict[str, Any]:
    word = event.word
    return {
        "call_id": event.call_id,
        "department_ref": event.department_ref,
        "outcome": word.outcome.value,
        "at": word.at.isoformat() if word.at else "",
        "seq": word.seq,
        "event_id": word.event_id,
        "reason": word.reason.value,
        "text": word.text,
        "marks": [[m.path, m.say] for m in word.marks],
        "due_on": word.due_on.isoformat() if word.due_on else "",
        "automatic": word.automatic,
        "result_follows": word.result_follows,
        "raw": word.raw,
    }


def _event(data: dict[str, Any]) -> CallbackEvent:
    return CallbackEvent(
        call_id=data["call_id"],
        department_ref=data["department_ref"],
        word=Word(
            outcome=Outcome(data["outcome"]),
            at=datetime.fromisoformat(data["at"]) if data["at"] else None,
            seq=data["seq"],
            event_id=data["event_id"],
            reason=DecisionReason(data["reason"]),
            text=data["text"],
            marks=tuple(Mark(path, say) for path, say in data["marks"]),
            due_on=date.fromisoformat(data["due_on"]) if data["due_on"] else None,
            automatic=data["automatic"],
            result_follows=data["result_follows"],
            raw=data["raw"],
        ),
    )
