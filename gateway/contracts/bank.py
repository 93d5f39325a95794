"""The contract of a bank's dialect (house.md section 5; operations.md for what travels inside)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.contracts.backend import Line
from gateway.domain.requests import BankReply, BankRequest, Hint
from gateway.wire.messages import WireRequest, WireResponse


@dataclass(frozen=True, slots=True)
class Door:
    """One path a bank's own client calls: bound to an operation, or "" where the envelope names it."""

    path: str
    operation: str = ""


@dataclass(frozen=True, slots=True)
class BankTraits:
    """What a bank's dialect can do; the contract suite switches its tests by these."""

    notifies: bool
    encrypts: bool
    clock_skew_seconds: int
    charsets: tuple[str, ...]
    profiles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One enrolled public key (or shared cipher key) of a client, with its validity."""

    key_id: str
    use: str  # verify | cipher
    algorithm: str  # a name of signing.profiles
    material: bytes  # DER public key, or the raw shared key
    valid_from: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """One enrolled client of a bank: what a peer needs to verify it and to answer it."""

    client_id: str
    bank: str
    profile: str
    claimed_id: str  # how it names itself on the wire
    status: str  # active | blocked
    algorithms: tuple[str, ...]
    keys: tuple[ClientKey, ...]
    outlets: tuple[str, ...]  # codes it may file for; empty = all of its bank
    operations: tuple[str, ...]  # enrolled operations; empty = all
    addresses: tuple[str, ...] = ()  # CIDRs it must call from; empty = any
    options: Mapping[str, str] | None = None
    rate: int = 0  # requests a second of this client in one process; 0 = the house's setting
    at_once: int = 0  # requests at the same time in one process; 0 = the house's setting
    legacy_reason: str = ""  # why a weak algorithm is enrolled (rules.md 34); its end is that of the key

    def verify_keys(self, at: datetime) -> tuple[ClientKey, ...]:
        """Verification keys valid at ``at``, newest first (two are valid at once during a rotation)."""
        valid = [
            k
            for k in self.keys
            if k.use == "verify" and k.valid_from <= at and (k.valid_until is None or at < k.valid_until)
        ]
        return tuple(sorted(valid, key=lambda k: k.valid_from, reverse=True))

    def cipher_key(self, at: datetime) -> ClientKey | None:
        """The shared cipher key valid at ``at``, newest first, or none."""
        valid = [
            k
            for k in self.keys
            if k.use == "cipher" and k.valid_from <= at and (k.valid_until is None or at < k.valid_until)
        ]
        return max(valid, key=lambda k: k.valid_from, default=None)


@dataclass(frozen=True, slots=True)
class Notice:
    """One event one client shall be told (operations.md 7); ``notice_id`` stays over all tries and resends.

    ``url`` is the client's enrolled address: the line leads to its host, its path belongs to the dialect.
    """

    notice_id: str
    client: Client
    url: str
    event: Mapping[str, Any]

    def business(self) -> dict[str, Any]:
        """The business part every dialect carries."""
        return {"op": "notice", "v": "1", "notice_id": self.notice_id, "event": dict(self.event)}


@dataclass(frozen=True, slots=True)
class Receipt:
    """The client's authentic word that it has the notice; every other end of a try is an error."""

    notice_id: str
    text: str = ""
    exchange_id: str = ""


class ClientDirectory(Protocol):
    """An immutable snapshot of the enrolled clients, replaced as a whole when anything changes."""

    def find(self, bank: str, claimed_id: str) -> Client | None:
        """The client that names itself so at this bank's door, blocked ones included."""
        ...


class Bank(Protocol):
    """One bank's dialect. Built once from its settings, the key ring, the directory and a clock."""

    code: str
    traits: BankTraits
    doors: tuple[Door, ...]
    prefix: str  # every path below it is answered in the bank's own form; "" = only the doors

    def open(self, request: WireRequest) -> BankRequest:
        """Verify over the raw bytes first, then decrypt, then parse; pure.

        Raises ``NotAuthentic`` or ``NotUnderstood``, both with a ``Hint``, and nothing else.
        """
        ...

    def seal(self, reply: BankReply, hint: Hint) -> WireResponse:
        """The reply in the bank's envelope, signed wherever the protocol can answer that caller so; total."""
        ...

    def notify(self, notice: Notice, line: Line) -> Receipt:
        """Tell one event, once; the same notice again is harmless.

        Raises ``NotDelivered``, ``DeliveryUnknown``, ``NotAuthentic`` (an answer that is not the client's),
        ``NotUnderstood``, ``Refused`` (the client says no), ``BadSettings`` (no key or address to do it with).
        """
        ...

    def scrub(self, raw: bytes) -> bytes:
        """The bytes with personal data and secrets masked."""
        ...
