"""Official calendar tables as rows: one row per day that differs from the week's rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from gateway.store.database import Tx, micros


def years(tx: Tx) -> dict[int, str]:
    """Years with an official table, and where each was announced."""
    return {r["year"]: r["source"] for r in tx.all("SELECT year, source FROM calendar_year")}


def days(tx: Tx) -> list[tuple[date, str]]:
    """Every special day with its kind: off or work."""
    return [(date.fromisoformat(r["day"]), r["kind"]) for r in tx.all("SELECT day, kind FROM calendar_day")]


def replace_year(tx: Tx, year: int, *, source: str, off: Sequence[date], work: Sequence[date], at: datetime) -> None:
    """Put a year's table in the place of what was there."""
    tx.run("DELETE FROM calendar_day WHERE day LIKE :year", {"year": f"{year}-%"})
    tx.run("DELETE FROM calendar_year WHERE year = :year", {"year": year})
    tx.run(
        "INSERT INTO calendar_year (year, source, loaded_at) VALUES (:year, :source, :at)",
        {"year": year, "source": source, "at": micros(at)},
    )
    rows = [{"day": d.isoformat(), "kind": "off"} for d in off] + [{"day": d.isoformat(), "kind": "work"} for d in work]
    if rows:
        tx.run("INSERT INTO calendar_day (day, kind) VALUES (:day, :kind)", rows)
