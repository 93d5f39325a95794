"""Logs are events with fields, and no number of a person stands in them whoever put it there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from gateway import telemetry
from gateway.telemetry import Metrics

Lines = Callable[[], list[str]]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    before, sink = structlog.get_config(), io.StringIO()
    yield sink
    structlog.configure(**before)


def set_up(sink: io.StringIO, level: str = "info", form: str = "json") -> Any:
    telemetry.configure(level, form)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sink))
    return structlog.get_logger("test")


def test_an_event_is_one_line_of_json_with_its_fields(written: io.StringIO) -> None:
    set_up(written).info("something.happened", where="桥头")
    line = json.loads(written.getvalue())
    assert (line["event"], line["where"], line["level"]) == ("something.happened", "桥头", "info")
    assert line["timestamp"].endswith("Z")


def test_fields_bound_to_a_request_stand_in_every_event(written: io.StringIO) -> None:
    log = set_up(written)
    with structlog.contextvars.bound_contextvars(request_id="R1"):
        log.info("inside")
    assert json.loads(written.getvalue())["request_id"] == "R1"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_events_below_the_level_are_not_written(written: io.StringIO, level: str) -> None:
    log = set_up(written, level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name)
    names = ["debug", "info", "warning", "error"]
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == names[names.index(level) :]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("number", ["44030419900307123X", "440304199003071234", "13800000001", "6222021234567890123"])
def test_a_number_of_a_person_is_masked_in_every_field_and_in_a_stack(
    written: io.StringIO, form: str, number: str
) -> None:
    log = set_up(written, form=form)
    log.warning(f"event {number}", said=f"doc_no={number},", why=f"({number})")
    try:
        raise ValueError(f"bad {number}")
    except ValueError:
        log.error("failed", exc_info=True)
    assert "failed" in written.getvalue()
    assert number not in written.getvalue()


def test_a_stack_never_shows_the_values_of_variables(written: io.StringIO) -> None:
    for form in ("json", "console"):
        log = set_up(written, form=form)
        form_of_a_person = {"name": "陈㐂宁"}
        try:
            raise KeyError(len(form_of_a_person))
        except KeyError:
            log.error("failed", exc_info=True)
    assert "KeyError" in written.getvalue()
    assert "陈㐂宁" not in written.getvalue()


def test_our_own_ids_are_not_masked(written: io.StringIO) -> None:
    set_up(written).info("x", case_id="012345678901234567", receipt_no="FT261123037K3QWB", other="FT261123037K3QWB")
    line = json.loads(written.getvalue())
    assert (line["case_id"], line["receipt_no"], line["other"]) == (
        "012345678901234567",
        "FT261123037K3QWB",
        "FT261123037K3QWB",
    )


def test_each_process_has_numbers_of_its_own() -> None:
    one, other = Metrics(), Metrics()
    one.refusals.labels("B", "cause").inc()
    labels = {"bank": "B", "cause": "cause"}
    assert one.registry.get_sample_value("gateway_refusals_total", labels) == 1.0
    assert other.registry.get_sample_value("gateway_refusals_total", labels) is None
