"""Working days: the vectors of the 2026 table, and years that have no table yet."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import gateway.calendar.tables as tables
from gateway.calendar.days import WorkingDays
from gateway.domain.errors import BadSettings

TABLE = tables.read(Path(tables.__file__).parent / "data" / "2026.yaml")
DAYS = WorkingDays(off=frozenset(TABLE.off), work=frozenset(TABLE.work), official=frozenset({2026}))


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-09-18", 5, "2026-09-24"),
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-02-13", 3, "2026-02-25"),
        ("2026-02-13", 20, "2026-03-19"),
        ("2026-04-30", 1, "2026-05-06"),
        ("2026-05-08", 2, "2026-05-11"),
        ("2026-09-24", 10, "2026-10-15"),
        ("2026-11-23", 20, "2026-12-21"),
    ],
)
def test_working_days_are_counted_as_the_official_table_says(start: str, days: int, end: str) -> None:
    counted = DAYS.add(date.fromisoformat(start), days)
    assert (counted.day.isoformat(), counted.provisional) == (end, False)


def test_2026_has_248_working_days() -> None:
    assert DAYS.working_days_of(2026) == 248


def test_a_limit_that_runs_into_a_year_without_table_is_provisional() -> None:
    counted = DAYS.add(date(2026, 12, 30), 3)
    assert counted.provisional
    assert counted.day == date(2027, 1, 5)  # 1 January is a fixed holiday, 2 and 3 are a weekend


def test_between_is_the_inverse_of_add() -> None:
    for days in range(30):
        start = date(2026, 2, 10)
        assert DAYS.between(start, DAYS.add(start, days).day) == days


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("year: 2027\nsource: x\nrest: [['2026-01-01','2026-01-03']]\nworked: []\n", "does not lie in 2027"),
        ("year: 2027\nsource: x\nrest: []\nworked: ['2027-01-04']\n", "no weekend"),
        (
            "year: 2027\nsource: x\nrest: [['2027-01-02','2027-01-03']]\nworked: ['2027-01-02']\n",
            "in rest and in worked",
        ),
        ("year: 2027\n", "not a calendar table"),
        ("nonsense", "not a calendar table"),
    ],
)
def test_a_wrong_table_is_refused_with_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(BadSettings, match=says):
        tables.read(path)
