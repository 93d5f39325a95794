"""Sealing answers: golden files made with openssl, the clients' way of cutting, totality; masking."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.icbc import Bank
from gateway.contracts.bank import Client, ClientKey
from gateway.contracts.settings import PeerSettings
from gateway.domain.errors import Problem
from gateway.domain.reasons import FieldCode, Reason
from gateway.domain.requests import BankReply, Hint
from gateway.signing import profiles
from gateway.signing.keys import KeyRing, SigningKey

VECTORS = Path(__file__).parents[1] / "vectors" / "icbc"
NOW = datetime(2026, 11, 23, 2, 15, 31, tzinfo=UTC)
CIPHER = ClientKey("C1", "cipher", "aes-cbc", bytes(range(16)), NOW - timedelta(days=9))
CLIENT = Client("CL1", "ICBC", "icbc", "A1", "active", ("rsa-sha256",), (CIPHER,), (), ())
HINT = Hint(
    bank="ICBC",
    claimed_id="A1",
    client_id="CL1",
    authentic=True,
    transport_id="20261123101530000871",
    operation="echo",
    answer={"charset": "UTF-8"},
)
ECHO = BankReply("echo", members={"text": "㐂𠮷·测试"})


class Clients:
    def find(self, bank, claimed_id):
        return CLIENT if (bank, claimed_id) == ("ICBC", "A1") else None


class Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


@pytest.fixture(scope="module")
def ring(tmp_path_factory) -> KeyRing:
    directory = tmp_path_factory.mktemp("keys")
    for source, purpose in (("answer_key", "answer-icbc"), ("answer_sha1_key", "answer-icbc-sha1")):
        path = directory / f"{purpose}.20260101T000000Z.pem"
        shutil.copy(VECTORS / f"{source}.pem", path)
        path.chmod(0o600)
    return KeyRing.load(directory, allow_published=True)


def house(ring: KeyRing) -> Bank:
    return Bank(settings=PeerSettings("ICBC"), keys=ring, directory=Clients, clock=Clock())


def cut(body: bytes) -> tuple[bytes, bytes]:
    """As the bank's own client cuts: from 2 behind the first name up to the last sign."""
    begin = body.index(b'response_biz_content"') + len(b'response_biz_content"') + 1
    end = body.rindex(b',"sign":"')
    return body[begin:end], base64.b64decode(body[end + len(b',"sign":"') : -2], validate=True)


def holds(body: bytes, key: str = "answer", algorithm: str = "rsa-sha256") -> bool:
    public = profiles.load_public(algorithm, (VECTORS / f"{key}_public.der").read_bytes())
    return profiles.verify(algorithm, public, *cut(body))


@pytest.mark.parametrize("charset", ["UTF-8", "GBK"])
def test_a_refusal_is_the_golden_answer_byte_for_byte(ring, charset):
    hint = replace(HINT, authentic=False, answer={"charset": charset})
    answer = house(ring).seal(BankReply("submit", Reason.NOT_AUTHENTIC), hint)
    name = "refused_gbk" if charset == "GBK" else "refused_utf8"
    assert answer.body == (VECTORS / f"{name}.answer").read_bytes()
    assert (answer.status, answer.headers["Content-Type"]) == (200, f"application/json; charset={charset}")


def test_a_stock_client_is_answered_in_gbk_with_sha1_as_golden(ring):
    hint = replace(HINT, answer={"charset": "GBK", "sign": "rsa-sha1"})
    body = house(ring).seal(ECHO, hint).body
    assert body == (VECTORS / "ok_gbk_sha1.answer").read_bytes()
    assert holds(body, "answer_sha1", "rsa-sha1")


def test_an_encrypted_answer_is_the_golden_one(ring):
    hint = replace(HINT, answer={"charset": "UTF-8", "cipher": "C1"})
    body = house(ring).seal(ECHO, hint).body
    assert body == (VECTORS / "ok_aes.answer").read_bytes()
    text, _ = cut(body)
    assert (text[:1], text[-1:], holds(body)) == (b'"', b'"', True)


def test_before_authentication_neither_sha1_nor_encryption_tells_who_is_enrolled(ring):
    hint = replace(HINT, authentic=False, answer={"sign": "rsa-sha1", "cipher": "C1"})
    body = house(ring).seal(BankReply("echo", Reason.NOT_AUTHENTIC), hint).body
    assert holds(body)
    assert json.loads(body)["response_biz_content"]["return_code"] == 400017


@pytest.mark.parametrize("charset", ["UTF-8", "GBK", "GB18030", "GB2312", "", "other"])
def test_every_charset_keeps_every_character_and_the_way_clients_cut(ring, charset):
    text = '㐂𠮷·—・―€中"\\\n{}]],"sign":"x"}response_biz_content":'
    body = house(ring).seal(replace(ECHO, members={"text": text}), replace(HINT, answer={"charset": charset})).body
    content, _ = cut(body)
    codec = {"GBK": "gbk", "GB18030": "gb18030", "GB2312": "gb2312"}.get(charset, "utf-8")
    assert json.loads(content.decode(codec))["text"] == text
    assert holds(body)
    if codec != "utf-8":
        assert b"\\u3402\\ud842\\udfb7" in content


