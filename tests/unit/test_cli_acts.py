"""The command line proposes, blocks and reads; it approves only with a person's token (rules.md 30)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway import bootstrap
from gateway.acts.persons import Person
from gateway.cli import base, main
from gateway.domain.actor import Permission
from gateway.domain.errors import ActCode, ActRefused
from tests.builders import CLIENT_ID, SmallHouse, environment, read_catalogue, small_house

Run = Callable[..., Result]
ITEM = "FT-SBX-002"
OFF = {"item": ITEM, "say": "该事项暂停受理", "reason": "演练"}


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run one command; a token is the name of a person who signed in just now."""
    monkeypatch.setattr(bootstrap, "load_catalogue", read_catalogue)
    monkeypatch.setattr(base.console, "width", 300)
    build = bootstrap.build

    def read_token(token: str, now: Any) -> Person:
        if not token.startswith("token-of-"):
            raise ActRefused(ActCode.NOT_SIGNED_IN, "this token proves nobody")
        name = token.removeprefix("token-of-")
        return Person(f"staff:{name}", name, permissions=frozenset(Permission), proven_at=now)

    monkeypatch.setattr(base, "build", lambda *a, **k: replace(build(*a, **k), read_token=read_token))
    before = structlog.get_config()

    def invoke(*arguments: str, payload: Any = None, **settings: str) -> Result:
        text = json.dumps(payload, ensure_ascii=False) if payload is not None else None
        return CliRunner().invoke(main, arguments, input=text, env=environment(tmp_path, sqlite_url, **settings))

    yield invoke
    structlog.configure(**before)


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def production(folder: Path) -> dict[str, str]:
    """Settings of a house that is no sandbox, and so talks to no sandbox department."""
    (folder / "none.toml").write_text("")
    return {"PROFILE": "production", "PEERS_FILE": str(folder / "none.toml")}


def said(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def token(folder: Path, name: str) -> tuple[str, str]:
    (folder / f"{name}.token").write_text(f"token-of-{name}\n")
    return "--token-file", str(folder / f"{name}.token")


def propose(run: Run, *more: str, kind: str = "switch.off", payload: Any = OFF, **settings: str) -> tuple[str, str]:
    """The act's id and digest, as a person reads them."""
    told = said(run("acts", "propose", kind, "--payload", "-", *more, payload=payload, **settings))
    found = re.search(r"act ([0-9a-f]{32})", told)
    assert found, told
    shown = said(run("acts", "show", found[1], **settings))
    digest = re.search(r"sha256:[0-9a-f]{64}", shown)
    assert digest, shown
    assert OFF["say"] in shown or payload is not OFF
    return found[1], digest[0]


def test_two_people_with_tokens_switch_an_item_off(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    act, digest = propose(run, *token(tmp_path, "wang"))
    assert house.submit(house.sample(ITEM)).ok
    own = run("acts", "approve", act, "--digest", digest, *token(tmp_path, "wang"))
    assert "another person does" in said(own, 1)
    assert "is off" in said(run("acts", "approve", act, "--digest", digest, *token(tmp_path, "li")))
    assert house.submit(house.sample(ITEM)).reason == "INVALID"
    table = said(run("acts", "list", "--state", "executed"))
    assert act in table
    assert "staff:wang" in table
    assert "it is decided" in said(run("acts", "show", act))


def test_without_a_token_the_command_line_proves_nobody(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    real = production(tmp_path)
    told = run("clients", "unblock", CLIENT_ID, "--reason", "演练", **real)
    assert "waits for two other person(s)" in said(told)
    (row,) = house.rows("SELECT act_id, digest, state FROM act")
    decide = ("acts", "approve", row["act_id"], "--digest", row["digest"])
    assert "takes a person's token" in said(run(*decide, **real), 1)
    assert "demo and test profiles only" in said(run(*decide, "--as", "li", **real), 2)
    (tmp_path / "bad.token").write_text("e30.e30.x")
    assert "proves nobody" in said(run(*decide, "--token-file", str(tmp_path / "bad.token"), **real), 1)
    assert "one more person" in said(run(*decide, *token(tmp_path, "li"), **real))
    assert "is active" in said(run(*decide, *token(tmp_path, "zhao"), **real))


def test_the_brake_takes_one_person_also_in_production(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    assert house.call("echo", {"text": "x"}).ok
    told = said(run("clients", "block", CLIENT_ID, "--reason", "密钥外泄", **production(tmp_path)))
    assert f"{CLIENT_ID} is blocked" in told
    assert house.call("echo", {"text": "x"}).reason == "NOT_AUTHENTIC"
    (entry,) = house.loose_entries("party:client:blocked")
    (made,) = house.loose_entries("act:proposal:made")
    assert made["subject"] == f"act:{entry['facts']['act']}"


def test_in_a_sandbox_a_made_up_colleague_approves_and_the_trail_says_so(house: SmallHouse, run: Run) -> None:
    assert "is off" in said(run("switch", "off", "--item", ITEM, "--say", "暂停", "--reason", "演练"))
    (entry,) = house.loose_entries("act:approval:given")
    assert entry["actor"] == "sandbox:colleague"
    act, digest = propose(run)
    assert "is off" in said(run("acts", "approve", act, "--digest", digest, "--as", "li"))


def test_an_act_is_refused_by_another_and_withdrawn_by_its_own(house: SmallHouse, run: Run, tmp_path: Path) -> None:
    act, _ = propose(run, *token(tmp_path, "wang"))
    assert "is refused" in said(run("acts", "refuse", act, "--reason", "网点未通知", *token(tmp_path, "li")))
    assert "refused already" in said(run("acts", "withdraw", act, *token(tmp_path, "wang")), 1)
    act, _ = propose(run, *token(tmp_path, "wang"))
    assert "only who proposed" in said(run("acts", "withdraw", act, *token(tmp_path, "li")), 1)
    assert "is withdrawn" in said(run("acts", "withdraw", act, *token(tmp_path, "wang")))
    assert house.counts()["switch_off"] == 0


def test_what_the_house_would_not_do_is_refused_when_it_is_proposed(house: SmallHouse, run: Run) -> None:
    for payload, word in (({**OFF, "item": "FT-NO-001"}, "no item"), ({**OFF, "sai": "x"}, "no such member")):
        told = run("acts", "propose", "switch.off", "--payload", "-", payload=payload)
        assert word in said(told, 1)
    assert "no JSON" in said(CliRunner().invoke(main, ["acts", "propose", "x", "--payload", "-"], input="{"), 2)
    assert "no act" in said(run("acts", "show", "f" * 32), 1)
    assert house.counts()["act"] == 0
    kinds = said(run("acts", "kinds"))
    assert "client.enrol" in kinds
    assert "calendar.load" in kinds


def test_a_calendar_is_loaded_by_two_people_and_limits_are_counted_anew(
    house: SmallHouse, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "2031.yaml"
    file.write_text('year: 2031\nsource: 样例通知\nrest:\n- ["2031-01-01", "2031-01-01"]\nworked: []\n')
    waits = run("calendar", "load", str(file), **production(tmp_path))
    assert "waits for two" in said(waits)
    assert "2031" not in said(run("calendar", "show"))
    assert "limits counted anew" in said(run("calendar", "load", str(file)))
    assert "2031" in said(run("calendar", "show"))
    entry = house.loose_entries("system:calendar:loaded")[-1]
    assert entry["facts"]["act"]
