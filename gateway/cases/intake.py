"""Taking a submission in: checked, made durable in one transaction, answered with its receipt (rules.md 1–12).

Nothing is sent to a department here. All crypto, encryption and sealing is done before the transaction begins;
unique constraints decide about repeats, retries, conflicts and second open cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.audit.kinds import EntryKind
from gateway.calendar.clockwork import Clockwork
from gateway.cases import answers, receipts
from gateway.cases.business import bank_ref_problems, item_of
from gateway.cases.handoff import call_id_of, call_row, hand_off
from gateway.cases.journal import Journal
from gateway.cases.picture import EVENT_PLACE, event_body, event_bytes
from gateway.cases.waiting import WaitingRoom
from gateway.catalogue.convert import text
from gateway.catalogue.item import Catalogue, Item
from gateway.catalogue.submission import CheckedSubmission, check_submission
from gateway.domain.calls import Mark
from gateway.domain.case import CaseEvent, CaseState
from gateway.domain.clock import Clock, beijing_day, stamp
from gateway.domain.errors import Busy, Conflict, Invalid, NotAllowed, Problem
from gateway.domain.reasons import Reason
from gateway.domain.records import Ask, Case, EntryDraft, Facts
from gateway.domain.requests import AnswerWarning, BankReply, BankRequest
from gateway.materials.blobs import Blobs
from gateway.parties.directory import Directory
from gateway.signing.canon import business_digest, same_business
from gateway.signing.keys import KeyRing
from gateway.signing.vault import Vault
from gateway.store import acts, messages, trail
from gateway.store import cases as case_rows
from gateway.store.database import Database, micros, new_id
from gateway.store.filing import Filed, FourRows, file
from gateway.wire.messages import WireResponse

Seal = Callable[[BankReply], WireResponse]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request at the desk: as opened, as received, how to seal an answer, and the bank's freshness window."""

    request: BankRequest
    raw: bytes
    seal: Seal
    window: timedelta


@dataclass(frozen=True, slots=True)
class Made:
    """A case that is ready to be filed, and the answer that will be true once it is."""

    case: Case
    rows: FourRows
    response: WireResponse


