"""The first schema: clients, the four rows of intake, work, trail.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table; on PostgreSQL also the transaction number that order is taken from (rules.md 13)."""
    op.create_table(
        "callback",
        sa.Column("backend", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=80), nullable=False),
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("exchange_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("backend", "event_id", name=op.f("pk_callback")),
    )
    op.create_table(
        "cases",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("bank", sa.String(length=8), nullable=False),
        sa.Column("bank_ref", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("business_digest", sa.String(length=80), nullable=False),
        sa.Column("item", sa.String(length=24), nullable=False),
        sa.Column("item_version", sa.String(length=12), nullable=False),
        sa.Column("department", sa.String(length=16), nullable=False),
        sa.Column("backend", sa.String(length=16), nullable=False),
        sa.Column("outlet", sa.String(length=24), nullable=False),
        sa.Column("channel", sa.String(length=12), nullable=False),
        sa.Column("receipt_no", sa.String(length=20), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("event_no", sa.Integer(), nullable=False),
        sa.Column("entry_no", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.String(length=11), nullable=True),
        sa.Column("due_kind", sa.String(length=12), nullable=True),
        sa.Column("withdrawal", sa.String(length=8), nullable=False),
        sa.Column("department_ref", sa.String(length=64), nullable=True),
        sa.Column("department_seq", sa.BigInteger(), nullable=False),
        sa.Column("parked", sa.SmallInteger(), nullable=False),
        sa.Column("open_key", sa.String(length=96), nullable=True),
        sa.Column("subject_hash", sa.String(length=96), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("form_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("facts_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
        sa.UniqueConstraint("bank", "bank_ref", name=op.f("uq_cases_bank_bank_ref")),
        sa.UniqueConstraint("open_key", name=op.f("uq_cases_open_key")),
        sa.UniqueConstraint("receipt_no", name=op.f("uq_cases_receipt_no")),
    )
    op.create_index("ix_cases_subject_hash", "cases", ["subject_hash"], unique=False)
    op.create_table(
        "checkpoint",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "client",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("bank", sa.String(length=8), nullable=False),
        sa.Column("profile", sa.String(length=16), nullable=False),
        sa.Column("claimed_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_client")),
        sa.UniqueConstraint("bank", "claimed_id", name=op.f("uq_client_bank_claimed_id")),
    )
    op.create_table(
        "client_key",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("use", sa.String(length=8), nullable=False),
        sa.Column("algorithm", sa.String(length=24), nullable=False),
        sa.Column("material_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("client_id", "key_id", name=op.f("pk_client_key")),
    )
    op.create_table(
        "entry",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("hash", sa.String(length=72), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=True),
        sa.Column("bank", sa.String(length=8), nullable=True),
        sa.Column("event_no", sa.Integer(), nullable=True),
        sa.Column("event_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name=op.f("pk_entry")),
        sa.UniqueConstraint("subject", "seq", name=op.f("uq_entry_subject_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entry_case_id", "entry", ["case_id"], unique=False)
    op.create_table(
        "exchange",
        sa.Column("exchange_id", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=16), nullable=False),
        sa.Column("direction", sa.String(length=4), nullable=False),
        sa.Column("purpose", sa.String(length=24), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=True),
        sa.Column("call_id", sa.String(length=32), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=80), nullable=False),
        sa.Column("request_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("response_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", name=op.f("pk_exchange")),
    )
    op.create_index("ix_exchange_case_id", "exchange", ["case_id"], unique=False)
    op.create_index("ix_exchange_started_at", "exchange", ["started_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
    )
    op.create_table(
        "lane",
        sa.Column("lane", sa.String(length=24), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("refilled_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.BigInteger(), nullable=True),
        sa.Column("probing_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_lane")),
    )
    op.create_table(
        "message",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("transport_id", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("operation", sa.String(length=24), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=True),
        sa.Column("request_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("client_id", "transport_id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_expires_at", "message", ["expires_at"], unique=False)
    op.create_table(
        "node",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "idx", name=op.f("pk_node")),
    )
    op.create_table(
        "position",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("bank", sa.String(length=8), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_position")),
        sa.UniqueConstraint("row_id", name=op.f("uq_position_row_id")),
    )
    op.create_index(
        "ix_position_feed",
        "position",
        ["bank", "position"],
        unique=False,
        sqlite_where=sa.text("bank IS NOT NULL"),
        postgresql_where=sa.text("bank IS NOT NULL"),
    )
    op.create_table(
        "version",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_version")),
    )
    op.create_table(
        "work",
        sa.Column("work_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.String(length=24), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("give_up_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("unknown_finds", sa.SmallInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("payload_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('due','done','parked','cancelled')", name=op.f("ck_work_state")),
        sa.PrimaryKeyConstraint("work_id", name=op.f("pk_work")),
    )
    op.create_index("ix_work_case_id", "work", ["case_id"], unique=False)
    op.create_index(
        "ix_work_claim",
        "work",
        ["lane", "due_at", "work_id"],
        unique=False,
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "ix_work_leased",
        "work",
        ["lane", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'due' AND owner IS NOT NULL"),
        postgresql_where=sa.text("state = 'due' AND owner IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE entry ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()")
        op.execute("CREATE INDEX ix_entry_order ON entry (xid, row_id)")
        for table, columns in _CIPHERTEXT.items():
            for column in columns:  # ciphertext does not compress: trying costs CPU on every insert
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


_CIPHERTEXT = {
    "message": ("request_sealed", "answer_sealed"),
    "cases": ("form_sealed", "facts_sealed"),
    "entry": ("event_sealed",),
    "work": ("payload_sealed",),
    "exchange": ("request_sealed", "response_sealed"),
}
