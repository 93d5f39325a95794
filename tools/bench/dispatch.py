"""Dispatch: how many cases one worker carries to a department a second, and how soon after their intake.

Must not start processes. The department is a stub that answers at once, so what is measured is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import create_engine, text

from tools.bench import processor
from tools.bench.figures import percentile
from tools.bench.intake import NotMeasured
from tools.bench.load import Loader
from tools.stack import asking

_LOOK = 0.1
_AFTER_FIRST = 50  # cases before the clock of the throughput starts: pools and caches are warm then


@dataclass(frozen=True, slots=True)
class Latency:
    """From ``received_at`` of a case to its last byte at the department."""

    cases: int
    rate: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Cases one worker carried to the department. ``cpu_us``: its CPU per case, the trail's sealing included."""

    cases: int
    seconds: float
    rate: float
    cpu_us: float


def latency(
    loader: Loader, *, gateway_port: int, department_port: int, database_url: str, count: int, rate: float
) -> Latency:
    """File ``count`` cases, one every 1/``rate`` s, and compare the case rows with the department's books.

    Raises ``NotMeasured`` when a case was not filed or does not arrive exactly once within ten seconds.
    """
    began = time.time()
    volley = loader.fire(gateway_port, 0, count, seconds=60.0, connections=4, pause=1 / rate)
    if volley.errors or volley.answered != count:
        raise NotMeasured(f"{volley.errors} of {count} failed: {volley.sample}")
    received = _received(database_url)
    end = time.monotonic() + 10
    while _filed(department_port) < len(received) and time.monotonic() < end:
        time.sleep(_LOOK)
    came = arrivals(department_port)
    once_each(came)
    if came.keys() != received.keys():
        raise NotMeasured(f"{len(received)} cases taken in, {len(came)} arrived at the department")
    waits = [(came[receipt][0] - at) * 1000 for receipt, at in received.items() if at >= began]
    return Latency(
        cases=count,
        rate=rate,
        p50_ms=percentile(waits, 0.5),
        p99_ms=percentile(waits, 0.99),
        worst_ms=max(waits),
    )


def throughput(worker_pid: Callable[[], int], *, department_port: int, waiting: int, seconds: float) -> Throughput:
    """Start a worker by ``worker_pid`` on ``waiting`` cases filed before, and count arrivals for ``seconds``.

    Ends early when all have arrived. Raises ``NotMeasured`` when too few arrive or one arrives twice.
    """
    known = set(arrivals(department_port))
    pid = worker_pid()
    end = time.monotonic() + 20
    while _filed(department_port) - len(known) < min(_AFTER_FIRST, waiting // 2) and time.monotonic() < end:
        time.sleep(_LOOK)
    began, before = time.time(), processor.tree_seconds(pid)
    while time.time() - began < seconds and _filed(department_port) - len(known) < waiting:
        time.sleep(_LOOK)
    ended, used = time.time(), processor.tree_seconds(pid) - before
    came = arrivals(department_port)
    once_each(came)
    inside = [moments[0] for receipt, moments in came.items() if receipt not in known and began <= moments[0] <= ended]
    if not inside:
        raise NotMeasured("nothing arrived at the department")
    lasted = (max(inside) if len(came) - len(known) >= waiting else ended) - began
    return Throughput(cases=len(inside), seconds=lasted, rate=len(inside) / lasted, cpu_us=used / len(inside) * 1e6)


def arrivals(port: int) -> dict[str, list[float]]:
    """The books of the lean department: receipt number → moments of arrival, seconds since 1970."""
    return asking.ask_json(port, "/arrivals")


def _filed(port: int) -> int:
    return int(asking.ask_json(port, "/control/health")["filed"])


def once_each(came: dict[str, list[float]]) -> None:
    """Raises ``NotMeasured`` when an application was filed twice: then speed is no merit."""
    twice = [receipt for receipt, moments in came.items() if len(moments) > 1]
    if twice:
        raise NotMeasured(f"{len(twice)} cases were filed twice, {twice[0]} among them")


def _received(url: str) -> dict[str, float]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT receipt_no, received_at FROM cases"))
            return {str(receipt): micros / 1e6 for receipt, micros in found}
    finally:
        engine.dispose()
