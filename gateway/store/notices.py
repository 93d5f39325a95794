"""Rows of notices to banks: how far each client was told of each case, proven addresses, the log of tries.

Must not send or decide when. A notice row is locked before its work row, by planner and worker alike, so that an event
that is planned while an earlier one is being told is never lost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.signing.vault import Vault
from gateway.store import work
from gateway.store.database import Tx, micros, moment, new_id

_PLANNED = "notices"  # row of ``version``: positions below it are planned
_PLACE = "work:{work_id}:notice_sealed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Events of one case that one client is to hear of: the first and the last that are new."""

    case_id: str
    client_id: str
    first_no: int
    last_no: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Which address of a client was tested last, and whether it answered as agreed."""

    address_digest: str
    proven: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """One try of one notice, as it was logged."""

    event_no: int
    notice_id: str
    at: datetime
    outcome: str  # delivered | failed | parked
    why: str
    exchange_id: str


# -- planning -----------------------------------------------------------------------------------------------------


def planned_up_to(tx: Tx) -> int | None:
    """Positions below this one are planned; none before the first time."""
    found = tx.run("SELECT number FROM version WHERE name = :name", {"name": _PLANNED}).scalar()
    return None if found is None else int(found)


def set_planned(tx: Tx, position: int) -> None:
    """Move on; never back."""
    tx.run(
        "INSERT INTO version (name, number) VALUES (:name, :number) ON CONFLICT (name) DO UPDATE SET number ="
        " CASE WHEN excluded.number > version.number THEN excluded.number ELSE version.number END",
        {"name": _PLANNED, "number": position},
    )


def placed_events(tx: Tx, start: int, *, limit: int) -> Sequence[Any]:
    """Public events from a position on, in order: position, case_id, event_no, client_id (who filed the case)."""
    return tx.all(
        "SELECT p.position, e.case_id, e.event_no, c.client_id FROM position p JOIN entry e ON e.row_id = p.row_id"
        " JOIN cases c ON c.case_id = e.case_id WHERE p.bank IS NOT NULL AND p.position >= :start"
        " ORDER BY p.position LIMIT :limit",
        {"start": start, "limit": limit},
    )


def want(tx: Tx, vault: Vault, wanted: Wanted, *, lane: str, now: datetime) -> None:
    """Let the client's one row of this case tell up to ``last_no``; made on first need, woken when it rested.

    A parked row gets one more chance with every new event.
    """
    work_id = new_id()
    row = tx.one(
        "INSERT INTO notice (case_id, client_id, work_id, sent_no, wanted_no)"
        " VALUES (:case_id, :client_id, :work_id, :sent, :last) ON CONFLICT (case_id, client_id) DO UPDATE SET"
        " wanted_no = CASE WHEN excluded.wanted_no > notice.wanted_no THEN excluded.wanted_no ELSE notice.wanted_no END"
        " RETURNING work_id, sent_no, wanted_no",
        {
            "case_id": wanted.case_id,
            "client_id": wanted.client_id,
            "work_id": work_id,
            "sent": wanted.first_no - 1,
            "last": wanted.last_no,
        },
    )
    if row["work_id"] == work_id:
        work.put(tx, _row(vault, work_id, lane, case_id=wanted.case_id, now=now, client=wanted.client_id))
    elif row["sent_no"] < row["wanted_no"]:
        _wake(tx, row["work_id"], ("done", "parked"))


def _wake(tx: Tx, work_id: str, states: tuple[str, ...]) -> int:
    names = ", ".join(f"'{s}'" for s in states)
    return tx.run(
        f"UPDATE work SET state = 'due', due_at = {tx.database.now_sql}, owner = NULL, failures = 0, ended_at = NULL,"
        f" stage = 'send', note = NULL WHERE work_id = :id AND state IN ({names}) AND owner IS NULL",
        {"id": work_id, **tx.database.now_params()},
    ).rowcount


def _row(vault: Vault, work_id: str, lane: str, *, case_id: str, now: datetime, **payload: Any) -> dict[str, Any]:
    return work.row(
        work_id=work_id,
        kind=work.NOTICE,
        lane=lane,
        case_id=case_id,
        payload_sealed=vault.seal(json.dumps(payload).encode(), _PLACE.format(work_id=work_id)),
        now=now,
    )


def read_payload(vault: Vault, claim: work.Claim) -> dict[str, Any]:
    """Whom the row tells, and whether it is a test."""
    data: dict[str, Any] = json.loads(vault.open(claim.payload_sealed, _PLACE.format(work_id=claim.work_id)))
    return data


# -- telling ------------------------------------------------------------------------------------------------------


def next_event(tx: Tx, case_id: str, client_id: str) -> Any:
    """The next unsent event: event_no, event_sealed, data_key, at; none when all were told."""
    return tx.one(
        "SELECT e.event_no, e.event_sealed, e.at, c.data_key FROM notice n JOIN cases c ON c.case_id = n.case_id"
        " JOIN entry e ON e.case_id = n.case_id AND e.event_no = n.sent_no + 1"
        " WHERE n.case_id = :case_id AND n.client_id = :client_id AND n.sent_no < n.wanted_no",
        {"case_id": case_id, "client_id": client_id},
    )


def told(tx: Tx, case_id: str, client_id: str, event_no: int) -> bool:
    """Note that the client has this event; True when there is another one to tell. Locks the row."""
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    key = {"case_id": case_id, "client_id": client_id}
    row = tx.one(
        "SELECT sent_no, wanted_no FROM notice WHERE case_id = :case_id AND client_id = :client_id" + suffix, key
    )
    if row is None:
        return False
    sent = event_no if event_no == row["sent_no"] + 1 else row["sent_no"]  # a resend by hand may have set it back
    tx.run(
        "UPDATE notice SET sent_no = :sent WHERE case_id = :case_id AND client_id = :client_id", {**key, "sent": sent}
    )
    return bool(sent < row["wanted_no"])


def log(
    tx: Tx,
    *,
    client_id: str,
    case_id: str,
    event_no: int,
    notice_id: str,
    at: datetime,
    outcome: str,
    why: str,
    exchange_id: str,
) -> None:
    """One try: what came of it, and the exchange that holds its bytes."""
    tx.run(
        "INSERT INTO notice_log (client_id, case_id, event_no, notice_id, at, outcome, why, exchange_id)"
        " VALUES (:client_id, :case_id, :event_no, :notice_id, :at, :outcome, :why, :exchange_id)",
        {
            "client_id": client_id,
            "case_id": case_id,
            "event_no": event_no,
            "notice_id": notice_id,
            "at": micros(at),
            "outcome": outcome,
            "why": why[:200],
            "exchange_id": exchange_id,
        },
    )


# -- addresses and pulling ----------------------------------------------------------------------------------------


def proof(tx: Tx, client_id: str) -> Proof | None:
    """What the last test of this client's address showed, none before the first one."""
    row = tx.one("SELECT address_digest, proven_at FROM notice_client WHERE client_id = :id", {"id": client_id})
    return None if row is None else Proof(row["address_digest"], row["proven_at"] is not None)


