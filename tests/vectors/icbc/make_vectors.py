"""Makes the golden files beside it with the openssl command line and the standard library only, none of our code.

Run it by hand (`python tests/vectors/icbc/make_vectors.py`); keys that exist are kept, so the output stays the same.
"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from urllib.parse import quote_plus

HERE = Path(__file__).parent
PATH = "/api/gov/case/submit/V1"
CIPHER_KEY = bytes(range(16))


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def make_key(name: str) -> Path:
    pem = HERE / f"{name}_key.pem"
    if not pem.exists():
        pem.write_bytes(openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
    (HERE / f"{name}_public.der").write_bytes(openssl("pkey", "-in", str(pem), "-pubout", "-outform", "DER"))
    return pem


def sign(pem: Path, text: bytes, digest: str) -> str:
    return base64.b64encode(openssl("dgst", f"-{digest}", "-sign", str(pem), data=text)).decode()


def request(name: str, pem: Path, *, content: str, charset: str, digest: str, **more: str) -> None:
    parameters = {
        "app_id": "90000000000000000301",
        "msg_id": "20261123101530000871",
        "format": "json",
        "charset": charset,
        "timestamp": "2026-11-23 10:15:30",
        "biz_content": content,
        **more,
    }
    codec = "gb18030" if charset == "GBK" else "utf-8"
    text = (PATH + "?" + "&".join(f"{k}={v}" for k, v in sorted(parameters.items()))).encode(codec)
    (HERE / f"{name}.to_sign").write_bytes(text)
    parameters["sign"] = sign(pem, text, digest)
    form = "&".join(f"{k}={quote_plus(v.encode(codec), safe='*')}" for k, v in parameters.items())
    (HERE / f"{name}.form").write_bytes(form.encode("ascii"))


def answer(name: str, pem: Path, *, content: str, charset: str, digest: str) -> None:
    signed = content.encode(charset)
    body = b'{"response_biz_content":' + signed + b',"sign":"' + sign(pem, signed, digest).encode() + b'"}'
    (HERE / f"{name}.answer").write_bytes(body)


def main() -> None:
    client, ours, ours_sha1 = make_key("client"), make_key("answer"), make_key("answer_sha1")
    business = (HERE / "business.json").read_text("utf-8")
    request("rsa2_utf8", client, content=business, charset="UTF-8", digest="sha256", sign_type="RSA2")
    request("rsa2_gbk", client, content=business, charset="GBK", digest="sha256", sign_type="RSA2")
    request("rsa_sha1", client, content=business, charset="UTF-8", digest="sha1")
    sealed = base64.b64encode(
        openssl("enc", "-aes-128-cbc", "-K", CIPHER_KEY.hex(), "-iv", "00" * 16, data=business.encode("utf-8"))
    ).decode()
    request("rsa2_aes", client, content=sealed, charset="UTF-8", digest="sha256", sign_type="RSA2", encrypt_type="AES")
    refused = (
        '{"return_code":400017,"return_msg":"报文验证失败","msg_id":"20261123101530000871","op":"submit","v":"1",'
        '"result":"refused","reason":"NOT_AUTHENTIC","message":"报文验证失败"}'
    )
    answer("refused_utf8", ours, content=refused, charset="utf-8", digest="sha256")
    answer("refused_gbk", ours, content=refused, charset="gbk", digest="sha256")
    done = (
        '{"return_code":0,"return_msg":"成功","msg_id":"20261123101530000871","op":"echo","v":"1","result":"ok",'
        '"reason":"OK","message":"成功","text":"\\u3402\\ud842\\udfb7·测试"}'
    )
    answer("ok_gbk_sha1", ours_sha1, content=done, charset="gbk", digest="sha1")
    plain = done.replace("\\u3402\\ud842\\udfb7", "㐂𠮷").encode("utf-8")
    cipher = openssl("enc", "-aes-128-cbc", "-K", CIPHER_KEY.hex(), "-iv", "00" * 16, data=plain)
    quoted = json.dumps(base64.b64encode(cipher).decode())
    answer("ok_aes", ours, content=quoted, charset="utf-8", digest="sha256")


if __name__ == "__main__":
    main()
