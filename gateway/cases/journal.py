"""Writing a case's story: audit entries numbered with the case, public events among them.

Used inside a transaction that holds the case locked; ``close`` writes entries and case together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.audit.kinds import EntryKind
from gateway.cases.picture import EVENT_PLACE, event_body, event_bytes
from gateway.domain.case import CaseEvent, CaseState, move
from gateway.domain.records import Ask, Case, Decision, EntryDraft
from gateway.signing.vault import Vault
from gateway.store import cases, trail
from gateway.store.database import Tx

Clocks = Callable[[Case, CaseEvent, datetime, Ask | None], Case]


def stopped(case: Case, _event: CaseEvent, _at: datetime, _ask: Ask | None) -> Case:
    """No clock: the case as it is."""
    return case


class Journal:
    """Collects what happened to one case in one transaction."""

    def __init__(self, vault: Vault, case: Case, *, now: datetime, actor: str, clocks: Clocks = stopped) -> None:
        """``clocks`` gives a case the limit that runs after an event; without one no limit changes."""
        self.case = case
        self._clocks = clocks
        self._vault = vault
        self._now = now
        self._actor = actor
        self._rows: list[dict[str, Any]] = []

    def note(
        self, kind: EntryKind, facts: Mapping[str, str] | None = None, digests: Mapping[str, str] | None = None
    ) -> None:
        """An entry that banks do not see."""
        self._add(kind, facts or {}, digests or {}, event_no=None, sealed=None)

    def event(
        self,
        what: CaseEvent,
        *,
        at: datetime | None = None,
        ask: Ask | None = None,
        decision: Decision | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        """Move the case and tell its bank. Raises ``IllegalMove`` for an edge that is not in the table."""
        state = move(self.case.state, what)
        turned = self._clocks(replace(self.case, state=state), what, at or self._now, ask)
        self.case = replace(turned, state=self.case.state)
        self.public(what.value, state=state, at=at, ask=ask, decision=decision, digests=digests)

    def public(
        self,
        kind: str,
        *,
        state: CaseState,
        at: datetime | None = None,
        ask: Ask | None = None,
        decision: Decision | None = None,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        """One numbered event; ``state`` may be the present one when only a fact beside it changed."""
        since = self.case.since if state is self.case.state else self._now
        self.case = replace(self.case, state=state, since=since, event_no=self.case.event_no + 1)
        body = event_body(self.case, kind, at=at or self._now, recorded_at=self._now, ask=ask, decision=decision)
        raw, digest = event_bytes(body)
        place = EVENT_PLACE.format(case_id=self.case.case_id, event_no=self.case.event_no)
        sealed = self._vault.unwrap(self.case.data_key).seal(raw, place) if self.case.data_key else None
        self._add(
            EntryKind.EVENT_RECORDED,
            {"event": kind, "event_no": str(self.case.event_no), "state": state.value},
            {"event": digest, **(digests or {})},
            event_no=self.case.event_no,
            sealed=sealed,
        )

    def close(self, tx: Tx) -> Case:
        """Write everything; returns the case as it stands now."""
        trail.append(tx, self._rows)
        cases.save(tx, self._vault, self.case)
        self._rows = []
        return self.case

    def _add(
        self,
        kind: EntryKind,
        facts: Mapping[str, str],
        digests: Mapping[str, str],
        *,
        event_no: int | None,
        sealed: bytes | None,
    ) -> None:
        self.case = replace(self.case, entry_no=self.case.entry_no + 1)
        draft = EntryDraft(
            kind=kind, subject=self.case.case_id, at=self._now, actor=self._actor, facts=facts, digests=digests
        )
        self._rows.append(
            trail.row(
                draft,
                self.case.entry_no,
                case_id=self.case.case_id,
                bank=self.case.bank if event_no is not None else None,
                event_no=event_no,
                event_sealed=sealed,
            )
        )
