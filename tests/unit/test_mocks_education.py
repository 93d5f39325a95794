"""The education bureau over real loopback HTTP: each operation of its document, its codes, its signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mocks.departments.edu_courses import Course, Rule
from mocks.departments.edu_hours import desk_time
from mocks.departments.edu_pushes import EduPushes
from mocks.departments.edu_signing import EduSigner
from mocks.departments.education import EducationBureau

SECRET = b"edu-demo-secret-not-for-use"
BASE = "/edu-service/v2"
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "docs/departments/examples/FT_EDU_submit.json").read_bytes()
BEIJING = timezone(timedelta(hours=8))
PDF = b"%PDF-1.4 sample"


class Clock:
    """A clock that begins on a Monday morning in Beijing, so that no test meets the nightly pause."""

    def __init__(self, begins: str = "2026-11-23 10:00:00") -> None:
        self.set(begins)

    def set(self, moment: str) -> None:
        self._begins = datetime.fromisoformat(f"{moment}+08:00").astimezone(UTC)
        self._since = time.monotonic()

    def __call__(self) -> datetime:
        return self._begins + timedelta(seconds=time.monotonic() - self._since)


def sign(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> str:
    lines = [method, target, timestamp, nonce, hashlib.sha256(body).hexdigest()]
    return hmac.new(SECRET, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


class Gateway:
    """Where the bureau pushes to; checks its signatures and signs its own answers as the document asks."""

    def __init__(self) -> None:
        self.pushes: queue.Queue[dict[str, Any]] = queue.Queue()
        self.answers: list[bytes] = []
        gateway = self

        class Desk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stamp, nonce = self.headers["X-Edu-Timestamp"], self.headers["X-Edu-Nonce"]
                good = self.headers["X-Edu-Signature"] == sign("POST", self.path, stamp, nonce, body)
                app = self.headers["X-Edu-AppId"]
                gateway.pushes.put({**json.loads(body), "good": good, "app": app})
                answer = gateway.answers.pop(0) if gateway.answers else b'{"code":0}'
                self.send_response(200)
                self.send_header("X-Edu-Timestamp", stamp)
                self.send_header("X-Edu-Nonce", nonce)
                self.send_header("X-Edu-Signature", sign("RESPONSE", "200", stamp, nonce, answer))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback/FT_EDU?x=1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self, count: int) -> list[str]:
        return [self.pushes.get(timeout=20)["case"]["state"] for _ in range(count)]


class Caller:
    """Signs, sends and checks the answer's signature, from the document alone."""

    def __init__(self, port: int, clock: Callable[[], datetime]) -> None:
        self.port = port
        self.clock = clock
        self.headers: dict[str, str] = {}

    def send(self, method: str, target: str, body: bytes = b"", **change: str) -> tuple[int, bytes, bool]:
        """``change``: headers with ``_`` for ``-``, replaced after signing unless they are signed themselves."""
        change = {name.replace("_", "-"): value for name, value in change.items()}
        stamp = change.get("X-Edu-Timestamp", str(int(self.clock().timestamp() * 1000)))
        nonce = change.get("X-Edu-Nonce", secrets.token_hex(8))
        headers = {
            "X-Edu-AppId": "gw-futian-01",
            "X-Edu-Timestamp": stamp,
            "X-Edu-Nonce": nonce,
            "X-Edu-Signature": sign(method, target, stamp, nonce, body),
            "Content-Type": "application/json",
            **change,
        }
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            line.request(method, target, body=body or None, headers=headers)
            answer = line.getresponse()
            raw = answer.read()
            self.headers = {name.lower(): value for name, value in answer.headers.items()}
            at, echoed = self.headers.get("x-edu-timestamp", ""), self.headers.get("x-edu-nonce", "")
            good = self.headers.get("x-edu-signature") == sign("RESPONSE", str(answer.status), at, nonce, raw)
            return answer.status, raw, good and echoed == nonce and "x-edu-appid" not in self.headers
        finally:
            line.close()

    def ask(self, method: str, path: str, body: Any = None, **change: str) -> dict[str, Any]:
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        status, answer, good = self.send(method, BASE + path, raw, **change)
        told = json.loads(answer)
        assert good
        assert status == (200 if told["code"] == 0 else int(str(told["code"])[:3]))
        assert set(told) <= {"code", "msg", "traceId", "body"}
        return dict(told)

    def case(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        told = self.ask(method, path, body)
        assert told["code"] == 0, told
        return dict(told["body"])

    def submit(self, **change: Any) -> dict[str, Any]:
        return self.case("POST", "/cases", application(**change))

    def upload(
        self, content: bytes = PDF, kind: str = "application/pdf", name: str = "%E6%9D%90.pdf"
    ) -> dict[str, Any]:
        _, raw, good = self.send("POST", f"{BASE}/files", content, Content_Type=kind, X_Edu_File_Name=name)
        assert good
        return dict(json.loads(raw))

    def control(self, method: str, order: str, body: Any = None) -> Any:
        raw = None if body is None else body if isinstance(body, str) else json.dumps(body)
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            line.request(method, f"/control/{order}", body=raw)
            answer = line.getresponse().read()
            return json.loads(answer) if answer[:1] in (b"{", b"[") else answer.decode()
        finally:
            line.close()

    def until(self, case_no: str, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + 2
        while (shown := self.case("GET", f"/cases/{case_no}"))["state"] != state:
            assert time.monotonic() < deadline, shown
            time.sleep(0.03)
        return shown


PERSON = {
    "subject": "1",
    "name": "王𠮷·祥",
    "gender": "1",
    "idType": "01",
    "idNo": "44030419900307123X",
    "mobile": "13800009901",
    "address": {"regionCode": "440304", "streetCode": "440304007", "community": "梅河社区", "detail": "梅华路1号"},
}
ORGANISATION = {
    "subject": "2",
    "orgName": "福田样例幼儿园",
    "creditCode": "52440304MJ9000022W",
    "legalName": "沈砚",
    "legalIdNo": "11010519491231002X",
    "regAddress": {"regionCode": "440305", "detail": "样例路2号"},
    "contactName": "唐映",
    "contactMobile": "13800009901",
}
TRANSFER = [
    ("E005-01", "王小满"),
    ("E005-02", "G440304201506010033"),
    ("E005-03", "样例小学"),
    ("E005-04", "440305"),
    ("E005-05", "福田样例学校"),
    ("E005-06", "3"),
    ("E005-07", "02"),
]


def application(
    magic: str = "9901", item: str = "FT-EDU-005", call_id: str = "call-0001", mode: str = "DZ", **change: Any
) -> dict[str, Any]:
    body = json.loads(EXAMPLE)
    form = {"rows": [{"no": number, "value": value} for number, value in TRANSFER]}
    return {
        **body,
        "callId": call_id,
        "receiptNo": f"FT{call_id}",
        "itemCode": item,
        "applicant": PERSON | {"mobile": f"1380000{magic}"},
        "delivery": {"mode": mode},
        "form": body["form"] if item == "FT-EDU-001" else form,
        "materials": [{"no": "M1", "name": "户口簿", "status": "4", "originalSeen": "1"}],
        **change,
    }


def names(shown: dict[str, Any]) -> list[str]:
    return [past["state"] for past in shown["history"]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    desk = Gateway()
    yield desk
    desk.close()


@pytest.fixture
def rule() -> Rule:
    return Rule(shares={Course.GRANT: 1}, decide_after=0.08, instant=frozenset({"FT-EDU-001"}))


@pytest.fixture
def bureau(tmp_path: Path, gateway: Gateway, clock: Clock, rule: Rule) -> Iterator[EducationBureau]:
    with EducationBureau(
        SECRET, tmp_path, rule=rule, callback_url=gateway.url, clock=clock, slow_seconds=0.3, most_per_second=0
    ) as department:
        yield department


@pytest.fixture
def caller(bureau: EducationBureau, clock: Clock) -> Caller:
    return Caller(bureau.port, clock)


def test_the_worked_examples_of_the_document_come_out() -> None:
    signer = EduSigner(SECRET)
    document = (ROOT / "docs/departments/FT_EDU.md").read_text(encoding="utf-8")
    times = {"timestamp": "1795413909000", "nonce": "k3v9q2m7x1c8b5n0"}
    target = f"{BASE}/cases/by-call/5f0c2b7e9d1a4e60b8c3d7a2914f6e08"

    post = signer.sign_request("POST", f"{BASE}/cases", **times, body=EXAMPLE)
    find = signer.sign_request("GET", target, **times, body=b"")
    assert len(EXAMPLE) == 1171
    assert post == "1913f9f754d6285790266f2bff1d2d3aaee3e680753387ec8b6de76b56eca5cf"
    assert find == "6134a7a83aaead22ee145509edb37f3541d9590cfc09fdf7cbe951e27afaf158"
    assert [s in document for s in (post, find, hashlib.sha256(EXAMPLE).hexdigest())] == [True] * 3


def test_the_example_set_in_lines_is_the_one_that_is_signed() -> None:
    document = (ROOT / "docs/departments/FT_EDU.md").read_text(encoding="utf-8")
    shown = json.loads(document.partition("```json\n")[2].partition("```")[0])

    assert json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode() == EXAMPLE


def test_the_worked_example_is_taken_over_the_wire_and_decided_in_the_answer(
    bureau: EducationBureau, caller: Caller, clock: Clock
) -> None:
    clock.set("2026-11-23 14:05:09")
    bureau.ledger.put_file(PDF, name="户口簿.pdf", kind="application/pdf", file_id="f-7d1c0a52")
    stamp, nonce = "1795413909000", "k3v9q2m7x1c8b5n0"
    status, raw, good = caller.send("POST", f"{BASE}/cases", EXAMPLE, X_Edu_Timestamp=stamp, X_Edu_Nonce=nonce)
    told = json.loads(raw)

    assert (status, good, told["code"], told["msg"]) == (200, True, 0, "ok")
    shown = told["body"]
    assert (shown["state"], shown["opinion"]) == ("PASSED", "核定补贴 7000.00 元")
    assert shown["caseNo"][:10] == "JY20261123"
    assert len(shown["caseNo"]) == 16
    assert shown["stateTime"][:15] == "2026-11-23 14:0"
    assert [document["title"] for document in shown["documents"]] == ["补贴核定结果通知"]
    assert "history" not in shown


@pytest.mark.parametrize(
    ("magic", "state", "reason"),
    [("9901", "PASSED", None), ("9902", "REJECTED", "R01"), ("9906", "REJECTED", "R05"), ("9907", "REJECTED", "R99")],
)
def test_an_instant_item_is_decided_at_once(caller: Caller, magic: str, state: str, reason: str | None) -> None:
    shown = caller.submit(magic=magic, item="FT-EDU-001")

    assert (shown["state"], shown.get("reasonCode")) == (state, reason)
    assert names(caller.case("GET", "/cases/by-call/call-0001")) == ["RECEIVED", state]


def test_an_instant_item_whose_data_source_is_down_is_reviewed_and_pushed(caller: Caller, gateway: Gateway) -> None:
    shown = caller.submit(magic="9913", item="FT-EDU-001")
    push = gateway.pushes.get(timeout=20)

    assert (shown["state"], shown["manual"]) == ("REVIEWING", True)
    assert (push["case"]["state"], push["good"], push["app"]) == ("PASSED", True, "edu-push")
    assert "manual" not in push["case"]
    assert push["case"]["seq"] > shown["seq"]


def test_any_other_item_is_received_and_then_pushed_step_by_step(caller: Caller, gateway: Gateway) -> None:
    shown = caller.submit()
    pushes = [gateway.pushes.get(timeout=20) for _ in range(3)]

    assert shown["state"] == "RECEIVED"
    assert [push["case"]["state"] for push in pushes] == ["ACCEPTED", "REVIEWING", "PASSED"]
    assert pushes[0]["case"]["promisedDate"] == "2026-12-07"
    assert len({push["eventId"] for push in pushes}) == 3
    assert sorted(pushes, key=lambda push: push["case"]["seq"]) == pushes
    assert all(push["good"] and set(push) == {"eventId", "case", "good", "app"} for push in pushes)


@pytest.mark.parametrize(
    ("magic", "states"),
    [
        ("9904", ["RECEIVED", "ACCEPTED", "REVIEWING", "REJECTED"]),
        ("9908", ["RECEIVED", "NOT_ACCEPTED"]),
        ("9910", ["RECEIVED", "NEED_SUPPLEMENT", "SUPPLEMENT_OVERDUE"]),
        ("9911", ["RECEIVED", "ACCEPTED", "REVIEWING", "SUSPENDED", "REVIEWING", "PASSED"]),
        ("9912", ["RECEIVED", "ACCEPTED", "REVIEWING", "SUSPENDED", "REVIEWING", "REJECTED"]),
        ("9915", ["RECEIVED", "ACCEPTED", "REVIEWING", "PASSED", "MAKING", "READY", "DELIVERED"]),
        ("9916", ["RECEIVED", "ACCEPTED", "REVIEWING", "PASSED", "REVOKED"]),
    ],
)
def test_a_magic_number_makes_a_case_go_its_way(caller: Caller, magic: str, states: list[str]) -> None:
    case_no = caller.submit(magic=magic)["caseNo"]
    shown = caller.until(case_no, states[-1])

    assert names(shown) == states


def test_a_paper_certificate_is_made_and_waits_where_it_says(caller: Caller, gateway: Gateway) -> None:
    case_no = caller.submit(mode="CK")["caseNo"]
    states = gateway.states(5)
    ready = caller.case("GET", f"/cases/{case_no}")

    assert states[-2:] == ["MAKING", "READY"]
    assert ready["documents"][0]["collectAt"] == "福田区教育局办事窗口"


def test_a_case_is_found_by_either_number_with_its_history(caller: Caller) -> None:
    filed = caller.submit(magic="9917")
    by_call = caller.case("GET", "/cases/by-call/call-0001")
    by_number = caller.case("GET", f"/cases/{filed['caseNo']}")

    assert by_call == by_number
    assert by_call == filed | {"history": [{"seq": 1, "state": "RECEIVED", "stateTime": filed["stateTime"]}]}
    assert caller.ask("GET", "/cases/by-call/call-9999")["code"] == 40401
    assert caller.ask("GET", "/cases/JY20261123999999")["code"] == 40401


def test_the_same_call_again_gets_the_case_as_it_stands_and_other_content_is_refused(caller: Caller) -> None:
    first = caller.submit(magic="9917")
    other_files = application(magic="9917", materials=[])
    caller.control("POST", "decide", {"caseNo": first["caseNo"], "state": "ACCEPTED"})
    again = caller.case("POST", "/cases", other_files)
    changed = application(magic="9917", receiptNo="FT-other")
    refused = [caller.ask("POST", "/cases", body)["code"] for body in (changed, application(item="FT-EDU-001"))]
    (row,) = caller.control("GET", "ledger")["rows"]

    assert (again["caseNo"], again["state"]) == (first["caseNo"], "ACCEPTED")
    assert refused == [40901, 40901]
    assert (row["arrivals"], row["repeats"], row["conflicts"], row["duplicates"]) == (4, 1, 2, 0)


def test_a_correction_names_what_is_wrong_and_is_granted_after_the_supplement(caller: Caller, gateway: Gateway) -> None:
    case_no = caller.submit(magic="9909")["caseNo"]
    asked = gateway.pushes.get(timeout=20)["case"]
    file_id = caller.upload()["body"]["fileId"]
    body = {
        "supplementId": "supp-0001",
        "kind": "CORRECTION",
        "form": {"rows": [{"no": "E005-01", "value": "王小滿"}]},
        "materials": [{"no": "M1", "name": "户口簿", "status": "1", "originalSeen": "1", "fileIds": [file_id]}],
    }
    told = caller.case("POST", f"/cases/{case_no}/supplements", body)
    states = gateway.states(3)
    again = caller.case("POST", f"/cases/{case_no}/supplements", body)

    assert asked["state"] == "NEED_SUPPLEMENT"
    assert asked["correction"]["dueDate"] == "2026-11-30"
    assert [(item["target"], item["no"]) for item in asked["correction"]["items"]] == [
        ("FORM", "E005-01"),
        ("MATERIAL", "M1"),
    ]
    assert (told["state"], "correction" in told) == ("RECEIVED", False)
    assert states == ["ACCEPTED", "REVIEWING", "PASSED"]
    assert again == told


def test_a_late_document_changes_no_state_and_a_correction_nobody_asked_for_is_refused(caller: Caller) -> None:
    filed = caller.submit(magic="9917")
    path = f"/cases/{filed['caseNo']}/supplements"
    material = {"no": "M2", "name": "证明", "status": "4", "originalSeen": "1"}
    late = caller.case("POST", path, {"supplementId": "supp-0001", "kind": "LATE", "materials": [material]})
    refused = caller.ask("POST", path, {"supplementId": "supp-0002", "kind": "CORRECTION", "materials": [material]})
    wrong = caller.ask("POST", path, {"supplementId": "supp-0003", "kind": "LATER"})

    assert late == filed
    assert (refused["code"], refused["body"]) == (40902, filed)
    assert {error["path"] for error in wrong["body"]["errors"]} == {"kind", "body"}


def test_what_is_not_decided_is_withdrawn_and_what_is_decided_is_not(caller: Caller) -> None:
    order = {"callId": "call-with", "reason": "改办"}
    open_case = caller.submit(magic="9917")["caseNo"]
    withdrawn = caller.case("POST", f"/cases/{open_case}/withdrawal", order)
    again = caller.case("POST", f"/cases/{open_case}/withdrawal", order)
    decided = caller.submit(item="FT-EDU-001", call_id="call-0002")
    refused = caller.ask("POST", f"/cases/{decided['caseNo']}/withdrawal", {**order, "callId": "call-wit2"})

    assert (withdrawn["state"], again) == ("CANCELED", withdrawn)
    assert caller.case("GET", "/cases/by-call/call-with")["caseNo"] == open_case
    assert (refused["code"], refused["body"]) == (40902, decided)


def test_a_withdrawal_that_crosses_a_decision_meets_it(caller: Caller, gateway: Gateway) -> None:
    case_no = caller.submit(magic="9918")["caseNo"]
    gateway.states(2)
    refused = caller.ask("POST", f"/cases/{case_no}/withdrawal", {"callId": "call-with", "reason": "改办"})

    assert (refused["code"], refused["body"]["state"]) == (40902, "PASSED")
    assert gateway.states(1) == ["PASSED"]


def test_a_file_is_kept_and_a_submit_may_refer_to_it_for_a_day(caller: Caller, clock: Clock) -> None:
    kept = caller.upload()["body"]
    stale = caller.upload()["body"]["fileId"]
    row = {"no": "M1", "name": "户口簿", "status": "1", "originalSeen": "1"}
    caller.submit(magic="9917", materials=[row | {"fileIds": [kept["fileId"]]}])
    clock.set("2026-11-24 10:00:01")
    late = caller.ask("POST", "/cases", application(call_id="call-0002", materials=[row | {"fileIds": [stale]}]))
    used = caller.ask(
        "POST", "/cases", application(call_id="call-0003", materials=[row | {"fileIds": [kept["fileId"]]}])
    )
    ledger = caller.control("GET", "ledger?bodies=1&callId=call-0001")["rows"][0]

    assert kept == {"fileId": kept["fileId"], "sha256": hashlib.sha256(PDF).hexdigest(), "size": len(PDF)}
    assert late["body"]["errors"][0]["path"] == "materials[0].fileIds[0]"
    assert (late["code"], used["code"]) == (40001, 0)
    assert [(file["name"], file["kind"]) for file in ledger["files"]] == [("材.pdf", "application/pdf")]


@pytest.mark.parametrize(
    ("content", "kind", "name", "path"),
    [
        (b"GIF89a", "image/gif", "a.gif", "Content-Type"),
        (PDF, "image/png", "a.png", "body"),
        (PDF, "application/pdf", "%FF", "X-Edu-File-Name"),
        (b"%PDF-" + bytes(10 * 1024 * 1024 - 4), "application/pdf", "a.pdf", "body"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(
    caller: Caller, content: bytes, kind: str, name: str, path: str
) -> None:
    told = caller.upload(content, kind, name)

    assert (told["code"], told["body"]["errors"][0]["path"]) == (40001, path)


def test_a_document_comes_as_signed_bytes_with_a_digest(caller: Caller) -> None:
    case_no = caller.submit(item="FT-EDU-001")["caseNo"]
    status, raw, good = caller.send("GET", f"{BASE}/cases/{case_no}/documents/D1")
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode()

    assert (status, good, raw[:5], raw[-6:]) == (200, True, b"%PDF-", b"%%EOF\n")
    assert (caller.headers["content-type"], caller.headers["digest"]) == ("application/pdf", f"sha-256={digest}")
    assert case_no.encode("utf-16-be").hex().encode() in raw
    assert caller.ask("GET", f"/cases/{case_no}/documents/D9")["code"] == 40401


def test_the_day_list_shows_the_last_state_of_the_day_from_one_o_clock(caller: Caller, clock: Clock) -> None:
    first = caller.submit(item="FT-EDU-001")
    held = caller.submit(magic="9917", call_id="call-0002")
    early = caller.ask("GET", "/day-lists/2026-11-23?page=1")
    wait = int(caller.headers["retry-after"])
    clock.set("2026-11-24 00:50:00")
    caller.control("POST", "decide", {"caseNo": held["caseNo"], "state": "ACCEPTED"})
    clock.set("2026-11-24 01:00:01")
    listed = caller.case("GET", "/day-lists/2026-11-23?page=1")
    beyond = caller.case("GET", "/day-lists/2026-11-23?page=2")

    assert early["code"] == 42901
    assert 14.9 * 3600 < wait <= 15 * 3600
    assert (listed["date"], listed["page"], listed["pages"], listed["total"]) == ("2026-11-23", 1, 1, 2)
    kept = ("callId", "caseNo", "itemCode", "seq", "state", "stateTime")
    assert listed["rows"] == [{name: case[name] for name in kept} for case in (first, held)]
    assert beyond["rows"] == []
    assert caller.ask("GET", "/day-lists/2026-02-30")["code"] == 40001


def test_closures_are_announced_and_tell_until_when(caller: Caller) -> None:
    planned = {"from": "2026-11-25 20:00:00", "to": "2026-11-25 22:00:00", "reason": "系统升级"}
    far = {"from": "2026-12-25 20:00:00", "to": "2026-12-25 22:00:00", "reason": "系统升级"}
    caller.control("POST", "service", {"closures": [far, planned]})
    announced = caller.case("GET", "/service-status")
    caller.control("POST", "service", {"closedUntil": "2026-11-23 12:00:00"})
    closed = caller.ask("GET", "/cases/by-call/call-0001")

    assert announced == {"open": True, "closures": [planned]}
    assert (closed["code"], closed["body"]) == (50301, {"until": "2026-11-23 12:00:00"})
    assert caller.case("GET", "/service-status")["open"] is False


def test_at_night_writes_are_put_off_and_reads_are_answered(caller: Caller, clock: Clock) -> None:
    clock.set("2026-11-23 23:56:00")
    closed = caller.ask("POST", "/cases", application())
    read = caller.ask("GET", "/cases/by-call/call-0001")
    clock.set("2026-11-24 00:06:00")

    assert (closed["code"], closed["body"], read["code"]) == (50301, {"until": "2026-11-24 00:05:00"}, 40401)
    assert caller.submit(magic="9917")["state"] == "RECEIVED"


def test_an_item_that_is_not_open_says_from_when_it_is(caller: Caller) -> None:
    caller.control("POST", "service", {"itemsClosed": {"FT-EDU-005": "2027-04-01"}})
    closed = caller.ask("POST", "/cases", application())
    caller.control("POST", "service", {"itemsClosed": {}})
    magic = caller.ask("POST", "/cases", application(magic="9925"))

    assert (closed["code"], closed["body"]) == (40301, {"openFrom": "2027-04-01"})
    assert (magic["code"], magic["body"]) == (40301, {"openFrom": "2026-11-24"})
    assert caller.control("GET", "ledger")["count"] == 0


def test_in_the_maintenance_everything_is_html_without_signature_and_nothing_is_done(caller: Caller) -> None:
    caller.control("POST", "service", {"maintenance": True})
    status, raw, good = caller.send("POST", f"{BASE}/cases", json.dumps(application()).encode())

    assert (status, raw[:15], good) == (200, b"<!DOCTYPE html>", False)
    assert caller.headers["content-type"].startswith("text/html")
    assert caller.control("GET", "ledger")["count"] == 0


def test_signature_clock_and_nonce_are_refused_in_this_order_and_the_refusal_is_signed(
    caller: Caller, clock: Clock
) -> None:
    far = str(int((clock().timestamp() + 301) * 1000))
    near = str(int((clock().timestamp() + 290) * 1000))

    def code(**change: str) -> int:
        return int(caller.ask("GET", "/cases/by-call/call-0001", **change)["code"])

    assert code(X_Edu_Timestamp=far, X_Edu_Signature="0" * 64) == 40101
    assert code(X_Edu_AppId="") == 40101
    assert [code(X_Edu_Timestamp=far), code(X_Edu_Timestamp=near)] == [40102, 40401]
    assert [code(X_Edu_Nonce="0123456789abcdef"), code(X_Edu_Nonce="0123456789abcdef")] == [40401, 40103]
    status, raw, _ = caller.send("GET", f"{BASE}/cases/by-call/call-0001", X_Edu_Nonce="ABC")
    assert (status, json.loads(raw)["code"], caller.headers["x-edu-nonce"]) == (401, 40103, "0" * 16)


def test_more_than_twenty_requests_a_second_are_too_fast(tmp_path: Path, rule: Rule) -> None:
    moment = Clock()()

    def still() -> datetime:
        return moment

    with EducationBureau(SECRET, tmp_path, rule=rule, clock=still) as bureau:
        caller = Caller(bureau.port, still)
        codes = [caller.ask("GET", "/cases/by-call/call-0001")["code"] for _ in range(21)]

    assert codes == [40401] * 20 + [42901]
    assert caller.headers["retry-after"] == "1"


def test_a_push_comes_again_until_it_is_taken_with_the_same_event(caller: Caller, gateway: Gateway) -> None:
    gateway.answers = [b'{"code":"0"}']  # the text is not the number
    caller.submit(magic="9913", item="FT-EDU-001")
    first = gateway.pushes.get(timeout=20)
    caller.control("POST", "push")  # does not wait the minute
    second = gateway.pushes.get(timeout=20)

    assert first == second
    assert caller.control("GET", "health")["pushAnswerSignatures"]["wrong"] == 0


def test_a_person_that_is_sent_with_wrong_members_is_told_all_of_them_at_once(caller: Caller) -> None:
    wrong = application(
        applicant=PERSON | {"gender": "男", "idExpire": "", "mobil": "1"},
        channel={"kind": "COUNTER"},
        delivery={"mode": "DZ", "toName": None},
        materials=[{"no": "M1", "name": "x", "status": "1", "originalSeen": "yes"}],
        itemCode="FT-EDU-099",
    )
    told = caller.ask("POST", "/cases", wrong)

    assert told["code"] == 40001
    assert {error["path"] for error in told["body"]["errors"]} >= {
        "itemCode",
        "applicant.gender",
        "applicant.idExpire",
        "applicant.mobil",
        "channel.kind",
        "channel.bankCode",
        "delivery.toName",
        "materials[0].originalSeen",
        "materials[0].fileIds",
    }


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"a":1,"a":1}', b'{"a":NaN}', b'"\\ud800"'])
def test_a_body_that_is_no_plain_object_is_wrong(caller: Caller, raw: bytes) -> None:
    _, answer, good = caller.send("POST", f"{BASE}/cases", raw)

    assert (json.loads(answer)["code"], good) == (40001, True)


def test_a_warning_stands_beside_code_zero(caller: Caller) -> None:
    told = caller.ask("POST", "/cases", application(magic="9924", item="FT-EDU-001"))

    assert (told["code"], told["msg"], told["body"]["state"]) == (0, "学籍信息待核", "PASSED")


@pytest.mark.parametrize(
    ("moment", "at_the_desk"),
    [
        ("2026-11-23T08:30", "2026-11-23T09:00"),
        ("2026-11-23T11:59", "2026-11-23T11:59"),
        ("2026-11-23T12:00", "2026-11-23T14:00"),
        ("2026-11-27T18:00", "2026-11-30T09:00"),
        ("2026-11-28T10:00", "2026-11-30T09:00"),
    ],
)
def test_officers_work_on_working_days_with_a_noon_break(moment: str, at_the_desk: str) -> None:
    begins, expected = (datetime.fromisoformat(f"{text}:00+08:00") for text in (moment, at_the_desk))

    assert desk_time(begins) == expected


def test_an_answer_to_a_push_counts_when_it_says_zero_and_its_signature_is_not_wrong(clock: Clock) -> None:
    signer = EduSigner(SECRET, clock=clock)
    sent = signer.push_headers("/push", b"{}")
    asked = {name.lower(): value for name, value in sent.items()}
    body = b'{"code":0}'
    signed = {name.lower(): value for name, value in signer.answer_headers(asked, 200, body).items()}

    def taken(*, strict: bool, headers: dict[str, str], status: int = 200, body: bytes = body) -> bool:
        return EduPushes(signer, strict=strict).taken(sent, status, headers=headers, body=body)

    assert taken(strict=True, headers=signed)
    assert taken(strict=False, headers={})
    assert not taken(strict=True, headers={})
    assert not taken(strict=False, headers=signed | {"x-edu-signature": "0" * 64})
    assert not taken(strict=False, headers={}, status=202)
    assert not taken(strict=False, headers={}, body=b'{"code":false}')


def test_a_push_is_tried_after_1_5_15_60_minutes_then_hourly_for_48_hours() -> None:
    pushes = EduPushes(EduSigner(SECRET))
    pauses = [pushes.pause_after(tries) for tries in range(1, 54)]

    assert pauses == [60.0, 300.0, 900.0, 3600.0, *[3600.0] * 48, None]
