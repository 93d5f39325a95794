"""The banks' own doors: raw bytes → open → desk → seal (operations.md section 1).

Must not decide anything and must not name a bank. Every answer is HTTP 200 in the bank's envelope, except above the
hard caps, before anything is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from flask import Blueprint, Response, request

from gateway.cases.desk import Desk
from gateway.contracts.bank import Bank
from gateway.domain.clock import Clock
from gateway.domain.errors import Busy, NotAuthentic, NotUnderstood, OutcomeUnknown
from gateway.domain.reasons import Reason
from gateway.domain.requests import BankReply, BankRequest, Hint
from gateway.parties.limits import Buckets
from gateway.store.database import new_id
from gateway.telemetry import Metrics
from gateway.web.inbound import Turned, caller_address, read
from gateway.web.refusals import Refusals
from gateway.wire.messages import WireRequest, WireResponse

_log = structlog.get_logger("web.banks")
Told = tuple[WireResponse, str, str]  # the answer, the operation, the reason told


class BankDoor:
    """One bank's door."""

    def __init__(
        self,
        bank: Bank,
        desk: Desk,
        *,
        refusals: Refusals,
        addresses: Buckets,
        flood: Buckets,
        claimed: Buckets,
        clock: Clock,
        metrics: Metrics,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self._bank = bank
        self._desk = desk
        self._refusals = refusals
        self._addresses = addresses
        self._flood = flood
        self._claimed = claimed
        self._clock = clock
        self._metrics = metrics
        self._seconds = metrics.seconds.labels(bank.code)
        self._trusted = tuple(trusted_proxies)
        self._window = timedelta(seconds=bank.traits.clock_skew_seconds)

    def __call__(self, **_path: str) -> Response:
        """Answer one request."""
        began = time.perf_counter()
        address = caller_address(request, self._trusted)
        exchange_id = new_id()
        with structlog.contextvars.bound_contextvars(request_id=exchange_id, bank=self._bank.code):
            if not self._addresses.take(address):
                return self._too_many(address)
            try:
                wire = read(request, received_at=self._clock.now(), exchange_id=exchange_id, address=address)
            except Turned as turned:
                self._metrics.refusals.labels(self._bank.code, f"http_{turned.status}").inc()
                return Response(status=turned.status)
            answer, operation, reason = self._answer(wire)
            say = _log.debug if reason == Reason.OK else _log.info  # a line costs a twentieth of a whole intake
            say("request.answered", operation=operation, reason=reason)
        self._metrics.requests.labels(self._bank.code, operation, reason).inc()
        self._seconds.observe(time.perf_counter() - began)
        return Response(answer.body, status=answer.status, headers=answer.headers)

    def _too_many(self, address: str) -> Response:
        """The bank's own code in its own envelope; an empty 429 only for what is a flood (operations.md section 1)."""
        self._refusals.turned(self._bank.code, address, cause="address_rate")
        if not self._flood.take(address):
            return Response(status=429)
        answer, _, _ = self._say(Hint(bank=self._bank.code), Reason.TOO_MANY)
        return Response(answer.body, status=answer.status, headers=answer.headers)

    def _answer(self, wire: WireRequest) -> Told:
        # Also opening looks into the store (for the clients): nothing may leave this door without an envelope.
        return self._guarded(Hint(bank=self._bank.code), lambda: self._opened(wire))

    def _opened(self, wire: WireRequest) -> Told:
        try:
            opened = replace(self._bank.open(wire), request_id=wire.exchange_id)
        except NotAuthentic as error:
            hint = error.hint or Hint(bank=self._bank.code)
            self._refusals.note(self._bank.code, wire, claimed=hint.claimed_id, cause=error.cause)
            if not self._claimed.take(f"{self._bank.code}:{hint.claimed_id}"):
                return self._say(hint, Reason.TOO_MANY)
            _log.info("request.not_authentic", cause=error.cause, claimed=hint.claimed_id[:40])
            return self._say(hint, error.reason)
        except NotUnderstood as error:
            return self._unreadable(error.hint or Hint(bank=self._bank.code), error.reason)
        if opened.ignored_addresses:
            self._refusals.ignored(
                self._bank.code, wire, client_id=opened.hint.client_id, members=opened.ignored_addresses
            )
        return self._guarded(opened.hint, lambda: self._at_desk(opened, wire))

    def _unreadable(self, hint: Hint, reason: Reason) -> Told:
        return self._guarded(
            hint, lambda: self._say(hint, self._desk.refuse_unreadable(hint, reason, window=self._window))
        )

    def _at_desk(self, opened: BankRequest, wire: WireRequest) -> Told:
        told: list[Reason] = []

        def seal(reply: BankReply) -> WireResponse:
            told.append(reply.reason)
            return self._bank.seal(reply, opened.hint)

        answer = self._desk.answer(opened, wire.evidence(), seal, window=self._window)
        return answer, opened.operation.value, told[-1].value if told else "repeat"

    def _guarded(self, hint: Hint, act: Callable[[], Told]) -> Told:
        try:
            return act()
        except OutcomeUnknown:
            _log.exception("request.outcome_unknown")
            return self._say(hint, Reason.RESULT_UNKNOWN)
        except Busy as error:
            _log.warning("request.busy", error=str(error))
            return self._say(hint, Reason.BUSY)
        except Exception as error:
            fault = new_id()[-8:].upper()
            _log.error("request.failed", fault=fault, error=type(error).__name__, exc_info=True)
            return self._say(hint, Reason.INTERNAL, fault=fault)

    def _say(self, hint: Hint, reason: Reason, *, fault: str = "") -> Told:
        operation = hint.operation if hint.authentic else ""
        answer = self._bank.seal(BankReply(operation=operation, reason=reason, fault_id=fault), hint)
        return answer, operation or "-", reason.value


def blueprint(doors: Sequence[tuple[Bank, BankDoor]]) -> Blueprint:
    """Routes of every registered bank; below a bank's prefix also paths that are no operation get its envelope."""
    bank_doors = Blueprint("banks", __name__)
    for bank, door in doors:
        rules = [bank.prefix + "<path:rest>"] if bank.prefix else list(dict.fromkeys(d.path for d in bank.doors))
        for number, rule in enumerate(rules):
            bank_doors.add_url_rule(
                rule,
                endpoint=f"{bank.code}-{number}",
                view_func=door,
                methods=["POST"],
                provide_automatic_options=False,
            )
    return bank_doors
