"""The sandbox department's bodies: what leaves, and what is read of what comes back (FT_SBX 3 to 8)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.backends.sandbox import codes, wire
from gateway.domain.calls import BackendCall, DecisionReason, Mark, Outcome
from gateway.domain.errors import NotUnderstood

COMMON: dict[str, Any] = {
    "receipt_no": "FT261123037K3QWB",
    "item": "FT-SBX-001",
    "item_version": "2026.1",
    "outlet": "ICBC-FT-03",
    "received_at": "2026-11-23T10:15:31.204+08:00",
    "applicant": {
        "kind": "person",
        "name": "陈㐂宁",
        "doc_type": "resident_id",
        "doc_no": "44030419900307123X",
        "doc_expire": "2030-01-02",
        "phone": "13800000001",
        "residence_address": {"region": "440304", "street": "440304004", "detail": "样例路1号", "note": "x"},
        "face": "never sent",
    },
    "agent": {},
    "delivery": {"mode": "counter"},
    "materials": [],
    "missing": [],
}


def call(content: dict[str, Any] | None = None, **common: Any) -> BackendCall:
    return BackendCall(
        call_id="5f0c2b7e9d1a4e60b8c3d7a2914f6e08",
        case_id="case",
        operation="file",
        content={"scenario": "grant", "remark": "样例", "amountFen": 120050, **(content or {})},
        common={**COMMON, **common},
    )


def filed(content: dict[str, Any] | None = None, **common: Any) -> Any:
    return json.loads(wire.file_body(call(content, **common)))


def test_a_filing_holds_exactly_the_members_of_the_document() -> None:
    assert filed({"answer": "at_once"}) == {
        "callId": "5f0c2b7e9d1a4e60b8c3d7a2914f6e08",
        "receiptNo": "FT261123037K3QWB",
        "item": "FT-SBX-001",
        "itemVersion": "2026.1",
        "outlet": "ICBC-FT-03",
        "receivedAt": "2026-11-23T10:15:31.204+08:00",
        "applicant": {
            "kind": "person",
            "name": "陈㐂宁",
            "docType": "resident_id",
            "docNo": "44030419900307123X",
            "docExpire": "20300102",
            "phone": "13800000001",
            "residenceAddress": {"region": "440304", "street": "440304004", "detail": "样例路1号"},
        },
        "content": {"scenario": "grant", "remark": "样例", "amountFen": 120050},
        "answer": "at_once",
    }


def test_the_same_call_gives_the_same_bytes_whatever_the_order_of_its_members() -> None:
    one = call({"a": "1", "b": "2"})
    other = call(dict(reversed(one.content.items())), **dict(reversed(COMMON.items())))
    assert wire.file_body(one) == wire.file_body(other)


def test_without_a_wish_the_word_is_asked_for_by_push() -> None:
    assert filed()["answer"] == "callback"


def test_empty_members_are_left_out() -> None:
    body = filed({"remark": "", "contactDate": None})
    assert body["content"] == {"scenario": "grant", "amountFen": 120050}
    assert "agent" not in body
    assert "materials" not in body


def test_an_organisation_an_agent_and_papers_are_told_in_their_words() -> None:
    body = filed(
        applicant={"kind": "organisation", "org_name": "样例公司", "legal_rep_doc_type": "passport", "uscc": "91X"},
        agent={
            "name": "李样",
            "doc_type": "passport",
            "doc_no": "E1",
            "phone": "13800000002",
            "authorisation": {"n": "1"},
        },
        materials=[
            {"id": "M1", "how": "scan", "original_seen": True, "files": [{"pages": "2"}, {"pages": "3"}]},
            {"id": "M2", "how": "e_certificate", "certificate": {"no": "1"}},
            {"id": "M3", "how": "upload", "files": [{"pages": "2"}, {}]},
        ],
    )
    assert body["applicant"] == {
        "kind": "organisation",
        "orgName": "样例公司",
        "legalRepDocType": "passport",
        "uscc": "91X",
    }
    assert body["agent"] == {"name": "李样", "docType": "passport", "docNo": "E1", "phone": "13800000002"}
    assert body["materials"] == [
        {"id": "M1", "how": "scan", "pages": 5},
        {"id": "M2", "how": "e_certificate"},
        {"id": "M3", "how": "upload"},
    ]


def event(**members: Any) -> dict[str, Any]:
    base = {"eventId": "SBX20261123000001-2", "seq": 2, "status": "GRANTED", "at": "2026-11-23T10:15:31.310+08:00"}
    return {k: v for k, v in {**base, **members}.items() if v is not None}


def application(*events: Any, **members: Any) -> dict[str, Any]:
    data = {"sbxNo": "SBX20261123000001", "callId": "5f0c", "status": "X", "events": list(events), **members}
    parsed = wire.parse(json.dumps(data, ensure_ascii=False).encode())
    assert parsed is not None
    return parsed


def test_an_application_becomes_its_number_and_its_words() -> None:
    standing = wire.standing(
        application(event(seq=1, status="RECEIVED"), event(text="准予", automatic=True, resultFollows=True))
    )
    assert standing.department_ref == "SBX20261123000001"
    (word,) = standing.words
    assert (word.outcome, word.seq, word.event_id) == (Outcome.GRANTED, 2, "SBX20261123000001-2")
    assert word.at == datetime(2026, 11, 23, 2, 15, 31, 310000, tzinfo=UTC)
    assert (word.text, word.automatic, word.result_follows) == ("准予", True, True)
    assert word.reason is DecisionReason.GRANTED
    assert json.loads(word.raw)["seq"] == 2


def test_every_status_of_the_document_is_in_the_table() -> None:
    listed = "ACCEPTED NOT_ACCEPTED REVIEWING CORRECTION SPECIAL_BEGIN SPECIAL_END GRANTED REFUSED WITHDRAWN RECEIVED"
    assert set(codes.STATUS) | codes.SILENT == set(listed.split())
    words = wire.standing(application(*[event(seq=n, status=s) for n, s in enumerate(listed.split(), 1)])).words
    assert [word.outcome for word in words] == list(codes.STATUS.values())


@pytest.mark.parametrize("status", ["granted", "APPROVED", "GRANTED ", "已办"])
def test_a_status_we_do_not_know_is_never_guessed(status: str) -> None:
    (word,) = wire.standing(application(event(status=status))).words
    assert word.outcome is Outcome.UNKNOWN
    assert status in word.raw


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("S01", DecisionReason.CONDITION_NOT_MET),
        ("S06", DecisionReason.RECORD_CONFLICT),
        ("S99", DecisionReason.OTHER),
        ("S77", DecisionReason.OTHER),
        (None, DecisionReason.OTHER),
    ],
)
def test_a_reason_is_translated_and_an_unknown_one_is_other(code: str | None, reason: DecisionReason) -> None:
    (word,) = wire.standing(application(event(status="REFUSED", reason=code))).words
    assert word.reason is reason


def test_marks_of_a_correction_keep_their_names_for_the_desk_to_turn() -> None:
    marks = [{"field": "remark", "say": "请补充"}, {"field": "material:M1", "say": "不清晰"}]
    (word,) = wire.standing(application(event(status="CORRECTION", marks=marks, dueOn="20261130"))).words
    assert word.marks == (Mark("wire:remark", "请补充"), Mark("wire:material:M1", "不清晰"))
    assert word.due_on == date(2026, 11, 30)


@pytest.mark.parametrize(
    "broken",
    [
        event(seq=None),
        event(seq="2"),
        event(seq=0),
        event(seq=1.5),
        event(at="2026-11-23T10:15:31"),
        event(at=None),
        event(eventId=None),
        event(status=None),
        event(status=7),
        event(text=["x"]),
        event(dueOn="20261131"),
        event(dueOn="2026-11-30"),
        event(marks={"field": "remark"}),
        event(marks=["remark"]),
        event(marks=[{"say": "x"}]),
        "GRANTED",
    ],
)
def test_a_broken_event_is_not_understood(broken: Any) -> None:
    with pytest.raises(NotUnderstood):
        wire.standing(application(broken))


@pytest.mark.parametrize("wrong", [{"events": None}, {"sbxNo": ""}, {"sbxNo": 7}])
def test_a_broken_application_is_not_understood(wrong: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood):
        wire.standing(application(**wrong))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>ok</html>",
        b"[]",
        b'{"code":0}',
        b'{"message":"ok"}',
        b'{"code":"0","code":"E111"}',
        b'{"code":"0","x":NaN}',
        b'{"code":"0"}\xff',
        b'{"code":"0","x":' + b"[" * 5000,
    ],
)
def test_what_is_no_envelope_is_none(raw: bytes) -> None:
    assert wire.envelope(raw) is None


def test_an_envelope_is_read_and_complaints_name_their_fields() -> None:
    raw = '{"code":"E111","message":"字段有误","data":{"errors":[{"path":"item","say":"过长"},7]}}'.encode()
    read = wire.envelope(raw)
    assert read is not None
    assert read[:2] == ("E111", "字段有误")
    assert wire.complaint(read[1], read[2]) == "字段有误; item: 过长"


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("0", codes.Family.DONE),
        ("N404", codes.Family.NOT_KNOWN),
        ("E101", codes.Family.WRONG),
        ("E199", codes.Family.WRONG),
        ("E201", codes.Family.LATER),
        ("E277", codes.Family.LATER),
        ("E301", codes.Family.UNKNOWN),
        ("E1", codes.Family.UNKNOWN),
        ("E1011", codes.Family.UNKNOWN),
        ("E1٠١", codes.Family.UNKNOWN),
        ("00", codes.Family.UNKNOWN),
        ("", codes.Family.UNKNOWN),
        ("e101", codes.Family.UNKNOWN),
    ],
)
def test_a_code_has_a_family_and_an_unlisted_one_is_unknown(code: str, family: codes.Family) -> None:
    assert codes.family(code) is family
