"""What the education bureau's answers mean for a call, beyond what every back-end promises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.backends.education import Backend, codes, signing
from gateway.contracts.settings import PeerSettings
from gateway.domain.calls import BackendCall, DecisionReason, Mark, Outcome, Word
from gateway.domain.clock import SystemClock
from gateway.domain.errors import (
    BadCatalogue,
    BadSettings,
    DeliveryUnknown,
    FromPeer,
    NotAuthentic,
    NotDelivered,
    NotUnderstood,
    Refused,
)
from gateway.signing.secret import Secret
from gateway.wire.messages import OutboundRequest, WireRequest, WireResponse

SECRET = Secret(b"unit-test-secret")
NOW = datetime(2026, 11, 23, 6, 5, 9, tzinfo=UTC)
CALL_ID, CASE_NO = "5f0c2b7e9d1a4e60b8c3d7a2914f6e08", "JY20261123000218"
PDF, PNG = b"%PDF-1.7 sample", b"\x89PNG sample"


class StandingClock(SystemClock):
    def now(self) -> datetime:
        return NOW


def backend(**values: str) -> Backend:
    settings = PeerSettings("FT_EDU", {"app": "gw-1", **values}, {"hmac": Secret(b"  unit-test-secret\n")})
    return Backend(settings=settings, clock=StandingClock())


def call(**changes: Any) -> BackendCall:
    parts: dict[str, Any] = {
        "call_id": CALL_ID,
        "case_id": "case",
        "operation": "submit",
        "content": {"E005-01": "王小例"},
        "common": {"receipt_no": "FT1", "applicant": {"kind": "person"}},
    }
    return BackendCall(**{**parts, **changes})


def act(operation: str, **common: Any) -> BackendCall:
    return call(
        call_id="20261124" + "a" * 24,
        operation=operation,
        content={},
        common={"filed_as": CALL_ID, **common},
        department_ref=CASE_NO,
    )


def case(state: str = "ACCEPTED", **changes: Any) -> dict[str, Any]:
    return {
        "callId": CALL_ID,
        "caseNo": CASE_NO,
        "itemCode": "FT-EDU-005",
        "seq": 3,
        "state": state,
        "stateTime": "2026-11-23 14:05:10",
        **changes,
    }


def done(body: Any, msg: str = "ok") -> dict[str, Any]:
    return {"code": 0, "msg": msg, "traceId": "t", "body": body}


class Bureau:
    """Answers one after the other, the last one for ever, rightly signed unless told otherwise."""

    def __init__(self, *answers: Any, signed: bool = True, headers: dict[str, str] | None = None) -> None:
        self.answers, self.signed, self.headers = list(answers), signed, headers or {}
        self.heard: list[OutboundRequest] = []
        self.exchange_id = ""

    def send(self, request: OutboundRequest) -> WireResponse:
        self.heard.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        body = answer(request) if callable(answer) else answer
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        code = body.get("code", 0) if isinstance(body, dict) else 0
        status = code // 100 if isinstance(code, int) and code else 200
        time, nonce = signing.millis(NOW), request.headers["X-Edu-Nonce"]
        sign = signing.answer_sign(SECRET, status=status, time=time, nonce=nonce, body=raw)
        given = {"x-edu-timestamp": time, "x-edu-signature": sign} if self.signed else {}
        return WireResponse(status, raw, {**given, **self.headers})


def uploaded(request: OutboundRequest) -> dict[str, Any]:
    digest = hashlib.sha256(request.body).hexdigest()
    return done({"fileId": f"f-{digest[:8]}", "sha256": digest.upper(), "size": len(request.body)})


def word_of(state: str, **changes: Any) -> Word:
    (word,) = backend().submit(call(), Bureau(done(case(state, **changes)))).words
    return word


# -- requests --------------------------------------------------------------------------------------------------


def test_a_request_is_signed_over_the_bytes_that_leave() -> None:
    bureau = Bureau(done(case()))
    backend().submit(call(), bureau)
    backend().find(call(), bureau)
    filed, asked = bureau.heard
    assert (filed.method, filed.url, filed.writes, filed.purpose) == ("POST", "/edu-service/v2/cases", True, "submit")
    assert (asked.method, asked.url, asked.writes, asked.body) == (
        "GET",
        f"/edu-service/v2/cases/by-call/{CALL_ID}",
        False,
        b"",
    )
    for request in (filed, asked):
        signing.check_request(
            SECRET,
            app="gw-1",
            method=request.method,
            target=request.url,
            headers=request.headers,
            body=request.body,
            now=NOW,
        )
    assert filed.headers["X-Edu-Nonce"] != asked.headers["X-Edu-Nonce"]
    assert json.loads(filed.body)["callId"] == CALL_ID


@pytest.mark.parametrize("missing", ["app", "hmac"])
def test_without_application_id_or_secret_it_does_not_start(missing: str) -> None:
    values, secrets = {"app": "gw-1"}, {"hmac": SECRET}
    values.pop(missing, None)
    secrets.pop(missing, None)
    with pytest.raises(BadSettings, match="app and the secret hmac"):
        Backend(settings=PeerSettings("FT_EDU", values, secrets), clock=StandingClock())


def test_an_operation_nobody_knows_sends_nothing() -> None:
    bureau = Bureau(done(case()))
    with pytest.raises(BadCatalogue, match="submit, supplement or withdraw"):
        backend().submit(call(operation="file"), bureau)
    assert bureau.heard == []


# -- codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "submitting", "asking"),
    [
        (40001, Refused, Refused),
        (40101, Refused, Refused),
        (40102, Refused, Refused),
        (40103, Refused, Refused),
        (40301, NotDelivered, NotDelivered),
        (40401, DeliveryUnknown, None),
        (40901, NotUnderstood, NotUnderstood),
        (42901, NotDelivered, NotDelivered),
        (50001, NotDelivered, NotDelivered),
        (50301, NotDelivered, NotDelivered),
        (50000, DeliveryUnknown, NotDelivered),
        (20000, DeliveryUnknown, NotDelivered),
        (40002, DeliveryUnknown, NotDelivered),
    ],
)
def test_the_code_decides_what_is_done_next(
    code: int, submitting: type[FromPeer], asking: type[FromPeer] | None
) -> None:
    answer = {"code": code, "msg": "为什么", "traceId": "t"}
    with pytest.raises(submitting) as caught:
        backend().submit(call(), Bureau(answer))
    assert (caught.value.peer, caught.value.code) == ("FT_EDU", str(code))
    if asking is None:
        assert backend().find(call(), Bureau(answer)) is None
    else:
        with pytest.raises(asking) as caught:
            backend().find(call(), Bureau(answer))
        assert caught.value.code == str(code)
        assert "为什么" in caught.value.text


def test_every_code_of_the_document_has_its_family() -> None:
    listed = {0, 40001, 40101, 40102, 40103, 40301, 40401, 40901, 40902, 42901, 50001, 50301}
    known = {code for code in range(100_000) if codes.family(code) is not codes.Family.UNKNOWN}
    assert known == listed


def test_the_text_keeps_all_wrong_fields_and_until_when_they_are_closed() -> None:
    errors = [{"path": "form.rows[0]", "reason": "缺少"}, {"path": "applicant.idNo", "reason": "校验"}, "?"]
    with pytest.raises(Refused) as refused:
        backend().submit(call(), Bureau({"code": 40001, "msg": "字段有误", "body": {"errors": errors}}))
    assert refused.value.text == "字段有误; form.rows[0]: 缺少; applicant.idNo: 校验"
    closed = {"code": 50301, "msg": "维护", "body": {"until": "2026-11-24 02:00:00"}}
    with pytest.raises(NotDelivered) as later:
        backend().submit(call(), Bureau(closed, headers={"retry-after": "120"}))
    assert later.value.text == "维护; until 2026-11-24 02:00:00; Retry-After 120"
    with pytest.raises(NotDelivered) as early:
        backend().submit(call(), Bureau({"code": 40301, "msg": "未开放", "body": {"openFrom": "2027-03-01"}}))
    assert early.value.text == "未开放; openFrom 2027-03-01"


def test_a_wrong_clock_is_signed_anew_once() -> None:
    bureau = Bureau({"code": 40102, "msg": "clock"}, done(case()))
    assert backend().submit(call(), bureau).department_ref == CASE_NO
    first, again = bureau.heard
    assert first.body == again.body
    assert first.headers["X-Edu-Nonce"] != again.headers["X-Edu-Nonce"]
    bureau = Bureau({"code": 40102, "msg": "clock"})
    with pytest.raises(Refused):
        backend().submit(call(), bureau)
    assert len(bureau.heard) == 2


@pytest.mark.parametrize(
    "body", [b"<html>maintenance</html>", b"", b"[]", b'{"code":"0"}', b'{"code":0.5}', b'{"a":1}']
)
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_no_envelope_is_unknown_for_writes_and_later_for_reads(body: bytes, signed: bool) -> None:
    with pytest.raises(DeliveryUnknown):
        backend().submit(call(), Bureau(body, signed=signed))
    with pytest.raises(NotDelivered):
        backend().find(call(), Bureau(body, signed=signed))


def test_an_unsigned_answer_tells_nothing_whatever_it_says() -> None:
    for answer in (done(case("PASSED")), {"code": 40001, "msg": "no"}, {"code": 40401, "msg": "no"}):
        with pytest.raises(DeliveryUnknown, match="without a valid signature"):
            backend().submit(call(), Bureau(answer, signed=False))
        with pytest.raises(NotDelivered):
            backend().find(call(), Bureau(answer, signed=False))


def test_an_answer_about_another_case_is_not_understood() -> None:
    for body in (case(callId="another"), case(caseNo="")):
        with pytest.raises(NotUnderstood):
            backend().submit(call(), Bureau(done(body)))
    with pytest.raises(NotUnderstood, match="another case"):
        backend().find(call(department_ref="JY20260101000001"), Bureau(done(case())))


# -- states ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("ACCEPTED", Outcome.ACCEPTED),
        ("NOT_ACCEPTED", Outcome.REFUSED_INTAKE),
        ("NEED_SUPPLEMENT", Outcome.CORRECTION),
        ("SUPPLEMENT_OVERDUE", Outcome.LAPSED),
        ("REVIEWING", Outcome.REVIEWING),
        ("SUSPENDED", Outcome.SPECIAL_STARTED),
        ("PASSED", Outcome.GRANTED),
        ("REJECTED", Outcome.DENIED),
        ("MAKING", Outcome.ISSUING),
        ("READY", Outcome.READY),
        ("DELIVERED", Outcome.DELIVERED),
        ("CANCELED", Outcome.WITHDRAWN),
        ("REVOKED", Outcome.REVOKED),
        ("PONDERING", Outcome.UNKNOWN),
        ("passed", Outcome.UNKNOWN),
    ],
)
def test_a_state_is_our_word_with_its_time_number_and_raw_text(state: str, outcome: Outcome) -> None:
    word = word_of(state, opinion="意见")
    assert word.outcome is outcome
    assert word.at == datetime(2026, 11, 23, 6, 5, 10, tzinfo=UTC)
    assert (word.seq, word.event_id, word.text) == (3, f"{CASE_NO}-3", "意见")
    assert json.loads(word.raw) == case(state, opinion="意见")


def test_a_case_in_their_in_box_is_no_news() -> None:
    standing = backend().submit(call(), Bureau(done(case("RECEIVED"))))
    assert (standing.department_ref, standing.words) == (CASE_NO, ())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("R01", DecisionReason.CONDITION_NOT_MET),
        ("R02", DecisionReason.RECORD_CONFLICT),
        ("R03", DecisionReason.ALREADY_GRANTED),
        ("R04", DecisionReason.CONDITION_NOT_MET),
        ("R05", DecisionReason.MATERIAL_NOT_SUFFICIENT),
        ("R99", DecisionReason.OTHER),
        ("R77", DecisionReason.OTHER),
    ],
)
def test_a_reason_has_its_canonical_one(code: str, reason: DecisionReason) -> None:
    assert word_of("REJECTED", reasonCode=code).reason is reason
    assert word_of("PASSED", reasonCode=code).reason is DecisionReason.GRANTED


def test_a_correction_names_what_is_asked_for_and_until_when() -> None:
    items = [
        {"target": "FORM", "no": "E005-03", "reason": "请核对"},
        {"target": "MATERIAL", "no": "M1", "reason": "请重新提交"},
    ]
    word = word_of("NEED_SUPPLEMENT", correction={"dueDate": "2026-12-01", "items": items}, opinion="一次性告知")
    assert word.marks == (Mark("wire:E005-03", "请核对"), Mark("wire:material:M1", "请重新提交"))
    assert (word.due_on, word.text) == (date(2026, 12, 1), "一次性告知")
    assert word_of("REVIEWING", correction={"dueDate": "2026-12-01", "items": items}).marks == ()


def test_a_special_procedure_says_what_it_is_and_how_long() -> None:
    assert word_of("SUSPENDED", special={"kind": "专家评审", "expectedEnd": "2026-12-20"}).text == (
        "专家评审，预计2026-12-20结束"
    )
    assert word_of("SUSPENDED", special={"kind": "公示"}).text == "公示"


def test_a_decision_of_an_instant_item_without_an_officer_is_automatic() -> None:
    instant = call(common={"mode": "instant", "applicant": {}})

    def automatic(item: BackendCall, body: dict[str, Any]) -> bool:
        return backend().submit(item, Bureau(done(body))).words[-1].automatic

    assert automatic(instant, case("PASSED"))
    assert automatic(instant, case("REJECTED"))
    assert not automatic(instant, case("PASSED", manual=True))
    assert not automatic(instant, case("REVIEWING", manual=True))
    assert not automatic(call(), case("PASSED"))


def test_a_result_follows_where_a_document_is_to_be_collected() -> None:
    here, there = (
        {"docNo": "D1", "title": "证书", "collectAt": "窗口"},
        {"docNo": "D2", "title": "通知", "eCertNo": "1"},
    )
    assert word_of("PASSED", documents=[there, here]).result_follows
    assert not word_of("PASSED", documents=[there]).result_follows
    assert not word_of("REJECTED", documents=[here]).result_follows


def test_a_warning_beside_success_is_kept_with_the_word() -> None:
    answered = Bureau(done(case("PASSED", opinion="核定"), msg="学籍信息待核"))
    (word,) = backend().submit(call(), answered).words
    assert (word.outcome, word.text) == (Outcome.GRANTED, "核定；学籍信息待核")


def test_the_history_comes_first_and_what_cannot_be_read_of_it_is_passed_over() -> None:
    history = [
        {"seq": 1, "state": "RECEIVED", "stateTime": "2026-11-23 14:05:00"},
        {"seq": 5, "state": "REVIEWING", "stateTime": "2026-11-24 09:00:00"},
        {"seq": 2, "state": "ACCEPTED", "stateTime": "2026-11-23 15:00:00"},
        {"seq": 9, "state": "MAKING", "stateTime": "2026-11-25 09:00:00"},
        {"time": "2026-11-24", "what": "called"},
        "note",
    ]
    standing = backend().find(call(), Bureau(done(case("MAKING", seq=9, history=history))))
    assert standing is not None
    assert [(w.seq, w.outcome) for w in standing.words] == [
        (5, Outcome.REVIEWING),
        (2, Outcome.ACCEPTED),
        (9, Outcome.ISSUING),
    ]
    assert "history" not in standing.words[-1].raw


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": "3"},
        {"seq": 0},
        {"stateTime": "2026-11-23T14:05:10"},
        {"stateTime": "2026-02-30 00:00:00"},
        {"state": ""},
        {"state": 5},
        {"callId": None},
        {"opinion": 7},
    ],
)
def test_a_case_that_cannot_be_read_is_not_understood(wrong: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood):
        backend().submit(call(), Bureau(done(case(**wrong))))


@pytest.mark.parametrize(
    "block",
    [[], {"items": "all"}, {"items": ["M1"]}, {"dueDate": "soon", "items": []}, {"items": [{"target": "FORM"}]}],
)
def test_a_correction_that_cannot_be_read_is_not_understood(block: Any) -> None:
    with pytest.raises(NotUnderstood):
        word_of("NEED_SUPPLEMENT", correction=block)


# -- files -----------------------------------------------------------------------------------------------------


def with_files(*digests: str, **files: Any) -> BackendCall:
    paper = {"id": "M1", "how": "scan", "original_seen": True, "files": [{"digest": digest} for digest in digests]}
    common = {"applicant": {}, "materials": [paper, {"id": "M2", "how": "paper", "original_seen": True}]}
    return call(common=common, files=files)


def opened(media_type: str, content: bytes) -> Callable[[], tuple[str, bytes]]:
    return lambda: (media_type, content)


def test_files_go_up_first_and_their_ids_stand_in_the_case() -> None:
    bureau = Bureau(uploaded, uploaded, done(case()))
    files = {"a": opened("application/pdf", PDF), "b": opened("image/png", PNG)}
    backend().submit(with_files("a", "b", **files), bureau)
    first, second, filing = bureau.heard
    assert [r.url for r in bureau.heard] == ["/edu-service/v2/files"] * 2 + ["/edu-service/v2/cases"]
    assert (first.body, first.headers["Content-Type"], first.headers["X-Edu-File-Name"], first.purpose) == (
        PDF,
        "application/pdf",
        "M1-1.pdf",
        "upload",
    )
    assert (second.body, second.headers["Content-Type"], second.headers["X-Edu-File-Name"]) == (
        PNG,
        "image/png",
        "M1-2.png",
    )
    signing.check_request(SECRET, app="gw-1", method="POST", target=first.url, headers=first.headers, body=PDF, now=NOW)
    ids = [f"f-{hashlib.sha256(content).hexdigest()[:8]}" for content in (PDF, PNG)]
    assert json.loads(filing.body)["materials"][0]["fileIds"] == ids


def test_a_missing_file_is_refused_before_anything_is_sent() -> None:
    bureau = Bureau(uploaded)
    with pytest.raises(Refused, match="M1 is not here: b"):
        backend().submit(with_files("a", "b", a=opened("application/pdf", PDF)), bureau)
    assert bureau.heard == []


@pytest.mark.parametrize(
    ("media_type", "content"), [("image/gif", PNG), ("application/pdf", bytes(10 * 1024 * 1024 + 1))]
)
def test_a_file_they_would_not_take_is_refused_here(media_type: str, content: bytes) -> None:
    with pytest.raises(Refused, match="too large or of another type"):
        backend().submit(with_files("a", a=opened(media_type, content)), Bureau(uploaded))


def test_more_than_thirty_files_are_refused_here() -> None:
    with pytest.raises(Refused, match="31 files"):
        backend().submit(with_files(*["a"] * 31, a=opened("image/png", PNG)), Bureau(uploaded))


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>maintenance</html>",
        {"code": 40401, "msg": "?"},
        {"code": 40901, "msg": "?"},
        {"code": 50001, "msg": "busy"},
        {"code": 77777, "msg": "?"},
        done({"fileId": "f-1"}),
        done({"fileId": "f-1", "sha256": "0" * 64}),
        DeliveryUnknown("the line was cut", peer="FT_EDU"),
        NotDelivered("no line", peer="FT_EDU"),
    ],
)
def test_an_upload_that_ends_badly_is_never_unknown_for_nothing_was_filed(answer: Any) -> None:
    bureau = Bureau(answer)
    with pytest.raises(NotDelivered, match="an upload failed"):
        backend().submit(with_files("a", a=opened("image/png", PNG)), bureau)
    assert [request.url for request in bureau.heard] == ["/edu-service/v2/files"]


def test_an_upload_they_turn_down_is_refused() -> None:
    with pytest.raises(Refused):
        backend().submit(with_files("a", a=opened("image/png", PNG)), Bureau({"code": 40001, "msg": "坏文件"}))


# -- supplements and withdrawals -------------------------------------------------------------------------------


def test_a_supplement_goes_to_the_case_with_its_own_id() -> None:
    bureau = Bureau(done(case("REVIEWING", seq=6)))
    asked = replace(act("supplement", supplement_kind="CORRECTION"), content={"E005-03": "新学校"})
    standing = backend().submit(asked, bureau)
    assert [w.outcome for w in standing.words] == [Outcome.REVIEWING]
    (request,) = bureau.heard
    assert (request.method, request.url) == ("POST", f"/edu-service/v2/cases/{CASE_NO}/supplements")
    assert json.loads(request.body)["supplementId"] == asked.call_id


def test_a_late_paper_is_uploaded_before_its_supplement() -> None:
    bureau = Bureau(uploaded, done(case("REVIEWING")))
    paper = {"id": "M3", "how": "upload", "original_seen": True, "files": [{"digest": "a"}]}
    late = replace(
        act("supplement", supplement_kind="LATE", materials=[paper]), files={"a": opened("application/pdf", PDF)}
    )
    backend().submit(late, bureau)
    assert [request.url.rpartition("/")[2] for request in bureau.heard] == ["files", "supplements"]
    assert json.loads(bureau.heard[1].body)["materials"][0]["fileIds"]


def test_a_withdrawal_is_answered_with_the_case_also_when_it_came_too_late() -> None:
    bureau = Bureau(done(case("CANCELED", seq=8)))
    assert backend().submit(act("withdraw", why="wish"), bureau).words[-1].outcome is Outcome.WITHDRAWN
    assert bureau.heard[0].url == f"/edu-service/v2/cases/{CASE_NO}/withdrawal"
    late = Bureau({"code": 40902, "msg": "已办结", "body": case("PASSED", seq=8)})
    assert backend().submit(act("withdraw", why="wish"), late).words[-1].outcome is Outcome.GRANTED


@pytest.mark.parametrize(
    ("kind", "state", "taken"),
    [
        ("CORRECTION", "SUPPLEMENT_OVERDUE", True),
        ("CORRECTION", "REJECTED", True),
        ("CORRECTION", "REVIEWING", False),
        ("LATE", "REVIEWING", False),
        ("LATE", "PASSED", False),
    ],
)
def test_a_supplement_that_is_not_possible_is_lost_in_silence_only_where_the_case_has_ended(
    kind: str, state: str, taken: bool
) -> None:
    bureau = Bureau({"code": 40902, "msg": "不可补正", "body": case(state)})
    if taken:
        assert backend().submit(act("supplement", supplement_kind=kind), bureau).words
    else:
        with pytest.raises(Refused, match="not possible now"):
            backend().submit(act("supplement", supplement_kind=kind), bureau)


def test_an_act_needs_their_number_and_they_must_know_it() -> None:
    bureau = Bureau({"code": 40401, "msg": "?"})
    for asked in (act("withdraw"), act("supplement", supplement_kind="LATE")):
        with pytest.raises(Refused, match="not known yet"):
            backend().submit(replace(asked, department_ref=""), bureau)
        assert bureau.heard == []
        assert backend().find(replace(asked, department_ref=""), bureau) is None
    with pytest.raises(Refused, match=f"does not know {CASE_NO}"):
        backend().submit(act("withdraw"), bureau)


@pytest.mark.parametrize(
    ("operation", "kind", "state", "arrived"),
    [
        ("withdraw", "", "CANCELED", True),
        ("withdraw", "", "REJECTED", True),
        ("withdraw", "", "REVIEWING", False),
        ("withdraw", "", "RECEIVED", False),
        ("supplement", "CORRECTION", "NEED_SUPPLEMENT", False),
        ("supplement", "CORRECTION", "RECEIVED", True),
        ("supplement", "CORRECTION", "REVIEWING", True),
        ("supplement", "LATE", "REVIEWING", False),
    ],
)
def test_an_act_is_asked_about_by_reading_the_case(operation: str, kind: str, state: str, arrived: bool) -> None:
    bureau = Bureau(done(case(state)))
    found = backend().find(act(operation, supplement_kind=kind), bureau)
    assert (found is not None) is arrived
    assert (bureau.heard[0].method, bureau.heard[0].url) == ("GET", f"/edu-service/v2/cases/{CASE_NO}")


# -- pushes ----------------------------------------------------------------------------------------------------


def push(body: Any, *, path: str = "/callback/FT_EDU", query: bytes = b"", signed_path: str = "") -> WireRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    target = signed_path or (f"{path}?{query.decode()}" if query else path)
    made = signing.signed_headers(
        SECRET, app="edu-push", method="POST", target=target, body=raw, now=NOW, nonce=signing.new_nonce()
    )
    return WireRequest("POST", path, query, {k.lower(): v for k, v in made.items()}, raw, "127.0.0.1", NOW)


def test_a_push_is_one_word_about_our_call() -> None:
    (event,) = backend().read_callback(push({"eventId": "E-1", "case": case("PASSED")}))
    assert (event.call_id, event.department_ref) == (CALL_ID, CASE_NO)
    assert event.word == word_of("PASSED")


def test_a_push_of_no_news_is_no_event() -> None:
    assert backend().read_callback(push({"eventId": "E-1", "case": case("RECEIVED")})) == []


def test_a_push_behind_a_proxy_is_verified_over_the_path_they_signed() -> None:
    body = {"eventId": "E-1", "case": case()}
    assert backend().read_callback(push(body, query=b"a=1"))
    behind = push(body, path="/inner", signed_path="/outer/FT_EDU")
    assert backend(callback_path="/outer/FT_EDU").read_callback(behind)
    with pytest.raises(NotAuthentic):
        backend().read_callback(behind)


@pytest.mark.parametrize("name", ["x-edu-appid", "x-edu-timestamp", "x-edu-nonce", "x-edu-signature"])
def test_a_push_with_a_strange_header_never_enters(name: str) -> None:
    request = push({"eventId": "E-1", "case": case()})
    with pytest.raises(NotAuthentic):
        backend().read_callback(replace(request, headers={**request.headers, name: "gw-1"}))


@pytest.mark.parametrize("body", [b"<html>", {"eventId": "E-1"}, {"case": case()}, {"eventId": 1, "case": case()}, []])
def test_a_push_that_cannot_be_read_is_not_understood(body: Any) -> None:
    with pytest.raises(NotUnderstood):
        backend().read_callback(push(body))


def test_a_push_is_taken_with_code_zero_and_200_only() -> None:
    taken, later = backend().acknowledge(True), backend().acknowledge(False)
    assert (taken.status, json.loads(taken.body)) == (200, {"code": 0})
    assert later.status == 503
