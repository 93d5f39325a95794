"""One request followed end to end: from a log line to its case, and from any other id one may have in hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner
from structlog.testing import capture_logs

from gateway import bootstrap, telemetry
from gateway.cli import base, main
from tests.builders import SmallHouse, environment, read_catalogue, small_house


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHouse]:
    monkeypatch.setattr(base.console, "width", 300)
    before = structlog.get_config()
    telemetry.configure("debug", "json")
    monkeypatch.setattr(bootstrap, "load_catalogue", read_catalogue)
    with small_house(tmp_path, sqlite_url, with_department=True) as small:
        yield small
    structlog.configure(**before)


def trace(house: SmallHouse, *arguments: str) -> tuple[int, str]:
    url = house.house.settings.database_url
    done = CliRunner().invoke(main, ["trace", *arguments], env=environment(house.folder, url))
    return done.exit_code, done.output


def test_every_id_leads_to_the_same_story_without_personal_data(house: SmallHouse) -> None:
    business = house.sample()
    request = house.build("submit", business)
    receipt_no = house.send(request).receipt_no
    house.until_state(receipt_no, "approved")
    (case,) = house.rows("SELECT case_id, bank_ref FROM cases")
    (call,) = house.rows("SELECT work_id FROM work WHERE kind = 'call'")
    exchange = house.rows("SELECT exchange_id FROM exchange WHERE case_id IS NOT NULL ORDER BY started_at")[0]
    (message,) = house.rows("SELECT transport_id FROM message WHERE operation = 'submit'")
    names = [receipt_no, case["case_id"], case["bank_ref"], call["work_id"], exchange["exchange_id"]]
    for name in [*names, message["transport_id"]]:
        code, said = trace(house, name, "--bodies")
        assert code == 0, said
        assert receipt_no in said
        assert "case:submission:received" in said
        assert call["work_id"] in said
        assert business["applicant"]["doc_no"] not in said


def test_what_is_not_known_is_said(house: SmallHouse) -> None:
    code, said = trace(house, "nobody")
    assert (code, "nothing is known" in said) == (1, True)


def test_the_request_id_of_the_log_line_is_the_case(house: SmallHouse) -> None:
    with capture_logs(processors=[_merge]) as lines:
        assert house.submit(house.sample()).ok
    (answered,) = [line for line in lines if line["event"] == "request.answered"]
    assert [answered["operation"], answered["reason"]] == ["submit", "OK"]
    assert house.rows("SELECT case_id FROM cases") == [{"case_id": answered["request_id"]}]


def test_an_act_names_its_request_in_the_trail(house: SmallHouse) -> None:
    business = house.sample()
    receipt_no = house.submit(business).receipt_no
    with capture_logs(processors=[_merge]) as lines:
        assert house.submit(business).receipt_no == receipt_no
    (again,) = [line["request_id"] for line in lines if line["event"] == "request.answered"]
    (entry,) = [e for e in house.entries(receipt_no) if e["kind"] == "case:submission:retried"]
    assert entry["facts"]["request"] == again


def _merge(logger: object, name: str, event: dict[str, object]) -> dict[str, object]:
    from structlog.contextvars import merge_contextvars

    return dict(merge_contextvars(logger, name, event))
