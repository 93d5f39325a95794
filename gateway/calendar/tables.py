"""Official tables as files and as rows: reading, seeding, replacing. Must not count days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.calendar.days import WorkingDays
from gateway.domain.clock import Clock
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing, EntryDraft
from gateway.store import calendar_rows, trail
from gateway.store.database import Database, Tx

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class YearTable:
    """One year as announced."""

    year: int
    source: str
    off: tuple[date, ...]
    work: tuple[date, ...]
    digest: str = ""  # of the file it was read from


def read(path: Path) -> YearTable:
    """One file of ``data/``'s form. Raises ``BadSettings`` naming what is wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadSettings(f"{path}: {error.strerror}") from error
    return read_text(raw, str(path))


def read_text(raw: bytes, path: str) -> YearTable:
    """The same of a file's bytes; ``path`` is what messages call it. Raises ``BadSettings``."""
    try:
        data: Any = yaml.load(raw, Loader=yaml.CSafeLoader)
        year = int(data["year"])
        off = tuple(day for first, last in data["rest"] for day in _span(first, last))
        work = tuple(date.fromisoformat(day) for day in data["worked"])
        source = str(data["source"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise BadSettings(f"{path}: not a calendar table ({error}); see the head of the 2026 table") from error
    wrong = [d for d in (*off, *work) if d.year != year]
    if wrong:
        raise BadSettings(f"{path}: {wrong[0]} does not lie in {year}")
    idle = [d for d in work if d.weekday() < 5]
    if idle:
        raise BadSettings(f"{path}: {idle[0]} is no weekend, so it is worked anyway; leave it out of worked")
    if set(off) & set(work):
        raise BadSettings(f"{path}: {min(set(off) & set(work))} stands in rest and in worked")
    return YearTable(year=year, source=source, off=off, work=work, digest="sha256:" + sha256(raw).hexdigest())


def seed(database: Database, clock: Clock) -> None:
    """Put the shipped tables into the database where their year has none yet; a loaded table is never replaced."""
    shipped = [read(path) for path in sorted(_DATA.glob("*.yaml"))]
    with database.read() as tx:
        known = calendar_rows.years(tx)
    for table in shipped:
        if table.year not in known:
            put(database, table, clock)


def put(database: Database, table: YearTable, clock: Clock, *, actor: str = "system:start") -> None:
    """Put a year's table into the database, in a transaction of its own."""
    doing = Doing(at=clock.now(), actor=actor)
    database.again(lambda tx: put_in(tx, table, doing))


def put_in(tx: Tx, table: YearTable, doing: Doing) -> None:
    """Put a year's table in the place of what was there; the trail says who did."""
    draft = EntryDraft(
        kind=EntryKind.CALENDAR_LOADED,
        subject=f"calendar:{table.year}",
        at=doing.at,
        actor=doing.actor,
        facts={"year": str(table.year), "source": as_fact(table.source), **doing.facts},
        digests={"table": table.digest},
    )
    calendar_rows.replace_year(tx, table.year, source=table.source, off=table.off, work=table.work, at=doing.at)
    trail.append_loose(tx, [draft])


def load(database: Database) -> WorkingDays:
    """What the database holds now."""
    with database.read() as tx:
        rows = calendar_rows.days(tx)
        sources = calendar_rows.years(tx)
    return WorkingDays(
        off=frozenset(day for day, kind in rows if kind == "off"),
        work=frozenset(day for day, kind in rows if kind == "work"),
        official=frozenset(sources),
        sources=sources,
    )


def _span(first: str, last: str) -> Iterator[date]:
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day
        day += timedelta(days=1)
