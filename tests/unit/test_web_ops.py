"""Health, numbers and public keys; and whose address a caller's is."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask, Request
from sqlalchemy import exc
from werkzeug.test import EnvironBuilder

from gateway.signing.keys import add_key
from gateway.store import migrate
from gateway.web.inbound import caller_address
from tests.builders import LONG_AGO, SmallHouse, small_house


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[SmallHouse]:
    with small_house(tmp_path, sqlite_url) as small:
        yield small


def get(house: SmallHouse, path: str, address: str = "127.0.0.1") -> tuple[int, str]:
    answer = house.app.test_client().get(path, environ_overrides={"REMOTE_ADDR": address})
    return answer.status_code, answer.get_data(as_text=True)


def test_a_process_that_answers_is_healthy_and_one_with_everything_is_ready(house: SmallHouse) -> None:
    assert get(house, "/healthz") == (200, "ok\n")
    assert get(house, "/readyz") == (200, "ready\n")


def test_a_process_without_schema_or_database_is_healthy_and_not_ready(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "present", lambda _url: "")
    assert get(house, "/readyz") == (503, "schema missing\n")

    def away(_url: str) -> str:
        raise exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))

    monkeypatch.setattr(migrate, "present", away)
    status, said = get(house, "/readyz")
    assert status == 503
    assert "server closed" not in said
    assert get(house, "/healthz")[0] == 200


def test_a_process_without_a_key_is_not_ready(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url):
        pass
    for file in (tmp_path / "keys").glob("checkpoint.*"):
        file.unlink()
    with small_house(tmp_path, sqlite_url) as house:
        assert get(house, "/readyz") == (503, "KeyAway\n")


def test_numbers_are_told_to_the_networks_that_may_read_them(house: SmallHouse) -> None:
    house.submit(house.sample())
    status, text = get(house, "/metrics")
    assert status == 200
    assert 'gateway_bank_requests_total{bank="ICBC",operation="submit",reason="OK"} 1.0' in text
    assert 'gateway_work_rows{kind="call",lane="FT_SBX",state="due"} 1.0' in text
    assert get(house, "/metrics", "203.0.113.9")[0] == 404
    assert get(house, "/metrics", "::1")[0] == 200


def test_no_number_holds_a_person(house: SmallHouse) -> None:
    part = house.sample()
    house.submit(part)
    house.submit(part, extra={"app_id": part["applicant"]["doc_no"]})
    text = get(house, "/metrics")[1]
    assert [v for v in part["applicant"].values() if isinstance(v, str) and len(v) > 8 and v in text] == []


def test_every_receipt_key_ever_used_is_public_and_verifies_its_receipts(tmp_path: Path, sqlite_url: str) -> None:
    with small_house(tmp_path, sqlite_url) as house:
        old = house.submit(house.sample()).business["receipt"]
    add_key(tmp_path / "keys", "receipt", valid_from=LONG_AGO.replace(year=2021))
    with small_house(tmp_path, sqlite_url) as house:
        new = house.submit(house.sample()).business["receipt"]
        keys = {k["kid"]: k for k in house.app.test_client().get("/keys/receipts").get_json()["keys"]}
    assert len(keys) == 2
    for receipt in (old, new):
        head, body, signature = receipt.split(".")
        kid = json.loads(_bytes(head))["kid"]
        public = Ed25519PublicKey.from_public_bytes(_bytes(keys[kid]["x"]))
        public.verify(_bytes(signature), f"{head}.{body}".encode())
    assert {key["alg"] for key in keys.values()} == {"EdDSA"}


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "==")


@pytest.mark.parametrize(
    ("direct", "forwarded", "found"),
    [
        ("203.0.113.5", "198.51.100.7", "203.0.113.5"),  # not from a proxy of ours: anybody can write a header
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # only the hop our proxy saw is believed
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
    ],
)
def test_a_forwarded_address_is_believed_only_from_an_enrolled_proxy(direct: str, forwarded: str, found: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    environ = EnvironBuilder(headers=headers, environ_overrides={"REMOTE_ADDR": direct}).get_environ()
    assert caller_address(Request(environ), ["10.0.0.0/24"]) == found
    assert caller_address(Request(environ), []) == direct


def test_no_page_of_the_framework_is_ever_shown(house: SmallHouse) -> None:
    assert isinstance(house.app, Flask)
    for path in ("/", "/static/x", "/callback", "/keys", "/api/gov"):
        assert get(house, path) == (404, "")
