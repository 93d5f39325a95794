"""When something of ours fails: a stable word in the bank's envelope, and no log line that tells whose form it was."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import create_engine, exc

from gateway import telemetry
from gateway.cases.waiting import WaitingRoom
from gateway.domain.errors import Busy, OutcomeUnknown
from gateway.store import messages
from gateway.store.database import Database
from gateway.store.filing import FourRows
from tests.builders import SmallHouse, small_house

PRIVATE = ("44030419900307123X", "13800000001", "陈㐂宁", "很私人的话")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Every line a process with our own set-up would write."""
    before, written = structlog.get_config(), io.StringIO()
    telemetry.configure("debug", "json")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=written))
    yield written
    structlog.configure(**before)


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str, logged: object) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def private_sample(house: SmallHouse, item: str = "FT-SBX-002") -> dict[str, Any]:
    part = house.sample(item, remark=PRIVATE[3])
    part["applicant"] |= {"doc_no": PRIVATE[0], "phone": PRIVATE[1], "name": PRIVATE[2]}
    return part


def never(*_: object, **__: object) -> Any:
    raise AssertionError("not to be called")


def raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_a_database_that_is_away_is_busy_and_nothing_was_done(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.build("submit", private_sample(house))
    with monkeypatch.context() as patch:
        for way in ("read", "write", "one_statement"):
            patch.setattr(Database, way, raising(Busy("the database is away")))
        answer = house.send(request)
        assert answer.signature_ok
        assert (answer.reason, answer.return_code) == ("BUSY", -931901)
    assert house.counts()["cases"] == 0
    assert house.send(request).ok


def test_a_database_that_was_never_there_is_busy_too(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.house.directory._snapshot is None
    with monkeypatch.context() as patch:
        patch.setattr(Database, "read", raising(Busy("the database is away")))
        answer = house.call("echo", {"text": "x"})
    assert answer.signature_ok
    assert answer.reason == "BUSY"
    assert house.call("echo", {"text": "x"}).ok


def test_a_database_that_throws_its_connections_out_is_busy_once_and_then_serves_again(
    tmp_path: Path, postgres_url: str
) -> None:
    thrown_out = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway'"
    with small_house(tmp_path, postgres_url) as house:
        assert house.call("echo", {"text": "x"}).ok
        outside = create_engine(house.house.database.url)
        with outside.connect() as connection:
            connection.exec_driver_sql(f"{thrown_out} AND datname = current_database()")
        outside.dispose()
        part = house.sample()
        answers = [house.submit(part) for _ in range(3)]
        assert {answer.signature_ok for answer in answers} == {True}
        assert {answer.reason for answer in answers} <= {"BUSY", "RESULT_UNKNOWN", "OK"}
        assert answers[-1].ok
        assert house.counts()["cases"] == 1


def test_a_commit_whose_fate_is_unknown_is_told_as_unknown_and_the_retry_meets_its_case(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = private_sample(house)

    def filed_but_unknown(file: Callable[[Any], Any], rows: Any) -> Any:
        file(rows)
        raise OutcomeUnknown("the connection broke during commit")

    with monkeypatch.context() as patch:
        house.around_filing(patch, filed_but_unknown)
        answer = house.submit(part)
        assert (answer.reason, answer.return_code) == ("RESULT_UNKNOWN", -931902)
    again = house.submit(part)
    assert again.ok
    assert again.business["repeat"] is True


def test_a_fault_of_ours_is_internal_with_a_number_and_without_details(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    with monkeypatch.context() as patch:
        house.around_filing(patch, raising(KeyError("a table nobody knows")))
        answer = house.submit(private_sample(house))
    assert answer.signature_ok
    assert (answer.reason, answer.return_code) == ("INTERNAL", -500099)
    fault = re.search(r"故障编号([0-9A-F]{8})", answer.business["message"])
    assert fault is not None
    assert b"table" not in answer.raw
    assert fault[1] in logged.getvalue()  # the same number stands in the log, with the stack
    assert house.counts()["cases"] == 0


def test_a_bank_s_reader_that_fails_is_internal_in_that_bank_s_envelope(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(house.house.banks["ICBC"]), "open", raising(RuntimeError("a fault in the dialect")))
        answer = house.call("echo", {"text": "x"})
    assert answer.signature_ok
    assert answer.reason == "INTERNAL"


@pytest.mark.parametrize("broken", ["wait", "answer"])
def test_what_fails_after_filing_never_becomes_nothing_was_done(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    part = private_sample(house, "FT-SBX-001")
    with monkeypatch.context() as patch:
        if broken == "wait":
            patch.setattr(WaitingRoom, "wait", raising(Busy("the database is away")))
        else:
            patch.setattr(WaitingRoom, "wait", lambda _self, case: case)
            patch.setattr(messages, "answer", raising(Busy("the database is away")))
        request = house.build("submit", part)
        answer = house.send(request)
        assert answer.ok
        assert answer.business["case"]["state"] == "submitted"
    assert house.send(request).raw == answer.raw


def test_refusals_counted_while_the_database_is_away_are_written_later(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.call("echo", {"text": "x"}, extra={"charset": "UTF-7"})
    with monkeypatch.context() as patch:
        patch.setattr(Database, "again", raising(Busy("the database is away")))
        with pytest.raises(Busy):
            house.house.refusals.flush(everything=True)
    house.house.refusals.flush(everything=True)
    assert [e["facts"]["count"] for e in house.loose_entries("door:request:refused")] == ["1"]


def test_a_second_open_case_of_an_instant_item_does_not_wait(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WaitingRoom, "wait", lambda _self, _case: None)
    part = house.sample("FT-SBX-001", serial=4)
    assert house.submit(part).ok
    monkeypatch.setattr(WaitingRoom, "wait", never)
    assert house.submit(house.sample("FT-SBX-001", serial=4)).reason == "OPEN_CASE_EXISTS"
    assert house.submit(part).business["repeat"] is True


def test_a_trail_that_cannot_be_sealed_is_loud_and_intake_goes_on(
    tmp_path: Path, sqlite_url: str, logged: io.StringIO
) -> None:
    with small_house(tmp_path, sqlite_url):
        pass
    for file in (tmp_path / "keys").glob("checkpoint.*"):
        file.unlink()
    with small_house(tmp_path, sqlite_url) as house:
        assert house.submit(house.sample()).ok
        house.house.sealer.turn()
        assert "trail.not_sealed" in logged.getvalue()
        assert house.counts()["checkpoint"] == 0
        assert house.submit(house.sample()).ok


# -- logs -----------------------------------------------------------------------------------------------------------


def provoke_the_database(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors whose text would hold the parameters of a statement, and errors with our own values in them."""
    part = private_sample(house)
    with monkeypatch.context() as patch:
        house.around_filing(patch, raising(ValueError(f"cannot store {PRIVATE[0]} {PRIVATE[1]}")))
        assert house.submit(part).reason == "INTERNAL"
    with monkeypatch.context() as patch:

        def without_a_state(file: Callable[[Any], Any], rows: FourRows) -> Any:
            return file(replace(rows, case={**rows.case, "state": None, "channel": PRIVATE[2] + PRIVATE[0]}))

        house.around_filing(patch, without_a_state)
        assert house.submit(part).reason == "INTERNAL"
    with pytest.raises(exc.IntegrityError) as caught:
        house.house.database.again(
            lambda tx: tx.run(
                "INSERT INTO client (client_id, bank, profile, claimed_id, status, rights, enrolled_at)"
                " VALUES (:a, :b, :b, :b, NULL, :b, 1)",
                {"a": PRIVATE[2], "b": PRIVATE[0]},
            )
        )
    structlog.get_logger("test").error("provoked", error=str(caught.value))


def provoke_the_doors(house: SmallHouse) -> None:
    """Everything refused that holds the same person, at the door, at the desk, and at the department's door."""
    part = private_sample(house)
    house.submit({**part, "agnet": PRIVATE[2]})
    house.submit({**part, "outlet": PRIVATE[1]})
    house.submit(part, extra={"charset": "UTF-7", "msg_id": PRIVATE[0], "app_id": PRIVATE[1]})
    house.call("submit", {}, biz_content='{"op":"submit","v":"1","x":"' + PRIVATE[2])
    house.call("query", {"case_ref": PRIVATE[0]})
    request = house.build("submit", part)
    house.app.test_client().post("/callback/FT_SBX", data=request.body)
    house.app.test_client().get(f"/{PRIVATE[0]}?name={PRIVATE[2]}")


def test_no_log_line_holds_a_person_whatever_failed(
    house: SmallHouse,
    monkeypatch: pytest.MonkeyPatch,
    logged: io.StringIO,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    provoke_the_database(house, monkeypatch)
    provoke_the_doors(house)
    captured = capfd.readouterr()
    written = logged.getvalue() + captured.err + captured.out + caplog.text
    assert "request.failed" in written
    assert [word for word in PRIVATE if word in written] == []


def test_no_audit_entry_holds_a_person_whatever_was_refused(house: SmallHouse) -> None:
    provoke_the_doors(house)
    assert house.submit(private_sample(house)).ok
    house.house.refusals.flush(everything=True)
    entries = "\n".join(bytes(row["canonical"]).decode() for row in house.rows("SELECT canonical FROM entry"))
    assert entries
    assert [word for word in (PRIVATE[2], PRIVATE[3]) if word in entries] == []


def test_nothing_at_rest_holds_a_person_in_clear(house: SmallHouse) -> None:
    assert house.submit(private_sample(house)).ok
    provoke_the_doors(house)
    house.house.database.again(lambda tx: tx.run("SELECT 1"))
    raw = b"".join(path.read_bytes() for path in house.folder.glob("gateway.db*"))
    assert len(raw) > 10_000
    assert [word for word in (PRIVATE[0], PRIVATE[2], PRIVATE[3]) if word.encode() in raw] == []
