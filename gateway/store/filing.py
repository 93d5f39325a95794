"""The four rows of intake in one transaction: message, case, audit entry, work (rules.md 6).

Nothing is asked before it is inserted: unique constraints decide, and the caller looks afterwards what was hit.
On PostgreSQL it is one statement and one round trip. The client's status and key are judged again inside, so that
a block holds from the moment it commits (rules.md 7).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import Table, exc
from sqlalchemy.dialects import postgresql

from gateway.store import tables
from gateway.store.clients import STILL_GOOD
from gateway.store.database import Database, Tx, is_unique_violation
from gateway.store.group import Group
from gateway.store.switches import NOT_OFF

Row = Mapping[str, Any]
# Part by part: the columns that have a value, and the parameters that carry it.
Shape = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


class Filed(StrEnum):
    """What became of the four rows."""

    FILED = "filed"
    BLOCKED = "blocked"  # the client or its key is no longer good, or the item or outlet was switched off
    CLASH = "clash"  # a unique constraint decided: message, submission, receipt number or open case


@dataclass(frozen=True, slots=True)
class FourRows:
    """The rows, ready: all crypto is done. ``key_id`` is the verification key the message was signed with."""

    message: Row
    case: Row
    entry: Row
    work: Row
    key_id: str


_PARTS: tuple[tuple[str, Table], ...] = (
    ("message", tables.message),
    ("case", tables.cases),
    ("entry", tables.entry),
    ("work", tables.work),
)
# A value that stands in several rows is sent once, and a column without a value not at all: with more than 50
# parameters psycopg reads the whole statement anew each time, which costs as much as executing it.
_SENT_ONCE = {
    ("message", "client_id"): "client_id",
    ("case", "client_id"): "client_id",
    ("message", "case_id"): "case_id",
    ("case", "case_id"): "case_id",
    ("entry", "case_id"): "case_id",
    ("entry", "subject"): "case_id",
    ("work", "case_id"): "case_id",
    ("case", "bank"): "bank",
    ("entry", "bank"): "bank",
    ("case", "backend"): "backend",
    ("work", "lane"): "backend",
    ("message", "received_at"): "now",
    ("case", "received_at"): "now",
    ("case", "since"): "now",
    ("entry", "at"): "now",
    ("work", "due_at"): "now",
    ("work", "created_at"): "now",
    ("case", "event_no"): "event_no",
    ("entry", "event_no"): "event_no",
    ("case", "entry_no"): "entry_no",
    ("entry", "seq"): "entry_no",
}
_NAMES = {
    part: {c.name: _SENT_ONCE.get((part, c.name), f"{part}_{c.name}") for c in table.columns} for part, table in _PARTS
}

_JUDGED = ("case_item", "case_outlet", "bank")
_MAY = f"{STILL_GOOD} AND " + NOT_OFF.format(item=":case_item", outlet=":case_outlet", bank=":bank", now=":now")


class Filing:
    """Files for all threads of a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: Group[tuple[_Plan, dict[str, Any]], Filed] | None = (
            None if database.is_postgres else Group(database, _insert_in_turn)
        )

    def __call__(self, rows: FourRows) -> Filed:
        """Insert all four rows or none; a column a row names with ``None``, or does not name, stays empty.

        Raises ``Busy`` (nothing was done) or ``OutcomeUnknown`` (the commit's fate is unknown to us).
        """
        plan, params = _planned(rows)
        try:
            if self._group is not None:
                return self._group.do((plan, params))
            return _file_at_once(self._database, plan, params)
        except (sqlite3.IntegrityError, psycopg.IntegrityError) as error:
            if is_unique_violation(error):
                return Filed.CLASH
            # As from everywhere else, and without the server's DETAIL, which quotes the row.
            raise exc.IntegrityError("filing", None, type(error)(str(error).partition("\n")[0])) from None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What rows with the same columns have in common: where each parameter comes from, and the statements.

    ``taken`` and ``again`` are (parameter, row, column); ``again`` are further places of a value sent once.
    """

    taken: tuple[tuple[str, int, str], ...]
    again: tuple[tuple[str, int, str], ...]
    at_once: str
    in_turn: tuple[str, ...]


def _planned(rows: FourRows) -> tuple[_Plan, dict[str, Any]]:
    parts = (rows.message, rows.case, rows.entry, rows.work)
    given = tuple([tuple([name for name, value in row.items() if value is not None]) for row in parts])
    plan = _plan(given, frozenset())
    params = {name: parts[part][column] for name, part, column in plan.taken}
    own = [(part, column) for name, part, column in plan.again if params[name] != parts[part][column]]
    if own:  # a row says something else than the others: it keeps its own
        plan = _plan(given, frozenset(own))
        params = {name: parts[part][column] for name, part, column in plan.taken}
    for name in _JUDGED:  # a row without one of them is the column's to refuse
        params.setdefault(name, None)
    params["key_id"] = rows.key_id
    return plan, params


@lru_cache(maxsize=64)
def _plan(given: tuple[tuple[str, ...], ...], own: frozenset[tuple[int, str]]) -> _Plan:
    taken: dict[str, tuple[str, int, str]] = {}
    again, shape = [], []
    for part, ((prefix, _), columns) in enumerate(zip(_PARTS, given, strict=True)):
        names = []
        for column in columns:
            name = f"{prefix}_{column}" if (part, column) in own else _NAMES[prefix][column]
            if name in taken:
                again.append((name, part, column))
            else:
                taken[name] = (name, part, column)
            names.append(name)
        shape.append((columns, tuple(names)))
    return _Plan(tuple(taken.values()), tuple(again), _at_once(tuple(shape)), _in_turn(tuple(shape)))


def _at_once(shape: Shape) -> str:
    """One statement of four INSERTs, each only if the client is still good."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # its constructor has no types
    inserts = []
    for (_, table), (columns, names) in zip(_PARTS, shape, strict=True):
        # Without a length: a cast to VARCHAR(n) cuts in silence, the column itself refuses.
        kinds = [table.columns[column].type.compile(dialect).partition("(")[0] for column in columns]
        casts = ", ".join(f"CAST(:{name} AS {kind})" for name, kind in zip(names, kinds, strict=True))
        inserts.append(f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {casts} FROM ok")
    leading = ", ".join(f"w_{part} AS ({insert})" for (part, _), insert in zip(_PARTS, inserts[:-1], strict=False))
    return f"WITH ok AS ({_MAY}), {leading} {inserts[-1]}"


def _in_turn(shape: Shape) -> tuple[str, ...]:
    """Four INSERTs, of which the first does nothing when the client is no longer good."""
    inserts = [
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(':' + name for name in names)}"
        for (_, table), (columns, names) in zip(_PARTS, shape, strict=True)
    ]
    return (f"{inserts[0]} WHERE EXISTS ({_MAY})", *inserts[1:])


def _file_at_once(database: Database, plan: _Plan, params: dict[str, Any]) -> Filed:
    with database.one_statement() as cursor:
        found = cursor.execute(database.sql(plan.at_once), params)
        return Filed.FILED if found.rowcount == 1 else Filed.BLOCKED


def _insert_in_turn(tx: Tx, job: tuple[_Plan, dict[str, Any]]) -> Filed:
    """The four INSERTs of one filing in the writer's transaction, by the driver's own cursor: half the cost."""
    plan, params = job
    first, *others = plan.in_turn
    cursor = tx.cursor()
    if cursor.execute(first, params).rowcount != 1:
        return Filed.BLOCKED
    for statement in others:
        cursor.execute(statement, params)
    return Filed.FILED
