"""Files of cases: taken against a ticket, kept sealed, opened as a stream, claimed by a case, let go of.

Must not look inside a file. Every file has a data key of its own; erasing it is deleting that key and the file. Bytes
go to the disk before the row that speaks of them is committed: what a row names is there, what no row names is swept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import structlog

from gateway.contracts.bank import Client
from gateway.domain.clock import Clock
from gateway.domain.errors import Busy, NotFound, OutcomeUnknown
from gateway.domain.reasons import FieldCode, Reason
from gateway.domain.records import Case
from gateway.materials.arriving import Arriving, Unfit
from gateway.materials.folder import Folder
from gateway.materials.limits import UNCLAIMED_LIFE, UPLOAD_TIME, Purpose
from gateway.materials.named import named_files
from gateway.materials.tickets import TICKET, hash_of
from gateway.signing.chunks import Readable, open_chunks, seal_chunks, sealed_size
from gateway.signing.vault import Vault
from gateway.store import blobs as rows
from gateway.store import clients as client_rows
from gateway.store.blobs import BlobRow, TicketRow
from gateway.store.database import Database, Tx, new_id

PLACE = "blob:{blob_id}:file"
_UNTOLD = "application/octet-stream"  # a media type that says nothing
_log = structlog.get_logger("materials.blobs")


class Outcome(StrEnum):
    """What became of an upload that went well."""

    TAKEN = "taken"
    REPEATED = "repeated"  # the same bytes on the same ticket were here before


@dataclass(frozen=True, slots=True)
class Opened:
    """A file on its way out: what it is, and its plain bytes piece by piece."""

    blob_id: str
    size: int
    type: str
    pieces: Iterator[bytes]


class Blobs:
    """Takes, opens, claims and erases files."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        folder: Folder,
        client_of: Callable[[str], Client | None],
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._folder = folder
        self._client_of = client_of
        self._clock = clock

    # -- in -------------------------------------------------------------------------------------------------

    def take(self, ticket: str, source: Readable, *, length: int, address: str, media_type: str = "") -> Outcome:
        """Take the bytes a ticket stands for; ``length`` and ``media_type`` ("" = not told) are what the caller says
        will come.

        Raises ``NotFound(TICKET_UNKNOWN)`` before a byte is read, ``Unfit`` with ``BLOB_MISMATCH``, ``BLOB_TOO_LARGE``
        or ``BLOB_TYPE``, ``Busy`` (nothing was done) or ``OutcomeUnknown`` (send the same bytes again).
        """
        row = self._begin(ticket, address)
        try:
            arriving = self._arriving(row, source, length, media_type)
            outcome = self._brought_again(row, arriving) if row.used else self._bring(row, arriving)
        except Unfit:
            if row.used:  # a used ticket is an unknown one, unless the very same bytes come again
                raise NotFound(Reason.TICKET_UNKNOWN) from None
            raise
        except Busy:  # our fault costs the caller no try
            self._give_back(row)
            raise
        return outcome

    def _begin(self, ticket: str, address: str) -> TicketRow:
        """The living ticket, with one more try counted. Whatever is wrong looks the same from outside."""
        now = self._clock.now()
        if TICKET.fullmatch(ticket) is None:
            raise NotFound(Reason.TICKET_UNKNOWN)
        name = hash_of(ticket)
        with self._database.read() as tx:
            known = rows.ticket(tx, name)
            blocked = known is not None and client_rows.is_blocked(tx, known.client_id)
        # Judged before a try is counted: a stranger who learnt the ticket cannot use it up.
        if known is None or known.kind != "put" or known.expires_at <= now or blocked:
            raise NotFound(Reason.TICKET_UNKNOWN)
        if not self._may(known.client_id, address):
            raise NotFound(Reason.TICKET_UNKNOWN)
        row = self._database.again(lambda tx: rows.begin_try(tx, name, now=now))
        if row is None:
            raise NotFound(Reason.TICKET_UNKNOWN)
        return row

    def _may(self, client_id: str, address: str) -> bool:
        client = self._client_of(client_id)
        return client is not None and client.status == "active" and calls_from(address, client.addresses)

    def _arriving(self, row: TicketRow, source: Readable, length: int, media_type: str) -> Arriving:
        if media_type not in {"", _UNTOLD, row.type}:  # it contradicts what was signed: one of the two is wrong
            raise Unfit(Reason.BLOB_TYPE)
        if length != row.size:
            raise Unfit(Reason.BLOB_TOO_LARGE if length > row.size else Reason.BLOB_MISMATCH)
        return Arriving(
            source, size=row.size, digest=row.digest, type_=row.type, clock=self._clock, time_limit=UPLOAD_TIME
        )

    def _bring(self, row: TicketRow, arriving: Arriving) -> Outcome:
        blob_id, key = new_id(), self._vault.new_data_key()
        self._folder.write(blob_id, seal_chunks(key, PLACE.format(blob_id=blob_id), arriving))
        now = self._clock.now()
        blob = BlobRow(
            blob_id=blob_id,
            client_id=row.client_id,
            bank=row.bank,
            case_ref=row.case_ref,
            case_id="",
            purpose=row.purpose,
            material=row.material,
            digest=row.digest,
            size=row.size,
            type=row.type,
            data_key=key.wrapped,
            arrived_at=now,
        )
        # An error from here on leaves the file to the sweep: the row may have been committed.
        stands, outcome = self._database.again(lambda tx: _record(tx, row.ticket_hash, blob, now))
        if stands != blob_id:  # another upload of the same bytes was quicker
            self._folder.drop(blob_id)
        return outcome

    def _brought_again(self, row: TicketRow, arriving: Arriving) -> Outcome:
        for _piece in arriving:
            pass
        self._give_back(row)
        return Outcome.REPEATED

    def _give_back(self, row: TicketRow) -> None:
        try:
            self._database.again(lambda tx: rows.give_back_try(tx, row.ticket_hash))
        except Busy:
            return  # then this try counts: the store is away, and a new ticket is soon asked for

    # -- out ------------------------------------------------------------------------------------------------

    def open(self, blob: BlobRow) -> Opened:
        """The file as a stream; its first piece is opened already. The caller has judged who may have it.

        Raises ``NotFound(DOCUMENT_UNKNOWN)`` when it was erased, ``BlobLost`` or ``NotOpened`` when it is damaged;
        the latter also in the middle of the stream.
        """
        if not blob.data_key:
            raise NotFound(Reason.DOCUMENT_UNKNOWN)
        key = self._vault.unwrap(blob.data_key)
        file = self._folder.open(blob.blob_id, size=sealed_size(blob.size))
        plain = open_chunks(key, PLACE.format(blob_id=blob.blob_id), file)
        try:
            first = next(plain)
        except BaseException:
            file.close()
            raise

        def pieces() -> Iterator[bytes]:
            with file:
                yield first
                yield from plain

        return Opened(blob.blob_id, blob.size, blob.type, _Closing(pieces(), file.close))

    def fetch(self, ticket: str, *, address: str) -> Opened:
        """Spend a ``get`` ticket and open its file. Raises ``NotFound(TICKET_UNKNOWN)`` and what ``open`` raises."""
        now = self._clock.now()
        if TICKET.fullmatch(ticket) is None:
            raise NotFound(Reason.TICKET_UNKNOWN)
        name = hash_of(ticket)
        with self._database.read() as tx:
            known = rows.ticket(tx, name)
            blob = rows.by_id(tx, known.blob_id) if known is not None and known.kind == "get" else None
            blocked = known is not None and client_rows.is_blocked(tx, known.client_id)
        if known is None or blob is None or blocked or not self._may(known.client_id, address):
            raise NotFound(Reason.TICKET_UNKNOWN)
        if not self._database.again(lambda tx: rows.use_get(tx, name, now=now)):
            raise NotFound(Reason.TICKET_UNKNOWN)
        return self.open(blob)

    # -- the case's own -------------------------------------------------------------------------------------

    def of(self, bank: str, client_id: str, case_ref: str) -> CaseFiles:
        """What this client has brought for this case; looked up at the first question, not before."""
        return CaseFiles(self, bank, client_id, case_ref=case_ref)

    def brought(self, bank: str, client_id: str, *, case_ref: str) -> list[BlobRow]:
        """The rows of a client's own files for one case, those about to be let go of left out."""
        with self._database.read() as tx:
            fresh = self._clock.now() - UNCLAIMED_LIFE
            return rows.of_client_and_case(tx, client_id, bank, case_ref=case_ref, fresh_after=fresh)

    def claim(self, tx: Tx, case: Case, business: Mapping[str, Any], *, client_id: str = "") -> int:
        """Bind the files this accepted business part names to its case, in the caller's transaction; idempotent.

        ``client_id`` is who sent it, when not the client that filed the case. Returns how many were bound now.
        """
        named = named_files(business)
        if not named:
            return 0
        return rows.claim(
            tx,
            case.case_id,
            client_id=client_id or case.client_id,
            bank=case.bank,
            case_ref=case.bank_ref,
            named=named,
            now=self._clock.now(),
        )

    def claim_filed(self, case: Case, business: Mapping[str, Any]) -> None:
        """``claim`` in a transaction of its own, after the case was filed; never raises into an accepted answer.

        What is not done now the sweep does: it reads what the case was filed with.
        """
        if not named_files(business):
            return
        try:
            self._database.again(lambda tx: self.claim(tx, case, business))
        except (Busy, OutcomeUnknown) as error:
            _log.warning("blobs.not_claimed_yet", case_id=case.case_id, error=str(error))

    def erase(self, case_id: str) -> int:
        """Erase every file of a case: keys first, then bytes. Digests stay. Returns how many went."""
        gone = self._database.again(lambda tx: rows.erase(tx, case_id))
        for blob_id in gone:
            self._folder.drop(blob_id)
        return len(gone)


