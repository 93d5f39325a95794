"""Staged faults, each seen by a real client on a real socket, and what of the request was done all the same."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from mocks.departments.door import Door, Reply, Request
from mocks.faults import DONE_ALL_THE_SAME, BadFaultOrder, Fault, FaultPlan


class Desk:
    """A department that only remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, Fault | None]] = []

    def answer(self, request: Request, fault: Fault | None) -> Reply:
        if fault is not Fault.BUSY:
            self.seen.append((request.body, fault))
        return Reply(200, b"done", {"Content-Type": "text/plain"})

    def control(self, request: Request) -> Reply:
        return Reply.as_json({"asked": request.target})


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def door(desk: Desk) -> Iterator[Door]:
    opened = Door(desk, FaultPlan(slow_seconds=0.2))
    opened.start()
    yield opened
    opened.stop()


def ask(door: Door, *, method: str = "POST", path: str = "/x", body: bytes = b"hello") -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", door.port, timeout=3)
    try:
        line.request(method, path, body=body)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


BROKEN = (ConnectionError, http.client.HTTPException)


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.CUT_BEFORE, Fault.CUT_AFTER])
def test_a_cut_line_is_broken_for_the_caller_and_only_the_late_cut_has_an_effect(
    desk: Desk, door: Door, fault: Fault
) -> None:
    door.faults.stage({"next": [fault]})
    with pytest.raises(BROKEN):
        ask(door)

    assert bool(desk.seen) == (fault in DONE_ALL_THE_SAME)
    assert ask(door) == (200, b"done")


@pytest.mark.parametrize(("fault", "status"), [(Fault.HTTP_500, 500), (Fault.HTTP_503, 503), (Fault.HTML, 200)])
def test_a_wrong_page_comes_instead_of_the_answer(desk: Desk, door: Door, fault: Fault, status: int) -> None:
    door.faults.stage({"next": [fault]})
    got, body = ask(door)

    assert got == status
    assert body != b"done"
    assert bool(desk.seen) == (fault in DONE_ALL_THE_SAME)


def test_a_slow_answer_is_done_first_and_comes_late(desk: Desk, door: Door) -> None:
    door.faults.stage({"next": ["slow"]})
    begun = time.monotonic()

    assert ask(door) == (200, b"done")
    assert time.monotonic() - begun >= 0.2


def test_a_dripping_answer_comes_byte_by_byte(desk: Desk, door: Door) -> None:
    door.faults.stage({"next": ["drip"], "drip_seconds": 0.005})
    with socket.create_connection(("127.0.0.1", door.port), timeout=3) as line:
        line.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        pieces = iter(lambda: line.recv(4096), b"")
        got = list(pieces)

    assert b"".join(got).endswith(b"\r\n\r\ndone")
    assert len(got) > 50


def test_a_caller_may_leave_a_dripping_answer(desk: Desk, door: Door) -> None:
    door.faults.stage({"next": ["drip"], "drip_seconds": 0.005})
    with socket.create_connection(("127.0.0.1", door.port), timeout=3) as line:
        line.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        first = line.recv(1)

    assert first == b"H"
    assert ask(door) == (200, b"done")


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.TWICE, Fault.OUT_OF_ORDER, Fault.WRONG_SIGNATURE])
def test_a_fault_of_the_dialect_is_handed_to_the_department(desk: Desk, door: Door, fault: Fault) -> None:
    door.faults.stage({"next": [fault]})
    ask(door)

    assert [seen for _, seen in desk.seen] == ([fault] if fault in DONE_ALL_THE_SAME else [])


def test_a_closed_door_refuses_connections_and_opens_again(door: Door) -> None:
    door.close_for(0.4)
    time.sleep(0.2)
    with pytest.raises(ConnectionRefusedError):
        ask(door)
    time.sleep(0.35)

    assert ask(door) == (200, b"done")


def test_the_control_side_never_draws_a_fault(door: Door) -> None:
    door.faults.stage({"rate": 1.0, "kinds": ["refuse"]})
    status, body = ask(door, path="/control/health")

    assert (status, json.loads(body)) == (200, {"asked": "/control/health"})


def test_one_connection_serves_several_requests(desk: Desk, door: Door) -> None:
    line = http.client.HTTPConnection("127.0.0.1", door.port, timeout=3)
    for number in range(3):
        line.request("POST", "/x", body=b"%d" % number)
        assert line.getresponse().read() == b"done"
    line.close()

    assert [body for body, _ in desk.seen] == [b"0", b"1", b"2"]


def test_chance_is_the_same_for_the_same_seed_and_keeps_to_its_rate() -> None:
    def draws(seed: int) -> list[Fault | None]:
        plan = FaultPlan()
        plan.stage({"rate": 0.3, "kinds": ["slow", "html"], "seed": seed})
        return [plan.draw("POST") for _ in range(1000)]

    drawn = [fault for fault in draws(1) if fault]
    assert draws(1) == draws(1)
    assert draws(1) != draws(2)
    assert 240 <= len(drawn) <= 360
    assert set(drawn) == {Fault.SLOW, Fault.HTML}


def test_faults_may_be_kept_to_a_method_and_are_counted() -> None:
    plan = FaultPlan()
    plan.stage({"next": ["busy"], "methods": ["post"]})

    assert plan.draw("GET") is None
    assert plan.draw("POST") is Fault.BUSY
    assert plan.draw("POST") is None
    assert plan.report()["drawn"] == {"busy": 1}


@pytest.mark.parametrize(
    "order",
    [{"rate": 2, "kinds": ["slow"]}, {"rate": 0.1}, {"kinds": ["nonsense"]}, {"speed": 1}, {"slow_seconds": -1}],
)
def test_an_order_that_is_not_understood_changes_nothing(order: dict[str, object]) -> None:
    plan = FaultPlan()
    plan.stage({"next": ["slow"]})
    with pytest.raises(BadFaultOrder):
        plan.stage(order)

    assert plan.draw("POST") is Fault.SLOW
