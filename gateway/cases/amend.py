"""What may be done to a filed case by its bank: supplement and withdraw (operations.md 2.5; rules.md 24).

Must not send anything: what the department is to hear is a work row in the act's own transaction. The case's content as
it was filed is never rewritten; supplements are kept beside it and laid over it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.audit.kinds import EntryKind
from gateway.calendar import clocks
from gateway.calendar.clockwork import Clockwork
from gateway.cases import handoff
from gateway.cases.acting import Act, Acting, Doing
from gateway.cases.journal import Journal
from gateway.cases.making import Arrival
from gateway.catalogue.amendments import (
    CheckedSupplement,
    Ground,
    check_supplement,
    check_withdrawal,
    laid_over,
    paths_of,
)
from gateway.catalogue.convert import text
from gateway.catalogue.item import Catalogue, Item
from gateway.catalogue.submission import nothing_arrived
from gateway.catalogue.submission_papers import JudgeFile
from gateway.contracts.backend import BackendTraits
from gateway.domain.case import DECIDED, ENDED, CaseEvent, CaseState
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import Conflict, Invalid, NotFound, Problem
from gateway.domain.reasons import FieldCode, Reason
from gateway.domain.records import Ask, Case, Facts
from gateway.domain.requests import Operation
from gateway.materials.blobs import Blobs
from gateway.parties.directory import Directory
from gateway.signing.vault import Vault
from gateway.store import acts, case_calls
from gateway.store import cases as case_rows
from gateway.store.database import Database, Tx, micros
from gateway.wire.messages import WireResponse

NONE, ASKED, DONE, REFUSED = "none", "asked", "done", "refused"  # Case.withdrawal
WITHDRAWAL_ASKED, WITHDRAWAL_REFUSED, PROMISE_SETTLED = "withdrawal_asked", "withdrawal_refused", "promise_settled"
_RESULT = DECIDED | {CaseState.REFUSED_INTAKE}
_NAMEABLE = ("form", "materials", "applicant")


class Amending:
    """The desk for acts on cases."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        catalogue: Catalogue,
        directory: Directory,
        backends: Mapping[str, BackendTraits],
        clock: Clock,
        clockwork: Clockwork,
        wake: Callable[[], None],
        blobs: Blobs | None = None,
        digest_algorithm: str = "sha256",
    ) -> None:
        """``blobs``: the files banks have brought; without them no message may name a file."""
        self._database = database
        self._vault = vault
        self._catalogue = catalogue
        self._directory = directory
        self._backends = backends
        self._clock = clock
        self._clockwork = clockwork
        self._blobs = blobs
        self._acting = Acting(
            database,
            vault,
            catalogue=catalogue,
            clock=clock,
            clockwork=clockwork,
            wake=wake,
            digest_algorithm=digest_algorithm,
        )

    def supplement(self, arrival: Arrival) -> WireResponse:
        """Answer a correction, or bring promised papers piece by piece.

        Raises ``FromCaller`` errors (``CASE_UNKNOWN``, ``ILLEGAL_STATE``, ``NOT_ASKED``, ``INVALID``, ``CONFLICT``),
        ``Busy`` and ``OutcomeUnknown``.
        """
        return self._acting.do(arrival, self._plan_supplement)

    def withdraw(self, arrival: Arrival) -> WireResponse:
        """Withdraw what never left the house; of everything else ask the department.

        Raises as ``supplement``, and ``TOO_LATE`` when a result stands.
        """
        return self._acting.do(arrival, self._plan_withdrawal)

    # -- supplement --------------------------------------------------------------------------------------------

    def _plan_supplement(self, arrival: Arrival, case: Case, item: Item) -> Act:
        business = arrival.request.business
        ask = _ask_of(case, business.text("ask_no"), state_matters=False)
        _refuse_what_was_not_asked(ask, business.members)
        checked = check_supplement(self._ground(arrival, case, item), business.members)
        if checked.problems:
            raise Invalid(checked.problems)

        def act(tx: Tx) -> Case:
            doing = self._acting.begin(tx, arrival, case.case_id, item)
            now_asked = _ask_of(doing.journal.case, business.text("ask_no"), state_matters=True)
            _refuse_what_was_not_asked(now_asked, business.members)
            self._supplement(tx, doing, now_asked, checked)
            if self._blobs is not None:
                client_id = arrival.request.hint.client_id
                self._blobs.claim(tx, doing.journal.case, business.members, client_id=client_id)
            return doing.journal.close(tx)

        return act

    def _supplement(self, tx: Tx, doing: Doing, ask: Ask, checked: CheckedSupplement) -> None:
        journal = doing.journal
        before = journal.case.facts
        facts = _brought(before, checked.material_ids)
        if ask.kind == "correction":
            facts = replace(facts, asks=tuple(replace(a, open=a.open and a.kind != ask.kind) for a in facts.asks))
        journal.case = replace(journal.case, facts=facts)
        if ask.kind == "correction":
            journal.event(CaseEvent.CORRECTED)
        if journal.case.due and journal.case.due.kind == "promise":
            journal.case = replace(journal.case, due=clocks.promised(facts))
        if before.missing and not facts.missing:
            journal.public(PROMISE_SETTLED, state=journal.case.state)
        common = self._common(tx, doing, checked.whole) | {
            "supplement_kind": "CORRECTION" if ask.kind == "correction" else "LATE",
            "materials": list(checked.materials),
            "applicant": text(checked.person),
            "changed_applicant": text({name: checked.person[name] for name in checked.applicant}),
        }
        self._acting.put(tx, doing, handoff.supplement(doing.item, common=common, form=checked.form))
        if ask.kind == "correction":  # a new limit runs, so the filing's own call goes on being asked about
            case_calls.extend_calls(tx, journal.case.case_id, self._clockwork.patience_ends(doing.item, doing.now))

    def _ground(self, arrival: Arrival, case: Case, item: Item) -> Ground:
        request = arrival.request
        client = self._directory().by_id(request.hint.client_id)
        judge_file: JudgeFile = nothing_arrived
        if self._blobs is not None:
            judge_file = self._blobs.of(request.bank, request.hint.client_id, case.bank_ref).judge
        with self._database.read() as tx:
            filed = present_content(tx, self._vault, case)
        return Ground(
            catalogue=self._catalogue,
            item=item,
            filed=filed,
            bank=request.bank,
            client_outlets=client.outlets if client else (),
            received_at=self._clock.now(),
            judge_file=judge_file,
        )

    def _common(self, tx: Tx, doing: Doing, content: Mapping[str, Any]) -> dict[str, Any]:
        """What a department's envelope may draw on, in canonical names; frozen with the call."""
        case = doing.journal.case
        return {
            "receipt_no": case.receipt_no,
            "item": case.item,
            "item_version": case.item_version,
            "mode": doing.item.mode,
            "bank": case.bank,
            "outlet": doing.arrival.request.business.text("outlet"),
            "received_at": stamp(doing.now),
            "department_ref": case.department_ref,
            "filed_as": case_calls.first_call(tx, case.case_id),
            "applicant": text(content.get("applicant", {})),
            "agent": content.get("agent", {}),
            "material_names": {m.id: m.name for m in doing.item.materials},
            "missing": [m for m, _ in case.facts.missing],
        }

    # -- withdraw ----------------------------------------------------------------------------------------------

    def _plan_withdrawal(self, arrival: Arrival, case: Case, item: Item) -> Act:
        _refuse_withdrawal(case)
        ground = self._ground(arrival, case, item)
        problems = check_withdrawal(ground, arrival.request.business.members)
        if problems:
            raise Invalid(problems)

        def act(tx: Tx) -> Case:
            never_left = case_calls.cancel_unclaimed(tx, case.case_id, note="withdrawn before it was ever sent")
            doing = self._acting.begin(tx, arrival, case.case_id, item)
            _refuse_withdrawal(doing.journal.case)
            why = arrival.request.business
            common = self._common(tx, doing, ground.filed)
            common |= {"why": why.text("text") or why.text("why"), "why_code": why.text("why")}
            if never_left:
                self._never_left(tx, doing, common)
            else:
                self._ask_department(tx, doing, common)
            return doing.journal.close(tx)

        return act

    def _never_left(self, tx: Tx, doing: Doing, common: Mapping[str, Any]) -> None:
        journal = doing.journal
        journal.note(EntryKind.CALL_CANCELLED, {"call": str(common["filed_as"])})
        closed = tuple(replace(a, open=False) for a in journal.case.facts.asks)
        journal.case = replace(
            journal.case, withdrawal=DONE, facts=replace(journal.case.facts, asks=closed, missing=())
        )
        journal.event(CaseEvent.WITHDRAWN)
        note = "nothing to tell the department: it never heard of the case"
        ended = {"state": "cancelled", "note": note, "ended_at": micros(doing.now)}
        self._acting.put(tx, doing, handoff.withdrawal(common), **ended)

    def _ask_department(self, tx: Tx, doing: Doing, common: Mapping[str, Any]) -> None:
        journal = doing.journal
        journal.case = replace(journal.case, withdrawal=ASKED)
        journal.public(WITHDRAWAL_ASKED, state=journal.case.state)
        traits = self._backends.get(doing.item.backend)
        columns: dict[str, Any] = {}
        if traits is None or not traits.withdraws:
            journal.note(EntryKind.CALL_PARKED, {"call": doing.call_id, "why": "withdrawal_by_hand"})
            journal.case = replace(journal.case, parked=True)
            note = "withdrawal asked: this department takes it from a person only"
            columns = {"state": "parked", "note": note, "ended_at": micros(doing.now)}
        self._acting.put(tx, doing, handoff.withdrawal(common), **columns)


