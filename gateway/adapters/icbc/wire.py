"""ICBC's envelope: names of parameters, charsets, times, framing of the answer, masking (bank-protocols.md 1).

Must not verify or judge: ``adapter`` does, in the order of operations.md 5.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.domain.clock import BEIJING
from gateway.wire import forms

PREFIX = "/api/gov/"
PATHS: dict[str, str] = {
    "/api/gov/case/submit/V1": "submit",
    "/api/gov/case/supplement/V1": "supplement",
    "/api/gov/case/withdraw/V1": "withdraw",
    "/api/gov/case/query/V1": "query",
    "/api/gov/case/changes/V1": "changes",
    "/api/gov/case/receipt/V1": "receipt",
    "/api/gov/file/ticket/V1": "upload_ticket",
    "/api/gov/info/itemlist/V1": "item_list",
    "/api/gov/info/item/V1": "item",
    "/api/gov/info/outletlist/V1": "outlet_list",
    "/api/gov/info/deptstatus/V1": "department_status",
    "/api/gov/sys/echo/V1": "echo",
}

APP_ID, MSG_ID, FORMAT, CHARSET = b"app_id", b"msg_id", b"format", b"charset"
SIGN, SIGN_TYPE, ENCRYPT_TYPE, TIMESTAMP, BIZ_CONTENT = (
    b"sign",
    b"sign_type",
    b"encrypt_type",
    b"timestamp",
    b"biz_content",
)
KNOWN = frozenset({APP_ID, MSG_ID, FORMAT, CHARSET, SIGN, SIGN_TYPE, ENCRYPT_TYPE, TIMESTAMP, BIZ_CONTENT})

MAX_APP_ID, MAX_MSG_ID, MAX_RETURN_MSG = 20, 40, 60

_TIME = re.compile(rb"2[01][0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_WORD = re.compile(rb"[!-~]+")  # printable ASCII without space
_HIDDEN = re.compile(rb"&(?:" + b"|".join(sorted(KNOWN)) + rb")=")
_HEAD, _TAIL = b'{"response_biz_content":', b',"sign":"'


class NotReadable(ValueError):
    """The parameters cannot be read as ICBC's clients write them; the text is a cause for our log."""


@dataclass(frozen=True, slots=True)
class Charset:
    """One charset of the channel: its label in answers, how we decode it, and what its readers surely know."""

    label: str
    decoder: str
    encoder: str


# All labels of the GB family are decoded as GB18030, which holds the others. Answers use only what the labelled
# charset has in every implementation; the rest goes out as \uXXXX.
UTF_8 = Charset("UTF-8", "utf-8", "utf-8")
_CHARSETS: dict[str, Charset] = {
    "": UTF_8,
    "UTF-8": UTF_8,
    "UTF8": UTF_8,
    "GBK": Charset("GBK", "gb18030", "gbk"),
    "GB18030": Charset("GB18030", "gb18030", "gbk"),
    "GB2312": Charset("GB2312", "gb18030", "gb2312"),
}
# Two places of GB 2312 that Python's codec and the Java clients read as different characters.
_GB2312_DISPUTED = {0x30FB: "\\u30fb", 0x2015: "\\u2015"}


def read_parameters(query: bytes, body: bytes) -> dict[bytes, bytes]:
    """Parameters by name as bytes, from both placements together, blank ones left out as the clients leave them out.

    Raises ``NotReadable``: not a form; a name that occurs twice, in whatever place and also if blank; a name or value
    that could be read as several parameters once they stand in the text to sign, which escapes nothing.
    """
    try:
        pairs = forms.raw_pairs(query) + forms.raw_pairs(body)
    except forms.NotForm:
        raise NotReadable("bad_form") from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise NotReadable("duplicate_parameter")
    for name, value in pairs:
        if b"&" in name or b"=" in name or (b"&" in value and name != BIZ_CONTENT and _HIDDEN.search(value)):
            raise NotReadable("ambiguous_parameter")  # biz_content cannot hide any: it must be whole JSON or base64
    return {name: value for name, value in pairs if name.strip() and value.strip()}


def is_address(name: bytes, text: str) -> bool:
    """True for a parameter of the bank's own that names where to answer, such as ``notify_url``."""
    return name not in KNOWN and (b"url" in name.lower() or "://" in text)


