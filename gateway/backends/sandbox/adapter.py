"""The sandbox department as a back-end: what its answers mean for a call.

Must not open a socket, remember anything or decide about a case. Written from the department's own document
(FT_SBX 1.0), sections quoted.
"""

from __future__ import annotations

import structlog

from gateway.backends.sandbox import masking, signing, wire
from gateway.backends.sandbox.codes import NOT_KNOWN, NOT_POSSIBLE, Family, family
from gateway.contracts.backend import SUPPLEMENT, WITHDRAW, Answers, BackendTraits, Line
from gateway.contracts.settings import PeerSettings
from gateway.domain.calls import BackendCall, CallbackEvent, Standing
from gateway.domain.clock import Clock
from gateway.domain.errors import BadCatalogue, BadSettings, DeliveryUnknown, NotDelivered, NotUnderstood, Refused
from gateway.signing.secret import Secret
from gateway.wire.messages import OutboundRequest, WireRequest, WireResponse

log = structlog.get_logger("backends.sandbox")

PUSH_APP = "sbx-push"  # FT_SBX 2: their application id when they push
FILE = "file"  # FT_SBX 3: their name of what a route asks for


class SandboxBackend:
    """One department with magic values; also the model of a back-end. Shared by all threads."""

    traits = BackendTraits(
        answers=frozenset({Answers.AT_ONCE, Answers.CALLBACK, Answers.POLL}),
        repeat_safe=False,  # FT_SBX 9: the same call id files a second application
        finds_by_our_id=True,
        withdraws=True,
    )

    def __init__(self, *, settings: PeerSettings, clock: Clock) -> None:
        """Settings: value ``app`` (our application id), optional value ``callback_path`` (path and query they
        sign, where a front proxy shows us another), secret ``hmac``.

        Raises ``BadSettings`` when one is missing.
        """
        self.code = settings.code
        self._app = settings.get("app")
        self._callback_path = settings.get("callback_path")
        held = settings.secrets.get("hmac")
        self._secret = Secret(held.reveal().strip() if held else b"")  # FT_SBX 2: without surrounding blanks
        if not self._app or not self._secret.reveal():
            raise BadSettings(f"{settings.code}: the sandbox department needs the value app and the secret hmac")
        self._clock = clock

    def submit(self, call: BackendCall, line: Line) -> Standing:
        """File an application: it is a second one if the call id was filed before (FT_SBX 9). Acts are safe to repeat.

        Raises ``Refused`` (E1xx), ``NotDelivered`` (E2xx: nothing was stored), ``DeliveryUnknown`` (unsigned,
        unreadable or of an unknown code), ``NotUnderstood`` (signed and done, yet not this application),
        ``BadCatalogue`` for a route that asks for anything but ``file``; then nothing is sent.
        """
        if call.operation in {SUPPLEMENT, WITHDRAW}:
            return self._act(call, line)
        if call.operation != FILE:
            raise BadCatalogue(f"{self.code}: a route's operation must be file, not {call.operation!r}")
        body = wire.file_body(call)
        data = self._exchange(line, method="POST", target=wire.file_target(), body=body, purpose="submit")
        if data is None:
            raise self._unknown("a filing was answered with 'not known'", code=NOT_KNOWN)
        return self._standing(data, call)

    def _act(self, call: BackendCall, line: Line) -> Standing:
        """FT_SBX 3.2, 3.3. A withdrawal that comes after the decision is answered with the application as it stands."""
        if not call.department_ref:
            raise Refused("nothing is filed there that could be changed", peer=self.code)
        body = wire.supplement_body(call) if call.operation == SUPPLEMENT else wire.withdrawal_body(call)
        target = wire.act_target(call.department_ref, call.operation)
        decided = call.operation == WITHDRAW
        data = self._exchange(
            line, method="POST", target=target, body=body, purpose=call.operation, decided_is_answer=decided
        )
        if data is None:
            raise Refused("they do not know their own number", peer=self.code, code=NOT_KNOWN)
        return self._standing(data, call)

    def find(self, call: BackendCall, line: Line) -> Standing | None:
        """Ask by our call id; ``None`` only for a signed ``N404``. Raises as ``submit``."""
        data = self._exchange(line, method="GET", target=wire.find_target(call.call_id), body=b"", purpose="find")
        return None if data is None else self._standing(data, call)

    def read_callback(self, request: WireRequest) -> list[CallbackEvent]:
        """One event of a push, or none when its word says nothing new (``RECEIVED``).

        Raises ``NotAuthentic`` (reason ``CLOCK`` once the signature holds) or ``NotUnderstood``. A repeat is
        read again: its ``event_id`` is what the desk knows it by.
        """
        query = request.query.decode("latin-1")
        signing.check_request(
            self._secret,
            app=PUSH_APP,
            method=request.method,
            target=self._callback_path or (f"{request.path}?{query}" if query else request.path),
            headers=request.headers,
            body=request.body,
            now=self._clock.now(),
        )
        call_id, sbx_no, word = wire.pushed(request.body)
        return [] if word is None else [CallbackEvent(call_id, sbx_no, word)]

    def acknowledge(self, taken: bool) -> WireResponse:
        """FT_SBX 6: ``{"code":"0"}`` with 200 takes a push; anything else brings it again."""
        headers = {"content-type": "application/json"}
        return WireResponse(200 if taken else 503, b'{"code":"0"}' if taken else b'{"code":"later"}', headers)

    def scrub(self, raw: bytes) -> bytes:
        """A body with personal data masked."""
        return masking.scrub(raw)

    def _exchange(
        self, line: Line, *, method: str, target: str, body: bytes, purpose: str, decided_is_answer: bool = False
    ) -> dict[str, object] | None:
        """``data`` of a signed answer with code 0, ``None`` for a signed ``N404``.

        ``decided_is_answer``: "not possible in this status" carries the application, and that is what we want to know.
        """
        nonce = signing.new_nonce()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= signing.signed_headers(
            self._secret, app=self._app, method=method, target=target, body=body, now=self._clock.now(), nonce=nonce
        )
        answer = line.send(OutboundRequest(method, target, headers, body, purpose, writes=method != "GET"))
        if not signing.answer_holds(
            self._secret, status=answer.status, headers=answer.headers, body=answer.body, nonce=nonce
        ):
            raise self._unknown(f"HTTP {answer.status} without a valid signature")
        read = wire.envelope(answer.body)
        if read is None:
            raise self._unknown("a signed answer without an envelope")
        code, message, data = read
        if decided_is_answer and code == NOT_POSSIBLE and data:
            return data
        match family(code):
            case Family.DONE:
                return data
            case Family.NOT_KNOWN:
                return None
            case Family.WRONG:
                raise Refused(wire.complaint(message, data), peer=self.code, code=code)
            case Family.LATER:
                raise NotDelivered(message, peer=self.code, code=code)
            case _:
                raise self._unknown(message, code=code)

    def _standing(self, data: dict[str, object], call: BackendCall) -> Standing:
        standing = wire.standing(data)
        # An answer about another application must never move this case.
        filed_as = call.common.get("filed_as") if call.operation in {SUPPLEMENT, WITHDRAW} else call.call_id
        if wire.filed_as(data) != filed_as or call.department_ref not in {"", standing.department_ref}:
            raise NotUnderstood("the answer is about another application", peer=self.code)
        if further := wire.duplicates(data):
            log.warning("filed_more_than_once", call_id=call.call_id, further=further)
        return standing

    def _unknown(self, text: str, *, code: str = "") -> DeliveryUnknown:
        return DeliveryUnknown(text, peer=self.code, code=code)
