"""From a case to the call its department will get: translated once, sealed, frozen (rules.md 19).

Must not send. The call id is the work row's id, so what the department sees is what we can be asked about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.catalogue.item import Item
from gateway.catalogue.route import translate
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
    handoff: Handoff, *, call_id: str, case_id: str, item: Item, key: DataKey, now: datetime
) -> dict[str, Any]:
    """The work row that will carry the call, in the case's own transaction."""
    raw = json.dumps(
        {"operation": handoff.operation, "content": handoff.content, "common": handoff.common},
        ensure_ascii=False,
        sort_keys=True,
    ).encode()
    return work.row(
        work_id=call_id,
        kind=work.CALL,
        lane=item.backend,
        case_id=case_id,
        payload_sealed=key.seal(raw, PAYLOAD_PLACE.format(work_id=call_id)),
        now=now,
        give_up_at=now + patience(item),
    )


def patience(item: Item) -> timedelta:
    """How long the gateway keeps trying by itself before a person is asked.

    The promised working days plus the five of intake (行政许可法 art. 32), stretched by 8/5 to calendar days, and
    four more for a long holiday in between.
    """
    return timedelta(days=(item.promised_days + 5) * 8 // 5 + 4)


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
