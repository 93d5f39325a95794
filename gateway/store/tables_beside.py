"""Tables of what stands beside a case: the calendar, acts and notices, files and their tickets.

Must not hold queries; ``tables`` is where all of them are found.
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

from gateway.store.columns import Micros, RowId, metadata

# -- government calendar (domain.md 3.7) ---------------------------------------------------------------

calendar_year = Table(
    "calendar_year",
    metadata,
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("source", String(120), nullable=False),  # the notice it was announced in
    Column("loaded_at", Micros, nullable=False),
)

calendar_day = Table(
    "calendar_day",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("kind", String(4), nullable=False),  # off | work
)

# -- published item versions ------------------------------------------------------------------------------------

catalogue_file = Table(
    "catalogue_file",
    metadata,
    Column("item", String(24), primary_key=True),
    Column("version", String(12), primary_key=True),
    Column("content", Text, nullable=False),
    Column("published_at", Micros, nullable=False),
)

# -- switches and closures -------------------------------------------------------------------------------------

switch_off = Table(
    "switch_off",
    metadata,
    Column("item", String(24), primary_key=True),  # "" = every one
    Column("outlet", String(24), primary_key=True),
    Column("bank", String(8), primary_key=True),
    Column("from_at", Micros, nullable=False),
    Column("until_at", Micros),  # none = until it is switched on
    Column("say", String(120), nullable=False),  # for the counter
    Column("reason", String(200), nullable=False),  # for the house
    Column("set_at", Micros, nullable=False),
)

closure = Table(
    "closure",
    metadata,
    Column("closure_id", String(32), primary_key=True),
    Column("lane", String(24), nullable=False),  # the department's system: nothing is claimed for it meanwhile
    Column("from_at", Micros, nullable=False),
    Column("until_at", Micros, nullable=False),
    Column("say", String(120), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("set_at", Micros, nullable=False),
    Index("ix_closure_lane", "lane", "until_at"),
)

# -- acts of people (rules.md 30) --------------------------------------------------------------------------------

act = Table(
    "act",
    metadata,
    Column("act_id", String(32), primary_key=True),  # also the id of its work row
    Column("kind", String(32), nullable=False),
    Column("state", String(12), nullable=False),
    Column("digest", String(72), nullable=False),  # of the payload with its salt: what is approved
    Column("payload_sealed", LargeBinary, nullable=False),
    Column("persons", SmallInteger, nullable=False),  # natural persons it takes
    Column("proposed_by", String(112), nullable=False),  # as the trail names them
    Column("proposer", String(112), nullable=False),  # the natural person, "" = not proven
    Column("subject", String(112), nullable=False),  # a person it is about, "" = nobody
    Column("proposed_at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False),
    Column("ended_at", Micros),
    Column("result", String(200)),
    CheckConstraint(
        "state IN ('proposed','approved','executed','failed','refused','withdrawn','expired')", name="state"
    ),
    Index("ix_act_state", "state", "expires_at"),
)

act_approval = Table(
    "act_approval",
    metadata,
    Column("act_id", String(32), primary_key=True),
    Column("person", String(112), primary_key=True),  # one person counts once, by constraint
    Column("approved_by", String(112), nullable=False),
    Column("digest", String(72), nullable=False),
    Column("at", Micros, nullable=False),
)

# -- sessions of people (rules.md 35) -----------------------------------------------------------------------

session = Table(
    "session",
    metadata,
    Column("session_id", String(64), primary_key=True),  # digest of what its holder carries
    Column("label", String(112), nullable=False),  # as the trail names the person
    Column("actor", Text, nullable=False),  # JSON: roles and scope as they were proven
    Column("csrf", String(64), nullable=False),
    Column("opened_at", Micros, nullable=False),
    Column("seen_at", Micros, nullable=False),
    Column("ends_at", Micros, nullable=False),
    Index("ix_session_label", "label"),
    Index("ix_session_ends_at", "ends_at"),
)

used_token = Table(
    "used_token",
    metadata,
    Column("name", String(64), primary_key=True),  # digest of provider and jti
    Column("until_at", Micros, nullable=False),
    Index("ix_used_token_until_at", "until_at"),
)

# -- acts on cases, notices to banks -----------------------------------------------------------------------

act_ref = Table(
    "act_ref",
    metadata,
    Column("bank", String(8), primary_key=True),
    Column("bank_ref", String(40), primary_key=True),  # of a changing operation that is no submission (rules.md 1)
    Column("case_id", String(32), nullable=False),
    Column("client_id", String(40), nullable=False),
    Column("operation", String(24), nullable=False),
    Column("business_digest", String(80), nullable=False),
    Column("seq", Integer, nullable=False),  # the case's entry that records it: acts of a case in their order
    Column("at", Micros, nullable=False),
    Column("content_sealed", LargeBinary),  # canonical business part, under the case's data key
    Index("ix_act_ref_case_id", "case_id", "seq"),
)

notice = Table(
    "notice",
    metadata,
    Column("case_id", String(32), primary_key=True),
    Column("client_id", String(40), primary_key=True),
    Column("work_id", String(32), nullable=False),
    Column("sent_no", Integer, nullable=False),  # last event the client has confirmed
    Column("wanted_no", Integer, nullable=False),  # last event it is to hear of
    UniqueConstraint("work_id"),
    Index("ix_notice_client_id", "client_id"),
)

notice_client = Table(
    "notice_client",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("address_digest", String(72), nullable=False),  # of the enrolled address that was tested last
    Column("tested_at", Micros, nullable=False),
    Column("proven_at", Micros),  # set once a test notice was answered as agreed
    Column("pulled_at", Micros, nullable=False),
)

notice_log = Table(
    "notice_log",
    metadata,
    Column("log_id", RowId, primary_key=True, autoincrement=True),
    Column("client_id", String(40), nullable=False),
    Column("case_id", String(32), nullable=False),  # "" for a test
    Column("event_no", Integer, nullable=False),
    Column("notice_id", String(40), nullable=False),
    Column("at", Micros, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("why", String(200), nullable=False),
    Column("exchange_id", String(32), nullable=False),
    Index("ix_notice_log_case_id", "case_id", "client_id"),
    sqlite_autoincrement=True,
)

# -- files (operations.md 2.5, rules.md 37) ---------------------------------------------------------------

ticket = Table(
    "ticket",
    metadata,
    Column("ticket_hash", String(64), primary_key=True),  # SHA-256: the ticket itself is never kept
    Column("kind", String(4), nullable=False),  # put | get
    Column("client_id", String(40), nullable=False),
    Column("bank", String(8), nullable=False),
    Column("case_ref", String(64), nullable=False),  # bank_ref of the submission, or day:… or difference:…
    Column("case_id", String(32)),  # where the case was known
    Column("purpose", String(16), nullable=False),
    Column("material", String(20)),
    Column("digest", String(72), nullable=False),  # as signed, like size and type
    Column("size", BigInteger, nullable=False),
    Column("type", String(40), nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False),
    Column("tries", SmallInteger, nullable=False),  # begun and not ended well; dead at three
    Column("used_at", Micros),
    Column("blob_id", String(32)),
    CheckConstraint("kind IN ('put','get')", name="kind"),
    Index("ix_ticket_case_ref", "case_ref"),
    Index("ix_ticket_expires_at", "expires_at"),
)

blob = Table(
    "blob",
    metadata,
    Column("blob_id", String(32), primary_key=True),  # also the name of its file
    Column("client_id", String(40), nullable=False),
    Column("bank", String(8), nullable=False),
    Column("case_ref", String(64), nullable=False),
    Column("case_id", String(32)),  # none until an accepted message has named it
    Column("purpose", String(16), nullable=False),
    Column("material", String(20)),
    Column("digest", String(72), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("type", String(40), nullable=False),
    Column("pages", SmallInteger),  # as the message said that named it
    Column("data_key", LargeBinary),  # wrapped; gone = the file is erased
    Column("arrived_at", Micros, nullable=False),
    Column("claimed_at", Micros),
    Index("ix_blob_case_id", "case_id"),
    Index(
        "ix_blob_unclaimed",
        "arrived_at",
        sqlite_where=text("case_id IS NULL"),
        postgresql_where=text("case_id IS NULL"),
    ),
    Index(
        "uq_blob_of_a_case",
        "client_id",
        "case_ref",
        "digest",
        unique=True,
        sqlite_where=text("data_key IS NOT NULL"),
        postgresql_where=text("data_key IS NOT NULL"),
    ),
)

# -- what callers of the JSON interface asked to be done once ---------------------------------------------

api_once = Table(
    "api_once",
    metadata,
    Column("who", String(80), primary_key=True),
    Column("once_key", String(80), primary_key=True),
    Column("digest", String(72), nullable=False),  # of method, path and content: the key is bound to them for ever
    Column("started_at", Micros, nullable=False),
    Column("status", SmallInteger, nullable=False),  # 0 while it is being worked on
    Column("answer_sealed", LargeBinary),
)
