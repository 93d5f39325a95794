"""The sandbox department over real loopback HTTP: each scenario of its document, its books, its signatures."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mocks.departments.sandbox import Sandbox
from mocks.departments.sbx_signing import Signer

SECRET = b"sbx-test-secret-not-for-use"
BASE = "/sbx/v1/applications"
ROOT = Path(__file__).resolve().parents[2]


def mac(*lines: str, secret: bytes = SECRET) -> str:
    return hmac.new(secret, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def now_text(**off: float) -> str:
    moment = datetime.now(timezone(timedelta(hours=8))) + timedelta(**off)
    return moment.isoformat(timespec="milliseconds")


class Gateway:
    """What the gateway looks like from the department: a caller and a callback address."""

    def __init__(self) -> None:
        self.pushes: queue.Queue[dict[str, Any]] = queue.Queue()
        self.refuse_next = 0
        gateway = self

        class Desk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time_, nonce = self.headers["X-Sbx-Time"], self.headers["X-Sbx-Nonce"]
                good = self.headers["X-Sbx-Sign"] == mac("POST", self.path, time_, nonce, sha(body))
                taken = gateway.refuse_next == 0
                gateway.refuse_next = max(0, gateway.refuse_next - 1)
                app = self.headers["X-Sbx-App"]
                gateway.pushes.put({**json.loads(body), "signed": good, "app": app, "path": self.path})
                answer = b'{"code":"0"}' if taken else b"{}"
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback/FT_SBX?x=1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next_push(self) -> dict[str, Any]:
        return self.pushes.get(timeout=3)

    def statuses(self, count: int) -> list[str]:
        return [self.next_push()["event"]["status"] for _ in range(count)]


class Caller:
    """Signs, sends and checks the answer's signature, from the document alone."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(
        self, method: str, target: str, body: bytes = b"", *, secret: bytes = SECRET, **change: str
    ) -> tuple[int, bytes, bool]:
        headers = {"X-Sbx-App": "gw", "X-Sbx-Time": now_text(), "X-Sbx-Nonce": secrets.token_hex(8)} | {
            f"X-Sbx-{name.capitalize()}": value for name, value in change.items()
        }
        time_, nonce = headers["X-Sbx-Time"], headers["X-Sbx-Nonce"]
        headers["X-Sbx-Sign"] = mac(method, target, time_, nonce, sha(body), secret=secret)
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            line.request(method, target, body=body or None, headers=headers)
            answer = line.getresponse()
            raw = answer.read()
            expected = mac(str(answer.status), nonce, answer.headers.get("X-Sbx-Time", ""), sha(raw))
            return answer.status, raw, answer.headers.get("X-Sbx-Sign") == expected
        finally:
            line.close()

    def post(self, target: str, body: Any) -> dict[str, Any]:
        _, raw, good = self.send("POST", target, json.dumps(body).encode())
        assert good
        return json.loads(raw)

    def file(self, **change: Any) -> dict[str, Any]:
        return self.post(BASE, application(**change))

    def find(self, call_id: str) -> dict[str, Any]:
        _, raw, good = self.send("GET", f"{BASE}?callId={call_id}")
        assert good
        return json.loads(raw)

    def control(self, method: str, order: str, body: Any = None) -> Any:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            line.request(method, f"/control/{order}", body=None if body is None else json.dumps(body))
            return json.loads(line.getresponse().read())
        finally:
            line.close()


def application(
    scenario: str = "grant", answer: str = "at_once", *, call_id: str = "call-0001", **change: Any
) -> dict[str, Any]:
    return {
        "callId": call_id,
        "receiptNo": f"FT{call_id}",
        "item": "FT-SBX-001",
        "itemVersion": "2026.1",
        "outlet": "ICBC-FT-03",
        "receivedAt": now_text(),
        "applicant": {
            "kind": "person",
            "name": "王𠮷祥",
            "docType": "resident_id",
            "docNo": "44030419900307123X",
            "phone": "13800000001",
            "residenceAddress": {"region": "440304", "street": "440304007", "detail": "样例花园"},
        },
        "content": {"scenario": scenario, "remark": "样例", "contactDate": "20261201", "amountFen": 120050},
        "materials": [{"id": "M1", "how": "paper", "pages": 2}],
        "answer": answer,
        **change,
    }


