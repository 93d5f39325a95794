"""The shelf: work the gateway no longer tries by itself, for people of the house. Must not show form contents.

One person may let a row be tried again where that cannot file twice. Sending again what may have arrived, and closing
a row for good, are acts of two people (rules.md 30): this room only carries them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases.amend import ASKED, DONE
from gateway.cases.journal import Clocks, Journal, stopped
from gateway.cases.receipts import read_number
from gateway.contracts.backend import Backend
from gateway.domain.case import DECIDED, ENDED, CaseEvent, CaseState, way
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import BadSettings, IllegalMove
from gateway.domain.records import Doing, EntryDraft
from gateway.signing.vault import Vault
from gateway.store import cases, exchanges, parked, trail, work
from gateway.store.database import Database, Tx, moment

PATIENCE = timedelta(days=2)  # at least so long a row that was taken from the shelf is tried before it comes back
_SHOWN_EXCHANGES = 20
_HEADS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HTTP/")


class Scrubs(Protocol):
    """Whoever masks the bytes of its own dialect."""

    def scrub(self, raw: bytes) -> bytes:
        """The bytes with personal data and secrets masked."""
        ...


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked row; ``receipt_no`` "" = of no case we know. ``may``: what one person may let happen to it."""

    work_id: str
    receipt_no: str
    case_id: str
    bank: str
    lane: str
    kind: str
    stage: str
    item: str
    department: str
    case_state: str
    withdrawal: str
    since: datetime
    age: timedelta
    why: str
    may: tuple[str, ...]

    def picture(self) -> dict[str, Any]:
        """For programs: times in Beijing time, the age in whole seconds."""
        names = ("work_id", "receipt_no", "lane", "kind", "stage", "item", "department", "case_state", "why")
        return {n: getattr(self, n) for n in names} | {
            "since": stamp(self.since),
            "age_seconds": int(self.age.total_seconds()),
            "may": list(self.may),
        }


@dataclass(frozen=True, slots=True)
class Spoken:
    """One exchange with a peer, masked."""

    at: datetime
    exchange_id: str
    call_id: str
    peer: str
    direction: str
    purpose: str
    outcome: str
    request: str
    response: str


