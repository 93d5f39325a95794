"""What staff may see of the sandbox department's messages."""

from __future__ import annotations

import json

import pytest

from gateway.backends.sandbox.masking import scrub

PLANTED = ["陈㐂宁", "44030419900307123X", "13800000001", "样例路1号", "Anna", "120050"]
FILED = json.dumps(
    {
        "callId": "5f0c2b7e",
        "receiptNo": "FT261123037K3QWB",
        "applicant": {"kind": "person", "name": "陈㐂宁", "docNo": "44030419900307123X", "phone": "13800000001"},
        "agent": {"name": "Anna", "relation": "Anna"},
        "content": {"scenario": "grant", "remark": "样例路1号", "amountFen": 120050, "13800000001": True},
        "status": "陈㐂宁",
        "events": [{"eventId": "S-1", "seq": 1, "status": "GRANTED", "text": "陈㐂宁", "automatic": True}],
        "message": "not known: Anna 13800000001",
    },
    ensure_ascii=False,
).encode()


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("cut", [None, 200, 333, -1])
@pytest.mark.parametrize("before", [b"", b"POST /callback/FT_SBX?name=Anna\n\n", b'[200, {"x": "Anna"}]\n', b"<p>"])
def test_no_planted_value_survives_wherever_the_message_is_cut(
    before: bytes, cut: int | None, ascii_only: bool
) -> None:
    raw = json.dumps(json.loads(FILED)).encode() if ascii_only else FILED
    masked = scrub(before + raw[:cut]).decode("utf-8", "replace")
    assert not [value for value in PLANTED if value in masked]
    assert not [value for value in PLANTED if json.dumps(value).strip('"') in masked]


def test_what_is_harmless_stays_readable() -> None:
    shown = json.loads(scrub(FILED))
    assert shown["callId"] == "5f0c2b7e"
    assert shown["applicant"] == {"kind": "person", "name": "***", "docNo": "***", "phone": "***"}
    assert shown["events"] == [{"eventId": "S-1", "seq": 1, "status": "GRANTED", "text": "***", "automatic": True}]
    assert shown["message"] == "not known: *** ***"


def test_of_a_page_the_skeleton_stays() -> None:
    page = "<html><h1>502 Bad Gateway</h1><p>陈㐂宁 Anna</p></html>".encode()
    assert scrub(page) == b"<html><h1>502 Bad Gateway</h1><p>*** ***</p></html>"
    assert scrub(b"") == b""


def test_the_gateways_own_evidence_line_keeps_its_path() -> None:
    assert scrub(b'POST /callback/FT_SBX?\n\n{"callId":"c1"}') == b'POST /callback/FT_SBX?\n\n{"callId":"c1"}'