def proofs(tx: Tx) -> dict[str, Proof]:
    """Every client that was tested."""
    rows = tx.all("SELECT client_id, address_digest, proven_at FROM notice_client")
    return {r["client_id"]: Proof(r["address_digest"], r["proven_at"] is not None) for r in rows}


def note_test(tx: Tx, client_id: str, address_digest: str, *, at: datetime, ok: bool) -> bool:
    """Keep what a test showed; True when the address is proven now and was not before.

    A failed test takes nothing from an address that was proven once; another address begins unproven.
    """
    before = proof(tx, client_id)
    stood = before is not None and before.proven and before.address_digest == address_digest
    tx.run(
        "INSERT INTO notice_client (client_id, address_digest, tested_at, proven_at, pulled_at)"
        " VALUES (:id, :digest, :at, :proven, 0) ON CONFLICT (client_id) DO UPDATE SET"
        " address_digest = excluded.address_digest, tested_at = excluded.tested_at, proven_at = CASE"
        " WHEN excluded.proven_at IS NULL AND notice_client.address_digest = excluded.address_digest"
        " THEN notice_client.proven_at ELSE excluded.proven_at END",
        {"id": client_id, "digest": address_digest, "at": micros(at), "proven": micros(at) if ok else None},
    )
    return ok and not stood


