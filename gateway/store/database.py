"""One database, two dialects: connections, transactions, the database's clock, and retries of busy ones.

Must not know what the rows mean. Statements are plain SQL with ``:name`` parameters, prepared once per dialect.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from sqlalchemy import CursorResult, Engine, create_engine, event, exc
from sqlalchemy.engine import Connection, ExceptionContext
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from gateway.domain.clock import Clock
from gateway.domain.errors import BadSettings, Busy, OutcomeUnknown

Params = Mapping[str, Any]
T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC. Raises ``ValueError`` for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("a naive time")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The aware UTC time of a stored number."""
    return _EPOCH + timedelta(microseconds=value)


def normal_url(url: str) -> str:
    """The URL with PostgreSQL's other spellings rewritten to the driver we ship.

    Raises ``BadSettings`` for a database we do not run on.
    """
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    if url.startswith(("postgresql+psycopg://", "sqlite:///")):
        return url
    raise BadSettings("the database URL must begin with sqlite:/// or postgresql://")


class Database:
    """Engine and rules of one database; shared by all threads of a process, made after any fork."""

    def __init__(self, url: str, clock: Clock, *, pool_size: int = 12, database_clock: bool = True) -> None:
        """``database_clock`` False lets tests turn time on PostgreSQL; leases then follow ``clock``."""
        self.url = normal_url(url)
        self.clock = clock
        self.is_postgres = self.url.startswith("postgresql")
        self.engine: Engine = _sqlite(self.url) if not self.is_postgres else _postgres(self.url, pool_size)
        # Connections of their own for statements that commit themselves: turning a pooled one to autocommit and back
        # costs more than the statement's own round trip on our side.
        self._autocommit = _postgres(self.url, pool_size, itself=True) if self.is_postgres else self.engine
        self._reader = self.engine.execution_options(  # each dialect has its own name for it
            **({"postgresql_readonly": True} if self.is_postgres else {"read_only": True})
        )
        self._one_writer = threading.Lock()  # SQLite's own waiting is unfair: floors.md section 5
        self._statements: dict[str, str] = {}
        self._own_clock = self.is_postgres and database_clock

    def sql(self, statement: str) -> str:
        """The statement in the driver's own parameter style, translated once."""
        ready = self._statements.get(statement)
        if ready is None:
            ready = statement
            if self.is_postgres:
                ready = _NAME.sub(r"%(\1)s", statement.replace("%", "%%"))
            self._statements[statement] = ready
        return ready

    @property
    def now_sql(self) -> str:
        """The present as an SQL expression in microseconds; goes with ``now_params``.

        The statement's own time on PostgreSQL: it stands still while the statement runs, so an index can be asked
        for ``due_at <= now``; with ``clock_timestamp()`` every row of a lane would be read.
        """
        return (
            "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
            if self._own_clock
            else "CAST(:now AS bigint)"
        )

    def now_params(self) -> dict[str, Any]:
        """What ``now_sql`` needs beside it: nothing where the database keeps the time itself."""
        return {} if self._own_clock else {"now": micros(self.clock.now())}

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One transaction that rolls back unless ``commit()`` is said. Raises ``Busy`` or ``OutcomeUnknown``."""
        if self.is_postgres:
            with _translated(), self.engine.connect() as connection:
                yield Tx(self, connection)
            return
        with self._one_writer, _translated(), self.engine.connect() as connection:
            yield Tx(self, connection)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A look that can never write and never waits for a writer."""
        with _translated(), self._reader.connect() as connection:
            yield Tx(self, connection)

    @contextmanager
    def one_statement(self) -> Iterator[Any]:
        """PostgreSQL only: the driver's own cursor for a statement that is its own transaction, one round trip.

        Straight from the pool: the toolkit's connection around it costs as much as the round trip on our side.
        Raises ``OutcomeUnknown`` when the connection broke under it: it may have been committed.
        """
        with _translated():
            pooled = self._autocommit.raw_connection()
            try:
                yield pooled.cursor()
            except psycopg.OperationalError as error:
                driver = pooled.driver_connection
                if driver is None or driver.closed:
                    pooled.invalidate()
                    self._autocommit.dispose()  # what broke this one has most likely broken the idle ones too
                    raise OutcomeUnknown("the connection broke during a statement that commits itself") from error
                raise
            finally:
                pooled.close()

    def again(self, act: Callable[[Tx], T]) -> T:
        """Run ``act`` in a transaction of its own and commit; repeat it when the database says busy or deadlock."""
        for attempt in _RETRY():
            with attempt, self.write() as tx:
                result = act(tx)
                tx.commit()
        return result

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()
        self._autocommit.dispose()


