"""Case rows, exchanges, and what of them can be read by somebody who only has the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gateway.audit.kinds import EntryKind
from gateway.domain.calls import Mark
from gateway.domain.case import CaseState
from gateway.domain.clock import SystemClock
from gateway.domain.records import Ask, Decision, Due, EntryDraft, Facts
from gateway.domain.requests import Hint
from gateway.signing.vault import NotOpened, Vault, make_vault
from gateway.store import cases, exchanges, messages, trail, work
from gateway.store.database import Database, micros
from gateway.store.tables import metadata
from gateway.wire.exchange import Exchange

ID_NUMBER = "44030419900307123X"
NAME = "王𠮷祥"
SECRET = f'{{"name":"{NAME}","doc_no":"{ID_NUMBER}"}}'.encode()
FACTS = Facts(
    asks=(
        Ask(ask_no=1, kind="correction", text=f"{NAME}照片不清", what=(Mark("form.a", "重拍"),), due=date(2026, 12, 1)),
        Ask(ask_no=2, kind="promise", text="", what=(), open=False),
    ),
    missing=(("M3", "2026-12-31"),),
    decision=Decision(
        kind="refused",
        reason="OTHER",
        text=f"证件号{ID_NUMBER}不符",
        decided_at=datetime(2026, 11, 24, tzinfo=UTC),
        automatic=True,
    ),
    result_follows=True,
    subject=("resident_id", ID_NUMBER),
)


@pytest.fixture
def vault(tmp_path):
    make_vault(tmp_path / "vault.key")
    return Vault.load(tmp_path / "vault.key")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_url(request, _databases, tmp_path_factory):
    """One database of each kind for all tests of this file: emptying it is much faster than making it."""
    if request.param == "sqlite":
        yield _databases.sqlite(tmp_path_factory.mktemp("shared"))
        return
    with _databases.server().database("gwt", template=_databases.postgres_template()) as url:
        yield url


@pytest.fixture
def empty_url(shared_url):
    """That database, without a row."""
    database = Database(shared_url, SystemClock())
    database.again(lambda tx: [tx.run(f"DELETE FROM {table}") for table in metadata.tables])
    database.close()
    return shared_url


@pytest.fixture
def database(empty_url, clock):
    made = Database(empty_url, clock, database_clock=False)
    yield made
    made.close()


def insert(database, vault, name, *, bank="ICBC", open_key=None, facts=FACTS):
    """A case row; returns its data key."""
    key, now, case_id = vault.new_data_key(), database.clock.now(), f"case-{name}"
    row = {
        "case_id": case_id,
        "bank": bank,
        "bank_ref": f"20261123{name}",
        "client_id": "icbc-1",
        "business_digest": "b1-sha256:00",
        "item": "FT-SBX-002",
        "item_version": "2026.1",
        "department": "FT_SBX",
        "backend": "FT_SBX",
        "outlet": "ICBC-FT-01",
        "channel": "counter",
        "receipt_no": f"FT{name}",
        "receipt": "receipt",
        "received_at": micros(now),
        "state": "submitted",
        "since": micros(now),
        "event_no": 1,
        "entry_no": 1,
        "withdrawal": "none",
        "department_seq": 0,
        "parked": 0,
        "open_key": open_key,
        "subject_hash": vault.search_hash("resident_id", ID_NUMBER),
        "data_key": key.wrapped,
        "form_sealed": key.seal(SECRET, cases.FORM_PLACE.format(case_id=case_id)),
        "facts_sealed": cases.seal_facts(key, case_id, facts),
    }
    names = ", ".join(row)
    values = ", ".join(f":{n}" for n in row)
    database.again(lambda tx: tx.run(f"INSERT INTO cases ({names}) VALUES ({values})", row))
    return key


def get(database, vault, name):
    with database.read() as tx:
        return cases.by_id(tx, vault, f"case-{name}")


def talk(exchange_id="e1", **other):
    now = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    made = Exchange(
        exchange_id=exchange_id,
        peer="FT_SBX",
        direction="out",
        purpose="submit",
        case_id="case-a",
        call_id="call-a",
        started_at=now,
        ended_at=now + timedelta(seconds=1),
        request=SECRET,
        status=200,
        response=SECRET,
        outcome="answered",
    )
    return replace(made, **other)


# -- cases -----------------------------------------------------------------------------------------------------


def test_a_case_comes_back_with_everything_that_was_saved(database, vault, clock):
    insert(database, vault, "a")
    case = get(database, vault, "a")
    assert (case.facts, case.received_at, case.due, case.department_ref) == (FACTS, clock.now(), None, "")
    clock.turn(0.000001)
    changed = replace(
        case,
        state=CaseState.REVIEWING,
        since=clock.now(),
        event_no=4,
        entry_no=9,
        due=Due(on=date(2026, 12, 8), kind="decision", provisional=True),
        withdrawal="asked",
        department_ref="SBX-1",
        department_seq=2**40,
        parked=True,
        facts=replace(FACTS, decision=None, asks=()),
    )
    database.again(lambda tx: cases.save(tx, vault, changed))
    assert get(database, vault, "a") == changed
    with database.read() as tx:
        assert cases.form(tx, vault, changed) == SECRET
        assert cases.event_no(tx, "case-a") == 4


def test_a_case_is_found_by_what_names_it_and_only_by_its_own_bank(database, vault):
    insert(database, vault, "a", open_key="item:hash")
    with database.read() as tx:
        for found in (
            cases.by_bank_ref(tx, vault, "ICBC", "20261123a"),
            cases.by_receipt(tx, vault, "ICBC", "FTa"),
            cases.by_open_key(tx, vault, "item:hash"),
        ):
            assert found.case_id == "case-a"
        assert cases.by_bank_ref(tx, vault, "CCB", "20261123a") is None
        assert cases.by_receipt(tx, vault, "CCB", "FTa") is None
        assert cases.by_open_key(tx, vault, "item:other") is None
        assert cases.by_id(tx, vault, "case-b") is None
        assert cases.event_no(tx, "case-b") == 0
    with pytest.raises(LookupError):
        database.again(lambda tx: cases.lock(tx, vault, "case-b"))


@pytest.mark.parametrize(
    ("state", "free"),
    [(CaseState.CORRECTION, False), (CaseState.WITHDRAWN, True), (CaseState.APPROVED, True), (CaseState.DENIED, True)],
)
def test_a_case_that_ended_makes_room_for_the_next_of_the_same_applicant(database, vault, state, free):
    insert(database, vault, "a", open_key="item:hash")
    case = replace(get(database, vault, "a"), state=state)
    database.again(lambda tx: cases.save(tx, vault, case))
    with database.read() as tx:
        assert (cases.by_open_key(tx, vault, "item:hash") is None) is free


def test_an_erased_case_keeps_its_state_and_nothing_of_its_content(database, vault):
    insert(database, vault, "a")
    database.again(lambda tx: tx.run("UPDATE cases SET data_key = NULL"))
    case = get(database, vault, "a")
    assert (case.state, case.facts, case.data_key) == (CaseState.SUBMITTED, Facts(), b"")
    with database.read() as tx, pytest.raises(LookupError):
        cases.form(tx, vault, case)


def test_facts_of_another_case_do_not_open(database, vault):
    insert(database, vault, "a")
    insert(database, vault, "b")
    other = "(SELECT c.{0} FROM cases c WHERE c.case_id = 'case-a')"
    swap = f"UPDATE cases SET facts_sealed = {other.format('facts_sealed')}, data_key = {other.format('data_key')}"
    database.again(lambda tx: tx.run(swap))
    with pytest.raises(NotOpened):
        get(database, vault, "b")


def test_notes_are_numbered_with_the_case_and_a_case_that_is_gone_gets_none(database, vault, clock):
    insert(database, vault, "a")

    def act(tx):
        for case_id in ("case-a", "case-gone", "case-a"):
            cases.note(tx, case_id, EntryKind.CALL_ASKED, now=clock.now(), facts={"call": "c"})

    database.again(act)
    with database.read() as tx:
        assert [(r["seq"], r["kind"]) for r in trail.of_case(tx, "case-a")] == [
            (2, "case:call:asked"),
            (3, "case:call:asked"),
        ]
        assert trail.of_case(tx, "case-gone") == []
    assert get(database, vault, "a").entry_no == 3


def test_entries_that_belong_to_no_case_are_numbered_by_subject(database, clock):
    drafts = [
        EntryDraft(kind=EntryKind.CLIENT_BLOCKED, subject=subject, at=clock.now(), actor="staff:1")
        for subject in ("client:a", "client:b", "client:a")
    ]
    database.again(lambda tx: trail.append_loose(tx, drafts))
    with database.read() as tx:
        found = tx.all("SELECT subject, seq, case_id FROM entry ORDER BY subject, seq")
    assert [tuple(row.values()) for row in found] == [
        ("client:a", 1, None),
        ("client:a", 2, None),
        ("client:b", 1, None),
    ]


# -- exchanges -------------------------------------------------------------------------------------------------


def test_what_was_exchanged_comes_back_whole_oldest_first(database, vault):
    recorder = exchanges.ExchangeRecorder(database, vault, on_failure=lambda: pytest.fail("it failed"))
    later = talk("e2", started_at=talk().ended_at, request_head=b"POST / HTTP/1.1\r\n\r\n", cause="too slow")
    recorder.record(later)
    recorder.record(talk())
    recorder.record(talk("e3", case_id=""))
    with database.read() as tx:
        found = exchanges.of_case(tx, vault, "case-a")
    assert [(e["exchange_id"], e["request"], e["response"]) for e in found] == [
        ("e1", SECRET, SECRET),
        ("e2", later.request_head + SECRET, SECRET),
    ]
    assert found[1]["outcome"].startswith("answered")


def test_an_exchange_that_cannot_be_kept_is_counted_and_hurts_nobody(database, vault):
    failures = []
    recorder = exchanges.ExchangeRecorder(database, vault, on_failure=lambda: failures.append(1))
    recorder.record(talk())
    assert failures == []
    recorder.record(talk())  # the same id again
    away = Database("postgresql://nobody@127.0.0.1:1/none", database.clock)
    exchanges.ExchangeRecorder(away, vault, on_failure=lambda: failures.append(1)).record(talk("e2"))
    away.close()
    assert failures == [1, 1]


# -- what rests in the database ----------------------------------------------------------------------------------


def everything_in(database, database_url):
    """Every byte somebody would find who took the database away."""
    with database.read() as tx:
        rows = [
            bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
            for table in metadata.tables
            for row in tx.all(f"SELECT * FROM {table}")
            for value in row.values()
        ]
    files = []
    if not database.is_postgres:
        path = Path(database_url.removeprefix("sqlite:///"))
        files = [file.read_bytes() for file in path.parent.glob(path.name + "*")]
        assert files
    return b"\n".join(rows + files)


def test_who_only_has_the_database_reads_no_number_and_no_name(database, empty_url, vault, clock):
    key = insert(database, vault, "a")
    insert(database, vault, "b", facts=Facts())
    hint = Hint(bank="ICBC", client_id="icbc-1", transport_id="t-1", message_digest="sha256:aa", operation="submit")
    messages.note(database, hint, received_at=clock.now(), expires_at=clock.now())
    columns = work.row(
        work_id="w",
        kind=work.CALL,
        lane="A",
        case_id="case-a",
        payload_sealed=key.seal(SECRET, "work:w:payload_sealed"),
        now=clock.now(),
    )

    def act(tx):
        exchanges.insert(tx, vault, talk())
        messages.answer(tx, vault, hint, case_id="case-a", raw=SECRET)
        work.put(tx, columns)
        cases.save(tx, vault, replace(cases.lock(tx, vault, "case-b"), facts=FACTS))

    database.again(act)
    found = everything_in(database, empty_url)
    assert b"20261123a" in found  # the search does find what stands in clear
    for planted in (
        ID_NUMBER.encode(),
        NAME.encode(),
        "照片".encode(),
        "照片".encode("unicode_escape"),
        ID_NUMBER[:-4].encode(),
    ):
        assert planted not in found
