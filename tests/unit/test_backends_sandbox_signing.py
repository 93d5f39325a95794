"""The sandbox department's signature, against the worked examples of its own document (FT_SBX 2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.backends.sandbox import signing
from gateway.domain.clock import stamp
from gateway.domain.errors import NotAuthentic
from gateway.domain.reasons import Reason
from gateway.signing.secret import Secret

SECRET = Secret(b"sbx-demo-secret-not-for-use")
TIME, NONCE = "2026-11-23T10:15:31.204+08:00", "k3v9q2m7x1c8b5n0"
NOW = datetime(2026, 11, 23, 2, 15, 31, 204000, tzinfo=UTC)


def test_the_signature_of_a_question_is_that_of_the_document() -> None:
    target = "/sbx/v1/applications?callId=5f0c2b7e9d1a4e60b8c3d7a2914f6e08"
    made = signing.request_sign(SECRET, method="GET", target=target, time=TIME, nonce=NONCE, body=b"")
    assert made == "fda009ff5e7460b3b17ba4a1ae16160415c5c6b9b7590cfe986a33a85a77bca6"


def test_the_signature_of_a_filing_is_that_of_the_document() -> None:
    made = signing.request_sign(
        SECRET,
        method="POST",
        target="/sbx/v1/applications",
        time=TIME,
        nonce=NONCE,
        body='{"callId":"测试"}'.encode(),
    )
    assert made == "ddcae1b218e0b8013ae000aeb6759d696e7eb86cab0f3fbc1ba95c9937dd786a"


ANSWER = b'{"code":"N404","message":"not known"}'
ANSWERED = "2026-11-23T10:15:31.310+08:00"
ANSWER_SIGN = "4f3db3e060c40d8631814b410717d8da5af8fc6d5a0a9130fdf48165a5b14f34"


def test_the_signature_of_an_answer_is_that_of_the_document() -> None:
    headers = {"x-sbx-time": ANSWERED, "X-Sbx-Sign": ANSWER_SIGN}
    assert signing.answer_holds(SECRET, status=404, headers=headers, body=ANSWER, nonce=NONCE)


@pytest.mark.parametrize(
    ("status", "nonce", "headers", "body"),
    [
        (200, NONCE, {"x-sbx-time": ANSWERED, "x-sbx-sign": ANSWER_SIGN}, ANSWER),
        (404, "another-nonce", {"x-sbx-time": ANSWERED, "x-sbx-sign": ANSWER_SIGN}, ANSWER),
        (404, NONCE, {"x-sbx-time": TIME, "x-sbx-sign": ANSWER_SIGN}, ANSWER),
        (404, NONCE, {"x-sbx-time": ANSWERED, "x-sbx-sign": ANSWER_SIGN}, ANSWER + b" "),
        (404, NONCE, {"x-sbx-time": ANSWERED, "x-sbx-sign": ANSWER_SIGN.upper()}, ANSWER),
        (404, NONCE, {"x-sbx-sign": ANSWER_SIGN}, ANSWER),
        (404, NONCE, {"x-sbx-time": ANSWERED}, ANSWER),
        (404, NONCE, {"x-sbx-time": ANSWERED, "x-sbx-sign": "\xe9" * 64}, ANSWER),
        (404, NONCE, {}, ANSWER),
    ],
)
def test_any_other_answer_does_not_hold(status: int, nonce: str, headers: dict[str, str], body: bytes) -> None:
    assert not signing.answer_holds(SECRET, status=status, headers=headers, body=body, nonce=nonce)


def check(headers: dict[str, str], *, now: datetime = NOW, body: bytes = b"{}", target: str = "/callback/x") -> None:
    signing.check_request(SECRET, app="sbx-push", method="POST", target=target, headers=headers, body=body, now=now)


def push_headers(time: str = TIME, app: str = "sbx-push") -> dict[str, str]:
    sign = signing.request_sign(SECRET, method="POST", target="/callback/x", time=time, nonce=NONCE, body=b"{}")
    return {"x-sbx-app": app, "x-sbx-time": time, "x-sbx-nonce": NONCE, "x-sbx-sign": sign}


def test_our_own_headers_pass_their_check() -> None:
    made = signing.signed_headers(
        SECRET, app="sbx-push", method="POST", target="/callback/x", body=b"{}", now=NOW, nonce=signing.new_nonce()
    )
    assert made["X-Sbx-Time"] == TIME
    check(made)


@pytest.mark.parametrize("name", ["x-sbx-app", "x-sbx-time", "x-sbx-nonce", "x-sbx-sign"])
def test_a_request_without_one_of_the_four_headers_is_not_authentic(name: str) -> None:
    headers = push_headers()
    del headers[name]
    with pytest.raises(NotAuthentic) as caught:
        check(headers)
    assert caught.value.reason is Reason.NOT_AUTHENTIC


def test_a_changed_body_path_or_sender_is_not_authentic() -> None:
    check(push_headers())
    for wrong in ({"body": b"{ }"}, {"target": "/callback/y"}):
        with pytest.raises(NotAuthentic):
            check(push_headers(), **wrong)  # type: ignore[arg-type]  # one keyword each
    with pytest.raises(NotAuthentic):
        check(push_headers(app="gw-futian-01"))


@pytest.mark.parametrize("minutes", [-6, 6])
def test_the_clock_is_judged_only_once_the_signature_holds(minutes: int) -> None:
    off = NOW + timedelta(minutes=minutes)
    with pytest.raises(NotAuthentic) as caught:
        check(push_headers(stamp(off)))
    assert caught.value.reason is Reason.CLOCK
    with pytest.raises(NotAuthentic) as caught:
        check({**push_headers(stamp(off)), "x-sbx-sign": "0" * 64})
    assert caught.value.reason is Reason.NOT_AUTHENTIC


@pytest.mark.parametrize("time", ["yesterday", "2026-11-23T10:15:31"])
def test_a_signed_time_that_cannot_be_read_is_a_matter_of_the_clock(time: str) -> None:
    with pytest.raises(NotAuthentic) as caught:
        check(push_headers(time))
    assert caught.value.reason is Reason.CLOCK
