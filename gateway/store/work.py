"""Work rows (the outbox): put in the case's own transaction, claimed with a lease and a fencing token.

Small and boring on purpose. Must not talk to peers and must not decide what an answer means. A leased row's
``due_at`` is the end of its lease, so a worker that dies simply lets it become due again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.errors import LeaseLost
from gateway.store.database import Database, Tx, micros, moment

CALL = "call"  # one BackendCall, from first sending to the decision
WORD = "word"  # one verified callback waiting to reach its case
NOTICE = "notice"  # what one client of a bank is still to be told of one case
ACT = "act"  # an approved act of people, to be carried out once
KINDS = frozenset({CALL, WORD, NOTICE, ACT})
INBOX = "inbox"  # the lane of words

# Stages of a call. A claim turns SEND into SENDING; a row found in SENDING was left by a worker that never
# recorded, its bytes may have left, so the next claim turns it into ASK.
SEND, SENDING, ASK, POLL = "send", "sending", "ask", "poll"
_TAKEN_OVER = "taken over"
CLAIMED = (  # what a claim is read from
    "work_id, kind, version, lane, case_id, stage, token, attempt, unknown_finds, failures, sent_at, give_up_at,"
    " created_at, payload_sealed, note"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One row held by this worker until ``lease_until`` (the database's clock)."""

    work_id: str
    kind: str
    version: int
    lane: str
    case_id: str
    stage: str
    token: int
    attempt: int
    unknown_finds: int
    failures: int
    sent_at: datetime | None
    give_up_at: datetime | None
    created_at: datetime
    payload_sealed: bytes
    taken_over: bool = False  # its last holder let the lease run out


@dataclass(frozen=True, slots=True)
class LaneState:
    """What a lane may do right now."""

    cap: int
    rate: int
    tokens: int
    refilled_at: int
    failures: int
    open_until: int
    probing_until: int


def row(
    *,
    work_id: str,
    kind: str,
    lane: str,
    case_id: str,
    payload_sealed: bytes,
    now: datetime,
    due_at: datetime | None = None,
    give_up_at: datetime | None = None,
    stage: str = SEND,
) -> dict[str, Any]:
    """The columns of a new work row."""
    return {
        "work_id": work_id,
        "kind": kind,
        "version": 1,
        "lane": lane,
        "case_id": case_id,
        "state": "due",
        "stage": stage,
        "due_at": micros(due_at or now),
        "give_up_at": micros(give_up_at) if give_up_at else None,
        "owner": None,
        "token": 0,
        "attempt": 0,
        "unknown_finds": 0,
        "sent_at": None,
        "failures": 0,
        "payload_sealed": payload_sealed,
        "note": None,
        "created_at": micros(now),
        "claimed_at": None,
        "ended_at": None,
    }


def put(tx: Tx, columns: dict[str, Any]) -> None:
    """Insert one work row."""
    names = ", ".join(columns)
    tx.run(f"INSERT INTO work ({names}) VALUES ({', '.join(':' + n for n in columns)})", columns)


def put_once(tx: Tx, columns: dict[str, Any]) -> bool:
    """Insert one work row; False when its id is taken. For ids made of a bank's own reference."""
    names = ", ".join(columns)
    added = tx.run(
        f"INSERT INTO work ({names}) VALUES ({', '.join(':' + n for n in columns)}) ON CONFLICT (work_id) DO NOTHING",
        columns,
    )
    return added.rowcount == 1


def ready_lanes(tx: Tx) -> list[str]:
    """Lanes that have a due row, and neither a breaker nor a closure that holds them; a cheap look before any lock."""
    now = tx.database.now_sql
    found = tx.run(
        f"SELECT l.lane FROM lane l WHERE (l.open_until IS NULL OR l.open_until <= {now})"
        f" AND NOT EXISTS (SELECT 1 FROM closure c WHERE c.lane = l.lane AND c.from_at <= {now} AND c.until_at > {now})"
        f" AND EXISTS (SELECT 1 FROM work w WHERE w.lane = l.lane AND w.state = 'due' AND w.due_at <= {now})",
        tx.database.now_params(),
    )
    return [r[0] for r in found]


def lock_lane(tx: Tx, lane: str) -> LaneState | None:
    """The lane's row, locked; none when the lane was never set up."""
    return _lane(tx, lane, " FOR UPDATE" if tx.database.is_postgres else "")


def look_at_lane(tx: Tx, lane: str) -> LaneState | None:
    """The lane's row as it stands, unlocked."""
    return _lane(tx, lane, "")


