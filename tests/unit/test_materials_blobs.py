"""Tickets and files, from asking to letting go, on both databases."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cases.receipts import read_number
from gateway.contracts.bank import Client
from gateway.domain.clock import SystemClock, beijing_day
from gateway.domain.errors import Busy, FromCaller, Invalid, NotFound, OutcomeUnknown
from gateway.domain.reasons import FieldCode, Reason
from gateway.domain.requests import BankRequest, BusinessPart, Hint, Operation
from gateway.materials.asking import Wanted
from gateway.materials.blobs import Blobs, Outcome, calls_from
from gateway.materials.folder import BlobLost, Folder
from gateway.materials.limits import JPEG, JSON, MIB, PDF, TEXT, Purpose
from gateway.materials.sweep import Sweep
from gateway.materials.tickets import Stored, Ticket, Tickets, hash_of
from gateway.signing.canon import sm3_hex
from gateway.signing.chunks import CHUNK
from gateway.signing.secret import Secret
from gateway.signing.vault import NotOpened, Vault
from gateway.store import blobs as rows
from gateway.store.blobs import BlobRow, TicketRow
from gateway.store.database import Database

BANK, CLIENT, OTHER = "B1", "b1-one", "b1-two"
REF = f"{beijing_day(SystemClock().now()):%Y%m%d}B1FT0001"
HOME, ABROAD = "10.1.2.3", "192.0.2.9"
PAPER = b"%PDF-1.7\n" + b"a planted name, and a number\n" * 5_000


def digest_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def client(client_id: str, **how: Any) -> Client:
    whole: dict[str, Any] = {
        "client_id": client_id,
        "bank": BANK,
        "profile": "api",
        "claimed_id": client_id,
        "status": "active",
        "algorithms": (),
        "keys": (),
        "outlets": (),
        "operations": (),
        "addresses": ("10.1.0.0/16",),
    }
    return Client(**(whole | how))


@dataclass
class Room:
    """The room with everything below it."""

    database: Database
    vault: Vault
    clock: Any
    root: Path
    folder: Folder
    clients: dict[str, Client]
    tickets: Tickets
    blobs: Blobs
    sweep: Sweep

    def wanted(self, raw: bytes = PAPER, **how: Any) -> Wanted:
        whole: dict[str, Any] = {
            "receipt_no": "",
            "case_ref": REF,
            "day": None,
            "difference_no": "",
            "purpose": Purpose.MATERIAL,
            "material": "M1",
            "digest": digest_of(raw),
            "size": len(raw),
            "type": PDF,
        }
        return Wanted(**(whole | how))

    def ticket(self, raw: bytes = PAPER, *, client_id: str = CLIENT, **how: Any) -> str:
        given = self.tickets.issue(client_id, BANK, self.wanted(raw, **how))
        assert isinstance(given, Ticket)
        return given.ticket

    def take(self, ticket: str, raw: bytes = PAPER, *, length: int | None = None, address: str = HOME) -> Outcome:
        return self.blobs.take(ticket, io.BytesIO(raw), length=len(raw) if length is None else length, address=address)

    def bring(self, raw: bytes = PAPER, **how: Any) -> BlobRow:
        assert self.take(self.ticket(raw, **how), raw) is Outcome.TAKEN
        return self.rows()[-1]

    def refused(self, act: Callable[[], object]) -> Reason:
        with pytest.raises(FromCaller) as caught:
            act()
        return caught.value.reason

    def rows(self) -> list[BlobRow]:
        with self.database.read() as tx:
            ids = [r["blob_id"] for r in tx.all("SELECT blob_id FROM blob ORDER BY arrived_at, blob_id")]
            return [row for row in (rows.by_id(tx, i) for i in ids) if row is not None]

    def row_of(self, ticket: str) -> TicketRow:
        with self.database.read() as tx:
            row = rows.ticket(tx, hash_of(ticket))
        assert row is not None
        return row

    def files(self) -> list[Path]:
        return sorted(p for p in self.root.rglob("*") if p.is_file())

    def read(self, blob: BlobRow) -> bytes:
        return b"".join(self.blobs.open(blob).pieces)


@pytest.fixture
def room(tmp_path: Path, database_url: str, clock: Any) -> Iterator[Room]:
    database = Database(database_url, clock, database_clock=False)
    vault = Vault(Secret(os.urandom(32)), "k1", index_key=Secret(os.urandom(32)))
    root = tmp_path / "blobs"
    folder = Folder(root)
    clients = {CLIENT: client(CLIENT), OTHER: client(OTHER)}
    blobs = Blobs(database, vault, folder=folder, client_of=clients.get, clock=clock)
    clock.set(SystemClock().now())  # ids and files carry the machine's time
    yield Room(
        database=database,
        vault=vault,
        clock=clock,
        root=root,
        folder=folder,
        clients=clients,
        tickets=Tickets(database, vault, clock=clock, read_number=read_number),
        blobs=blobs,
        sweep=Sweep(database, vault, blobs=blobs, folder=folder, clock=clock),
    )
    database.close()


# -- tickets ------------------------------------------------------------------------------------------------


def test_a_ticket_is_told_once_and_kept_as_a_hash(room: Room) -> None:
    given = room.tickets.issue(CLIENT, BANK, room.wanted())
    assert isinstance(given, Ticket)
    assert len(given.ticket) == 43
    assert given.path == f"/blobs/{given.ticket}"
    assert given.expires_at == room.clock.now() + timedelta(minutes=15)
    assert given.ticket not in repr(given)
    with room.database.read() as tx:
        kept = str(tx.all("SELECT * FROM ticket"))
    assert given.ticket not in kept
    assert hash_of(given.ticket) in kept


def test_the_operation_answers_wanted_then_stored(room: Room) -> None:
    members = {
        "op": "upload_ticket",
        "v": "1",
        "case_ref": REF,
        "purpose": "material",
        "material": "M1",
        "digest": digest_of(PAPER),
        "size": str(len(PAPER)),
        "type": PDF,
    }
    request = BankRequest(
        bank=BANK,
        hint=Hint(bank=BANK, client_id=CLIENT, authentic=True),
        operation=Operation.UPLOAD_TICKET,
        business=BusinessPart(members, b""),
    )
    body = room.tickets.answer(request).body()
    assert (body["op"], body["result"], body["status"], body["message"]) == ("upload_ticket", "ok", "wanted", "请上传")
    assert body["upload"]["expires_at"].endswith("+08:00")
    assert room.take(body["upload"]["path"].removeprefix("/blobs/")) is Outcome.TAKEN
    body = room.tickets.answer(request).body()
    assert (body["status"], "upload" in body) == ("stored", False)


def test_stored_is_told_only_to_the_one_who_brought_it_and_for_that_case(room: Room) -> None:
    room.bring()
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted()), Stored)
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted(purpose=Purpose.SIGNATURE, material="")), Stored)
    assert isinstance(room.tickets.issue(OTHER, BANK, room.wanted()), Ticket)
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted(case_ref=REF + "x")), Ticket)
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted(size=len(PAPER) - 1)), Ticket)
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted(type=JPEG)), Ticket)


def test_an_unknown_case_and_an_old_reference_are_refused(room: Room) -> None:
    for number in ("FT261123037K3QWB", "nonsense"):
        wanted = room.wanted(case_ref="", receipt_no=number)
        assert room.refused(lambda wanted=wanted: room.tickets.issue(CLIENT, BANK, wanted)) is Reason.CASE_UNKNOWN
    with pytest.raises(Invalid) as caught:
        room.tickets.issue(CLIENT, BANK, room.wanted(case_ref="20200101B1FT0001"))
    assert [(p.path, p.code) for p in caught.value.problems] == [("case_ref", FieldCode.BANK_REF_DATE)]


def test_a_case_gets_sixty_files_and_no_more(room: Room) -> None:
    for number in range(60):
        room.tickets.issue((CLIENT, OTHER)[number % 2], BANK, room.wanted(b"%d" % number))
    with pytest.raises(Invalid) as caught:
        room.tickets.issue(CLIENT, BANK, room.wanted())
    assert [(p.path, p.code) for p in caught.value.problems] == [("case_ref", FieldCode.TOO_MANY_ROWS)]
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted(b"7")), Ticket), "the same file again is no other"
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted(case_ref=REF + "x")), Ticket)
    room.clock.turn(26 * 60)
    assert isinstance(room.tickets.issue(CLIENT, BANK, room.wanted()), Ticket), "dead tickets bring nothing"


def test_a_case_gets_two_hundred_mebibytes_and_no_more(room: Room) -> None:
    for number in range(10):
        room.tickets.issue(CLIENT, BANK, room.wanted(b"%d" % number, size=20 * MIB))
    with pytest.raises(Invalid) as caught:
        room.tickets.issue(CLIENT, BANK, room.wanted(size=1))
    assert [(p.path, p.code) for p in caught.value.problems] == [("size", FieldCode.OUT_OF_RANGE)]


def test_the_limit_holds_for_many_who_ask_at_once(room: Room) -> None:
    for number in range(58):
        room.tickets.issue(CLIENT, BANK, room.wanted(b"%d" % number))

    def ask(number: int) -> bool:
        try:
            room.tickets.issue(CLIENT, BANK, room.wanted(b"late %d" % number))
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(12))) == 2


# -- in -----------------------------------------------------------------------------------------------------


def test_what_was_signed_is_taken_kept_sealed_and_read_back(room: Room) -> None:
    blob = room.bring()
    assert (blob.digest, blob.size, blob.type, blob.purpose, blob.material) == (
        digest_of(PAPER),
        len(PAPER),
        PDF,
        "material",
        "M1",
    )
    assert (blob.client_id, blob.bank, blob.case_ref, blob.case_id) == (CLIENT, BANK, REF, "")
    assert room.read(blob) == PAPER
    (file,) = room.files()
    raw = file.read_bytes()
    assert b"planted" not in raw
    assert b"%PDF-1." not in raw
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with room.database.read() as tx:
        assert "planted" not in str(tx.all("SELECT * FROM blob"))


def test_an_sm3_digest_is_as_good(room: Room) -> None:
    ticket = room.ticket(digest="sm3:" + sm3_hex(PAPER))
    assert room.take(ticket) is Outcome.TAKEN


def test_the_same_bytes_again_on_the_same_ticket_are_well_however_often(room: Room) -> None:
    ticket = room.ticket()
    assert [room.take(ticket) for _ in range(6)] == [Outcome.TAKEN] + [Outcome.REPEATED] * 5
    assert len(room.files()) == len(room.rows()) == 1


def test_other_bytes_on_a_used_ticket_meet_an_unknown_one(room: Room) -> None:
    ticket = room.ticket()
    room.take(ticket)
    other = PAPER[:-1] + b"!"
    for raw in (other, PAPER + b"x", PAPER[:-1]):
        assert room.refused(lambda raw=raw: room.take(ticket, raw)) is Reason.TICKET_UNKNOWN
    assert room.refused(lambda: room.take(ticket)) is Reason.TICKET_UNKNOWN, "three failed tries"
    assert len(room.files()) == len(room.rows()) == 1


@pytest.mark.parametrize(
    ("raw", "length", "reason"),
    [
        (PAPER[:-1] + b"!", len(PAPER), Reason.BLOB_MISMATCH),
        (PAPER + b"x", len(PAPER) + 1, Reason.BLOB_TOO_LARGE),
        (PAPER[:-1], len(PAPER) - 1, Reason.BLOB_MISMATCH),
        (PAPER[:70_000], len(PAPER), Reason.BLOB_MISMATCH),
        (b"", len(PAPER), Reason.BLOB_MISMATCH),
    ],
    ids=["digest", "larger", "smaller", "cut", "cut at once"],
)
def test_bytes_that_are_not_what_was_signed_leave_nothing(room: Room, raw: bytes, length: int, reason: Reason) -> None:
    ticket = room.ticket()
    assert room.refused(lambda: room.take(ticket, raw, length=length)) is reason
    assert (room.files(), room.rows()) == ([], [])
    assert room.take(ticket) is Outcome.TAKEN, "one failed try does no harm"


@pytest.mark.parametrize("type_", [JPEG, "image/png"])
def test_a_file_of_another_type_than_signed_leaves_nothing(room: Room, type_: str) -> None:
    ticket = room.ticket(type=type_)
    assert room.refused(lambda: room.take(ticket)) is Reason.BLOB_TYPE
    assert (room.files(), room.rows()) == ([], [])


def test_more_bytes_than_announced_are_never_read(room: Room) -> None:
    source = io.BytesIO(PAPER + b"more")
    assert room.blobs.take(room.ticket(), source, length=len(PAPER), address=HOME) is Outcome.TAKEN
    assert source.read() == b"more"


def test_three_failed_tries_kill_a_ticket(room: Room) -> None:
    ticket = room.ticket()
    for _ in range(3):
        assert room.refused(lambda: room.take(ticket, PAPER[:9], length=len(PAPER))) is Reason.BLOB_MISMATCH
    assert room.refused(lambda: room.take(ticket)) is Reason.TICKET_UNKNOWN
    assert room.rows() == []


def test_an_expired_or_invented_ticket_is_unknown_before_a_byte_is_read(room: Room) -> None:
    ticket = room.ticket()
    room.clock.turn(15 * 60)
    source = io.BytesIO(PAPER)
    for name in (ticket, "A" * 43, "", "../" + ticket, ticket + "=", "é" * 43):
        act = lambda name=name: room.blobs.take(name, source, length=len(PAPER), address=HOME)  # noqa: E731
        assert room.refused(act) is Reason.TICKET_UNKNOWN
    assert source.tell() == 0


def test_only_the_clients_own_addresses_may_use_its_ticket_and_strangers_cost_it_no_try(room: Room) -> None:
    ticket = room.ticket()
    for address in (ABROAD, "", "nonsense") * 3:
        assert room.refused(lambda a=address: room.take(ticket, address=a)) is Reason.TICKET_UNKNOWN
    assert room.row_of(ticket).tries == 0
    assert room.take(ticket, address="::ffff:10.1.9.9") is Outcome.TAKEN


def test_a_blocked_or_vanished_client_has_no_tickets(room: Room) -> None:
    ticket = room.ticket()
    room.clients[CLIENT] = client(CLIENT, status="blocked")
    assert room.refused(lambda: room.take(ticket)) is Reason.TICKET_UNKNOWN
    del room.clients[CLIENT]
    assert room.refused(lambda: room.take(ticket)) is Reason.TICKET_UNKNOWN


def test_no_enrolled_address_means_any(room: Room) -> None:
    assert calls_from(ABROAD, ())
    assert not calls_from(ABROAD, ("no network",))


class Source(io.BytesIO):
    """A body that does something when it is read."""

    def __init__(self, raw: bytes, act: Callable[[int], None]) -> None:
        super().__init__(raw)
        self._act = act

    def read(self, size: int | None = -1, /) -> bytes:
        self._act(self.tell())
        return super().read(size)


def test_a_line_that_breaks_leaves_nothing(room: Room) -> None:
    def breaks(at: int) -> None:
        if at >= CHUNK:
            raise TimeoutError("silent")

    ticket = room.ticket()
    source = Source(PAPER, breaks)
    act = lambda: room.blobs.take(ticket, source, length=len(PAPER), address=HOME)  # noqa: E731
    assert room.refused(act) is Reason.BLOB_MISMATCH
    assert (room.files(), room.rows()) == ([], [])
    assert room.row_of(ticket).tries == 1


def test_a_dripping_upload_is_ended_and_leaves_nothing(room: Room) -> None:
    source = Source(PAPER, lambda _at: room.clock.turn(601) and None)
    act = lambda: room.blobs.take(room.ticket(), source, length=len(PAPER), address=HOME)  # noqa: E731
    assert room.refused(act) is Reason.BLOB_MISMATCH
    assert (room.files(), room.rows()) == ([], [])


def test_an_upload_that_began_in_time_may_end_after_its_ticket(room: Room) -> None:
    ticket = room.ticket()
    room.clock.turn(14 * 60)
    source = Source(PAPER, lambda at: None if at else room.clock.turn(120) and None)
    assert room.blobs.take(ticket, source, length=len(PAPER), address=HOME) is Outcome.TAKEN


@pytest.mark.parametrize("tickets", [1, 2])
def test_two_uploads_of_the_same_bytes_at_once_leave_one_file(room: Room, tickets: int) -> None:
    given = [room.ticket() for _ in range(tickets)]
    together = threading.Barrier(2, timeout=10)

    def put(number: int) -> Outcome:
        source = Source(PAPER, lambda at: None if at else together.wait() and None)
        return room.blobs.take(given[number % tickets], source, length=len(PAPER), address=HOME)

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(put, range(2)))
    assert outcomes == ([Outcome.REPEATED, Outcome.TAKEN] if tickets == 1 else [Outcome.TAKEN] * 2)
    (blob,) = room.rows()
    assert [f.stem for f in room.files()] == [blob.blob_id]
    assert room.read(blob) == PAPER
    assert {room.row_of(t).blob_id for t in given} == {blob.blob_id}
    assert {room.row_of(t).tries for t in given} == {0}


def test_a_disk_that_refuses_is_our_fault_and_costs_no_try(room: Room) -> None:
    room.root.write_text("a file stands where the folder should")
    ticket = room.ticket()
    for _ in range(4):
        with pytest.raises(Busy):
            room.take(ticket)
    assert room.row_of(ticket).tries == 0
    room.root.unlink()
    assert room.take(ticket) is Outcome.TAKEN


def test_when_the_commit_is_unclear_the_file_waits_for_the_sweep(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = room.ticket()
    again = room.database.again

    def unclear(act: Any) -> Any:
        if room.files():
            raise OutcomeUnknown("the line to the database died")
        return again(act)

    with monkeypatch.context() as patch:
        patch.setattr(room.database, "again", unclear)
        with pytest.raises(OutcomeUnknown):
            room.take(ticket)
    assert len(room.files()) == 1
    assert room.take(ticket) is Outcome.TAKEN
    room.clock.turn(2 * 3600)
    assert room.sweep.sweep() == 1
    (blob,) = room.rows()
    assert [f.stem for f in room.files()] == [blob.blob_id]


# -- damage -------------------------------------------------------------------------------------------------


def _chunks(raw: bytes) -> list[bytes]:
    return [raw[i : i + CHUNK + 29] for i in range(1, len(raw), CHUNK + 29)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: 1 + CHUNK + 29],
        lambda raw: raw[:-1],
        lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:],
        lambda raw: raw[:1] + b"".join([_chunks(raw)[1], _chunks(raw)[0], *_chunks(raw)[2:]]),
        lambda raw: raw + raw[-29:],
        lambda raw: b"",
    ],
    ids=["cut at a chunk", "cut", "altered", "reordered", "lengthened", "emptied"],
)
def test_a_damaged_file_is_found_before_a_byte_is_given_out(room: Room, damage: Callable[[bytes], bytes]) -> None:
    blob = room.bring()
    (file,) = room.files()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises((NotOpened, BlobLost)):
        room.blobs.open(blob)


def test_damage_further_on_is_found_when_it_is_reached(room: Room) -> None:
    blob = room.bring()
    (file,) = room.files()
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    opened = room.blobs.open(blob)
    assert next(opened.pieces) == PAPER[:CHUNK]
    with pytest.raises(NotOpened):
        list(opened.pieces)


def test_a_file_under_another_row_does_not_open_and_a_missing_one_is_lost(room: Room) -> None:
    one, two = room.bring(), room.bring(PAPER + b"2")
    with pytest.raises(NotOpened):
        room.blobs.open(replace(one, data_key=two.data_key))
    for file in room.files():
        file.unlink()
    with pytest.raises(BlobLost):
        room.blobs.open(one)


# -- what a message sees --------------------------------------------------------------------------------------


def arrived(room: Room, digest: str, bank: str, client_id: str, case_ref: str) -> bool:
    return room.blobs.of(bank, client_id, case_ref).judge(digest, None, None) is None


def test_a_digest_addresses_only_the_own_files_of_that_case(room: Room) -> None:
    digest = room.bring().digest
    assert arrived(room, digest, BANK, CLIENT, REF)
    assert not arrived(room, digest, BANK, OTHER, REF)
    assert not arrived(room, digest, "B2", CLIENT, REF)
    assert not arrived(room, digest, BANK, CLIENT, REF + "x")
    assert not arrived(room, digest_of(b"other"), BANK, CLIENT, REF)


def test_a_file_is_what_it_is_named_or_a_mismatch(room: Room) -> None:
    blob = room.bring()
    judge = room.blobs.of(BANK, CLIENT, REF).judge
    assert judge(blob.digest, blob.size, blob.type) is None
    assert judge(blob.digest, blob.size + 1, blob.type) is FieldCode.BLOB_MISMATCH
    assert judge(blob.digest, blob.size, "image/png") is FieldCode.BLOB_MISMATCH
    assert judge(digest_of(b"other"), blob.size, blob.type) is FieldCode.BLOB_MISSING


def test_a_form_is_no_paper_and_a_paper_no_form(room: Room) -> None:
    form = b'{"scenario":"grant"}'
    paper = room.bring().digest
    blob = room.bring(form, purpose=Purpose.FORM, material="", type=JSON)
    files = room.blobs.of(BANK, CLIENT, REF)
    assert (files.form(blob.digest), files.judge(blob.digest, None, None)) == (form, FieldCode.BLOB_MISSING)
    assert (files.form(paper), files.judge(paper, None, None)) == (None, None)


def test_day_files_have_their_own_place(room: Room) -> None:
    raw = b"H|1\nD|2\n"
    day = room.clock.now().date()
    blob = room.bring(raw, case_ref="", day=day, purpose=Purpose.DAY_FILE, material="", type=TEXT)
    assert blob.case_ref == f"day:{day}"
    assert not arrived(room, blob.digest, BANK, CLIENT, f"day:{day}")


# -- letting go ---------------------------------------------------------------------------------------------


def test_an_unclaimed_file_is_out_of_sight_after_a_day_and_gone_soon_after(room: Room) -> None:
    blob = room.bring()
    room.clock.turn(24 * 3600 - 1)
    assert room.sweep.sweep() == 0
    assert arrived(room, blob.digest, BANK, CLIENT, REF)
    room.clock.turn(2)
    assert not arrived(room, blob.digest, BANK, CLIENT, REF)
    assert room.sweep.sweep() == 0, "a message checked a moment ago may still be filed"
    room.clock.turn(3600)
    assert room.sweep.sweep() == 1
    assert (room.rows(), room.files()) == ([], [])


def test_bringing_it_again_after_a_day_keeps_it_for_another(room: Room) -> None:
    first = room.bring()
    room.clock.turn(24 * 3600 + 60)
    assert room.take(room.ticket()) is Outcome.TAKEN
    room.clock.turn(3600)
    assert room.sweep.sweep() == 0
    (blob,) = room.rows()
    assert blob.blob_id == first.blob_id
    assert room.read(blob) == PAPER
    assert [f.stem for f in room.files()] == [blob.blob_id]


def test_half_files_and_files_without_a_row_go_when_they_are_old(room: Room) -> None:
    blob = room.bring()
    folder = room.files()[0].parent
    part = folder / f"{blob.blob_id[:12]}{'f' * 20}.part"
    lost = folder / f"{blob.blob_id[:12]}{'e' * 20}.blob"
    for path in (part, lost):
        path.write_bytes(b"x")
    (folder / "README").write_text("not ours")
    assert room.sweep.sweep() == 0, "an upload may be under way"
    room.clock.turn(3700)
    assert room.sweep.sweep() == 2
    assert sorted(p.name for p in room.files()) == sorted([f"{blob.blob_id}.blob", "README"])


def test_dead_tickets_are_forgotten(room: Room) -> None:
    ticket = room.ticket()
    room.clock.turn(15 * 60 + 3601)
    room.sweep.sweep()
    with room.database.read() as tx:
        assert rows.ticket(tx, hash_of(ticket)) is None


def test_the_duty_runs_every_ten_minutes(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    monkeypatch.setattr(room.sweep, "sweep", lambda: ran.append(1))
    for _ in range(5):
        room.sweep.turn()
    assert ran == []
    room.clock.turn(600)
    room.sweep.turn()
    room.sweep.turn()
    assert ran == [1]


def test_old_empty_folders_go(room: Room) -> None:
    old = room.root / "2026-01-02"
    old.mkdir(parents=True)
    room.sweep.sweep()
    assert not old.exists()


# -- out ----------------------------------------------------------------------------------------------------


def test_a_ticket_to_fetch_works_once(room: Room) -> None:
    blob = room.bring()
    ticket = room.tickets.download(blob, client_id=CLIENT).ticket
    for address in (ABROAD, ABROAD):
        assert room.refused(lambda a=address: room.blobs.fetch(ticket, address=a)) is Reason.TICKET_UNKNOWN
    assert b"".join(room.blobs.fetch(ticket, address=HOME).pieces) == PAPER
    assert room.refused(lambda: room.blobs.fetch(ticket, address=HOME)) is Reason.TICKET_UNKNOWN


def test_a_ticket_to_fetch_dies_after_ten_minutes_and_is_none_to_bring(room: Room) -> None:
    blob = room.bring()
    ticket = room.tickets.download(blob, client_id=CLIENT).ticket
    assert room.refused(lambda: room.take(ticket)) is Reason.TICKET_UNKNOWN
    bring = room.ticket(PAPER + b"2")
    assert room.refused(lambda: room.blobs.fetch(bring, address=HOME)) is Reason.TICKET_UNKNOWN
    room.clock.turn(600)
    assert room.refused(lambda: room.blobs.fetch(ticket, address=HOME)) is Reason.TICKET_UNKNOWN


def test_many_who_fetch_at_once_get_it_once(room: Room) -> None:
    ticket = room.tickets.download(room.bring(), client_id=CLIENT).ticket

    def fetch(_number: int) -> bool:
        try:
            return b"".join(room.blobs.fetch(ticket, address=HOME).pieces) == PAPER
        except NotFound:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(fetch, range(8))) == 1


def test_large_files_never_stand_in_memory(room: Room) -> None:
    size = 8 * MIB

    class Endless:
        def __init__(self) -> None:
            self.given = 0

        def read(self, wanted: int, /) -> bytes:
            piece = (b"%PDF-" if self.given == 0 else b"") + b"x" * wanted
            self.given += wanted
            return piece[:wanted]

    hasher = hashlib.sha256(b"%PDF-" + b"x" * (size - 5))
    ticket = room.ticket(b"", digest="sha256:" + hasher.hexdigest(), size=size)
    tracemalloc.start()
    try:
        assert room.blobs.take(ticket, Endless(), length=size, address=HOME) is Outcome.TAKEN
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert sum(len(piece) for piece in room.blobs.open(room.rows()[-1]).pieces) == size
        opened = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(taken, opened) < 2 * MIB
