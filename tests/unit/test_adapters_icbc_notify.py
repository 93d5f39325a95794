"""Notices in ICBC's form: what is signed and how, and which replies count as delivered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.adapters.icbc import Bank
from gateway.contracts.bank import Client, ClientKey, Notice, Receipt
from gateway.contracts.settings import PeerSettings
from gateway.domain.errors import BadSettings, DeliveryUnknown, NotAuthentic, NotUnderstood, Refused
from gateway.signing import profiles
from gateway.signing.keys import KeyAway, KeyRing, signing_key
from gateway.wire.messages import OutboundRequest, WireResponse

NOW = datetime(2026, 11, 23, 2, 15, 31, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=9)
URL = "https://bank.example/ft/notice"
NOTICE_ID = "N" + "0" * 31
EVENT = {"event_no": "3", "receipt_no": "FT261123037K3QWB", "kind": "corrected", "state_name": "已收件㐂", "ok": True}
CIPHER = ClientKey("C1", "cipher", "aes-cbc", bytes(range(16)), LONG_AGO)


@cache
def private(name: str) -> rsa.RSAPrivateKey:
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def der(name: str) -> bytes:
    return private(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def client(**how: Any) -> Client:
    key = ClientKey("K1", "verify", "rsa-sha256", der("client"), LONG_AGO)
    made = Client("CL1", "ICBC", "icbc", "90000000000000000301", "active", ("rsa-sha256",), (key,), (), ())
    return replace(made, **how)


def encrypting() -> Client:
    plain = client()
    return replace(plain, keys=(*plain.keys, CIPHER), options={"encrypt": "required"})


class Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def bank(*, keys: bool = True) -> Bank:
    ring = KeyRing([signing_key("answer-icbc", private("ours"), LONG_AGO)] if keys else [])
    return Bank(settings=PeerSettings("ICBC", {}), keys=ring, directory=lambda: None, clock=Clock())


class Line:
    """A client that answers everything with one reply, made from what it got."""

    exchange_id = "E1"

    def __init__(self, reply: Callable[[OutboundRequest], bytes], *, status: int = 200) -> None:
        self._reply, self._status = reply, status
        self.heard: list[OutboundRequest] = []

    def send(self, request: OutboundRequest) -> WireResponse:
        self.heard.append(request)
        return WireResponse(self._status, self._reply(request), {})


def signed(text: str, *, key: str = "client", sign_type: str = "RSA2", digest: Any = None) -> bytes:
    inner = f'"response_biz_content":{text},"sign_type":"{sign_type}"'
    signature = private(key).sign(inner.encode(), padding.PKCS1v15(), digest or hashes.SHA256())
    return f'{{{inner},"sign":"{base64.b64encode(signature).decode()}"}}'.encode()


def content(**members: Any) -> str:
    whole = {"return_code": 0, "return_msg": "success", "msg_id": NOTICE_ID, **members}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def tell(reply: bytes, *, to: Client | None = None, status: int = 200, url: str = URL) -> Receipt:
    line = Line(lambda _request: reply, status=status)
    return bank().notify(Notice(NOTICE_ID, to or client(), url, EVENT), line)


def test_the_form_is_signed_over_the_path_of_the_enrolled_address() -> None:
    line = Line(lambda _request: signed(content()))
    receipt = bank().notify(Notice(NOTICE_ID, client(), URL, EVENT), line)
    assert receipt == Receipt(NOTICE_ID, "success", "E1")
    (request,) = line.heard
    assert (request.method, request.url, request.purpose) == ("POST", "/ft/notice", "notify")
    members = dict(parse_qsl(request.body.decode("ascii"), strict_parsing=True, encoding="utf-8"))
    assert set(members) == {
        "from",
        "api",
        "app_id",
        "charset",
        "format",
        "timestamp",
        "biz_content",
        "sign_type",
        "sign",
    }
    assert (members["from"], members["api"], members["sign_type"]) == ("ft-gov", "/api/gov/case/notice/V1", "RSA2")
    assert members["timestamp"] == "2026-11-23 10:15:31"
    told = json.loads(members["biz_content"])
    assert told == {"op": "notice", "v": "1", "notice_id": NOTICE_ID, "msg_id": NOTICE_ID, "event": EVENT}
    text = "/ft/notice?" + "&".join(f"{n}={members[n]}" for n in sorted(members) if n != "sign")
    signature = base64.b64decode(members["sign"])
    private("ours").public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_content_is_encrypted_first_where_that_is_enrolled_and_the_answer_comes_likewise() -> None:
    def reply(request: OutboundRequest) -> bytes:
        members = dict(parse_qsl(request.body.decode("ascii")))
        assert members["encrypt_type"] == "AES"
        plain = profiles.aes_cbc_zero_iv_decrypt(CIPHER.material, base64.b64decode(members["biz_content"]))
        assert json.loads(plain)["event"] == EVENT
        sealed = profiles.aes_cbc_zero_iv_encrypt(CIPHER.material, content().encode())
        return signed(f'"{base64.b64encode(sealed).decode()}"')

    receipt = bank().notify(Notice(NOTICE_ID, encrypting(), URL, EVENT), Line(reply))
    assert receipt.notice_id == NOTICE_ID


@pytest.mark.parametrize(
    "reply",
    [
        signed(content(return_code="0")),
        signed(content(more="of the bank's own")),
        b" " + signed(content()) + b"\n",
        signed(content(note=',"sign_type":"RSA2","sign":"x"')),
    ],
)
def test_a_signed_zero_about_this_notice_is_delivered(reply: bytes) -> None:
    assert tell(reply).notice_id == NOTICE_ID


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (signed(content(), key="stranger"), NotAuthentic),
        (signed(content()).replace(b'"return_code":0', b'"return_code":1'), NotAuthentic),
        (signed(content(), sign_type="RSA", digest=hashes.SHA1()), NotAuthentic),
        (signed(content(), sign_type="CA"), NotAuthentic),
        (signed(content())[:-20] + b'"}', NotAuthentic),
        (signed(content(msg_id="N2")), NotUnderstood),
        (signed(content(return_code=400011, return_msg="no")), Refused),
        (signed(content(return_code=-500099)), Refused),
        (signed('"text"'), NotUnderstood),
        (signed("[]"), NotUnderstood),
        (signed('{"return_code":0,"return_code":0,"msg_id":"' + NOTICE_ID + '"}'), NotUnderstood),
        (signed(content()).replace(b',"sign_type":"RSA2"', b""), NotUnderstood),
        (b"", NotUnderstood),
        (b"success", NotUnderstood),
        (b"<html></html>", NotUnderstood),
        (json.dumps({"response_biz_content": {"return_code": 0}}).encode(), NotUnderstood),
    ],
)
def test_every_other_reply_is_not_delivered(reply: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        tell(reply)


def test_the_reply_is_judged_over_its_own_span_and_not_over_that_of_our_answers() -> None:
    text = content()
    signature = base64.b64encode(private("client").sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    reply = f'{{"response_biz_content":{text},"sign_type":"RSA2","sign":"{signature}"}}'
    with pytest.raises(NotAuthentic):
        tell(reply.encode())


@pytest.mark.parametrize("status", [201, 302, 404, 500, 503])
def test_any_other_http_status_is_no_delivery(status: int) -> None:
    with pytest.raises(DeliveryUnknown):
        tell(signed(content()), status=status)


def test_a_retired_key_of_the_client_confirms_nothing() -> None:
    old = ClientKey("K1", "verify", "rsa-sha256", der("client"), LONG_AGO, valid_until=NOW)
    with pytest.raises(NotAuthentic):
        tell(signed(content()), to=client(keys=(old,)))


def test_nothing_is_sent_without_our_key_a_path_or_the_cipher_that_was_agreed() -> None:
    line = Line(lambda _request: signed(content()))
    with pytest.raises(KeyAway):
        bank(keys=False).notify(Notice(NOTICE_ID, client(), URL, EVENT), line)
    with pytest.raises(BadSettings):
        bank().notify(Notice(NOTICE_ID, client(), "https://bank.example", EVENT), line)
    with pytest.raises(BadSettings):
        bank().notify(Notice(NOTICE_ID, client(options={"encrypt": "required"}), URL, EVENT), line)
    assert line.heard == []


def test_the_dialect_says_that_it_notifies() -> None:
    assert Bank.traits.notifies is True
