"""What leaves for the education bureau: its document's example rebuilt from our blocks, and each block by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.education import bodies
from gateway.domain.calls import BackendCall
from gateway.domain.errors import BadCatalogue

GOLDEN = json.loads((Path(__file__).parents[1] / "vectors/FT_EDU/submit.json").read_bytes())
E_CERT = "1.2.156.3005.2.11100000000013127D019.114403040075431024.20260000017.001.O"
PERSON: dict[str, Any] = {
    "kind": "person",
    "name": "王𠮷祥",
    "doc_type": "resident_id",
    "doc_no": "44030419900307123X",
    "phone": "13800001234",
    "residence_street": "440304007",
    "residence_address": {
        "region": "440304",
        "street": "440304007",
        "community": "梅河社区",
        "detail": "梅华路1号3栋502",
    },
}
COMMON: dict[str, Any] = {
    "receipt_no": "FT261123017K3QXY",
    "item": "FT-EDU-001",
    "item_version": "1",
    "mode": "instant",
    "bank": "ICBC",
    "outlet": "ICBC-FT-03",
    "teller": "T0012345",
    "received_at": "2026-11-23T14:04:51.204+08:00",
    "applicant": PERSON,
    "agent": {},
    "delivery": {"mode": "electronic"},
    "consents": [
        {"kind": "privacy_notice", "version": "2026-01", "by": "applicant", "at": "2026-11-23T14:04:00+08:00"},
        {"kind": "sensitive", "version": "2026-02", "tags": ["minor"], "by": "applicant"},
        {"kind": "guardian", "version": "2026-01", "by": "guardian"},
        {"kind": "truth", "version": "2026-01", "by": "applicant"},
    ],
    "signed_at": "2026-11-23T06:04:40Z",
    "materials": [
        {"id": "M1", "how": "scan", "original_seen": True, "files": [{"digest": "sha256:1", "type": "image/png"}]},
        {"id": "M2", "how": "e_certificate", "original_seen": False, "certificate": {"no": E_CERT, "version": "001"}},
    ],
    "material_names": {"M1": "学生户口簿或身份证明", "M2": "监护人居住证或港澳台居民居住证", "M3": "从不提及"},
    "missing": [],
    "promised_until": {},
}


def call(**changes: Any) -> BackendCall:
    common = {**COMMON, **changes.pop("common", {})}
    parts = {"operation": "submit", "content": GOLDEN["form"], "common": common, **changes}
    return BackendCall("5f0c2b7e9d1a4e60b8c3d7a2914f6e08", "case", **parts)


def sent(**common: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bodies.filing(call(common=common), {}))
    return body


def test_the_documents_example_is_rebuilt_from_our_blocks() -> None:
    made = json.loads(bodies.filing(call(), {"M1": ["f-7d1c0a52"]}))
    assert made == GOLDEN
    assert [list(made), list(made["applicant"])] == [list(GOLDEN), list(GOLDEN["applicant"])]


def test_the_same_call_gives_the_same_bytes_and_rare_characters_stay() -> None:
    turned = dict(reversed(GOLDEN["form"].items()))
    raw = bodies.filing(call(), {})
    assert raw == bodies.filing(call(content=turned), {})
    assert "王𠮷祥".encode() in raw
    assert b"null" not in raw
    assert b'""' not in raw


def test_rows_of_a_sheet_are_sent_in_their_order_and_empty_ones_are_not() -> None:
    content = {"E005-10": "10", "E005-02": "", "E005-01": "第一行\n第二行"}
    body = json.loads(bodies.filing(call(content=content), {}))
    assert body["form"] == {"rows": [{"no": "E005-01", "value": "第一行\n第二行"}, {"no": "E005-10", "value": "10"}]}
    with pytest.raises(BadCatalogue, match="both rows"):
        bodies.filing(call(content={**content, "stuName": "王"}), {})


@pytest.mark.parametrize(
    ("doc_type", "doc_no", "code"),
    [
        ("resident_id", "44030419900307123X", "1"),
        ("resident_id", "440304198808089985", "2"),
        ("resident_id", "4403041988080899", "0"),
        ("resident_id", "4403041990030712ＡX", "0"),
        ("hk_mo_residence", "810000199003071230", "0"),
        ("passport", "E12345678", "0"),
    ],
)
def test_gender_is_taken_from_an_18_digit_resident_number_only(doc_type: str, doc_no: str, code: str) -> None:
    assert bodies.gender(doc_type, doc_no) == code


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("resident_id", "01"),
        ("hk_mo_residence", "02"),
        ("tw_residence", "03"),
        ("hk_mo_travel", "04"),
        ("tw_travel", "05"),
        ("foreign_pr", "06"),
        ("passport", "07"),
        ("uscc", "99"),
    ],
)
def test_a_document_kind_has_its_code_or_is_other(ours: str, theirs: str) -> None:
    applicant = sent(applicant={**PERSON, "doc_type": ours, "doc_expire": "2036-03-07"})["applicant"]
    assert (applicant["idType"], applicant["idExpire"]) == (theirs, "2036-03-07")


def test_an_address_outside_the_district_has_no_street() -> None:
    abroad = {"region": "440106", "street": "440304007", "detail": "样例路1号"}
    applicant = sent(applicant={**PERSON, "residence_address": abroad})["applicant"]
    assert applicant["address"] == {"regionCode": "440106", "detail": "样例路1号"}


def test_an_organisation_goes_with_its_code_or_the_reason_why_it_has_none() -> None:
    organisation = {
        "kind": "organisation",
        "org_name": "福田样例幼儿园",
        "uscc": "52440304MJ9000022W",
        "legal_rep_name": "沈砚",
        "legal_rep_doc_type": "passport",
        "legal_rep_doc_no": "E12345678",
        "registered_address": {"region": "440304", "street": "440304008", "detail": "红荔西路1203室"},
        "contact_name": "唐映",
        "contact_phone": "13800000004",
    }
    assert sent(applicant=organisation)["applicant"] == {
        "subject": "2",
        "orgName": "福田样例幼儿园",
        "creditCode": "52440304MJ9000022W",
        "legalName": "沈砚",
        "legalIdType": "07",
        "legalIdNo": "E12345678",
        "regAddress": {"regionCode": "440304", "streetCode": "440304008", "detail": "红荔西路1203室"},
        "contactName": "唐映",
        "contactMobile": "13800000004",
    }
    for ours, theirs in (("not_registered", "01"), ("owners_body", "02"), ("other", "09")):
        without = {name: value for name, value in organisation.items() if name != "uscc"}
        made = sent(applicant={**without, "uscc_absent_reason": ours})["applicant"]
        assert made["noCodeReason"] == theirs
        assert "creditCode" not in made


def test_an_agent_is_sent_only_when_one_acts() -> None:
    agent = {
        "name": "周以安",
        "doc_type": "resident_id",
        "doc_no": "34052419800101001X",
        "phone": "13800000002",
        "relation": "staff",
        "authorisation": {"no": "SQ-2026-0031", "scope": ["submit"], "until": "2026-12-31"},
    }
    assert "agent" not in sent()
    assert sent(agent=agent)["agent"] == {
        "name": "周以安",
        "idType": "01",
        "idNo": "34052419800101001X",
        "mobile": "13800000002",
        "mandateNo": "SQ-2026-0031",
        "mandateUntil": "2026-12-31",
    }


@pytest.mark.parametrize(
    ("ours", "theirs"), [("counter", "CK"), ("outlet", "WD"), ("cabinet", "GZ"), ("ems", "YZ"), ("electronic", "DZ")]
)
def test_a_way_of_delivery_has_its_code(ours: str, theirs: str) -> None:
    assert sent(delivery={"mode": ours})["delivery"] == {"mode": theirs}


def test_delivery_names_the_cabinet_or_the_recipient() -> None:
    address = {"region": "440304", "street": "440304001", "detail": "样例阁12楼"}
    recipient = {"name": "周以安", "phone": "13800000002", "address": address}
    assert sent(delivery={"mode": "cabinet", "cabinet": "G-07"})["delivery"] == {"mode": "GZ", "cabinetNo": "G-07"}
    assert sent(delivery={"mode": "ems", "recipient": recipient})["delivery"] == {
        "mode": "YZ",
        "toName": "周以安",
        "toMobile": "13800000002",
        "toAddress": {"regionCode": "440304", "streetCode": "440304001", "detail": "样例阁12楼"},
    }
    with pytest.raises(BadCatalogue, match="pigeon"):
        bodies.filing(call(common={"delivery": {"mode": "pigeon"}}), {})


def test_consents_that_were_not_given_are_no_or_left_out() -> None:
    given = [{"kind": "privacy_notice", "version": "PN-1"}]
    consent = sent(consents=given)["consent"]
    assert consent == {"noticeVersion": "PN-1", "sensitive": "0", "truth": "0", "signedAt": "2026-11-23 14:04:40"}


def test_each_way_of_handing_a_paper_in_has_its_status() -> None:
    materials = [
        {"id": "M1", "how": "upload", "original_seen": True, "files": [{"digest": "sha256:1"}]},
        {"id": "M2", "how": "paper", "original_seen": True, "pages": "3"},
        {"id": "M3", "how": "promised"},
        {"id": "M4", "how": "e_certificate", "original_seen": False, "certificate": {"no": E_CERT}},
    ]
    body = json.loads(
        bodies.filing(
            call(common={"materials": materials, "promised_until": {"M3": "2026-11-30", "M2": "2026-12-01"}}),
            {"M1": ["f-1", "f-2"]},
        )
    )
    assert body["materials"] == [
        {"no": "M1", "name": "学生户口簿或身份证明", "status": "1", "originalSeen": "1", "fileIds": ["f-1", "f-2"]},
        {"no": "M2", "name": "监护人居住证或港澳台居民居住证", "status": "4", "originalSeen": "1"},
        {"no": "M3", "name": "从不提及", "status": "2", "originalSeen": "0", "dueDate": "2026-11-30"},
        {"no": "M4", "name": "M4", "status": "3", "originalSeen": "0", "eCertNo": E_CERT},
    ]
    assert "materials" not in sent(materials=[])
    with pytest.raises(BadCatalogue, match="parrot"):
        bodies.filing(call(common={"materials": [{"id": "M1", "how": "parrot"}]}), {})


def test_a_supplement_holds_what_changed_and_nothing_else() -> None:
    common = {"supplement_kind": "CORRECTION", "materials": []}
    changed = call(operation="supplement", content={"E005-03": "新学校"}, common=common)
    assert json.loads(bodies.supplement(changed, {})) == {
        "supplementId": changed.call_id,
        "kind": "CORRECTION",
        "form": {"rows": [{"no": "E005-03", "value": "新学校"}]},
    }
    paper = {"supplement_kind": "LATE", "materials": [{"id": "M2", "how": "paper", "original_seen": True}]}
    late = json.loads(bodies.supplement(call(operation="supplement", content={}, common=paper), {}))
    assert set(late) == {"supplementId", "kind", "materials"}
    assert late["kind"] == "LATE"
    with pytest.raises(BadCatalogue, match="supplement"):
        bodies.supplement(call(common={"supplement_kind": "promise"}), {})


@pytest.mark.parametrize(
    ("why", "reason"),
    [("wish", "申请人要求撤回"), ("duplicate", "重复申请"), ("已在别处办理", "已在别处办理"), ("", "其他原因")],
)
def test_a_withdrawal_says_why(why: str, reason: str) -> None:
    asked = call(operation="withdraw", content={}, common={"why": why})
    assert json.loads(bodies.withdrawal(asked)) == {"callId": asked.call_id, "reason": reason}
