"""What every back-end promises, whatever its dialect: one suite, run once for each registered peer.

A new back-end needs one entry in ``RIGS``: how it is built, one call with planted personal data, and its department's
answers and pushes as that department would send them. Traits switch tests on; a registered peer without a rig fails.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import pytest

from gateway import registry
from gateway.backends.education import signing as education_signing
from gateway.backends.sandbox import signing as sandbox_signing
from gateway.contracts.backend import Answers, Backend, BackendTraits
from gateway.contracts.settings import PeerSettings
from gateway.domain.calls import BackendCall, Outcome, Standing
from gateway.domain.clock import SystemClock, stamp
from gateway.domain.errors import DeliveryUnknown, NotAuthentic, NotDelivered, Refused
from gateway.domain.reasons import Reason
from gateway.signing.secret import Secret
from gateway.wire.courier import Courier, CourierLine, PeerAddress
from gateway.wire.exchange import Exchange
from gateway.wire.messages import OutboundRequest, WireRequest, WireResponse

NOW = datetime(2026, 11, 23, 2, 15, 31, 204000, tzinfo=UTC)


class Say(StrEnum):
    """What a department can say; a rig puts it into its department's own bytes."""

    FILED = "filed"  # taken in, nothing decided
    ACCEPTED = "accepted"
    GRANTED = "granted"
    DENIED = "denied"
    NEW_WORD = "new_word"  # a status that stands in no document
    WRONG = "wrong"  # turned down: our mistake
    LATER = "later"  # nothing was stored
    NEW_CODE = "new_code"  # a result code that stands in no document
    NOT_KNOWN = "not_known"
    PAGE = "page"  # a front end's page instead of an answer


class Rig(Protocol):
    """One back-end's entry."""

    code: str
    planted: tuple[str, ...]  # personal data in ``call`` and in the answers: must not survive ``scrub``

    def make(self, clock: SystemClock) -> Backend: ...

    def call(self) -> BackendCall: ...

    def answer(self, say: Say, request: OutboundRequest) -> WireResponse: ...

    def push(self, say: Say, *, at: datetime) -> WireRequest: ...


class TurnedClock(SystemClock):
    """The wall clock stands; waiting is real."""

    def now(self) -> datetime:
        return NOW


