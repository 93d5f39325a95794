"""The operator's commands, each in this process on a database of its own; beside a running gateway: test_cli_beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import bootstrap
from gateway.cli import base, main
from gateway.domain.case import CaseEvent
from gateway.store import work
from tests.builders import (
    APP_ID,
    CLIENT_ID,
    SmallHouse,
    bank_key,
    environment,
    public_der,
    read_catalogue,
    small_house,
    write_peers,
)

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run one command with the settings of this test's gateway."""
    monkeypatch.setattr(bootstrap, "load_catalogue", read_catalogue)
    monkeypatch.setattr(base.console, "width", 300)
    before = structlog.get_config()

    def invoke(*arguments: str, **settings: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environment(tmp_path, sqlite_url, **settings))

    yield invoke
    structlog.configure(**before)


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def said(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def enrol(run: Run, folder: Path, *more: str, client_id: str = "branches", claimed_id: str = "A1") -> Result:
    (folder / "bank.der").write_bytes(public_der(bank_key("another")))
    who = ("--bank", "ICBC", "--client-id", client_id, "--claimed-id", claimed_id)
    return run("clients", "enrol", *who, "--public-key", str(folder / "bank.der"), *more)


# -- first steps ----------------------------------------------------------------------------------------------------


def test_init_makes_keys_vault_and_peers_file_for_us_only_and_touches_nothing_again(run: Run, tmp_path: Path) -> None:
    assert "gateway migrate" in said(run("init"))
    files = sorted((tmp_path / "keys").iterdir())
    assert {file.name.split(".")[0] for file in files} == {"receipt", "checkpoint", "answer-icbc", "vault"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    before = {file.name: file.read_bytes() for file in files}
    assert "already holds keys" in said(run("init"), 1)
    assert {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()} == before


def test_migrate_is_harmless_when_there_is_nothing_to_do(run: Run, tmp_path: Path) -> None:
    write_peers(tmp_path)
    assert said(run("migrate")) == said(run("migrate"))


def test_a_command_before_migrate_says_so(run: Run, tmp_path: Path) -> None:
    said(run("init"))
    told = said(run("clients", "list", DATABASE_URL=f"sqlite:///{tmp_path}/empty.db"), 1)
    assert "run 'python -m gateway migrate'" in told


def test_bad_settings_are_one_clear_message(run: Run) -> None:
    told = said(run("clients", "list", THREADS="0"), 1)
    assert "GATEWAY_THREADS" in told
    assert "peers file is missing" in told


def test_the_catalogue_is_checked_with_the_files_one_names(run: Run, tmp_path: Path) -> None:
    assert "100 items" in said(run("check-catalogue"))
    assert "104 items" in said(run("check-catalogue", "--sandbox"))
    broken = tmp_path / "FT-NEW-001.yaml"
    broken.write_text("code: FT-NEW-001\nname: 新\n")
    told = said(run("check-catalogue", str(broken)), 1)
    assert "FT-NEW-001.yaml:1:1" in told
    assert "run check-catalogue again" in told


# -- clients --------------------------------------------------------------------------------------------------------


def test_a_client_is_enrolled_listed_and_in_the_trail(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    more = ("--outlet", "ICBC-FT-01", "--operation", "echo", "--address", "10.2.0.0/24", "--set", "encrypt=required")
    assert "enrolled branches" in said(enrol(run, tmp_path, *more))
    table = said(run("clients", "list"))
    assert "branches" in table
    assert "ICBC-FT-01" in table
    with house.house.database.read() as tx:
        from gateway.store.clients import all_clients

        (client,) = [c for c in all_clients(tx, house.house.vault) if c.client_id == "branches"]
    assert (client.profile, client.operations, client.addresses) == ("icbc", ("echo",), ("10.2.0.0/24",))
    assert client.options == {"encrypt": "required"}
    (entry,) = house.loose_entries("party:client:enrolled")
    assert entry["subject"] == "client:branches"


def test_a_client_that_exists_is_not_enrolled_again(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    assert CLIENT_ID in said(enrol(run, tmp_path, client_id=CLIENT_ID), 1)
    assert CLIENT_ID in said(enrol(run, tmp_path, claimed_id=APP_ID), 1)
    assert house.counts()["client"] == 1
    assert house.counts()["client_key"] == 1


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--algorithm", "rsa-md5"), "rsa-md5"),
        (("--outlet", "CMB-FT-01"), "no outlet of ICBC"),
        (("--operation", "everything"), "everything"),
        (("--address", "branch.test"), "network"),
        (("--set", "encrypt"), "NAME=VALUE"),
        (("--profile", "wlpt"), "icbc"),
        (("--public-key", "/nowhere"), "/nowhere"),
    ],
)
def test_a_wrong_enrolment_is_refused_in_words(
    house: SmallHouse, run: Run, tmp_path: Path, more: tuple[str, ...], word: str
) -> None:
    result = enrol(run, tmp_path, *more)
    assert word in said(result, result.exit_code)
    assert result.exit_code in {1, 2}
    assert house.counts()["client"] == 1


def test_a_public_key_that_is_none_is_refused_in_words(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no key")
    result = enrol(run, tmp_path, "--public-key", str(tmp_path / "no.pem"))
    assert "Error" in said(result, 1)
    assert house.counts()["client"] == 1


def test_a_block_is_in_the_trail_and_an_unknown_client_is_told(house: SmallHouse, run: Run) -> None:
    assert f"{CLIENT_ID} is blocked" in said(run("clients", "block", CLIENT_ID))
    (entry,) = house.loose_entries("party:client:blocked")
    assert entry["facts"].keys() == {"status", "act"}
    assert entry["actor"].startswith("operator:")
    assert f"{CLIENT_ID} is active" in said(run("clients", "unblock", CLIENT_ID, "--reason", "新密钥已换"))
    assert house.loose_entries("party:client:unblocked")[0]["facts"]["reason"] == "新密钥已换"
    assert "clients list" in said(run("clients", "block", "nobody"), 1)
    assert len(house.loose_entries("party:client:blocked")) == 1


def test_a_rotation_shows_two_valid_keys_and_ends_with_one(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.der").write_bytes(public_der(bank_key("new")))
    rotate = ("clients", "rotate", CLIENT_ID)
    assert "has key" in said(run(*rotate, "--public-key", str(tmp_path / "new.der"), "--overlap-days", "7"))
    assert said(run("clients", "list")).count(" valid") == 2
    (tmp_path / "third.der").write_bytes(public_der(bank_key("third")))
    assert "two keys already" in said(run(*rotate, "--public-key", str(tmp_path / "third.der")), 1)
    assert "retired" in said(run(*rotate, "--finish"))
    assert said(run("clients", "list")).count(" valid") == 1
    assert "give one of" in said(run(*rotate), 2)


def test_limits_of_a_clients_own_are_shown_and_checked(house: SmallHouse, run: Run) -> None:
    assert "3 a second" in said(run("clients", "limits", CLIENT_ID, "--rate", "3", "--at-once", "2"))
    assert " 3 " in said(run("clients", "list"))
    assert "whole number" in said(run("clients", "limits", CLIENT_ID, "--rate", "fast", "--at-once", "2"), 1)
    assert "no client nobody" in said(run("clients", "limits", "nobody", "--rate", "1", "--at-once", "1"), 1)


# -- keys, cases, trail ---------------------------------------------------------------------------------------------


def test_a_new_key_signs_after_a_restart_and_the_old_receipts_key_stays(
    house: SmallHouse, run: Run, tmp_path: Path
) -> None:
    old = {file.name for file in (tmp_path / "keys").glob("answer-icbc*")}
    assert "keys show answer-icbc" in said(run("keys", "add", "answer-icbc"))
    (new,) = {file.name for file in (tmp_path / "keys").glob("answer-icbc*")} - old
    assert load_pem_private_key((tmp_path / "keys" / new).read_bytes(), None)
    assert "no key purpose" in said(run("keys", "add", "everything"), 1)


def test_the_timeline_of_a_case_shows_every_entry_without_the_form(house: SmallHouse, run: Run) -> None:
    part = house.sample(remark="很私人的话")
    filed = house.submit(part)
    house.happens(filed.receipt_no, CaseEvent.ACCEPTED)
    told = said(run("timeline", filed.receipt_no))
    assert "case:submission:received" in told
    assert "event=accepted" in told
    assert part["applicant"]["name"] not in told
    assert "很私人的话" not in told
    for wrong in ("FT1", "FT261123037K3QWB"):
        assert "CASE_UNKNOWN" in said(run("timeline", wrong), 1)


def test_the_shelf_lists_what_a_person_must_look_at(house: SmallHouse, run: Run) -> None:
    assert "the shelf is empty" in said(run("shelf", "list"))
    filed = house.submit(house.sample())

    def park(tx: object) -> None:
        (claim,) = work.claim(tx, "FT_SBX", owner="test", lease=bootstrap.timedelta(seconds=9), limit=9, kinds=["call"])
        work.park(tx, claim, note="NotUnderstood: a word nobody knows")

    house.house.database.again(park)
    told = said(run("shelf", "list"))
    assert filed.receipt_no in told
    assert "a word nobody knows" in told


def test_the_trail_is_verified_exported_and_verified_again(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    filed = house.submit(house.sample())
    receipt = tmp_path / "receipt.jws"
    receipt.write_text(filed.business["receipt"])
    assert said(run("audit", "verify"))
    for target in (tmp_path / "trail", tmp_path / "trail.zip"):
        assert "audit verify" in said(run("audit", "export", str(target)))
        assert said(run("audit", "verify", str(target), "--receipt", str(receipt)))


def test_a_changed_entry_breaks_the_verification(house: SmallHouse, run: Run) -> None:
    filed = house.submit(house.sample())
    said(run("audit", "verify"))
    house.house.database.again(
        lambda tx: tx.run(
            "UPDATE entry SET canonical = :raw WHERE seq = 1 AND kind = 'case:submission:received'",
            {"raw": house.rows("SELECT canonical FROM entry")[0]["canonical"].replace(b"FT-SBX-002", b"FT-SBX-003")},
        )
    )
    result = run("audit", "verify")
    assert result.exit_code != 0
    assert filed.ok


# -- working days and limits ----------------------------------------------------------------------------------------


def test_the_calendar_shows_official_years_and_says_what_a_year_without_a_table_means(
    run: Run, house: SmallHouse
) -> None:
    shown = said(run("calendar", "show"))
    assert "2026" in shown
    assert "248" in shown
    assert "2026-10-10" in said(run("calendar", "show", "2026"))
    assert "provisional" in said(run("calendar", "show", "2031"))


def test_a_loaded_table_counts_running_limits_anew_and_a_wrong_one_is_refused_as_a_whole(
    run: Run, house: SmallHouse, tmp_path: Path
) -> None:
    house.submit(house.sample())
    (row,) = house.rows("SELECT due_on FROM cases")
    off = date.fromisoformat(row["due_on"].rstrip("?"))  # the limit's own day, whatever the hour of this test
    file = tmp_path / "year.yaml"
    file.write_text(f"year: {off.year}\nsource: a notice\nrest: [['{off}', '{off}']]\nworked: []\n", encoding="utf-8")
    assert "1 limits counted anew" in said(run("calendar", "load", str(file)))
    assert "a notice" in said(run("calendar", "show"))
    file.write_text(f"year: {off.year}\nsource: another\nrest: []\nworked: ['{off}']\n", encoding="utf-8")
    assert "no weekend" in said(run("calendar", "load", str(file)), 1)
    assert "a notice" in said(run("calendar", "show"))


def test_what_is_overdue_is_listed_the_oldest_first(run: Run, house: SmallHouse) -> None:
    assert "every limit is kept" in said(run("calendar", "overdue"))
    house.clock.turn(days=-40)
    old = house.submit(house.sample()).receipt_no
    house.clock.turn(days=10)
    newer = house.submit(house.sample()).receipt_no
    shown = said(run("calendar", "overdue"))
    assert 0 < shown.index(old) < shown.index(newer)
    assert "intake" in shown
