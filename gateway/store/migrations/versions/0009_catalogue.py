"""Item versions that were published beside those the release ships.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand only: one new table."""
    op.create_table(
        "catalogue_file",
        sa.Column("item", sa.String(length=24), nullable=False),
        sa.Column("version", sa.String(length=12), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item", "version", name=op.f("pk_catalogue_file")),
    )