def test_members_stand_in_the_documented_order_without_spaces(ring):
    body = house(ring).seal(BankReply("submit", members={"repeat": False, "case": {"state": "submitted"}}), HINT).body
    assert body.startswith('{"response_biz_content":{"return_code":0,"return_msg":"成功","msg_id":"'.encode())
    content = json.loads(body)["response_biz_content"]
    assert list(content) == [
        "return_code", "return_msg", "msg_id", "op", "v", "result", "reason", "message", "repeat", "case",
    ]  # fmt: skip
    assert b": " not in body
    assert b", " not in body


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_sealed_with_a_short_message_in_gbk(ring, reason):
    problems = (Problem("form.x", FieldCode.MISSING, "缺少必填项"),) * 3 if reason is Reason.INVALID else ()
    reply = BankReply("submit", reason, problems=problems, fault_id="F-20261123-0001")
    body = house(ring).seal(reply, replace(HINT, answer={"charset": "GBK"})).body
    content = json.loads(body.decode("gbk"))["response_biz_content"]
    assert len(content["return_msg"]) <= 60
    assert not set('{}"') & set(content["return_msg"])
    assert holds(body)


def test_a_hint_that_knows_nothing_is_answered_too(ring):
    body = house(ring).seal(BankReply("", Reason.TOO_LARGE), Hint(bank="ICBC")).body
    assert holds(body)
    assert json.loads(body)["response_biz_content"]["msg_id"] == ""


def broken(_: bytes) -> bytes:
    raise ConnectionError("the signer is away")


@pytest.mark.parametrize(
    "keys",
    [
        KeyRing([]),
        KeyRing([SigningKey("answer-icbc", "x", "rsa-sha256", b"", NOW + timedelta(days=1), broken)]),
        KeyRing([SigningKey("answer-icbc", "x", "rsa-sha256", b"", NOW, broken)]),
    ],
)
def test_without_our_key_the_answer_says_so_unsigned_and_says_nothing_else(keys):
    body = house(keys).seal(ECHO, HINT).body
    assert body.endswith(b',"sign":""}')
    content = json.loads(body)["response_biz_content"]
    assert (content["return_code"], content["reason"], content["msg_id"]) == (
        -500044,
        "CANNOT_SIGN",
        HINT.transport_id,
    )
    assert "text" not in content


def test_a_reply_that_cannot_be_written_becomes_internal(ring):
    endless: dict[str, object] = {}
    endless["x"] = endless
    for members in ({"x": object()}, {"x": b"bytes"}, endless):
        content = json.loads(house(ring).seal(BankReply("echo", members=members), HINT).body)["response_biz_content"]
        assert (content["return_code"], "x" in content) == (-500099, False)


def test_a_cipher_key_gone_meanwhile_never_makes_a_plain_answer_with_content(ring):
    for hint in (
        replace(HINT, answer={"cipher": "C9"}),
        replace(HINT, claimed_id="A2", answer={"cipher": "C1"}),
    ):
        body = house(ring).seal(ECHO, hint).body
        content = json.loads(body)["response_biz_content"]
        assert (content["return_code"], "text" in content, holds(body)) == (-500099, False, True)


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()), st.sampled_from(Reason), st.booleans())
def test_sealing_is_total(operation, transport_id, answer, reason, authentic):
    hint = Hint(bank="ICBC", transport_id=transport_id, authentic=authentic, answer=answer)
    body = house(KeyRing([])).seal(BankReply(operation, reason, {"text": operation}), hint).body
    assert body.startswith(b'{"response_biz_content":{"return_code":')


# --- masking ---------------------------

PLANTED = [b"44030419900307123X", b"13800000001", "陈㐂宁".encode(), "周以安".encode(), b"HSZG2026440300871"]


@pytest.mark.parametrize("name", ["rsa2_utf8", "rsa2_gbk", "rsa2_aes", "rsa_sha1"])
def test_a_request_is_masked_and_still_tells_which_it_was(ring, name):
    raw = (VECTORS / f"{name}.form").read_bytes()
    masked = house(ring).scrub(raw)
    assert b"msg_id=20261123101530000871" in masked
    assert b"app_id=90000000000000000301" in masked
    assert b"biz_content=***(" in masked
    assert len(masked) < 300
    assert [p for p in [*PLANTED, *(p.decode().encode("gb18030") for p in PLANTED)] if p in masked] == []


def test_values_planted_in_every_parameter_are_masked(ring):
    for name in (b"msg_id", b"app_id", b"timestamp", b"notify_url", b"charset", b"sign_type", b"x"):
        for planted in PLANTED[:4]:
            masked = house(ring).scrub(b"format=json&" + name + b"=" + planted)
            assert planted not in masked
            assert b"format=json" in masked
    escaped = b"msg_id=" + b"".join(b"%%%02X" % byte for byte in PLANTED[0])
    assert house(ring).scrub(escaped) == b"msg_id=***"
    assert PLANTED[1] not in house(ring).scrub(PLANTED[1] + b"=x")


def test_a_signature_is_shortened(ring):
    masked = house(ring).scrub((VECTORS / "rsa2_utf8.form").read_bytes())
    assert len(masked.split(b"sign=")[-1].split(b"&")[0]) == len(b"12345678...")


def test_an_answer_keeps_code_and_number_only(ring):
    reply = replace(ECHO, members={"text": "陈㐂宁 44030419900307123X 13800000001"})
    masked = house(ring).scrub(house(ring).seal(reply, HINT).body)
    content = json.loads(masked)["response_biz_content"]
    assert (content["return_code"], content["msg_id"], content["op"]) == (0, HINT.transport_id, "echo")
    assert [p for p in PLANTED if p in masked] == []
    assert json.loads(masked)["sign"].endswith("...")


@pytest.mark.parametrize(
    "raw", [b'{"name":"13800000001"}', b"13800000001", b'{"response_biz_content":{"a":"13800000001"}']
)
def test_what_is_not_recognised_is_masked_as_a_whole(ring, raw):
    masked = house(ring).scrub(raw)
    assert b"13800000001" not in masked
    assert b"***(" in masked


@given(st.binary())
def test_masking_is_total(raw):
    assert isinstance(house(KeyRing([])).scrub(raw), bytes)