def ask_test(tx: Tx, vault: Vault, client_id: str, *, lane: str, now: datetime) -> bool:
    """Put one test notice; False when one is waiting already."""
    waiting = tx.run(
        "SELECT 1 FROM work WHERE lane = :lane AND kind = 'notice' AND case_id = '' AND state = 'due'", {"lane": lane}
    ).first()
    if waiting is not None:
        return False
    work.put(tx, _row(vault, new_id(), lane, case_id="", now=now, client=client_id, test=True))
    return True


def pull(tx: Tx, client_id: str, *, lane: str, not_within: timedelta) -> int:
    """The client is there: its waiting notices are due now, unless that was done a moment ago. Returns how many."""
    now = tx.database.now_sql
    params = {
        "id": client_id,
        "lane": lane,
        "gap": int(not_within.total_seconds() * 1_000_000),
        **tx.database.now_params(),
    }
    turn = tx.run(
        f"UPDATE notice_client SET pulled_at = {now} WHERE client_id = :id AND pulled_at + :gap <= {now}", params
    ).rowcount
    if turn != 1:
        return 0
    work.Lanes.answered(tx, lane)  # a breaker that is open would hold what is pulled
    return tx.run(
        f"UPDATE work SET due_at = {now} WHERE lane = :lane AND kind = 'notice' AND state = 'due' AND owner IS NULL"
        f" AND due_at > {now}",
        params,
    ).rowcount


# -- for people ---------------------------------------------------------------------------------------------------


def open_rows(tx: Tx, *, limit: int = 200) -> list[Any]:
    """What is not told yet, the parked first: whose, of which case, up to which event, and why the last try failed."""
    return list(
        tx.all(
            "SELECT n.client_id, c.receipt_no, n.sent_no, n.wanted_no, w.state, w.failures, w.due_at, w.note,"
            " (SELECT l.why FROM notice_log l WHERE l.case_id = n.case_id AND l.client_id = n.client_id"
            " ORDER BY l.log_id DESC LIMIT 1) AS why"
            " FROM notice n JOIN work w ON w.work_id = n.work_id JOIN cases c ON c.case_id = n.case_id"
            " WHERE n.sent_no < n.wanted_no ORDER BY CASE w.state WHEN 'parked' THEN 0 ELSE 1 END, w.due_at"
            " LIMIT :limit",
            {"limit": limit},
        )
    )


def tries(tx: Tx, case_id: str) -> list[Tried]:
    """Every try of a case ("" = of tests), oldest first."""
    rows = tx.all("SELECT * FROM notice_log WHERE case_id = :id ORDER BY log_id", {"id": case_id})
    return [
        Tried(r["event_no"], r["notice_id"], moment(r["at"]), r["outcome"], r["why"], r["exchange_id"]) for r in rows
    ]


def resend(tx: Tx, *, client_id: str = "", case_id: str = "", from_no: int = 0) -> int:
    """Tell again what waits or is parked, of a client or of a case, now; with ``from_no`` again from that event on.

    Returns how many rows are due. A row that a worker holds at this moment is left to it.
    """
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    where = [f"{name} = :{name}" for name, value in (("client_id", client_id), ("case_id", case_id)) if value]
    key = {"client_id": client_id, "case_id": case_id}
    rows = tx.all(
        "SELECT case_id, client_id, work_id, sent_no, wanted_no FROM notice WHERE "
        + (" AND ".join(where) or "sent_no < wanted_no")
        + suffix,
        {name: value for name, value in key.items() if value},
    )
    woken = 0
    for row in rows:
        back = from_no - 1 if 0 < from_no <= row["sent_no"] else row["sent_no"]
        if back >= row["wanted_no"] or not _wake(tx, row["work_id"], ("due", "parked", "done")):
            continue
        woken += 1
        if back != row["sent_no"]:
            tx.run(
                "UPDATE notice SET sent_no = :no WHERE case_id = :case_id AND client_id = :client_id",
                {"no": back, "case_id": row["case_id"], "client_id": row["client_id"]},
            )
    return woken
