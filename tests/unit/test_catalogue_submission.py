"""A whole submission: the example of the operations document, and every block of it gone wrong."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.catalogue.item import Catalogue, Item, Option, Window
from gateway.catalogue.kinds import mod37_36_check
from gateway.catalogue.loader import load
from gateway.catalogue.submission import CheckedSubmission, check_submission, nothing_arrived
from gateway.catalogue.submission_papers import Promised
from gateway.domain.reasons import FieldCode as Code
from gateway.domain.reasons import WarningCode

CATALOGUE = load()
ITEM = CATALOGUE.items["FT-HLT-013"][0]
RECEIVED = datetime.fromisoformat("2026-11-23T10:15:31.204+08:00")
LIMIT = date(2026, 11, 30)
EXAMPLE = json.loads((Path(__file__).parents[1] / "vectors" / "icbc" / "business.json").read_bytes())
GONE = object()
FILE = {"digest": "sha256:" + "a" * 64, "size": "1000", "type": "image/png"}
CHILD = "440304201506010033"  # born 2015-06-01
GUARDIAN = {"kind": "guardian", "version": "GC-1", "by": "guardian", "at": "2026-11-23T10:13:45+08:00"}


def put(path: str, value: Any, within: dict[str, Any] | None = None) -> dict[str, Any]:
    """The example with one member set, or removed with ``GONE``; digits in the path are places in a list."""
    business = deepcopy(EXAMPLE if within is None else within)
    *way, last = path.split(".")
    at: Any = business
    for name in way:
        at = at[int(name)] if name.isdigit() else at[name]
    key: Any = int(last) if last.isdigit() else last
    if value is GONE:
        del at[key]
    else:
        at[key] = value
    return business


def check(
    business: dict[str, Any], item: Item = ITEM, catalogue: Catalogue = CATALOGUE, **more: Any
) -> CheckedSubmission:
    given: dict[str, Any] = {
        "bank": "ICBC", "client_outlets": (), "received_at": RECEIVED, "promise_limit": LIMIT,
        "judge_file": lambda *_: None,
    }  # fmt: skip
    return check_submission(catalogue, item, business, **(given | more))


def found(business: dict[str, Any], item: Item = ITEM, **more: Any) -> list[tuple[str, Code]]:
    checked = check(business, item, **more)
    assert all(p.message for p in checked.problems)
    return [(p.path, p.code) for p in checked.problems]


def in_person() -> dict[str, Any]:
    """The example without its agent: the applicant stands at the counter."""
    business = put("agent", GONE)
    business["identity_checks"][0]["who"] = "applicant"
    business["signature"]["signer"] = "applicant"
    for consent in business["consents"]:
        consent["by"] = "applicant"
    return business


def organisation() -> dict[str, Any]:
    """An organisation as applicant, its representative at the counter (an item that takes organisations is needed)."""
    business = put("identity_checks.0.who", "legal_rep", in_person())
    business["applicant"] = {
        "kind": "organisation", "org_name": "福田晨舟托育有限公司", "uscc": "91440304MA9FT0013D",
        "legal_rep_name": "沈砚", "legal_rep_doc_type": "resident_id", "legal_rep_doc_no": "11010519491231002X",
        "registered_address": {"region": "440304", "street": "440304008", "detail": "红荔西路样例大厦1203室"},
        "contact_name": "唐映", "contact_phone": "13800000004",
    }  # fmt: skip
    return business


FOR_ORGS = replace(ITEM, subjects=("organisation",))


def test_the_example_of_the_document_is_without_problem() -> None:
    checked = check(EXAMPLE)
    assert (checked.problems, checked.warnings) == ((), ())
    assert (checked.doc_type, checked.doc_no) == ("resident_id", "44030419900307123X")
    assert checked.applicant["name"] == "陈㐂宁"
    assert checked.applicant["doc_expire"] == date(2038, 3, 6)
    assert checked.form["practice_months"] == 9
    assert checked.form["graduate_date"] == date(2026, 6, 30)
    assert checked.promised == (Promised("M4", date(2026, 11, 30)),)
    assert checked.delivery == {"mode": "outlet", "outlet": "ICBC-FT-03"}
    assert checked.intake_at == RECEIVED
    assert len(checked.blobs) == 3


def test_the_refusal_of_the_document_is_told_word_for_word() -> None:
    business = put("applicant.doc_no", "440304199003071230")
    business["form"]["practice_months"] = "7"
    del business["consents"][1]
    problems = [(p.path, p.code.value, p.message) for p in check(business).problems]
    assert problems == [
        ("applicant.doc_no", "BAD_CHECK_DIGIT", "证件号码校验位不正确"),
        ("form.practice_months", "OUT_OF_RANGE", "临床实习月数应为8至60"),
        ("consents", "CONSENT_MISSING", "缺少敏感个人信息（医疗健康）单独同意"),
    ]


def test_every_example_applicant_of_the_catalogue_is_accepted() -> None:
    for item in (version for versions in CATALOGUE.items.values() for version in versions):
        for example in item.examples:
            problems = found(put("applicant", dict(example.applicant), in_person()), item)
            assert [one for one in problems if one[0].startswith("applicant") or "rules.C" in one[0]] == []


REQUIRED = [
    "outlet", "teller", "teller_journal", "business_date", "channel", "started_at", "entered_at", "applicant",
    "identity_checks", "consents", "signature", "materials", "delivery", "form", "teller.no", "teller.device",
    "applicant.kind", "applicant.name", "applicant.doc_no", "applicant.phone", "applicant.residence_address",
    "agent.name", "agent.doc_type", "agent.doc_no", "agent.phone", "agent.relation", "agent.authorisation.no",
    "agent.authorisation.scope",
    "agent.authorisation.signed_on", "agent.authorisation.until", "agent.authorisation.file", "signature.ref",
    "signature.signer", "signature.text_digest", "signature.signed_at", "signature.device", "promise.text_version",
    "promise.materials", "promise.signature_ref", "promise.courier", "delivery.mode", "ticket.no",
    "agent.authorisation.file.digest", "agent.authorisation.file.size", "agent.authorisation.file.type",
]  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED)
def test_a_required_member_that_is_missing_is_named_once(path: str) -> None:
    assert found(put(path, GONE)) == [(path, Code.MISSING)]


@pytest.mark.parametrize("path", [p for p in REQUIRED if p != "applicant.kind"])
def test_an_empty_required_member_is_missing_too(path: str) -> None:
    assert found(put(path, "")) == [(path, Code.MISSING)]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("agnet", "agent"),
        ("teller.nos", "no"),
        ("applicant.nmae", "name"),
        ("applicant.residence_address.detial", "detail"),
        ("agent.authorisation.untill", "until"),
        ("identity_checks.0.read_methods", "read_method"),
        ("identity_checks.0.face.image", ""),
        ("consents.1.tag", "tags"),
        ("signature.devise", "device"),
        ("materials.0.file", "files"),
        ("materials.0.files.0.ticket", ""),
        ("promise.couriers", "courier"),
        ("delivery.outlets", "outlet"),
        ("form.practice_month", "practice_months"),
    ],
)
def test_a_member_nobody_knows_is_refused_in_every_block(path: str, near: str) -> None:
    problems = check(put(path, "x")).problems
    shown = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))[1:]
    assert [(p.path, p.code) for p in problems] == [(shown, Code.UNKNOWN_MEMBER)]
    assert near in problems[0].message


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("teller.no", "x" * 21, Code.TOO_LONG),
        ("teller.certificate", "x" * 65, Code.TOO_LONG),
        ("teller.second_factor_at", "2026-11-23", Code.BAD_FORMAT),
        ("teller_journal", "x" * 41, Code.TOO_LONG),
        ("business_date", "2026-11-31", Code.DATE_IMPOSSIBLE),
        ("channel", "phone", Code.NOT_IN_LIST),
        ("started_at", "2026-11-23T10:05:02Z", Code.BAD_FORMAT),
        ("entered_at", "2026-11-23T10:20:32+08:00", Code.DATE_IN_FUTURE),
        ("entered_at", "2026-11-23T10:05:01+08:00", Code.OUT_OF_RANGE),
        ("ticket.called_at", "2026-11-23T26:00:00+08:00", Code.DATE_IMPOSSIBLE),
        ("applicant.phone", "123", Code.BAD_FORMAT),
        ("applicant.kind", "ship", Code.NOT_IN_LIST),
        ("agent", "周以安", Code.WRONG_TYPE),
        ("agent.relation", "friend", Code.NOT_IN_LIST),
        ("agent.authorisation.file.type", "text/plain", Code.NOT_IN_LIST),
        ("agent.authorisation.file.size", "20971521", Code.OUT_OF_RANGE),
        ("agent.authorisation.file.digest", "md5:00", Code.BAD_FORMAT),
        ("signature.text_digest", "SHA256:" + "0" * 64, Code.BAD_FORMAT),
        ("signature.signed_at", "2026-11-23T10:14:31.5+08:00", Code.BAD_FORMAT),
        ("materials.0.how", "fax", Code.NOT_IN_LIST),
        ("materials.0.original_seen", "true", Code.WRONG_TYPE),
        ("promise.courier", "yes", Code.WRONG_TYPE),
        ("delivery.mode", "pigeon", Code.NOT_IN_LIST),
        ("confirm_second", "true", Code.WRONG_TYPE),
        ("form", [], Code.WRONG_TYPE),
        ("ext", "x", Code.WRONG_TYPE),
        ("ext", {"a": True}, Code.WRONG_TYPE),
        ("ext", {"a": "备" * 683}, Code.TOO_LONG),
        ("ext", {"a": "\x01"}, Code.CHAR_NOT_ALLOWED),
    ],
)
def test_a_value_out_of_its_limits_is_named(path: str, value: object, code: Code) -> None:
    shown = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))[1:]
    assert found(put(path, value)) == [(shown, code)]


def test_the_banks_own_remarks_are_taken_up_to_two_kilobytes() -> None:
    assert found(put("ext", {"note": "x" * 2044})) == []
    assert found(put("ext", {})) == []


# --- outlet, window, delivery, form -------------------------------------------------------------------------------


def test_the_outlet_exists_belongs_to_the_bank_and_to_the_client() -> None:
    assert found(put("outlet", "ICBC-FT-99")) == [("outlet", Code.OUTLET_UNKNOWN)]
    assert found(put("outlet", "CCB-FT-01")) == [("outlet", Code.OUTLET_NOT_YOURS)]
    assert found(EXAMPLE, client_outlets=("ICBC-FT-01",)) == [("outlet", Code.OUTLET_NOT_YOURS)]
    assert found(EXAMPLE, client_outlets=("ICBC-FT-01", "ICBC-FT-03")) == []


def test_the_outlet_is_entitled_by_its_services_and_by_the_items_own_list() -> None:
    assert found(EXAMPLE, replace(ITEM, outlets=("ICBC-FT-01",))) == [("outlet", Code.OUTLET_NOT_ENTITLED)]
    bare = {**CATALOGUE.outlets, "ICBC-FT-03": replace(CATALOGUE.outlets["ICBC-FT-03"], services=("result_pickup",))}
    assert found(EXAMPLE, catalogue=replace(CATALOGUE, outlets=bare)) == [("outlet", Code.OUTLET_NOT_ENTITLED)]


def test_outside_its_window_an_item_says_its_own_sentence() -> None:
    closed = replace(ITEM, windows=(Window((3, 1), (4, 30)),), window_message="每年3月1日至4月30日受理")
    problem = check(EXAMPLE, closed).problems[0]
    assert (problem.path, problem.code, problem.message) == ("item", Code.ITEM_WINDOW_CLOSED, "每年3月1日至4月30日受理")
    assert found(EXAMPLE, replace(ITEM, windows=(Window((11, 1), (1, 31)),))) == []


def test_the_window_is_read_by_the_calendar_of_futian() -> None:
    opens = replace(ITEM, windows=(Window((11, 24), (11, 30)),))
    late = datetime.fromisoformat("2026-11-23T17:00:00+00:00")  # already the 24th in Futian
    assert found(EXAMPLE, opens, received_at=late) == []


def test_a_cabinet_is_not_offered_before_cabinets_exist() -> None:
    assert found(put("delivery", {"mode": "cabinet", "cabinet": "C1"})) == [
        ("delivery.mode", Code.DELIVERY_NOT_OFFERED)
    ]
    assert found(put("delivery.cabinet", "C1")) == [("delivery.cabinet", Code.DELIVERY_NOT_OFFERED)]
    offered = replace(CATALOGUE, delivery_modes=(Option("cabinet", "柜", "2026-11-23"),))
    assert found(put("delivery", {"mode": "cabinet", "cabinet": "C1"}), catalogue=offered) == []
    assert found(put("delivery", {"mode": "cabinet"}), catalogue=offered) == [("delivery.cabinet", Code.MISSING)]


def test_each_way_of_delivery_wants_its_own_member() -> None:
    to = {"name": "陈㐂宁", "phone": "13800000001", "address": EXAMPLE["applicant"]["residence_address"]}
    assert found(put("delivery", {"mode": "ems", "recipient": to})) == []
    assert found(put("delivery", {"mode": "electronic"})) == found(put("delivery", {"mode": "counter"})) == []
    assert found(put("delivery", {"mode": "ems"})) == [("delivery.recipient", Code.MISSING)]
    assert found(put("delivery", {"mode": "ems", "recipient": {**to, "phone": "1"}})) == [
        ("delivery.recipient.phone", Code.BAD_FORMAT)
    ]
    assert found(put("delivery.outlet", GONE)) == [("delivery.outlet", Code.MISSING)]
    assert found(put("delivery.outlet", "ICBC-FT-98")) == [("delivery.outlet", Code.OUTLET_UNKNOWN)]
    assert found(put("delivery.outlet", "CCB-FT-01")) == [("delivery.outlet", Code.OUTLET_NOT_YOURS)]


def test_the_form_comes_inside_or_as_a_file_but_not_both() -> None:
    blob = {"digest": "sha256:" + "7" * 64, "size": "9120"}
    assert found(put("form_blob", blob)) == [("form_blob", Code.UNKNOWN_MEMBER)]
    assert found(put("form_blob", blob, put("form", GONE))) == [("form_blob", Code.BLOB_MISSING)]
    assert found(put("form_blob", {**blob, "size": "1048577"}, put("form", GONE))) == [
        ("form_blob.size", Code.OUT_OF_RANGE),
        ("form_blob", Code.BLOB_MISSING),
    ]


# --- people -------------------------------------------------------------------------------------------------------


def test_the_applicant_is_of_a_kind_the_item_takes() -> None:
    assert found(EXAMPLE, FOR_ORGS) == [("applicant.kind", Code.SUBJECT_NOT_ALLOWED)]
    assert found(organisation()) == [("applicant.kind", Code.SUBJECT_NOT_ALLOWED)]


def test_an_organisation_is_known_by_its_code_or_else_by_its_name() -> None:
    checked = check(organisation(), FOR_ORGS)
    assert (checked.problems, checked.doc_type, checked.doc_no) == ((), "uscc", "91440304MA9FT0013D")
    nameless = put("applicant.uscc", GONE, organisation())
    assert found(nameless, FOR_ORGS) == [("rules.C1", Code.RULE_BROKEN)]
    explained = check(put("applicant.uscc_absent_reason", "not_registered", nameless), FOR_ORGS)
    assert (explained.problems, explained.doc_type, explained.doc_no) == ((), "org_name", "福田晨舟托育有限公司")


def test_a_rule_of_the_applicant_is_not_judged_over_an_invalid_code() -> None:
    wrong = put("applicant.uscc", "91440304MA9FT0013E", organisation())
    assert found(wrong, FOR_ORGS) == [("applicant.uscc", Code.BAD_CHECK_DIGIT)]


def test_the_representatives_document_type_may_stay_open() -> None:
    assert found(put("applicant.legal_rep_doc_type", GONE, organisation()), FOR_ORGS) == []
    odd = put(
        "applicant.legal_rep_doc_no", "110105194912310020", put("applicant.legal_rep_doc_type", GONE, organisation())
    )
    assert found(odd, FOR_ORGS) == [("applicant.legal_rep_doc_no", Code.BAD_CHECK_DIGIT)]


def test_a_full_width_number_with_a_small_x_is_stored_clean() -> None:
    checked = check(put("applicant.doc_no", "４４０３０４１９９００３０７１２３ｘ"))
    assert (checked.problems, checked.doc_no) == ((), "44030419900307123X")


def test_an_item_routed_by_residence_wants_the_street() -> None:
    routed = replace(ITEM, routing_level="street", routing_key="residence_street")
    assert found(EXAMPLE, routed) == []
    assert found(put("applicant.residence_street", GONE), routed) == [("applicant.residence_street", Code.MISSING)]
    assert found(put("applicant.residence_street", "x"), routed) == [("applicant.residence_street", Code.NOT_IN_LIST)]
    assert found(put("applicant.residence_street", GONE)) == []


def test_a_document_that_ends_soon_is_a_warning_and_an_ended_one_a_problem() -> None:
    soon = check(put("applicant.doc_expire", "2026-12-22"))
    assert (soon.problems, [w.code for w in soon.warnings]) == ((), [WarningCode.DOC_EXPIRES_SOON])
    assert soon.warnings[0].path == "applicant.doc_expire"
    assert check(put("applicant.doc_expire", "2026-12-23")).warnings == ()
    assert found(put("applicant.doc_expire", "2026-11-22")) == [("applicant.doc_expire", Code.OUT_OF_RANGE)]


def test_an_item_for_the_applicant_alone_refuses_an_agent() -> None:
    assert found(EXAMPLE, replace(ITEM, agent_allowed=False)) == [("agent", Code.AGENT_NOT_ALLOWED)]
    assert found(in_person(), replace(ITEM, agent_allowed=False)) == []


def test_an_agent_needs_an_authorisation_in_force_for_this_act() -> None:
    at = "agent.authorisation"
    assert found(put(at, GONE)) == [(at, Code.AUTHORISATION_MISSING)]
    assert found(put(f"{at}.until", "2026-11-22")) == [(f"{at}.until", Code.AUTHORISATION_EXPIRED)]
    assert found(put(f"{at}.signed_on", "2026-11-24")) == [(f"{at}.signed_on", Code.DATE_IN_FUTURE)]
    assert found(put(f"{at}.scope", ["supplement"])) == [(f"{at}.scope", Code.AUTHORISATION_SCOPE)]
    assert found(put(f"{at}.scope", [])) == [(f"{at}.scope", Code.MISSING)]
    assert found(put(f"{at}.scope", ["submitt"])) == [(f"{at}.scope[0]", Code.NOT_IN_LIST)]


def test_an_authorisation_that_ends_within_a_week_is_a_warning() -> None:
    ending = check(put("agent.authorisation.until", "2026-11-29"))
    assert (ending.problems, [w.code for w in ending.warnings]) == ((), [WarningCode.AUTHORISATION_ENDS_SOON])
    assert check(put("agent.authorisation.until", "2026-11-30")).warnings == ()


def guarded(doc_no: str = CHILD, relation: str = "guardian") -> dict[str, Any]:
    business = put("applicant.doc_no", doc_no, put("agent.authorisation", GONE))
    business["agent"]["relation"] = relation
    business["consents"].append(dict(GUARDIAN))
    return business


def test_a_guardian_of_a_minor_needs_no_paper() -> None:
    assert found(guarded()) == []
    assert found(guarded(relation="parent")) == []
    assert found(guarded(relation="relative")) == [("agent.authorisation", Code.AUTHORISATION_MISSING)]
    assert found(guarded("44030419900307123X")) == [("agent.authorisation", Code.AUTHORISATION_MISSING)]


def test_where_no_number_tells_the_age_the_guardians_consent_does() -> None:
    travelling = put("applicant.doc_type", "hk_mo_travel", guarded("H12345678"))
    assert found(travelling) == []
    del travelling["consents"][-1]
    assert found(travelling) == [("agent.authorisation", Code.AUTHORISATION_MISSING)]


def test_somebody_under_fourteen_needs_a_guardians_consent() -> None:
    business = guarded()
    business["consents"][-1]["by"] = "agent"
    assert found(business) == [("consents", Code.CONSENT_MISSING)]
    del business["consents"][-1]
    assert found(business) == [("consents", Code.CONSENT_MISSING)]
    birthday = datetime.fromisoformat("2029-06-01T10:15:31+08:00")
    assert found(business, received_at=birthday, promise_limit=None)[-1:] != [("consents", Code.CONSENT_MISSING)]


def test_the_person_at_the_counter_is_among_the_identity_checks() -> None:
    missing = [("identity_checks", Code.IDENTITY_CHECK_MISSING)]
    assert found(put("identity_checks.0.who", "applicant")) == missing
    assert found(put("identity_checks.0.who", "legal_rep", in_person())) == missing
    assert found(put("identity_checks.0.who", "applicant", organisation()), FOR_ORGS) == []
    assert found(put("identity_checks", [])) == [("identity_checks", Code.MISSING)]
    assert found(put("identity_checks", EXAMPLE["identity_checks"] * 5)) == [("identity_checks", Code.TOO_MANY_ROWS)]


def test_nobody_is_checked_agrees_or_signs_as_an_agent_who_is_not_there() -> None:
    checks = EXAMPLE["identity_checks"] + in_person()["identity_checks"]
    assert found(put("identity_checks", checks, in_person())) == [("identity_checks[0].who", Code.NOT_IN_LIST)]
    assert found(put("consents.0.by", "agent", in_person())) == [("consents[0].by", Code.NOT_IN_LIST)]
    assert found(put("signature.signer", "agent", in_person())) == [("signature.signer", Code.SIGNATURE_MISMATCH)]


def test_a_chip_is_read_by_a_reader_that_has_a_number() -> None:
    assert found(put("identity_checks.0.reader", GONE)) == [("identity_checks[0].reader", Code.MISSING)]
    assert found(put("identity_checks.0.read_method", "manual", put("identity_checks.0.reader", GONE))) == []


FACE = "identity_checks[0].face"


def test_the_face_is_checked_as_the_item_says() -> None:
    without = put("identity_checks.0.face", GONE)
    assert found(without) == []
    assert found(without, replace(ITEM, face_check="required")) == [(FACE, Code.FACE_CHECK_MISSING)]
    assert found(EXAMPLE, replace(ITEM, face_check="required")) == []
    failed = put("identity_checks.0.face.result", "fail")
    assert found(failed) == [(f"{FACE}.result", Code.FACE_CHECK_MISSING)]
    assert found(failed, replace(ITEM, face_check="none")) == []
    assert found(put("identity_checks.0.face.liveness", "fail")) == [(f"{FACE}.liveness", Code.FACE_CHECK_MISSING)]
    assert found(put("identity_checks.0.face.score_band", GONE)) == [(f"{FACE}.score_band", Code.MISSING)]


def test_a_skipped_face_check_tells_why_and_who_allowed_it() -> None:
    skipped = {"result": "skipped", "at": "2026-11-23T10:05:31+08:00"}
    required = replace(ITEM, face_check="required")
    told = {**skipped, "skip_reason": "age", "allowed_by": "T30200"}
    assert found(put("identity_checks.0.face", told), required) == []
    assert found(put("identity_checks.0.face", skipped), required) == [
        (f"{FACE}.skip_reason", Code.MISSING),
        (f"{FACE}.allowed_by", Code.MISSING),
    ]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_consent_that_is_needed_must_be_there(index: int) -> None:
    business = deepcopy(EXAMPLE)
    del business["consents"][index]
    assert found(business) == [("consents", Code.CONSENT_MISSING)]


def test_a_consent_lists_every_sensitive_kind_of_the_item() -> None:
    both = replace(ITEM, sensitive=("health", "finance"))
    assert check(EXAMPLE, both).problems[0].message == "缺少敏感个人信息（金融账户或财产）单独同意"
    assert found(put("consents.1.tags", ["health", "finance"]), both) == []
    assert found(put("consents.1.tags", ["health", "stars"])) == [("consents[1].tags[1]", Code.NOT_IN_LIST)]
    assert found(put("consents.1.tags", []), replace(ITEM, sensitive=())) == [("consents[1].tags", Code.MISSING)]
    bare = deepcopy(EXAMPLE)
    del bare["consents"][1]
    assert found(bare, replace(ITEM, sensitive=())) == []


def test_a_consent_that_cannot_be_read_is_not_called_missing_as_well() -> None:
    assert found(put("consents.0.kind", "privacy")) == [("consents[0].kind", Code.NOT_IN_LIST)]
    assert found(put("consents", EXAMPLE["consents"] * 3)) == [("consents", Code.TOO_MANY_ROWS)]


def test_the_one_who_signs_is_the_one_who_stands_there() -> None:
    mismatch = [("signature.signer", Code.SIGNATURE_MISMATCH)]
    assert found(put("signature.signer", "applicant")) == mismatch
    assert found(put("signature.signer", "guardian")) == mismatch
    assert found(put("signature.signer", "guardian", guarded())) == []
    assert found(put("signature.signer", "guardian", in_person())) == mismatch


# --- papers -------------------------------------------------------------------------------------------------------


def test_a_required_material_is_there_or_promised() -> None:
    business = deepcopy(EXAMPLE)
    del business["materials"][0]
    problems = check(business).problems
    assert [(p.path, p.code, p.message) for p in problems] == [
        ("materials.M1", Code.MATERIAL_MISSING, "缺少材料M1（执业注册申请表）")
    ]


def test_a_material_stands_once_and_belongs_to_the_item() -> None:
    twice = deepcopy(EXAMPLE)
    twice["materials"].append(twice["materials"][0])
    assert found(twice) == [("materials[4].id", Code.DUPLICATE_ROW)]
    foreign = deepcopy(EXAMPLE)
    foreign["materials"].append({**foreign["materials"][0], "id": "M9"})
    assert found(foreign) == [("materials[4].id", Code.NOT_IN_LIST)]


def test_a_material_that_a_step_produces_is_never_taken_from_the_applicant() -> None:
    made = replace(ITEM, materials=(*ITEM.materials[:3], replace(ITEM.materials[3], produced_by="FT-BIZ-LIC")))
    assert ("materials[3].id", Code.NOT_IN_LIST) in found(EXAMPLE, made)


def test_a_rule_of_the_form_can_require_a_material() -> None:
    from gateway.catalogue.item import Material, Rule

    extra = replace(
        ITEM,
        materials=(*ITEM.materials, Material("M5", "授权委托书", "", False, True, False)),
        rules=(Rule("material_required_when", "R1", "须交", {"material": "M5"}),),
    )
    assert found(EXAMPLE, extra) == [("materials.M5", Code.MATERIAL_MISSING)]


@pytest.mark.parametrize(
    ("index", "member", "value", "code"),
    [
        (0, "files", GONE, Code.MISSING),
        (0, "original_seen", GONE, Code.MISSING),
        (0, "files", [], Code.MISSING),
        (0, "files", [FILE] * 21, Code.TOO_MANY_ROWS),
        (0, "pages", "2", Code.UNKNOWN_MEMBER),
        (0, "certificate", EXAMPLE["materials"][1]["certificate"], Code.UNKNOWN_MEMBER),
        (1, "certificate", GONE, Code.MISSING),
        (1, "files", [FILE], Code.UNKNOWN_MEMBER),
        (2, "files", GONE, Code.MISSING),
        (3, "files", [FILE], Code.UNKNOWN_MEMBER),
        (3, "original_seen", False, Code.UNKNOWN_MEMBER),
    ],
)
def test_each_way_of_handing_in_has_its_own_members(index: int, member: str, value: object, code: Code) -> None:
    assert found(put(f"materials.{index}.{member}", value)) == [(f"materials[{index}].{member}", code)]


def test_a_paper_tells_its_pages() -> None:
    paper = {"id": "M1", "how": "paper", "original_seen": True, "copy_stamped": True}
    assert found(put("materials.0", {**paper, "pages": "3"})) == []
    assert found(put("materials.0", paper)) == [("materials[0].pages", Code.MISSING)]


def test_an_e_certificate_is_checked_and_taken_only_where_it_may_stand() -> None:
    number = "1.2.156.3005.2.11100000000013338W011.11440304MB2D26978H.20260001187.001.7"
    assert found(put("materials.1.certificate.no", number)) == [
        ("materials[1].certificate.no", Code.CERTIFICATE_INVALID)
    ]
    paper = {**EXAMPLE["materials"][1], "id": "M1"}
    assert found(put("materials.0", paper)) == [("materials[0].how", Code.NOT_IN_LIST)]


def test_only_a_deferrable_material_of_a_tolerant_item_is_promised() -> None:
    business = put("materials.0", {"id": "M1", "how": "promised"})
    business["promise"]["materials"].append({"id": "M1", "until": "2026-11-30"})
    assert found(business) == [("materials[0]", Code.MATERIAL_NOT_DEFERRABLE)]
    assert found(EXAMPLE, replace(ITEM, tolerance_allowed=False)) == [("materials[3]", Code.MATERIAL_NOT_DEFERRABLE)]


def test_the_promise_lists_exactly_what_is_promised() -> None:
    assert found(put("promise", GONE)) == [("promise", Code.MISSING)]
    other = put("promise.materials.0.id", "M3")
    assert found(other) == [("promise.materials[0].id", Code.NOT_IN_LIST), ("promise.materials", Code.MISSING)]
    twice = put("promise.materials", EXAMPLE["promise"]["materials"] * 2)
    assert {code for _, code in found(twice)} == {Code.DUPLICATE_ROW}
    brought = put("materials.3", {"id": "M4", "how": "paper", "pages": "1", "original_seen": True})
    assert found(brought) == [("promise.materials[0].id", Code.NOT_IN_LIST)]
    assert found(put("promise", GONE, brought)) == []


def test_a_promise_ends_within_the_items_limit() -> None:
    at = "promise.materials[0].until"
    assert found(put("promise.materials.0.until", "2026-12-01")) == [(at, Code.PROMISE_TOO_LATE)]
    assert found(put("promise.materials.0.until", "2026-11-22")) == [(at, Code.OUT_OF_RANGE)]
    assert found(put("promise.materials.0.until", "2026-12-01"), promise_limit=None) == []


def test_every_file_named_anywhere_must_have_arrived() -> None:
    business = put("signature.image", FILE)
    missing = [path for path, code in found(business, judge_file=nothing_arrived) if code is Code.BLOB_MISSING]
    assert missing == [
        "agent.authorisation.file",
        "signature.image",
        "materials[0].files[0]",
        "materials[2].files[0]",
    ]
    asked: list[tuple[Any, ...]] = []
    assert found(put("materials.0.files", [FILE] * 3), judge_file=lambda *named: asked.append(named)) == []
    assert len(asked) == len(set(asked))


def test_a_file_that_arrived_otherwise_than_it_is_named_is_a_mismatch() -> None:
    def judge(_digest: str, size: int | None, type_: str | None) -> Code | None:
        return None if (size, type_) == (1000, "image/png") else Code.BLOB_MISMATCH

    wrong = [{**FILE, "size": "1001"}, {**FILE, "type": "application/pdf"}, FILE]
    told = [path for path, code in found(put("materials.0.files", wrong), judge_file=judge) if "materials[0]" in path]
    assert told == ["materials[0].files[0]", "materials[0].files[1]"]


def test_without_an_answer_no_file_has_arrived() -> None:
    bare = check_submission(CATALOGUE, ITEM, EXAMPLE, bank="ICBC", client_outlets=(), received_at=RECEIVED)
    assert {p.code for p in bare.problems} == {Code.BLOB_MISSING}


def test_files_are_limited_in_number_and_size_over_the_whole_case() -> None:
    many = deepcopy(EXAMPLE)
    extra = replace(ITEM, materials=tuple(replace(ITEM.materials[0], id=f"M{n}") for n in range(1, 5)))
    for index in range(4):
        many["materials"][index] = {"id": f"M{index + 1}", "how": "scan", "original_seen": True, "files": [FILE] * 15}
    del many["promise"]
    assert found(many, extra) == [("materials", Code.TOO_MANY_ROWS)]  # 60 and the authorisation
    big = put("materials.0.files", [{**FILE, "size": "20971520"}] * 10)
    assert found(big) == [("materials", Code.OUT_OF_RANGE)]


# --- offline slips ------------------------------------------------------------------------------------------------


def slip(body: str = "FP26112303A0001") -> str:
    return body + mod37_36_check(body)


def test_a_slip_starts_the_intake_clock_when_it_was_printed() -> None:
    business = put("provisional", {"no": slip(), "printed_at": "2026-11-23T08:00:00+08:00"})
    checked = check(business)
    assert (checked.problems, checked.provisional_no) == ((), slip())
    assert checked.intake_at == datetime.fromisoformat("2026-11-23T08:00:00+08:00")


def test_a_slip_counts_for_the_day_it_was_printed_on() -> None:
    business = put("provisional", {"no": slip(), "printed_at": "2026-11-23T08:00:00+08:00"})
    later = RECEIVED + timedelta(days=2)
    assert found(business, replace(ITEM, windows=(Window((11, 20), (11, 23)),)), received_at=later) == []


@pytest.mark.parametrize(
    ("no", "printed_at", "path", "code"),
    [
        (slip(), "2026-11-20T10:15:31+08:00", "provisional.printed_at", Code.PROVISIONAL_TOO_OLD),
        (slip(), "2026-11-23T11:00:00+08:00", "provisional.printed_at", Code.DATE_IN_FUTURE),
        (slip()[:-1] + "*", "2026-11-23T08:00:00+08:00", "provisional.no", Code.BAD_FORMAT),
        ("FP26112303A0001" + ("0" if slip()[-1] != "0" else "1"), "2026-11-23T08:00:00+08:00", "provisional.no",
         Code.BAD_CHECK_DIGIT),
        (slip("FP26113103A0001"), "2026-11-23T08:00:00+08:00", "provisional.no", Code.DATE_IMPOSSIBLE),
        ("FT261123037K3QWB", "2026-11-23T08:00:00+08:00", "provisional.no", Code.BAD_FORMAT),
    ],
)  # fmt: skip
def test_a_slip_that_cannot_be_is_refused(no: str, printed_at: str, path: str, code: Code) -> None:
    assert found(put("provisional", {"no": no, "printed_at": printed_at})) == [(path, code)]


def test_the_blocks_are_kept_for_one_catalogue_and_rebuilt_for_another() -> None:
    fewer = replace(CATALOGUE, delivery_modes=(Option("counter", "窗口领取"),))
    assert found(EXAMPLE, catalogue=fewer) == [("delivery.mode", Code.NOT_IN_LIST)]
    assert found(EXAMPLE) == []
