"""Rows of a recovery after a restore (rules.md 40): epochs, and calls that nobody may carry before they are compared.

Must not ask a department; ``dispatch.recovery`` does. What is known of epochs stands in ``version``: ``epoch`` and
``epoch_state``, for each later epoch ``epoch:N`` (the first position that may differ from what was told before the
restore) and ``epoch_at:N``, and ``ask_first`` (until when a first filing is asked about before it is sent).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from gateway.store import sequencer, work
from gateway.store.database import Tx, micros, moment

_FENCE = 100  # added to a work row's version: no process has handlers for it (rules.md 22)


class EpochState(IntEnum):
    """Where a database stands between a restore and its return to service."""

    SERVED = 0
    RESTORED = 1
    BEGUN = 2


@dataclass(frozen=True, slots=True)
class Gap:
    """One restore: what was told at or behind ``base`` before it may never have been, or have been otherwise."""

    epoch: int
    base: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Epochs:
    """The present epoch (1, 2 …) and every restore so far."""

    number: int
    gaps: tuple[Gap, ...]


def _number(tx: Tx, name: str, otherwise: int) -> int:
    found = tx.run("SELECT number FROM version WHERE name = :name", {"name": name}).scalar()
    return otherwise if found is None else int(found)


def _set(tx: Tx, name: str, number: int) -> None:
    tx.run(
        "INSERT INTO version (name, number) VALUES (:name, :number)"
        " ON CONFLICT (name) DO UPDATE SET number = excluded.number",
        {"name": name, "number": number},
    )


def state(tx: Tx) -> EpochState:
    """Whether this database serves, was restored, or is being recovered."""
    return EpochState(_number(tx, "epoch_state", EpochState.SERVED))


def set_state(tx: Tx, to: EpochState) -> None:
    """Note it; processes with doors or dispatch refuse to start unless it is ``SERVED``."""
    _set(tx, "epoch_state", to)


def epochs(tx: Tx) -> Epochs:
    """The present epoch and the gaps before it, oldest first."""
    found = tx.all("SELECT name, number FROM version WHERE name LIKE 'epoch%'")
    rows = {r["name"]: int(r["number"]) for r in found}
    number = rows.get("epoch", 1)
    return Epochs(
        number, tuple(Gap(n, rows[f"epoch:{n}"], moment(rows[f"epoch_at:{n}"])) for n in range(2, number + 1))
    )


def open_epoch(tx: Tx, *, at: datetime) -> int:
    """The next epoch begins behind everything the restored database had told; returns its number."""
    number = epochs(tx).number + 1
    _set(tx, "epoch", number)
    _set(tx, f"epoch:{number}", sequencer.placed(tx))
    _set(tx, f"epoch_at:{number}", micros(at))
    return number


def place_the_rest(tx: Tx) -> int:
    """Give every committed entry its position, whoever's transaction made it; returns how many.

    Transaction numbers of a server that the dump was restored into may be lower than those of the one it came from:
    all that is placed becomes older than any of its own. Nothing else writes while this runs.
    """
    placed = 0
    while fresh := sequencer.place(tx, settled=False):
        placed += fresh
    if tx.database.is_postgres:
        tx.run("UPDATE entry SET xid = '0'")
    return placed


def fence(tx: Tx) -> int:
    """Hold every open call until it was compared; returns how many.

    What the backup holds as unsent may have been sent afterwards, so each is asked about before anything is sent.
    """
    held = tx.run(
        f"UPDATE work SET version = version + {_FENCE}, owner = NULL, token = token + 1, failures = 0,"
        f" stage = CASE stage WHEN '{work.POLL}' THEN stage ELSE '{work.ASK}' END,"
        f" due_at = {tx.database.now_sql} WHERE kind = 'call' AND state = 'due' AND version < {_FENCE}",
        tx.database.now_params(),
    )
    return held.rowcount


def fenced(tx: Tx) -> Sequence[tuple[str, str]]:
    """Calls that are still to be compared: lane and work id, the oldest of each lane first."""
    found = tx.all(
        f"SELECT lane, work_id FROM work WHERE state = 'due' AND version >= {_FENCE} ORDER BY lane, created_at, work_id"
    )
    return [(r["lane"], r["work_id"]) for r in found]


def take(tx: Tx, work_id: str, *, owner: str, lease: timedelta) -> work.Claim | None:
    """Hold one fenced call to ask about it; none when it is not fenced any more."""
    found = tx.all(
        f"UPDATE work SET owner = :owner, token = token + 1, attempt = attempt + 1,"
        f" claimed_at = coalesce(claimed_at, {tx.database.now_sql}), due_at = {tx.database.now_sql} + :lease"
        f" WHERE work_id = :id AND state = 'due' AND version >= {_FENCE} RETURNING {work.CLAIMED}",
        {
            "owner": owner,
            "lease": lease // timedelta(microseconds=1),
            "id": work_id,
            **tx.database.now_params(),
        },
    )
    return work.read_claim(found[0]) if found else None


def settle(tx: Tx, claim: work.Claim) -> bool:
    """Let the call go its way if the department answered; False when it did not, and the call stays held."""
    row = tx.one("SELECT state, failures, unknown_finds FROM work WHERE work_id = :id", {"id": claim.work_id})
    silent = row["state"] == "due" and row["failures"] > claim.failures and row["unknown_finds"] <= claim.unknown_finds
    if not silent:
        release(tx, claim.work_id)
    return not silent


def release(tx: Tx, work_id: str = "") -> int:
    """Let one call go, or with "" all that are left: they are asked about before anything is sent, as their stage says.

    Returns how many.
    """
    one = " AND work_id = :id" if work_id else ""
    return tx.run(
        f"UPDATE work SET version = version - {_FENCE} WHERE version >= {_FENCE}{one}",
        {"id": work_id} if work_id else {},
    ).rowcount


def ask_first_until(tx: Tx) -> datetime:
    """Until then a filing is asked about before it is sent for the first time; long past when nothing was restored."""
    return moment(_number(tx, "ask_first", 0))


def set_ask_first(tx: Tx, until: datetime) -> None:
    """Banks file again what was lost, and the department may have it."""
    _set(tx, "ask_first", micros(until))
