"""Bad input at a bank's door: the stable code in the bank's own signed envelope, and nothing half-written.

Identity and repeats are in test_identity; what the caller may not learn is in test_not_authentic.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.store import migrate
from mocks.banks.icbc_sim import Answer, RawRequest
from mocks.banks.plain_json import business_digest
from tests.builders import CLIENT_ID, SmallHouse, bank_key, enrolled, item_file, small_house

DEEP = "[" * 20 + "]" * 20


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallHouse]:
    """One house for all: whatever is refused leaves nothing the next one could meet."""
    folder = tmp_path_factory.mktemp("house")
    url = f"sqlite:///{folder}/gateway.db"
    migrate.upgrade(url)
    with small_house(folder, url) as small:
        yield small


def answers_stored(house: SmallHouse) -> int:
    return len(house.rows("SELECT 1 AS n FROM message WHERE answer_sealed IS NOT NULL OR case_id IS NOT NULL"))


def refused(house: SmallHouse, request: RawRequest) -> Answer:
    """Send it; whatever it is, no case, no work, no public event and no stored answer may come of it."""
    before, stored = house.counts(), answers_stored(house)
    answer = house.send(request)
    after = house.counts()
    assert answer.http_status == 200
    assert answer.signature_ok
    assert answer.business["result"] == "refused"
    assert answer.return_code not in (None, 0)
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"message", "entry", "exchange"}
    assert answers_stored(house) == stored
    assert b"Traceback" not in answer.raw
    return answer


def codes(answer: Answer) -> dict[str, str]:
    assert answer.reason == "INVALID"
    return {error["path"]: error["code"] for error in answer.business["errors"]}


def counted(house: SmallHouse, reason: str, operation: str = "submit") -> float:
    labels = {"bank": "ICBC", "operation": operation, "reason": reason}
    return house.house.metrics.registry.get_sample_value("gateway_bank_requests_total", labels) or 0.0


# -- above the caps: nothing is read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": str(1_048_577)}, 413),
        ({"CONTENT_LENGTH": None}, 411),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"CONTENT_LENGTH": "100000"}, 400),  # the body is cut
    ],
    ids=["over 1 MiB", "without length", "in chunks", "cut"],
)
def test_a_body_that_cannot_be_read_whole_is_turned_away_empty(
    house: SmallHouse, environ: dict[str, Any], status: int
) -> None:
    before = house.counts()
    assert house.post(house.build("submit", house.sample()), **environ) == (status, b"")
    assert house.counts() == before


def test_more_than_an_address_may_send_hears_the_banks_own_code_and_a_flood_hears_nothing(
    tmp_path: Path, sqlite_url: str
) -> None:
    with small_house(tmp_path, sqlite_url, settings={"ADDRESS_RATE": "1"}) as house:
        request = house.build("echo", {"text": "x"})
        told = [house.post(request) for _ in range(12)]
        assert [status for status, _ in told[:2]] == [200, 200]
        signed = [house.branch.read(status, raw) for status, raw in told[2:10]]  # read only if the signature holds
        assert {(answer.reason, answer.return_code) for answer in signed} == {("TOO_MANY", 500031)}
        assert told[10:] == [(429, b"")] * 2
        assert house.post(request, address="127.0.0.2")[0] == 200
        house.house.refusals.flush(everything=True)
        (entry,) = house.loose_entries("door:request:refused")
        assert (entry["facts"]["cause"], entry["facts"]["count"]) == ("address_rate", "10")


def test_other_methods_and_paths_outside_every_door_are_plain_and_empty(house: SmallHouse) -> None:
    request = house.build("submit", house.sample())
    assert house.post(dataclasses.replace(request, method="GET")) == (405, b"")
    assert house.post(dataclasses.replace(request, url="http://gateway.test/nowhere")) == (404, b"")


# -- the envelope ---------------------------------------------------------------------------------------------------


def test_a_body_over_256_kib_is_too_large(house: SmallHouse) -> None:
    request = house.build("submit", {**house.sample(), "ext": {"x": "y" * 270_000}})
    assert refused(house, request).reason == "TOO_LARGE"


def test_a_business_part_over_64_kib_is_too_large(house: SmallHouse) -> None:
    request = house.build("submit", {**house.sample(), "ext": {"x": "y" * 70_000}})
    answer = refused(house, request)
    assert (answer.reason, answer.msg_id) == ("TOO_LARGE", request.msg_id)


def test_an_operation_that_does_not_exist_is_unknown(house: SmallHouse) -> None:
    for path in ("/api/gov/case/nothing/V1", "/api/gov/bundle/submit/V1", "/api/gov/case/submit/V2"):
        answer = refused(house, house.build(path, {"op": "submit", "v": "1"}))
        assert (answer.reason, answer.return_code) == ("OPERATION_UNKNOWN", 500018)


def test_an_operation_the_client_is_not_enrolled_for_is_not_allowed(tmp_path: Path, sqlite_url: str) -> None:
    client = enrolled(bank_key(), operations=("echo",))
    with small_house(tmp_path, sqlite_url, client=client) as house:
        assert refused(house, house.build("submit", house.sample())).reason == "OPERATION_NOT_ALLOWED"
        assert house.call("echo", {"text": "x"}).ok


def test_a_signed_message_played_to_another_operation_does_not_hold(house: SmallHouse) -> None:
    part = house.sample()
    answer = refused(house, house.build("/api/gov/sys/echo/V1", part))
    assert answer.reason == "ENVELOPE_INVALID"  # the path is signed, op says another operation


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"format": "xml"}, "ENVELOPE_INVALID"),
        ({"msg_id": ""}, "ENVELOPE_INVALID"),
        ({"msg_id": "x" * 41}, "ENVELOPE_INVALID"),
        ({"timestamp": "23.11.2026 10:00"}, "ENVELOPE_INVALID"),
        ({"biz_content": ""}, "ENVELOPE_INVALID"),
    ],
    ids=["format", "no msg_id", "long msg_id", "no time", "no business part"],
)
def test_an_envelope_against_the_rules_is_invalid(house: SmallHouse, extra: dict[str, str], reason: str) -> None:
    assert refused(house, house.build("submit", house.sample(), extra=extra)).reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"x"',
        '{"op":"submit","v":"1"} x',
        '{"op":"submit","v":1}',
        '{"op":"submit","v":null}',
        '{"op":"submit","v":"1","v":"1"}',
        '{"op":"submit","v":"1","x":NaN}',
        '{"op":"submit","v":"1","x":"\\ud800"}',
        '{"op":"submit","v":"1","x":"\\u0007"}',
        '{"op":"submit","v":"1","x":' + DEEP + "}",
    ],
    ids=["cut", "list", "text", "tail", "number", "null", "twice", "nan", "surrogate", "control", "deep"],
)
def test_a_business_part_that_is_not_our_json_is_not_understood(house: SmallHouse, text: str) -> None:
    before = counted(house, "NOT_UNDERSTOOD")
    request = house.build("submit", {}, biz_content=text)
    answer = refused(house, request)
    assert (answer.reason, answer.return_code, answer.msg_id) == ("NOT_UNDERSTOOD", 931102, request.msg_id)
    facts = house.loose_entries("door:message:refused")[-1]["facts"]
    assert (facts["reason"], facts["transport_id"]) == ("NOT_UNDERSTOOD", request.msg_id)
    assert counted(house, "NOT_UNDERSTOOD") == before + 1


def test_a_nesting_of_a_hundred_thousand_is_refused_like_any_other(house: SmallHouse) -> None:
    text = '{"op":"submit","v":"1","x":' + "[" * 30_000 + "]" * 30_000 + "}"
    assert refused(house, house.build("submit", {}, biz_content=text)).reason == "NOT_UNDERSTOOD"


def test_a_version_of_the_business_part_that_is_not_spoken_is_told_so(house: SmallHouse) -> None:
    assert refused(house, house.build("submit", {**house.sample(), "v": "2"})).reason == "VERSION_UNKNOWN"


def test_an_unreadable_message_keeps_its_id_and_another_text_under_it_is_reused(house: SmallHouse) -> None:
    assert refused(house, house.build("submit", {}, biz_content="{", msg_id="one")).reason == "NOT_UNDERSTOOD"
    assert refused(house, house.build("submit", {}, biz_content="[", msg_id="one")).reason == "MESSAGE_ID_REUSED"


# -- the content ----------------------------------------------------------------------------------------------------


def changed(part: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The part with one member set, or taken out (``...``)."""
    whole: dict[str, Any] = json.loads(json.dumps(part))
    *steps, last = path.split(".")
    place = whole
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value", "told_at", "code"),
    [
        ("bank_ref", "", "bank_ref", "MISSING"),
        ("bank_ref", "20269999ICBC0001", "bank_ref", "BANK_REF_DATE"),
        ("bank_ref", "20190101ICBC0001", "bank_ref", "BANK_REF_DATE"),
        ("bank_ref", "ICBC0001", "bank_ref", "BAD_FORMAT"),
        ("item", "FT-SBX-999", "item", "ITEM_UNKNOWN"),
        ("item", ..., "item", "MISSING"),
        ("item_version", "1999.1", "item_version", "ITEM_VERSION_OLD"),
        ("outlet", "ICBC-FT-99", "outlet", "OUTLET_UNKNOWN"),
        ("outlet", "CMB-FT-01", "outlet", "OUTLET_NOT_YOURS"),
        ("applicant.doc_no", "440304199003071239", "applicant.doc_no", "BAD_CHECK_DIGIT"),
        ("applicant.name", ..., "applicant.name", "MISSING"),
        ("applicant.phone", True, "applicant.phone", "WRONG_TYPE"),
        ("form.scenario", "whatever", "form.scenario", "NOT_IN_LIST"),
        ("form.amount", "0.00", "form.amount", "OUT_OF_RANGE"),
        ("form.amount", "1e3", "form.amount", "BAD_FORMAT"),
        ("form.contact_date", "2026-02-30", "form.contact_date", "DATE_IMPOSSIBLE"),
        ("form.remark", "字" * 101, "form.remark", "TOO_LONG"),
        ("materials", [], "materials.M1", "MATERIAL_MISSING"),
        ("delivery.mode", "cabinet", "delivery.mode", "DELIVERY_NOT_OFFERED"),
        ("identity_checks", [], "identity_checks", "MISSING"),
    ],
)
def test_a_mistake_in_the_content_has_its_path_and_its_code(
    house: SmallHouse, path: str, value: Any, told_at: str, code: str
) -> None:
    found = codes(refused(house, house.build("submit", changed(house.sample(), path, value))))
    assert (told_at, code) in {(at.split("[")[0], said) for at, said in found.items()}