def walk(shown: dict[str, Any]) -> list[str]:
    return [event["status"] for event in shown["events"]]


def until_status(caller: Caller, call_id: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 3
    while True:
        shown = caller.find(call_id)["data"]
        if shown["status"] == status:
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.02)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    desk = Gateway()
    yield desk
    desk.close()


@pytest.fixture
def sandbox(tmp_path: Path, gateway: Gateway) -> Iterator[Sandbox]:
    with Sandbox(SECRET, tmp_path, callback_url=gateway.url, decide_after=0.1, slow_seconds=0.3) as department:
        yield department


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox.port)


def test_the_worked_examples_of_the_document_come_out() -> None:
    signer = Signer(b"sbx-demo-secret-not-for-use")
    time_, nonce = "2026-11-23T10:15:31.204+08:00", "k3v9q2m7x1c8b5n0"
    document = (ROOT / "docs/departments/FT_SBX.md").read_text()

    target = f"{BASE}?callId=5f0c2b7e9d1a4e60b8c3d7a2914f6e08"
    answer = b'{"code":"N404","message":"not known"}'
    signs = [
        signer.sign_request("GET", target, time=time_, nonce=nonce, body=b""),
        signer.sign_answer(404, nonce, time="2026-11-23T10:15:31.310+08:00", body=answer),
        signer.sign_request("POST", BASE, time=time_, nonce=nonce, body='{"callId":"测试"}'.encode()),
    ]
    assert [sign in document for sign in signs] == [True, True, True]


@pytest.mark.parametrize(("scenario", "decided", "reason"), [("grant", "GRANTED", None), ("refuse", "REFUSED", "S01")])
def test_an_instant_application_is_decided_in_the_answer(
    caller: Caller, scenario: str, decided: str, reason: str | None
) -> None:
    said = caller.file(scenario=scenario)

    assert said["code"] == "0"
    assert walk(said["data"]) == ["RECEIVED", decided]
    assert said["data"]["events"][1]["automatic"] is True
    assert said["data"]["events"][1].get("reason") == reason
    assert caller.find("call-0001")["data"] == said["data"]


def test_a_callback_application_is_pushed_in_order_and_signed(caller: Caller, gateway: Gateway) -> None:
    said = caller.file(scenario="refuse", answer="callback")
    pushes = [gateway.next_push(), gateway.next_push()]

    assert walk(said["data"]) == ["ACCEPTED"]
    assert [push["event"]["status"] for push in pushes] == ["REVIEWING", "REFUSED"]
    assert [push["event"]["seq"] for push in pushes] == [2, 3]
    assert {(push["signed"], push["app"], push["path"]) for push in pushes} == {
        (True, "sbx-push", "/callback/FT_SBX?x=1")
    }
    assert {(push["callId"], push["sbxNo"]) for push in pushes} == {("call-0001", said["data"]["sbxNo"])}


def test_a_polled_application_is_seen_by_asking_only(caller: Caller, gateway: Gateway) -> None:
    caller.file(answer="poll")
    shown = until_status(caller, "call-0001", "GRANTED")

    assert walk(shown) == ["ACCEPTED", "REVIEWING", "GRANTED"]
    assert gateway.pushes.empty()


def test_a_correction_is_asked_once_and_granted_after_the_supplement(caller: Caller, gateway: Gateway) -> None:
    sbx_no = caller.file(scenario="correct", answer="callback")["data"]["sbxNo"]
    asked = gateway.next_push()["event"]
    answer = {"callId": "call-supp", "receiptNo": "FTcall-0001", "changes": {"remark": "事由"}}
    said = caller.post(f"{BASE}/{sbx_no}/supplement", answer)
    again = caller.post(f"{BASE}/{sbx_no}/supplement", answer)

    assert [mark["field"] for mark in asked["marks"]] == ["remark"]
    assert len(asked["dueOn"]) == 8
    assert walk(said["data"]) == ["RECEIVED", "CORRECTION", "ACCEPTED", "REVIEWING"]
    assert walk(again["data"])[:4] == walk(said["data"])
    assert gateway.statuses(1) == ["GRANTED"]
    assert caller.find("call-supp")["data"]["sbxNo"] == sbx_no