class SandboxRig:
    """FT_SBX 1.0."""

    code = "FT_SBX"
    planted = ("陈㐂宁", "44030419900307123X", "13800000001", "样例路1号", "很私人的话")

    _SECRET = Secret(b"contract-suite-secret")
    _STATUS: ClassVar = {
        Say.FILED: "RECEIVED",
        Say.ACCEPTED: "ACCEPTED",
        Say.GRANTED: "GRANTED",
        Say.DENIED: "REFUSED",
        Say.NEW_WORD: "PONDERING",
    }
    _CODES: ClassVar = {Say.WRONG: ("E111", 400), Say.LATER: ("E201", 503), Say.NEW_CODE: ("X900", 200)}

    def make(self, clock: SystemClock) -> Backend:
        settings = PeerSettings(self.code, {"app": "gw-futian-01"}, {"hmac": self._SECRET})
        made: Backend = registry.load(registry.BACKENDS[self.code])(settings=settings, clock=clock)
        return made

    def call(self) -> BackendCall:
        name, number, phone, street, remark = self.planted
        address = {"region": "440304", "detail": street}
        return BackendCall(
            call_id="5f0c2b7e9d1a4e60b8c3d7a2914f6e08",
            case_id="case-1",
            operation="file",
            content={"scenario": "grant", "remark": remark, "answer": "callback"},
            common={
                "receipt_no": "FT261123037K3QWB",
                "item": "FT-SBX-002",
                "item_version": "2026.1",
                "outlet": "ICBC-FT-03",
                "received_at": stamp(NOW),
                "applicant": {
                    "kind": "person",
                    "name": name,
                    "doc_type": "resident_id",
                    "doc_no": number,
                    "phone": phone,
                    "residence_address": address,
                },
            },
        )

    def answer(self, say: Say, request: OutboundRequest) -> WireResponse:
        if say is Say.PAGE:
            return WireResponse(200, f"<html><body>{self.planted[0]} {self.planted[1]}</body></html>".encode())
        if say is Say.NOT_KNOWN:
            return self._signed(404, {"code": "N404", "message": "not known"}, request)
        if say in self._CODES:
            code, status = self._CODES[say]
            return self._signed(status, {"code": code, "message": f"{self.planted[0]}有误"}, request)
        data = {
            "sbxNo": "SBX20261123000001",
            "callId": self.call().call_id,
            "status": self._STATUS[say],
            "events": [self._event(Say.FILED, 1), self._event(say, 2)],
        }
        return self._signed(200, {"code": "0", "message": "ok", "data": data}, request)

    def push(self, say: Say, *, at: datetime) -> WireRequest:
        body = {"sbxNo": "SBX20261123000001", "callId": self.call().call_id, "event": self._event(say, 2)}
        raw = json.dumps(body, ensure_ascii=False).encode()
        headers = sandbox_signing.signed_headers(
            self._SECRET,
            app="sbx-push",
            method="POST",
            target="/callback/FT_SBX",
            body=raw,
            now=at,
            nonce=sandbox_signing.new_nonce(),
        )
        lowered = {name.lower(): value for name, value in headers.items()}
        return WireRequest("POST", "/callback/FT_SBX", b"", lowered, raw, "127.0.0.1", at)

    def _event(self, say: Say, seq: int) -> dict[str, Any]:
        number = f"SBX20261123000001-{seq}"
        return {
            "eventId": number,
            "seq": seq,
            "status": self._STATUS[say],
            "at": stamp(NOW),
            "text": f"{self.planted[0]}的申请",
        }

    def _signed(self, status: int, body: dict[str, Any], request: OutboundRequest) -> WireResponse:
        raw, time = json.dumps(body, ensure_ascii=False).encode(), stamp(NOW)
        sign = sandbox_signing.answer_sign(
            self._SECRET, status=status, nonce=request.headers["X-Sbx-Nonce"], time=time, body=raw
        )
        return WireResponse(status, raw, {"x-sbx-time": time, "x-sbx-sign": sign})


