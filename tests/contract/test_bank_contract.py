"""What every bank's dialect promises, whatever its envelope: one suite, run for each registered bank.

A new bank needs one entry in ``RIGS``: how it is built and what its own client sends and reads. ``PROMISES`` are
plain functions over a rig, so that a bank which exists only in a test can be held to them too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from gateway import registry
from gateway.adapters.icbc import Bank as IcbcBank
from gateway.contracts.bank import Bank, Client, ClientDirectory
from gateway.contracts.settings import PeerSettings
from gateway.domain.clock import BEIJING
from gateway.domain.errors import NotAuthentic, NotUnderstood, Problem
from gateway.domain.reasons import FieldCode, Reason, WarningCode
from gateway.domain.requests import AnswerWarning, BankReply, Hint, Operation
from gateway.signing.keys import KeyRing, make_keys
from gateway.wire.messages import WireRequest, WireResponse
from mocks.banks.icbc_sim import RawRequest
from mocks.banks.plain_json import canonical
from mocks.banks.samples import sample_submission
from tests.builders import LONG_AGO, bank_key, branch_of, enrolled

NOW = datetime(2026, 11, 23, 2, 15, 31, tzinfo=UTC)
PRIVATE = ("陈㐂宁", "44030419900307123X", "13800000001", "很私人的话")


@dataclass(frozen=True)
class Read:
    """An answer as the bank's own client reads it."""

    holds: bool  # our signature (or whatever the bank calls it)
    business: Mapping[str, Any]
    transport_id: str


class Clients:
    """A directory of a test's own."""

    def __init__(self, *clients: Client) -> None:
        self._clients = {(client.bank, client.claimed_id): client for client in clients}

    def find(self, bank: str, claimed_id: str) -> Client | None:
        return self._clients.get((bank, claimed_id))


class StandingClock:
    """The wall clock stands."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 1000.0


class Rig(Protocol):
    """One bank's entry."""

    code: str

    def make(self, directory: Callable[[], ClientDirectory]) -> Bank: ...

    def client(self) -> Client: ...

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
        """A request of the enrolled client for an operation, carrying ``text`` as its business part.

        ``claimed_id``: in another client's name; ``key``: signed by a key that is not the client's.
        """
        ...

    def read(self, answer: WireResponse) -> Read: ...


class IcbcRig:
    """ICBC, by the simulator of its client library."""

    code = "ICBC"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_keys(self._folder / "keys", ["icbc"], valid_from=LONG_AGO)
        self._ring = KeyRing.load(self._folder / "keys")
        self._branch = branch_of(self._folder, self._ring)

    def make(self, directory: Callable[[], ClientDirectory]) -> Bank:
        return IcbcBank(settings=PeerSettings(self.code), keys=self._ring, directory=directory, clock=StandingClock())

    def client(self) -> Client:
        return enrolled(bank_key())

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
        how = {"app_id": claimed_id} if claimed_id else {}
        branch = branch_of(self._folder, self._ring, key=bank_key(key), **how) if key or how else self._branch
        stamp = f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
        return wire(branch.build(operation, {}, biz_content=text, msg_id=transport_id, timestamp=stamp))

    def read(self, answer: WireResponse) -> Read:
        read = self._branch.read(answer.status, answer.body)
        return Read(read.signature_ok, read.business, read.msg_id)


def wire(request: RawRequest) -> WireRequest:
    """What the door would hand to the dialect."""
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return WireRequest("POST", parts.path, parts.query.encode(), headers, request.body, "127.0.0.1", NOW)


RIGS: dict[str, Callable[[Path], Rig]] = {"ICBC": IcbcRig}

# --- the promises ----------------------------------------------------------------------------------------------------


def business(operation: str = "submit", **more: Any) -> dict[str, Any]:
    """A whole submission of the person in ``PRIVATE``, or a small question."""
    if operation != "submit":
        return {"op": operation, "v": "1", "text": PRIVATE[3], **more}
    ref = "20261123BANK0001"
    part = sample_submission("FT-SBX-002", "ICBC-FT-03", bank_ref=ref, remark=PRIVATE[3], now=NOW)
    part["applicant"] |= {"name": PRIVATE[0], "doc_no": PRIVATE[1], "phone": PRIVATE[2]}
    return {**part, **more}