class CaseFiles:
    """One client's files of one case, as a message that is being checked sees them."""

    def __init__(self, blobs: Blobs, bank: str, client_id: str, *, case_ref: str) -> None:
        self._blobs = blobs
        self._bank, self._client_id, self._case_ref = bank, client_id, case_ref
        self._found: dict[str, BlobRow] | None = None

    def judge(self, digest: str, size: int | None, type_: str | None) -> FieldCode | None:
        """None when a paper with this digest has arrived and is what it is named; else what is wrong with the name.

        A size or type that could not be read (none) is told elsewhere.
        """
        blob = self._rows().get(digest)
        if blob is None or not Purpose(blob.purpose).is_paper:
            return FieldCode.BLOB_MISSING
        fits = size in (None, blob.size) and type_ in (None, blob.type)
        return None if fits else FieldCode.BLOB_MISMATCH

    def form(self, digest: str) -> bytes | None:
        """The bytes of the form file with this digest (1 MiB at most), none when it has not arrived.

        Raises ``BlobLost`` or ``NotOpened`` when it is damaged.
        """
        blob = self._rows().get(digest)
        if blob is None or blob.purpose != Purpose.FORM:
            return None
        return b"".join(self._blobs.open(blob).pieces)

    def _rows(self) -> dict[str, BlobRow]:
        if self._found is None:
            brought = self._blobs.brought(self._bank, self._client_id, case_ref=self._case_ref)
            self._found = {blob.digest: blob for blob in brought}
        return self._found


