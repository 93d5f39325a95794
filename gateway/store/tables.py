"""The tables of clients, intake, work and trail. Times are integers: microseconds since 1970 UTC, on every database.

Must not hold queries. Migrations are written by hand beside this file; a test compares the two. ``metadata`` knows all
tables, also those of ``tables_beside``.
Columns named ``…_sealed`` hold ciphertext; what stands in clear is what searches, clocks and lists need.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.store import tables_beside
from gateway.store.columns import Micros, RowId

metadata = tables_beside.ticket.metadata  # one for all tables, those beside included

# -- who may call ------------------------------------------------------------------------------------

client = Table(
    "client",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("bank", String(8), nullable=False),
    Column("profile", String(16), nullable=False),
    Column("claimed_id", String(64), nullable=False),  # how it names itself on the wire
    Column("status", String(8), nullable=False),  # active | blocked
    Column("rights", Text, nullable=False),  # JSON: algorithms, outlets, operations, addresses, options, rate
    Column("enrolled_at", Micros, nullable=False),
    UniqueConstraint("bank", "claimed_id"),
)

client_key = Table(
    "client_key",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("use", String(8), nullable=False),  # verify | cipher
    Column("algorithm", String(24), nullable=False),
    Column("material_sealed", LargeBinary, nullable=False),
    Column("valid_from", Micros, nullable=False),
    Column("valid_until", Micros),
    Column("retired_at", Micros),
)

version = Table(
    "version",
    metadata,
    Column("name", String(24), primary_key=True),  # "directory": raised with every change of clients or keys
    Column("number", BigInteger, nullable=False),
)

# -- the four rows of intake (rules.md 6) --------------------------------------------------------------

message = Table(
    "message",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("transport_id", String(80), primary_key=True),
    Column("digest", String(80), nullable=False),  # of the signed text
    Column("operation", String(24), nullable=False),
    Column("received_at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False),  # twice the freshness window later
    Column("case_id", String(32)),
    Column("request_sealed", LargeBinary),
    Column("answer_sealed", LargeBinary),  # only of accepted, changing messages: refused ones are judged anew
    Index("ix_message_expires_at", "expires_at"),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", String(32), primary_key=True),
    Column("bank", String(8), nullable=False),
    Column("bank_ref", String(40), nullable=False),
    Column("client_id", String(40), nullable=False),
    Column("business_digest", String(80), nullable=False),
    Column("item", String(24), nullable=False),
    Column("item_version", String(12), nullable=False),
    Column("department", String(16), nullable=False),
    Column("backend", String(16), nullable=False),
    Column("outlet", String(24), nullable=False),
    Column("channel", String(12), nullable=False),
    Column("receipt_no", String(20), nullable=False),
    Column("receipt", Text, nullable=False),
    Column("received_at", Micros, nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", Micros, nullable=False),
    Column("event_no", Integer, nullable=False),  # last public event
    Column("entry_no", Integer, nullable=False),  # last audit entry (case_seq)
    Column("due_on", String(11)),
    Column("due_kind", String(12)),
    Column("clock_alarm", SmallInteger, nullable=False, server_default="0"),  # 1 warned of, 2 overdue, of this due_on
    Column("withdrawal", String(8), nullable=False),
    Column("department_ref", String(64)),
    Column("department_seq", BigInteger, nullable=False),
    Column("parked", SmallInteger, nullable=False),  # 1: a person must look
    Column("open_key", String(96)),  # applicant and item while this is their first open case
    Column("subject_hash", String(96), nullable=False),  # keyed hash of the applicant's document
    Column("data_key", LargeBinary),  # wrapped; gone = the case is erased
    Column("form_sealed", LargeBinary),  # canonical business part
    Column("facts_sealed", LargeBinary, nullable=False),  # decision, asks, promised materials
    UniqueConstraint("bank", "bank_ref"),  # submission identity, for ever (rules.md 1)
    UniqueConstraint("receipt_no"),
    UniqueConstraint("open_key"),  # one open case per applicant and item, unless confirmed (rules.md 11)
    Index("ix_cases_subject_hash", "subject_hash"),
    Index("ix_cases_received", "received_at", "case_id"),
    Index(
        "ix_cases_parked",
        "received_at",
        "case_id",
        sqlite_where=text("parked = 1"),
        postgresql_where=text("parked = 1"),
    ),
    Index(
        "ix_cases_due",
        "due_on",
        "clock_alarm",
        sqlite_where=text("due_on IS NOT NULL"),
        postgresql_where=text("due_on IS NOT NULL"),
    ),
)

entry = Table(
    "entry",
    metadata,
    Column("row_id", RowId, primary_key=True, autoincrement=True),
    Column("hash", String(72), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", String(48), nullable=False),
    Column("at", Micros, nullable=False),
    Column("case_id", String(32)),
    Column("bank", String(8)),  # set on public events: whose feed it belongs to
    Column("event_no", Integer),
    Column("event_sealed", LargeBinary),  # the public event, whole
    Column("canonical", LargeBinary, nullable=False),
    UniqueConstraint("subject", "seq"),  # case_seq is unique with the case (rules.md 14)
    Index("ix_entry_case_id", "case_id"),
    sqlite_autoincrement=True,
)

work = Table(
    "work",
    metadata,
    Column("work_id", String(32), primary_key=True),  # also the call id a department sees
    Column("kind", String(16), nullable=False),
    Column("version", SmallInteger, nullable=False),
    Column("lane", String(24), nullable=False),
    Column("case_id", String(32), nullable=False),
    Column("state", String(10), nullable=False),  # due | done | parked | cancelled
    Column("stage", String(8), nullable=False),  # send | sending | ask | poll
    Column("due_at", Micros, nullable=False),  # while leased: when the lease runs out
    Column("give_up_at", Micros),  # the promised date: then to a person
    Column("owner", String(64)),
    Column("token", BigInteger, nullable=False),  # fencing
    Column("attempt", Integer, nullable=False),
    Column("unknown_finds", SmallInteger, nullable=False),
    Column("sent_at", Micros),  # when bytes may have left for the last time
    Column("failures", Integer, nullable=False),  # in a row, for the pause
    Column("payload_sealed", LargeBinary, nullable=False),  # frozen at hand-off (rules.md 19)
    Column("note", String(200)),
    Column("created_at", Micros, nullable=False),
    Column("claimed_at", Micros),  # first claim: from then on it may have left the house
    Column("ended_at", Micros),
    CheckConstraint("state IN ('due','done','parked','cancelled')", name="state"),
    Index(
        "ix_work_claim",
        "lane",
        "due_at",
        "work_id",
        sqlite_where=text("state = 'due'"),
        postgresql_where=text("state = 'due'"),
    ),
    Index(
        "ix_work_leased",
        "lane",
        "due_at",
        sqlite_where=text("state = 'due' AND owner IS NOT NULL"),
        postgresql_where=text("state = 'due' AND owner IS NOT NULL"),
    ),
    Index("ix_work_case_id", "case_id"),
)

# -- lanes, jobs, inbound words -------------------------------------------------------------------------

lane = Table(
    "lane",
    metadata,
    Column("lane", String(24), primary_key=True),
    Column("cap", Integer, nullable=False),  # live leases at most, over all processes
    Column("rate", Integer, nullable=False),  # calls per second at most; 0 = no limit
    Column("tokens", Integer, nullable=False),  # left in the bucket, in thousandths of a call
    Column("refilled_at", Micros, nullable=False),
    Column("failures", Integer, nullable=False),  # in a row
    Column("open_until", Micros),  # breaker open: nothing is claimed before then
    Column("probing_until", Micros),  # half-open: one probe is on its way
)

job = Table(
    "job",
    metadata,
    Column("name", String(24), primary_key=True),
    Column("owner", String(64)),
    Column("lease_until", Micros, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("done_at", Micros, nullable=False),
)

callback = Table(
    "callback",
    metadata,
    Column("backend", String(16), primary_key=True),
    Column("event_id", String(80), primary_key=True),
    Column("call_id", String(32), nullable=False),
    Column("received_at", Micros, nullable=False),
    Column("exchange_id", String(32), nullable=False),
)

exchange = Table(
    "exchange",
    metadata,
    Column("exchange_id", String(32), primary_key=True),
    Column("peer", String(16), nullable=False),
    Column("direction", String(4), nullable=False),  # in | out
    Column("purpose", String(24), nullable=False),
    Column("case_id", String(32)),
    Column("call_id", String(32)),
    Column("started_at", Micros, nullable=False),
    Column("ended_at", Micros, nullable=False),
    Column("status", Integer, nullable=False),
    Column("outcome", String(80), nullable=False),
    Column("request_sealed", LargeBinary, nullable=False),
    Column("response_sealed", LargeBinary, nullable=False),
    Index("ix_exchange_case_id", "case_id"),
    Index("ix_exchange_started_at", "started_at"),
)

# -- order and trail (rules.md 13, 14) -------------------------------------------------------------------

position = Table(
    "position",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("row_id", BigInteger, nullable=False),
    Column("bank", String(8)),  # copied from the entry: the feed reads only this index
    UniqueConstraint("row_id"),
    Index(
        "ix_position_feed",
        "bank",
        "position",
        sqlite_where=text("bank IS NOT NULL"),
        postgresql_where=text("bank IS NOT NULL"),
    ),
)

node = Table(
    "node",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("at", Micros, nullable=False),
    Column("line", Text, nullable=False),  # signed, canonical
)
