"""A new bank is a folder and a line: a made-up one is registered, keeps every promise, and files a case.

A bank that cheats (its own socket, another bank, the tables) is caught by the import rules.
"""

from __future__ import annotations

import hmac
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import registry
from gateway.contracts.bank import Bank, Client, ClientDirectory, ClientKey
from gateway.contracts.settings import PeerSettings
from gateway.signing.keys import KeyRing
from gateway.signing.secret import Secret
from gateway.wire.messages import WireRequest, WireResponse
from mocks.banks.plain_json import canonical
from mocks.banks.samples import sample_submission
from tests import builders
from tests.builders import LONG_AGO, small_house
from tests.contract.test_bank_contract import NOW, PROMISES, Read, Rig, StandingClock

ROOT = Path(__file__).resolve().parents[2]
CODE, OUTLET, NAME = "FIFTH", "FIFTH-FT-01", "F-900001"
KEY, OURS = b"what the fifth bank signs with..", b"what we answer the fifth bank with"

ADAPTER = '''
"""A tiny dialect: one JSON object, an HMAC over its text, ours in every answer."""

import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

from gateway.contracts.bank import BankTraits, Door
from gateway.domain.clock import read_stamp
from gateway.domain.errors import NotAuthentic, NotUnderstood
from gateway.domain.reasons import Reason
from gateway.domain.requests import BankReply, BankRequest, BusinessPart, Hint, Operation
from gateway.signing import canon, profiles
from gateway.signing.secret import Secret
from gateway.wire import strict_json
from gateway.wire.messages import WireResponse

LIMIT = 256 * 1024


class Bank:
    code = "FIFTH"
    traits = BankTraits(
        notifies=False, encrypts=False, clock_skew_seconds=300, charsets=("UTF-8",), profiles=("fifth",)
    )
    doors = tuple(Door("/fifth/" + operation.value, operation.value) for operation in Operation)
    prefix = "/fifth/"

    def __init__(self, *, settings, keys, directory, clock):
        self._answer_key = settings.secrets["answer"]
        self._directory = directory

    def open(self, request):
        hint = Hint(bank=self.code)
        if len(request.body) > LIMIT:
            raise NotUnderstood("too large", hint=hint, reason=Reason.TOO_LARGE)
        try:
            envelope = strict_json.parse(request.body)
        except strict_json.NotJson as error:
            raise NotAuthentic("no json: " + str(error), hint=hint) from None
        names = {"client", "id", "time", "text", "mac"}
        if type(envelope) is not dict or set(envelope) != names or not all(type(v) is str for v in envelope.values()):
            raise NotAuthentic("not the five members", hint=hint)
        client = self._directory().find(self.code, envelope["client"])
        signed = "\\n".join([request.path, envelope["client"], envelope["id"], envelope["time"], envelope["text"]])
        operation = request.path.removeprefix(self.prefix)
        hint = Hint(
            bank=self.code,
            claimed_id=envelope["client"][:40],
            client_id=client.client_id if client else "",
            profile="fifth",
            transport_id=envelope["id"][:40],
            message_digest=canon.sha256_label(signed.encode("utf-8", "surrogatepass")),
            operation=operation if operation in set(Operation) else "",
            sent_at=self._moment(envelope["time"]),
        )
        key = self._key(client, request, signed, envelope["mac"])
        if key is None:
            raise NotAuthentic("unknown, blocked or not signed by it", hint=hint)
        hint = replace(hint, authentic=True, key_id=key.key_id)
        if hint.sent_at is None:
            raise NotUnderstood("no time", hint=hint, reason=Reason.ENVELOPE_INVALID)
        if abs(request.received_at - hint.sent_at) > timedelta(seconds=self.traits.clock_skew_seconds):
            raise NotAuthentic("outside the window", hint=hint, reason=Reason.CLOCK)
        if not hint.operation:
            raise NotUnderstood("no such path", hint=hint, reason=Reason.OPERATION_UNKNOWN)
        if client.operations and hint.operation not in client.operations:
            raise NotUnderstood("not enrolled", hint=hint, reason=Reason.OPERATION_NOT_ALLOWED)
        return BankRequest(self.code, hint, Operation(hint.operation), self._business(hint, envelope["text"]))

    def _key(self, client, request, signed, mac):
        if client is None or client.status != "active":
            return None
        if client.addresses and not any(ip_address(request.remote_addr) in ip_network(n) for n in client.addresses):
            return None
        for key in client.verify_keys(request.received_at):
            right = profiles.hmac_sha256(Secret(key.material), signed.encode("utf-8", "surrogatepass")).hex()
            if profiles.same(right.encode(), mac.encode("utf-8", "surrogatepass")):
                return key
        return None

    def _business(self, hint, text):
        try:
            members = strict_json.parse(text, max_depth=16)
            if type(members) is not dict:
                raise NotUnderstood("no object", hint=hint)
            canonical = canon.business_canonical(members)
        except (strict_json.NotJson, canon.NotCanonical) as error:
            raise NotUnderstood(str(error), hint=hint) from None
        if members.get("op") != hint.operation:
            raise NotUnderstood("op", hint=hint, reason=Reason.ENVELOPE_INVALID)
        if members.get("v") != "1":
            raise NotUnderstood("v", hint=hint, reason=Reason.VERSION_UNKNOWN)
        return BusinessPart(members, canonical)

    @staticmethod
    def _moment(text):
        try:
            return read_stamp(text)
        except ValueError:
            return None

    def seal(self, reply, hint):
        try:
            text = json.dumps(reply.body(), ensure_ascii=False)
            mac = self._mac(hint.transport_id, text)
        except UnicodeEncodeError:
            text = json.dumps(BankReply("", Reason.INTERNAL).body())
            mac, hint = self._mac("", text), Hint(bank=self.code)
        body = json.dumps({"id": hint.transport_id, "text": text, "mac": mac}, ensure_ascii=False)
        return WireResponse(200, body.encode(), {"Content-Type": "application/json"})

    def _mac(self, transport_id, text):
        return profiles.hmac_sha256(self._answer_key, (transport_id + "\\n" + text).encode()).hex()

    def scrub(self, raw):
        return b"***(%d bytes)" % len(raw)
'''


