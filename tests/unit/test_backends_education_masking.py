"""What staff may see of the education bureau's messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.backends.education.masking import scrub

GOLDEN = (Path(__file__).parents[1] / "vectors/FT_EDU/submit.json").read_bytes()
SECRET = ["王𠮷祥", "44030419900307123X", "13800001234", "梅河社区", "梅华路1号3栋502", "王小满", "6212260000000000009"]
SECRET += ["440304201506010033", "G440304201506010033", "福田样例学校", "T0012345"]


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("cut", [None, 300, 431, 700, -1])
@pytest.mark.parametrize("before", [b"", b"POST /callback/FT_EDU?name=T0012345\n\n", b'[200, {"x": "T0012345"}]\n'])
def test_no_planted_value_survives_wherever_the_message_is_cut(
    before: bytes, cut: int | None, ascii_only: bool
) -> None:
    raw = json.dumps(json.loads(GOLDEN)).encode() if ascii_only else GOLDEN
    masked = scrub(before + raw[:cut]).decode("utf-8", "replace")
    assert not [value for value in SECRET if value in masked]
    assert not [value for value in SECRET if json.dumps(value).strip('"') in masked]


def test_what_is_harmless_stays_readable() -> None:
    shown = json.loads(scrub(GOLDEN))
    assert shown["callId"] == "5f0c2b7e9d1a4e60b8c3d7a2914f6e08"
    assert shown["channel"]["takenAt"] == "2026-11-23 14:04:51"
    assert shown["channel"]["tellerNo"] == "***"
    assert shown["applicant"]["name"] == "***"
    assert set(shown["form"].values()) == {"***"}
    assert shown["materials"][0] == {
        "no": "M1",
        "name": "***",
        "status": "1",
        "originalSeen": "1",
        "fileIds": ["f-7d1c0a52"],
    }


def test_an_answer_keeps_code_state_and_times_but_no_opinion() -> None:
    case = {"caseNo": "JY20261123000218", "seq": 3, "state": "PASSED", "stateTime": "2026-11-23 14:05:10"}
    raw = json.dumps({"code": 0, "msg": "ok 张三", "body": {**case, "opinion": "张三", "manual": True}}).encode()
    assert json.loads(scrub(raw)) == {"code": 0, "msg": "ok ***", "body": {**case, "opinion": "***", "manual": True}}


@pytest.mark.parametrize("content", [b"%PDF-1.7 name 13800001234", b"\x89PNG\r\n", b"\xff\xd8\xff\xe0", b"tail\x00end"])
def test_an_uploaded_file_is_shown_as_its_size(content: bytes) -> None:
    assert scrub(content) == b"[file, %d bytes]" % len(content)


def test_a_page_keeps_its_skeleton_only() -> None:
    page = "<html><body>502 Bad Gateway 王小满 13800001234</body></html>".encode()
    assert scrub(page) == b"<html><body>502 Bad Gateway *** ***</body></html>"
