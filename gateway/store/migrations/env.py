"""Alembic's entry: its own engine, foreign keys off on SQLite, one migrator at a time (rules.md 39)."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import create_engine, event

from gateway.store.tables import metadata

_LOCK = 4403042019  # any fixed number: two migrators of this product must meet at the same lock


def run() -> None:
    """Run the migrations against the URL the caller put into the configuration."""
    url: str = context.config.attributes["url"]
    engine = create_engine(url, hide_parameters=True)
    if url.startswith("sqlite"):

        @event.listens_for(engine, "connect")
        def _connect(dbapi: Any, _record: Any) -> None:
            dbapi.isolation_level = None
            dbapi.execute("PRAGMA busy_timeout=30000")
            dbapi.execute("PRAGMA journal_mode=WAL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Another migrator is waited for, however long it takes; tables in use only 3 s.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
        context.run_migrations()
    engine.dispose()


run()