def test_a_missing_consent_is_told(house: SmallHouse) -> None:
    part = house.sample()
    part["consents"] = [consent for consent in part["consents"] if consent["kind"] != "sensitive"]
    assert "CONSENT_MISSING" in codes(refused(house, house.build("submit", part))).values()


def test_a_misspelt_member_is_refused_with_the_nearest_known_name(house: SmallHouse) -> None:
    answer = refused(house, house.build("submit", {**house.sample(), "agnet": {"name": "周以安"}}))
    (error,) = answer.business["errors"]
    assert (error["path"], error["code"]) == ("agnet", "UNKNOWN_MEMBER")
    assert "agent" in error["message"]


def test_all_problems_are_told_at_once(house: SmallHouse) -> None:
    part = house.sample()
    part["applicant"]["doc_no"] = "440304199003071239"
    part["form"] |= {"scenario": "whatever", "colour": "red"}
    part["consents"] = part["consents"][:1]
    part["bank_ref"] = "20190101ICBC0001"
    before = counted(house, "INVALID")
    answer = refused(house, house.build("submit", part))
    assert {"bank_ref", "applicant.doc_no", "form.scenario", "form.colour"} <= set(codes(answer))
    assert f"有{len(answer.business['errors'])}处" in answer.business["message"]
    assert counted(house, "INVALID") == before + 1


