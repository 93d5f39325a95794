"""Acts on cases with their own bank reference; notices to banks: cursors, proven addresses, a log of tries.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Expand only: four new tables, nothing an older release needs is touched."""
    op.create_table(
        "act_ref",
        sa.Column("bank", sa.String(length=8), nullable=False),
        sa.Column("bank_ref", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("operation", sa.String(length=24), nullable=False),
        sa.Column("business_digest", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("bank", "bank_ref", name=op.f("pk_act_ref")),
    )
    op.create_index("ix_act_ref_case_id", "act_ref", ["case_id", "seq"], unique=False)
    op.create_table(
        "notice",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("work_id", sa.String(length=32), nullable=False),
        sa.Column("sent_no", sa.Integer(), nullable=False),
        sa.Column("wanted_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "client_id", name=op.f("pk_notice")),
        sa.UniqueConstraint("work_id", name=op.f("uq_notice_work_id")),
    )
    op.create_index("ix_notice_client_id", "notice", ["client_id"], unique=False)
    op.create_table(
        "notice_client",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("address_digest", sa.String(length=72), nullable=False),
        sa.Column("tested_at", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.Column("pulled_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_notice_client")),
    )
    op.create_table(
        "notice_log",
        sa.Column("log_id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("event_no", sa.Integer(), nullable=False),
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("exchange_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_notice_log")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_log_case_id", "notice_log", ["case_id", "client_id"], unique=False)
    # Notices begin with what happens from now on: everything that has its place already counts as planned.
    op.execute("INSERT INTO version (name, number) SELECT 'notices', coalesce(max(position), -1) + 1 FROM position")
    if op.get_bind().dialect.name == "postgresql":  # ciphertext does not compress: trying costs CPU on every insert
        op.execute("ALTER TABLE act_ref ALTER COLUMN content_sealed SET STORAGE EXTERNAL")
