"""What is switched off, and planned closures of departments.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand only: two new tables, nothing an older release needs is touched."""
    op.create_table(
        "switch_off",
        sa.Column("item", sa.String(length=24), nullable=False),
        sa.Column("outlet", sa.String(length=24), nullable=False),
        sa.Column("bank", sa.String(length=8), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=True),
        sa.Column("say", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item", "outlet", "bank", name=op.f("pk_switch_off")),
    )
    op.create_table(
        "closure",
        sa.Column("closure_id", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=24), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.Column("say", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("closure_id", name=op.f("pk_closure")),
    )
    op.create_index("ix_closure_lane", "closure", ["lane", "until_at"], unique=False)
