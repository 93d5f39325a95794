"""Notices: planned from the order of events, told case by case, tried for three days, parked, pulled, resent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway import cli
from gateway.contracts.bank import Client
from gateway.dispatch.notices import notice_id_of
from gateway.dispatch.policy import Jitter, notice_pause
from gateway.domain.case import CaseEvent
from gateway.domain.errors import BadSettings
from gateway.parties import notify
from gateway.store import clients, notices, work
from mocks.banks.icbc_notices import NoticeReceiver
from mocks.faults import Fault
from tests.builders import APP_ID, CLIENT_ID, SmallHouse, bank_key, enrolled, environment, small_house

LANE = f"notify:{CLIENT_ID}"
HOUR = 3600.0
ON = (CaseEvent.ACCEPTED, CaseEvent.REVIEW_STARTED, CaseEvent.APPROVED)


@contextmanager
def receiving(house: SmallHouse, *, prove: bool = True, **how: Any) -> Iterator[NoticeReceiver]:
    """A receiver of the bank whose address is enrolled, and proven if wanted."""
    keys = house.folder / f"{APP_ID}-bank.pem", house.folder / "answers.pem"
    with NoticeReceiver(APP_ID, *keys, now=house.clock.now, **how) as receiver:
        enrol_address(house, receiver.url)
        if prove:
            assert house.house.notices.test(client(house)).ok
        yield receiver


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, database_url) as small:
        yield small


@pytest.fixture
def lone_house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def reread(house: SmallHouse) -> None:
    """Let the directory look now and not within a second."""
    house.house.directory._looked = float("-inf")


def client(house: SmallHouse) -> Client:
    reread(house)
    found = house.house.directory().by_id(CLIENT_ID)
    assert found is not None
    return found


def enrol_address(house: SmallHouse, url: str) -> None:
    house.house.database.again(lambda tx: clients.set_options(tx, CLIENT_ID, {"notify_url": url}))
    reread(house)


def order(house: SmallHouse) -> None:
    """Give everything its place; a transaction of somebody else's on the same server may hold that up a little."""

    def placed() -> bool:
        house.house.sealer.order()
        counts = house.counts()
        return counts["position"] == counts["entry"]

    house.until(placed, what="everything has its place")


def plan(house: SmallHouse) -> int:
    order(house)
    return house.house.notices.plan()


def make_due(house: SmallHouse) -> None:
    house.house.database.again(
        lambda tx: tx.run("UPDATE work SET due_at = 1 WHERE kind = 'notice' AND state = 'due' AND owner IS NULL")
    )


def claimed(house: SmallHouse) -> list[work.Claim]:
    return house.house.database.again(
        lambda tx: work.claim(tx, LANE, owner="w", lease=timedelta(seconds=30), limit=50, kinds=("notice",))
    )


def tell(house: SmallHouse) -> int:
    """Everything that is due, once; returns how many tries there were."""
    found = claimed(house)
    for one in found:
        house.house.notices.handle(one, started=time.monotonic())
    return len(found)


def tell_all(house: SmallHouse) -> None:
    while tell(house):
        pass


def row(house: SmallHouse, receipt_no: str = "") -> dict[str, Any]:
    where = " WHERE c.receipt_no = :no" if receipt_no else ""
    (found,) = house.rows(
        "SELECT n.*, w.state, w.failures, w.due_at, w.note FROM notice n JOIN work w ON w.work_id = n.work_id"
        " JOIN cases c ON c.case_id = n.case_id" + where,
        **({"no": receipt_no} if receipt_no else {}),
    )
    return found


def waits(house: SmallHouse) -> float:
    """Seconds until the one notice is due, by the database's clock."""
    with house.house.database.read() as tx:
        now = tx.now()
    return float(row(house)["due_at"] / 1e6 - now.timestamp())


def kinds(receiver: NoticeReceiver, receipt_no: str) -> list[str]:
    return [r["event"]["kind"] for r in receiver.heard(receipt_no=receipt_no) if r["taken"]]


# -- the usual way ---------------------------------------------------------------------------------------------------


