"""Reading: one case, the feed of events, a signed ping. Always fresh, filtered by bank (rules.md 3).

Must not change anything. Another bank's case is the same as no case.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.cases import answers
from gateway.cases.business import Check, member_problems
from gateway.cases.naming import find_case, name_problems
from gateway.cases.picture import EVENT_PLACE, read_event
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import Conflict, Invalid, Problem
from gateway.domain.reasons import FieldCode, Reason, WarningCode
from gateway.domain.records import Case
from gateway.domain.requests import AnswerWarning, BankReply, BankRequest
from gateway.parties.directory import Directory
from gateway.parties.notify import notify_url
from gateway.signing.keys import KeyAway, KeyRing
from gateway.signing.vault import Vault
from gateway.store import recovery, sequencer, trail
from gateway.store.database import Database, Tx
from gateway.store.recovery import Epochs

_MOST_EVENTS = 200
_USUAL_EVENTS = 100


class Reading:
    """Answers the operations that only look."""

    def __init__(self, database: Database, vault: Vault, *, keys: KeyRing, directory: Directory, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._keys = keys
        self._directory = directory
        self._clock = clock

    def query(self, request: BankRequest) -> BankReply:
        """One case by ``receipt_no`` or ``case_ref``; with ``timeline`` also its events.

        Raises ``Invalid`` or ``NotFound(CASE_UNKNOWN)``.
        """
        business = request.business.members
        self._refuse(request, {"receipt_no": _is_text, "case_ref": _is_text, "timeline": _is_bool})
        with self._database.read() as tx:
            case = find_case(tx, self._vault, request)
            more: dict[str, Any] = {}
            if business.get("timeline") is True:
                more["events"] = self._events(tx, case)
        return answers.of_case("query", case, warnings=request.warnings, **more)

    def receipt(self, request: BankRequest) -> BankReply:
        """The receipt object again, the same bytes as ever. Raises ``Invalid`` or ``NotFound(CASE_UNKNOWN)``."""
        self._refuse(request, {"receipt_no": _is_text, "case_ref": _is_text})
        with self._database.read() as tx:
            case = find_case(tx, self._vault, request)
        members = {"receipt_no": case.receipt_no, "receipt": case.receipt}
        return BankReply(operation="receipt", members=members, warnings=request.warnings)

    @staticmethod
    def _refuse(request: BankRequest, members: Mapping[str, Check]) -> None:
        problems = member_problems(request.business.members, {}, members) + name_problems(request)
        if problems:
            raise Invalid(problems)

    def changes(self, request: BankRequest) -> BankReply:
        """The bank's events behind a cursor, in the sequencer's order: nothing ever appears behind one.

        Raises ``Invalid`` or ``Conflict(CURSOR_UNKNOWN)``.
        """
        business = request.business.members
        problems = member_problems(business, {}, {"cursor": _is_text, "limit": _is_limit, "outlet": _is_text})
        if "cursor" not in business:
            problems.append(Problem("cursor", FieldCode.MISSING, "须填写游标，首次为空"))
        if problems:
            raise Invalid(problems)
        limit = int(request.business.text("limit") or _USUAL_EVENTS)
        with self._database.read() as tx:
            epochs = recovery.epochs(tx)
            after, gap = self._read_cursor(request.bank, request.business.text("cursor"), epochs)
            rows = sequencer.feed(tx, request.bank, after, limit=limit + 1, outlet=request.business.text("outlet"))
        shown = rows[:limit]
        events = [*gap, *(self._open_event(r["case_id"], r) for r in shown)]
        last = int(shown[-1]["position"]) if shown else after
        return BankReply(
            operation="changes",
            members={
                "events": events,
                "next": self._cursor(request.bank, last, epochs.number) if events or after >= 0 else "",
                "more": len(rows) > limit,
            },
            warnings=request.warnings,
        )

    def echo(self, request: BankRequest) -> BankReply:
        """A harmless signed ping: who we think is calling, and by how much the clocks differ. Raises ``Invalid``."""
        business = request.business.members
        problems = member_problems(business, {"text": _is_short}, {"notify": _is_bool})
        if problems:
            raise Invalid(problems)
        now, hint = self._clock.now(), request.hint
        client = self._directory().by_id(hint.client_id)
        warnings = list(request.warnings)
        if business.get("notify") is True and not (client and notify_url(client)):
            warnings.append(AnswerWarning(WarningCode.MEMBER_IGNORED, "尚未登记通知地址", "notify"))
        return BankReply(
            operation="echo",
            members={
                "text": business["text"],
                "bank": request.bank,
                "client": hint.claimed_id,
                "profile": hint.profile,
                "algorithm": ",".join(client.algorithms) if client else "",
                "key_id": hint.key_id,
                "our_key_id": hint.answer.get("our_key_id") or self._answer_key(request.bank, now),
                "server_time": stamp(now),
                "skew_seconds": _skew(now, hint.sent_at),
                "outlets": list(client.outlets) if client else [],
            },
            warnings=tuple(warnings),
        )

    def _answer_key(self, bank: str, at: datetime) -> str:
        """The key our answers to this bank are signed with, unless its dialect named another one."""
        try:
            return self._keys.signer(f"answer-{bank.lower()}", at).key_id
        except KeyAway:
            return ""  # sealing will say that it cannot sign

    def _events(self, tx: Tx, case: Case) -> list[dict[str, Any]]:
        rows = [r for r in trail.of_case(tx, case.case_id) if r["event_no"] is not None]
        return [self._open_event(case.case_id, {**r, "data_key": case.data_key}) for r in rows]

    def _open_event(self, case_id: str, row: Any) -> dict[str, Any]:
        if not row["data_key"] or row["event_sealed"] is None:  # lawfully erased: the number stays
            return {"event_no": str(row["event_no"]), "kind": "erased"}
        place = EVENT_PLACE.format(case_id=case_id, event_no=row["event_no"])
        return read_event(self._vault.unwrap(bytes(row["data_key"])).open(bytes(row["event_sealed"]), place))

    def _cursor(self, bank: str, position: int, epoch: int) -> str:
        proof = self._vault.search_hash(f"cursor:{bank}", f"{position}:{epoch}").rpartition(":")[2]
        return f"c1.{position + 1:x}.{epoch:x}.{proof[:24]}"

    def _read_cursor(self, bank: str, cursor: str, epochs: Epochs) -> tuple[int, list[dict[str, Any]]]:
        """The position it stands behind, and the gap event for a reader of an epoch before a restore.

        What was told behind a restore's base may be lost or may have been recorded otherwise: such a reader goes back
        to the base, and reads its open cases again (operations.md 7). Raises ``Conflict(CURSOR_UNKNOWN)``.
        """
        if cursor == "":
            return -1, []
        try:
            _, place, era, _ = cursor.split(".")
            position, epoch = int(place, 16) - 1, int(era, 16)
        except ValueError:
            raise Conflict(Reason.CURSOR_UNKNOWN) from None
        good = -1 <= position < 2**62 and 1 <= epoch <= epochs.number
        if not good or cursor != self._cursor(bank, position, epoch):
            raise Conflict(Reason.CURSOR_UNKNOWN)
        gaps = [gap for gap in epochs.gaps if gap.epoch > epoch]
        if not gaps:
            return position, []
        at = stamp(gaps[-1].at)
        return min(position, *(gap.base - 1 for gap in gaps)), [{"kind": "feed_gap", "at": at, "recorded_at": at}]


def _skew(now: datetime, sent_at: datetime | None) -> str:
    return "" if sent_at is None else str(round((now - sent_at).total_seconds()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 64


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 100


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_limit(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= 3
        and 1 <= int(value) <= _MOST_EVENTS
    )
