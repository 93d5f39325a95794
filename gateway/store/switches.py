"""What is switched off and which department's system is closed when, as rows; a version number tells every process.

Must not know what an item or an outlet is. "" in a switch means every one: (item, "", "") is an item everywhere,
("", outlet, "") a whole outlet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.store.database import Tx, micros, moment

_VERSION = "switches"


@dataclass(frozen=True, slots=True)
class Off:
    """One thing that takes no new submissions; ``say`` is what the counter reads, ``reason`` stays in the house."""

    item: str
    outlet: str
    bank: str
    from_at: datetime
    until_at: datetime | None
    say: str
    reason: str

    def holds(self, at: datetime) -> bool:
        """True while it is off."""
        return self.from_at <= at and (self.until_at is None or at < self.until_at)


@dataclass(frozen=True, slots=True)
class Closure:
    """A planned time in which nothing is sent to a department's system."""

    closure_id: str
    lane: str
    from_at: datetime
    until_at: datetime
    say: str
    reason: str

    def holds(self, at: datetime) -> bool:
        """True while it is closed."""
        return self.from_at <= at < self.until_at


NOT_OFF = (
    "NOT EXISTS (SELECT 1 FROM switch_off s WHERE s.item IN ('', {item}) AND s.outlet IN ('', {outlet})"
    " AND s.bank IN ('', {bank}) AND s.from_at <= {now} AND (s.until_at IS NULL OR s.until_at > {now}))"
)
"""For a statement that files a case: a switch holds from its commit on, whatever a snapshot still says."""


def version(tx: Tx) -> int:
    """Rises with every change of switches and closures."""
    return int(tx.run("SELECT number FROM version WHERE name = :n", {"n": _VERSION}).scalar() or 0)


def _raise_version(tx: Tx) -> None:
    tx.run(
        "INSERT INTO version (name, number) VALUES (:n, 1)"
        " ON CONFLICT (name) DO UPDATE SET number = version.number + 1",
        {"n": _VERSION},
    )


def put_off(tx: Tx, off: Off, *, now: datetime) -> None:
    """Switch off, or change what was off already."""
    tx.run(
        "INSERT INTO switch_off (item, outlet, bank, from_at, until_at, say, reason, set_at)"
        " VALUES (:item, :outlet, :bank, :from_at, :until_at, :say, :reason, :now)"
        " ON CONFLICT (item, outlet, bank) DO UPDATE SET from_at = excluded.from_at, until_at = excluded.until_at,"
        " say = excluded.say, reason = excluded.reason, set_at = excluded.set_at",
        {
            "item": off.item,
            "outlet": off.outlet,
            "bank": off.bank,
            "from_at": micros(off.from_at),
            "until_at": micros(off.until_at) if off.until_at else None,
            "say": off.say,
            "reason": off.reason,
            "now": micros(now),
        },
    )
    _raise_version(tx)


def take_on(tx: Tx, item: str, outlet: str, bank: str) -> bool:
    """Switch on again. False = it was not off."""
    gone = tx.run(
        "DELETE FROM switch_off WHERE item = :i AND outlet = :o AND bank = :b", {"i": item, "o": outlet, "b": bank}
    ).rowcount
    _raise_version(tx)
    return gone == 1


def all_off(tx: Tx) -> list[Off]:
    """Every switch there is, also those whose time is over or still to come."""
    return [
        Off(
            item=r["item"],
            outlet=r["outlet"],
            bank=r["bank"],
            from_at=moment(r["from_at"]),
            until_at=moment(r["until_at"]) if r["until_at"] is not None else None,
            say=r["say"],
            reason=r["reason"],
        )
        for r in tx.all("SELECT * FROM switch_off ORDER BY item, outlet, bank")
    ]


def put_closure(tx: Tx, closure: Closure, *, now: datetime) -> None:
    """Plan a closure."""
    tx.run(
        "INSERT INTO closure (closure_id, lane, from_at, until_at, say, reason, set_at)"
        " VALUES (:id, :lane, :from_at, :until_at, :say, :reason, :now)",
        {
            "id": closure.closure_id,
            "lane": closure.lane,
            "from_at": micros(closure.from_at),
            "until_at": micros(closure.until_at),
            "say": closure.say,
            "reason": closure.reason,
            "now": micros(now),
        },
    )
    _raise_version(tx)


def end_closure(tx: Tx, closure_id: str, *, now: datetime) -> bool:
    """End a closure that runs, or take back one that is to come. False = there is none that is not over."""
    params = {"id": closure_id, "now": micros(now)}
    changed = tx.run("DELETE FROM closure WHERE closure_id = :id AND from_at > :now", params).rowcount
    changed += tx.run(
        "UPDATE closure SET until_at = :now WHERE closure_id = :id AND from_at <= :now AND until_at > :now", params
    ).rowcount
    _raise_version(tx)
    return changed == 1


def closures(tx: Tx, *, not_over_before: datetime) -> list[Closure]:
    """Closures that run or are to come, the first to come first."""
    return _closures(
        tx.all(
            "SELECT * FROM closure WHERE until_at > :at ORDER BY from_at, closure_id", {"at": micros(not_over_before)}
        )
    )


def lane_closure(tx: Tx, lane: str, *, ended_within: timedelta) -> tuple[bool, timedelta | None]:
    """Whether the lane is closed now, and how long ago its last closure ended, none when longer than asked.

    By the same clock as leases.
    """
    now = tx.database.now_sql
    row = tx.one(
        f"SELECT until_at, {now} AS present FROM closure WHERE lane = :lane AND from_at <= {now}"
        f" AND until_at > {now} - :within ORDER BY until_at DESC LIMIT 1",
        {"lane": lane, "within": int(ended_within.total_seconds() * 1_000_000), **tx.database.now_params()},
    )
    if row is None:
        return False, None
    since = int(row["present"]) - row["until_at"]
    return since < 0, None if since < 0 else timedelta(microseconds=since)


def _closures(found: Sequence[dict[str, object]]) -> list[Closure]:
    return [
        Closure(
            closure_id=str(r["closure_id"]),
            lane=str(r["lane"]),
            from_at=moment(int(str(r["from_at"]))),
            until_at=moment(int(str(r["until_at"]))),
            say=str(r["say"]),
            reason=str(r["reason"]),
        )
        for r in found
    ]