class FifthRig:
    """The bank's own client, five lines long."""

    code = CODE

    def make(self, directory: Callable[[], ClientDirectory]) -> Bank:
        settings = PeerSettings(CODE, secrets={"answer": Secret(OURS)})
        made: Bank = registry.load(registry.BANKS[CODE])(
            settings=settings, keys=KeyRing([]), directory=directory, clock=StandingClock()
        )
        return made

    def client(self) -> Client:
        key = ClientKey("k1", "verify", "hmac-sha256", KEY, LONG_AGO)
        return Client("fifth-1", CODE, "fifth", NAME, "active", ("hmac-sha256",), (key,), (), ())

    def request(
        self,
        operation: str,
        text: str,
        *,
        at: datetime = NOW,
        transport_id: str = "T1",
        claimed_id: str = "",
        key: str = "",
    ) -> WireRequest:
        members = {"client": claimed_id or NAME, "id": transport_id, "time": at.isoformat(), "text": text}
        path = f"/fifth/{operation}"
        mac = hmac.digest(key.encode() or KEY, "\n".join([path, *members.values()]).encode(), "sha256").hex()
        body = json.dumps({**members, "mac": mac}, ensure_ascii=False).encode()
        return WireRequest("POST", path, b"", {"content-type": "application/json"}, body, "127.0.0.1", NOW)

    def read(self, answer: WireResponse) -> Read:
        members: Mapping[str, str] = json.loads(answer.body)
        right = hmac.digest(OURS, f"{members['id']}\n{members['text']}".encode(), "sha256").hex()
        return Read(right == members["mac"], json.loads(members["text"]), members["id"])


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """The folder and the line."""
    package = tmp_path / "elsewhere" / "fifthbank"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""The fifth bank."""\n')
    (package / "adapter.py").write_text(ADAPTER)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setitem(registry.BANKS, CODE, "fifthbank.adapter:Bank")
    yield FifthRig()
    for name in [name for name in sys.modules if name.split(".")[0] == "fifthbank"]:
        del sys.modules[name]


def test_a_fifth_bank_keeps_every_promise_of_a_bank(registered: Rig) -> None:
    broken = {}
    for promise in PROMISES:
        try:
            promise(registered)
        except Exception as error:
            broken[promise.__name__] = repr(error)[:300]
    assert broken == {}


def test_a_fifth_bank_files_a_case_and_reads_it_and_never_sees_another_bank_s(
    registered: Rig, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = builders.read_catalogue(with_sandbox=True)
    own = replace(catalogue.outlets["ICBC-FT-03"], code=OUTLET, bank=CODE, slip_no="5Z")
    with_outlet = replace(catalogue, outlets={**catalogue.outlets, OUTLET: own})
    monkeypatch.setattr(builders, "read_catalogue", lambda **_: with_outlet)
    (tmp_path / "answer.secret").write_bytes(OURS)
    (tmp_path / "answer.secret").chmod(0o600)
    builders.write_peers(tmp_path)
    monkeypatch.setattr(builders, "write_peers", lambda folder, **_: folder)
    with (tmp_path / "peers.toml").open("a") as peers:
        peers.write(f'[banks.{CODE}.secrets]\nanswer = "{tmp_path}/answer.secret"\n')
    with small_house(tmp_path, database_url, more_clients=[registered.client()]) as house:
        client = house.app.test_client()

        def ask(operation: str, part: dict[str, Any], transport_id: str) -> Read:
            request = registered.request(operation, canonical(part), at=house.clock.now(), transport_id=transport_id)
            answer = client.post(request.path, data=request.body, content_type="application/json")
            read = registered.read(WireResponse(answer.status_code, answer.data))
            assert read.holds
            return read

        ref = f"{house.clock.now():%Y%m%d}FIFTH0001"
        part = sample_submission("FT-SBX-002", OUTLET, bank_ref=ref, serial=7, now=house.clock.now())
        filed = ask("submit", part, "T1").business
        assert filed["result"] == "ok", filed
        assert filed["receipt_no"][8:10] == "5Z"
        asked = ask("query", {"op": "query", "v": "1", "case_ref": ref}, "T2").business
        assert asked["case"]["state"] == "submitted"
        again = ask("submit", part, "T3").business
        assert (again["repeat"], again["receipt"]) == (True, filed["receipt"])
        # and the two banks never see each other's cases, though they may use the same reference
        other = house.submit(house.sample(bank_ref=ref))
        assert other.ok
        assert house.query(filed["receipt_no"]).reason == "CASE_UNKNOWN"
        unknown = ask("query", {"op": "query", "v": "1", "receipt_no": other.receipt_no}, "T4").business
        assert unknown["reason"] == "CASE_UNKNOWN"
        asked = itertools.count(5)

        def fed() -> Any:
            house.house.sealer.order()  # on PostgreSQL it waits for every older transaction of the server
            told = ask("changes", {"op": "changes", "v": "1", "cursor": ""}, f"T{next(asked)}").business
            return told if told["events"] else None

        feed = house.until(fed, what="the case in the feed")
        assert [event["receipt_no"] for event in feed["events"]] == [filed["receipt_no"]]
        assert house.call("changes", {"cursor": feed["next"]}).reason == "CURSOR_UNKNOWN"
        # one applicant's open case is one case over all banks, without telling whose
        second = house.submit(house.sample(serial=7))
        assert (second.reason, second.receipt_no) == ("OPEN_CASE_EXISTS", "")


def judged(tree: Path) -> tuple[int, str]:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint), "--no-cache"], cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_bank_in_a_folder_of_its_own_breaks_no_rule_and_one_that_cheats_breaks_them(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    honest, cheat = tmp_path / "gateway/adapters/fifth", tmp_path / "gateway/adapters/cheat"
    honest.mkdir()
    (honest / "__init__.py").write_text(ADAPTER)
    code, said = judged(tmp_path)
    assert (code, "0 broken" in said) == (0, True), said
    cheat.mkdir()
    (cheat / "__init__.py").write_text(
        "import requests\nfrom gateway.adapters.icbc import wire\nfrom gateway.store import cases\n"
    )
    code, said = judged(tmp_path)
    assert code == 1
    for rule in ("the floors of the house", "banks never know each other", "peers have no sockets"):
        assert any(line.startswith(rule) and line.endswith("BROKEN") for line in said.splitlines()), rule