def test_a_client_files_only_for_its_own_outlets(tmp_path: Path, sqlite_url: str) -> None:
    client = enrolled(bank_key(), outlets=("ICBC-FT-01",))
    with small_house(tmp_path, sqlite_url, client=client) as house:
        assert codes(refused(house, house.build("submit", house.sample()))) == {"outlet": "OUTLET_NOT_YOURS"}
        assert house.submit(house.sample(outlet="ICBC-FT-01")).ok


def test_an_item_outside_its_window_is_refused_with_the_item_s_own_sentence(tmp_path: Path, sqlite_url: str) -> None:
    item = item_file(tmp_path, "FT-SBX-901", opens_in=40)
    with small_house(tmp_path, sqlite_url, extra_items=(item,)) as house:
        answer = refused(house, house.build("submit", house.sample("FT-SBX-901")))
        assert codes(answer) == {"item": "ITEM_WINDOW_CLOSED"}
        assert answer.business["errors"][0]["message"] == "该事项当前不在受理期"


def test_an_item_whose_department_is_not_connected_is_closed_and_the_rest_is_told_too(house: SmallHouse) -> None:
    part = changed(house.sample(), "item", "FT-EDU-001")
    part["bank_ref"] = "20190101ICBC0001"
    part["applicant"]["phone"] = "12"
    answer = refused(house, house.build("submit", part))
    told = {(error["path"], error["code"]) for error in answer.business["errors"]}
    assert {("item", "ITEM_CLOSED"), ("bank_ref", "BANK_REF_DATE"), ("form.student_name", "MISSING")} <= told
    assert "applicant.phone" in {path for path, _ in told}


