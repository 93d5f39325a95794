"""Jobs that exactly one process runs at a time: a lease per name, taken over when its holder is gone."""

from __future__ import annotations

from datetime import timedelta

from gateway.store.database import Database, Tx


def take(database: Database, name: str, *, owner: str, lease: timedelta, every: timedelta) -> bool:
    """True when this process holds the job now and it is due again; its lease then runs."""
    now = database.now_sql
    params = {
        "name": name,
        "owner": owner,
        "lease": int(lease.total_seconds() * 1_000_000),
        "every": int(every.total_seconds() * 1_000_000),
        **database.now_params(),
    }
    with database.read() as look:
        due = look.run(
            f"SELECT 1 FROM job WHERE name = :name AND lease_until > {now}"
            f" AND (owner <> :owner OR done_at + :every > {now})",
            params,
        ).first()
    if due is not None:
        return False

    def act(tx: Tx) -> bool:
        tx.run(
            "INSERT INTO job (name, owner, lease_until, token, done_at) VALUES (:name, NULL, 0, 0, 0)"
            " ON CONFLICT (name) DO NOTHING",
            params,
        )
        return (
            tx.run(
                f"UPDATE job SET owner = :owner, lease_until = {now} + :lease, token = token + 1"
                f" WHERE name = :name AND (owner = :owner OR owner IS NULL OR lease_until <= {now})"
                f" AND done_at + :every <= {now}",
                params,
            ).rowcount
            == 1
        )

    return database.again(act)


def done(database: Database, name: str, *, owner: str) -> None:
    """Note that the job ran; the holder keeps its lease."""
    database.again(
        lambda tx: tx.run(
            f"UPDATE job SET done_at = {tx.database.now_sql} WHERE name = :name AND owner = :owner",
            {"name": name, "owner": owner, **tx.database.now_params()},
        )
    )


def release(database: Database, *, owner: str) -> None:
    """Give up every lease of this process, at a clean end."""
    database.again(lambda tx: tx.run("UPDATE job SET owner = NULL, lease_until = 0 WHERE owner = :o", {"o": owner}))
