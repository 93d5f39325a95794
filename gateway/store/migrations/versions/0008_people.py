"""Sessions of people, tokens that were used, and the ways staff lists go through cases.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OF_A_SERVER = ("bank", "department", "item", "state")  # lists of a million cases; an embedded file has not so many


def upgrade() -> None:
    """Expand only: two new tables and indexes for the lists of staff."""
    op.create_table(
        "session",
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=112), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session")),
    )
    op.create_index("ix_session_label", "session", ["label"], unique=False)
    op.create_index("ix_session_ends_at", "session", ["ends_at"], unique=False)
    op.create_table(
        "used_token",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_used_token")),
    )
    op.create_index("ix_used_token_until_at", "used_token", ["until_at"], unique=False)
    op.create_index("ix_cases_received", "cases", ["received_at", "case_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":  # there an index costs the server, here it costs the intake itself
        for column in _OF_A_SERVER:
            op.execute(f"CREATE INDEX ix_cases_{column} ON cases ({column}, received_at, case_id)")
    op.create_index(
        "ix_cases_parked",
        "cases",
        ["received_at", "case_id"],
        unique=False,
        sqlite_where=sa.text("parked = 1"),
        postgresql_where=sa.text("parked = 1"),
    )
