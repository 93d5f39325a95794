"""Opening requests: golden files made with openssl, every refusal in its order, and fuzz."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.icbc import Bank
from gateway.contracts.bank import Client, ClientKey
from gateway.contracts.settings import PeerSettings
from gateway.domain.errors import BadSettings, NotAuthentic, NotUnderstood
from gateway.domain.reasons import Reason, WarningCode
from gateway.domain.requests import Operation
from gateway.signing import profiles
from gateway.signing.keys import KeyRing
from gateway.wire.messages import WireRequest

VECTORS = Path(__file__).parents[1] / "vectors" / "icbc"
NOW = datetime(2026, 11, 23, 2, 15, 31, tzinfo=UTC)
SUBMIT, QUERY, ECHO = "/api/gov/case/submit/V1", "/api/gov/case/query/V1", "/api/gov/sys/echo/V1"
BUSINESS = (VECTORS / "business.json").read_bytes()
APP_ID = "90000000000000000301"
PRIVATE = load_pem_private_key((VECTORS / "client_key.pem").read_bytes(), None)
PUBLIC = (VECTORS / "client_public.der").read_bytes()
KEY = ClientKey("K1", "verify", "rsa-sha256", PUBLIC, NOW - timedelta(days=9))
SHA1_KEY = ClientKey("K2", "verify", "rsa-sha1", PUBLIC, NOW - timedelta(days=9))
CIPHER = ClientKey("C1", "cipher", "aes-cbc", bytes(range(16)), NOW - timedelta(days=9))
CLIENT = Client("CL1", "ICBC", "icbc", APP_ID, "active", ("rsa-sha256",), (KEY,), (), ())
AES_CLIENT = replace(CLIENT, keys=(KEY, CIPHER))


class Clients:
    def __init__(self, *clients: Client) -> None:
        self.clients = {(c.bank, c.claimed_id): c for c in clients}

    def find(self, bank, claimed_id):
        return self.clients.get((bank, claimed_id))


class Clock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


def bank(*clients: Client, **settings: str) -> Bank:
    clients = clients or (CLIENT,)
    return Bank(
        settings=PeerSettings("ICBC", settings),
        keys=KeyRing([]),
        directory=lambda: Clients(*clients),
        clock=Clock(),
    )


def wire(body: bytes, path: str = SUBMIT, query: bytes = b"", **more) -> WireRequest:
    return WireRequest("POST", path, query, {}, body, more.pop("address", "203.0.113.5"), more.pop("at", NOW))


@cache
def signature(text: bytes, sha1: bool) -> bytes:
    digest = hashes.SHA1() if sha1 else hashes.SHA256()
    return base64.b64encode(PRIVATE.sign(text, padding.PKCS1v15(), digest))


def escaped(pairs) -> bytes:
    return "&".join(f"{quote_from_bytes(n)}={quote_from_bytes(v)}" for n, v in pairs).encode()


def parameters(content: bytes = b'{"op":"echo","v":"1"}', **more: str | bytes | None) -> dict[bytes, bytes]:
    members = {
        "app_id": APP_ID,
        "msg_id": "M1",
        "format": "json",
        "charset": "UTF-8",
        "sign_type": "RSA2",
        "timestamp": "2026-11-23 10:15:30",
        "biz_content": content,
        **more,
    }
    return {n.encode(): v if isinstance(v, bytes) else v.encode() for n, v in members.items() if v is not None}


def signed(members: dict[bytes, bytes], path: str = ECHO) -> list[tuple[bytes, bytes]]:
    used = {n: v for n, v in members.items() if n.strip() and v.strip()}
    text = path.encode() + b"?" + b"&".join(n + b"=" + used[n] for n in sorted(used))
    return [*members.items(), (b"sign", signature(text, used.get(b"sign_type") != b"RSA2"))]


def echo(content: bytes = b'{"op":"echo","v":"1"}', *, path: str = ECHO, **more: str | bytes | None) -> WireRequest:
    return wire(escaped(signed(parameters(content, **more), path)), path)


def refusal(request: WireRequest, house: Bank | None = None):
    with pytest.raises((NotAuthentic, NotUnderstood)) as caught:
        (house or bank()).open(request)
    assert caught.value.hint.bank == "ICBC"
    assert caught.value.hint.authentic == (caught.value.reason not in (Reason.NOT_AUTHENTIC, Reason.TOO_LARGE))
    return caught.value


def refused(request: WireRequest, house: Bank | None = None) -> tuple[Reason, str]:
    error = refusal(request, house)
    return error.reason, error.cause


def golden(name: str) -> WireRequest:
    return wire((VECTORS / f"{name}.form").read_bytes())


# --- golden files ---------------------------


def test_the_signed_text_of_the_example_has_the_documented_length_and_hash():
    text = (VECTORS / "rsa2_utf8.to_sign").read_bytes()
    assert (len(text), hashlib.sha256(text).hexdigest()[:16]) == (3226, "5259629078e3b822")


def test_the_documented_example_opens_whole():
    request = bank().open(golden("rsa2_utf8"))
    assert (request.bank, request.operation, request.warnings) == ("ICBC", Operation.SUBMIT, ())
    assert request.business.members == json.loads(BUSINESS)
    assert request.business.canonical == BUSINESS
    hint = request.hint
    assert (hint.claimed_id, hint.client_id, hint.authentic, hint.key_id) == (APP_ID, "CL1", True, "K1")
    assert (hint.profile, hint.operation, hint.transport_id) == ("icbc", "submit", "20261123101530000871")
    assert hint.sent_at == NOW - timedelta(seconds=1)
    assert hint.message_digest.startswith("sha256:5259629078e3b822")


def test_a_gbk_request_opens_as_the_same_business_part():
    request = bank().open(golden("rsa2_gbk"))
    assert request.business.canonical == BUSINESS
    assert request.hint.answer["charset"] == "GBK"
    text = (VECTORS / "rsa2_gbk.to_sign").read_bytes()
    assert request.hint.message_digest == "sha256:" + hashlib.sha256(text).hexdigest()


def test_an_encrypted_request_opens_as_the_same_business_part():
    request = bank(AES_CLIENT).open(golden("rsa2_aes"))
    assert request.business.canonical == BUSINESS
    assert request.hint.answer["cipher"] == "C1"


def test_sha1_is_refused_unless_enrolled_and_then_warned_of():
    assert refused(golden("rsa_sha1")) == (Reason.NOT_AUTHENTIC, "weak_algorithm")
    enrolled = replace(CLIENT, algorithms=("rsa-sha256", "rsa-sha1"), keys=(KEY, SHA1_KEY))
    request = bank(enrolled).open(golden("rsa_sha1"))
    assert (request.hint.key_id, [w.code for w in request.warnings]) == ("K2", [WarningCode.LEGACY_ALGORITHM])


@pytest.mark.parametrize("name", ["rsa2_utf8", "rsa2_gbk", "rsa2_aes"])
def test_one_altered_byte_in_any_signed_part_is_not_authentic(name):
    raw = (VECTORS / f"{name}.form").read_bytes()
    members = [tuple(p.split("=", 1)) for p in raw.decode().split("&")]
    house = bank(AES_CLIENT)
    for at, (_, value) in enumerate(members):
        changed = "B" if value[0] != "B" else "C"
        body = "&".join("=".join((n, changed + v[1:] if i == at else v)) for i, (n, v) in enumerate(members))
        assert refused(wire(body.encode()), house)[0] is Reason.NOT_AUTHENTIC


def test_a_request_signed_for_one_door_does_not_open_another():
    example = golden("rsa2_utf8")
    for path in (QUERY, ECHO, SUBMIT + "/", "/api/gov/case/submit/V2", "/API/gov/case/submit/V1"):
        assert refused(replace(example, path=path)) == (Reason.NOT_AUTHENTIC, "wrong_key")


# --- placement, charset, extras ---------------------------


def test_common_parameters_may_stand_in_the_query():
    pairs = signed(parameters(notify_url="https://x.example/?a=1"))
    body = [p for p in pairs if p[0] in (b"biz_content", b"notify_url")]
    query = [p for p in pairs if p not in body]
    request = bank().open(wire(escaped(body), ECHO, escaped(query)))
    assert [(w.code, w.path) for w in request.warnings] == [(WarningCode.MEMBER_IGNORED, "notify_url")]


@pytest.mark.parametrize("name", [n.decode() for n in parameters()] + ["sign", "other"])
def test_a_name_that_occurs_twice_is_refused_in_every_placement(name):
    pairs = signed(parameters(other="x"))
    again = [p for p in pairs if p[0] == name.encode()]
    for query, body in [([], pairs + again), (again, pairs), (again + again, []), ([], [(again[0][0], b""), *pairs])]:
        request = wire(escaped(body), ECHO, escaped(query))
        assert refused(request) == (Reason.NOT_AUTHENTIC, "duplicate_parameter")


def test_blank_parameters_count_as_absent_like_the_clients_treat_them():
    assert bank().open(echo(app_auth_token="", ca="  ")).operation is Operation.ECHO


def test_values_that_hide_further_parameters_are_refused():
    for more in ({"ca": "x&charset=GBK"}, {"aaa": "1&app_id=2"}):
        assert refused(echo(**more)) == (Reason.NOT_AUTHENTIC, "ambiguous_parameter")
    assert refused(wire(escaped([*signed(parameters()), (b"a&b", b"c")]), ECHO))[1] == "ambiguous_parameter"
    assert refused(wire(escaped([*signed(parameters()), (b"a=b", b"c")]), ECHO))[1] == "ambiguous_parameter"


@pytest.mark.parametrize(
    ("inside", "cut", "told"),
    [
        ("GBK", [(b"charset", b'GBK"}')], (Reason.NOT_AUTHENTIC, "bad_charset")),
        ("GBK&d=", [(b"charset", b"GBK"), (b"d", b'"}')], (Reason.NOT_UNDERSTOOD, "Unterminated")),
    ],
)
def test_a_signed_text_cut_apart_in_another_way_does_not_open(inside, cut, told):
    """The signed text escapes nothing, so a value can be split into parameters without breaking the signature."""
    whole = f'{{"op":"echo","v":"1","text":"a&charset={inside}"}}'.encode()
    pairs = dict(signed(parameters(whole, charset=None)))
    assert bank().open(wire(escaped(pairs.items()), ECHO)).business.text("text") == f"a&charset={inside}"
    pairs |= {b"biz_content": whole.split(b"&")[0], **dict(cut)}
    reason, cause = refused(wire(escaped(pairs.items()), ECHO))
    assert (reason, cause.split()[0]) == told


@pytest.mark.parametrize("label", ["GBK", "gbk", "GB18030", "gb2312"])
def test_rare_characters_come_through_the_gb_family_as_bytes_and_as_escapes(label):
    for text in ("陈㐂宁𠮷·", "陈\\u3402宁\\ud842\\udfb7\\u00b7"):
        content = f'{{"op":"echo","v":"1","text":"{text}"}}'.encode("gb18030")
        assert bank().open(echo(content, charset=label)).business.text("text") == "陈㐂宁𠮷·"


@pytest.mark.parametrize("label", ["utf-8", "UTF8", None])
def test_utf8_by_all_its_labels_and_by_default(label):
    content = '{"op":"echo","v":"1","text":"陈㐂宁𠮷·"}'.encode()
    request = bank().open(echo(content, charset=label))
    assert (request.business.text("text"), request.hint.answer["charset"]) == ("陈㐂宁𠮷·", "UTF-8")


def test_bytes_that_do_not_decode_and_unknown_charsets_are_not_authentic():
    gbk = '{"op":"echo","v":"1","text":"中文"}'.encode("gbk")
    utf8 = '{"op":"echo","v":"1","text":"中"}'.encode()
    for request in (
        echo(gbk),
        echo(utf8, charset="GBK"),
        echo(charset="latin-1"),
        echo(other=b"\xff"),
        echo(charset=b"\xd6"),
    ):
        assert refused(request) == (Reason.NOT_AUTHENTIC, "bad_charset")


def test_the_prefix_a_proxy_takes_off_is_part_of_the_signed_path():
    body = escaped(signed(parameters(), "/gw/a" + ECHO))
    assert bank(signed_path_prefix="/gw/a").open(wire(body, ECHO)).operation is Operation.ECHO
    assert refused(wire(body, ECHO)) == (Reason.NOT_AUTHENTIC, "wrong_key")


@pytest.mark.parametrize("prefix", ["gw", "/gw/", "/"])
def test_an_unusable_prefix_is_refused_at_start(prefix):
    with pytest.raises(BadSettings, match="signed_path_prefix"):
        bank(signed_path_prefix=prefix)


# --- who ---------------------------


def test_callers_that_are_not_enrolled_so_are_refused_alike_with_the_cause_for_our_log_only():
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    wrong = replace(KEY, material=other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    request = echo()
    for client, cause in [
        (replace(CLIENT, claimed_id="other"), "unknown_client"),
        (replace(CLIENT, bank="other"), "unknown_client"),
        (replace(CLIENT, status="blocked"), "blocked"),
        (replace(CLIENT, keys=(replace(KEY, valid_until=NOW),)), "stale_key"),
        (replace(CLIENT, keys=(replace(KEY, valid_from=NOW + timedelta(seconds=1)),)), "stale_key"),
        (replace(CLIENT, keys=()), "stale_key"),
        (replace(CLIENT, keys=(wrong,)), "wrong_key"),
        (replace(CLIENT, keys=(replace(KEY, material=b"junk"),)), "wrong_key"),
        (replace(CLIENT, keys=(replace(KEY, use="cipher"),)), "stale_key"),
        (replace(CLIENT, algorithms=()), "weak_algorithm"),
        (replace(CLIENT, algorithms=("rsa-sha1",), keys=(SHA1_KEY,)), "weak_algorithm"),
        (replace(CLIENT, keys=(SHA1_KEY,)), "weak_algorithm"),
        (replace(CLIENT, addresses=("198.51.100.0/24",)), "address_not_enrolled"),
        (replace(CLIENT, addresses=("nonsense",)), "address_not_enrolled"),
        (replace(CLIENT, options={"encrypt": "required"}), "plain_refused"),
    ]:
        error = refusal(request, bank(client))
        assert (error.reason, error.cause) == (Reason.NOT_AUTHENTIC, cause)
        assert error.hint.client_id == ("" if cause == "unknown_client" else "CL1")
        assert error.hint.transport_id == "M1"


def test_during_a_rotation_both_keys_verify():
    newer = replace(KEY, key_id="K9", material=b"junk", valid_from=NOW - timedelta(days=1))
    assert bank(replace(CLIENT, keys=(newer, KEY))).open(echo()).hint.key_id == "K1"


@pytest.mark.parametrize("address", ["203.0.113.5", "::ffff:203.0.113.5", "2001:db8::7"])
def test_enrolled_addresses_are_let_in(address):
    client = replace(CLIENT, addresses=("203.0.113.0/28", "2001:db8::/64"))
    assert bank(client).open(replace(echo(), remote_addr=address)).operation is Operation.ECHO


@pytest.mark.parametrize("address", ["203.0.113.16", "::ffff:203.0.113.99", "", "unix:", "2001:db8:1::7"])
def test_other_addresses_are_not(address):
    client = replace(CLIENT, addresses=("203.0.113.0/28", "2001:db8::/64"))
    assert refused(replace(echo(), remote_addr=address), bank(client))[1] == "address_not_enrolled"


@pytest.mark.parametrize("label", ["RSA", None, "SM2", "CA", "rsa2", "RSA2 "])
def test_the_label_of_an_algorithm_is_only_compared_with_the_enrolment(label):
    members = parameters(sign_type=label)
    used = b"&".join(n + b"=" + members[n] for n in sorted(members))
    members[b"sign"] = signature(ECHO.encode() + b"?" + used, False)  # a good SHA-256 signature whatever the label says
    assert refused(wire(escaped(members.items()), ECHO)) == (Reason.NOT_AUTHENTIC, "weak_algorithm")


@pytest.mark.parametrize(
    "spoil", [lambda s: s[:-1], lambda s: s + b"\n", lambda s: s[:64] + b"\r\n" + s[64:], lambda s: b"!" * 9]
)
def test_only_the_one_standard_form_of_base64_is_taken(spoil):
    pairs = dict(signed(parameters()))
    pairs[b"sign"] = spoil(pairs[b"sign"])
    assert refused(wire(escaped(pairs.items()), ECHO)) == (Reason.NOT_AUTHENTIC, "bad_base64")


def test_a_missing_signature_or_client_is_not_authentic():
    pairs = dict(signed(parameters()))
    del pairs[b"sign"]
    assert refused(wire(escaped(pairs.items()), ECHO))[0] is Reason.NOT_AUTHENTIC
    for app_id in (None, "9" * 21, "中", "a b"):
        error = refusal(echo(app_id=app_id))
        assert (error.cause, error.hint.claimed_id) == ("unknown_client", "")


def test_strangers_and_clients_with_a_bad_signature_cost_the_same_verifications(monkeypatch):
    counted = []
    for name in ("verify", "spend_verification"):
        real = getattr(profiles, name)
        monkeypatch.setattr(profiles, name, lambda *a, real=real, name=name: (counted.append(name), real(*a))[1])
    pairs = dict(signed(parameters()))
    pairs[b"sign"] = signature(b"other", False)
    cost = []
    for client in (replace(CLIENT, claimed_id="x"), CLIENT, replace(CLIENT, keys=()), replace(CLIENT, keys=(KEY, KEY))):
        counted.clear()
        refusal(wire(escaped(pairs.items()), ECHO), bank(client))
        cost.append(counted.count("verify"))  # spending is a verification too
    assert cost == [2, 2, 2, 2]


# --- encryption ---------------------------


def sealed(plain: bytes, key: bytes = CIPHER.material) -> bytes:
    return base64.b64encode(profiles.aes_cbc_zero_iv_encrypt(key, plain))


def test_encrypted_content_opens_in_the_charset_of_the_request():
    content = sealed('{"op":"echo","v":"1","text":"㐂中"}'.encode("gb18030"))
    request = bank(AES_CLIENT).open(echo(content, charset="GBK", encrypt_type="AES"))
    assert request.business.text("text") == "㐂中"


def test_every_fault_of_encryption_is_not_authentic():
    good = sealed(b'{"op":"echo","v":"1"}')
    house = bank(AES_CLIENT)
    for request, cause in [
        (echo(good[:-4] + b"AAA=", encrypt_type="AES"), "bad_padding"),
        (echo(sealed(b"{}", bytes(16)), encrypt_type="AES"), "bad_padding"),
        (echo(b"{}", encrypt_type="AES"), "bad_padding"),
        (echo(None, encrypt_type="AES"), "bad_padding"),
        (echo(good, encrypt_type="SM4"), "cipher_not_enrolled"),
        (echo(good, encrypt_type="aes"), "cipher_not_enrolled"),
        (echo(sealed(b"\xff"), encrypt_type="AES"), "bad_charset"),
    ]:
        assert refused(request, house) == (Reason.NOT_AUTHENTIC, cause)
    assert refused(echo(good, encrypt_type="AES")) == (Reason.NOT_AUTHENTIC, "cipher_not_enrolled")


def test_a_client_that_must_encrypt_gets_in_encrypted():
    client = replace(AES_CLIENT, options={"encrypt": "required"})
    assert bank(client).open(golden("rsa2_aes")).operation is Operation.SUBMIT


# --- after the signature holds: the order of checks ---------------------------


@pytest.mark.parametrize("minutes", [-10, 10])
def test_the_window_is_ten_minutes_either_way(minutes):
    sent = datetime(2026, 11, 23, 2, 15, 30, tzinfo=UTC)
    edge = sent + timedelta(minutes=minutes)
    assert bank().open(replace(echo(), received_at=edge)).hint.sent_at == sent
    beyond = edge + timedelta(seconds=1 if minutes > 0 else -1)
    error = refusal(replace(echo(), received_at=beyond))
    assert (type(error), error.reason, error.hint.client_id) == (NotAuthentic, Reason.CLOCK, "CL1")


def test_a_stale_message_with_a_bad_signature_is_not_told_about_its_clock():
    pairs = dict(signed(parameters(timestamp="2020-01-01 00:00:00")))
    pairs[b"msg_id"] = b"M2"
    assert refused(wire(escaped(pairs.items()), ECHO))[0] is Reason.NOT_AUTHENTIC


@pytest.mark.parametrize(
    "timestamp", [None, "20261123101530", "2026-11-23T10:15:30", "2026-13-01 00:00:00", "2026-11-23 10:15:30.1", "x"]
)
def test_a_malformed_time_is_a_fault_of_the_envelope(timestamp):
    assert refused(echo(timestamp=timestamp)) == (Reason.ENVELOPE_INVALID, "timestamp missing or malformed")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"msg_id": None}, Reason.ENVELOPE_INVALID),
        ({"msg_id": "9" * 41}, Reason.ENVELOPE_INVALID),
        ({"msg_id": "中"}, Reason.ENVELOPE_INVALID),
        ({"format": None}, Reason.ENVELOPE_INVALID),
        ({"format": "xml"}, Reason.ENVELOPE_INVALID),
        ({"content": None}, Reason.ENVELOPE_INVALID),
        ({"content": b'{"op":"query","v":"1"}'}, Reason.ENVELOPE_INVALID),
        ({"content": b'{"v":"1"}'}, Reason.ENVELOPE_INVALID),
        ({"content": b'{"op":true,"v":"1"}'}, Reason.ENVELOPE_INVALID),
        ({"content": b'{"op":"echo"}'}, Reason.VERSION_UNKNOWN),
        ({"content": b'{"op":"echo","v":"2"}'}, Reason.VERSION_UNKNOWN),
        ({"content": b'{"op":"echo","v":1}'}, Reason.NOT_UNDERSTOOD),
        ({"content": b'{"op":"echo","v":"1","x":null}'}, Reason.NOT_UNDERSTOOD),
        ({"content": b'{"op":"echo","v":"1","v":"1"}'}, Reason.NOT_UNDERSTOOD),
        ({"content": b'{"op":"echo","v":"1","t":"\\ud800"}'}, Reason.NOT_UNDERSTOOD),
        ({"content": b'["op"]'}, Reason.NOT_UNDERSTOOD),
        ({"content": b'"text"'}, Reason.NOT_UNDERSTOOD),
        ({"content": b"not json"}, Reason.NOT_UNDERSTOOD),
        ({"content": b'{"a":' * 16 + b'{"x":"y"}' + b"}" * 16}, Reason.NOT_UNDERSTOOD),
        ({"content": b'{"t":"' + b"x" * 65536 + b'"}'}, Reason.TOO_LARGE),
        ({"content": b'{"t":"' + "中".encode() * 22000 + b'"}'}, Reason.TOO_LARGE),
        ({"path": "/api/gov/no/such/V1"}, Reason.OPERATION_UNKNOWN),
        ({"path": "/api/gov/case/submit/V2"}, Reason.OPERATION_UNKNOWN),
        ({"path": "/api/gov/case/handover/V1", "content": b"{}"}, Reason.OPERATION_UNKNOWN),
        ({"path": "/api/gov/no/such/V1", "content": None}, Reason.OPERATION_UNKNOWN),
    ],
)
def test_an_authentic_message_is_told_what_is_wrong_with_it(members, reason):
    request = echo(members.pop("content", b'{"op":"echo","v":"1"}'), **members)
    with pytest.raises(NotUnderstood) as caught:
        bank().open(request)
    error = caught.value
    assert (error.reason, error.hint.authentic, error.hint.client_id, error.hint.key_id) == (reason, True, "CL1", "K1")


def test_the_depth_of_sixteen_and_the_size_of_64_kib_are_taken():
    deep = b'{"op":"echo","v":"1","a":' + b'{"a":' * 14 + b'{"x":"y"}' + b"}" * 15
    assert bank().open(echo(deep)).operation is Operation.ECHO
    head, tail = b'{"op":"echo","v":"1","a":"', b'"}'
    assert bank().open(echo(head + b"x" * (65536 - len(head) - len(tail)) + tail)).operation is Operation.ECHO


def test_a_body_over_256_kib_is_too_large_before_anything_is_read():
    error = refusal(wire(b"x" * (256 * 1024 + 1)))
    assert (type(error), error.reason, error.hint.authentic) == (NotUnderstood, Reason.TOO_LARGE, False)
    assert refusal(wire(b"x" * (256 * 1024))).reason is Reason.NOT_AUTHENTIC


def test_an_operation_the_client_is_not_enrolled_for_is_told_before_its_content_is_read():
    house = bank(replace(CLIENT, operations=("submit", "query")))
    assert refused(echo(b"not json"), house)[0] is Reason.OPERATION_NOT_ALLOWED
    assert house.open(golden("rsa2_utf8")).operation is Operation.SUBMIT


def test_faults_are_told_in_the_order_of_the_checks():
    members = {
        "timestamp": "2020-01-01 00:00:00",
        "msg_id": None,
        "format": "xml",
        "path": "/api/gov/no/such/V1",
        "content": b"not json",
    }
    house = bank(replace(CLIENT, operations=("submit",)))
    seen = []
    for name in (None, "timestamp", "msg_id", "format", "path", "operations"):
        members.pop(name, None)
        if name == "operations":
            house = bank()
        more = dict(members)
        error = refusal(echo(more.pop("content"), **more), house)
        seen.append(error.reason if error.reason is not Reason.ENVELOPE_INVALID else error.cause.split()[0])
    assert seen == [
        Reason.CLOCK,
        "msg_id",
        "format",
        Reason.OPERATION_UNKNOWN,
        Reason.OPERATION_NOT_ALLOWED,
        Reason.NOT_UNDERSTOOD,
    ]


def test_confirm_second_is_carried_but_outside_the_canonical_form():
    request = bank().open(echo(b'{"v":"1","op":"echo","confirm_second":true}'))
    assert request.business.members["confirm_second"] is True
    assert request.business.canonical == b'{"op":"echo","v":"1"}'


def test_doors_and_prefix_cover_the_operations():
    house = bank()
    assert {d.operation for d in house.doors} == {o.value for o in Operation}
    assert all(d.path.startswith(house.prefix) for d in house.doors)


# --- fuzz ---------------------------

FUZZED = bank(AES_CLIENT)


def survives(request: WireRequest) -> str:
    try:
        FUZZED.open(request)
    except (NotAuthentic, NotUnderstood) as error:
        return error.hint.bank
    return "ICBC"


@given(st.binary(max_size=400), st.binary(max_size=100), st.text(max_size=30), st.text(max_size=20))
def test_random_bytes_are_refused_and_nothing_else_happens(body, query, path, address):
    assert survives(wire(body, path, query, address=address)) == "ICBC"


@given(st.sampled_from(["rsa2_utf8", "rsa2_gbk", "rsa2_aes", "rsa_sha1"]), st.data())
def test_mutated_requests_are_accepted_or_refused_and_nothing_else_happens(name, data):
    raw = bytearray((VECTORS / f"{name}.form").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert survives(wire(bytes(raw))) == "ICBC"


@given(
    st.dictionaries(
        st.sampled_from(["app_id", "msg_id", "charset", "timestamp", "format", "encrypt_type", "biz_content", "x"]),
        st.binary(max_size=30) | st.sampled_from([b"GBK", b"AES", b"0001-01-01 00:00:00", b"[" * 30000, b"{}"]),
    )
)
def test_well_signed_nonsense_is_refused_and_nothing_else_happens(members):
    content = members.pop("biz_content", b'{"op":"echo","v":"1"}')
    assert survives(echo(content, **members)) == "ICBC"
