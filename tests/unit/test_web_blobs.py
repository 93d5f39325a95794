"""The door for bytes, through the whole house: bring, file, claim, fetch."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.materials.asking import Wanted
from gateway.materials.folder import Folder
from gateway.materials.limits import JSON, MIB, PDF, Purpose
from gateway.materials.sweep import Sweep
from gateway.materials.tickets import Ticket
from gateway.signing.chunks import CHUNK
from gateway.store import blobs
from gateway.store.blobs import BlobRow
from gateway.web import blobs as door
from tests.builders import BANK, CLIENT_ID, SmallHouse, bank_key, enrolled, serving, small_house

PAPER = b"%PDF-1.7\n" + b"planted-name-and-number\n" * 90_000  # more than a bank's message may have
SECOND = "icbc-2"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[SmallHouse]:
    second = enrolled(bank_key("second"), client_id=SECOND, claimed_id="90000000000000000302")
    first = enrolled(bank_key(), addresses=("127.0.0.0/8",))
    settings = {"BLOBS_DIR": str(tmp_path / "blobs")}
    with small_house(tmp_path, database_url, client=first, more_clients=[second], settings=settings) as small:
        yield small


@pytest.fixture
def one_house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url, settings={"BLOBS_DIR": str(tmp_path / "blobs")}) as small:
        yield small


def digest_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def ticket(house: SmallHouse, raw: bytes, case_ref: str, *, client_id: str = CLIENT_ID, **how: Any) -> str:
    whole: dict[str, Any] = {
        "receipt_no": "",
        "case_ref": case_ref,
        "day": None,
        "difference_no": "",
        "purpose": Purpose.MATERIAL,
        "material": "M1",
        "digest": digest_of(raw),
        "size": len(raw),
        "type": PDF,
    }
    given = house.house.tickets.issue(client_id, BANK, Wanted(**(whole | how)))
    assert isinstance(given, Ticket)
    return given.path


def put(house: SmallHouse, path: str, raw: bytes, *, address: str = "127.0.0.1", **how: Any) -> Any:
    return house.app.test_client().put(path, data=raw, environ_base={"REMOTE_ADDR": address}, **how)


def get(house: SmallHouse, path: str, *, address: str = "127.0.0.1", method: str = "GET") -> Any:
    return house.app.test_client().open(path, method=method, environ_base={"REMOTE_ADDR": address})


def told(answer: Any) -> tuple[int, str]:
    assert answer.content_type == "application/json; charset=utf-8"
    body = json.loads(answer.data)
    assert set(body) == {"reason", "message"}
    return answer.status_code, body["reason"]


def file_of(raw: bytes, type_: str = PDF, **more: str) -> dict[str, str]:
    return {"digest": digest_of(raw), "size": str(len(raw)), "type": type_, **more}


def with_scan(house: SmallHouse, raw: bytes = PAPER) -> dict[str, Any]:
    business = house.sample()
    files = [file_of(raw, pages="2")]
    business["materials"] = [{"id": "M1", "how": "scan", "original_seen": True, "files": files}]
    return business


def blobs_of(house: SmallHouse, receipt_no: str) -> list[BlobRow]:
    (found,) = house.rows("SELECT case_id FROM cases WHERE receipt_no = :no", no=receipt_no)
    with house.house.database.read() as tx:
        return blobs.of_case(tx, found["case_id"])


def codes(answer: Any) -> list[tuple[str, str]]:
    return [(e["path"], e["code"]) for e in answer.business.get("errors", [])]


# -- the way of a file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("type_", "status"), [(PDF, 201), ("application/octet-stream", 201), ("image/png", 415)])
def test_a_media_type_that_contradicts_the_signed_one_is_refused(
    one_house: SmallHouse, type_: str, status: int
) -> None:
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    assert put(one_house, path, PAPER, content_type=type_).status_code == status


def test_a_file_named_with_another_size_or_type_than_it_arrived_with_is_refused(one_house: SmallHouse) -> None:
    business = with_scan(one_house)
    assert put(one_house, ticket(one_house, PAPER, business["bank_ref"]), PAPER).status_code == 201
    (file,) = business["materials"][0]["files"]
    for wrong in ({"size": str(len(PAPER) - 1)}, {"type": "image/png"}):
        business["materials"][0]["files"] = [{**file, **wrong}]
        assert codes(one_house.submit(business)) == [("materials[0].files[0]", "BLOB_MISMATCH")]
    business["materials"][0]["files"] = [file]
    assert one_house.submit(business).ok


def test_a_file_is_brought_named_claimed_and_fetched_once(house: SmallHouse) -> None:
    business = with_scan(house)
    missing = house.submit(business)
    assert codes(missing) == [("materials[0].files[0]", "BLOB_MISSING")]
    path = ticket(house, PAPER, business["bank_ref"])
    assert told(put(house, path, PAPER)) == (201, "OK")
    assert told(put(house, path, PAPER)) == (200, "OK")
    answer = house.submit(business)
    assert answer.ok
    (blob,) = blobs_of(house, answer.receipt_no)
    assert (blob.digest, blob.client_id, blob.case_ref) == (digest_of(PAPER), CLIENT_ID, business["bank_ref"])
    house.clock.turn(days=40)
    assert house.submit(business).receipt_no == answer.receipt_no
    house.clock.turn(days=-40)

    fetch = house.house.tickets.download(blob, client_id=CLIENT_ID).path
    assert get(house, fetch, method="HEAD").status_code == 404, "a look does not use it up"
    got = get(house, fetch)
    assert (got.status_code, got.data) == (200, PAPER)
    assert got.headers["Content-Type"] == PDF
    assert got.headers["Content-Length"] == str(len(PAPER))
    assert got.headers["Content-Disposition"] == f'attachment; filename="{blob.blob_id}.pdf"'
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cache-Control"] == "no-store"
    assert told(get(house, fetch)) == (404, "TICKET_UNKNOWN")


def test_nothing_of_a_file_stands_on_the_disk_in_clear(house: SmallHouse) -> None:
    business = with_scan(house)
    put(house, ticket(house, PAPER, business["bank_ref"]), PAPER)
    assert house.submit(business).ok
    files = [p for p in house.folder.rglob("*") if p.is_file()]
    assert any(p.suffix == ".blob" for p in files)
    assert [p.name for p in files if b"planted-name" in p.read_bytes()] == []


def test_another_clients_or_another_cases_file_is_missing(house: SmallHouse) -> None:
    business = with_scan(house)
    put(house, ticket(house, PAPER, business["bank_ref"], client_id=SECOND), PAPER)
    put(house, ticket(house, PAPER, house.sample()["bank_ref"]), PAPER)
    assert codes(house.submit(business)) == [("materials[0].files[0]", "BLOB_MISSING")]


def test_a_claimed_file_stays_and_an_unnamed_one_goes(house: SmallHouse) -> None:
    business, unnamed = with_scan(house), PAPER + b"2"
    for raw in (PAPER, unnamed):
        put(house, ticket(house, raw, business["bank_ref"]), raw)
    answer = house.submit(business)
    house.clock.turn(days=2)
    sweep(house)
    (blob,) = blobs_of(house, answer.receipt_no)
    assert b"".join(house.house.blobs.open(blob).pieces) == PAPER
    assert house.counts()["blob"] == 1
    assert len(list(house.folder.rglob("*.blob"))) == 1


def test_what_the_process_could_not_claim_the_sweep_claims(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    business = with_scan(house)
    put(house, ticket(house, PAPER, business["bank_ref"]), PAPER)
    monkeypatch.setattr(house.house.blobs, "claim_filed", lambda *_: None)  # as if it had died right after filing
    answer = house.submit(business)
    assert blobs_of(house, answer.receipt_no) == []
    house.clock.turn(days=2)
    sweep(house)
    assert [b.digest for b in blobs_of(house, answer.receipt_no)] == [digest_of(PAPER)]
    assert [r["pages"] for r in house.rows("SELECT pages FROM blob")] == [2]


def sweep(house: SmallHouse) -> None:
    whole = house.house
    folder = Folder(whole.settings.blobs_dir)
    Sweep(whole.database, whole.vault, blobs=whole.blobs, folder=folder, clock=whole.clock).sweep()


def test_erasing_a_case_erases_its_files(house: SmallHouse) -> None:
    business = with_scan(house)
    put(house, ticket(house, PAPER, business["bank_ref"]), PAPER)
    receipt_no = house.submit(business).receipt_no
    (blob,) = blobs_of(house, receipt_no)
    fetch = house.house.tickets.download(blob, client_id=CLIENT_ID).path
    (case,) = house.rows("SELECT case_id FROM cases")
    assert house.house.blobs.erase(case["case_id"]) == 1
    assert list(house.folder.rglob("*.blob")) == []
    assert [(b.digest, b.data_key) for b in blobs_of(house, receipt_no)] == [(digest_of(PAPER), b"")]
    assert told(get(house, fetch)) == (404, "DOCUMENT_UNKNOWN")


# -- the form as a file ---------------------------------------------------------------------------------------


def by_form_blob(house: SmallHouse, raw: bytes | None = None) -> tuple[dict[str, Any], bytes]:
    business = house.sample()
    form = json.dumps(business.pop("form"), ensure_ascii=False).encode() if raw is None else raw
    business.pop("form", None)
    business["form_blob"] = {"digest": digest_of(form), "size": str(len(form))}
    return business, form


def bring_form(house: SmallHouse, business: Mapping[str, Any], raw: bytes) -> None:
    path = ticket(house, raw, business["bank_ref"], purpose=Purpose.FORM, material="", type=JSON)
    assert told(put(house, path, raw)) == (201, "OK")


def test_a_form_file_stands_for_the_form(house: SmallHouse) -> None:
    business, form = by_form_blob(house)
    assert codes(house.submit(business)) == [("form_blob", "BLOB_MISSING")]
    bring_form(house, business, form)
    answer = house.submit(business)
    assert answer.ok
    assert [b.purpose for b in blobs_of(house, answer.receipt_no)] == ["form"]
    again = house.submit(business)
    assert (again.receipt_no, again.business["repeat"]) == (answer.receipt_no, True)


def test_a_form_file_is_judged_like_a_form(house: SmallHouse) -> None:
    business, form = by_form_blob(house, b'{"scenario":"nothing","stranger":"x"}')
    bring_form(house, business, form)
    assert sorted(codes(house.submit(business))) == [
        ("form.scenario", "NOT_IN_LIST"),
        ("form.stranger", "UNKNOWN_MEMBER"),
    ]


@pytest.mark.parametrize(
    "raw",
    [b'{"scenario":1}', b'{"a":"1","a":"2"}', b'{"scenario":"grant"', b'{"a":' * 20 + b'""' + b"}" * 20],
    ids=["number", "twice", "cut", "deep"],
)
def test_a_form_file_that_is_no_strict_json_is_refused(one_house: SmallHouse, raw: bytes) -> None:
    business, form = by_form_blob(one_house, raw)
    bring_form(one_house, business, form)
    assert codes(one_house.submit(business)) == [("form_blob", "BAD_FORMAT")]


def test_a_form_file_of_another_size_than_named_is_refused(one_house: SmallHouse) -> None:
    business, form = by_form_blob(one_house)
    bring_form(one_house, business, form)
    business["form_blob"]["size"] = str(len(form) + 1)
    assert codes(one_house.submit(business)) == [("form_blob.size", "BLOB_MISMATCH")]


# -- what the door says ---------------------------------------------------------------------------------------


def test_every_kind_of_unknown_ticket_is_one_answer(house: SmallHouse) -> None:
    reference = house.sample()["bank_ref"]
    living = ticket(house, PAPER, reference)
    used = ticket(house, PAPER + b"1", reference)
    put(house, used, PAPER + b"1")
    expired = ticket(house, PAPER + b"2", reference)
    house.clock.turn(minutes=15)
    fresh = ticket(house, PAPER + b"3", reference)
    answers = [
        put(house, "/blobs/" + "A" * 43, PAPER),
        put(house, "/blobs/short", PAPER),
        put(house, "/blobs/a/b", PAPER),
        put(house, used, PAPER + b"9"),
        put(house, expired, PAPER + b"2"),
        put(house, living, PAPER),
        put(house, fresh, PAPER + b"3", address="192.0.2.7"),
        get(house, fresh),
        get(house, "/blobs/" + "A" * 43),
    ]
    assert {told(a) for a in answers} == {(404, "TICKET_UNKNOWN")}
    assert len({(a.data, str(sorted(a.headers.items()))) for a in answers}) == 1


@pytest.mark.parametrize(
    ("sent", "signed", "expected"),
    [
        (PAPER + b"x", {}, (413, "BLOB_TOO_LARGE")),
        (PAPER[:-1], {}, (400, "BLOB_MISMATCH")),
        (PAPER[:-1] + b"x", {}, (400, "BLOB_MISMATCH")),
        (PAPER, {"type": "image/png"}, (415, "BLOB_TYPE")),
    ],
    ids=["larger", "smaller", "altered", "type"],
)
def test_bytes_that_are_not_the_signed_ones_have_their_status(
    house: SmallHouse, sent: bytes, signed: dict[str, Any], expected: tuple[int, str]
) -> None:
    path = ticket(house, PAPER, house.sample()["bank_ref"], **signed)
    assert told(put(house, path, sent)) == expected
    assert house.counts()["blob"] == 0
    assert [p for p in house.folder.rglob("*") if p.suffix in {".blob", ".part"}] == []


def test_a_body_without_length_or_in_chunks_is_refused_unread(one_house: SmallHouse) -> None:
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    assert told(one_house.app.test_client().put(path)) == (411, "BLOB_TOO_LARGE")
    assert told(put(one_house, path, PAPER, headers={"Transfer-Encoding": "chunked"})) == (411, "BLOB_TOO_LARGE")
    assert told(put(one_house, path, PAPER)) == (201, "OK")


def test_the_largest_file_of_a_day_passes_the_limit_of_messages(one_house: SmallHouse) -> None:
    raw = b"D|1|2|3\n" * (3 * MIB // 8)
    day = one_house.clock.now().date()
    path = ticket(one_house, raw, "", day=day, purpose=Purpose.DAY_FILE, material="", type="text/plain")
    assert told(put(one_house, path, raw)) == (201, "OK")


def test_a_damaged_file_is_our_fault_and_nothing_of_it_is_given(one_house: SmallHouse) -> None:
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    put(one_house, path, PAPER)
    (row,) = one_house.rows("SELECT blob_id FROM blob")
    with one_house.house.database.read() as tx:
        blob = blobs.by_id(tx, row["blob_id"])
    assert blob is not None
    fetch = one_house.house.tickets.download(blob, client_id=CLIENT_ID).path
    (file,) = one_house.folder.rglob("*.blob")
    file.write_bytes(file.read_bytes()[: CHUNK + 30])
    status, reason = told(get(one_house, fetch))
    assert (status, reason) == (500, "INTERNAL")


def test_too_many_slow_uploads_leave_threads_for_the_banks(one_house: SmallHouse) -> None:
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    full = door.BlobDoor(one_house.house.blobs, addresses=_Open(), places=1)
    with one_house.app.test_request_context(path, method="PUT", data=PAPER):
        assert full._places.acquire(blocking=False)
        answer = full.put(path.removeprefix("/blobs/"))
        full._places.release()
        assert told(answer) == (503, "BUSY")
        assert told(full.put(path.removeprefix("/blobs/"))) == (201, "OK")


def test_an_address_that_asks_too_often_is_told_so(one_house: SmallHouse) -> None:
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    shut = door.BlobDoor(one_house.house.blobs, addresses=_Open(allowed=False), places=1)
    with one_house.app.test_request_context(path, method="PUT", data=PAPER):
        assert told(shut.put(path.removeprefix("/blobs/"))) == (429, "TOO_MANY")


class _Open:
    """Buckets that are always full, or always empty."""

    def __init__(self, *, allowed: bool = True) -> None:
        self._allowed = allowed

    def take(self, _key: str) -> bool:
        return self._allowed


# -- by raw socket --------------------------------------------------------------------------------------------


def talk(url: str, raw: bytes, *, close_after: bool = False) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(raw)
        if close_after:
            line.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := line.recv(65_536):
            answer += piece
        return answer


def test_a_cut_body_a_missing_length_and_chunks_by_raw_socket(one_house: SmallHouse) -> None:
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    head = f"PUT {path} HTTP/1.0\r\nHost: gateway\r\n"
    with serving(one_house.app) as url:
        cut = talk(url, f"{head}Content-Length: {len(PAPER)}\r\n\r\n".encode() + PAPER[:100_000], close_after=True)
        assert b" 400 " in cut.split(b"\r\n")[0]
        assert b"BLOB_MISMATCH" in cut
        bare = talk(url, f"{head}\r\n".encode())
        assert b" 411 " in bare.split(b"\r\n")[0]
        chunked = talk(url, f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
        assert b" 411 " in chunked.split(b"\r\n")[0]
        assert one_house.counts()["blob"] == 0
        assert [p for p in one_house.folder.rglob("*") if p.suffix in {".blob", ".part"}] == []
        whole = talk(url, f"{head}Content-Length: {len(PAPER)}\r\n\r\n".encode() + PAPER)
        assert b" 201 " in whole.split(b"\r\n")[0]


def test_a_silent_line_is_given_up(one_house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_SILENCE", 0.2)
    path = ticket(one_house, PAPER, one_house.sample()["bank_ref"])
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as body:
        theirs.sendall(PAPER[:CHUNK])
        environ = {"gunicorn.socket": ours, "wsgi.input": body, "CONTENT_LENGTH": str(len(PAPER))}
        began = time.monotonic()
        answer = one_house.app.test_client().put(path, environ_overrides={"REMOTE_ADDR": "127.0.0.1", **environ})
        assert told(answer) == (400, "BLOB_MISMATCH")
        assert time.monotonic() - began < 5
    assert one_house.counts()["blob"] == 0