class EducationRig:
    """FT_EDU v2.4."""

    code = "FT_EDU"
    planted = ("陈㐂宁", "44030419900307123X", "13800000001", "样例路1号", "很私人的话")

    _SECRET = Secret(b"contract-suite-secret")
    _STATE: ClassVar = {
        Say.FILED: "RECEIVED",
        Say.ACCEPTED: "ACCEPTED",
        Say.GRANTED: "PASSED",
        Say.DENIED: "REJECTED",
        Say.NEW_WORD: "PONDERING",
    }
    _CODES: ClassVar = {Say.WRONG: 40001, Say.LATER: 50001, Say.NEW_CODE: 20099, Say.NOT_KNOWN: 40401}

    def make(self, clock: SystemClock) -> Backend:
        settings = PeerSettings(self.code, {"app": "gw-futian-01"}, {"hmac": self._SECRET})
        made: Backend = registry.load(registry.BACKENDS[self.code])(settings=settings, clock=clock)
        return made

    def call(self) -> BackendCall:
        name, number, phone, street, remark = self.planted
        return BackendCall(
            call_id="5f0c2b7e9d1a4e60b8c3d7a2914f6e08",
            case_id="case-1",
            operation="submit",
            content={"E005-01": name, "E005-07": "01", "E005-03": remark},
            common={
                "receipt_no": "FT261123037K3QWB",
                "item": "FT-EDU-005",
                "item_version": "2026.1",
                "bank": "ICBC",
                "outlet": "ICBC-FT-03",
                "teller": "T0012345",
                "received_at": stamp(NOW),
                "applicant": {
                    "kind": "person",
                    "name": name,
                    "doc_type": "resident_id",
                    "doc_no": number,
                    "phone": phone,
                    "residence_address": {"region": "440304", "street": "440304007", "detail": street},
                },
            },
        )

    def answer(self, say: Say, request: OutboundRequest) -> WireResponse:
        if say is Say.PAGE:
            return WireResponse(200, f"<html><body>{self.planted[0]} {self.planted[1]}</body></html>".encode())
        if say in self._CODES:
            code = self._CODES[say]
            return self._signed(code // 100, {"code": code, "msg": f"{self.planted[0]}有误"}, request)
        return self._signed(200, {"code": 0, "msg": "ok", "traceId": "e7f1c2", "body": self._case(say)}, request)

    def push(self, say: Say, *, at: datetime) -> WireRequest:
        raw = json.dumps({"eventId": "E-77", "case": self._case(say)}, ensure_ascii=False).encode()
        headers = education_signing.signed_headers(
            self._SECRET,
            app="edu-push",
            method="POST",
            target="/callback/FT_EDU",
            body=raw,
            now=at,
            nonce=education_signing.new_nonce(),
        )
        lowered = {name.lower(): value for name, value in headers.items()}
        return WireRequest("POST", "/callback/FT_EDU", b"", lowered, raw, "127.0.0.1", at)

    def _case(self, say: Say) -> dict[str, Any]:
        return {
            "callId": self.call().call_id,
            "caseNo": "JY20261123000218",
            "itemCode": "FT-EDU-005",
            "seq": 3,
            "state": self._STATE[say],
            "stateTime": "2026-11-23 10:15:31",
            "opinion": f"{self.planted[0]}的申请",
        }

    def _signed(self, status: int, body: dict[str, Any], request: OutboundRequest) -> WireResponse:
        raw, time = json.dumps(body, ensure_ascii=False).encode(), education_signing.millis(NOW)
        nonce = request.headers["X-Edu-Nonce"]
        sign = education_signing.answer_sign(self._SECRET, status=status, time=time, nonce=nonce, body=raw)
        return WireResponse(status, raw, {"x-edu-timestamp": time, "x-edu-nonce": nonce, "x-edu-signature": sign})


RIGS: tuple[Rig, ...] = (SandboxRig(), EducationRig())


@dataclass
class Department:
    """A line whose other end says one thing."""

    rig: Rig
    say: Say
    heard: list[OutboundRequest] = field(default_factory=list)
    said: list[WireResponse] = field(default_factory=list)

    def send(self, request: OutboundRequest) -> WireResponse:
        self.heard.append(request)
        self.said.append(self.rig.answer(self.say, request))
        return self.said[-1]


class Nobody:
    """A recorder that keeps nothing: these tests look at the exceptions."""

    def record(self, exchange: Exchange) -> None:
        assert exchange.exchange_id


@contextlib.contextmanager
def line_to(port: int) -> Iterator[CourierLine]:
    address = PeerAddress(f"http://127.0.0.1:{port}", deadline=1.0)
    courier = Courier({"peer": address}, Nobody(), SystemClock())
    try:
        yield courier.line("peer")
    finally:
        courier.close()


def listening(listener: socket.socket, *, cut: bool) -> threading.Thread:
    """A department that reads what comes and then cuts the line, or is silent until the caller goes away."""

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(65536)
            if not cut:
                sock.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.fixture(params=RIGS, ids=lambda rig: rig.code)
def rig(request: pytest.FixtureRequest) -> Rig:
    found: Rig = request.param
    return found


@pytest.fixture
def backend(rig: Rig) -> Backend:
    return rig.make(TurnedClock())


def where(wanted: Callable[[BackendTraits], bool]) -> pytest.MarkDecorator:
    """Only for back-ends of such traits; the sandbox has them all, so no test is ever left without a peer."""
    fitting = [rig for rig in RIGS if wanted(rig.make(TurnedClock()).traits)]
    return pytest.mark.parametrize("rig", fitting, ids=lambda rig: rig.code)


AT_ONCE = where(lambda traits: Answers.AT_ONCE in traits.answers)
CALLBACK = where(lambda traits: Answers.CALLBACK in traits.answers)
FINDS = where(lambda traits: traits.finds_by_our_id)


def words(standing: Standing | None) -> list[Outcome]:
    assert standing is not None
    return [word.outcome for word in standing.words]


def test_every_registered_back_end_is_in_this_suite() -> None:
    assert {rig.code for rig in RIGS} == set(registry.BACKENDS)


def test_a_back_end_is_called_as_it_is_registered_and_says_how_it_answers(rig: Rig, backend: Backend) -> None:
    assert backend.code == rig.code
    assert backend.traits.answers


@AT_ONCE
def test_a_decision_at_once_is_a_standing_with_its_number_and_word(rig: Rig, backend: Backend) -> None:
    standing = backend.submit(rig.call(), Department(rig, Say.GRANTED))
    assert standing.department_ref
    assert words(standing)[-1] is Outcome.GRANTED
    assert standing.words[-1].at is not None
    assert standing.words[-1].raw


def test_a_filing_that_is_only_taken_in_decides_nothing(rig: Rig, backend: Backend) -> None:
    for say in (Say.FILED, Say.ACCEPTED):
        standing = backend.submit(rig.call(), Department(rig, say))
        assert standing.department_ref
        assert not {Outcome.GRANTED, Outcome.DENIED, Outcome.UNKNOWN} & set(words(standing))


@FINDS
@pytest.mark.parametrize(("say", "outcome"), [(Say.GRANTED, Outcome.GRANTED), (Say.DENIED, Outcome.DENIED)])
def test_asking_finds_a_decision(rig: Rig, backend: Backend, say: Say, outcome: Outcome) -> None:
    line = Department(rig, say)
    assert words(backend.find(rig.call(), line))[-1] is outcome
    assert [request.writes for request in line.heard] == [False] * len(line.heard)


@FINDS
def test_a_department_that_does_not_know_the_call_is_none_and_no_error(rig: Rig, backend: Backend) -> None:
    assert backend.find(rig.call(), Department(rig, Say.NOT_KNOWN)) is None


@CALLBACK
def test_a_callback_is_one_word_about_our_call(rig: Rig, backend: Backend) -> None:
    (event,) = backend.read_callback(rig.push(Say.GRANTED, at=NOW))
    assert event.call_id == rig.call().call_id or event.department_ref
    assert event.word.outcome is Outcome.GRANTED


@CALLBACK
def test_the_same_callback_twice_is_recognisable_as_the_same(rig: Rig, backend: Backend) -> None:
    first = backend.read_callback(rig.push(Say.GRANTED, at=NOW))
    again = backend.read_callback(rig.push(Say.GRANTED, at=NOW + timedelta(seconds=30)))
    assert [event.word.event_id for event in first] == [event.word.event_id for event in again]
    assert first[0].word.event_id or first[0].word.seq


@CALLBACK
def test_a_callback_and_a_question_speak_of_the_same_word_in_the_same_way(rig: Rig, backend: Backend) -> None:
    (pushed,) = backend.read_callback(rig.push(Say.GRANTED, at=NOW))
    found = backend.find(rig.call(), Department(rig, Say.GRANTED))
    assert found is not None
    assert found.department_ref == pushed.department_ref
    assert replace(found.words[-1], raw="") == replace(pushed.word, raw="")


@CALLBACK
def test_a_callback_with_one_byte_changed_never_enters(rig: Rig, backend: Backend) -> None:
    request = rig.push(Say.GRANTED, at=NOW)
    for place in range(0, len(request.body), 7):
        changed = bytearray(request.body)
        changed[place] ^= 1
        with pytest.raises(NotAuthentic):
            backend.read_callback(replace(request, body=bytes(changed)))
    with pytest.raises(NotAuthentic):
        backend.read_callback(replace(request, headers={}))


@CALLBACK
def test_a_callback_outside_the_clock_window_is_refused_for_its_clock(rig: Rig, backend: Backend) -> None:
    for away in (timedelta(days=-1), timedelta(days=1)):
        with pytest.raises(NotAuthentic) as caught:
            backend.read_callback(rig.push(Say.GRANTED, at=NOW + away))
        assert caught.value.reason is Reason.CLOCK


def test_taking_and_not_taking_a_callback_sound_different(backend: Backend) -> None:
    taken, not_taken = backend.acknowledge(True), backend.acknowledge(False)
    assert (taken.status, taken.body) != (not_taken.status, not_taken.body)


@FINDS
def test_a_word_we_do_not_know_is_unknown_and_kept_raw(rig: Rig, backend: Backend) -> None:
    standing = backend.find(rig.call(), Department(rig, Say.NEW_WORD))
    assert words(standing)[-1] is Outcome.UNKNOWN
    assert standing is not None
    assert standing.words[-1].raw
    if Answers.CALLBACK in backend.traits.answers:
        (event,) = backend.read_callback(rig.push(Say.NEW_WORD, at=NOW))
        assert event.word.outcome is Outcome.UNKNOWN
        assert event.word.raw


@pytest.mark.parametrize("say", [Say.NEW_CODE, Say.PAGE])
def test_an_answer_that_tells_nothing_leaves_a_filing_unknown(rig: Rig, backend: Backend, say: Say) -> None:
    with pytest.raises(DeliveryUnknown):
        backend.submit(rig.call(), Department(rig, say))


@FINDS
@pytest.mark.parametrize("say", [Say.NEW_CODE, Say.PAGE, Say.LATER])
def test_an_answer_that_tells_nothing_never_looks_like_not_known(rig: Rig, backend: Backend, say: Say) -> None:
    with pytest.raises((DeliveryUnknown, NotDelivered)):
        backend.find(rig.call(), Department(rig, say))


def test_turned_down_and_later_are_told_apart(rig: Rig, backend: Backend) -> None:
    with pytest.raises(Refused) as refused:
        backend.submit(rig.call(), Department(rig, Say.WRONG))
    with pytest.raises(NotDelivered) as later:
        backend.submit(rig.call(), Department(rig, Say.LATER))
    assert refused.value.code != later.value.code
    assert refused.value.peer == later.value.peer == rig.code


def test_a_line_that_never_stood_is_not_delivered(rig: Rig, backend: Backend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with line_to(port) as line:
        with pytest.raises(NotDelivered):
            backend.submit(rig.call(), line)
        assert line.wrote is False


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "silent"])
def test_a_line_that_ends_after_sending_is_unknown_and_then_asked_about(rig: Rig, backend: Backend, cut: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = listening(listener, cut=cut)
        with line_to(listener.getsockname()[1]) as line, pytest.raises(DeliveryUnknown):
            backend.submit(rig.call(), line)
        thread.join(2)
    assert line.wrote is True
    if backend.traits.finds_by_our_id:
        assert words(backend.find(rig.call(), Department(rig, Say.GRANTED)))[-1] is Outcome.GRANTED


def test_a_repeat_carries_the_same_body(rig: Rig, backend: Backend) -> None:
    first, again = Department(rig, Say.ACCEPTED), Department(rig, Say.ACCEPTED)
    backend.submit(rig.call(), first)
    backend.submit(replace(rig.call(), attempt=2), again)
    assert [request.body for request in first.heard] == [request.body for request in again.heard]


@pytest.mark.parametrize("say", list(Say))
def test_no_planted_value_survives_scrubbing(rig: Rig, backend: Backend, say: Say) -> None:
    line = Department(rig, say)
    with contextlib.suppress(Refused, NotDelivered, DeliveryUnknown):
        backend.submit(rig.call(), line)
    raws = [request.body for request in line.heard] + [answer.body for answer in line.said]
    if say in {Say.GRANTED, Say.NEW_WORD} and Answers.CALLBACK in backend.traits.answers:
        request = rig.push(say, at=NOW)
        raws += [request.body, request.evidence()]
    assert any(value.encode() in raw for raw in raws for value in rig.planted)
    for raw in raws:
        for piece in (raw, raw[: len(raw) // 2], raw[len(raw) // 2 :]):
            masked = backend.scrub(piece)
            assert not [value for value in rig.planted if value.encode() in masked]
            assert not [value for value in rig.planted if json.dumps(value).strip('"').encode() in masked]
