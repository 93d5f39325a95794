"""What the sandbox department's answers mean for a call, beyond what every back-end promises."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from gateway.backends.sandbox import Backend, signing
from gateway.contracts.settings import PeerSettings
from gateway.domain.calls import BackendCall
from gateway.domain.clock import SystemClock, stamp
from gateway.domain.errors import (
    BadCatalogue,
    BadSettings,
    DeliveryUnknown,
    FromPeer,
    NotAuthentic,
    NotDelivered,
    NotUnderstood,
    Refused,
)
from gateway.signing.secret import Secret
from gateway.wire.messages import OutboundRequest, WireRequest, WireResponse

SECRET = Secret(b"unit-test-secret")
NOW = datetime(2026, 11, 23, 2, 15, 31, 204000, tzinfo=UTC)
CALL_ID = "5f0c2b7e9d1a4e60b8c3d7a2914f6e08"


class StandingClock(SystemClock):
    def now(self) -> datetime:
        return NOW


def backend(**values: str) -> Backend:
    settings = PeerSettings("FT_SBX", {"app": "gw-1", **values}, {"hmac": Secret(b"  unit-test-secret\n")})
    return Backend(settings=settings, clock=StandingClock())


def call(**changes: Any) -> BackendCall:
    parts: dict[str, Any] = {
        "call_id": CALL_ID,
        "case_id": "case",
        "operation": "file",
        "content": {"scenario": "grant"},
        "common": {"receipt_no": "FT1", "applicant": {"kind": "person"}},
    }
    return BackendCall(**{**parts, **changes})


class Department:
    """Answers everything with one body, rightly signed unless told otherwise."""

    def __init__(self, body: Any, *, status: int = 200, signed: bool = True) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.status, self.signed = status, signed
        self.heard: list[OutboundRequest] = []

    def send(self, request: OutboundRequest) -> WireResponse:
        self.heard.append(request)
        time, nonce = stamp(NOW), request.headers["X-Sbx-Nonce"]
        sign = signing.answer_sign(SECRET, status=self.status, nonce=nonce, time=time, body=self.body)
        headers = {"x-sbx-time": time, "x-sbx-sign": sign} if self.signed else {}
        return WireResponse(self.status, self.body, headers)


def application(**changes: Any) -> dict[str, Any]:
    event = {"eventId": "S-1", "seq": 1, "status": "ACCEPTED", "at": stamp(NOW)}
    data = {"sbxNo": "SBX20261123000001", "callId": CALL_ID, "status": "ACCEPTED", "events": [event], **changes}
    return {"code": "0", "message": "ok", "data": data}


def test_a_request_is_signed_over_the_bytes_that_leave() -> None:
    department = Department(application())
    backend().submit(call(), department)
    backend().find(call(), department)
    filed, asked = department.heard
    assert (filed.method, filed.url, filed.writes, filed.purpose) == ("POST", "/sbx/v1/applications", True, "submit")
    assert (asked.method, asked.url, asked.writes, asked.body) == (
        "GET",
        f"/sbx/v1/applications?callId={CALL_ID}",
        False,
        b"",
    )
    for request in (filed, asked):
        signing.check_request(
            SECRET,
            app="gw-1",
            method=request.method,
            target=request.url,
            headers=request.headers,
            body=request.body,
            now=NOW,
        )
    assert filed.headers["X-Sbx-Nonce"] != asked.headers["X-Sbx-Nonce"]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("E101", 401, Refused),
        ("E111", 400, Refused),
        ("E131", 409, Refused),
        ("E177", 400, Refused),
        ("E201", 503, NotDelivered),
        ("E203", 429, NotDelivered),
        ("E299", 503, NotDelivered),
        ("E500", 500, DeliveryUnknown),
        ("1", 200, DeliveryUnknown),
    ],
)
def test_the_code_decides_what_is_done_next(code: str, status: int, error: type[FromPeer]) -> None:
    department = Department({"code": code, "message": "为什么"}, status=status)
    for ask in (backend().submit, backend().find):
        with pytest.raises(error) as caught:
            ask(call(), department)
        assert type(caught.value) is error
        assert (caught.value.peer, caught.value.code, caught.value.text) == ("FT_SBX", code, "为什么")


@pytest.mark.parametrize(
    "department",
    [
        Department(b"<html>ok</html>", signed=False),
        Department(application(), signed=False),
        Department(b"<html>ok</html>"),
        Department({"data": {}}),
        Department(b"", status=502, signed=False),
        Department({"code": "E201"}, status=503, signed=False),
        Department({"code": "N404"}, status=404, signed=False),
    ],
    ids=["page", "unsigned", "signed page", "no envelope", "empty 502", "unsigned busy", "unsigned not known"],
)
def test_an_answer_that_proves_nothing_leaves_it_unknown(department: Department) -> None:
    for ask in (backend().submit, backend().find):
        with pytest.raises(DeliveryUnknown):
            ask(call(), department)


def test_not_known_answers_a_question_and_makes_no_sense_after_a_filing() -> None:
    department = Department({"code": "N404", "message": "not known"}, status=404)
    assert backend().find(call(), department) is None
    with pytest.raises(DeliveryUnknown):
        backend().submit(call(), department)


@pytest.mark.parametrize("changes", [{"callId": "another"}, {"callId": None}, {"events": None}, {"sbxNo": ""}])
def test_a_signed_answer_that_is_not_about_this_application_is_not_understood(changes: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood):
        backend().submit(call(), Department(application(**changes)))


def test_another_number_than_the_one_we_were_given_is_not_understood() -> None:
    known = call(department_ref="SBX20261123000009")
    with pytest.raises(NotUnderstood):
        backend().find(known, Department(application()))
    assert backend().find(call(department_ref="SBX20261123000001"), Department(application())) is not None


def test_several_applications_under_one_call_id_are_told_to_the_log() -> None:
    with structlog.testing.capture_logs() as told:
        backend().find(call(), Department(application(duplicates=1)))
    assert [(line["event"], line["further"]) for line in told] == [("filed_more_than_once", 1)]


def test_a_route_may_only_ask_for_filing() -> None:
    department = Department(application())
    with pytest.raises(BadCatalogue, match="lookup"):
        backend().submit(call(operation="lookup"), department)
    assert department.heard == []


@pytest.mark.parametrize(
    ("values", "secrets"),
    [({}, {"hmac": SECRET}), ({"app": "gw-1"}, {}), ({"app": "gw-1"}, {"hmac": Secret(b" \n")})],
)
def test_half_the_settings_stop_the_start(values: dict[str, str], secrets: dict[str, Secret]) -> None:
    with pytest.raises(BadSettings, match="FT_SBX"):
        Backend(settings=PeerSettings("FT_SBX", values, secrets), clock=StandingClock())


def push(event: Any, *, path: str = "/callback/FT_SBX", query: bytes = b"", signed_path: str = "") -> WireRequest:
    body = json.dumps({"sbxNo": "SBX20261123000001", "callId": CALL_ID, "event": event}).encode()
    target = signed_path or path + (f"?{query.decode()}" if query else "")
    headers = signing.signed_headers(
        SECRET, app="sbx-push", method="POST", target=target, body=body, now=NOW, nonce="0123456789abcdef"
    )
    lowered = {name.lower(): value for name, value in headers.items()}
    return WireRequest("POST", path, query, lowered, body, "127.0.0.1", NOW)


EVENT = {"eventId": "S-2", "seq": 2, "status": "REVIEWING", "at": stamp(NOW)}


def test_a_push_is_signed_over_path_and_query() -> None:
    (event,) = backend().read_callback(push(EVENT, query=b"a=1"))
    assert (event.call_id, event.department_ref, event.word.seq) == (CALL_ID, "SBX20261123000001", 2)


def test_behind_a_front_proxy_the_enrolled_path_is_what_they_sign() -> None:
    moved = push(EVENT, path="/x", signed_path="/gov/callback?k=1")
    with pytest.raises(NotAuthentic):
        backend().read_callback(moved)
    assert len(backend(callback_path="/gov/callback?k=1").read_callback(moved)) == 1


def test_a_push_that_says_nothing_new_gives_no_event() -> None:
    assert backend().read_callback(push({**EVENT, "status": "RECEIVED"})) == []


@pytest.mark.parametrize("event", [None, {}, {**EVENT, "seq": "2"}, [EVENT]])
def test_a_signed_push_that_cannot_be_read_is_not_understood(event: Any) -> None:
    with pytest.raises(NotUnderstood):
        backend().read_callback(push(event))


def test_a_push_is_taken_with_their_own_word() -> None:
    taken, not_taken = backend().acknowledge(True), backend().acknowledge(False)
    assert (taken.status, taken.body) == (200, b'{"code":"0"}')
    assert not_taken.status == 503
