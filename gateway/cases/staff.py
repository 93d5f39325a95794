"""What people see of cases through the staff interface: lists, one case whole, one field shown for a purpose.

Must not show personal data by itself: that takes ``reveal``, which leaves an entry with its purpose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases.picture import case_block
from gateway.cases.receipts import read_number
from gateway.cases.shelf import Shelf, Spoken
from gateway.domain.actor import Actor
from gateway.domain.case import STATE_NAMES, CaseState
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import BadSettings, NotFound
from gateway.domain.reasons import Reason
from gateway.domain.records import Doing
from gateway.signing.vault import Vault
from gateway.store import case_views, cases, trail
from gateway.store.act_rows import ActRow
from gateway.store.database import Database, Tx, moment

MOST_FOUND = 50
MOST_BULK = 200
BULK, BULK_FOR = "cases.reveal_bulk", timedelta(days=1)
_PATH = re.compile(r"[A-Za-z0-9_.\[\]]{1,120}")
_STEP = re.compile(r"([A-Za-z0-9_]{1,40})((?:\[[0-9]{1,3}\])?)")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of cases and the place the next one begins behind, none at the end."""

    rows: list[dict[str, Any]]
    after: tuple[int, str] | None


class StaffCases:
    """Every question takes the actor, and answers inside its scope; outside it there is nothing (rules.md 29)."""

    def __init__(self, database: Database, vault: Vault, *, shelf: Shelf, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._shelf = shelf
        self._clock = clock

    def page(
        self,
        actor: Actor,
        *,
        filters: Mapping[str, str],
        parked: bool,
        overdue: bool,
        before: tuple[int, str] | None,
        limit: int,
    ) -> Found:
        """The newest cases first."""
        with self._database.read() as tx:
            rows = case_views.listed(
                tx, actor, filters=filters, parked=parked, overdue=overdue, before=before, limit=limit + 1
            )
        shown = rows[:limit]
        more = len(rows) > limit
        return Found([_line(r) for r in shown], (shown[-1]["received_at"], shown[-1]["case_id"]) if more else None)

    def of_document(self, actor: Actor, doc_type: str, number: str) -> list[dict[str, Any]]:
        """The applicant's cases by type and number of the document; neither leaves a mark in a log or an address."""
        wanted = self._vault.search_hash(doc_type, number)
        with self._database.read() as tx:
            return [_line(r) for r in case_views.of_subject(tx, actor, wanted, limit=MOST_FOUND)]

    def show(self, actor: Actor, receipt_no: str) -> dict[str, Any]:
        """One case: where it stands, and every entry of its story. Raises ``NotFound``."""
        with self._database.read() as tx:
            row = self._find(tx, actor, receipt_no)
            case = cases.by_id(tx, self._vault, row["case_id"])
            entries = [json.loads(e["canonical"]) for e in trail.of_case(tx, row["case_id"])]
        assert case is not None
        return {
            **_line(row),
            "case": case_block(case),
            "timeline": [
                {"seq": n, "at": e["at"], "kind": e["kind"], "actor": e["actor"], "facts": e["facts"]}
                for n, e in enumerate(entries, 1)
            ],
        }

    def exchanges(self, actor: Actor, receipt_no: str) -> list[Spoken]:
        """What was said to and fro about the case, masked. Raises ``NotFound``."""
        with self._database.read() as tx:
            row = self._find(tx, actor, receipt_no)
        return self._shelf.spoken(row["case_id"], row["bank"])

    def reveal(self, actor: Actor, receipt_no: str, *, path: str, purpose: str) -> str:
        """One field of what the applicant stated, such as ``applicant.phone``; an entry says who saw it and why.

        Raises ``NotFound``: no such case or field, or the case was erased.
        """

        def act(tx: Tx) -> str:
            row = self._find(tx, actor, receipt_no)
            case = cases.lock(tx, self._vault, row["case_id"])
            value = None if not case.data_key else _at(json.loads(cases.form(tx, self._vault, case)), path)
            if value is None:
                raise NotFound(Reason.CASE_UNKNOWN)
            facts = {"path": as_fact(path), "purpose": as_fact(purpose) or "-"}
            cases.note(tx, case.case_id, EntryKind.DATA_REVEALED, now=self._clock.now(), facts=facts, actor=actor.label)
            return value

        return self._database.again(act)

    # -- many at once: an act of two people ----------------------------------------------------------------------

    def check_bulk(self, payload: Mapping[str, Any]) -> None:
        """Judge a wish to see one field of many cases. Raises ``BadSettings``."""
        with self._database.read() as tx:
            self._bulk(tx, payload)
        if not _PATH.fullmatch(str(payload["path"])):
            raise BadSettings("path: write it like applicant.phone")

    def allow_bulk(self, tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
        """Note the wish with each case; who proposed it may read the values for a day."""
        found = self._bulk(tx, payload)
        facts = {
            "path": as_fact(str(payload["path"])),
            "purpose": as_fact(str(payload["purpose"])) or "-",
            **doing.facts,
        }
        for case_id in sorted(found.values()):
            cases.note(tx, case_id, EntryKind.DATA_REVEALED, now=doing.at, facts=facts, actor=doing.actor)
        return f"{len(found)} cases: {payload['path']} may be read for a day by who proposed it"

    def bulk(self, actor: Actor, row: ActRow, payload: Mapping[str, Any]) -> dict[str, str]:
        """Receipt number → value, "" where a case has none. Raises ``NotFound``: not this actor's, or not any more."""
        now = self._clock.now()
        open_still = row.state == "executed" and row.ended_at is not None and now - row.ended_at < BULK_FOR
        if row.kind != BULK or row.proposer != actor.label or not open_still:
            raise NotFound(Reason.CASE_UNKNOWN)
        told = {}
        with self._database.read() as tx:
            for receipt_no, case_id in self._bulk(tx, payload).items():
                case = cases.by_id(tx, self._vault, case_id)
                known = case is not None and bool(case.data_key)
                part = json.loads(cases.form(tx, self._vault, case)) if case is not None and known else {}
                told[receipt_no] = _at(part, str(payload["path"])) or ""
        return told

    @staticmethod
    def _bulk(tx: Tx, payload: Mapping[str, Any]) -> dict[str, str]:
        """Case ids by receipt number. Raises ``BadSettings`` for too many and for one that is none."""
        wanted = list(dict.fromkeys(str(r) for r in payload["receipts"]))
        if len(wanted) > MOST_BULK:
            raise BadSettings(f"receipts: at most {MOST_BULK} at once")
        found = {}
        for receipt_no in wanted:
            try:
                found[receipt_no] = cases.id_of_receipt(tx, read_number(receipt_no))
            except ValueError:
                found[receipt_no] = ""
        unknown = [receipt_no for receipt_no, case_id in found.items() if not case_id]
        if unknown:
            raise BadSettings(f"receipts: {unknown[0][:30]} is no case")
        return found

    @staticmethod
    def _find(tx: Tx, actor: Actor, receipt_no: str) -> Any:
        try:
            row = case_views.by_receipt(tx, actor, read_number(receipt_no))
        except ValueError:
            row = None
        if row is None:
            raise NotFound(Reason.CASE_UNKNOWN)
        return row


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    due = (row["due_on"] or "").rstrip("?")
    return {
        **{n: row[n] for n in ("receipt_no", "bank", "item", "item_version", "department", "outlet", "channel")},
        "case_ref": row["bank_ref"],
        "received_at": stamp(moment(row["received_at"])),
        "state": row["state"],
        "state_name": STATE_NAMES[CaseState(row["state"])],
        "since": stamp(moment(row["since"])),
        "due_on": due or None,
        "due_kind": row["due_kind"] if due else None,
        "overdue": bool(due) and row["clock_alarm"] >= 2,
        "withdrawal": row["withdrawal"],
        "parked": bool(row["parked"]),
    }


def _at(value: Any, path: str) -> str | None:
    """The text at a path of the business part; none where there is none, or no single value."""
    for step in path.split("."):
        found = _STEP.fullmatch(step)
        if found is None or not isinstance(value, dict):
            return None
        value = value.get(found[1])
        if found[2]:
            place = int(found[2][1:-1])
            value = value[place] if isinstance(value, list) and place < len(value) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
