"""The education bureau as a back-end: what its answers mean for a call.

Must not open a socket, remember anything or decide about a case. Written from the bureau's own document
(FT_EDU v2.4), sections quoted.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from gateway.backends.education import bodies, codes, masking, signing, wire
from gateway.backends.education.codes import Family, family
from gateway.contracts.backend import SUPPLEMENT, WITHDRAW, Answers, BackendTraits, Line
from gateway.contracts.settings import PeerSettings
from gateway.domain.calls import BackendCall, CallbackEvent, Standing
from gateway.domain.clock import Clock
from gateway.domain.errors import (
    BadCatalogue,
    BadSettings,
    DeliveryUnknown,
    FromPeer,
    NotDelivered,
    NotUnderstood,
    Refused,
)
from gateway.signing.secret import Secret
from gateway.wire.messages import OutboundRequest, WireRequest, WireResponse

log = logging.getLogger(__name__)

PUSH_APP = "edu-push"  # FT_EDU 2: their application id when they push
SUBMIT = "submit"  # FT_EDU 3: what a route asks for
MOST_FILES = 30  # FT_EDU 10, of one case
MOST_BYTES = 10 * 1024 * 1024  # FT_EDU 10, of one file
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_SUFFIX = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}


@dataclass(frozen=True, slots=True)
class _Read:
    """A signed answer that holds a body: done, or 40902 with the case that made it impossible."""

    body: wire.Json
    warning: str
    done: bool


class EducationBackend:
    """One bureau, three operations: ``submit``, ``supplement``, ``withdraw``. Shared by all threads."""

    traits = BackendTraits(
        answers=frozenset({Answers.AT_ONCE, Answers.CALLBACK, Answers.POLL}),
        repeat_safe=True,  # FT_EDU 9: the same call id gives the original case, for ever
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
        self._secret = Secret(held.reveal().strip() if held else b"")
        if not self._app or not self._secret.reveal():
            raise BadSettings(f"{settings.code}: the education bureau needs the value app and the secret hmac")
        self._clock = clock

    def submit(self, call: BackendCall, line: Line) -> Standing:
        """File, supplement or withdraw, by the call's operation; repeating it is safe (FT_EDU 9).

        Raises ``Refused`` (we are wrong, or a file is missing), ``NotDelivered`` (later; nothing was stored, also
        when an upload failed), ``DeliveryUnknown`` (unsigned, unreadable, of an unknown code), ``NotUnderstood``
        (40901, or signed and done yet not this case), ``BadCatalogue`` for another operation; then nothing is sent.
        """
        if call.operation == SUBMIT:
            return self._file(call, line)
        if call.operation not in {SUPPLEMENT, WITHDRAW}:
            raise BadCatalogue(f"{self.code}: an operation must be submit, supplement or withdraw")
        if not call.department_ref:
            raise Refused("the bureau's number of this case is not known yet", peer=self.code)
        if call.operation == SUPPLEMENT:
            body, action = bodies.supplement(call, self._upload(call, line)), "supplements"
        else:
            body, action = bodies.withdrawal(call), "withdrawal"
        target = wire.case_target(call.department_ref, action)
        answered = self._exchange(line, method="POST", target=target, body=body, purpose=call.operation)
        if answered is None:
            raise Refused(f"the bureau does not know {call.department_ref}", peer=self.code, code="40401")
        standing = self._standing(answered, call)
        if call.operation == SUPPLEMENT and not answered.done and not _ends_it(call, standing):
            raise Refused("a supplement is not possible now and the case goes on", peer=self.code, code="40902")
        return standing

    def find(self, call: BackendCall, line: Line) -> Standing | None:
        """Ask how a call stands; ``None`` for a signed 40401.

        Raises as ``submit``, but an answer that tells nothing is ``NotDelivered`` (FT_EDU 11: later for reads).
        A supplement or withdrawal cannot be asked about by its own id: the case is read instead, and ``None``
        (send it again, which is safe) says that nothing shows it has arrived.
        """
        if call.operation == SUBMIT:
            target = wire.by_call_target(call.call_id)
        elif call.department_ref:
            target = wire.case_target(call.department_ref)
        else:
            return None
        answered = self._exchange(line, method="GET", target=target, body=b"", purpose="find")
        if answered is None:
            return None
        standing = self._standing(answered, call)
        return standing if _shows(call, answered.body, standing) else None

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
        call_id, number, word = wire.pushed(request.body)
        return [] if word is None else [CallbackEvent(call_id, number, word)]

    def acknowledge(self, taken: bool) -> WireResponse:
        """FT_EDU 3: ``{"code":0}`` with 200 takes a push; anything else brings it again."""
        headers = {"content-type": "application/json"}
        return WireResponse(200 if taken else 503, b'{"code":0}' if taken else b'{"code":50001}', headers)

    def scrub(self, raw: bytes) -> bytes:
        """A body with personal data masked."""
        return masking.scrub(raw)

    def _file(self, call: BackendCall, line: Line) -> Standing:
        body = bodies.filing(call, self._upload(call, line))
        answered = self._exchange(line, method="POST", target=wire.submit_target(), body=body, purpose=SUBMIT)
        if answered is None:
            raise DeliveryUnknown("a filing was answered with 'not known'", peer=self.code, code="40401")
        return self._standing(answered, call)

    def _upload(self, call: BackendCall, line: Line) -> Mapping[str, list[str]]:
        """Their file ids by material; every file anew on a repeat, for ids die after a day and are not compared."""
        wanted = [
            (str(row.get("id")), str(file.get("digest", "")))
            for row in call.common.get("materials") or []
            if codes.MATERIAL.get(str(row.get("how"))) == codes.AS_FILE
            for file in row.get("files") or []
        ]
        if len(wanted) > MOST_FILES:
            raise Refused(f"{len(wanted)} files; the bureau takes {MOST_FILES} a case", peer=self.code)
        for material, digest in wanted:
            if digest not in call.files:
                raise Refused(f"a file of {material} is not here: {digest}", peer=self.code)
        found: dict[str, list[str]] = {}
        for place, (material, digest) in enumerate(wanted, start=1):
            media_type, content = call.files[digest]()
            if len(content) > MOST_BYTES or media_type not in _SUFFIX:
                raise Refused(f"file {digest} of {material} is too large or of another type", peer=self.code)
            name = f"{material}-{place}.{_SUFFIX[media_type]}"
            found.setdefault(material, []).append(self._upload_one(line, name, media_type, content=content))
        return found

    def _upload_one(self, line: Line, name: str, media_type: str, *, content: bytes) -> str:
        # However it ends, nothing was filed yet and an unused file dies by itself: never *delivery unknown*.
        try:
            answered = self._exchange(
                line,
                method="POST",
                target=wire.upload_target(),
                body=content,
                purpose="upload",
                more={"Content-Type": media_type, "X-Edu-File-Name": quote(name, safe="")},
            )
            if answered is not None:
                their_id, digest = wire.file_id(answered.body)
                if digest == hashlib.sha256(content).hexdigest():
                    return their_id
        except Refused:
            raise
        except FromPeer as error:
            text = f"an upload failed: {error.text}"
            raise NotDelivered(text, peer=self.code, code=error.code, exchange_id=error.exchange_id) from error
        raise NotDelivered("an upload failed: they hold other bytes", peer=self.code)

    def _exchange(
        self,
        line: Line,
        *,
        method: str,
        target: str,
        body: bytes,
        purpose: str,
        more: Mapping[str, str] | None = None,
    ) -> _Read | None:
        """A signed answer that is done, or 40902 with the case; ``None`` for a signed 40401."""
        answer = self._send(line, method=method, target=target, body=body, purpose=purpose, more=more)
        read = wire.envelope(answer.body)
        if read is not None and read[0] == codes.CLOCK:  # FT_EDU 8: sign anew; once, then we are wrong
            answer = self._send(line, method=method, target=target, body=body, purpose=purpose, more=more)
            read = wire.envelope(answer.body)
        if read is None:
            raise self._unclear("a signed answer without an envelope", method)
        code, message, data = read
        text, shown = wire.complaint(message, data), str(code)
        match family(code):
            case Family.DONE | Family.STATE:
                done = code == codes.DONE
                return _Read(data, message if done and message != "ok" else "", done)
            case Family.NOT_KNOWN:
                return None
            case Family.WRONG:
                raise Refused(text, peer=self.code, code=shown)
            case Family.CONFLICT:
                raise NotUnderstood(f"known there with other content: {text}", peer=self.code, code=shown)
            case Family.LATER:
                wait = signing.header(answer.headers, "Retry-After")
                raise NotDelivered(f"{text}; Retry-After {wait}" if wait else text, peer=self.code, code=shown)
            case _:
                raise self._unclear(text, method, code=shown)

    def _send(
        self, line: Line, *, method: str, target: str, body: bytes, purpose: str, more: Mapping[str, str] | None
    ) -> WireResponse:
        nonce = signing.new_nonce()
        headers = {**_JSON, **(more or {})} | signing.signed_headers(
            self._secret, app=self._app, method=method, target=target, body=body, now=self._clock.now(), nonce=nonce
        )
        answer = line.send(OutboundRequest(method, target, headers, body, purpose, writes=method != "GET"))
        if not signing.answer_holds(
            self._secret, status=answer.status, headers=answer.headers, body=answer.body, nonce=nonce
        ):
            raise self._unclear(f"HTTP {answer.status} without a valid signature", method)
        return answer

    def _standing(self, read: _Read, call: BackendCall) -> Standing:
        case, warning = read.body, read.warning
        standing = wire.standing(case, remark=warning, automatic=call.common.get("mode") == "instant")
        # An answer about another case must never move this one; an act has an id of its own.
        filed_as = call.call_id if call.operation == SUBMIT else call.common.get("filed_as")
        if wire.filed_as(case) != filed_as or call.department_ref not in {"", standing.department_ref}:
            raise NotUnderstood("the answer is about another case", peer=self.code)
        if warning:
            log.info("answered_with_warning", extra={"call_id": call.call_id})
        return standing

    def _unclear(self, text: str, method: str, *, code: str = "") -> FromPeer:
        # FT_EDU 11: what tells nothing is *later* for reads and *unknown* for writes.
        kind = NotDelivered if method == "GET" else DeliveryUnknown
        return kind(text, peer=self.code, code=code)


def _ends_it(call: BackendCall, standing: Standing) -> bool:
    """True when a case that takes no supplement any more has ended the question itself; promised papers stay owed."""
    late = call.common.get("supplement_kind") == "LATE"
    return any(word.outcome in codes.ENDS and not late for word in standing.words[-1:])


def _shows(call: BackendCall, case: wire.Json, standing: Standing) -> bool:
    """True when a case as read tells that the call has arrived."""
    if call.operation == SUPPLEMENT:
        # A late paper leaves no mark on the case; a correction that arrived ends its state.
        return call.common.get("supplement_kind") != "LATE" and wire.state(case) != codes.CORRECTION_STATE
    if call.operation == WITHDRAW:
        return any(word.outcome in codes.ENDS for word in standing.words[-1:])
    return True