def good(rig: Rig, operation: str = "submit", **how: Any) -> WireRequest:
    return rig.request(operation, canonical(business(operation)), **how)


def bank_of(rig: Rig, *clients: Client) -> Bank:
    found = Clients(*(clients or (rig.client(),)))
    return rig.make(lambda: found)


def refusal(bank: Bank, request: WireRequest) -> NotAuthentic:
    with pytest.raises(NotAuthentic) as caught:
        bank.open(request)
    assert caught.value.cause
    assert caught.value.hint is not None
    return caught.value


def unreadable(bank: Bank, request: WireRequest) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        bank.open(request)
    hint = caught.value.hint
    assert hint is not None
    assert hint.authentic
    assert hint.client_id
    return caught.value


def it_is_called_as_it_is_registered_and_its_doors_lie_below_its_prefix(rig: Rig) -> None:
    bank = bank_of(rig)
    assert bank.code == rig.code == rig.client().bank
    assert bank.doors
    assert [door.path for door in bank.doors if bank.prefix and not door.path.startswith(bank.prefix)] == []
    assert bank.traits.clock_skew_seconds > 0
    assert bank.traits.profiles


def a_good_request_of_every_operation_opens_to_what_was_sent(rig: Rig) -> None:
    for operation in Operation:
        opened = bank_of(rig).open(good(rig, operation.value))
        assert (opened.bank, opened.operation) == (rig.code, operation)
        assert dict(opened.business.members) == business(operation.value)
        assert opened.business.canonical == canonical(business(operation.value)).encode()


def the_hint_of_a_good_request_says_who_and_which_message(rig: Rig) -> None:
    opened = bank_of(rig).open(good(rig))
    hint, client = opened.hint, rig.client()
    assert hint.authentic
    assert (hint.client_id, hint.claimed_id) == (client.client_id, client.claimed_id)
    assert hint.key_id in {key.key_id for key in client.keys}
    assert hint.transport_id == "T1"
    assert hint.message_digest.startswith("sha256:")
    assert hint.sent_at is not None
    assert abs(hint.sent_at - NOW) <= timedelta(seconds=1)


def opening_is_pure_and_the_digest_is_the_message_s(rig: Rig) -> None:
    bank, request = bank_of(rig), good(rig)
    assert bank.open(request) == bank.open(request)
    digests = {bank.open(good(rig, transport_id=f"T{n}")).hint.message_digest for n in range(3)}
    assert len(digests) == 3


def a_member_outside_the_digest_stands_in_the_part_and_not_in_the_canonical_form(rig: Rig) -> None:
    plain = bank_of(rig).open(good(rig))
    text = canonical(business(confirm_second=True))
    confirmed = bank_of(rig).open(rig.request("submit", text))
    assert confirmed.business.members["confirm_second"] is True
    assert confirmed.business.canonical == plain.business.canonical