def test_every_event_of_a_case_is_told_in_order_and_exactly_as_it_was_recorded(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        house.happens(filed.receipt_no, *ON)
        assert plan(house) == 4
        tell_all(house)
        told = [r["event"] for r in receiver.heard(receipt_no=filed.receipt_no)]
        assert told == house.query(filed.receipt_no).business["events"]
        assert (row(house)["state"], row(house)["sent_no"], row(house)["wanted_no"]) == ("done", 4, 4)
        assert receiver.states()[filed.receipt_no]["state"] == "approved"
        assert house.kinds(filed.receipt_no).count("case:notice:delivered") == 4


def test_a_later_event_wakes_the_same_row(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        plan(house)
        tell_all(house)
        work_id = row(house)["work_id"]
        house.happens(filed.receipt_no, CaseEvent.ACCEPTED)
        plan(house)
        assert row(house)["state"] == "due"
        tell_all(house)
        assert kinds(receiver, filed.receipt_no) == ["received", "accepted"]
        assert row(house)["work_id"] == work_id


def test_an_event_planned_while_another_is_being_told_is_not_lost(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        plan(house)
        (held,) = claimed(house)
        house.happens(filed.receipt_no, CaseEvent.ACCEPTED)
        plan(house)
        house.house.notices.handle(held, started=time.monotonic())
        assert row(house)["state"] == "due"
        tell_all(house)
        assert kinds(receiver, filed.receipt_no) == ["received", "accepted"]


def test_planning_the_same_events_from_two_processes_tells_them_once(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        numbers = [house.submit(house.sample()).receipt_no for _ in range(4)]
        order(house)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: house.house.notices.plan(), range(4)))
        tell_all(house)
        assert [kinds(receiver, no) for no in numbers] == [["received"]] * 4
        assert house.counts()["notice"] == 4


def test_workers_side_by_side_tell_each_event_of_each_case_in_order(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        numbers = [house.submit(house.sample()).receipt_no for _ in range(5)]
        for number in numbers:
            house.happens(number, *ON)
        plan(house)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: tell_all(house), range(4)))
        for number in numbers:
            events = [int(r["event"]["event_no"]) for r in receiver.heard(receipt_no=number)]
            assert events == [1, 2, 3, 4]


def test_a_client_without_an_address_is_told_nothing(lone_house: SmallHouse) -> None:
    lone_house.submit(lone_house.sample())
    assert plan(lone_house) == 1
    assert lone_house.counts()["notice"] == 0


# -- tries, three days, parking --------------------------------------------------------------------------------------


def test_the_schedule_is_1_5_15_30_minutes_and_then_hourly() -> None:
    low, high = Jitter(draw=lambda: 0.0), Jitter(draw=lambda: 1.0)
    assert [notice_pause(n, low) for n in (1, 2, 3, 4)] == [timedelta(minutes=m) for m in (1, 5, 15, 30)]
    for n in (5, 6, 50):
        assert notice_pause(n, low).total_seconds() == pytest.approx(0.9 * HOUR)
        assert notice_pause(n, high).total_seconds() == pytest.approx(1.1 * HOUR)


@pytest.mark.parametrize(
    "fault",
    [Fault.REFUSE, Fault.CUT_AFTER, Fault.HTTP_503, Fault.HTML, Fault.WRONG_SIGNATURE, Fault.BUSY],
)
def test_a_try_that_fails_comes_again_with_the_same_notice_id(house: SmallHouse, fault: Fault) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        plan(house)
        receiver.faults.stage({"next": [fault.value]})
        assert tell(house) == 1
        assert (row(house)["state"], row(house)["failures"], row(house)["sent_no"]) == ("due", 1, 0)
        assert 50 < waits(house) <= 61
        make_due(house)
        tell_all(house)
        assert row(house)["state"] == "done"
        case_id = row(house)["case_id"]
        heard = [r["notice_id"] for r in receiver.heard(receipt_no=filed.receipt_no)]
        assert set(heard) == {notice_id_of(CLIENT_ID, case_id, 1)}
        outcomes = [r["outcome"] for r in house.rows("SELECT outcome FROM notice_log WHERE case_id <> ''")]
        assert outcomes == ["failed", "delivered"]
        log = house.rows("SELECT exchange_id FROM notice_log WHERE case_id <> '' ORDER BY log_id")
        assert all(one["exchange_id"] for one in log)
        with house.house.database.read() as tx:
            (first, last) = notices.tries(tx, case_id)
        assert first.why
        assert (last.why, last.event_no) == ("", 1)


def test_one_case_that_cannot_be_told_does_not_hold_the_others(lone_house: SmallHouse) -> None:
    with receiving(lone_house) as receiver:
        one, other = (lone_house.submit(lone_house.sample()).receipt_no for _ in range(2))
        plan(lone_house)
        receiver.faults.stage({"next": ["busy"]})
        tell(lone_house)
        told = {no: kinds(receiver, no) for no in (one, other)}
        assert sorted(map(len, told.values())) == [0, 1]


def test_after_three_days_it_is_parked_and_the_feed_has_it_all_the_same(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        plan(house)
        receiver.faults.stage({"rate": 1.0, "kinds": ["busy"]})
        tell(house)
        house.clock.turn(hours=70)
        make_due(house)
        tell(house)
        assert row(house)["state"] == "due"
        house.clock.turn(hours=1.9)
        house.house.database.again(lambda tx: tx.run("UPDATE lane SET open_until = NULL"))
        make_due(house)
        tell(house)
        assert row(house)["state"] == "parked"
        (entry,) = [e for e in house.entries(filed.receipt_no) if e["kind"] == "case:notice:parked"]
        assert entry["facts"]["event_no"] == "1"
        assert [e["kind"] for e in house.feed()] == ["received"]
        house.happens(filed.receipt_no, CaseEvent.ACCEPTED)
        assert plan(house) == 1
        assert [e["kind"] for e in house.feed()] == ["received", "accepted"]


def test_a_parked_notice_gets_one_more_chance_with_every_new_event(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        plan(house)
        receiver.faults.stage({"next": ["busy", "busy"]})
        house.clock.turn(hours=80)
        tell(house)
        assert row(house)["state"] == "parked"
        house.happens(filed.receipt_no, CaseEvent.ACCEPTED)
        plan(house)
        tell(house)
        assert row(house)["state"] == "parked"
        house.happens(filed.receipt_no, CaseEvent.REVIEW_STARTED)
        plan(house)
        tell_all(house)
        assert kinds(receiver, filed.receipt_no) == ["received", "accepted", "review_started"]


def test_a_blocked_client_is_told_nothing(lone_house: SmallHouse) -> None:
    with receiving(lone_house) as receiver:
        filed = lone_house.submit(lone_house.sample())
        plan(lone_house)
        lone_house.set_status("blocked")
        reread(lone_house)
        tell(lone_house)
        assert (row(lone_house)["state"], kinds(receiver, filed.receipt_no)) == ("parked", [])


def test_a_worker_whose_lease_ran_out_leaves_the_record_to_the_next_one(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        filed = house.submit(house.sample())
        plan(house)
        (stale,) = claimed(house)
        house.house.database.again(lambda tx: tx.run("UPDATE work SET due_at = 1 WHERE kind = 'notice'"))
        tell(house)
        house.house.notices.handle(stale, started=time.monotonic())
        assert row(house)["sent_no"] == 1
        assert row(house)["state"] == "done"
        assert len(receiver.heard(receipt_no=filed.receipt_no)) in (1, 2)


# -- pulling, proving ------------------------------------------------------------------------------------------------


def failed_once(house: SmallHouse, receiver: NoticeReceiver, cases: int = 1) -> None:
    for _ in range(cases):
        house.submit(house.sample())
    plan(house)
    receiver.faults.stage({"next": ["busy"] * cases})
    assert tell(house) == cases


def test_any_success_pulls_what_waits_but_not_twice_within_half_a_minute(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        failed_once(house, receiver, cases=3)
        assert claimed(house) == []
        house.house.database.again(lambda tx: tx.run("UPDATE notice_client SET pulled_at = 0"))
        house.submit(house.sample())
        plan(house)
        assert tell(house) == 1
        assert tell(house) == 3
        failed_once(house, receiver)
        house.submit(house.sample())
        plan(house)
        assert tell(house) == 1
        assert claimed(house) == []


def test_an_echo_pulls_what_waits(house: SmallHouse) -> None:
    with receiving(house) as receiver:
        failed_once(house, receiver)
        house.house.database.again(lambda tx: work.Lanes.failed(tx, LANE, failures=9, open_for=timedelta(hours=1)))
        house.house.database.again(lambda tx: tx.run("UPDATE notice_client SET pulled_at = 0"))
        assert house.call("echo", {"text": "x"}).ok
        with house.house.database.read() as tx:
            lane = work.look_at_lane(tx, LANE)
        assert lane is not None
        assert (lane.open_until, lane.failures) == (0, 0)
        assert tell(house) == 1
        assert house.counts()["notice_log"] == 3


def test_notices_begin_with_a_proven_address_and_not_before(house: SmallHouse) -> None:
    with receiving(house, prove=False) as receiver:
        early = house.submit(house.sample())
        plan(house)
        assert house.counts()["notice"] == 0
        answer = house.call("echo", {"text": "x", "notify": True})
        assert "warnings" not in answer.business
        assert house.call("echo", {"text": "x", "notify": True}).ok  # one test is on its way: no second one
        assert tell(house) == 1
        assert [r["event"]["kind"] for r in receiver.heard()] == ["test"]
        (proven,) = house.loose_entries("party:address:proven")
        assert proven["subject"] == f"client:{CLIENT_ID}"
        house.happens(early.receipt_no, CaseEvent.ACCEPTED)
        plan(house)
        tell_all(house)
        assert kinds(receiver, early.receipt_no) == ["accepted"]


def test_a_test_that_fails_proves_nothing_and_takes_nothing_away(house: SmallHouse) -> None:
    with receiving(house, prove=False) as receiver:
        receiver.faults.stage({"next": ["wrong_signature"]})
        tried = house.house.notices.test(client(house))
        assert (tried.ok, "NotAuthentic" in tried.why) == (False, True)
        house.submit(house.sample())
        plan(house)
        assert house.counts()["notice"] == 0
        assert house.house.notices.test(client(house)).ok
        receiver.faults.stage({"next": ["busy"]})
        assert not house.house.notices.test(client(house)).ok
        house.submit(house.sample())
        plan(house)
        assert house.counts()["notice"] == 1
        assert len(house.loose_entries("party:address:proven")) == 1


def test_another_address_has_to_be_proven_anew(house: SmallHouse) -> None:
    with receiving(house) as first:
        waiting = house.submit(house.sample())
        plan(house)
        with receiving(house, prove=False, path="/other") as second:
            house.submit(house.sample())
            plan(house)
            assert house.counts()["notice"] == 1
            tell(house)
            assert row(house)["note"] == "the notify address is not proven"
            assert house.house.notices.test(client(house)).ok
            tell_all(house)
            assert kinds(first, waiting.receipt_no) == []
            assert kinds(second, waiting.receipt_no) == ["received"]


def test_a_test_without_an_address_is_told_to_the_caller(lone_house: SmallHouse) -> None:
    answer = lone_house.call("echo", {"text": "x", "notify": True})
    assert [(w["code"], w["path"]) for w in answer.business["warnings"]] == [("MEMBER_IGNORED", "notify")]
    assert lone_house.counts()["work"] == 0


def test_an_address_in_a_message_is_ignored(lone_house: SmallHouse) -> None:
    with receiving(lone_house) as receiver:
        elsewhere = {"notify_url": "http://127.0.0.1:1/other"}
        filed = lone_house.submit(lone_house.sample(), extra=elsewhere)
        assert ("MEMBER_IGNORED", "notify_url") in [(w["code"], w["path"]) for w in filed.business["warnings"]]
        plan(lone_house)
        tell_all(lone_house)
        assert kinds(receiver, filed.receipt_no) == ["received"]


def test_notices_are_encrypted_where_the_client_is_enrolled_so(tmp_path: Path, sqlite_url: str) -> None:
    from gateway.parties.enrolment import cipher_key
    from tests.builders import LONG_AGO

    secret = bytes(range(16))
    plain = enrolled(bank_key())
    import base64

    keys = (*plain.keys, cipher_key(base64.b64encode(secret).decode(), LONG_AGO))
    both = enrolled(bank_key(), keys=keys, options={"encrypt": "required"})
    branch = {"encrypt_key": secret}
    with (
        small_house(tmp_path, sqlite_url, client=both, branch=branch) as house,
        receiving(house, encrypt_key=secret) as receiver,
    ):
        filed = house.submit(house.sample())
        plan(house)
        tell_all(house)
        assert kinds(receiver, filed.receipt_no) == ["received"]


# -- resending, the command line -------------------------------------------------------------------------------------


@pytest.fixture
def command(lone_house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    url = lone_house.house.settings.database_url
    for name, value in environment(lone_house.folder, url).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli.main, list(arguments), env={"COLUMNS": "200"})

    return run


def test_the_shelf_is_listed_and_sent_again_by_hand(lone_house: SmallHouse, command: Any) -> None:
    with receiving(lone_house) as receiver:
        filed = lone_house.submit(lone_house.sample())
        plan(lone_house)
        receiver.faults.stage({"next": ["busy"]})
        lone_house.clock.turn(hours=80)
        tell(lone_house)
        shown = command("notices", "list")
        assert filed.receipt_no in shown.output
        assert "parked" in shown.output
        assert "1 due now" in command("notices", "resend", "--client", CLIENT_ID).output
        tell_all(lone_house)
        assert kinds(receiver, filed.receipt_no) == ["received"]
        assert "delivered" in command("notices", "list", "--receipt", filed.receipt_no).output
        assert "0 due now" in command("notices", "resend", "--receipt", filed.receipt_no).output
        assert "1 due now" in command("notices", "resend", "--receipt", filed.receipt_no, "--from", "1").output
        tell_all(lone_house)
        ids = [r["notice_id"] for r in receiver.heard(receipt_no=filed.receipt_no) if r["taken"]]
        assert ids == [ids[0]] * 2
        assert command("notices", "resend").exit_code == 2
        assert command("notices", "resend", "--receipt", "FT261123037K3QWB").exit_code == 1


def test_an_address_is_enrolled_and_proven_from_the_command_line(lone_house: SmallHouse, command: Any) -> None:
    keys = lone_house.folder / f"{APP_ID}-bank.pem", lone_house.folder / "answers.pem"
    with NoticeReceiver(APP_ID, *keys) as receiver:
        assert command("clients", "prove", CLIENT_ID).exit_code == 1
        told = command("clients", "notify", CLIENT_ID, "--url", receiver.url)
        assert told.exit_code == 0, told.output
        receiver.faults.stage({"next": ["refuse", "refuse"]})
        assert "not proven" in command("clients", "prove", CLIENT_ID).output
        receiver.faults.stage({})
        proven = command("clients", "prove", CLIENT_ID)
        assert (proven.exit_code, "as agreed" in proven.output) == (0, True)
        with lone_house.house.database.read() as tx:
            proof = notices.proof(tx, CLIENT_ID)
        assert proof is not None
        assert proof.proven
        assert command("clients", "notify", CLIENT_ID, "--url", "http://bank.example/x").exit_code == 1
        assert command("clients", "notify", "nobody", "--url", receiver.url).exit_code == 1
        assert command("clients", "notify", CLIENT_ID, "--url", "").exit_code == 0
        assert notify.notify_url(client(lone_house)) == ""


@pytest.mark.parametrize(
    ("options", "sandbox"),
    [
        ({"notify_url": "http://10.0.0.1/notice"}, True),
        ({"notify_url": "http://127.0.0.1/notice"}, False),
        ({"notify_url": "https://bank.example/notice"}, True),
        ({"notify_url": "https://bank.example"}, True),
        ({"notify_url": "https://10.0.0.1/notice?x=1"}, True),
        ({"notify_url": "ftp://10.0.0.1/notice"}, True),
        ({"notify_url": "https://bank.example/notice", "notify_networks": "not-a-network"}, True),
    ],
)
def test_an_address_that_could_never_be_used_is_not_enrolled(options: dict[str, str], sandbox: bool) -> None:
    with pytest.raises(BadSettings):
        notify.check_enrolment(enrolled(bank_key(), options=options), sandbox=sandbox)


@pytest.mark.parametrize(
    ("options", "sandbox"),
    [
        ({}, False),
        ({"notify_url": "https://10.0.0.1/notice"}, False),
        ({"notify_url": "https://bank.example/notice", "notify_networks": "10.2.0.0/24, 10.3.0.0/24"}, False),
        ({"notify_url": "http://127.0.0.1:8099/notice/"}, True),
    ],
)
def test_an_address_that_can_be_used_is_enrolled(options: dict[str, str], sandbox: bool) -> None:
    one = enrolled(bank_key(), options=options)
    notify.check_enrolment(one, sandbox=sandbox)
    address = notify.address_of(one)
    assert (address is None) is (options == {})
    assert notify.address_digest(one) != notify.address_digest(enrolled(bank_key(), options={"notify_url": "x"}))


def test_lanes_fit_their_column_and_stay_apart() -> None:
    assert notify.lane_of("icbc-1") == "notify:icbc-1"
    long = [notify.lane_of("a-very-long-client-name-" + str(n)) for n in range(3)]
    assert len(set(long)) == 3
    assert all(len(one) <= 24 for one in long)
