"""The four rows of intake in one transaction: message, case, audit entry, work (rules.md 6).

Nothing is asked before it is inserted: unique constraints decide, and the caller looks afterwards what was hit.
On PostgreSQL it is one statement and one round trip. The client's status and key are judged again inside, so that
a block holds from the moment it commits (rules.md 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Table, exc
from sqlalchemy.dialects import postgresql

from gateway.store import tables
from gateway.store.database import Database, is_unique_violation

Row = Mapping[str, Any]


class Filed(StrEnum):
    """What became of the four rows."""

    FILED = "filed"
    BLOCKED = "blocked"  # the client or its key is no longer good
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
_LEFT_OUT = {"row_id"}  # the database numbers entries itself

_STILL_GOOD = """SELECT 1 AS good FROM client c JOIN client_key k ON k.client_id = c.client_id
 WHERE c.client_id = :ok_client AND c.status = 'active' AND k.key_id = :ok_key AND k.retired_at IS NULL"""


def _columns(table: Table) -> list[str]:
    return [c.name for c in table.columns if c.name not in _LEFT_OUT]


def _insert(part: str, table: Table, *, values: str) -> str:
    return f"INSERT INTO {table.name} ({', '.join(_columns(table))}) {values}"


def _plain(part: str, table: Table) -> str:
    return _insert(part, table, values=f"VALUES ({', '.join(f':{part}_{c}' for c in _columns(table))})")


def _selected(part: str, table: Table) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # its constructor has no types
    casts = (f"CAST(:{part}_{c.name} AS {c.type.compile(dialect)})" for c in table.columns if c.name not in _LEFT_OUT)
    return _insert(part, table, values=f"SELECT {', '.join(casts)} FROM ok")


_ONE_STATEMENT = (
    f"WITH ok AS ({_STILL_GOOD}), "
    + ", ".join(f"w_{part} AS ({_selected(part, table)})" for part, table in _PARTS[:-1])
    + f" {_selected(*_PARTS[-1])}"
)
_FOUR_STATEMENTS = tuple(_plain(part, table) for part, table in _PARTS)


def file(database: Database, rows: FourRows) -> Filed:
    """Insert all four rows or none.

    Raises ``Busy`` (nothing was done) or ``OutcomeUnknown`` (the commit's fate is unknown to us).
    """
    params: dict[str, Any] = {"ok_client": rows.message["client_id"], "ok_key": rows.key_id}
    for part, row in (
        ("message", rows.message),
        ("case", rows.case),
        ("entry", rows.entry),
        ("work", rows.work),
    ):
        params.update({f"{part}_{name}": value for name, value in row.items()})
    try:
        return _file_at_once(database, params) if database.is_postgres else _file_in_turn(database, params)
    except exc.IntegrityError as error:
        if is_unique_violation(error):
            return Filed.CLASH
        raise


def _file_at_once(database: Database, params: dict[str, Any]) -> Filed:
    with database.one_statement() as tx:
        return Filed.FILED if tx.run(_ONE_STATEMENT, params).rowcount == 1 else Filed.BLOCKED


def _file_in_turn(database: Database, params: dict[str, Any]) -> Filed:
    with database.write() as tx:
        if tx.run(_STILL_GOOD, params).first() is None:
            return Filed.BLOCKED
        for statement in _FOUR_STATEMENTS:
            tx.run(statement, params)
        tx.commit()
    return Filed.FILED
