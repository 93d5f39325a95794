"""Logs as events with fields, and the numbers a scraper reads. Must not carry payloads or personal data."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# Long digit runs (identity numbers, accounts, phones) never belong into a log line, wherever they come from.
_NUMBERS = re.compile(r"(?<![0-9A-Za-z])([0-9]{3})[0-9]{6,16}([0-9Xx]{2})(?![0-9A-Za-z])")
_ALLOWED = {"timestamp", "exchange_id", "call_id", "case_id", "work_id", "receipt_no", "request_id"}


def _masked(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and name not in _ALLOWED:
            event[name] = _NUMBERS.sub(r"\1***\2", value)
    return event


def configure(level: str, form: str) -> None:
    """Set up structlog for this process: one line per event on standard error."""
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _masked,
    ]
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


class Metrics:
    """Every number this process tells; one registry, so tests can have their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gateway_bank_requests_total",
            "Bank requests by outcome",
            ["bank", "operation", "reason"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "gateway_bank_request_seconds",
            "Time to answer a bank",
            ["bank"],
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=self.registry,
        )
        self.refusals = Counter(
            "gateway_refusals_total", "Requests refused before the desk", ["bank", "cause"], registry=self.registry
        )
        self.calls = Counter(
            "gateway_calls_total", "Talks with departments by outcome", ["lane", "outcome"], registry=self.registry
        )
        self.callbacks = Counter(
            "gateway_callbacks_total", "Callbacks of departments", ["backend", "outcome"], registry=self.registry
        )
        self.work = Gauge("gateway_work_rows", "Work rows", ["lane", "kind", "state"], registry=self.registry)
        self.trail_wait = Gauge(
            "gateway_trail_order_wait_seconds", "Age of the oldest entry without position", registry=self.registry
        )
        self.alarms = Gauge(
            "gateway_alarms",
            "What somebody must look at now, by kind (docs/runbook.md)",
            ["alarm"],
            registry=self.registry,
        )
        self.unrecorded = Counter(
            "gateway_exchanges_unrecorded_total", "Exchanges that could not be kept", registry=self.registry
        )

    def count_alarms(self, counts: Mapping[str, int]) -> None:
        """Every known kind with its number, 0 while all is well: a gauge that was never there alarms nobody."""
        for kind, number in counts.items():
            self.alarms.labels(kind).set(number)

    def described(self) -> list[tuple[str, str, str, tuple[str, ...]]]:
        """Every number there is: name, type, meaning, labels; ``docs/metrics.md`` is made from it."""
        numbers = (v for v in vars(self).values() if isinstance(v, Counter | Gauge | Histogram))
        found = []
        for number in numbers:
            (family,) = number.describe()
            suffix = "_total" if family.type == "counter" else ""
            found.append((family.name + suffix, family.type, family.documentation, tuple(number._labelnames)))
        return sorted(found)