def test_a_supplement_nobody_asked_for_is_refused(caller: Caller, gateway: Gateway) -> None:
    answer = {"callId": "call-supp", "receiptNo": "FTcall-0001", "changes": {"remark": "事由"}}
    held = caller.file(scenario="hold", receiptNo="FTcall-0001", call_id="call-0002")["data"]["sbxNo"]
    not_open = caller.post(f"{BASE}/{held}/supplement", answer)
    sbx_no = caller.file(scenario="correct", answer="callback")["data"]["sbxNo"]
    gateway.next_push()
    beyond = caller.post(f"{BASE}/{sbx_no}/supplement", {**answer, "changes": {"amountFen": 1}})
    foreign = caller.post(f"{BASE}/{sbx_no}/supplement", {**answer, "receiptNo": "FTother"})

    assert [said["code"] for said in (not_open, beyond, foreign)] == ["E131", "E133", "E132"]


def test_a_withdrawal_before_the_decision_stands_in_the_answer(caller: Caller, gateway: Gateway) -> None:
    sbx_no = caller.file(scenario="hold", answer="callback")["data"]["sbxNo"]
    order = {"callId": "call-with", "receiptNo": "FTcall-0001", "why": "改办"}
    said = caller.post(f"{BASE}/{sbx_no}/withdraw", order)
    again = caller.post(f"{BASE}/{sbx_no}/withdraw", {**order, "callId": "call-wit2"})

    assert (said["code"], said["data"]["status"]) == ("0", "WITHDRAWN")
    assert (again["code"], len(again["data"]["events"])) == ("0", 2)


def test_a_withdrawal_after_the_decision_is_too_late(caller: Caller) -> None:
    sbx_no = caller.file()["data"]["sbxNo"]
    said = caller.post(f"{BASE}/{sbx_no}/withdraw", {"callId": "call-with", "receiptNo": "FTcall-0001"})

    assert (said["code"], said["data"]["status"]) == ("E131", "GRANTED")


def test_a_slow_answer_comes_late_but_the_application_is_filed_at_once(caller: Caller) -> None:
    begun = time.monotonic()
    waiting = threading.Thread(target=caller.file, kwargs={"scenario": "slow"})
    waiting.start()
    time.sleep(0.1)
    seen = caller.find("call-0001")
    waiting.join()

    assert seen["data"]["status"] == "GRANTED"
    assert time.monotonic() - begun >= 0.3


def test_a_lost_answer_hides_an_application_that_is_granted_later(caller: Caller, gateway: Gateway) -> None:
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        caller.file(scenario="lost", answer="callback")

    assert walk(caller.find("call-0001")["data"])[0] == "ACCEPTED"
    assert gateway.statuses(2) == ["REVIEWING", "GRANTED"]


def test_twice_pushes_the_same_event_twice(caller: Caller, gateway: Gateway) -> None:
    said = caller.file(scenario="twice", answer="callback")
    ids = [gateway.next_push()["event"]["eventId"] for _ in range(4)]

    assert walk(said["data"]) == ["ACCEPTED"]
    assert [ids[0], ids[2]] == [ids[1], ids[3]]
    assert len(set(ids)) == 2


def test_garbage_is_html_without_signature_and_the_find_tells_the_truth(caller: Caller) -> None:
    body = json.dumps(application(scenario="garbage")).encode()
    status, raw, good = caller.send("POST", BASE, body)

    assert (status, good) == (200, False)
    assert raw.startswith(b"<!DOCTYPE html>")
    assert caller.find("call-0001")["data"]["status"] == "GRANTED"


def test_out_of_order_pushes_the_decision_before_the_review(caller: Caller, gateway: Gateway) -> None:
    caller.file(scenario="out_of_order", answer="callback")

    assert gateway.statuses(2) == ["GRANTED", "REVIEWING"]