def settle_withdrawal(journal: Journal) -> None:
    """After a department's word: a withdrawal that was asked is done, or a decision crossed it and wins."""
    case = journal.case
    if case.withdrawal != ASKED or not (case.state in DECIDED or case.state in ENDED):
        return
    if case.state is CaseState.WITHDRAWN:
        journal.case = replace(case, withdrawal=DONE)
        return
    journal.case = replace(case, withdrawal=REFUSED)
    journal.public(WITHDRAWAL_REFUSED, state=case.state)


def present_content(tx: Tx, vault: Vault, case: Case) -> dict[str, Any]:
    """The business part a case was filed with, with every accepted supplement laid over it, in their order.

    Raises ``NotFound(CASE_UNKNOWN)`` when it was lawfully erased.
    """
    try:
        content: dict[str, Any] = json.loads(case_rows.form(tx, vault, case))
    except LookupError:
        raise NotFound(Reason.CASE_UNKNOWN) from None
    key = vault.unwrap(case.data_key)
    for row in acts.of_case(tx, case.case_id, Operation.SUPPLEMENT.value):
        place = acts.CONTENT_PLACE.format(bank=row["bank"], bank_ref=row["bank_ref"])
        content = laid_over(content, json.loads(key.open(bytes(row["content_sealed"]), place)))
    return content