def _lane(tx: Tx, lane: str, suffix: str) -> LaneState | None:
    r = tx.one("SELECT * FROM lane WHERE lane = :lane" + suffix, {"lane": lane})
    if r is None:
        return None
    return LaneState(
        cap=r["cap"],
        rate=r["rate"],
        tokens=r["tokens"],
        refilled_at=r["refilled_at"],
        failures=r["failures"],
        open_until=r["open_until"] or 0,
        probing_until=r["probing_until"] or 0,
    )


def live(tx: Tx, lane: str) -> int:
    """Leases of this lane that are still running, over all processes."""
    now = tx.database.now_sql
    return int(
        tx.run(
            f"SELECT count(*) FROM work WHERE state = 'due' AND owner IS NOT NULL AND lane = :lane AND due_at > {now}",
            {"lane": lane, **tx.database.now_params()},
        ).scalar_one()
    )


def claim(
    tx: Tx, lane: str, *, owner: str, lease: timedelta, limit: int, kinds: Sequence[str], version: int = 1
) -> list[Claim]:
    """Take up to ``limit`` due rows of a lane for ``lease``; commit before talking to anyone.

    Only kinds and payload versions this process has handlers for (rules.md 22).
    """
    now = tx.database.now_sql
    # PostgreSQL may run a plain IN subquery once per row, each time with the whole limit: 50 claimed for 3 (seen).
    chosen, skip = ("= ANY(ARRAY(%s))", " FOR UPDATE SKIP LOCKED") if tx.database.is_postgres else ("IN (%s)", "")
    names = ", ".join(f"'{k}'" for k in sorted(kinds) if k.isalpha())
    found = tx.all(
        f"UPDATE work SET owner = :owner, token = token + 1, attempt = attempt + 1, due_at = {now} + :lease,"
        f" claimed_at = coalesce(claimed_at, {now}),"
        f" sent_at = CASE stage WHEN '{SEND}' THEN {now} ELSE sent_at END,"
        f" stage = CASE stage WHEN '{SEND}' THEN '{SENDING}' WHEN '{SENDING}' THEN '{ASK}' ELSE stage END,"
        f" note = CASE WHEN owner IS NULL THEN note ELSE '{_TAKEN_OVER}' END WHERE work_id "
        + chosen
        % (
            "SELECT work_id FROM work WHERE lane = :lane AND state = 'due'"
            f" AND due_at <= {now} AND kind IN ({names}) AND version <= :version"
            f" ORDER BY due_at, work_id LIMIT :limit{skip}"
        )
        + f" RETURNING {CLAIMED}",
        {
            "owner": owner,
            "lease": int(lease.total_seconds() * 1_000_000),
            "lane": lane,
            "limit": limit,
            "version": version,
            **tx.database.now_params(),
        },
    )
    return [read_claim(r) for r in found]


def done(tx: Tx, claim: Claim, *, note: str = "") -> None:
    """The row is finished. Raises ``LeaseLost`` when another worker holds it now."""
    _record(tx, claim, state="done", note=note)


def park(tx: Tx, claim: Claim, *, note: str) -> None:
    """The row goes to the shelf: a person must look. Raises ``LeaseLost``."""
    _record(tx, claim, state="parked", note=note)


def again(
    tx: Tx,
    claim: Claim,
    *,
    after: timedelta,
    stage: str,
    failures: int,
    unknown_finds: int = 0,
    note: str = "",
) -> None:
    """The row is due again after a pause, at this stage. Raises ``LeaseLost``."""
    now = tx.database.now_sql
    changed = tx.run(
        f"UPDATE work SET owner = NULL, due_at = {now} + :after, stage = :stage, failures = :failures,"
        " unknown_finds = :finds, note = :note WHERE work_id = :id AND token = :token AND state = 'due'",
        {
            "after": int(after.total_seconds() * 1_000_000),
            "stage": stage,
            "failures": failures,
            "finds": unknown_finds,
            "note": note[:200],
            "id": claim.work_id,
            "token": claim.token,
            **tx.database.now_params(),
        },
    ).rowcount
    if changed != 1:
        raise LeaseLost(claim.work_id)


def close_call(tx: Tx, case_id: str, *, note: str) -> None:
    """End the case's filing whoever holds it: the decision came another way. Its holder will find its lease lost.

    Acts on the case stay: promised papers are owed after a grant too, and each finds out for itself.
    """
    tx.run(
        f"UPDATE work SET state = 'done', owner = NULL, ended_at = {tx.database.now_sql}, note = :note,"
        " token = token + 1 WHERE kind = 'call' AND state = 'due' AND work_id = (SELECT work_id FROM work"
        " WHERE case_id = :id AND kind = 'call' ORDER BY created_at, work_id LIMIT 1)",
        {"id": case_id, "note": note[:200], **tx.database.now_params()},
    )


