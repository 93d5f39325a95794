"""Taking a submission in: checked, made durable in one transaction, answered with its receipt (rules.md 1–12).

Nothing is sent to a department here. All crypto, encryption and sealing is done before the transaction begins;
unique constraints decide about repeats, retries, conflicts and second open cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import structlog

from gateway.audit.kinds import EntryKind
from gateway.calendar.clockwork import Clockwork
from gateway.cases import answers
from gateway.cases.business import bank_ref_problems, item_of
from gateway.cases.journal import Journal
from gateway.cases.making import Arrival, Made, Maker, open_key_of
from gateway.cases.waiting import WaitingRoom
from gateway.catalogue.item import Catalogue, Item
from gateway.catalogue.submission import CheckedSubmission, check_submission
from gateway.domain.clock import Clock, beijing_day
from gateway.domain.errors import Busy, Conflict, FromCaller, Invalid, NotAllowed, Problem
from gateway.domain.reasons import FieldCode, Reason, WarningCode
from gateway.domain.records import Case
from gateway.domain.requests import AnswerWarning, BankRequest
from gateway.materials.blobs import Blobs
from gateway.parties.directory import Directory
from gateway.parties.switchboard import Switchboard
from gateway.signing.canon import same_business
from gateway.signing.vault import Vault
from gateway.store import acts, messages
from gateway.store import cases as case_rows
from gateway.store import clients as client_rows
from gateway.store.database import Database
from gateway.store.filing import Filed, Filing
from gateway.wire.messages import WireResponse

_log = structlog.get_logger("cases.intake")


class Intake:
    """The desk for new submissions."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        make: Maker,
        catalogue: Catalogue,
        directory: Directory,
        blobs: Blobs,
        backends: Collection[str],
        clock: Clock,
        clockwork: Clockwork,
        switchboard: Switchboard,
        waiting: WaitingRoom,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._make = make
        self._file = Filing(database)
        self._catalogue = catalogue
        self._directory = directory
        self._blobs = blobs
        self._backends = frozenset(backends)
        self._clock = clock
        self._clockwork = clockwork
        self._switchboard = switchboard
        self._waiting = waiting
        self._wake = wake

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
            filed = self._file(made.rows)
            if filed is Filed.FILED:
                self._blobs.claim_filed(made.case, request.business.members)
                self._wake()
                return self._with_decision(arrival, item, made)
            if filed is Filed.BLOCKED:
                raise self._why_blocked(arrival, now)
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
        problems += self._switched_off(request, now)
        client = self._directory().by_id(request.hint.client_id)
        files = self._blobs.of(request.bank, request.hint.client_id, request.business.text("bank_ref"))
        checked = check_submission(
            self._catalogue,
            item,
            business,
            bank=request.bank,
            client_outlets=client.outlets if client else (),
            received_at=now,
            promise_limit=self._clockwork.promise_ends(item, now),
            judge_file=files.judge,
            read_form=files.form,
        )
        problems += checked.problems
        if problems:
            raise Invalid(problems)
        return item, checked, (*request.warnings, *warnings, *checked.warnings, *self._closed(item, now))

    def _switched_off(self, request: BankRequest, now: datetime) -> list[Problem]:
        business = request.business
        off = self._switchboard().off(business.text("item"), business.text("outlet"), request.bank, now)
        if off is None:
            return []
        if off.item:
            return [Problem("item", FieldCode.ITEM_CLOSED, off.say)]
        return [Problem("outlet", FieldCode.OUTLET_NOT_ENTITLED, off.say)]

    def _closed(self, item: Item, now: datetime) -> tuple[AnswerWarning, ...]:
        """A planned closure is said at once: the case is taken and passed on later."""
        closure = self._switchboard().closed(item.backend, now)
        return () if closure is None else (AnswerWarning(WarningCode.DEPARTMENT_CLOSED, closure.say),)

    def _why_blocked(self, arrival: Arrival, now: datetime) -> FromCaller:
        """What the transaction met that our snapshots did not know yet: a switch, or a blocked client."""
        hint = arrival.request.hint
        with self._database.read() as tx:
            good = client_rows.still_good(tx, hint.client_id, hint.key_id, now=now)
        self._switchboard.forget()
        problems = self._switched_off(arrival.request, now) if good else []
        return Invalid(problems) if problems else NotAllowed(Reason.NOT_AUTHENTIC)

    # -- when a constraint decided, or the content no longer passes ------------------------------------------

    def _known(self, arrival: Arrival) -> WireResponse | None:
        """The answer when this message or this submission was here before; none when it was not."""
        request = arrival.request
        hint = request.hint
        with self._database.read() as tx:
            seen = messages.seen(tx, self._vault, hint.client_id, hint.transport_id)
            case = case_rows.by_bank_ref(tx, self._vault, request.bank, request.business.text("bank_ref"))
            act = None if case else acts.find(tx, request.bank, request.business.text("bank_ref"))
            if not client_rows.still_good(tx, hint.client_id, hint.key_id, now=self._clock.now()):
                raise NotAllowed(Reason.NOT_AUTHENTIC)  # blocked a moment ago: no stored answer either
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
                kind,
                {"bank_ref": request.business.text("bank_ref"), "request": request.request_id},
                {"message": request.hint.message_digest},
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
        hint = arrival.request.hint
        try:
            case = self._waiting.wait(made.case)
            if case is None:
                return made.response
            response = arrival.seal(answers.of_case("submit", case, repeat=False, warnings=made.warnings))
            self._database.again(
                lambda tx: messages.answer(tx, self._vault, hint, case_id=case.case_id, raw=response.packed())
            )
        except Exception as error:  # the case is filed: whatever happens now, "nothing was done" would be a lie
            _log.warning("intake.decision_not_told", error=type(error).__name__)
            return made.response
        return response
