"""From a case to the call its department will get: translated once, sealed, frozen (rules.md 19).

Must not send. The call id is the work row's id, so what the department sees is what we can be asked about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.catalogue.item import Item
from gateway.catalogue.route import translate
from gateway.contracts.backend import SUPPLEMENT, WITHDRAW
from gateway.domain.calls import BackendCall
from gateway.signing.vault import DataKey
from gateway.store import work

PAYLOAD_PLACE = "work:{work_id}:payload_sealed"


@dataclass(frozen=True, slots=True)
class Handoff:
    """The frozen call of one case, before it has a row."""

    operation: str
    content: Mapping[str, Any]
    common: Mapping[str, Any]


def hand_off(item: Item, *, common: Mapping[str, Any], form: Mapping[str, Any]) -> Handoff:
    """Translate by the item's route; ``common`` is what every department's envelope may draw on."""
    operation, content = translate(
        item, {"form": form, "applicant": common["applicant"], "case": {k: v for k, v in common.items() if v != ""}}
    )
    return Handoff(operation=operation, content=content, common=common)


def call_row(
    handoff: Handoff, *, call_id: str, case_id: str, item: Item, key: DataKey, now: datetime, give_up_at: datetime
) -> dict[str, Any]:
    """The work row that will carry the call, in the case's own transaction."""
    raw = _frozen(handoff)
    return work.row(
        work_id=call_id,
        kind=work.CALL,
        lane=item.backend,
        case_id=case_id,
        payload_sealed=key.seal(raw, PAYLOAD_PLACE.format(work_id=call_id)),
        now=now,
        give_up_at=give_up_at,
    )


def _frozen(handoff: Handoff) -> bytes:
    return json.dumps(
        {"operation": handoff.operation, "content": handoff.content, "common": handoff.common},
        ensure_ascii=False,
        sort_keys=True,
    ).encode()


def call_id_of(bank: str, bank_ref: str) -> str:
    """The call id of a changing operation, made of the bank's own reference: its day, then 96 bits of a digest.

    It is the key of the operation's work row, so that two operations with one reference meet at that key whatever
    they are (rules.md 1), without a row of its own for the reference in intake. 8–32 of ``0-9a-f``.
    """
    return bank_ref[:8] + hashlib.sha256(f"{bank}\n{bank_ref}".encode()).hexdigest()[:24]


def supplement(item: Item, *, common: Mapping[str, Any], form: Mapping[str, Any]) -> Handoff:
    """Changed fields only, in the department's names; what the route adds to every filing is left out."""
    route = item.route
    theirs = {name for name, source in route.fields.items() if not source.startswith("=")} if route else set()
    _, content = translate(item, {"form": form, "applicant": common.get("changed_applicant", {}), "case": {}})
    return Handoff(
        operation=SUPPLEMENT, content={name: v for name, v in content.items() if name in theirs}, common=common
    )


def withdrawal(common: Mapping[str, Any]) -> Handoff:
    """The request to withdraw what was filed."""
    return Handoff(operation=WITHDRAW, content={}, common=common)


def read_call(claim: work.Claim, key: DataKey, *, department_ref: str) -> BackendCall:
    """The call as it was frozen."""
    data = json.loads(key.open(claim.payload_sealed, PAYLOAD_PLACE.format(work_id=claim.work_id)))
    return BackendCall(
        call_id=claim.work_id,
        case_id=claim.case_id,
        operation=data["operation"],
        content=data["content"],
        common=data["common"],
        department_ref=department_ref,
        attempt=claim.attempt,
    )
