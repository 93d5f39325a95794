"""The ICBC branch system: its bytes against the published example, its judgement of answers, its samples."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mocks.banks.icbc_cli import main
from mocks.banks.icbc_sim import IcbcBranch, RawRequest, string_to_sign
from mocks.banks.plain_json import business_digest, canonical
from mocks.banks.samples import BEIJING, bank_ref, resident_id, sample_submission, uscc

EXAMPLE: dict[str, Any] = {
    "op": "submit",
    "v": "1",
    "bank_ref": "20261123ICBCFT0300000871",
    "item": "FT-HLT-013",
    "item_version": "2026.1",
    "outlet": "ICBC-FT-03",
    "teller": {"no": "T30217", "device": "WS-FT03-02", "second_factor_at": "2026-11-23T08:51:07+08:00"},
    "teller_journal": "000871",
    "business_date": "2026-11-23",
    "channel": "counter",
    "ticket": {
        "no": "A017",
        "taken_at": "2026-11-23T09:52:00+08:00",
        "called_at": "2026-11-23T10:04:30+08:00",
        "window": "2",
    },
    "started_at": "2026-11-23T10:05:02+08:00",
    "entered_at": "2026-11-23T10:14:58+08:00",
    "applicant": {
        "kind": "person",
        "name": "陈㐂宁",
        "doc_type": "resident_id",
        "doc_no": "44030419900307123X",
        "doc_expire": "2038-03-06",
        "phone": "13800000001",
        "residence_street": "440304007",
        "residence_address": {
            "region": "440304",
            "street": "440304007",
            "community": "样例社区",
            "detail": "梅华路样例花园5栋1202",
        },
    },
    "agent": {
        "name": "周以安",
        "doc_type": "resident_id",
        "doc_no": "34052419800101001X",
        "phone": "13800000002",
        "relation": "staff",
        "authorisation": {
            "no": "SQ-2026-0031",
            "scope": ["submit", "supplement"],
            "signed_on": "2026-11-20",
            "until": "2026-12-31",
            "file": {
                "digest": "sha256:504d5779a954b7cf889e122cef146d8ef169c10983d5863d3f29ec14623a1a98",
                "size": "96411",
                "type": "application/pdf",
                "pages": "1",
            },
        },
    },
    "identity_checks": [
        {
            "who": "agent",
            "read_method": "chip",
            "reader": "IDR-0302",
            "read_at": "2026-11-23T10:05:20+08:00",
            "face": {
                "result": "pass",
                "score_band": "high",
                "threshold": "T3",
                "vendor_tx": "FX20261123100531-0007",
                "liveness": "pass",
                "at": "2026-11-23T10:05:31+08:00",
            },
        }
    ],
    "consents": [
        {"kind": "privacy_notice", "version": "PN-2026-1", "by": "agent", "at": "2026-11-23T10:13:40+08:00"},
        {
            "kind": "sensitive",
            "version": "SC-2026-1",
            "tags": ["health"],
            "by": "agent",
            "at": "2026-11-23T10:13:44+08:00",
        },
        {"kind": "truth", "version": "TR-2026-1", "by": "agent", "at": "2026-11-23T10:13:49+08:00"},
    ],
    "signature": {
        "ref": "SIG-20261123-0871",
        "signer": "agent",
        "text_digest": "sha256:274853c2a29c722d12b81d92871af9ded245fe685d4c374c9e5b48235c2b9e1e",
        "signed_at": "2026-11-23T10:14:31+08:00",
        "device": "PAD-0302",
    },
    "materials": [
        {
            "id": "M1",
            "how": "scan",
            "original_seen": True,
            "files": [
                {
                    "digest": "sha256:2d214ca69b86c255be416d42cca977a59b34a7492873105522c35015fab806f0",
                    "size": "183220",
                    "type": "application/pdf",
                    "pages": "2",
                    "taken_at": "2026-11-23T10:09:12+08:00",
                    "device": "CAM-0302",
                }
            ],
        },
        {
            "id": "M2",
            "how": "e_certificate",
            "original_seen": False,
            "certificate": {
                "no": "1.2.156.3005.2.11100000000013338W011.11440304MB2D26978H.20260001187.001.6",
                "version": "001",
                "fetched_at": "2026-11-23T10:10:03+08:00",
            },
        },
        {
            "id": "M3",
            "how": "upload",
            "original_seen": True,
            "files": [
                {
                    "digest": "sha256:67629a19d082ed3a6a50d4e4ff97d02f6208b8706aeef961e0d6a438604211df",
                    "size": "402118",
                    "type": "image/jpeg",
                }
            ],
        },
        {"id": "M4", "how": "promised"},
    ],
    "promise": {
        "text_version": "PR-2026-1",
        "materials": [{"id": "M4", "until": "2026-11-30"}],
        "signature_ref": "SIG-20261123-0871",
        "courier": True,
    },
    "delivery": {"mode": "outlet", "outlet": "ICBC-FT-03"},
    "form": {
        "exam_cert_no": "HSZG2026440300871",
        "graduate_school": "深圳样例卫生学院",
        "graduate_date": "2026-06-30",
        "practice_months": "9",
        "institution_name": "福田样例护理服务中心",
        "institution_uscc": "52440304MJ9000022W",
    },
}

COMMON = {
    "app_id": "90000000000000000301",
    "msg_id": "20261123101530000871",
    "format": "json",
    "charset": "UTF-8",
    "sign_type": "RSA2",
    "timestamp": "2026-11-23 10:15:30",
}
AES_KEY = bytes(range(16))


def write_keys(directory: Path, name: str) -> rsa.RSAPrivateKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / f"{name}.pem").write_bytes(key.private_bytes(*private))
    public = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (directory / f"{name}.pub").write_bytes(key.public_key().public_bytes(*public))
    return key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    directory = tmp_path_factory.mktemp("keys")
    return directory, write_keys(directory, "bank"), write_keys(directory, "gateway")


@pytest.fixture
def branch(keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Callable[..., IcbcBranch]:
    def make(base: str = "http://gateway.test", **options: Any) -> IcbcBranch:
        return IcbcBranch(base, COMMON["app_id"], keys[0] / "bank.pem", keys[0] / "gateway.pub", **options)

    return make


def signed(key: rsa.RSAPrivateKey, content: str, *, hash_: hashes.HashAlgorithm | None = None) -> bytes:
    sign = base64.b64encode(key.sign(content.encode(), PKCS1v15(), hash_ or hashes.SHA256())).decode()
    return f'{{"response_biz_content":{content},"sign":"{sign}"}}'.encode()


def parameters_of(request: RawRequest) -> dict[str, str]:
    charset = request.headers["Content-Type"].rpartition("=")[2]
    pairs = parse_qsl(urlsplit(request.url).query, encoding=charset, strict_parsing=False)
    pairs += parse_qsl(request.body.decode("ascii"), encoding=charset)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def aes(*, data: bytes, encrypt: bool) -> bytes:
    cipher = Cipher(algorithms.AES(AES_KEY), modes.CBC(bytes(16)))
    if encrypt:
        pad = padding.PKCS7(128).padder()
        worker = cipher.encryptor()
        return worker.update(pad.update(data) + pad.finalize()) + worker.finalize()
    unpad, opener = padding.PKCS7(128).unpadder(), cipher.decryptor()
    return unpad.update(opener.update(data) + opener.finalize()) + unpad.finalize()


def test_the_published_example_comes_out_byte_for_byte() -> None:
    text = canonical(EXAMPLE)
    to_sign = string_to_sign("/api/gov/case/submit/V1", {**COMMON, "biz_content": text}).encode()

    assert len(text.encode()) == 3063
    assert business_digest(EXAMPLE).startswith("b1-sha256:e176a71a31178ec3")
    assert (len(to_sign), hashlib.sha256(to_sign).hexdigest()[:16]) == (3226, "5259629078e3b822")


def test_the_sign_and_blank_parameters_are_not_signed() -> None:
    assert string_to_sign("/a", {"sign": "x", "b": " ", "": "y", "c": "1", "B": "2 +"}) == "/a?B=2 +&c=1"


def test_a_built_request_carries_a_signature_over_the_raw_values(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], branch: Callable[..., IcbcBranch]
) -> None:
    request = branch().build("submit", EXAMPLE, msg_id=COMMON["msg_id"], timestamp=COMMON["timestamp"])
    sent = parameters_of(request)
    sign = base64.b64decode(sent.pop("sign"))
    to_sign = string_to_sign("/api/gov/case/submit/V1", sent).encode()

    keys[1].public_key().verify(sign, to_sign, PKCS1v15(), hashes.SHA256())
    assert sent == {**COMMON, "biz_content": canonical(EXAMPLE)}
    assert request.url == "http://gateway.test/api/gov/case/submit/V1"
    assert request.headers["APIGW-VERSION"] == "v2_20190522"


def test_the_page_variant_puts_the_common_parameters_into_the_query(branch: Callable[..., IcbcBranch]) -> None:
    request = branch(placement="ui").build("echo", {"text": "一 +&"}, extra={"notify_url": "http://bank.test"})
    api = branch().build("echo", {"text": "一 +&"}, extra={"notify_url": "http://bank.test"})

    assert set(parse_qs(urlsplit(request.url).query)) == {*COMMON, "sign"}
    assert set(parse_qs(request.body.decode())) == {"biz_content", "notify_url"}
    assert parameters_of(request)["biz_content"] == parameters_of(api)["biz_content"]


def test_a_path_prefix_is_signed_as_called(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], branch: Callable[..., IcbcBranch]
) -> None:
    sent = parameters_of(branch("http://gateway.test/front/").build("echo", {"text": "x"}))
    sign = base64.b64decode(sent.pop("sign"))
    to_sign = string_to_sign("/front/api/gov/sys/echo/V1", sent).encode()

    keys[1].public_key().verify(sign, to_sign, PKCS1v15(), hashes.SHA256())
    assert json.loads(sent["biz_content"]) == {"op": "echo", "v": "1", "text": "x"}


def test_in_gbk_a_character_the_charset_lacks_is_escaped_and_never_replaced(branch: Callable[..., IcbcBranch]) -> None:
    content = parameters_of(branch(charset="GBK").build("echo", {"text": "王𠮷㐂"}))["biz_content"]

    assert "\\ud842\\udfb7" in content
    assert "王" in content
    assert json.loads(content)["text"] == "王𠮷㐂"


def test_encrypted_content_is_signed_as_ciphertext_and_the_answer_is_opened(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], branch: Callable[..., IcbcBranch]
) -> None:
    encrypting = branch(encrypt_key=AES_KEY)
    sent = parameters_of(encrypting.build("echo", {"text": "密"}))
    plain = aes(data=base64.b64decode(sent["biz_content"]), encrypt=False)
    reply = base64.b64encode(aes(data=b'{"return_code":0,"result":"ok"}', encrypt=True)).decode()
    answer = encrypting.read(200, signed(keys[2], f'"{reply}"'))

    assert sent["encrypt_type"] == "AES"
    assert json.loads(plain)["text"] == "密"
    assert (answer.signature_ok, answer.return_code, answer.ok) == (True, 0, True)


def test_an_answer_is_cut_as_text_up_to_the_last_sign(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], branch: Callable[..., IcbcBranch]
) -> None:
    content = '{"return_code":0,"return_msg":"成功","msg_id":"m","result":"ok","sign":"inner","receipt_no":"FT1"}'
    answer = branch().read(200, signed(keys[2], content))

    assert answer.ok
    assert (answer.return_msg, answer.msg_id, answer.receipt_no) == ("成功", "m", "FT1")
    assert dict(answer.business) == {"result": "ok", "sign": "inner", "receipt_no": "FT1"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b'content":', b'content": '),
        lambda raw: raw.replace(b',"sign":"', b',"sign_type":"RSA2","sign":"'),
        lambda raw: raw.replace(b',"sign":"', b', "sign":"'),
        lambda raw: raw.replace(b'"return_code":0', b'"return_code":1'),
        lambda raw: b"<html>",
        lambda raw: b"\xff\xfe",
        lambda raw: b"",
    ],
)
def test_an_answer_that_strays_by_one_byte_is_not_authentic(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey],
    branch: Callable[..., IcbcBranch],
    spoil: Callable[[bytes], bytes],
) -> None:
    good = signed(keys[2], '{"return_code":0,"result":"ok"}')

    assert branch().read(200, good).ok
    assert not branch().read(200, spoil(good)).signature_ok


def test_a_refusal_is_authentic_without_being_a_success_and_other_statuses_throw(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], branch: Callable[..., IcbcBranch]
) -> None:
    raw = signed(keys[2], '{"return_code":"400017","return_msg":"x","result":"refused","reason":"NOT_AUTHENTIC"}')
    answer = branch().read(200, raw)

    assert (answer.signature_ok, answer.ok, answer.return_code, answer.reason) == (
        True,
        False,
        400017,
        "NOT_AUTHENTIC",
    )
    assert not branch().read(503, raw).signature_ok


def test_the_stock_library_takes_sha1_only(
    keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], branch: Callable[..., IcbcBranch]
) -> None:
    content = '{"return_code":0}'
    stock = branch(answer_hash="SHA1")

    assert stock.read(200, signed(keys[2], content, hash_=hashes.SHA1())).signature_ok
    assert not stock.read(200, signed(keys[2], content)).signature_ok


class Echo:
    """A gateway that answers every submission and remembers the bytes."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self.bodies: list[bytes] = []
        echo = self

        class Desk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                echo.bodies.append(body)
                part = json.loads(dict(parse_qsl(body.decode()))["biz_content"])
                said = {"return_code": 0, "result": "ok", "receipt_no": f"FT{part.get('bank_ref', '')[-8:]}"}
                raw = signed(key, json.dumps(said))
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def echo(keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Iterator[Echo]:
    served = Echo(keys[2])
    yield served
    served.close()


def test_a_capture_can_be_sent_again_and_altered(echo: Echo, branch: Callable[..., IcbcBranch]) -> None:
    bank = branch(echo.url)
    request = bank.build("submit", EXAMPLE)
    first, second = bank.send_raw(request), bank.send_raw(request)
    bank.send_raw(dataclasses.replace(request, body=request.body.replace(b"msg_id=", b"msg_id=0")))

    assert first.ok
    assert first.receipt_no == "FT00000871"
    assert first.raw == second.raw
    assert echo.bodies[0] == echo.bodies[1] != echo.bodies[2]


def test_the_short_ways_build_the_operations_business_part(echo: Echo, branch: Callable[..., IcbcBranch]) -> None:
    bank = branch(echo.url)
    bank.query(receipt_no="FT1", timeline=True)
    bank.changes("c1", limit=5)
    bank.changes()
    bank.echo("x", notify=True)
    parts = [json.loads(dict(parse_qsl(body.decode()))["biz_content"]) for body in echo.bodies]

    assert parts == [
        {"op": "query", "v": "1", "receipt_no": "FT1", "timeline": True},
        {"op": "changes", "v": "1", "cursor": "c1", "limit": "5"},
        {"op": "changes", "v": "1", "cursor": ""},
        {"op": "echo", "v": "1", "text": "x", "notify": True},
    ]


def test_the_command_line_makes_keys_and_sends_load(
    echo: Echo, keys: tuple[Path, rsa.RSAPrivateKey, rsa.RSAPrivateKey], tmp_path: Path
) -> None:
    made = main(["keys", str(tmp_path), "--name", "icbc"])
    common = [
        "--base",
        echo.url,
        "--key",
        str(tmp_path / "icbc.key.pem"),
        "--gateway-key",
        str(keys[0] / "gateway.pub"),
    ]
    out = tmp_path / "load.jsonl"
    sent = main([*common, "load", "--count", "5", "--threads", "2", "--rate", "500", "--out", str(out)])
    one = main([*common, "submit", "--item", "FT-SBX-002", "--scenario", "refuse"])
    rows = [json.loads(line) for line in out.read_text().splitlines()]

    assert (made, sent, one) == (0, 0, 0)
    assert (tmp_path / "icbc.key.pem").stat().st_mode & 0o777 == 0o600
    assert len({row["bank_ref"] for row in rows}) == 5
    assert {row["outcome"] for row in rows} == {"ok"}


def test_a_gateway_that_is_away_is_an_outcome_and_no_crash(tmp_path: Path) -> None:
    main(["keys", str(tmp_path)])
    out = tmp_path / "load.jsonl"
    common = ["--base", "http://127.0.0.1:9", "--key", str(tmp_path / "icbc.key.pem")]

    assert main([*common, "load", "--count", "1", "--tries", "2", "--out", str(out)]) == 1
    assert main([*common, "echo"]) == 1
    assert json.loads(out.read_text())["outcome"] == "no_answer"


def test_resident_numbers_differ_and_pass_their_check_digit() -> None:
    numbers = [resident_id(serial) for serial in [*range(2000), 16_800, 16_801, 16_802, 5_000_000]]
    # GB 11643-1999: the weighted sum of all 18 places is 1 modulo 11; X counts ten.
    weights = [2**place % 11 for place in range(17, -1, -1)]
    sums = {sum(w * (10 if d == "X" else int(d)) for w, d in zip(weights, n, strict=True)) % 11 for n in numbers}

    assert len(set(numbers)) == len(numbers)
    assert sums == {1}
    assert all(date(1960, 1, 1) <= date.fromisoformat(n[6:14]) <= date(2005, 12, 31) for n in numbers)


def test_credit_codes_differ_and_pass_both_check_characters() -> None:
    def both_hold(code: str) -> bool:
        letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
        whole = sum(letters.index(char) * pow(3, place, 31) for place, char in enumerate(code[:17])) % 31
        inner = sum(int(c, 36) * w for c, w in zip(code[8:16], (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
        return letters[(31 - whole) % 31] == code[17] and "0X987654321"[inner] == code[16]

    codes = [uscc(serial) for serial in range(500)]
    assert both_hold("91440304MA9FT0013D")  # the one of operations.md 2.4
    assert len(set(codes)) == 500
    assert all(map(both_hold, codes))


def test_an_organisation_is_represented_at_the_counter() -> None:
    ref = bank_ref("ICBC", 7)
    part = sample_submission("FT-SBX-002", "ICBC-FT-03", bank_ref=ref, applicant="organisation")

    assert part["applicant"]["kind"] == "organisation"
    assert [check["who"] for check in part["identity_checks"]] == ["legal_rep"]


def test_a_sample_of_the_item_with_a_paper_brings_it_or_promises_it() -> None:
    ref = bank_ref("ICBC", 7)
    paper = sample_submission("FT-SBX-002", "ICBC-FT-03", bank_ref=ref)
    promised = sample_submission("FT-SBX-002", "ICBC-FT-03", bank_ref=ref, material="promised", agent=True)

    assert paper["materials"] == [{"id": "M1", "how": "paper", "original_seen": True, "pages": "2"}]
    assert "promise" not in paper
    assert [consent["kind"] for consent in paper["consents"]] == ["privacy_notice", "sensitive", "truth"]
    assert paper["consents"][1]["tags"] == ["residence"]
    assert [row["id"] for row in promised["promise"]["materials"]] == ["M1"]
    assert {check["who"] for check in promised["identity_checks"]} == {"agent"}
    assert promised["agent"]["doc_no"] != promised["applicant"]["doc_no"]


def test_a_sample_is_the_same_for_the_same_moment_and_another_person_for_another_serial() -> None:
    now = datetime(2026, 11, 23, 10, 15, tzinfo=BEIJING)
    made = [
        sample_submission("FT-SBX-001", "ICBC-FT-03", bank_ref=bank_ref("ICBC", n, now=now), serial=n, now=now)
        for n in (1, 1, 2)
    ]

    assert canonical(made[0]) == canonical(made[1])
    assert made[0]["applicant"]["doc_no"] != made[2]["applicant"]["doc_no"]
    assert made[0]["bank_ref"] == "20261123ICBCSIM00000001"
    assert made[0]["form"] == {"scenario": "grant", "remark": "样例事项"}


@pytest.mark.parametrize("wrong", [{"a": 1}, {"a": None}, {"a": [1.5]}, {1: "a"}])
def test_the_business_part_has_no_numbers_and_no_null(wrong: Any) -> None:
    with pytest.raises(ValueError, match="the business part has no"):
        canonical(wrong)
