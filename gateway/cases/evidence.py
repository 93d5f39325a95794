"""Deleting raw bytes whose time is over (rules.md 16): an act of two people, with an entry; the trail itself stays.

Must not delete an entry, nor anything of a case that is still open.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.domain.clock import BEIJING, beijing_day
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing, EntryDraft
from gateway.store import exchanges, trail
from gateway.store.database import Tx

KEEP = timedelta(days=183)
"""At least six months (网络安全法 art. 21)."""
MOST = 20_000  # of one act: it is one transaction


def read_before(payload: Mapping[str, Any], *, at: datetime) -> datetime:
    """The moment before which bytes go. Raises ``BadSettings``: no day, or not old enough."""
    try:
        day = date.fromisoformat(str(payload["before"]))
    except ValueError:
        raise BadSettings("before: write a day like 2026-05-01") from None
    if day > beijing_day(at) - KEEP:
        raise BadSettings(f"before: raw bytes are kept for six months, so write {beijing_day(at) - KEEP} or earlier")
    return datetime.combine(day, time(0, 0), tzinfo=BEIJING)


def delete(tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
    """Delete exchanges of before that day, of cases that ended; returns what was done and whether more is left."""
    before = read_before(payload, at=doing.at)
    rows = exchanges.delete_before(tx, before, limit=MOST)
    facts = {
        "before": str(payload["before"]),
        "rows": str(rows),
        "reason": as_fact(str(payload["reason"])) or "-",
        **doing.facts,
    }
    draft = EntryDraft(
        kind=EntryKind.EVIDENCE_DELETED, subject="house:evidence", at=doing.at, actor=doing.actor, facts=facts
    )
    trail.append_loose(tx, [draft])
    more = "; there is more: propose it again" if rows == MOST else ""
    return f"{rows} exchanges of before {payload['before']} are deleted{more}"
