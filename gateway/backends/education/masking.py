"""The education bureau's messages with personal data masked: what may be shown to staff.

Must not keep anything it does not know to be harmless: masking goes by what is allowed, never by what is secret.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.backends.education import wire

MASK = "***"

_PLAIN = re.compile(r"[0-9A-Za-z_.:+-]{0,64}|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_WORDS = re.compile(rb"[0-9A-Za-z_]+|[\x80-\xff]+")
_EVIDENCE = re.compile(rb"([A-Z]{3,7} /[0-9A-Za-z_./-]*)(\?[^\n]*)\n\n", re.DOTALL)
_PACKED = re.compile(rb"\[([0-9]{3}), \{[^\n]*\}\]\n")
_FILES = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff")
_SHOWN = frozenset(  # members whose plain values are no personal data (FT_EDU 3 to 7)
    {"callId", "receiptNo", "itemCode", "itemVersion", "kind", "bankCode", "outletCode", "takenAt", "subject"}
    | {"regionCode", "noCodeReason", "mode", "noticeVersion", "sensitive", "guardian", "truth", "signedAt"}
    | {"status", "originalSeen", "fileIds", "fileId", "sha256", "size", "supplementId", "dueDate", "target", "no"}
    | {"code", "traceId", "caseNo", "seq", "state", "stateTime", "promisedDate", "manual", "reasonCode", "docNo"}
    | {"eventId", "expectedEnd", "openFrom", "until", "path", "open", "from", "to", "date", "page", "pages", "total"}
)
_SAFE = frozenset(  # what stays readable of a page, a cut body or a message
    {b"DOCTYPE", b"doctype", b"html", b"head", b"title", b"body", b"meta", b"charset", b"h1", b"h2", b"p", b"div"}
    | {b"span", b"br", b"hr", b"center", b"ok", b"not", b"known", b"code", b"msg", b"case", b"busy", b"closed"}
    | {b"error", b"Error", b"Bad", b"Gateway", b"Service", b"Unavailable", b"Timeout", b"Not", b"Found", b"Internal"}
    | {b"Server", b"nginx"}
)


def scrub(raw: bytes) -> bytes:
    """A body, or a body with the gateway's own evidence line before it, masked; total.

    An uploaded file becomes its size. Of what is no JSON object (a page, a cut body) only the skeleton stays: marks,
    known words, three-digit numbers.
    """
    if found := _EVIDENCE.match(raw):
        query = b"?***" if len(found[2]) > 1 else found[2]
        return found[1] + query + b"\n\n" + _body(raw[found.end() :])
    if found := _PACKED.match(raw):
        return b"[" + found[1] + b"]\n" + _body(raw[found.end() :])
    return _body(raw)


def _body(raw: bytes) -> bytes:
    if raw.startswith(_FILES) or b"\x00" in raw:
        return b"[file, %d bytes]" % len(raw)
    body = wire.parse(raw)
    if body is None:
        return _WORDS.sub(_known_word, raw)
    return json.dumps(_masked(body, ""), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _masked(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {k if _PLAIN.fullmatch(k) and not k.isdigit() else MASK: _masked(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    if value is None:
        return None
    if name == "msg" and isinstance(value, str):
        return _WORDS.sub(_known_word, value.encode("utf-8")).decode("utf-8")
    shown = name in _SHOWN and (isinstance(value, bool) or _PLAIN.fullmatch(str(value)))
    return wire.as_written(value) if shown else MASK


def _known_word(match: re.Match[bytes]) -> bytes:
    word = match[0]
    return word if word in _SAFE or (len(word) == 3 and word.isdigit()) else MASK.encode()
