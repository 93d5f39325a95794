"""``python -m tools.bench.staff``: what the gate costs, and how long staff lists take with a million cases.

On PostgreSQL. The cases are made by the server itself, with sealed columns of chance: lists open none of them. Times
are those of reading, in process, without sockets.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from gateway.domain.actor import Actor, Role
from gateway.people.sessions import Sessions
from gateway.store import case_views, migrate
from gateway.store.database import Database
from gateway.web.staff_api.gate import Gate, needs
from tools.postgres import server

_ROUNDS = 200
_MAKE = """
INSERT INTO cases (case_id, bank, bank_ref, client_id, business_digest, item, item_version, department, backend, outlet,
 channel, receipt_no, receipt, received_at, state, since, event_no, entry_no, due_on, due_kind, clock_alarm, withdrawal,
 department_seq, parked, subject_hash, data_key, form_sealed, facts_sealed)
SELECT md5(n::text), (ARRAY['ICBC','CCB','ABC','CMB'])[1 + n % 4], 'R' || n, 'c', 'sha256:x',
 'FT-X-' || lpad((n % 100)::text, 3, '0'), '2026.1', (ARRAY['FT_EDU','FT_CIV','FT_HRS','FT_HCN','FT_HLT'])[1 + n % 5],
 'FT_X', (ARRAY['ICBC','CCB','ABC','CMB'])[1 + n % 4] || '-FT-0' || (1 + n % 3), 'counter', 'N' || n, '{}',
 1700000000000000 + n * 30000000::bigint,
 CASE WHEN n % 1000 = 0 THEN 'correction' WHEN n % 20 = 0 THEN 'reviewing' ELSE 'approved' END, 1700000000000000, 4, 9,
 CASE WHEN n % 1000 = 0 THEN '2026-01-05' END, CASE WHEN n % 1000 = 0 THEN 'correction' END,
 CASE WHEN n % 5000 = 0 THEN 2 ELSE 0 END, 'none', 0, CASE WHEN n % 10000 = 0 THEN 1 ELSE 0 END,
 md5((n % 300000)::text), '\\x00', '\\x00', '\\x00' FROM generate_series(1, %s) n
"""
_PEOPLE = {
    "operator": Actor("li", "idp", frozenset({Role.OPERATOR})),
    "bank IT": Actor("wu", "idp", frozenset({Role.BANK_IT}), bank="ICBC"),
    "teller": Actor("he", "idp", frozenset({Role.TELLER}), bank="ICBC", outlets=frozenset({"ICBC-FT-01"})),
    "officer": Actor("ma", "idp", frozenset({Role.OFFICER}), department="FT_EDU"),
}
_LISTS: dict[str, dict[str, Any]] = {
    "newest": {},
    "deep page": {"before": (1_700_000_000_000_000 + 5_000 * 30_000_000, "f")},
    "one item": {"filters": {"item": "FT-X-007"}},
    "a rare state": {"filters": {"state": "correction"}},
    "a state nobody is in": {"filters": {"state": "lapsed"}},
    "parked": {"parked": True},
    "overdue": {"overdue": True},
}


def main() -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.staff")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument(
        "--plans", action="store_true", help="show how PostgreSQL reads the slowest list of each person"
    )
    asked, console = parser.parse_args(), Console()
    with server(durable=False) as found, found.database("gwstaff") as url, tempfile.TemporaryDirectory() as folder:
        migrate.upgrade(url)
        console.print(f"making {asked.cases:,} cases")
        with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
            connection.execute(_MAKE.replace("%s", str(int(asked.cases))).encode())
            connection.execute("VACUUM ANALYZE cases")
        _gate(console, url, Path(folder))
        _lists(console, url, plans=asked.plans)
    return 0


def _gate(console: Console, url: str, folder: Path) -> None:
    from tests.staff import staffed  # the same house the tests sign in to: a real provider, a real session

    with staffed(folder, url) as staff:
        person = staff.signed_in("operator")
        sessions: Sessions = staff.house.house.sessions
        gate = Gate(sessions, staff.house.house.database, staff.house.clock)
        from gateway.domain.actor import Permission

        view: Callable[..., Any] = needs(Permission.CASES_READ)(lambda: None)
        with staff.house.app.test_request_context(headers={"Authorization": f"Bearer {person.session}"}):
            gate.judge(view)
            began, count = time.process_time(), 5_000
            for _ in range(count):
                gate.judge(view)
            spent = (time.process_time() - began) / count * 1e6
            looked = []
            for _ in range(200):
                sessions._kept.clear()
                began = time.process_time()
                gate.judge(view)
                looked.append((time.process_time() - began) * 1e6)
    console.print(
        f"gate: {spent:.0f} µs CPU a request, {statistics.median(looked):.0f} µs when the session is looked up anew"
        " (once a second)"
    )


def _lists(console: Console, url: str, *, plans: bool) -> None:
    from gateway.domain.clock import SystemClock

    database = Database(url, SystemClock())
    table = Table("list", *(f"{who}, p50 / p99 ms" for who in _PEOPLE))
    slow: dict[str, tuple[float, str]] = {}
    for name, how in _LISTS.items():
        cells = []
        for who, actor in _PEOPLE.items():
            times = []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                with database.read() as tx:
                    case_views.listed(tx, actor, **{"filters": {}, **how}, limit=51)
                times.append((time.perf_counter() - began) * 1e3)
                if sum(times) > 10_000:
                    break
            p99 = statistics.quantiles(times, n=100)[98]
            slow[who] = max(slow.get(who, (0.0, "")), (p99, name))
            cells.append(f"{statistics.median(times):.1f} / {p99:.1f}")
        table.add_row(name, *cells)
    console.print(table)
    if plans:
        for who, (_, name) in slow.items():
            console.print(f"\n{who}, {name}:")
            for line in _plan(database, _PEOPLE[who], _LISTS[name]):
                console.print(line, markup=False, highlight=False)
    database.close()


def _plan(database: Database, actor: Actor, how: dict[str, Any]) -> list[str]:
    kept: list[tuple[str, dict[str, Any]]] = []

    class Listening:
        """Stands for the transaction and keeps the statement."""

        def all(self, statement: str, params: dict[str, Any]) -> list[Any]:
            kept.append((statement, params))
            return []

    case_views.listed(Listening(), actor, **{"filters": {}, **how}, limit=51)  # type: ignore[arg-type]  # it only keeps
    statement, params = kept[0]
    with database.read() as tx:
        return [str(row[0]) for row in tx.run(f"EXPLAIN ANALYZE {statement}", params)]


if __name__ == "__main__":
    sys.exit(main())