class Tx:
    """One transaction on one connection."""

    __slots__ = ("_connection", "database")

    def __init__(self, database: Database, connection: Connection) -> None:
        self.database = database
        self._connection = connection

    def run(self, statement: str, params: Params | Sequence[Params] | None = None) -> CursorResult[Any]:
        """Execute one statement (or one statement for many rows)."""
        ready: Any = {} if params is None else params if isinstance(params, dict) else [dict(p) for p in _rows(params)]
        return self._connection.exec_driver_sql(self.database.sql(statement), ready)

    def one(self, statement: str, params: Params | None = None) -> Any:
        """The first row as a mapping, or none."""
        return self.run(statement, params).mappings().first()

    def all(self, statement: str, params: Params | None = None) -> Sequence[Any]:
        """All rows as mappings."""
        return self.run(statement, params).mappings().all()

    def cursor(self) -> Any:
        """The driver's own cursor inside this transaction: half the cost of a statement, for the hottest path only."""
        if not self._connection.in_transaction():
            self._connection.begin()
        return self._connection.connection.cursor()

    def now(self) -> datetime:
        """The database's present; one more round trip on PostgreSQL."""
        value = self.run(f"SELECT {self.database.now_sql} AS t", self.database.now_params()).scalar_one()
        return moment(int(value))

    def commit(self) -> None:
        """Make it durable. Raises ``OutcomeUnknown`` when the connection broke at that very moment."""
        try:
            self._connection.commit()
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise OutcomeUnknown("the connection broke during commit") from error
            raise


_AGAIN = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available


class _BusyNow(Busy):
    """Locked, deadlocked or serialization failure: the same transaction again is right."""


def _rows(params: Params | Sequence[Params]) -> Sequence[Params]:
    return [params] if isinstance(params, Mapping) else params


def _RETRY() -> Retrying:  # noqa: N802 reads like the constant it would be if tenacity kept no state
    return Retrying(
        retry=retry_if_exception(lambda e: isinstance(e, _BusyNow)),
        stop=stop_after_attempt(6),
        wait=wait_random_exponential(multiplier=0.02, max=0.5),
        reraise=True,
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError:
        raise
    except (sqlite3.OperationalError, psycopg.OperationalError) as error:  # from the driver's own cursor
        if "locked" in str(error) or getattr(error, "sqlstate", None) in _AGAIN:
            raise _BusyNow("the database is busy") from error
        raise Busy("the database is away") from error
    except exc.OperationalError as error:
        text = str(error.orig)
        state = getattr(error.orig, "sqlstate", None)
        if "locked" in text or state in _AGAIN:
            raise _BusyNow("the database is busy") from error
        raise Busy("the database is away") from error
    except exc.InterfaceError as error:
        raise Busy("the database is away") from error
    except exc.TimeoutError as error:  # the pool is exhausted
        raise Busy("no database connection was free in time") from error


def is_unique_violation(error: exc.IntegrityError | sqlite3.IntegrityError | psycopg.IntegrityError) -> bool:
    """True when a unique constraint decided, not a check or a NULL; takes the driver's own error too."""
    original = error.orig if isinstance(error, exc.IntegrityError) else error
    return getattr(original, "sqlstate", None) == "23505" or "UNIQUE constraint failed" in str(original)


def _postgres(url: str, pool_size: int, *, itself: bool = False) -> Engine:
    """An engine; with ``itself`` every statement commits itself, so there is nothing to reset on return."""
    more: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None} if itself else {}
    engine = create_engine(
        url,
        hide_parameters=True,  # errors otherwise print form contents (rules.md 31)
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=5,
        pool_pre_ping=False,
        connect_args={
            "connect_timeout": 5,
            "application_name": "gateway",
            # A worker frozen inside a transaction must not hold a lane for ever: the server ends such a transaction.
            "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=30s",
        },
        **more,
    )

    @event.listens_for(engine, "handle_error")
    def _without_detail(context: ExceptionContext) -> None:
        """The server's DETAIL quotes the failing row or key; the constraint's name stands in the first line."""
        original, raised = context.original_exception, context.sqlalchemy_exception
        shown = getattr(getattr(original, "diag", None), "message_primary", None)
        if shown and raised is not None:
            raised.args = (str(raised.args[0]).replace(str(original), shown),)
            original.args = (shown,)

    return engine


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True, pool_size=24, max_overflow=24, pool_timeout=5)

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get("read_only"):
            connection.exec_driver_sql("PRAGMA query_only=1")
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("PRAGMA query_only=0")
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def new_id() -> str:
    """32 hex characters whose order is the order of making (48-bit milliseconds, then chance)."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