@pytest.mark.parametrize(
    ("operation", "part", "told_at", "code"),
    [
        ("query", {}, "receipt_no", "MISSING"),
        ("query", {"receipt_no": "FT1", "case_ref": "x"}, "receipt_no", "MISSING"),
        ("query", {"receipt": "FT1"}, "receipt", "UNKNOWN_MEMBER"),
        ("query", {"case_ref": "x", "timeline": "yes"}, "timeline", "BAD_FORMAT"),
        ("changes", {}, "cursor", "MISSING"),
        ("changes", {"cursor": "", "limit": "201"}, "limit", "BAD_FORMAT"),
        ("changes", {"cursor": "", "limit": "0"}, "limit", "BAD_FORMAT"),
        ("echo", {}, "text", "MISSING"),
        ("echo", {"text": "x" * 101}, "text", "BAD_FORMAT"),
        ("echo", {"text": "x", "ext": {"a": "b" * 2050}}, "ext", "WRONG_TYPE"),
    ],
)
def test_a_question_with_a_mistake_has_its_path_and_its_code(
    house: SmallHouse, operation: str, part: dict[str, Any], told_at: str, code: str
) -> None:
    assert codes(refused(house, house.build(operation, part)))[told_at] == code


def test_a_member_of_the_envelope_that_is_not_ours_is_ignored_and_told(house: SmallHouse) -> None:
    answer = house.submit(house.sample(), extra={"notify_url": "http://203.0.113.9/x"})
    assert answer.ok
    assert [(w["code"], w["path"]) for w in answer.business["warnings"]] == [("MEMBER_IGNORED", "notify_url")]


def test_addresses_of_the_banks_own_are_counted_in_the_trail_not_one_entry_each(house: SmallHouse) -> None:
    house.house.refusals.flush(everything=True)
    before = len(house.loose_entries("door:address:ignored"))
    house.clock.turn_to_next_minute()
    for extra in ({"notify_url": "http://203.0.113.9/x"}, {"notify_url": "n"}, {"back": "ftp://x"}, {"remark": "x"}):
        assert house.submit(house.sample(), extra=extra).ok
    house.house.refusals.flush(everything=True)
    found = house.loose_entries("door:address:ignored")[before:]
    assert sorted((e["facts"]["member"], e["facts"]["count"]) for e in found) == [("back", "1"), ("notify_url", "2")]
    assert {e["facts"]["client"] for e in found} == {CLIENT_ID}
    assert "203.0.113.9" not in str(found)


def test_a_receipt_number_is_read_as_people_type_it_and_a_wrong_one_is_unknown(house: SmallHouse) -> None:
    number = house.submit(house.sample()).receipt_no
    assert house.query(f" {number[:4].lower()}-{number[4:]} ").ok
    for wrong in (number[:-1] + ("0" if number[-1] != "0" else "1"), "FT", "收件"):
        assert refused_read(house, {"receipt_no": wrong}).reason == "CASE_UNKNOWN"
    assert refused_read(house, {"case_ref": "20261123NOTHING"}).reason == "CASE_UNKNOWN"


def refused_read(house: SmallHouse, part: dict[str, Any]) -> Answer:
    answer = house.call("query", part)
    assert answer.signature_ok
    assert answer.business["result"] == "refused"
    return answer


def test_an_answer_never_holds_the_form_or_a_name(house: SmallHouse) -> None:
    part = house.sample(remark="很私人的话")
    filed = house.submit(part)
    told = [filed.raw, house.query(filed.receipt_no).raw, house.call("changes", {"cursor": ""}).raw]
    wrong = house.submit(changed(house.sample(remark="很私人的话", serial=88), "form.amount", "1e3"))
    private = [part["applicant"][name].encode() for name in ("name", "doc_no", "phone")] + ["很私人的话".encode()]
    assert [text for raw in [*told, wrong.raw] for text in private if text in raw] == []


def test_the_bank_computes_the_same_business_digest_as_we_do(house: SmallHouse) -> None:
    part = house.sample(remark='引号" 反斜杠\\ 斜杠/ 㐂 😀')
    assert house.submit(part).ok
    found = house.rows("SELECT business_digest FROM cases WHERE bank_ref = :ref", ref=part["bank_ref"])
    assert found == [{"business_digest": business_digest(part)}]
