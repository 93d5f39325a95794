"""Bring a database to the schema this release needs, one process at a time; refuse to run on an older one.

Expand, deploy, contract in separate releases (rules.md 39): a newer schema than ours is tolerated.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from gateway.domain.errors import BadSettings, Busy
from gateway.store.database import normal_url


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = normal_url(url)
    return config


def upgrade(url: str) -> None:
    """Migrate to this release's schema; safe to call from several processes at once, harmless when done."""
    url = normal_url(url)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(_config(url), "head")


def needed() -> str:
    """The revision this release needs."""
    head = ScriptDirectory.from_config(_config("sqlite:///unused")).get_current_head()
    if head is None:  # pragma: no cover - the package always ships its migrations
        raise BadSettings("the package holds no migrations")
    return head


def present(url: str) -> str:
    """The revision of the database, "" when it was never migrated. Raises ``Busy`` when it cannot be reached."""
    engine = create_engine(normal_url(url), hide_parameters=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return ""
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    except OperationalError as error:
        raise Busy("the database is away") from error
    finally:
        engine.dispose()


def check(url: str) -> None:
    """Raise ``BadSettings`` when the schema is older than this release needs."""
    found = present(url)
    known = {r.revision for r in ScriptDirectory.from_config(_config(url)).walk_revisions()}
    if found != needed() and (found == "" or found in known):
        raise BadSettings(
            f"the database schema is {found or 'empty'}, this release needs {needed()}: run 'python -m gateway migrate'"
        )
