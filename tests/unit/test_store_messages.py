"""Transport ids are bound to one text; event ids of departments are heard once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.domain.clock import SystemClock
from gateway.domain.requests import Hint
from gateway.signing.vault import NotOpened, Vault, make_vault
from gateway.store import inbound, messages
from gateway.store.database import Database
from gateway.store.tables import metadata

WINDOW = timedelta(minutes=10)


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


def hint(transport="t-1", digest="sha256:aa", client="icbc-1"):
    return Hint(bank="ICBC", client_id=client, transport_id=transport, message_digest=digest, operation="query")


def note(database, what):
    now = database.clock.now()
    return messages.note(database, what, received_at=now, expires_at=now + WINDOW)


def seen(database, vault, what):
    with database.read() as tx:
        return messages.seen(tx, vault, what.client_id, what.transport_id)


def test_a_transport_id_belongs_to_the_text_it_first_came_with(database, vault):
    assert seen(database, vault, hint()) is None
    assert note(database, hint()) is True
    assert note(database, hint()) is True
    assert note(database, hint(digest="sha256:bb")) is False
    assert note(database, hint(digest="sha256:bb", client="icbc-2")) is True  # another client's own numbering
    assert seen(database, vault, hint()).digest == "sha256:aa"


def test_of_eight_texts_under_one_transport_id_one_holds_it(database):
    start = threading.Barrier(8)

    def attempt(number):
        start.wait()
        return note(database, hint(digest=f"sha256:{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_the_stored_answer_is_given_back_can_be_replaced_and_opens_nowhere_else(database, vault):
    note(database, hint())
    assert seen(database, vault, hint()).answer == b""
    for raw in (b"received", b"decided"):
        database.again(lambda tx, raw=raw: messages.answer(tx, vault, hint(), case_id="case-1", raw=raw))
        found = seen(database, vault, hint())
        assert (found.answer, found.case_id) == (raw, "case-1")
    note(database, hint("t-2"))
    other = "(SELECT m.answer_sealed FROM message m WHERE m.transport_id = 't-1')"
    database.again(lambda tx: tx.run(f"UPDATE message SET answer_sealed = {other}"))
    with pytest.raises(NotOpened):
        seen(database, vault, hint("t-2"))


def test_an_answer_is_not_bound_to_a_text_it_was_not_given_to(database, vault):
    note(database, hint())
    database.again(lambda tx: messages.answer(tx, vault, hint(digest="sha256:bb"), case_id="c", raw=b"x"))
    assert seen(database, vault, hint()).answer == b""


def test_a_refused_message_may_be_judged_anew_but_an_answered_one_is_kept(database, vault):
    for name in ("t-1", "t-2"):
        note(database, hint(name))
    database.again(lambda tx: messages.answer(tx, vault, hint("t-1"), case_id="c", raw=b"x"))
    for what in (hint("t-1"), hint("t-2", digest="sha256:other"), hint("t-2")):
        assert seen(database, vault, what) is not None
        database.again(lambda tx, what=what: messages.forget_refused(tx, what))
    assert seen(database, vault, hint("t-1")) is not None
    assert seen(database, vault, hint("t-2")) is None


def test_notes_are_forgotten_when_they_expire_a_limited_number_at_a_time(database, vault, clock):
    for number in range(3):
        note(database, hint(f"old-{number}"))
    clock.turn(60)
    note(database, hint("young"))
    clock.turn(WINDOW.total_seconds() - 60)
    assert database.again(lambda tx: messages.forget_expired(tx, clock.now())) == 0  # to the very moment
    clock.turn(0.000001)
    assert database.again(lambda tx: messages.forget_expired(tx, clock.now(), limit=2)) == 2
    assert database.again(lambda tx: messages.forget_expired(tx, clock.now(), limit=2)) == 1
    assert seen(database, vault, hint("old-0")) is None
    assert seen(database, vault, hint("young")) is not None
    assert note(database, hint("old-0", digest="sha256:other")) is True


# -- event ids of departments ------------------------------------------------------------------------------------


def first_time(database, event_id, backend="FT_A"):
    return database.again(
        lambda tx: inbound.first_time(
            tx, backend, event_id, call_id="c" * 40, at=database.clock.now(), exchange_id="e" * 32
        )
    )


def test_an_event_id_is_new_once_in_each_department_however_long_it_is(database):
    long = "x" * 80
    for event_id in ("e1", long, long + "1", long + "2"):
        assert first_time(database, event_id) is True
        assert first_time(database, event_id) is False
        assert first_time(database, event_id, "FT_B") is True
