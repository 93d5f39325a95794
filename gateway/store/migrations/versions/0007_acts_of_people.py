"""Acts of people: proposals bound to a digest, and who approved them.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATES = "state IN ('proposed','approved','executed','failed','refused','withdrawn','expired')"


def upgrade() -> None:
    """Expand only: two new tables, nothing an older release needs is touched."""
    op.create_table(
        "act",
        sa.Column("act_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=72), nullable=False),
        sa.Column("payload_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("persons", sa.SmallInteger(), nullable=False),
        sa.Column("proposed_by", sa.String(length=112), nullable=False),
        sa.Column("proposer", sa.String(length=112), nullable=False),
        sa.Column("subject", sa.String(length=112), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(length=200), nullable=True),
        sa.CheckConstraint(_STATES, name=op.f("ck_act_state")),
        sa.PrimaryKeyConstraint("act_id", name=op.f("pk_act")),
    )
    op.create_index("ix_act_state", "act", ["state", "expires_at"], unique=False)
    op.create_table(
        "act_approval",
        sa.Column("act_id", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=112), nullable=False),
        sa.Column("approved_by", sa.String(length=112), nullable=False),
        sa.Column("digest", sa.String(length=72), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("act_id", "person", name=op.f("pk_act_approval")),
    )