def test_what_cannot_be_decided_at_once_says_that_the_result_follows(caller: Caller, gateway: Gateway) -> None:
    said = caller.file(scenario="twice")

    assert walk(said["data"]) == ["RECEIVED"]
    assert said["data"]["events"][0]["resultFollows"] is True
    assert gateway.statuses(6)[::2] == ["ACCEPTED", "REVIEWING", "GRANTED"]


def test_a_push_that_is_not_taken_comes_again(caller: Caller, gateway: Gateway) -> None:
    gateway.refuse_next = 1
    sbx_no = caller.file(scenario="hold", answer="callback")["data"]["sbxNo"]
    caller.control("POST", "decide", {"sbxNo": sbx_no, "status": "REFUSED", "reason": "S03"})
    first = gateway.next_push()["event"]
    caller.control("POST", "push")  # does not wait the second
    second = gateway.next_push()["event"]

    assert first == second
    assert first["reason"] == "S03"


def test_the_same_call_id_files_a_second_application(caller: Caller) -> None:
    first, second = caller.file()["data"], caller.file()["data"]
    found = caller.find("call-0001")["data"]
    ledger = caller.control("GET", "ledger?callId=call-0001")

    assert first["sbxNo"] != second["sbxNo"]
    assert (found["sbxNo"], found["duplicates"]) == (first["sbxNo"], 1)
    assert [row["duplicates"] for row in ledger["rows"]] == [1, 1]
    assert [row["arrivals"] for row in ledger["rows"]] == [2, 2]
    assert ledger["duplicateCallIds"] == ["call-0001"]
    assert ledger["duplicateReceipts"] == ["FTcall-0001"]


def test_an_unknown_call_is_told_so_with_a_signature(caller: Caller) -> None:
    status, raw, good = caller.send("GET", f"{BASE}?callId=nobody-knows")

    assert (status, json.loads(raw)["code"], good) == (404, "N404", True)


def test_signature_clock_and_nonce_are_refused_in_this_order(caller: Caller) -> None:
    target = f"{BASE}?callId=call-0001"

    def code(**change: Any) -> str:
        return str(json.loads(caller.send("GET", target, **change)[1])["code"])

    assert code(secret=b"another secret", time=now_text(hours=1)) == "E101"
    assert code(nonce="short") == "E101"
    assert code(time=now_text(minutes=6)) == "E102"
    assert code(time="2026-11-23 10:15:31") == "E102"
    assert code(nonce="only-once-please") == "N404"
    assert code(nonce="only-once-please") == "E103"


def test_a_refusal_of_the_signature_is_itself_signed(caller: Caller) -> None:
    status, _, good = caller.send("GET", f"{BASE}?callId=call-0001", secret=b"another secret")

    assert (status, good) == (401, True)


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", "E110"), (b"[]", "E110"), (b'{"a":1,"a":1}', "E110"), (b'{"a":NaN}', "E110"), (b'"\\ud800"', "E110")],
)
def test_a_body_that_is_no_plain_object_is_not_understood(caller: Caller, body: bytes, code: str) -> None:
    _, raw, good = caller.send("POST", BASE, body)

    assert (json.loads(raw)["code"], good) == (code, True)


def test_every_wrong_field_is_named_at_once_and_nothing_is_filed(caller: Caller) -> None:
    wrong = application(call_id="short")
    wrong["content"] = {"scenario": "grant", "contactDate": "20260230", "amountFen": "12", "remark": ""}
    wrong["applicant"] |= {"docNo": "", "gender": "1"}
    wrong |= {"answer": "fax", "receivedAt": "today", "callbackUrl": "http://127.0.0.1/"}
    said = caller.post(BASE, wrong)

    assert said["code"] == "E111"
    assert {error["path"] for error in said["data"]["errors"]} == {
        "callId",
        "content.contactDate",
        "content.amountFen",
        "content.remark",
        "applicant.docNo",
        "applicant.gender",
        "answer",
        "receivedAt",
        "callbackUrl",
    }
    assert caller.control("GET", "ledger")["count"] == 0


