"""Cases as staff may see them: the actor's scope stands in every statement (rules.md 29).

Must not open anything sealed. Lists go by keyset over an index of their scope, so a page costs the same at any depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.actor import Actor, Role
from gateway.store.database import Tx

_COLUMNS = (
    "case_id, receipt_no, bank, bank_ref, item, item_version, department, backend, outlet, channel, received_at, state,"
    " since, event_no, due_on, due_kind, clock_alarm, withdrawal, department_ref, parked"
)
FILTERS = ("bank", "outlet", "department", "item", "state")


def scope(actor: Actor) -> tuple[str, dict[str, Any]]:
    """SQL and parameters of what an actor may see of ``cases``; what no rule grants is nothing."""
    if actor.sees_all_cases:
        return "1 = 1", {}
    if Role.TELLER in actor.roles and actor.bank and actor.outlets:
        names = {f"outlet_{n}": outlet for n, outlet in enumerate(sorted(actor.outlets))}
        places = ", ".join(f":{name}" for name in names)
        return f"bank = :own_bank AND outlet IN ({places})", {"own_bank": actor.bank, **names}
    if Role.BANK_IT in actor.roles and actor.bank:
        return "bank = :own_bank", {"own_bank": actor.bank}
    if Role.OFFICER in actor.roles and actor.department:
        return "department = :own_department", {"own_department": actor.department}
    return "1 = 0", {}


def listed(
    tx: Tx,
    actor: Actor,
    *,
    filters: Mapping[str, str],
    parked: bool = False,
    overdue: bool = False,
    before: tuple[int, str] | None = None,
    limit: int,
) -> Sequence[Any]:
    """Cases of the actor's scope, the newest first, behind a place (received_at in microseconds, case_id)."""
    where, params = scope(actor)
    for name in FILTERS:
        if filters.get(name):
            where += f" AND {name} = :f_{name}"
            params[f"f_{name}"] = filters[name]
    if parked:
        where += " AND parked = 1"
    if overdue:
        where += " AND due_on IS NOT NULL AND clock_alarm >= 2"
    if before is not None:
        where += " AND (received_at, case_id) < (:at, :id)"
        params |= {"at": before[0], "id": before[1]}
    return tx.all(
        f"SELECT {_COLUMNS} FROM cases WHERE {where} ORDER BY received_at DESC, case_id DESC LIMIT :limit",
        {**params, "limit": limit},
    )


def of_subject(tx: Tx, actor: Actor, subject_hash: str, *, limit: int) -> Sequence[Any]:
    """Cases of one applicant by the keyed hash of the document, inside the actor's scope; the newest first."""
    where, params = scope(actor)
    return tx.all(
        f"SELECT {_COLUMNS} FROM cases WHERE subject_hash = :hash AND {where}"
        " ORDER BY received_at DESC, case_id DESC LIMIT :limit",
        {**params, "hash": subject_hash, "limit": limit},
    )


def by_receipt(tx: Tx, actor: Actor, receipt_no: str) -> Any:
    """One case of the actor's scope; another's is none."""
    where, params = scope(actor)
    return tx.one(f"SELECT {_COLUMNS} FROM cases WHERE receipt_no = :no AND {where}", {**params, "no": receipt_no})
