"""What a caller of the JSON interface asked to be done once: bound to the caller, the key and the content, for ever.

Must not know what was asked. The answer is kept sealed so that a repeat hears the same; where it holds what must not
be kept (revealed personal data), only that it was done.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.signing.vault import Vault
from gateway.store.database import Database, Tx, micros

ANSWER_PLACE = "api_once:{who}:{key}:answer_sealed"
_GIVEN_UP_AFTER = 60_000_000  # microseconds; no request of ours runs that long: its process is gone


@dataclass(frozen=True, slots=True)
class Mine:
    """The caller's turn: do it now, then ``keep`` or ``let_go``. ``started`` is the fencing mark."""

    started: int


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. ``answer``: status and body, none when it was not kept."""

    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Running:
    """Another request with the key is being worked on."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key was used for another content."""


Turn = Mine | Done | Running | Reused


def begin(database: Database, vault: Vault, *, who: str, key: str, digest: str) -> Turn:
    """Take the turn of ``key`` for a content, or say how it stands. ``who``: the actor's stable label."""
    names = {"who": who, "key": key}

    def act(tx: Tx) -> Turn:
        now = micros(tx.now())
        made = tx.run(
            "INSERT INTO api_once (who, once_key, digest, started_at, status) VALUES (:who, :key, :digest, :now, 0)"
            " ON CONFLICT (who, once_key) DO NOTHING",
            {**names, "digest": digest, "now": now},
        )
        if made.rowcount == 1:
            return Mine(now)
        lock = " FOR UPDATE" if tx.database.is_postgres else ""
        row = tx.one(
            "SELECT digest, started_at, status, answer_sealed FROM api_once"
            " WHERE who = :who AND once_key = :key" + lock,
            names,
        )
        if row is None:  # let go between the two statements
            return Running()
        if row["digest"] != digest:
            return Reused()
        if row["status"]:
            sealed = row["answer_sealed"]
            return Done(row["status"], None if sealed is None else vault.open(bytes(sealed), _place(who, key)))
        if now - row["started_at"] < _GIVEN_UP_AFTER:
            return Running()
        tx.run("UPDATE api_once SET started_at = :now WHERE who = :who AND once_key = :key", {**names, "now": now})
        return Mine(now)

    return database.again(act)


def keep(database: Database, vault: Vault, mine: Mine, *, who: str, key: str, status: int, body: bytes | None) -> None:
    """Note that it was done, with its answer; without effect when the turn was taken over."""
    sealed = None if body is None else vault.seal(body, _place(who, key))
    database.again(
        lambda tx: tx.run(
            "UPDATE api_once SET status = :status, answer_sealed = :sealed"
            " WHERE who = :who AND once_key = :key AND started_at = :started AND status = 0",
            {"who": who, "key": key, "started": mine.started, "status": status, "sealed": sealed},
        )
    )


def let_go(database: Database, mine: Mine, *, who: str, key: str) -> None:
    """Nothing was done: the key is free again, also for another content."""
    database.again(
        lambda tx: tx.run(
            "DELETE FROM api_once WHERE who = :who AND once_key = :key AND started_at = :started AND status = 0",
            {"who": who, "key": key, "started": mine.started},
        )
    )


def _place(who: str, key: str) -> str:
    return ANSWER_PLACE.format(who=who, key=key)