def one_changed_byte_anywhere_is_never_authentic_with_other_content(rig: Rig) -> None:
    bank, request = bank_of(rig), good(rig)
    whole, believed = bank.open(request).business, []
    for place in range(0, len(request.body), max(1, len(request.body) // 60)):
        changed = bytearray(request.body)
        changed[place] ^= 1
        try:
            opened = bank.open(replace(request, body=bytes(changed)))
        except (NotAuthentic, NotUnderstood) as error:
            believed.append(error.hint is None or error.hint.authentic)
        else:
            believed.append(opened.business != whole)  # a change outside what is signed says nothing
    assert not any(believed)


def a_stranger_a_wrong_key_and_a_blocked_client_sound_the_same(rig: Rig) -> None:
    blocked = replace(rig.client(), status="blocked")
    cases = [
        (bank_of(rig), good(rig, key="other")),
        (bank_of(rig, blocked), good(rig)),
        (bank_of(rig), good(rig, claimed_id="900009")),
    ]
    sounds = set()
    for bank, request in cases:
        error = refusal(bank, request)
        assert error.reason is Reason.NOT_AUTHENTIC
        assert error.hint is not None
        assert not error.hint.authentic
        answer = rig.read(bank.seal(BankReply(operation="", reason=error.reason), error.hint))
        sounds.add(json.dumps(dict(answer.business)))
    assert len(sounds) == 1


def a_key_whose_time_is_over_or_not_yet_come_is_not_good(rig: Rig) -> None:
    keys = rig.client().keys
    for way in ({"valid_until": NOW - timedelta(seconds=1)}, {"valid_from": NOW + timedelta(seconds=1)}):
        changed = tuple(replace(key, **way) if key.use == "verify" else key for key in keys)
        assert refusal(bank_of(rig, replace(rig.client(), keys=changed)), good(rig)).reason is Reason.NOT_AUTHENTIC


def another_address_than_the_enrolled_is_not_authentic(rig: Rig) -> None:
    bank = bank_of(rig, replace(rig.client(), addresses=("203.0.113.0/24",)))
    assert refusal(bank, good(rig)).reason is Reason.NOT_AUTHENTIC
    assert bank.open(replace(good(rig), remote_addr="203.0.113.7")).hint.authentic


def the_clock_is_told_only_once_the_signature_holds(rig: Rig) -> None:
    bank = bank_of(rig)
    skew = timedelta(seconds=bank.traits.clock_skew_seconds)
    for away in (skew + timedelta(seconds=2), -skew - timedelta(seconds=2)):
        error = refusal(bank, good(rig, at=NOW + away))
        assert error.reason is Reason.CLOCK
        assert error.hint is not None
        assert error.hint.authentic
        assert refusal(bank, good(rig, at=NOW + away, key="other")).reason is Reason.NOT_AUTHENTIC
    assert bank.open(good(rig, at=NOW + skew - timedelta(seconds=2))).hint.authentic


def a_business_part_of_another_operation_is_refused(rig: Rig) -> None:
    error = unreadable(bank_of(rig), rig.request("query", canonical(business("submit"))))
    assert error.reason is Reason.ENVELOPE_INVALID


def an_unknown_version_is_told(rig: Rig) -> None:
    error = unreadable(bank_of(rig), rig.request("submit", canonical(business(v="9"))))
    assert error.reason is Reason.VERSION_UNKNOWN


def a_business_part_that_is_not_our_json_is_not_understood(rig: Rig) -> None:
    for text in ("{", "[]", '{"op":"submit","v":1}', '{"op":"submit","v":null}', '{"op":"submit","op":"submit"}'):
        assert unreadable(bank_of(rig), rig.request("submit", text)).reason is Reason.NOT_UNDERSTOOD
    deep = '{"op":"submit","v":"1","x":' + "[" * 40 + "]" * 40 + "}"
    assert unreadable(bank_of(rig), rig.request("submit", deep)).reason is Reason.NOT_UNDERSTOOD


def an_operation_the_client_is_not_enrolled_for_is_told(rig: Rig) -> None:
    bank = bank_of(rig, replace(rig.client(), operations=("echo",)))
    assert unreadable(bank, good(rig)).reason is Reason.OPERATION_NOT_ALLOWED
    assert bank.open(good(rig, "echo")).operation is Operation.ECHO


def a_message_too_large_is_refused(rig: Rig) -> None:
    with pytest.raises(NotUnderstood) as caught:
        bank_of(rig).open(rig.request("submit", canonical(business(ext={"x": "y" * 300_000}))))
    assert caught.value.reason is Reason.TOO_LARGE


def whatever_comes_is_opened_or_refused_with_a_hint_and_nothing_else(rig: Rig) -> None:
    bank, request = bank_of(rig), good(rig)
    bodies = [b"", b"\x00", b"\xff" * 100, b"&&&", b"{}", b"[" * 5000, b"a=%00&b", request.body[:-1], request.body * 2]
    for body in bodies:
        for path in (request.path, bank.doors[0].path, "/", "/\u20ac"):
            with pytest.raises((NotAuthentic, NotUnderstood)) as caught:
                bank.open(replace(request, body=body, path=path))
            hint = caught.value.hint  # type: ignore[union-attr]  # both kinds have one
            assert hint is not None
            assert hint.bank == rig.code


def an_answer_reads_as_what_was_said_and_holds(rig: Rig) -> None:
    bank = bank_of(rig)
    reply = BankReply(
        operation="submit",
        members={"repeat": False, "receipt_no": "FT261123037K3QWB", "case": {"state_name": "已收件㐂"}},
        warnings=(AnswerWarning(WarningCode.MEMBER_IGNORED, "该参数未被使用", "x"),),
    )
    answer = bank.seal(reply, bank.open(good(rig)).hint)
    read = rig.read(answer)
    assert answer.status == 200
    assert read.holds
    assert read.transport_id == "T1"
    assert dict(read.business) == reply.body()


def a_changed_answer_does_not_hold(rig: Rig) -> None:
    bank = bank_of(rig)
    answer = bank.seal(BankReply(operation="submit", members={"receipt_no": "FT1"}), bank.open(good(rig)).hint)
    changed = replace(answer, body=answer.body.replace(b"FT1", b"FT2"))
    assert changed.body != answer.body
    assert not rig.read(changed).holds


def every_reason_has_a_word_in_this_envelope(rig: Rig) -> None:
    bank = bank_of(rig)
    hint = bank.open(good(rig)).hint
    for reason in Reason:
        problems = (Problem("form.x", FieldCode.MISSING, "须填写"),) if reason is Reason.INVALID else ()
        read = rig.read(bank.seal(BankReply(operation="submit", reason=reason, problems=problems), hint))
        assert read.holds
        assert read.business["reason"] == reason.value
        assert read.business["result"] == ("ok" if reason is Reason.OK else "refused")


def sealing_is_total_also_for_somebody_nobody_knows(rig: Rig) -> None:
    bank = bank_of(rig)
    for hint in (Hint(bank=rig.code), Hint(bank=rig.code, claimed_id="\ud800", transport_id="x" * 999)):
        for reason in Reason:
            answer = bank.seal(BankReply(operation="", reason=reason, members={"x": "\ud800"}), hint)
            assert answer.body


def no_planted_value_survives_scrubbing(rig: Rig) -> None:
    bank, request = bank_of(rig), good(rig)
    reply = BankReply(operation="echo", members={"text": " ".join(PRIVATE)})
    answer = bank.seal(reply, bank.open(good(rig, "echo")).hint)
    for raw in (request.body, request.query, answer.body):
        for piece in (raw, raw[: len(raw) // 2], raw[len(raw) // 2 :]):
            masked = bank.scrub(piece)
            assert [value for value in PRIVATE if value.encode() in masked] == []
            assert [value for value in PRIVATE if json.dumps(value).strip('"').encode() in masked] == []


PROMISES: tuple[Callable[[Rig], None], ...] = (
    it_is_called_as_it_is_registered_and_its_doors_lie_below_its_prefix,
    a_good_request_of_every_operation_opens_to_what_was_sent,
    the_hint_of_a_good_request_says_who_and_which_message,
    opening_is_pure_and_the_digest_is_the_message_s,
    a_member_outside_the_digest_stands_in_the_part_and_not_in_the_canonical_form,
    one_changed_byte_anywhere_is_never_authentic_with_other_content,
    a_stranger_a_wrong_key_and_a_blocked_client_sound_the_same,
    a_key_whose_time_is_over_or_not_yet_come_is_not_good,
    another_address_than_the_enrolled_is_not_authentic,
    the_clock_is_told_only_once_the_signature_holds,
    a_business_part_of_another_operation_is_refused,
    an_unknown_version_is_told,
    a_business_part_that_is_not_our_json_is_not_understood,
    an_operation_the_client_is_not_enrolled_for_is_told,
    a_message_too_large_is_refused,
    whatever_comes_is_opened_or_refused_with_a_hint_and_nothing_else,
    an_answer_reads_as_what_was_said_and_holds,
    a_changed_answer_does_not_hold,
    every_reason_has_a_word_in_this_envelope,
    sealing_is_total_also_for_somebody_nobody_knows,
    no_planted_value_survives_scrubbing,
)

# --- held by every registered bank -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sorted(RIGS))
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return RIGS[request.param](tmp_path_factory.mktemp("rig"))


def test_every_registered_bank_is_in_this_suite() -> None:
    assert set(RIGS) == set(registry.BANKS)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_bank_keeps_its_promise_that(rig: Rig, promise: Callable[[Rig], None]) -> None:
    promise(rig)
    assert promise.__name__ in {known.__name__ for known in PROMISES}
