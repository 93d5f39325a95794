"""The calls of one case among themselves: the filing, and the acts that follow it.

Must not claim or record calls; ``store.work`` does, and knows nothing of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.store import work
from gateway.store.database import Tx, micros


def cancel_unclaimed(tx: Tx, case_id: str, *, note: str) -> bool:
    """Cancel the case's calls if none was ever claimed: certainly nothing of it left the house (rules.md 24).

    Call before the case is locked: claims lock work first and the case second.
    """
    changed = tx.run(
        f"UPDATE work SET state = 'cancelled', ended_at = {tx.database.now_sql}, note = :note, token = token + 1"
        " WHERE case_id = :id AND kind = 'call' AND state = 'due' AND claimed_at IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM work o WHERE o.case_id = :id AND o.kind = 'call' AND o.claimed_at IS NOT NULL)",
        {"id": case_id, "note": note[:200], **tx.database.now_params()},
    )
    return changed.rowcount > 0


def extend_calls(tx: Tx, case_id: str, give_up_at: datetime) -> None:
    """Give the case's open calls patience until then: a new limit runs."""
    tx.run(
        "UPDATE work SET give_up_at = :until WHERE case_id = :id AND kind = 'call' AND state = 'due'"
        " AND give_up_at < :until",
        {"id": case_id, "until": micros(give_up_at)},
    )


def waiting(tx: Tx, claims: Sequence[work.Claim]) -> set[str]:
    """Those of the claimed calls before which another call of the same case stands that has not yet been taken by the
    department, as far as we know."""
    unsent = {f"i{n}": claim.work_id for n, claim in enumerate(claims) if claim.stage != work.POLL}
    if not unsent:
        return set()
    found = tx.run(
        "SELECT w.work_id FROM work w WHERE w.work_id IN (" + ", ".join(f":{name}" for name in unsent) + ")"
        " AND EXISTS (SELECT 1 FROM work o WHERE o.case_id = w.case_id AND o.kind = 'call' AND o.state = 'due'"
        f" AND o.stage <> '{work.POLL}' AND o.created_at < w.created_at)",
        unsent,
    )
    return {str(r[0]) for r in found}


def followed_otherwise(tx: Tx, claim: work.Claim) -> bool:
    """True when another call of the same case is asked about until the decision."""
    return (
        tx.run(
            "SELECT 1 FROM work WHERE case_id = :case_id AND kind = 'call' AND state = 'due' AND work_id <> :id"
            f" AND stage = '{work.POLL}'",
            {"case_id": claim.case_id, "id": claim.work_id},
        ).first()
        is not None
    )


def first_call(tx: Tx, case_id: str) -> str:
    """The id of the call a case was filed with, "" when there is none."""
    found = tx.one(
        "SELECT work_id FROM work WHERE case_id = :id AND kind = 'call' ORDER BY created_at, work_id LIMIT 1",
        {"id": case_id},
    )
    return found["work_id"] if found else ""