def call_of(tx: Tx, lane: str, call_id: str) -> str:
    """The case a call sent to this back-end belongs to, "" when there is none (rules.md 25)."""
    found = tx.one(
        "SELECT case_id FROM work WHERE work_id = :id AND lane = :lane AND kind = 'call'", {"id": call_id, "lane": lane}
    )
    return found["case_id"] if found else ""


def counts(tx: Tx) -> list[Any]:
    """Rows by lane, kind and state, with the oldest due time: for metrics, doctor and drains."""
    return list(
        tx.all(
            "SELECT lane, kind, state, count(*) AS n, min(due_at) AS oldest FROM work"
            " WHERE state IN ('due', 'parked') GROUP BY lane, kind, state"
        )
    )


def _record(tx: Tx, claim: Claim, *, state: str, note: str) -> None:
    changed = tx.run(
        f"UPDATE work SET state = :state, owner = NULL, ended_at = {tx.database.now_sql}, note = :note"
        " WHERE work_id = :id AND token = :token AND state = 'due'",
        {"state": state, "note": note[:200], "id": claim.work_id, "token": claim.token, **tx.database.now_params()},
    ).rowcount
    if changed != 1:
        raise LeaseLost(claim.work_id)


def read_claim(r: Any) -> Claim:
    """A claim from the columns ``CLAIMED``."""
    return Claim(
        work_id=r["work_id"],
        kind=r["kind"],
        version=r["version"],
        lane=r["lane"],
        case_id=r["case_id"],
        stage=r["stage"],
        token=r["token"],
        attempt=r["attempt"],
        unknown_finds=r["unknown_finds"],
        failures=r["failures"],
        sent_at=moment(r["sent_at"]) if r["sent_at"] else None,
        give_up_at=moment(r["give_up_at"]) if r["give_up_at"] else None,
        created_at=moment(r["created_at"]),
        payload_sealed=bytes(r["payload_sealed"]),
        taken_over=r["note"] == _TAKEN_OVER,
    )


class Lanes:
    """Breaker and bucket columns of the lane rows; the numbers come from dispatch's policy."""

    @staticmethod
    def ensure(database: Database, lane: str, *, cap: int, rate: int) -> None:
        """Make the lane's row, or bring its cap and rate up to date."""
        database.again(
            lambda tx: tx.run(
                "INSERT INTO lane (lane, cap, rate, tokens, refilled_at, failures) VALUES (:lane, :cap, :rate, 0, 0, 0)"
                " ON CONFLICT (lane) DO UPDATE SET cap = excluded.cap, rate = excluded.rate",
                {"lane": lane, "cap": cap, "rate": rate},
            )
        )

    @staticmethod
    def take_tokens(tx: Tx, lane: str, *, tokens: int, refilled_at: int) -> None:
        """Write back the bucket after a claim."""
        tx.run(
            "UPDATE lane SET tokens = :tokens, refilled_at = :at WHERE lane = :lane",
            {"tokens": tokens, "at": refilled_at, "lane": lane},
        )

    @staticmethod
    def probing(tx: Tx, lane: str, until: timedelta) -> None:
        """Half-open: one probe is on its way until then."""
        tx.run(
            f"UPDATE lane SET probing_until = {tx.database.now_sql} + :until WHERE lane = :lane",
            {"until": int(until.total_seconds() * 1_000_000), "lane": lane, **tx.database.now_params()},
        )

    @staticmethod
    def answered(tx: Tx, lane: str) -> None:
        """The peer answered: the breaker closes."""
        tx.run(
            "UPDATE lane SET failures = 0, open_until = NULL, probing_until = NULL"
            " WHERE lane = :lane AND (failures > 0 OR open_until IS NOT NULL)",
            {"lane": lane},
        )

    @staticmethod
    def failed(tx: Tx, lane: str, *, failures: int, open_for: timedelta) -> None:
        """One more failure in a row; a positive ``open_for`` holds the lane that long."""
        opened = open_for > timedelta(0)
        tx.run(
            "UPDATE lane SET failures = :failures, probing_until = NULL"
            + (f", open_until = {tx.database.now_sql} + :open" if opened else "")
            + " WHERE lane = :lane",
            {
                "failures": failures,
                "lane": lane,
                **({"open": int(open_for.total_seconds() * 1_000_000), **tx.database.now_params()} if opened else {}),
            },
        )
