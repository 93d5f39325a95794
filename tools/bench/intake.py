"""Signed intake against the floor: interleaved rounds, the same requests to every side (docs/performance.md).

Must not start processes. What counts is server CPU per answer: on a shared machine requests per second are weather.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import create_engine, text

from tools.bench import processor
from tools.bench.figures import Round, percentile
from tools.bench.load import Loader, Volley

CONNECTIONS = 8
MOST_A_SECOND = 700  # no side of a Python server on a core answers more; so many requests are kept ready
WARM = 150


class NotMeasured(RuntimeError):
    """A side did not do its work, so its numbers mean nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One server under measurement. ``database_url`` is read for the backend's CPU, ``table`` for counting."""

    name: str
    port: int
    pid: int
    database_url: str
    table: str


def needed(rounds: int, seconds: float) -> int:
    """How many signed requests a measurement wants."""
    return WARM + rounds * int(MOST_A_SECOND * seconds)


def measure(
    sides: Sequence[Side],
    loader: Loader,
    *,
    rounds: int,
    seconds: float,
    done: Callable[[Round], None] = lambda _round: None,
) -> list[Round]:
    """Warm every side, then ``rounds`` times each side in turn, another one first each time.

    Raises ``NotMeasured`` when a side answered without ok, or keeps fewer rows than it said ok.
    """
    count = int(MOST_A_SECOND * seconds)
    oks = dict.fromkeys((side.name for side in sides), 0)
    for side in sides:
        oks[side.name] += _good(side, loader.fire(side.port, 0, WARM, seconds=30.0, connections=CONNECTIONS)).answered
    found = []
    for number in range(rounds):
        turn = number % len(sides)
        for side in (*sides[turn:], *sides[:turn]):
            one = _round(side, loader, first=WARM + number * count, count=count, seconds=seconds)
            oks[side.name] += one.answered
            found.append(one)
            done(one)
    for side in sides:
        kept = rows(side)
        if kept < oks[side.name]:
            raise NotMeasured(f"{side.name} said ok {oks[side.name]} times and keeps {kept} rows")
    return found


def rows(side: Side) -> int:
    """How many rows a side's table holds."""
    engine = create_engine(side.database_url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {side.table}")).scalar_one())
    finally:
        engine.dispose()


def _round(side: Side, loader: Loader, *, first: int, count: int, seconds: float) -> Round:
    backends = backend_pids(side.database_url)
    backends_before = processor.each_seconds(backends)
    before = processor.tree_seconds(side.pid)
    volley = _good(side, loader.fire(side.port, first, count, seconds=seconds, connections=CONNECTIONS))
    used = processor.tree_seconds(side.pid) - before
    backends_used = processor.spent(backends_before, processor.each_seconds(backend_pids(side.database_url)))
    return Round(
        side=side.name,
        answered=volley.answered,
        errors=volley.errors,
        rate=volley.answered / volley.seconds,
        p50_ms=percentile(volley.milliseconds, 0.5),
        p99_ms=percentile(volley.milliseconds, 0.99),
        cpu_us=used / volley.answered * 1e6,
        backend_us=backends_used / volley.answered * 1e6 if backends else None,
    )


def _good(side: Side, volley: Volley) -> Volley:
    if volley.errors or not volley.answered:
        raise NotMeasured(f"{side.name}: {volley.errors} of {volley.answered + volley.errors} failed: {volley.sample}")
    return volley


def backend_pids(url: str) -> list[int]:
    """The PostgreSQL processes that serve this database, where they run on this machine; none for SQLite."""
    if not url.startswith("postgresql"):
        return []
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(
                text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            )
            return [int(row[0]) for row in found if processor.name(int(row[0])).startswith("postgres")]
    finally:
        engine.dispose()
