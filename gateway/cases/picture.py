"""What a bank sees of a case and of its events: status, never content (operations.md 2.4 and 7).

Must not hold form contents, identity numbers or names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.domain.case import STATE_NAMES, phase
from gateway.domain.clock import stamp
from gateway.domain.records import Ask, Case, Decision, Due
from gateway.signing.canon import canonical_json, sha256_label

EVENT_PLACE = "entry:{case_id}:{event_no}:event_sealed"


def case_block(case: Case) -> dict[str, Any]:
    """The ``case`` block of an answer; empty members are left out."""
    block: dict[str, Any] = {
        "receipt_no": case.receipt_no,
        "case_ref": case.bank_ref,
        "item": case.item,
        "item_version": case.item_version,
        "outlet": case.outlet,
        "state": case.state.value,
        "state_name": STATE_NAMES[case.state],
        "phase": phase(case.state, result_follows=case.facts.result_follows).value,
        "since": stamp(case.since),
        "event_no": str(case.event_no),
        "received_at": stamp(case.received_at),
        "withdrawal": case.withdrawal,
        "department": {"code": case.department, **({"ref": case.department_ref} if case.department_ref else {})},
    }
    if case.due:
        block["due"] = due_block(case.due)
    asks = [ask_block(a) for a in case.facts.asks if a.open]
    if asks:
        block["asks"] = asks
    if case.facts.missing:
        block["missing"] = [{"id": m, "until": until} for m, until in case.facts.missing]
    if case.facts.decision:
        block["decision"] = decision_block(case.facts.decision)
    return block


def due_block(due: Due) -> dict[str, Any]:
    """``due`` of a case or event."""
    return {"on": due.on.isoformat(), "kind": due.kind, "provisional": due.provisional}


def ask_block(ask: Ask) -> dict[str, Any]:
    """One open question."""
    block: dict[str, Any] = {
        "ask_no": str(ask.ask_no),
        "kind": ask.kind,
        "text": ask.text,
        "what": [{"path": m.path, "say": m.say} for m in ask.what],
    }
    if ask.due:
        block["due"] = ask.due.isoformat()
    return block


def decision_block(decision: Decision) -> dict[str, Any]:
    """What was decided."""
    return {
        "kind": decision.kind,
        "reason": decision.reason,
        "text": decision.text,
        "decided_at": stamp(decision.decided_at),
        "automatic": decision.automatic,
    }


def event_body(
    case: Case,
    kind: str,
    *,
    at: datetime,
    recorded_at: datetime,
    ask: Ask | None = None,
    decision: Decision | None = None,
) -> dict[str, Any]:
    """One event as feed, timeline and notice carry it; it states what is true after it (operations.md 7)."""
    body: dict[str, Any] = {
        "event_no": str(case.event_no),
        "receipt_no": case.receipt_no,
        "case_ref": case.bank_ref,
        "item": case.item,
        "outlet": case.outlet,
        "kind": kind,
        "state": case.state.value,
        "state_name": STATE_NAMES[case.state],
        "phase": phase(case.state, result_follows=case.facts.result_follows).value,
        "at": stamp(at),
        "recorded_at": stamp(recorded_at),
    }
    if case.due:
        body["due"] = due_block(case.due)
    if ask:
        body["ask"] = ask_block(ask)
    if decision:
        body["decision"] = decision_block(decision)
    return body


def event_bytes(body: Mapping[str, Any]) -> tuple[bytes, str]:
    """The event as stored, and the digest the trail holds of it."""
    raw = canonical_json(body)
    return raw, sha256_label(raw)


def read_event(raw: bytes) -> dict[str, Any]:
    """An event as it was stored."""
    body: dict[str, Any] = json.loads(raw)
    return body
