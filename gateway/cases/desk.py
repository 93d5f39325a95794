"""The one door of every authenticated message, whatever its operation (rules.md 4), and the way to its desk.

Must not open or seal envelopes: it gets opened requests and a way to seal replies.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.cases import answers
from gateway.cases.amend import Amending
from gateway.cases.info import Info
from gateway.cases.intake import Intake
from gateway.cases.making import Arrival, Seal
from gateway.cases.query import Reading
from gateway.domain.clock import Clock
from gateway.domain.errors import Conflict, FromCaller, NotAllowed
from gateway.domain.reasons import Reason
from gateway.domain.records import EntryDraft
from gateway.domain.requests import BankReply, BankRequest, Hint, Kind, Operation
from gateway.materials.tickets import Tickets
from gateway.parties.directory import Directory
from gateway.parties.limits import AtOnce, Buckets
from gateway.signing.vault import Vault
from gateway.store import clients, messages, trail
from gateway.store.database import Database, new_id
from gateway.wire.messages import WireResponse


class Desk:
    """Notes the message, checks rights and rates, and hands it to the desk for what it asks."""

    def __init__(
        self,
        database: Database,
        *,
        vault: Vault,
        intake: Intake,
        amending: Amending,
        reading: Reading,
        info: Info,
        tickets: Tickets,
        directory: Directory,
        clock: Clock,
        rates: Buckets,
        at_once: AtOnce,
        heard: Callable[[BankRequest], None] = lambda _request: None,
    ) -> None:
        """``heard`` is told of every answered echo: the client is there, and may have asked for a test notice."""
        self._database = database
        self._vault = vault
        self._heard = heard
        self._directory = directory
        self._clock = clock
        self._rates = rates
        self._at_once = at_once
        self._changes: dict[Operation, Callable[[Arrival], WireResponse]] = {
            Operation.SUBMIT: intake.submit,
            Operation.SUPPLEMENT: amending.supplement,
            Operation.WITHDRAW: amending.withdraw,
        }
        self._tickets: dict[Operation, Callable[[BankRequest], BankReply]] = {
            Operation.UPLOAD_TICKET: tickets.answer,
        }
        self._reads: dict[Operation, Callable[[BankRequest], BankReply]] = {
            Operation.QUERY: reading.query,
            Operation.CHANGES: reading.changes,
            Operation.RECEIPT: reading.receipt,
            Operation.ITEM_LIST: info.item_list,
            Operation.ITEM: info.item,
            Operation.OUTLET_LIST: info.outlet_list,
            Operation.DEPARTMENT_STATUS: info.department_status,
            Operation.ECHO: reading.echo,
        }

    def answer(self, request: BankRequest, raw: bytes, seal: Seal, *, window: timedelta) -> WireResponse:
        """The sealed answer to one authentic request. Raises ``Busy`` and ``OutcomeUnknown``, nothing else of ours."""
        arrival = Arrival(request=request, raw=raw, seal=seal, window=window)
        try:
            with self._allowed(request):
                match request.operation.kind:
                    case Kind.CHANGES:
                        return self._changes[request.operation](arrival)
                    case Kind.TICKET:
                        return self._ticket(arrival)
                self._note(request.hint, window)
                answer = seal(self._reads[request.operation](request))
                if request.operation is Operation.ECHO:
                    self._heard(request)
                return answer
        except FromCaller as error:
            return seal(self._refuse(arrival, error))

    def refuse_unreadable(self, hint: Hint, reason: Reason, *, window: timedelta) -> Reason:
        """What to tell of an authentic message that could not be read: its own reason, or that its id was used."""
        if not (hint.authentic and hint.transport_id):
            return reason
        try:
            self._note(hint, window)
        except FromCaller as error:
            reason = error.reason
        self._audit(hint, reason, problems=0)
        return reason

    def _allowed(self, request: BankRequest) -> AbstractContextManager[None]:
        client = self._directory().by_id(request.hint.client_id)
        if client is None or client.status != "active":
            raise NotAllowed(Reason.NOT_AUTHENTIC)
        if client.operations and request.operation.value not in client.operations:
            raise NotAllowed(Reason.OPERATION_NOT_ALLOWED)
        if not self._rates.take(client.client_id, rate=client.rate):
            raise NotAllowed(Reason.TOO_MANY)
        return self._at_once.hold(client.client_id, cap=client.at_once)

    def _ticket(self, arrival: Arrival) -> WireResponse:
        """A ticket has no ``bank_ref``; the same message again gets the stored answer, and with it the same ticket."""
        hint = arrival.request.hint
        with self._database.read() as tx:
            seen = messages.seen(tx, self._vault, hint.client_id, hint.transport_id)
            if not clients.still_good(tx, hint.client_id, hint.key_id, now=self._clock.now()):
                raise NotAllowed(Reason.NOT_AUTHENTIC)
        if seen is not None and seen.digest == hint.message_digest and seen.answer:
            return WireResponse.unpacked(seen.answer)
        self._note(hint, arrival.window)
        response = arrival.seal(self._tickets[arrival.request.operation](arrival.request))
        self._database.again(lambda tx: messages.answer(tx, self._vault, hint, case_id="", raw=response.packed()))
        return response

    def _note(self, hint: Hint, window: timedelta) -> None:
        """Bind the message's id to its text; a client that was blocked a moment ago ends here (rules.md 4, 7)."""
        now = self._clock.now()
        if not hint.transport_id:  # nothing to bind: the client is judged all the same
            with self._database.read() as tx:
                if not clients.still_good(tx, hint.client_id, hint.key_id, now=now):
                    raise NotAllowed(Reason.NOT_AUTHENTIC)
        elif not messages.note(self._database, hint, received_at=now, expires_at=now + 2 * window, only_good=True):
            raise Conflict(Reason.MESSAGE_ID_REUSED)

    def _refuse(self, arrival: Arrival, error: FromCaller) -> BankReply:
        """A refused message takes no stored answer and no bank_ref, but its id stays bound to its text."""
        request = arrival.request
        if request.operation.changes_something and error.reason is not Reason.MESSAGE_ID_REUSED:
            try:
                self._note(request.hint, arrival.window)
            except FromCaller as reused_or_blocked:
                error = reused_or_blocked
        self._audit(request.hint, error.reason, problems=len(error.problems))
        # A client that was blocked while we worked hears what it would have heard at the door, and no more.
        operation = "" if error.reason is Reason.NOT_AUTHENTIC else request.operation.value
        return answers.refusal(operation, error)

    def _audit(self, hint: Hint, reason: Reason, *, problems: int) -> None:
        reused = reason is Reason.MESSAGE_ID_REUSED
        draft = EntryDraft(
            kind=EntryKind.MESSAGE_REUSED if reused else EntryKind.MESSAGE_REFUSED,
            subject=f"message:{new_id()}",
            at=self._clock.now(),
            actor=f"bank:{hint.bank}:{hint.client_id}",
            facts={
                "operation": as_fact(hint.operation) or "-",
                "reason": reason.value,
                "problems": str(problems),
                "transport_id": as_fact(hint.transport_id) or "-",
            },
            digests={"message": hint.message_digest},
        )
        self._database.again(lambda tx: trail.append(tx, [trail.row(draft, 1)]))