class Shelf:
    """Looking at parked work, and what may be done with it."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        banks: Mapping[str, Scrubs],
        backends: Mapping[str, Backend],
        clock: Clock,
        clocks: Clocks = stopped,
    ) -> None:
        self._database = database
        self._vault = vault
        self._banks = banks
        self._backends = backends
        self._clock = clock
        self._clocks = clocks

    # -- looking ----------------------------------------------------------------------------------------------

    def listed(self, *, lane: str = "", kind: str = "", older_than: timedelta = timedelta(0)) -> list[Parked]:
        """What is parked at least so long, the oldest first, at most 500. Raises ``Busy``."""
        with self._database.read() as tx:
            now = tx.now()
            found = [self._parked(row, now) for row in parked.rows(tx, lane=lane, kind=kind)]
        return [one for one in found if one.age >= older_than]

    def find(self, name: str) -> Parked:
        """The one parked row of this work id or receipt number. Raises ``BadSettings``: none, or more than one."""
        with self._database.read() as tx:
            return self._find(tx, name)

    def _find(self, tx: Tx, name: str) -> Parked:
        found, now = parked.named(tx, _typed(name)), tx.now()
        if not found:
            raise BadSettings(
                f"nothing of {as_fact(name)[:40]} is parked; 'python -m gateway shelf list' shows what is"
            )
        if len(found) > 1:
            ids = ", ".join(row["work_id"] for row in found)
            raise BadSettings(f"{len(found)} rows of this case are parked, name one: {ids}")
        return self._parked(found[0], now)

    def spoken(self, case_id: str, bank: str) -> list[Spoken]:
        """The latest exchanges of a case with department and bank, oldest first, masked by their peers."""
        with self._database.read() as tx:
            found = exchanges.of_case(tx, self._vault, case_id)[-_SHOWN_EXCHANGES:] if case_id else []
        return [self._spoken(row, bank) for row in found]

    def story(self, one: Parked) -> list[tuple[str, str]]:
        """Time and kind of every entry of the row's case, in order."""
        with self._database.read() as tx:
            rows = trail.of_case(tx, one.case_id) if one.case_id else []
        return [(stamp(moment(row["at"])), row["kind"]) for row in rows]

    # -- what one person may do -------------------------------------------------------------------------------

    def retry(self, name: str, *, actor: str) -> str:
        """Try the row again by the way that cannot file twice; returns what happens now. Raises ``BadSettings``.

        A call that was turned down is sent again; one that may have arrived is asked about first.
        """
        one = self._able(name, "retry")
        stage = _turned_down_stage(one) if one.kind == work.CALL else work.SEND
        doing = Doing(at=self._clock.now(), actor=actor)
        self._database.again(lambda tx: self._give_back(tx, one, stage, EntryKind.SHELF_RETRIED, doing, ""))
        return {work.SEND: "sent again", work.ASK: "asked about first"}.get(stage, "asked about")

    def ask_again(self, name: str, *, actor: str) -> str:
        """Ask the department how the call stands before anything is sent. Raises ``BadSettings``."""
        one = self._able(name, "re-ask")
        stage = work.POLL if one.stage == work.POLL else work.ASK
        doing = Doing(at=self._clock.now(), actor=actor)
        self._database.again(lambda tx: self._give_back(tx, one, stage, EntryKind.SHELF_ASKED, doing, ""))
        return "asked about"

    # -- what two people may do -------------------------------------------------------------------------------

    def check_send_again(self, payload: Mapping[str, Any]) -> Parked:
        """The parked call that would be sent again. Raises ``BadSettings``."""
        return _sendable(self.find(str(payload["work"])))

    def send_again(self, tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
        """Send a call again though it may have arrived: the same id and the same bytes (rules.md 19)."""
        one = _sendable(self._find(tx, str(payload["work"])))
        self._give_back(tx, one, work.SEND, EntryKind.SHELF_RESENT, doing, str(payload["reason"]))
        return f"{one.work_id} is sent again"

    def check_reroute(self, payload: Mapping[str, Any]) -> Parked:
        """The parked call that would go to another department's system. Raises ``BadSettings``.

        Only one that certainly never arrived: what may lie at one department is not put to a second one.
        """
        return self._movable(self.find(str(payload["work"])), str(payload["department"]))

    def reroute(self, tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
        """Send it there: the same id and the same bytes (rules.md 19)."""
        lane = str(payload["department"])
        one = self._movable(self._find(tx, str(payload["work"])), lane)
        parked.move(tx, one.work_id, lane)
        doing = replace(doing, facts={**doing.facts, "to": lane})
        self._give_back(tx, one, work.SEND, EntryKind.SHELF_REROUTED, doing, str(payload["reason"]))
        return f"{one.work_id} goes to {lane}"

    def _movable(self, one: Parked, lane: str) -> Parked:
        if lane not in self._backends or lane == one.lane:
            others = ", ".join(sorted(set(self._backends) - {one.lane}))
            raise BadSettings(f"department: write another one that is connected: {others or 'there is none'}")
        if one.kind != work.CALL or not one.receipt_no or _turned_down_stage(one) != work.SEND:
            raise BadSettings("only a call that certainly never arrived goes to another department")
        return one

    def check_close(self, payload: Mapping[str, Any]) -> Parked:
        """The row that would be closed. Raises ``BadSettings``: not parked, or the case would stand still unseen."""
        with self._database.read() as tx:
            one = self._find(tx, str(payload["work"]))
            case_open = one.kind == work.CALL and bool(one.receipt_no)
            if case_open and _stands_still(CaseState(one.case_state), parked.open_calls(tx, one.case_id) - 1):
                _require_asked_back(one.withdrawal)
        return one

    def close(self, tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
        """End a parked row for good. The last call of a case whose withdrawal was asked ends it as withdrawn."""
        one, reason = self._find(tx, str(payload["work"])), str(payload["reason"])
        if not parked.end(tx, one.work_id, note=f"closed: {as_fact(reason)}"):
            raise BadSettings(_FASTER)
        if not one.receipt_no:
            self._note(tx, one, EntryKind.SHELF_CLOSED, doing, reason)
            return f"{one.work_id} is closed"
        case = cases.lock(tx, self._vault, one.case_id)
        journal = Journal(self._vault, case, now=doing.at, actor=doing.actor, clocks=self._clocks)
        journal.note(EntryKind.SHELF_CLOSED, _facts(one, doing, reason))
        ends = one.kind == work.CALL and _stands_still(case.state, parked.open_calls(tx, one.case_id))
        if ends:
            _require_asked_back(case.withdrawal)
            _withdraw(journal)
        journal.close(tx)
        parked.unmark(tx, one.case_id)
        return f"{one.work_id} is closed" + (", the case is withdrawn" if ends else "")

    # -- steps ------------------------------------------------------------------------------------------------

    def _able(self, name: str, wish: str) -> Parked:
        one = self.find(name)
        if wish not in one.may:
            may = ", ".join(one.may) or "be closed"
            raise BadSettings(f"{one.kind} {one.work_id} cannot be helped by {wish}: it may {may}")
        return one

    def _give_back(self, tx: Tx, one: Parked, stage: str, kind: EntryKind, doing: Doing, reason: str) -> None:
        if not parked.give_back(tx, one.work_id, stage=stage, patience=PATIENCE, note="taken from the shelf"):
            raise BadSettings(_FASTER)
        self._note(tx, one, kind, doing, reason)
        parked.unmark(tx, one.case_id)

    @staticmethod
    def _note(tx: Tx, one: Parked, kind: EntryKind, doing: Doing, reason: str) -> None:
        facts = _facts(one, doing, reason)
        if one.receipt_no:
            cases.note(tx, one.case_id, kind, now=doing.at, facts=facts, actor=doing.actor)
            return
        subject = f"work:{one.work_id}"
        trail.append_loose(tx, [EntryDraft(kind=kind, subject=subject, at=doing.at, actor=doing.actor, facts=facts)])

    def _parked(self, row: Mapping[str, Any], now: datetime) -> Parked:
        since = moment(row["ended_at"])
        return Parked(
            work_id=row["work_id"],
            receipt_no=row["receipt_no"] or "",
            case_id=row["case_id"],
            bank=row["bank"] or "",
            lane=row["lane"],
            kind=row["kind"],
            stage=row["stage"],
            item=row["item"] or "",
            department=row["department"] or "",
            case_state=row["case_state"] or "",
            withdrawal=row["withdrawal"] or "",
            since=since,
            age=max(timedelta(0), now - since),
            why=row["note"] or "",
            may=self._may(row),
        )

    def _may(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if row["kind"] != work.CALL:
            return ("retry",)
        backend = self._backends.get(row["lane"])
        if backend is None:
            return ()  # no department of ours any more: nothing can be sent or asked
        if row["claimed_at"] is None:  # parked before it ever left: a department that takes this from a person only
            return ("retry",) if backend.traits.withdraws else ()
        return ("retry", "re-ask")

    def _spoken(self, row: Mapping[str, Any], bank: str) -> Spoken:
        peer: Scrubs | None = self._backends.get(row["peer"]) or self._banks.get(bank)
        return Spoken(
            at=moment(row["started_at"]),
            request=_masked(peer, row["request"]),
            response=_masked(peer, row["response"]),
            **{n: row[n] or "" for n in ("exchange_id", "call_id", "peer", "direction", "purpose", "outcome")},
        )


_FASTER = "this is not parked any more: somebody was faster"
_FORGOTTEN = (
    "the case is open and nothing else works on it: closing this would leave it standing still. Ask the department"
    " again, send it again by two people, or let the bank withdraw it first"
)


def _typed(name: str) -> str:
    try:
        return read_number(name)
    except ValueError:
        return name.strip()


def _turned_down_stage(one: Parked) -> str:
    """SEND only where the department said itself that it took nothing, or nothing ever left; else ask first."""
    if one.stage == work.POLL:
        return work.POLL
    turned_down = one.stage == work.SENDING and one.why.startswith("Refused")
    return work.SEND if turned_down or one.stage == work.SEND else work.ASK


def _sendable(one: Parked) -> Parked:
    if "re-ask" not in one.may:
        raise BadSettings("only a parked call that a worker has carried can be sent again")
    return one


def _require_asked_back(withdrawal: str) -> None:
    if withdrawal != ASKED:
        raise BadSettings(_FORGOTTEN)


def _stands_still(state: CaseState, others: int) -> bool:
    return others == 0 and state not in DECIDED and state not in ENDED


def _withdraw(journal: Journal) -> None:
    try:
        steps = way(journal.case.state, CaseEvent.WITHDRAWN)
    except IllegalMove as error:
        raise BadSettings(str(error)) from error
    for event in steps:
        journal.event(event)
    journal.case = replace(journal.case, withdrawal=DONE)


def _facts(one: Parked, doing: Doing, reason: str) -> dict[str, str]:
    return {"work": one.work_id, "of": one.kind, **({"reason": as_fact(reason)} if reason else {}), **doing.facts}


def _masked(peer: Scrubs | None, raw: bytes) -> str:
    """First line without its query, then the body as its peer masks it; headers carry signatures and stay away."""
    head, cut, body = raw.partition(b"\r\n\r\n")
    if not (cut and raw.startswith(_HEADS)):
        head, body = b"", raw
    first = head.partition(b"\r\n")[0]
    line = first.split(b"?")[0] + (b"?***" if b"?" in first else b"")
    shown = b"" if not body else peer.scrub(body) if peer is not None else b"*** (%d bytes)" % len(body)
    return b"\n".join(part for part in (line, shown) if part).decode("utf-8", "replace")