def _ask_of(case: Case, ask_no: str, *, state_matters: bool) -> Ask:
    """The open question an act answers. Raises ``Conflict(ILLEGAL_STATE)`` or ``Invalid`` with ``ASK_UNKNOWN``."""
    opened = [a for a in case.facts.asks if a.open and a.kind in {"correction", "promise"}]
    if case.state in ENDED or not opened:
        raise Conflict(Reason.ILLEGAL_STATE)
    for ask in opened:
        if str(ask.ask_no) == ask_no:
            if state_matters and ask.kind == "correction" and case.state is not CaseState.CORRECTION:
                raise Conflict(Reason.ILLEGAL_STATE)
            return ask
    code = FieldCode.ASK_UNKNOWN if ask_no else FieldCode.MISSING
    raise Invalid([Problem("ask_no", code, "没有这项待补事项" if ask_no else "请填写补正事项序号")])


def _refuse_what_was_not_asked(ask: Ask, business: Mapping[str, Any]) -> None:
    """Only what the ask marks may change. A correction whose department named no field of ours leaves form and
    materials open, for else nobody could answer it. Raises ``Conflict(NOT_ASKED)`` with every path beyond."""
    asked = {_top(mark.path) for mark in ask.what}
    nameable = {path for path in asked if path.partition(".")[0] in _NAMEABLE}
    beyond = []
    for path, place in paths_of(business).items():
        part = path.partition(".")[0]
        free = not nameable and ask.kind == "correction" and part != "applicant"
        if path not in nameable and not free:
            beyond.append(Problem(place, FieldCode.NOT_IN_LIST, "此项未要求补正"))
    if beyond:
        raise Conflict(Reason.NOT_ASKED, problems=beyond)


def _top(path: str) -> str:
    """``form.rows[0].col`` → ``form.rows``: a mark inside a value opens the value."""
    part, _, rest = path.partition(".")
    return f"{part}.{rest.partition('.')[0].partition('[')[0]}" if rest else part


def _brought(facts: Facts, ids: tuple[str, ...]) -> Facts:
    """Promised papers that came are no longer missing; the promise is closed with the last one."""
    missing = tuple((m, until) for m, until in facts.missing if m not in ids)
    if missing == facts.missing:
        return facts
    still = {f"materials.{m}" for m, _ in missing}
    asks = tuple(
        replace(a, what=tuple(mark for mark in a.what if mark.path in still) or a.what, open=bool(missing) and a.open)
        if a.kind == "promise"
        else a
        for a in facts.asks
    )
    return replace(facts, missing=missing, asks=asks)


def _refuse_withdrawal(case: Case) -> None:
    if case.state in _RESULT:
        raise Conflict(Reason.TOO_LATE)
    if case.state in ENDED or case.withdrawal == ASKED:
        raise Conflict(Reason.ILLEGAL_STATE)
