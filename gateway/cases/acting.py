"""One act on a filed case, done once: its reference, its message, its work row and its answer in one transaction.

Must not know what acts there are: a plan is handed in (operations.md 2.3; rules.md 1, 2, 7). Other than in intake the
answer is sealed inside the transaction, for it states what is true once the case is locked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from gateway.audit.kinds import EntryKind
from gateway.calendar.clockwork import Clockwork
from gateway.cases import answers, handoff
from gateway.cases.business import bank_ref_problems
from gateway.cases.journal import Journal
from gateway.cases.making import Arrival
from gateway.cases.naming import find_case, name_problems
from gateway.catalogue.item import Catalogue, Item
from gateway.domain.clock import Clock, beijing_day
from gateway.domain.errors import BadCatalogue, Busy, Conflict, FromCaller, Invalid, NotAllowed
from gateway.domain.reasons import Reason
from gateway.domain.records import Case
from gateway.signing.canon import business_digest, same_business
from gateway.signing.vault import Vault
from gateway.store import acts, messages, work
from gateway.store import cases as case_rows
from gateway.store import clients as client_rows
from gateway.store.database import Database, Tx, micros
from gateway.wire.messages import WireResponse

_ROUNDS = 3
Act = Callable[[Tx], Case]
Plan = Callable[[Arrival, Case, Item], Act]
"""Judges an act on the case as it was read and gives what to do in the transaction, where it is judged once more."""


class _Taken(Exception):
    """Somebody else was quicker with this reference or this message: look who it was."""


@dataclass(frozen=True, slots=True)
class Doing:
    """One act under way in its transaction: the locked case being written about, and what its work row will be."""

    arrival: Arrival
    journal: Journal
    item: Item
    now: datetime
    call_id: str


class Acting:
    """Does acts on cases."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        catalogue: Catalogue,
        clock: Clock,
        clockwork: Clockwork,
        wake: Callable[[], None],
        digest_algorithm: str = "sha256",
    ) -> None:
        self._database = database
        self._vault = vault
        self._catalogue = catalogue
        self._clock = clock
        self._clockwork = clockwork
        self._wake = wake
        self._algorithm = digest_algorithm

    def do(self, arrival: Arrival, plan: Plan) -> WireResponse:
        """The sealed answer of an act, done now or met again.

        Raises what the plan raises, ``Invalid``, ``NotFound(CASE_UNKNOWN)``, ``Conflict``, ``Busy``,
        ``OutcomeUnknown``.
        """
        for _ in range(_ROUNDS):
            known = self._known(arrival)
            if known is not None:
                return known
            try:
                case, item = self._case(arrival)
                act = plan(arrival, case, item)
                response = self._database.again(partial(self._in_one, arrival=arrival, act=act))
            except _Taken:
                continue
            except FromCaller:  # perhaps only because the very same act was done a moment ago
                known = self._known(arrival)
                if known is None:
                    raise
                return known
            self._wake()
            return response
        raise Busy("three attempts to act met one another")

    def _case(self, arrival: Arrival) -> tuple[Case, Item]:
        request = arrival.request
        problems = bank_ref_problems(request.business.text("bank_ref"), beijing_day(self._clock.now()))
        problems += name_problems(request)
        if problems:
            raise Invalid(problems)
        with self._database.read() as tx:
            case = find_case(tx, self._vault, request)
        item = self._catalogue.find(case.item, case.item_version)
        if item is None:
            raise BadCatalogue(f"{case.item} {case.item_version} is not in the catalogue")
        return case, item

    def _in_one(self, tx: Tx, *, arrival: Arrival, act: Act) -> WireResponse:
        """The act, its work row, its reference and its stored answer: all in this transaction or nothing."""
        hint = arrival.request.hint
        if not client_rows.still_good(tx, hint.client_id, hint.key_id, now=self._clock.now()):
            raise NotAllowed(Reason.NOT_AUTHENTIC)
        case = act(tx)
        request = arrival.request
        reply = answers.of_case(request.operation.value, case, repeat=False, warnings=request.warnings)
        response = arrival.seal(reply)
        if not acts.accept_message(tx, self._message_row(arrival, response, case.case_id)):
            raise _Taken
        return response

    def _known(self, arrival: Arrival) -> WireResponse | None:
        """The answer when this message or this act was here before; none when it was not."""
        request = arrival.request
        hint, bank_ref = request.hint, request.business.text("bank_ref")
        with self._database.read() as tx:
            seen = messages.seen(tx, self._vault, hint.client_id, hint.transport_id)
            act = acts.find(tx, request.bank, bank_ref)
            filed = None if act else case_rows.by_bank_ref(tx, self._vault, request.bank, bank_ref)
            if not client_rows.still_good(tx, hint.client_id, hint.key_id, now=self._clock.now()):
                raise NotAllowed(Reason.NOT_AUTHENTIC)  # blocked a moment ago: no stored answer either
        if seen is not None and seen.digest != hint.message_digest:
            raise Conflict(Reason.MESSAGE_ID_REUSED)
        if seen is not None and seen.answer:
            self._note(seen.case_id, EntryKind.ACT_REPEATED, arrival)
            return WireResponse.unpacked(seen.answer)
        if filed is not None:
            self._note(filed.case_id, EntryKind.SUBMISSION_CONFLICTED, arrival)
            raise Conflict(Reason.CONFLICT, receipt_no=filed.receipt_no)
        if act is None:
            return None
        same = act.operation == request.operation.value and same_business(
            request.business.canonical, act.business_digest
        )
        if not same:
            case = self._note(act.case_id, EntryKind.ACT_CONFLICTED, arrival)
            raise Conflict(Reason.CONFLICT, receipt_no=case.receipt_no)
        return self._met_again(act, arrival)

    def _met_again(self, act: acts.Act, arrival: Arrival) -> WireResponse:
        """An honest retry: nothing is done twice; same receipt, present state, fresh envelope (rules.md 2)."""
        request = arrival.request
        case = self._note(act.case_id, EntryKind.ACT_RETRIED, arrival)
        response = arrival.seal(answers.of_case(act.operation, case, repeat=True, warnings=request.warnings))
        row = self._message_row(arrival, response, case.case_id)
        self._database.again(lambda tx: acts.accept_message(tx, row))
        return response

    def _note(self, case_id: str, kind: EntryKind, arrival: Arrival) -> Case:
        request = arrival.request

        def write(tx: Tx) -> Case:
            journal = self._journal(case_rows.lock(tx, self._vault, case_id), arrival, self._clock.now())
            facts = {"operation": request.operation.value, "bank_ref": request.business.text("bank_ref")}
            journal.note(kind, facts, {"message": request.hint.message_digest})
            return journal.close(tx)

        return self._database.again(write)

    def _message_row(self, arrival: Arrival, response: WireResponse, case_id: str) -> dict[str, Any]:
        hint, now = arrival.request.hint, self._clock.now()
        place = {"client": hint.client_id, "transport": hint.transport_id}
        return {
            "client_id": hint.client_id,
            "transport_id": hint.transport_id,
            "digest": hint.message_digest,
            "operation": arrival.request.operation.value,
            "received_at": micros(now),
            "expires_at": micros(now + 2 * arrival.window),
            "case_id": case_id,
            "request_sealed": self._vault.seal(arrival.raw, messages.REQUEST_PLACE.format(**place)),
            "answer_sealed": self._vault.seal(response.packed(), messages.ANSWER_PLACE.format(**place)),
        }

    def _journal(self, case: Case, arrival: Arrival, now: datetime) -> Journal:
        request = arrival.request
        actor = f"bank:{request.bank}:{request.hint.client_id}"
        return Journal(self._vault, case, now=now, actor=actor, clocks=self._clockwork)

    def begin(self, tx: Tx, arrival: Arrival, case_id: str, item: Item) -> Doing:
        """Lock the case and put the act on record; its reference is taken from here on."""
        request, now = arrival.request, self._clock.now()
        case = case_rows.lock(tx, self._vault, case_id)
        bank_ref = request.business.text("bank_ref")
        journal = self._journal(case, arrival, now)
        digest = business_digest(request.business.canonical, self._algorithm)
        facts = {"operation": request.operation.value, "bank_ref": bank_ref}
        facts |= {name: request.business.text(name) for name in ("outlet", "ask_no", "why")}
        facts["request"] = request.request_id
        journal.note(EntryKind.ACT_RECEIVED, facts, {"message": request.hint.message_digest, "business": digest})
        act = acts.Act(
            bank=request.bank,
            bank_ref=bank_ref,
            case_id=case_id,
            client_id=request.hint.client_id,
            operation=request.operation.value,
            business_digest=digest,
            seq=journal.case.entry_no,
        )
        place = acts.CONTENT_PLACE.format(bank=request.bank, bank_ref=bank_ref)
        sealed = self._vault.unwrap(case.data_key).seal(request.business.canonical, place)
        if not acts.insert(tx, act, at=now, content_sealed=sealed):
            raise _Taken
        return Doing(arrival, journal, item, now, handoff.call_id_of(request.bank, bank_ref))

    def put(self, tx: Tx, doing: Doing, call: handoff.Handoff, **columns: Any) -> None:
        """The act's work row, ``columns`` where it is not one to send.

        Its key is the reference: a submission in flight with the same one is met here.
        """
        case = doing.journal.case
        row = handoff.call_row(
            call,
            call_id=doing.call_id,
            case_id=case.case_id,
            item=doing.item,
            key=self._vault.unwrap(case.data_key),
            now=doing.now,
            give_up_at=self._clockwork.patience_ends(doing.item, doing.now),
        )
        if not work.put_once(tx, row | columns):
            raise _Taken
