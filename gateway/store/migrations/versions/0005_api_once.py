"""What callers of the JSON interface asked to be done once.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand only: one new table."""
    op.create_table(
        "api_once",
        sa.Column("who", sa.String(length=80), nullable=False),
        sa.Column("once_key", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=72), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer_sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("who", "once_key", name=op.f("pk_api_once")),
    )
