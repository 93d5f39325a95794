"""The schema: what the tables say is what the migrations make; several migrators, older and newer schemas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect

from gateway.domain.errors import BadSettings
from gateway.store import migrate
from gateway.store.tables import metadata

ROOT = Path(__file__).resolve().parents[2]
SERVER_ONLY = ["ix_cases_bank", "ix_cases_department", "ix_cases_item", "ix_cases_state", "ix_entry_order"]
UPGRADE = "import sys; from gateway.store.migrate import upgrade; upgrade(sys.argv[1])"


@pytest.fixture
def engine(database_url):
    made = create_engine(migrate.normal_url(database_url))
    yield made
    made.dispose()


def run(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
def test_the_tables_are_what_the_migrations_make(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    # Made on PostgreSQL only: the transaction number of the sequencer, and ways through a million cases.
    differences = sorted(f"{d[0]} {getattr(d[-1], 'name', '')}" for d in found)
    indexes = [f"remove_index {name}" for name in SERVER_ONLY]
    assert differences == (["remove_column xid", *indexes] if engine.dialect.name == "postgresql" else [])


def test_migrating_what_is_migrated_changes_nothing(database_url, engine):
    run(engine, "INSERT INTO version (name, number) VALUES ('kept', 77)")
    tables = sorted(inspect(engine).get_table_names())
    migrate.upgrade(database_url)
    assert sorted(inspect(engine).get_table_names()) == tables
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM version WHERE number = 77").scalar_one() == "kept"
    assert migrate.present(database_url) == migrate.needed()
    migrate.check(database_url)


def test_two_migrators_that_meet_on_an_empty_database_both_succeed(database_url, engine, tmp_path):
    url = database_url
    if engine.dialect.name == "postgresql":
        run(engine, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    else:
        url = f"sqlite:///{tmp_path / 'made' / 'on' / 'the way' / 'gateway.db'}"
    command = [sys.executable, "-c", UPGRADE, url]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    migrate.check(url)


def test_another_migrator_is_waited_for_without_the_limit_for_tables_in_use(postgres_url):
    sent = []

    def listen(_connection, _cursor, statement, *_more):
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        migrate.upgrade(postgres_url)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    order = [next(i for i, s in enumerate(sent) if word in s) for word in ("pg_advisory_xact_lock", "lock_timeout")]
    assert order == sorted(order)  # a limit set first would hold for the advisory lock too


def test_an_empty_or_older_schema_is_refused_with_the_command_that_helps(database_url, engine, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "needed", lambda: "9999")
        with pytest.raises(BadSettings, match=r"is \d{4}, this release needs 9999: run 'python -m gateway migrate'"):
            migrate.check(database_url)
    run(engine, "DELETE FROM alembic_version")
    with pytest.raises(BadSettings, match="is empty"):
        migrate.check(database_url)
    run(engine, "DROP TABLE alembic_version")
    with pytest.raises(BadSettings, match="is empty"):
        migrate.check(database_url)


def test_a_newer_schema_than_ours_is_tolerated(database_url, engine):
    run(engine, "UPDATE alembic_version SET version_num = '9999'")
    migrate.check(database_url)
    assert migrate.present(database_url) == "9999"
