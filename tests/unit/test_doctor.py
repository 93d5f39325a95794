"""Doctor: everything a gateway needs, each finding with what to do, and nothing changed by looking."""

from __future__ import annotations

import socket
from collections import namedtuple
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import doctor
from gateway.cli import main
from gateway.doctor import Finding, Level, examine
from gateway.signing import selftest
from gateway.signing.keys import add_key, make_keys
from gateway.signing.vault import make_vault
from gateway.store.database import Tx
from tests.builders import another_key, bank_key, enrol, enrolled, environment, write_peers


@pytest.fixture
def folder(tmp_path: Path, sqlite_url: str) -> Path:
    """A gateway that lacks nothing but a department that answers."""
    make_keys(tmp_path / "keys", ["icbc"])
    make_vault(tmp_path / "keys" / "vault.key")
    write_peers(tmp_path)
    (tmp_path / "blobs").mkdir(mode=0o700)
    enrol(tmp_path, sqlite_url, [enrolled(bank_key())])
    return tmp_path


def findings(folder: Path, url: str, **settings: str) -> dict[str, Finding]:
    return {found.what: found for found in examine(environment(folder, url, **settings))}


def bad(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.level is Level.BAD}


def test_a_gateway_that_lacks_nothing_is_well(folder: Path, sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        peers = write_peers(folder, department_port=port)
        block = f'[providers.P]\nissuer = "x"\naudience = "y"\nbase_url = "http://127.0.0.1:{port}"\n'
        with peers.open("a", encoding="utf-8") as file:
            file.write(block + 'algorithms = ["ES256"]\nroles = ["operator"]\n')
        found = findings(folder, sqlite_url)
    assert "identity provider P" in found
    assert {f.what: f for f in found.values() if f.level is not Level.OK} == {}
    expected = {"settings", "vault", "catalogue", "schema", "clock", "clients", "shelf", "disk", "blobs", "key receipt"}
    assert expected <= set(found)
    assert "department FT_SBX" in found


def test_every_finding_that_is_not_well_says_what_to_do(tmp_path: Path) -> None:
    write_peers(tmp_path)
    found = findings(tmp_path, f"sqlite:///{tmp_path}/none.db")
    assert bad(found) >= {"keys", "schema"}
    assert [f.what for f in found.values() if f.level is not Level.OK and not f.advice] == []


def test_advice_that_names_a_command_names_one_that_exists(folder: Path, sqlite_url: str) -> None:
    source = Path(doctor.__file__).read_text(encoding="utf-8")
    named = {line.split("python -m gateway ")[1].split('"')[0] for line in source.splitlines() if "-m gateway " in line}
    assert named
    for command in named:
        place = main
        for word in command.split():
            if (not word.isalpha() and "-" not in word) or word == "--help" or not hasattr(place, "commands"):
                break
            assert word in place.commands, f"{command}: no command {word}"
            place = place.commands[word]


def test_settings_that_are_wrong_end_the_examination_line_by_line(folder: Path, sqlite_url: str) -> None:
    found = list(examine(environment(folder, sqlite_url, THREADS="0", DIGEST="md5")))
    assert [(f.what, f.level) for f in found] == [("settings", Level.BAD)] * 2


def test_missing_keys_and_a_missing_purpose_are_told(folder: Path, sqlite_url: str) -> None:
    for file in (folder / "keys").glob("receipt.*"):
        file.unlink()
    found = findings(folder, sqlite_url)
    assert bad(found) == {"key receipt"}
    assert found["key receipt"].advice == "python -m gateway keys add receipt"


def test_a_key_others_can_read_is_told(folder: Path, sqlite_url: str) -> None:
    next((folder / "keys").glob("receipt.*")).chmod(0o644)
    found = findings(folder, sqlite_url)
    assert "chmod 600" in found["keys"].says


def test_answers_and_clients_in_sha_1_are_a_line_of_their_own(folder: Path, sqlite_url: str) -> None:
    add_key(folder / "keys", "answer-icbc-sha1", valid_from=datetime.now(UTC))
    key = replace(another_key("old"), algorithm="rsa-sha1")
    weak = enrolled(bank_key(), client_id="old", claimed_id="old", algorithms=("rsa-sha1",), keys=(key,))
    enrol(folder, sqlite_url, [weak])
    found = findings(folder, sqlite_url)
    assert found["key answer-icbc-sha1"].level is Level.WARN
    assert found["client old"].level is Level.RED
    assert "no reason on record" in found["client old"].says


def test_a_client_whose_last_key_ends_soon_is_told_in_time(folder: Path, sqlite_url: str) -> None:
    soon = another_key("soon", valid_until=datetime.now(UTC) + timedelta(days=9))
    later = another_key("later", valid_until=datetime.now(UTC) + timedelta(days=400))
    enrol(folder, sqlite_url, [enrolled(bank_key(), client_id="ends", claimed_id="ends", keys=(soon,))])
    enrol(folder, sqlite_url, [enrolled(bank_key(), client_id="lasts", claimed_id="lasts", keys=(soon, later))])
    found = findings(folder, sqlite_url)
    assert "its last key ends on" in found["client ends"].says
    assert "client lasts" not in found


def test_a_crypto_library_that_computes_something_else_is_bad(
    folder: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "run", lambda: [("SM3", False, "abc")])
    assert bad(findings(folder, sqlite_url)) == {"crypto SM3"}


def test_an_older_schema_is_bad_and_nothing_else_of_the_database_is_looked_at(
    folder: Path, sqlite_url: str, tmp_path: Path
) -> None:
    found = findings(folder, f"sqlite:///{tmp_path}/empty.db")
    assert found["schema"].advice == "python -m gateway migrate"
    assert "clients" not in found


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all.db"])
def test_a_database_that_is_away_does_not_end_the_examination(folder: Path, url: str) -> None:
    found = findings(folder, url)
    assert bad(found) == {"database"}
    assert {"disk", "department FT_SBX"} <= set(found)


def test_a_clock_that_differs_from_the_database_s_is_told(
    folder: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tx, "now", lambda _self: datetime(2019, 10, 1, tzinfo=UTC))
    assert findings(folder, sqlite_url)["clock"].level is Level.WARN


def test_a_disk_that_is_nearly_full_is_told(folder: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _place: usage(10, 9, 1))
    assert findings(folder, sqlite_url)["disk"].level is Level.WARN


def test_the_folder_of_files_is_there_ours_to_write_and_closed_to_others(folder: Path, sqlite_url: str) -> None:
    blobs = folder / "blobs"
    blobs.chmod(0o755)
    assert findings(folder, sqlite_url)["blobs mode"].level is Level.WARN
    blobs.rmdir()
    assert findings(folder, sqlite_url)["blobs"].advice == "python -m gateway init"
    blobs.write_text("in the way")
    assert bad(findings(folder, sqlite_url)) == {"blobs"}


def test_a_folder_of_files_we_may_not_write_is_bad(
    folder: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor.os, "access", lambda place, _mode: Path(place).name != "blobs"
    )  # root may write anywhere
    assert bad(findings(folder, sqlite_url)) == {"blobs"}


def test_a_department_that_does_not_answer_is_a_warning_for_calls_are_held(folder: Path, sqlite_url: str) -> None:
    assert findings(folder, sqlite_url)["department FT_SBX"].level is Level.WARN


def test_a_half_set_department_is_bad(folder: Path, sqlite_url: str) -> None:
    text = (folder / "peers.toml").read_text().split("[backends.FT_SBX.secrets]")[0]
    (folder / "peers.toml").write_text(text)
    found = findings(folder, sqlite_url)
    assert bad(found) == {"peers"}
    assert "secret hmac" in found["peers"].says


def test_nobody_enrolled_and_no_department_are_warnings(tmp_path: Path, sqlite_url: str) -> None:
    make_keys(tmp_path / "keys", ["icbc"])
    make_vault(tmp_path / "keys" / "vault.key")
    (tmp_path / "peers.toml").write_text("")
    (tmp_path / "blobs").mkdir(mode=0o700)
    found = findings(tmp_path, sqlite_url)
    assert {what for what, f in found.items() if f.level is Level.WARN} == {
        "clients",
        "departments",
        "identity providers",
    }
    assert bad(found) == set()
