"""Tickets: the permission to bring one file, or to fetch one once (operations.md 2.5).

Must not touch bytes. A ticket is told once and never kept: the store has its hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.clock import Clock, beijing_day, stamp
from gateway.domain.errors import Invalid, NotFound, Problem
from gateway.domain.reasons import FieldCode, Reason
from gateway.domain.requests import BankReply, BankRequest
from gateway.materials.asking import Wanted, new_reference_problem, read_asked
from gateway.materials.limits import (
    DOWNLOAD_LIFE,
    MIB,
    MOST_BYTES,
    MOST_DAY_FILES,
    MOST_FILES,
    TICKET_LIFE,
    UNCLAIMED_LIFE,
    UPLOAD_TIME,
    Purpose,
)
from gateway.signing.vault import Vault
from gateway.store import blobs as rows
from gateway.store import cases
from gateway.store.blobs import BlobRow, TicketRow
from gateway.store.database import Database, Tx

OPERATION = "upload_ticket"
PATH = "/blobs/{ticket}"
TICKET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """43 base64url characters, told to the caller and to nobody else; good until ``expires_at`` (aware UTC)."""

    ticket: str
    expires_at: datetime

    @property
    def path(self) -> str:
        """Where to ``PUT`` or ``GET``."""
        return PATH.format(ticket=self.ticket)

    def __repr__(self) -> str:
        return "Ticket(***)"


@dataclass(frozen=True, slots=True)
class Stored:
    """The caller's own file, for this very case, is here already."""

    blob_id: str


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a file belongs to: the reference it is kept under, and the case where there is one."""

    case_ref: str
    case_id: str
    member: str  # of the request, for problems


class Tickets:
    """Gives tickets."""

    def __init__(self, database: Database, vault: Vault, *, clock: Clock, read_number: Callable[[str], str]) -> None:
        """``read_number`` gives a typed receipt number in its stored form and raises ``ValueError`` for none."""
        self._database = database
        self._vault = vault
        self._clock = clock
        self._read_number = read_number

    def answer(self, request: BankRequest) -> BankReply:
        """Answer ``upload_ticket``: ``status`` wanted with a path, or stored.

        Raises ``Invalid`` or ``NotFound(CASE_UNKNOWN)``.
        """
        wanted = read_asked(request.business.members, today=beijing_day(self._clock.now()))
        given = self.issue(request.hint.client_id, request.bank, wanted)
        if isinstance(given, Stored):
            members: dict[str, object] = {"message": "文件已收到", "status": "stored"}
        else:
            upload = {"path": given.path, "expires_at": stamp(given.expires_at)}
            members = {"message": "请上传", "status": "wanted", "upload": upload}
        return BankReply(operation=OPERATION, members=members, warnings=request.warnings)

    def issue(self, client_id: str, bank: str, wanted: Wanted) -> Ticket | Stored:
        """A ticket for one file, or word that this client has already brought it for this case.

        Raises ``Invalid`` over the limits of a case, ``NotFound(CASE_UNKNOWN)``, ``Busy``.
        """
        now = self._clock.now()
        made = secrets.token_urlsafe(32)

        def act(tx: Tx) -> Ticket | Stored:
            scope = self._scope(tx, bank, wanted, now=now)
            rows.hold_case(tx, bank, scope.case_ref)
            stored = _stored(tx, client_id, bank, scope=scope, wanted=wanted, now=now)
            if stored is not None:
                return Stored(stored.blob_id)
            _refuse_too_many(tx, bank, scope, wanted=wanted, now=now)
            row = TicketRow(
                ticket_hash=hash_of(made),
                kind="put",
                client_id=client_id,
                bank=bank,
                case_ref=scope.case_ref,
                case_id=scope.case_id,
                purpose=wanted.purpose.value,
                material=wanted.material,
                digest=wanted.digest,
                size=wanted.size,
                type=wanted.type,
                created_at=now,
                expires_at=now + TICKET_LIFE,
            )
            rows.insert_ticket(tx, row)
            return Ticket(made, row.expires_at)

        return self._database.again(act)

    def download(self, blob: BlobRow, *, client_id: str) -> Ticket:
        """A ticket for this client to fetch this file once. The caller has judged that it may.

        Raises ``NotFound(DOCUMENT_UNKNOWN)`` when the file was erased.
        """
        if not blob.data_key:
            raise NotFound(Reason.DOCUMENT_UNKNOWN)
        now = self._clock.now()
        made = Ticket(secrets.token_urlsafe(32), now + DOWNLOAD_LIFE)
        row = TicketRow(
            ticket_hash=hash_of(made.ticket),
            kind="get",
            client_id=client_id,
            bank=blob.bank,
            case_ref=blob.case_ref,
            case_id=blob.case_id,
            purpose=blob.purpose,
            material=blob.material,
            digest=blob.digest,
            size=blob.size,
            type=blob.type,
            created_at=now,
            expires_at=made.expires_at,
            blob_id=blob.blob_id,
        )
        self._database.again(lambda tx: rows.insert_ticket(tx, row))
        return made

    def _scope(self, tx: Tx, bank: str, wanted: Wanted, *, now: datetime) -> _Scope:
        if wanted.day is not None:
            return _Scope(f"day:{wanted.day.isoformat()}", "", "day")
        if wanted.difference_no:
            return _Scope(f"difference:{wanted.difference_no}", "", "difference_no")
        if wanted.receipt_no:
            try:
                case = cases.by_receipt(tx, self._vault, bank, self._read_number(wanted.receipt_no))
            except ValueError:
                case = None
            if case is None:
                raise NotFound(Reason.CASE_UNKNOWN)
            return _Scope(case.bank_ref, case.case_id, "receipt_no")
        case = cases.by_bank_ref(tx, self._vault, bank, wanted.case_ref)
        if case is not None:
            return _Scope(case.bank_ref, case.case_id, "case_ref")
        wrong = new_reference_problem(wanted.case_ref, today=beijing_day(now))
        if wrong is not None:
            raise Invalid([Problem("case_ref", *wrong)])
        return _Scope(wanted.case_ref, "", "case_ref")


def hash_of(ticket: str) -> str:
    """What the store knows a ticket by: 256 bits of chance need no salt and no slow hash."""
    return hashlib.sha256(ticket.encode()).hexdigest()


def _stored(tx: Tx, client_id: str, bank: str, *, scope: _Scope, wanted: Wanted, now: datetime) -> BlobRow | None:
    own = rows.of_client_and_case(tx, client_id, bank, case_ref=scope.case_ref, fresh_after=now - UNCLAIMED_LIFE)
    same = (wanted.digest, wanted.size, wanted.type)
    return next((b for b in own if (b.digest, b.size, b.type) == same), None)


def _refuse_too_many(tx: Tx, bank: str, scope: _Scope, *, wanted: Wanted, now: datetime) -> None:
    """Counted under the case's lock, with every ticket that may still bring a file: the limits hold exactly."""
    taken = rows.room_taken(tx, bank, scope.case_ref, alive_after=now - UPLOAD_TIME, but=wanted.digest)
    if wanted.purpose is Purpose.DAY_FILE:
        if taken.files >= MOST_DAY_FILES:
            text = f"该日对账文件不得超过{MOST_DAY_FILES}个"
            raise Invalid([Problem(scope.member, FieldCode.TOO_MANY_ROWS, text)])
        return
    problems = []
    if taken.files >= MOST_FILES:
        problems.append(Problem(scope.member, FieldCode.TOO_MANY_ROWS, f"文件合计不得超过{MOST_FILES}个"))
    if taken.size + wanted.size > MOST_BYTES:
        problems.append(Problem("size", FieldCode.OUT_OF_RANGE, f"文件合计不得超过{MOST_BYTES // MIB}MB"))
    if problems:
        raise Invalid(problems)
