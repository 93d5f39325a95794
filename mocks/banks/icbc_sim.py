"""An ICBC branch system: builds, signs, sends and checks answers as the bank's own client library does.

Must not import the gateway; written from the bank protocol description and operations.md (2, 5, 6) alone.
``python -m mocks.banks.icbc_sim --help``.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mocks.banks.plain_json import canonical
from mocks.banks.samples import BEIJING, resident_id, sample_submission

__all__ = ["OPERATIONS", "Answer", "IcbcBranch", "RawRequest", "resident_id", "sample_submission", "string_to_sign"]

OPERATIONS: Mapping[str, str] = {
    "submit": "case/submit",
    "supplement": "case/supplement",
    "withdraw": "case/withdraw",
    "query": "case/query",
    "changes": "case/changes",
    "receipt": "case/receipt",
    "upload_ticket": "file/ticket",
    "item_list": "info/itemlist",
    "item": "info/item",
    "outlet_list": "info/outletlist",
    "department_status": "info/deptstatus",
    "echo": "sys/echo",
}
"""Operation → cell of the path ``/api/gov/<cell>/V1`` (operations.md 1)."""

_IN_QUERY = ("sign", "app_id", "sign_type", "charset", "format", "encrypt_type", "timestamp", "msg_id")
_ROOT = "response_biz_content"
_SIGN = ',"sign":"'


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as bytes: keep it to send it again, or ``dataclasses.replace`` it to alter it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    msg_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``business``: members beside ``return_code``, ``return_msg`` and ``msg_id``.

    ``return_code`` is ``None`` when there was no answer of the protocol; ``milliseconds`` from sending to last byte.
    """

    http_status: int
    raw: bytes
    signature_ok: bool
    return_code: int | None = None
    return_msg: str = ""
    msg_id: str = ""
    business: Mapping[str, Any] = field(default_factory=dict)
    milliseconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Signed by the gateway and successful."""
        return self.signature_ok and self.return_code == 0 and self.business.get("result") == "ok"

    @property
    def reason(self) -> str:
        """The canonical reason, or ""."""
        return str(self.business.get("reason", ""))

    @property
    def receipt_no(self) -> str:
        """The receipt number, or ""."""
        return str(self.business.get("receipt_no", ""))


def string_to_sign(path: str, parameters: Mapping[str, str]) -> str:
    """Path, ``?``, raw parameters sorted by name; ``sign`` and blank ones left out."""
    kept = {name: value for name, value in parameters.items() if name != "sign" and name.strip() and value.strip()}
    return f"{path}?" + "&".join(f"{name}={kept[name]}" for name in sorted(kept))


class IcbcBranch:
    """One enrolled application of the bank."""

    def __init__(
        self,
        base_url: str,
        app_id: str,
        private_key_pem_path: str | Path,
        gateway_public_key_path: str | Path | None,
        *,
        charset: str = "UTF-8",
        encrypt_key: bytes | None = None,
        placement: str = "api",
        sign_type: str = "RSA2",
        answer_hash: str = "SHA256",
        timeout: float = 30.0,
    ) -> None:
        """``placement``: ``api`` (all in the form) or ``ui`` (common parameters in the query string).

        ``encrypt_key``: AES key of 16, 24 or 32 bytes. ``answer_hash``: SHA256, or SHA1 as the stock library checks.
        Without the gateway's key no answer is ever authentic.
        """
        if placement not in ("api", "ui"):
            raise ValueError("placement is api or ui")
        self.base_url = base_url.rstrip("/")
        self.app_id = app_id
        self.charset = charset
        self.timeout = timeout
        self._placement = placement
        self._sign_type = sign_type
        self._encrypt_key = encrypt_key
        self._answer_hash = {"SHA256": hashes.SHA256(), "SHA1": hashes.SHA1()}[answer_hash]  # noqa: S303  the bank's own
        private = serialization.load_pem_private_key(Path(private_key_pem_path).read_bytes(), password=None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("the application's key is not RSA")
        self._private = private
        self._public: rsa.RSAPublicKey | None = None
        if gateway_public_key_path is not None:
            public = serialization.load_pem_public_key(Path(gateway_public_key_path).read_bytes())
            if not isinstance(public, rsa.RSAPublicKey):
                raise TypeError("the gateway's key is not RSA")
            self._public = public

    def build(
        self,
        operation: str,
        business: Mapping[str, Any],
        *,
        msg_id: str | None = None,
        timestamp: str | None = None,
        extra: Mapping[str, str] | None = None,
        biz_content: str | None = None,
    ) -> RawRequest:
        """A signed request, not sent.

        ``operation``: a name of ``OPERATIONS``, or a path beginning with ``/``. ``op`` and ``v`` are added where
        ``business`` lacks them. ``timestamp``: Beijing ``yyyy-MM-dd HH:mm:ss``. ``extra``: further parameters, or
        other values for the common ones. ``biz_content``: this text instead of the canonical business part.
        """
        named = {"op": operation, "v": "1"} if operation in OPERATIONS else {}
        text = canonical({**named, **business}, charset=self.charset) if biz_content is None else biz_content
        parameters = {
            "app_id": self.app_id,
            "msg_id": msg_id if msg_id is not None else uuid.uuid4().hex,
            "format": "json",
            "charset": self.charset,
            "sign_type": self._sign_type,
            "timestamp": timestamp or f"{datetime.now(BEIJING):%Y-%m-%d %H:%M:%S}",
            "biz_content": text,
        }
        if self._encrypt_key is not None:
            parameters |= {"encrypt_type": "AES", "biz_content": self._encrypt(text)}
        parameters |= extra or {}
        url = self.base_url + (operation if operation.startswith("/") else f"/api/gov/{OPERATIONS[operation]}/V1")
        signed = string_to_sign(urlsplit(url).path, parameters).encode(self.charset)
        hash_ = hashes.SHA1() if parameters["sign_type"] in ("RSA", "") else hashes.SHA256()  # noqa: S303  the bank's own
        parameters["sign"] = base64.b64encode(self._private.sign(signed, PKCS1v15(), hash_)).decode()
        return self._placed(url, parameters)

    def send_raw(self, request: RawRequest) -> Answer:
        """Send exactly these bytes once and read the answer as the bank's client does.

        Raises ``OSError`` or ``http.client.HTTPException`` when no answer came.
        """
        address = urlsplit(request.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        line = kind(address.hostname or "", address.port, timeout=self.timeout)
        begun = time.perf_counter()
        try:
            target = address.path + (f"?{address.query}" if address.query else "")
            line.request(request.method, target, body=request.body, headers=dict(request.headers))
            answer = line.getresponse()
            raw = answer.read()
        finally:
            line.close()
        return self.read(answer.status, raw, milliseconds=(time.perf_counter() - begun) * 1000)

    def call(
        self,
        operation: str,
        business: Mapping[str, Any],
        *,
        msg_id: str | None = None,
        timestamp: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Answer:
        """Build, send once, read."""
        return self.send_raw(self.build(operation, business, msg_id=msg_id, timestamp=timestamp, extra=extra))

    def submit(self, business: Mapping[str, Any], **how: Any) -> Answer:
        """File an application; ``business`` as of ``sample_submission``."""
        return self.call("submit", business, **how)

    def query(self, *, receipt_no: str = "", case_ref: str = "", timeline: bool = False) -> Answer:
        """One case, by exactly one of its two names."""
        named = {"receipt_no": receipt_no, "case_ref": case_ref}
        part: dict[str, Any] = {name: value for name, value in named.items() if value}
        return self.call("query", {**part, "timeline": True} if timeline else part)

    def changes(self, cursor: str = "", *, limit: int | None = None, outlet: str = "") -> Answer:
        """The feed of events after ``cursor`` ("" = from the oldest)."""
        part = {"cursor": cursor, "limit": str(limit) if limit else "", "outlet": outlet}
        return self.call("changes", {name: value for name, value in part.items() if value or name == "cursor"})

    def echo(self, text: str = "first contact 测试", *, notify: bool = False) -> Answer:
        """First contact; ``notify`` asks for a test notice."""
        return self.call("echo", {"text": text, "notify": True} if notify else {"text": text})

    def read(self, http_status: int, raw: bytes, *, milliseconds: float = 0.0) -> Answer:
        """Judge an answer: cut the text, verify, then parse. Never raises for a bad answer."""
        try:
            text = raw.decode(self.charset)
        except UnicodeDecodeError:
            return Answer(http_status, raw, False, milliseconds=milliseconds)
        cut = _cut(text)
        good = cut is not None and self._holds(*cut)
        members = self._members(cut[0] if cut else text)
        return Answer(
            http_status,
            raw,
            # The bank's client throws on any other status than 200, whatever the body says.
            good and http_status == 200,
            return_code=_number(members.pop("return_code", None)),
            return_msg=str(members.pop("return_msg", "")),
            msg_id=str(members.pop("msg_id", "")),
            business=members,
            milliseconds=milliseconds,
        )

    def _holds(self, content: str, sign: str) -> bool:
        if self._public is None:
            return False
        try:
            signature = base64.b64decode(sign, validate=True)
            self._public.verify(signature, content.encode(self.charset), PKCS1v15(), self._answer_hash)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _members(self, content: str) -> dict[str, Any]:
        try:
            value = json.loads(content)
            if isinstance(value, str):
                value = json.loads(self._decrypt(value)) if self._encrypt_key else {}
        except ValueError:
            return {}
        if isinstance(value, dict) and isinstance(value.get(_ROOT), dict):
            value = value[_ROOT]
        return dict(value) if isinstance(value, dict) else {}

    def _placed(self, url: str, parameters: Mapping[str, str]) -> RawRequest:
        sent = {name: value for name, value in parameters.items() if name.strip() and value.strip()}
        query = {name: value for name, value in sent.items() if name in _IN_QUERY} if self._placement == "ui" else {}
        form = {name: value for name, value in sent.items() if name not in query}
        headers = {
            "Content-Type": f"application/x-www-form-urlencoded; charset={self.charset}",
            "APIGW-VERSION": "v2_20190522",
        }
        if query:
            url += f"?{self._form(query)}"
        return RawRequest("POST", url, headers, self._form(form).encode("ascii"), parameters["msg_id"])

    def _form(self, members: Mapping[str, str]) -> str:
        def encoded(text: str) -> str:
            return quote_plus(text.encode(self.charset))

        return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in members.items())

    def _encrypt(self, text: str) -> str:
        pad = padding.PKCS7(128).padder()
        cipher = self._cipher().encryptor()
        padded = pad.update(text.encode(self.charset)) + pad.finalize()
        return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()

    def _decrypt(self, text: str) -> str:
        cipher = self._cipher().decryptor()
        padded = cipher.update(base64.b64decode(text)) + cipher.finalize()
        pad = padding.PKCS7(128).unpadder()
        return (pad.update(padded) + pad.finalize()).decode(self.charset)

    def _cipher(self) -> Cipher[modes.CBC]:
        if self._encrypt_key is None:
            raise ValueError("no cipher key")
        return Cipher(algorithms.AES(self._encrypt_key), modes.CBC(bytes(16)))


def _cut(text: str) -> tuple[str, str] | None:
    """Signed text and signature: two characters after the root's name up to the last ``,"sign":"``."""
    name, end = text.find(_ROOT), text.rfind(_SIGN)
    start = name + len(_ROOT) + 2
    if name < 0 or end < start:
        return None
    return text[start:end], text[end + len(_SIGN) : text.rfind('"')]


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


if __name__ == "__main__":
    from mocks.banks.icbc_cli import main

    sys.exit(main())
