"""The education bureau's signature against the worked examples of its document."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.backends.education import signing
from gateway.domain.errors import NotAuthentic
from gateway.domain.reasons import Reason
from gateway.signing.secret import Secret

GOLDEN = (Path(__file__).parents[1] / "vectors/FT_EDU/submit.json").read_bytes()
SECRET = Secret(b"edu-demo-secret-not-for-use")
TIME, NONCE = "1795413909000", "k3v9q2m7x1c8b5n0"
NOW = datetime(2026, 11, 23, 6, 5, 9, tzinfo=UTC)
BODY = b'{"eventId":"E-1"}'


def headers(*, now: datetime = NOW, nonce: str = NONCE, body: bytes = BODY) -> dict[str, str]:
    return signing.signed_headers(
        SECRET, app="edu-push", method="POST", target="/callback/FT_EDU", body=body, now=now, nonce=nonce
    )


def check(given: dict[str, str], *, body: bytes = BODY, target: str = "/callback/FT_EDU") -> None:
    signing.check_request(SECRET, app="edu-push", method="POST", target=target, headers=given, body=body, now=NOW)


def test_the_worked_example_of_a_submit_gives_its_signature() -> None:
    assert len(GOLDEN) == 1171
    assert hashlib.sha256(GOLDEN).hexdigest() == "63848088e04ca96daa15c76babe63b5026064ca26fb58a66f0ec04a018ec206c"
    signed = signing.signed_headers(
        SECRET, app="gw-futian-01", method="POST", target="/edu-service/v2/cases", body=GOLDEN, now=NOW, nonce=NONCE
    )
    assert signed == {
        "X-Edu-AppId": "gw-futian-01",
        "X-Edu-Timestamp": TIME,
        "X-Edu-Nonce": NONCE,
        "X-Edu-Signature": "1913f9f754d6285790266f2bff1d2d3aaee3e680753387ec8b6de76b56eca5cf",
    }


def test_the_worked_example_of_a_question_gives_its_signature() -> None:
    target = "/edu-service/v2/cases/by-call/5f0c2b7e9d1a4e60b8c3d7a2914f6e08"
    made = signing.request_sign(SECRET, method="GET", target=target, time=TIME, nonce=NONCE, body=b"")
    assert made == "6134a7a83aaead22ee145509edb37f3541d9590cfc09fdf7cbe951e27afaf158"


def test_an_answer_holds_only_for_its_status_its_bytes_and_our_nonce() -> None:
    sign = signing.answer_sign(SECRET, status=200, time=TIME, nonce=NONCE, body=BODY)
    given = {"x-edu-timestamp": TIME, "x-edu-signature": sign}
    assert signing.answer_holds(SECRET, status=200, headers=given, body=BODY, nonce=NONCE)
    assert not signing.answer_holds(SECRET, status=201, headers=given, body=BODY, nonce=NONCE)
    assert not signing.answer_holds(SECRET, status=200, headers=given, body=BODY + b" ", nonce=NONCE)
    assert not signing.answer_holds(SECRET, status=200, headers=given, body=BODY, nonce=signing.new_nonce())
    assert not signing.answer_holds(SECRET, status=200, headers={}, body=BODY, nonce=NONCE)
    assert not signing.answer_holds(Secret(b"another"), status=200, headers=given, body=BODY, nonce=NONCE)


def test_a_nonce_is_of_the_form_they_take_and_taken_once() -> None:
    made = {signing.new_nonce() for _ in range(50)}
    assert len(made) == 50
    assert all(16 <= len(nonce) <= 32 and nonce.isalnum() and nonce == nonce.lower() for nonce in made)


def test_a_request_of_theirs_passes_within_300_seconds() -> None:
    for seconds in (-300, 0, 300):
        given = headers(now=NOW + timedelta(seconds=seconds))
        check(given)
        check({name.lower(): value for name, value in given.items()})
        assert given["X-Edu-Timestamp"] == str(1795413909000 + seconds * 1000)


@pytest.mark.parametrize("name", ["X-Edu-AppId", "X-Edu-Timestamp", "X-Edu-Nonce", "X-Edu-Signature"])
def test_a_missing_or_strange_header_is_not_authentic(name: str) -> None:
    for value in ("", "other", "€"):
        with pytest.raises(NotAuthentic) as caught:
            check({**headers(), name: value})
        assert caught.value.reason is Reason.NOT_AUTHENTIC


def test_other_bytes_or_another_path_are_not_authentic() -> None:
    with pytest.raises(NotAuthentic, match="does not hold"):
        check(headers(), body=BODY + b" ")
    with pytest.raises(NotAuthentic, match="does not hold"):
        check(headers(), target="/callback/FT_SBX")


@pytest.mark.parametrize("nonce", ["short", "K3V9Q2M7X1C8B5N0", "0" * 33])
def test_a_nonce_of_another_form_is_not_authentic(nonce: str) -> None:
    with pytest.raises(NotAuthentic, match="nonce"):
        check(headers(nonce=nonce))


@pytest.mark.parametrize("time", ["1795413909", "2026-11-23 14:05:09", "99999999999999", "１795413909000"])
def test_a_signed_time_that_is_no_epoch_milliseconds_is_refused_for_its_clock(time: str) -> None:
    sign = signing.request_sign(SECRET, method="POST", target="/callback/FT_EDU", time=time, nonce=NONCE, body=BODY)
    with pytest.raises(NotAuthentic) as caught:
        check({**headers(), "X-Edu-Timestamp": time, "X-Edu-Signature": sign})
    assert caught.value.reason is Reason.CLOCK


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_request_out_of_the_window_is_refused_for_its_clock(seconds: int) -> None:
    with pytest.raises(NotAuthentic) as caught:
        check(headers(now=NOW + timedelta(seconds=seconds)))
    assert caught.value.reason is Reason.CLOCK
