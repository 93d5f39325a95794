"""Telling a client an event in ICBC's own way: our signed form to its notify address, its signed reply read back.

Must not choose whom to tell, when or how often. The signed text is that of a request, with the path of the notify
address; the reply is signed over another span than our own answers are (bank-protocols.md 1, notification).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlsplit

from gateway.adapters.icbc import signing, wire
from gateway.contracts.backend import Line
from gateway.contracts.bank import Client, ClientKey, Notice, Receipt
from gateway.domain.clock import beijing
from gateway.domain.errors import BadSettings, DeliveryUnknown, NotAuthentic, NotUnderstood, Refused
from gateway.signing import canon, profiles
from gateway.signing.profiles import NotDeciphered
from gateway.wire import strict_json
from gateway.wire.messages import OutboundRequest

FROM = "ft-gov"
API = "/api/gov/case/notice/V1"
_REPLY = re.compile(  # the signed span begins behind the first brace and ends before the signature
    rb'\s*\{(?P<text>"response_biz_content":.*?,"sign_type":"(?P<sign_type>[A-Z0-9]{1,8})"),"sign":"(?P<sign>[^"]*)"\}\s*',
    re.DOTALL,
)


def request(
    notice: Notice, *, at: datetime, sign: Callable[[bytes], bytes], cipher: ClientKey | None
) -> OutboundRequest:
    """The signed form; ``cipher``: the client's key where it is enrolled for encrypted content.

    Raises ``BadSettings`` for an address without a path.
    """
    path = urlsplit(notice.url).path
    if not path.startswith("/"):
        raise BadSettings("the notify address has no path, and the path is what is signed")
    content = canon.canonical_json({**notice.business(), "msg_id": notice.notice_id})
    members = {
        b"from": FROM.encode(),
        b"api": API.encode(),
        wire.APP_ID: notice.client.claimed_id.encode(),
        wire.CHARSET: wire.UTF_8.label.encode(),
        wire.FORMAT: b"json",
        wire.TIMESTAMP: f"{beijing(at):%Y-%m-%d %H:%M:%S}".encode(),
        wire.SIGN_TYPE: b"RSA2",
        wire.BIZ_CONTENT: content,
    }
    if cipher is not None:  # encrypted first, then signed
        sealed = profiles.aes_cbc_zero_iv_encrypt(cipher.material, content)
        members |= {wire.ENCRYPT_TYPE: b"AES", wire.BIZ_CONTENT: base64.b64encode(sealed)}
    members[wire.SIGN] = base64.b64encode(sign(signing.text_to_sign(path.encode("ascii"), members)))
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in members.items()).encode("ascii")
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={wire.UTF_8.label}"}
    return OutboundRequest("POST", path, headers, body, purpose="notify")


def send(
    notice: Notice, line: Line, *, at: datetime, sign: Callable[[bytes], bytes], cipher: ClientKey | None
) -> Receipt:
    """One try: sent, and the reply judged. Raises as ``contracts.bank.Bank.notify``."""
    answer = line.send(request(notice, at=at, sign=sign, cipher=cipher))
    if answer.status != 200:
        raise DeliveryUnknown(f"HTTP {answer.status}", code=str(answer.status))
    members = _opened(answer.body, notice.client, at, cipher=cipher)
    code, text = members.get("return_code"), members.get("return_msg")
    shown = text if isinstance(text, str) else ""
    if members.get("msg_id") != notice.notice_id:
        raise NotUnderstood("the reply is about another notice")
    if code != "0":
        raise Refused(shown or "the client says no", code=str(code))
    return Receipt(notice_id=notice.notice_id, text=shown, exchange_id=line.exchange_id)


def _opened(body: bytes, client: Client, at: datetime, *, cipher: ClientKey | None) -> dict[str, Any]:
    """The reply's content once its signature holds. Raises ``NotAuthentic`` or ``NotUnderstood``."""
    found = _REPLY.fullmatch(body)
    if found is None:
        raise NotUnderstood("not the form of a reply")
    key, cause = signing.verifying_key(
        client, at, sign_type=found["sign_type"], text=found["text"], signature=found["sign"]
    )
    if key is None:
        raise NotAuthentic(cause)
    try:
        content = strict_json.parse(b"{" + found["text"] + b"}", numbers="text").get("response_biz_content")
        if isinstance(content, str) and cipher is not None:  # answered as it was asked
            sealed = signing.strict_base64(content.encode("ascii", "replace")) or b""
            content = strict_json.parse(profiles.aes_cbc_zero_iv_decrypt(cipher.material, sealed), numbers="text")
    except (strict_json.NotJson, NotDeciphered) as error:
        raise NotUnderstood(str(error)) from None
    if not isinstance(content, dict):
        raise NotUnderstood("no response_biz_content")
    return content
