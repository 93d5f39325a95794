"""The departments' door: verify, store raw bytes and a work row, acknowledge (house.md journey 2).

Must not decide: the word reaches its case through a work row. A repeated event id changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog
from flask import Blueprint, Response, request

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.contracts.backend import Backend
from gateway.dispatch.words import Words
from gateway.domain.calls import CallbackEvent
from gateway.domain.clock import Clock
from gateway.domain.errors import Busy, NotAuthentic, NotUnderstood
from gateway.signing.vault import Vault
from gateway.store import cases, exchanges, inbound, work
from gateway.store.database import Database, Tx, new_id
from gateway.telemetry import Metrics
from gateway.web.inbound import Turned, caller_address, read
from gateway.wire.exchange import Exchange
from gateway.wire.messages import WireRequest, WireResponse

_log = structlog.get_logger("web.callbacks")


class CallbackDoor:
    """Takes callbacks for every back-end."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        backends: Mapping[str, Backend],
        words: Words,
        clock: Clock,
        metrics: Metrics,
        wake: Callable[[], None],
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self._database = database
        self._vault = vault
        self._backends = backends
        self._words = words
        self._clock = clock
        self._metrics = metrics
        self._wake = wake
        self._trusted = tuple(trusted_proxies)

    def __call__(self, backend: str) -> Response:
        """Answer one callback; an unknown back-end is a plain 404."""
        peer = self._backends.get(backend)
        if peer is None:
            return Response(status=404)
        exchange_id = new_id()
        with structlog.contextvars.bound_contextvars(request_id=exchange_id, backend=backend):
            return self._answer(peer, exchange_id)

    def _answer(self, peer: Backend, exchange_id: str) -> Response:
        backend, address = peer.code, caller_address(request, self._trusted)
        try:
            wire = read(request, received_at=self._clock.now(), exchange_id=exchange_id, address=address)
        except Turned as turned:
            return Response(status=turned.status)
        try:
            outcome, answer = self._take(peer, wire)
        except Exception as error:  # whatever it was: not taken, so that the department says it again
            _log.error("callback.failed", backend=backend, error=type(error).__name__, exc_info=True)
            outcome, answer = "failed", peer.acknowledge(False)
        self._metrics.callbacks.labels(backend, outcome).inc()
        _log.info("callback.answered", outcome=outcome)
        response = Response(answer.body, status=answer.status)
        response.headers.update(answer.headers)
        return response

    def _take(self, peer: Backend, wire: WireRequest) -> tuple[str, WireResponse]:
        try:
            events = peer.read_callback(wire)
        except NotAuthentic as error:
            _log.warning("callback.not_authentic", backend=peer.code, cause=error.cause)
            return "not_authentic", peer.acknowledge(False)
        except NotUnderstood as error:
            # Verified but unreadable: kept raw for a person; taken, so that it is not sent for ever.
            _log.error("callback.not_understood", backend=peer.code, cause=error.cause)
            return self._store(peer, wire, [], "not_understood")
        return self._store(peer, wire, events, "taken")

    def _store(
        self, peer: Backend, wire: WireRequest, events: list[CallbackEvent], outcome: str
    ) -> tuple[str, WireResponse]:
        answer = peer.acknowledge(True)
        try:
            fresh = self._database.again(lambda tx: self._insert(tx, peer.code, wire, events, answer, outcome))
        except Busy:
            return "busy", peer.acknowledge(False)
        if fresh:
            self._wake()
        return outcome if fresh or not events else "repeated", answer

    def _insert(
        self,
        tx: Tx,
        backend: str,
        wire: WireRequest,
        events: list[CallbackEvent],
        answer: WireResponse,
        outcome: str,
    ) -> int:
        fresh = 0
        case_id = ""
        for event in events:
            case_id = work.call_of(tx, backend, event.call_id)
            if inbound.first_time(
                tx,
                backend,
                event.word.event_id or f"exchange:{wire.exchange_id}",
                call_id=event.call_id,
                at=wire.received_at,
                exchange_id=wire.exchange_id,
            ):
                work.put(tx, self._words.row(backend, event, work_id=new_id(), case_id=case_id))
                fresh += 1
            elif case_id:
                self._note_repeat(tx, backend, case_id, event)
        exchanges.insert(
            tx,
            self._vault,
            Exchange(
                exchange_id=wire.exchange_id,
                peer=backend,
                direction="in",
                purpose="callback",
                case_id=case_id,
                call_id=events[0].call_id if events else "",
                started_at=wire.received_at,
                ended_at=self._clock.now(),
                request=wire.evidence(),
                status=answer.status,
                response=answer.body,
                outcome=outcome,
            ),
        )
        return fresh

    def _note_repeat(self, tx: Tx, backend: str, case_id: str, event: CallbackEvent) -> None:
        cases.note(
            tx,
            case_id,
            EntryKind.CALLBACK_REPEATED,
            now=self._clock.now(),
            facts={"call": event.call_id, "event": as_fact(event.word.event_id) or "-"},
            actor=f"department:{backend}",
        )


def blueprint(door: CallbackDoor) -> Blueprint:
    """``POST /callback/<backend>``."""
    callbacks = Blueprint("callbacks", __name__)
    callbacks.add_url_rule("/callback/<backend>", endpoint="callback", view_func=door, methods=["POST"])
    return callbacks
