"""Notices to banks: planned from the ordered events, told one by one and case by case (rules.md 21).

Must not decide what an event says nor where a client lives: events are told as they were recorded, to the enrolled and
proven address. A notice that cannot be told never stops the feed, nor another case.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases.picture import EVENT_PLACE, read_event
from gateway.contracts.bank import Bank, Client, Notice
from gateway.dispatch import limits
from gateway.dispatch.policy import LEASE_MARGIN, Jitter, notice_pause
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import FromPeer, GatewayError, LeaseLost
from gateway.domain.records import EntryDraft
from gateway.parties.directory import Directory
from gateway.parties.hearing import LANE_CAP, LANE_RATE, PULL_GAP
from gateway.parties.notify import DEADLINE, address_digest, lane_of, notify_url
from gateway.signing.vault import Vault
from gateway.store import cases, jobs, notices, sequencer, trail, work
from gateway.store.database import Database, Tx, moment
from gateway.wire.courier import Courier

_log = structlog.get_logger("dispatch.notices")
LEASE = timedelta(seconds=DEADLINE) + LEASE_MARGIN
GIVE_UP_AFTER = timedelta(hours=72)
_UNPROVEN_PAUSE = timedelta(hours=1)
_JOB = "notices"
_JOB_LEASE, _JOB_EVERY = timedelta(seconds=30), timedelta(milliseconds=200)
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Try:
    """What one try led to. ``why`` "" = the client has it."""

    notice_id: str
    event_no: int
    why: str
    exchange_id: str

    @property
    def ok(self) -> bool:
        """True when the client confirmed it."""
        return not self.why


class Notices:
    """Plans notices, and handles work rows of kind ``notice``."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        banks: Mapping[str, Bank],
        directory: Directory,
        courier: Courier,
        clock: Clock,
        owner: str,
        jitter: Jitter | None = None,
        observe: Callable[[str, str], None] = lambda _lane, _outcome: None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._banks = banks
        self._directory = directory
        self._courier = courier
        self._clock = clock
        self._owner = owner
        self._jitter = jitter or Jitter()
        self._observe = observe

    # -- planning ---------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Plan if it is time and this process's turn."""
        if jobs.take(self._database, _JOB, owner=self._owner, lease=_JOB_LEASE, every=_JOB_EVERY):
            self.plan()
            jobs.done(self._database, _JOB, owner=self._owner)

    def plan(self) -> int:
        """Turn newly ordered events into work for clients whose address is proven; returns how many events were seen.

        A client that is not proven yet hears of nothing that lies before its proof; the feed has it all.
        """
        seen = 0
        while True:
            with self._database.read() as look:
                start = notices.planned_up_to(look)
                end = sequencer.placed(look)
                found = [] if start is None else notices.placed_events(look, start, limit=_BATCH)
                proven = self._proven(look)
            if start is None:  # the first time: what is past stays past
                self._database.again(partial(notices.set_planned, position=end))
                return seen
            if not found:
                return seen
            self._plan_batch(found, proven)
            seen += len(found)

    def _proven(self, tx: Tx) -> set[str]:
        snapshot = self._directory()
        good = set()
        for client_id, proof in notices.proofs(tx).items():
            client = snapshot.by_id(client_id)
            if client is not None and proof.proven and proof.address_digest == address_digest(client):
                good.add(client_id)
        return good

    def _plan_batch(self, found: Any, proven: set[str]) -> None:
        wanted: dict[tuple[str, str], notices.Wanted] = {}
        for row in found:
            key = (row["case_id"], row["client_id"])
            if row["client_id"] in proven:
                first = wanted[key].first_no if key in wanted else row["event_no"]
                wanted[key] = notices.Wanted(*key, first_no=min(first, row["event_no"]), last_no=row["event_no"])
        for client_id in {w.client_id for w in wanted.values()}:
            work.Lanes.ensure(self._database, lane_of(client_id), cap=LANE_CAP, rate=LANE_RATE)

        def write(tx: Tx) -> None:
            now = self._clock.now()
            for _, one in sorted(wanted.items()):  # always in one order, so that two planners cannot lock crosswise
                notices.want(tx, self._vault, one, lane=lane_of(one.client_id), now=now)
            notices.set_planned(tx, found[-1]["position"] + 1)

        self._database.again(write)

    # -- telling ----------------------------------------------------------------------------------------------

    def handle(self, claim: work.Claim, *, started: float) -> None:
        """Tell the next event of one case, or send one test; record what came of it."""
        data = notices.read_payload(self._vault, claim)
        client = self._directory().by_id(data["client"])
        try:
            if client is None or client.status != "active" or not notify_url(client):
                note = "the client is blocked, gone or has no notify address"
                self._database.again(lambda tx: work.park(tx, claim, note=note))
            elif data.get("test"):
                tried = self.test(client, started=started, work_id=claim.work_id)
                self._database.again(lambda tx: work.done(tx, claim, note=tried.why or "delivered"))
            else:
                self._tell(claim, client, started)
        except LeaseLost:  # what was told once more is told twice at worst, and that is harmless
            _log.warning("notice.lease_lost", work_id=claim.work_id, token=claim.token)

    def _tell(self, claim: work.Claim, client: Client, started: float) -> None:
        with self._database.read() as tx:
            row = notices.next_event(tx, claim.case_id, client.client_id)
            proof = notices.proof(tx, client.client_id)
        if row is None or not row["data_key"] or row["event_sealed"] is None:  # nothing left, or lawfully erased
            self._database.again(lambda tx: self._rest(tx, claim, client, row))
            return
        event_no, recorded_at = int(row["event_no"]), moment(row["at"])
        if proof is None or not proof.proven or proof.address_digest != address_digest(client):
            note = "the notify address is not proven"
            self._database.again(lambda tx: self._put_off(tx, claim, note, recorded_at, _UNPROVEN_PAUSE))
            return
        place = EVENT_PLACE.format(case_id=claim.case_id, event_no=event_no)
        event = read_event(self._vault.unwrap(bytes(row["data_key"])).open(bytes(row["event_sealed"]), place))
        notice = Notice(
            notice_id=notice_id_of(client.client_id, claim.case_id, event_no),
            client=client,
            url=notify_url(client),
            event=event,
        )
        tried = self._try(notice, event_no, case_id=claim.case_id, work_id=claim.work_id, started=started)
        self._database.again(lambda tx: self._record(tx, claim, client, tried, recorded_at))

    def _try(self, notice: Notice, event_no: int, *, case_id: str, work_id: str, started: float) -> Try:
        client = notice.client
        exchange_id, why = "", ""
        try:
            line = self._courier.line(client.client_id, case_id=case_id, call_id=work_id, started=started)
            try:
                receipt = self._banks[client.bank].notify(notice, line)
                exchange_id = receipt.exchange_id
            finally:
                exchange_id = exchange_id or line.exchange_id
        except FromPeer as error:
            why = f"{type(error).__name__}: {error.text}"
        except GatewayError as error:  # an address or a key of ours that cannot be used
            why = f"{type(error).__name__}: {error}"
        except Exception as error:
            _log.exception("notice.peer_failed", client=client.client_id)
            why = f"our writer failed: {type(error).__name__}"
        self._observe(lane_of(client.client_id), why.partition(":")[0] or "delivered")
        return Try(notice.notice_id, event_no, as_fact(why), exchange_id)

    # -- recording --------------------------------------------------------------------------------------------

    def _record(self, tx: Tx, claim: work.Claim, client: Client, tried: Try, recorded_at: datetime) -> None:
        more = notices.told(tx, claim.case_id, client.client_id, tried.event_no) if tried.ok else True
        if not tried.ok:
            limits.failed(tx, claim.lane)
            parked = self._put_off(tx, claim, tried.why, recorded_at, notice_pause(claim.failures + 1, self._jitter))
            self._log(tx, claim.case_id, client, tried, "parked" if parked else "failed")
            if parked:
                facts = {"client": client.client_id, "event_no": str(tried.event_no), "why": tried.why}
                self._note(tx, claim, EntryKind.NOTICE_PARKED, facts)
            return
        if more:
            work.again(tx, claim, after=timedelta(0), stage=work.SEND, failures=0)
        else:
            work.done(tx, claim)
        work.Lanes.answered(tx, claim.lane)
        notices.pull(tx, client.client_id, lane=claim.lane, not_within=PULL_GAP)
        self._log(tx, claim.case_id, client, tried, "delivered")
        facts = {"client": client.client_id, "event_no": str(tried.event_no), "notice": tried.notice_id}
        self._note(tx, claim, EntryKind.NOTICE_DELIVERED, facts)

    def _put_off(self, tx: Tx, claim: work.Claim, why: str, recorded_at: datetime, pause: timedelta) -> bool:
        """Again after a pause, or to the shelf when the event is three days old; True when parked."""
        if self._clock.now() + pause > recorded_at + GIVE_UP_AFTER:
            work.park(tx, claim, note=why)
            _log.error("notice.parked", work_id=claim.work_id, case_id=claim.case_id, lane=claim.lane, why=why)
            return True
        work.again(tx, claim, after=pause, stage=work.SEND, failures=claim.failures + 1, note=why)
        return False

    def _rest(self, tx: Tx, claim: work.Claim, client: Client, row: Any) -> None:
        """Nothing to tell: done, unless an event was planned this very moment. An erased event counts as told."""
        event_no = int(row["event_no"]) if row is not None else 0
        if notices.told(tx, claim.case_id, client.client_id, event_no):
            pause = timedelta(0) if row is not None else _JOB_LEASE
            work.again(tx, claim, after=pause, stage=work.SEND, failures=0)
        else:
            work.done(tx, claim)

    def _log(self, tx: Tx, case_id: str, client: Client, tried: Try, outcome: str) -> None:
        notices.log(
            tx,
            client_id=client.client_id,
            case_id=case_id,
            event_no=tried.event_no,
            notice_id=tried.notice_id,
            at=self._clock.now(),
            outcome=outcome,
            why=tried.why,
            exchange_id=tried.exchange_id,
        )

    def _note(self, tx: Tx, claim: work.Claim, kind: EntryKind, facts: Mapping[str, str]) -> None:
        cases.note(tx, claim.case_id, kind, now=self._clock.now(), facts=facts, actor="system:notices")

    # -- proving ----------------------------------------------------------------------------------------------

    def test(self, client: Client, *, started: float | None = None, work_id: str = "") -> Try:
        """Send one test notice to the enrolled address; answered as agreed, the address is proven from now on."""
        now = self._clock.now()
        event = {"event_no": "0", "kind": "test", "at": stamp(now), "recorded_at": stamp(now)}
        notice = Notice(notice_id="NT" + secrets.token_hex(15), client=client, url=notify_url(client), event=event)
        begun = self._clock.monotonic() if started is None else started
        tried = self._try(notice, 0, case_id="", work_id=work_id, started=begun)
        self._database.again(lambda tx: self._record_test(tx, client, tried))
        return tried

    def _record_test(self, tx: Tx, client: Client, tried: Try) -> None:
        now, digest = self._clock.now(), address_digest(client)
        fresh = notices.note_test(tx, client.client_id, digest, at=now, ok=tried.ok)
        self._log(tx, "", client, tried, "delivered" if tried.ok else "failed")
        lane = lane_of(client.client_id)
        if tried.ok:
            notices.pull(tx, client.client_id, lane=lane, not_within=timedelta(0))
        else:
            limits.failed(tx, lane)
        if fresh:
            draft = EntryDraft(
                kind=EntryKind.ADDRESS_PROVEN,
                subject=f"client:{client.client_id}",
                at=now,
                actor="system:notices",
                facts={"notice": tried.notice_id},
                digests={"address": digest},
            )
            trail.append_loose(tx, [draft])


def notice_id_of(client_id: str, case_id: str, event_no: int) -> str:
    """The id of one event for one client: the same over all tries and resends, 32 characters."""
    return "N" + hashlib.sha256(f"{client_id}\n{case_id}\n{event_no}".encode()).hexdigest()[:31]