def charset(label: bytes) -> Charset | None:
    """The charset a label names, ``b""`` being UTF-8; ``None`` for one we do not take."""
    return _CHARSETS.get(label.decode("latin-1").upper())


def answer_charset(label: str) -> Charset:
    """The charset to answer in: the request's, else UTF-8."""
    return _CHARSETS.get(label, UTF_8)


def word(value: bytes, longest: int) -> str:
    """An identifier of printable ASCII within its length, or ""."""
    return value.decode("ascii") if len(value) <= longest and _WORD.fullmatch(value) else ""


def sent_at(value: bytes) -> datetime | None:
    """The moment of a Beijing ``yyyy-MM-dd HH:mm:ss``, in UTC; ``None`` if it is none."""
    if not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.decode("ascii")).replace(tzinfo=BEIJING).astimezone(UTC)
    except ValueError:
        return None


def content_bytes(content: Mapping[str, Any], charset: Charset) -> bytes:
    """Compact JSON in the charset; what it lacks, and lone surrogates, as ``\\uXXXX``. Raises what ``json`` raises."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if charset.encoder == "gb2312":
        text = text.translate(_GB2312_DISPUTED)
    return text.encode(charset.encoder, "gateway.json-escape")


def framed(content: bytes, signature: bytes) -> bytes:
    """The body as the clients cut it: nothing but the signature behind the content, no space anywhere between."""
    return _HEAD + content + _TAIL + signature + b'"}'


def _json_escape(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: every character that cannot be written becomes its JSON escape, in UTF-16 units."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


codecs.register_error("gateway.json-escape", _json_escape)


# --- masking ---------------------------------------------------------------------------------------------------------

_SHOWN = frozenset({APP_ID, MSG_ID, FORMAT, CHARSET, SIGN_TYPE, ENCRYPT_TYPE, TIMESTAMP})
_SHOWABLE = re.compile(rb"[A-Za-z0-9 :._-]{0,64}")
_PERSONAL = re.compile(  # identity numbers of 15 and 18 places, credit codes, mobile numbers
    rb"(?<![0-9A-Za-z])(?:[0-9]{17}[0-9Xx]|[0-9]{15}|[0-9A-HJ-NP-RTUWXY]{18}|(?:86)?1[3-9][0-9]{9})(?![0-9A-Za-z])"
)
_CODE = re.compile(rb'"return_code":(-?[0-9]{1,9})[,}]')
_ANSWERED = re.compile(rb'"(msg_id|op|result|reason)":"([A-Za-z0-9:._-]{0,64})"')


def scrubbed(raw: bytes) -> bytes:
    """A body, query or answer with only what is surely no personal data; anything unknown is masked as a whole."""
    if raw.startswith(_HEAD):
        return _scrubbed_answer(raw)
    try:
        pairs = forms.raw_pairs(raw)
    except forms.NotForm:
        return _mask(raw)
    return b"&".join(_scrubbed_pair(name, value) for name, value in pairs)


def _scrubbed_pair(name: bytes, value: bytes) -> bytes:
    if name == SIGN:
        return b"sign=" + _shortened(value)
    if name not in KNOWN:
        return b"(other)=" + _mask(value)  # a name can carry as much as a value
    if name in _SHOWN and _SHOWABLE.fullmatch(value):
        return name + b"=" + _PERSONAL.sub(b"***", value)
    return name + b"=" + _mask(value)


def _scrubbed_answer(raw: bytes) -> bytes:
    content, tail, signature = raw[len(_HEAD) :].rpartition(_TAIL)
    if not tail:
        return _HEAD + _mask(raw[len(_HEAD) :])
    code = _CODE.search(content)
    kept = [b'"return_code":' + code[1]] if code else []
    kept += [b'"%b":"%b"' % (name, _PERSONAL.sub(b"***", text)) for name, text in _ANSWERED.findall(content)[:4]]
    kept.append(b'"masked":"%d bytes"' % len(content))
    return framed(b"{" + b",".join(kept) + b"}", _shortened(signature.removesuffix(b'"}')))


def _mask(value: bytes) -> bytes:
    return b"***(%d bytes)" % len(value) if value else b""


def _shortened(signature: bytes) -> bytes:
    head = signature[:8]
    return head + b"..." if re.fullmatch(rb"[A-Za-z0-9+/=]*", head) else _mask(signature)