def test_an_organisation_files_too(caller: Caller) -> None:
    organisation = {
        "kind": "organisation",
        "orgName": "福田晨舟托育有限公司",
        "uscc": "91440304MA9FT0013D",
        "legalRepName": "沈砚",
        "legalRepDocNo": "11010519491231002X",
        "registeredAddress": "红荔西路样例大厦1203室",
        "contactName": "唐映",
        "contactPhone": "13800000004",
    }

    assert caller.file(applicant=organisation)["code"] == "0"


def test_a_decision_by_hand_is_pushed_and_may_reverse_a_final_one(caller: Caller, gateway: Gateway) -> None:
    sbx_no = caller.file()["data"]["sbxNo"]
    order = {"sbxNo": sbx_no, "status": "REFUSED", "reason": "S06"}
    caller.control("POST", "decide", order)

    assert gateway.next_push()["event"]["status"] == "REFUSED"
    assert "error" in caller.control("POST", "decide", {**order, "status": "MAYBE"})


def test_a_reset_empties_the_books_but_never_repeats_a_number(caller: Caller) -> None:
    first = caller.file()["data"]["sbxNo"]
    caller.control("POST", "reset")
    emptied = caller.control("GET", "ledger")["count"]
    second = caller.file()["data"]["sbxNo"]

    assert emptied == 0
    assert int(second[-6:]) == int(first[-6:]) + 1


def test_a_staged_wrong_signature_hides_a_filed_application(caller: Caller) -> None:
    caller.control("POST", "faults", {"next": ["wrong_signature"]})
    status, _, good = caller.send("POST", BASE, json.dumps(application()).encode())

    assert (status, good) == (200, False)
    assert caller.find("call-0001")["data"]["status"] == "GRANTED"


def test_a_staged_busy_is_signed_and_stores_nothing_but_the_arrival(caller: Caller) -> None:
    caller.control("POST", "faults", {"next": ["busy"]})
    said = caller.file()
    unknown = caller.find("call-0001")["code"]
    caller.file()

    assert (said["code"], unknown) == ("E201", "N404")
    assert [(row["arrivals"], row["duplicates"]) for row in caller.control("GET", "ledger")["rows"]] == [(2, 0)]


@pytest.mark.parametrize(
    ("fault", "pushed"),
    [("twice", ["REVIEWING", "REVIEWING", "GRANTED", "GRANTED"]), ("out_of_order", ["GRANTED", "REVIEWING"])],
)
def test_a_staged_fault_of_the_pushes_comes_upon_any_scenario(
    caller: Caller, gateway: Gateway, fault: str, pushed: list[str]
) -> None:
    caller.control("POST", "faults", {"next": [fault]})
    caller.file(answer="callback")

    assert gateway.statuses(len(pushed)) == pushed


def start(tmp_path: Path, callback_url: str) -> tuple[subprocess.Popen[str], int]:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    command = [sys.executable, "-m", "mocks.departments.sandbox", "--port", "0", "--decide-after", "0.2"]
    command += ["--secret-file", str(secret), "--state", str(tmp_path / "state"), "--callback-url", callback_url]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert program.stdout is not None
    ready = json.loads(program.stdout.readline())
    assert ready["ready"] is True
    return program, ready["port"]


def end(program: subprocess.Popen[str], number: int) -> int:
    os.kill(program.pid, number)
    assert program.stdout is not None
    program.stdout.close()
    return program.wait(timeout=5)


def test_the_books_and_what_is_still_to_be_said_survive_a_kill(tmp_path: Path, gateway: Gateway) -> None:
    program, port = start(tmp_path, gateway.url)
    filed = Caller(port).file(answer="callback")["data"]
    end(program, signal.SIGKILL)
    program, port = start(tmp_path, gateway.url)
    try:
        rows = Caller(port).control("GET", "ledger")["rows"]
        pushed = gateway.statuses(2)
    finally:
        ended = end(program, signal.SIGTERM)

    assert [(row["sbxNo"], row["callId"], row["duplicates"]) for row in rows] == [(filed["sbxNo"], "call-0001", 0)]
    assert pushed == ["REVIEWING", "GRANTED"]
    assert ended == 0