class _Closing:
    """An iterator that lets go of its file also when it is never begun."""

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self.close = close

    def __iter__(self) -> _Closing:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)


def _record(tx: Tx, ticket_hash: str, blob: BlobRow, now: datetime) -> tuple[str, Outcome]:
    """The file's row and its ticket's end; the id that stands, and what to tell."""
    ticket = rows.ticket(tx, ticket_hash, lock=True)
    if ticket is None:
        raise NotFound(Reason.TICKET_UNKNOWN)
    if ticket.used:
        rows.give_back_try(tx, ticket_hash)
        return ticket.blob_id, Outcome.REPEATED
    stands = rows.put(tx, blob)
    rows.use_put(tx, ticket_hash, blob_id=stands, now=now)
    return stands, Outcome.TAKEN


def calls_from(address: str, networks: tuple[str, ...]) -> bool:
    """True where no address is enrolled, or this one lies in an enrolled network (also IPv4 mapped into IPv6)."""
    if not networks:
        return True
    try:
        caller = ip_address(address)
        if isinstance(caller, IPv6Address) and caller.ipv4_mapped is not None:
            caller = caller.ipv4_mapped
        return any(caller in ip_network(network) for network in networks)
    except ValueError:
        return False  # an unreadable address or enrolment lets nobody in