class Intake:
    """The desk for new submissions."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        keys: KeyRing,
        catalogue: Catalogue,
        directory: Directory,
        blobs: Blobs,
        backends: Collection[str],
        clock: Clock,
        clockwork: Clockwork,
        waiting: WaitingRoom,
        wake: Callable[[], None],
        digest_algorithm: str = "sha256",
    ) -> None:
        self._database = database
        self._vault = vault
        self._keys = keys
        self._catalogue = catalogue
        self._directory = directory
        self._blobs = blobs
        self._backends = frozenset(backends)
        self._clock = clock
        self._clockwork = clockwork
        self._waiting = waiting
        self._wake = wake
        self._algorithm = digest_algorithm

    def submit(self, arrival: Arrival) -> WireResponse:
        """File one application, or meet the case it already is.

        Raises ``FromCaller`` errors for what the caller can mend, ``Busy`` and ``OutcomeUnknown``.
        """
        now, request = self._clock.now(), arrival.request
        try:
            item, checked, warnings = self._checked(request, now)
        except Invalid:
            known = self._known(arrival)
            if known is not None:
                return known
            raise
        for _ in range(3):  # a receipt number may clash, a refused note may stand in the way: then once more
            made = self._make(arrival, item=item, checked=checked, warnings=warnings, now=now)
            filed = file(self._database, made.rows)
            if filed is Filed.FILED:
                self._blobs.claim_filed(made.case, request.business.members)
                self._wake()
                return self._with_decision(arrival, item, made)
            if filed is Filed.BLOCKED:
                raise NotAllowed(Reason.NOT_AUTHENTIC)
            known = self._known(arrival)
            if known is not None:
                return known
            self._refuse_second_open_case(request, checked)
            self._forget_refused_note(request)
        raise Busy("three attempts to file met one another")

    # -- before the transaction ---------------------------------------------------------------------------

    def _checked(
        self, request: BankRequest, now: datetime
    ) -> tuple[Item, CheckedSubmission, tuple[AnswerWarning, ...]]:
        business = request.business.members
        today = beijing_day(now)
        problems: list[Problem] = bank_ref_problems(request.business.text("bank_ref"), today)
        item, warnings, item_problems = item_of(self._catalogue, business, today=today, backends=self._backends)
        problems += item_problems
        if item is None:
            raise Invalid(problems)
        client = self._directory().by_id(request.hint.client_id)
        files = self._blobs.of(request.bank, request.hint.client_id, request.business.text("bank_ref"))
        checked = check_submission(
            self._catalogue,
            item,
            business,
            bank=request.bank,
            client_outlets=client.outlets if client else (),
            received_at=now,
            promise_limit=today + timedelta(days=(item.tolerance_days or 0) * 8 // 5 + 2),
            has_blob=files.has,
            read_form=files.form,
        )
        problems += checked.problems
        if problems:
            raise Invalid(problems)
        return item, checked, (*request.warnings, *warnings, *checked.warnings)

    def _make(
        self,
        arrival: Arrival,
        *,
        item: Item,
        checked: CheckedSubmission,
        warnings: tuple[AnswerWarning, ...],
        now: datetime,
    ) -> Made:
        request = arrival.request
        business, hint = request.business, request.hint
        case_id, call_id = new_id(), call_id_of(request.bank, business.text("bank_ref"))
        key = self._vault.new_data_key()
        outlet = self._catalogue.outlets[business.text("outlet")]
        case = Case(
            case_id=case_id,
            bank=request.bank,
            bank_ref=business.text("bank_ref"),
            client_id=hint.client_id,
            business_digest=business_digest(business.canonical, self._algorithm),
            item=item.code,
            item_version=item.version,
            department=item.department,
            backend=item.backend,
            outlet=outlet.code,
            channel=business.text("channel"),
            receipt_no=receipts.new_number(outlet.slip_no, now),
            receipt="",
            received_at=now,
            state=CaseState.SUBMITTED,
            since=now,
            event_no=1,
            entry_no=1,
            due=None,
            withdrawal="none",
            department_ref="",
            department_seq=0,
            parked=False,
            facts=replace(_promised(business.members, item), subject=(checked.doc_type, checked.doc_no)),
            data_key=key.wrapped,
        )
        case = self._clockwork(case, CaseEvent.RECEIVED, checked.intake_at, None)
        event, event_digest = event_bytes(event_body(case, "received", at=now, recorded_at=now))
        entry = trail.row(
            EntryDraft(
                kind=EntryKind.SUBMISSION_RECEIVED,
                subject=case_id,
                at=now,
                actor=f"bank:{request.bank}:{hint.client_id}",
                facts={
                    "receipt_no": case.receipt_no,
                    "item": item.code,
                    "item_version": item.version,
                    "outlet": outlet.code,
                    "event_no": "1",
                },
                digests={
                    "message": hint.message_digest,
                    "business": case.business_digest,
                    "event": event_digest,
                },
            ),
            1,
            case_id=case_id,
            bank=request.bank,
            event_no=1,
            event_sealed=key.seal(event, EVENT_PLACE.format(case_id=case_id, event_no=1)),
        )
        case = replace(case, receipt=self._receipt(case, entry["hash"], business.members, now))
        reply = answers.of_case("submit", case, repeat=False, warnings=warnings)
        response = arrival.seal(reply)
        return Made(
            case=case,
            response=response,
            rows=FourRows(
                message=self._message_row(arrival, response, case_id=case_id, now=now),
                case=self._case_row(case, request, item=item, checked=checked, key=key),
                entry=entry,
                work=call_row(
                    hand_off(item, common=_common(case, checked, business.members, item=item), form=checked.form),
                    call_id=call_id,
                    case_id=case_id,
                    item=item,
                    key=key,
                    now=now,
                    give_up_at=self._clockwork.patience_ends(item, checked.intake_at),
                ),
                key_id=hint.key_id,
            ),
        )

    def _receipt(self, case: Case, entry_hash: str, business: Mapping[str, Any], now: datetime) -> str:
        provisional = business.get("provisional") or {}
        return receipts.make(
            self._keys.signer("receipt", now),
            receipts.payload(
                receipt_no=case.receipt_no,
                bank=case.bank,
                bank_ref=case.bank_ref,
                item=case.item,
                item_version=case.item_version,
                outlet=case.outlet,
                business_digest=case.business_digest,
                received_at=case.received_at,
                entry=entry_hash,
                provisional_no=str(provisional.get("no", "")),
            ),
        )

    def _message_row(self, arrival: Arrival, response: WireResponse, *, case_id: str, now: datetime) -> dict[str, Any]:
        request = arrival.request
        client, transport = request.hint.client_id, request.hint.transport_id
        return {
            "client_id": client,
            "transport_id": transport,
            "digest": request.hint.message_digest,
            "operation": request.operation.value,
            "received_at": micros(now),
            "expires_at": micros(now + 2 * arrival.window),
            "case_id": case_id,
            "request_sealed": self._vault.seal(
                arrival.raw, messages.REQUEST_PLACE.format(client=client, transport=transport)
            ),
            "answer_sealed": self._vault.seal(
                response.packed(), messages.ANSWER_PLACE.format(client=client, transport=transport)
            ),
        }

    def _case_row(
        self, case: Case, request: BankRequest, *, item: Item, checked: CheckedSubmission, key: Any
    ) -> dict[str, Any]:
        subject = self._vault.search_hash(checked.doc_type, checked.doc_no)
        second = request.business.members.get("confirm_second") is True
        return {
            "case_id": case.case_id,
            "bank": case.bank,
            "bank_ref": case.bank_ref,
            "client_id": case.client_id,
            "business_digest": case.business_digest,
            "item": case.item,
            "item_version": case.item_version,
            "department": case.department,
            "backend": case.backend,
            "outlet": case.outlet,
            "channel": case.channel,
            "receipt_no": case.receipt_no,
            "receipt": case.receipt,
            "received_at": micros(case.received_at),
            "state": case.state.value,
            "since": micros(case.since),
            "event_no": 1,
            "entry_no": 1,
            "due_on": case_rows.due_text(case.due),
            "due_kind": case.due.kind if case.due else None,
            "clock_alarm": 0,
            "withdrawal": case.withdrawal,
            "department_ref": None,
            "department_seq": 0,
            "parked": 0,
            "open_key": None if second else open_key_of(subject, item.code),
            "subject_hash": subject,
            "data_key": case.data_key,
            "form_sealed": key.seal(request.business.canonical, case_rows.FORM_PLACE.format(case_id=case.case_id)),
            "facts_sealed": case_rows.seal_facts(key, case),
        }

    # -- when a constraint decided, or the content no longer passes ------------------------------------------

    def _known(self, arrival: Arrival) -> WireResponse | None:
        """The answer when this message or this submission was here before; none when it was not."""
        request = arrival.request
        hint = request.hint
        with self._database.read() as tx:
            seen = messages.seen(tx, self._vault, hint.client_id, hint.transport_id)
            case = case_rows.by_bank_ref(tx, self._vault, request.bank, request.business.text("bank_ref"))
            act = None if case else acts.find(tx, request.bank, request.business.text("bank_ref"))
        if seen is not None and seen.digest != hint.message_digest:
            raise Conflict(Reason.MESSAGE_ID_REUSED)
        if seen is not None and seen.answer:
            self._note(seen.case_id, EntryKind.SUBMISSION_REPEATED, request)
            return WireResponse.unpacked(seen.answer)
        if act is not None:  # a supplement or a withdrawal has the reference: one reference, one operation, for ever
            case = self._note(act.case_id, EntryKind.ACT_CONFLICTED, request)
            raise Conflict(Reason.CONFLICT, receipt_no=case.receipt_no)
        if case is None:
            return None
        if not same_business(request.business.canonical, case.business_digest):
            self._note(case.case_id, EntryKind.SUBMISSION_CONFLICTED, request)
            raise Conflict(Reason.CONFLICT, receipt_no=case.receipt_no)
        return self._met_again(case, arrival)

    def _met_again(self, case: Case, arrival: Arrival) -> WireResponse:
        """An honest retry: same case, same receipt object, present state, fresh envelope (rules.md 2)."""
        request = arrival.request
        case = self._note(case.case_id, EntryKind.SUBMISSION_RETRIED, request)
        response = arrival.seal(answers.of_case("submit", case, repeat=True, warnings=request.warnings))
        now = self._clock.now()
        messages.note(self._database, request.hint, received_at=now, expires_at=now + 2 * arrival.window)
        self._database.again(
            lambda tx: messages.answer(tx, self._vault, request.hint, case_id=case.case_id, raw=response.packed())
        )
        return response

    def _note(self, case_id: str, kind: EntryKind, request: BankRequest) -> Case:
        def act(tx: Any) -> Case:
            case = case_rows.lock(tx, self._vault, case_id)
            journal = Journal(
                self._vault, case, now=self._clock.now(), actor=f"bank:{request.bank}:{request.hint.client_id}"
            )
            journal.note(
                kind, {"bank_ref": request.business.text("bank_ref")}, {"message": request.hint.message_digest}
            )
            return journal.close(tx)

        return self._database.again(act)

    def _refuse_second_open_case(self, request: BankRequest, checked: CheckedSubmission) -> None:
        if request.business.members.get("confirm_second") is True:
            return
        subject = self._vault.search_hash(checked.doc_type, checked.doc_no)
        with self._database.read() as tx:
            held = case_rows.by_open_key(tx, self._vault, open_key_of(subject, request.business.text("item")))
        if held is not None:  # no foreign bank or number is shown (rules.md 11)
            raise Conflict(Reason.OPEN_CASE_EXISTS, receipt_no=held.receipt_no if held.bank == request.bank else "")

    def _forget_refused_note(self, request: BankRequest) -> None:
        """A refused message takes no stored answer: judged anew, its note gives way to the accepted row."""
        hint = request.hint
        self._database.again(lambda tx: messages.forget_refused(tx, hint))

    # -- after it -------------------------------------------------------------------------------------------

    def _with_decision(self, arrival: Arrival, item: Item, made: Made) -> WireResponse:
        """For instant items: wait a moment for the decision and seal what is then true (rules.md 10)."""
        if not item.is_instant:
            return made.response
        case = self._waiting.wait(made.case)
        if case is None:
            return made.response
        request = arrival.request
        response = arrival.seal(answers.of_case("submit", case, repeat=False, warnings=request.warnings))
        self._database.again(
            lambda tx: messages.answer(tx, self._vault, request.hint, case_id=case.case_id, raw=response.packed())
        )
        return response


def open_key_of(subject: str, item: str) -> str:
    return f"{item}:{subject}"


def _promised(business: Mapping[str, Any], item: Item) -> Facts:
    promise = business.get("promise")
    if not promise:
        return Facts()
    names = {m.id: m.name for m in item.materials}
    missing = tuple((m["id"], m["until"]) for m in promise["materials"])
    ask = Ask(
        ask_no=1,
        kind="promise",
        text="请按承诺补交材料",
        what=tuple(Mark(path=f"materials.{m}", say=names.get(m, m)) for m, _ in missing),
        due=datetime.fromisoformat(max(until for _, until in missing)).date(),
    )
    return Facts(asks=(ask,), missing=missing)


def _common(case: Case, checked: CheckedSubmission, business: Mapping[str, Any], *, item: Item) -> dict[str, Any]:
    """What a department's envelope may draw on, in canonical names and texts only; frozen with the call."""
    return {
        "receipt_no": case.receipt_no,
        "item": case.item,
        "item_version": case.item_version,
        "mode": item.mode,
        "bank": case.bank,
        "outlet": case.outlet,
        "teller": (business.get("teller") or {}).get("no", ""),
        "received_at": stamp(case.received_at),
        "applicant": text(checked.applicant),
        "agent": business.get("agent", {}),
        "delivery": text(checked.delivery),
        "consents": business.get("consents", []),
        "signed_at": (business.get("signature") or {}).get("signed_at", ""),
        "materials": business.get("materials", []),
        "material_names": {m.id: m.name for m in item.materials},
        "missing": [m for m, _ in case.facts.missing],
        "promised_until": dict(case.facts.missing),
    }
