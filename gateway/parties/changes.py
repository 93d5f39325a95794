"""Changes to the banks' clients: enrolment, keys, limits, block; checked first, then made in the caller's transaction.

Must not decide who may ask for a change nor how many persons it takes; that is the ``acts`` room's work. What is to be
changed comes as one table of texts (the payload of an act): keys travel as base64 and are never printed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.contracts.bank import Client, ClientKey
from gateway.domain.clock import BEIJING, beijing_day, read_stamp, stamp
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing, EntryDraft
from gateway.parties.enrolment import checked_networks, cipher_key, verification_key
from gateway.parties.notify import check_enrolment
from gateway.signing.keys import is_published
from gateway.signing.profiles import WEAK
from gateway.signing.vault import Vault
from gateway.store import clients as rows
from gateway.store import trail
from gateway.store.database import Tx

LONGEST_OVERLAP = 90  # days two keys of a client are valid at once
LEGACY_LASTS = timedelta(days=366)  # a weak algorithm ends within twelve months (rules.md 34)
MOST_A_SECOND, MOST_AT_ONCE = 10_000, 1_000
Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """What an enrolment is checked against: profiles by bank, the bank of each outlet, whether this is a sandbox."""

    profiles: Mapping[str, Sequence[str]]
    outlets: Mapping[str, str]
    operations: Collection[str]
    sandbox: bool = False


class ClientChanges:
    """Every change there is. Raises ``BadSettings`` with a sentence that says what to write instead."""

    def __init__(self, vault: Vault, world: World) -> None:
        self._vault = vault
        self._world = world

    # -- enrolment ------------------------------------------------------------------------------------------

    def read_enrolment(self, payload: Payload, *, at: datetime) -> Client:
        """The client an enrolment describes, all of it checked but what only the store knows."""
        bank = str(payload["bank"])
        profiles = self._world.profiles.get(bank, ())
        if not profiles:
            raise BadSettings(f"no bank {bank!r}; there are {', '.join(sorted(self._world.profiles))}")
        profile = str(payload.get("profile") or profiles[0])
        if profile not in profiles:
            raise BadSettings(f"profile {profile!r}: write {' or '.join(profiles)}")
        for code in payload.get("outlets", ()):
            if self._world.outlets.get(code) != bank:
                raise BadSettings(f"{code} is no outlet of {bank}")
        for operation in payload.get("operations", ()):
            if operation not in self._world.operations:
                raise BadSettings(f"no operation {operation!r}")
        addresses = checked_networks(payload.get("addresses", ()))
        key = self._key(payload, at=at, addresses=addresses)
        keys = [key, *([cipher_key(str(payload["cipher_key"]), at)] if payload.get("cipher_key") else [])]
        client = Client(
            client_id=str(payload["client_id"]),
            bank=bank,
            profile=profile,
            claimed_id=str(payload["claimed_id"]),
            status="active",
            algorithms=(key.algorithm,),
            keys=tuple(keys),
            outlets=tuple(payload.get("outlets", ())),
            operations=tuple(payload.get("operations", ())),
            addresses=addresses,
            options=dict(payload.get("options", {})),
            rate=_number(payload, "rate", MOST_A_SECOND),
            at_once=_number(payload, "at_once", MOST_AT_ONCE),
            legacy_reason=str(payload.get("reason", "")) if key.algorithm in WEAK else "",
        )
        check_enrolment(client, sandbox=self._world.sandbox)
        return client

    def enrol(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """Insert the client with its key; returns the key's id."""
        client = self.read_enrolment(payload, at=doing.at)
        for known in rows.all_clients(tx, self._vault):
            if known.client_id == client.client_id or (known.bank, known.claimed_id) == (
                client.bank,
                client.claimed_id,
            ):
                raise BadSettings(f"{known.client_id} is enrolled already, as {known.claimed_id}")
        key = client.keys[0]
        self._refuse_known_key(tx, key)
        rows.enrol(tx, self._vault, client, at=doing.at)
        _note(tx, EntryKind.CLIENT_ENROLLED, client.client_id, doing, {"bank": client.bank, "key": key.key_id})
        self._note_weak(tx, client.client_id, key, payload, doing)
        return key.key_id

    # -- keys -----------------------------------------------------------------------------------------------

    def read_rotation(self, payload: Payload, *, at: datetime, addresses: tuple[str, ...]) -> tuple[ClientKey, int]:
        """The new key and the days both are valid; the client's addresses decide about a weak one."""
        overlap = _number(payload, "overlap_days", LONGEST_OVERLAP, default=14)
        start = read_stamp(str(payload["from"])) if payload.get("from") else at
        if start < at - timedelta(minutes=5):
            raise BadSettings("a key is valid from now or later, never from the past")
        return self._key(payload, at=max(start, at), addresses=addresses), overlap

    def rotate(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """Add a key; the present one ends ``overlap_days`` after the new one begins. Returns the new key's id."""
        client = self._locked(tx, payload)
        key, overlap = self.read_rotation(payload, at=doing.at, addresses=client.addresses)
        present = [k for k in client.keys if k.use == "verify" and (k.valid_until is None or k.valid_until > doing.at)]
        if len(present) > 1:
            raise BadSettings(f"{client.client_id} has two keys already; end one with 'clients rotate --finish' first")
        self._refuse_known_key(tx, key)
        rows.add_key(tx, self._vault, client.client_id, key)
        _note(tx, EntryKind.KEY_ADDED, client.client_id, doing, _validity(key))
        ends = key.valid_from + timedelta(days=overlap)
        for old in present:
            rows.end_key(tx, client.client_id, old.key_id, at=ends)
            _note(tx, EntryKind.KEY_ENDS, client.client_id, doing, {"key": old.key_id, "until": stamp(ends)})
        self._set_algorithms(tx, client, [*present, key], reason=str(payload.get("reason", "")))
        self._note_weak(tx, client.client_id, key, payload, doing)
        return key.key_id

    def finish_rotation(self, tx: Tx, client_id: str, doing: Doing) -> list[str]:
        """Retire every verification key but the newest valid one, at once; returns the ids of those that went."""
        client = self._locked(tx, {"client_id": client_id})
        valid = client.verify_keys(doing.at)
        if not valid:
            raise BadSettings(f"{client_id} has no valid key to stay; rotate first")
        gone = [
            k for k in client.keys if k.use == "verify" and k.key_id != valid[0].key_id and k.valid_from <= doing.at
        ]
        for key in gone:
            rows.retire_key(tx, client_id, key.key_id, at=doing.at)
            _note(tx, EntryKind.KEY_RETIRED, client_id, doing, {"key": key.key_id})
        stay = [k for k in client.keys if k.use == "verify" and k not in gone]
        self._set_algorithms(tx, client, stay, reason=client.legacy_reason)
        return [key.key_id for key in gone]

    def rotate_cipher(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """A new shared cipher key from ``from`` on, or from now: both sides change at that moment."""
        client = self._locked(tx, payload)
        start = read_stamp(str(payload["from"])) if payload.get("from") else doing.at
        key = cipher_key(str(payload["cipher_key"]), max(start, doing.at))
        self._refuse_known_key(tx, key)
        rows.add_key(tx, self._vault, client.client_id, key)
        _note(tx, EntryKind.KEY_ADDED, client.client_id, doing, _validity(key) | {"use": "cipher"})
        return key.key_id

    # -- block, limits ----------------------------------------------------------------------------------------

    def set_status(self, tx: Tx, client_id: str, status: str, doing: Doing, *, reason: str = "") -> None:
        """Block (``blocked``) or let in again (``active``): from this commit on, in every process."""
        if not rows.set_status(tx, client_id, status):
            raise _unknown(client_id)
        kind = EntryKind.CLIENT_BLOCKED if status == "blocked" else EntryKind.CLIENT_UNBLOCKED
        _note(tx, kind, client_id, doing, {"status": status, "reason": as_fact(reason)})

    @staticmethod
    def read_limits(payload: Payload) -> tuple[int, int]:
        """Requests a second and at once, checked."""
        return _number(payload, "rate", MOST_A_SECOND), _number(payload, "at_once", MOST_AT_ONCE)

    def set_limits(self, tx: Tx, payload: Payload, doing: Doing) -> None:
        """A client's own limits, 0 = the house's."""
        client_id = str(payload["client_id"])
        rate, at_once = self.read_limits(payload)
        if not rows.set_limits(tx, client_id, rate=rate, at_once=at_once):
            raise _unknown(client_id)
        _note(tx, EntryKind.CLIENT_LIMITED, client_id, doing, {"rate": str(rate), "at_once": str(at_once)})

    def read_notify(self, payload: Payload, client: Client) -> dict[str, str]:
        """The options a new notify address changes, checked against the client it is for."""
        told = {name: str(payload.get(name, "")) for name in ("url", "networks", "ca")}
        changes = {f"notify_{name}": value for name, value in told.items()}
        check_enrolment(replace(client, options={**(client.options or {}), **changes}), sandbox=self._world.sandbox)
        return changes

    def set_notify(self, tx: Tx, payload: Payload, doing: Doing) -> None:
        """Another notify address, "" = none any more; it has to be proven before anything is told there."""
        client = self._locked(tx, payload)
        rows.set_options(tx, client.client_id, self.read_notify(payload, client))
        _note(tx, EntryKind.CLIENT_ENROLLED, client.client_id, doing, {"changed": "notify address"})

    # -- checks -----------------------------------------------------------------------------------------------

    def _key(self, payload: Payload, *, at: datetime, addresses: tuple[str, ...]) -> ClientKey:
        algorithm = str(payload.get("algorithm") or "rsa-sha256")
        key = verification_key(algorithm, _bytes(payload, "public_key"), at)
        if not self._world.sandbox and is_published(key.material):
            raise BadSettings("this is a published test key: anybody can sign with it")
        if algorithm not in WEAK:
            return key
        return replace(key, valid_until=_weak_until(payload, at=at, addresses=addresses))

    def _locked(self, tx: Tx, payload: Payload) -> Client:
        client_id = str(payload["client_id"])
        if not rows.lock(tx, client_id):
            raise _unknown(client_id)
        return next(c for c in rows.all_clients(tx, self._vault) if c.client_id == client_id)

    def _refuse_known_key(self, tx: Tx, key: ClientKey) -> None:
        holder = rows.key_known(tx, key.key_id)
        if holder:
            raise BadSettings(f"{holder} has, or had, this very key; a key belongs to one client and comes once")

    @staticmethod
    def _set_algorithms(tx: Tx, client: Client, keys: Sequence[ClientKey], *, reason: str) -> None:
        algorithms = sorted({key.algorithm for key in keys})
        weak = WEAK.intersection(algorithms)
        rows.set_algorithms(
            tx, client.client_id, algorithms, legacy_reason=(reason or client.legacy_reason) if weak else ""
        )

    @staticmethod
    def _note_weak(tx: Tx, client_id: str, key: ClientKey, payload: Payload, doing: Doing) -> None:
        if key.algorithm in WEAK:
            facts = {"algorithm": key.algorithm, "reason": as_fact(str(payload["reason"]))}
            _note(tx, EntryKind.WEAK_ALLOWED, client_id, doing, _validity(key) | facts)


def _weak_until(payload: Payload, *, at: datetime, addresses: tuple[str, ...]) -> datetime:
    """When a weak algorithm ends. Raises ``BadSettings`` unless reason, end and enrolled addresses are given."""
    if not str(payload.get("reason", "")).strip():
        raise BadSettings("a weak algorithm needs a reason (--reason)")
    if not addresses:
        raise BadSettings("a weak algorithm needs enrolled addresses (--address)")
    try:
        until = date.fromisoformat(str(payload.get("until", "")))
    except ValueError:
        raise BadSettings("a weak algorithm needs an end date within twelve months (--until 2027-06-30)") from None
    today = beijing_day(at)
    if not today < until <= today + LEGACY_LASTS:
        raise BadSettings(f"the end date {until} of a weak algorithm must lie within twelve months from {today}")
    return datetime.combine(until + timedelta(days=1), time(0, 0), tzinfo=BEIJING).astimezone(UTC)


def _bytes(payload: Payload, name: str) -> bytes:
    try:
        return base64.b64decode(str(payload[name]), validate=True)
    except (KeyError, binascii.Error):
        raise BadSettings(f"{name}: write base64 of a public key in DER") from None


def _number(payload: Payload, name: str, most: int, *, default: int = 0) -> int:
    text = str(payload.get(name, "") or default)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):
        raise BadSettings(f"{name}: write a whole number from 0 to {most}")
    return int(text)


def _validity(key: ClientKey) -> dict[str, str]:
    ends = {"until": stamp(key.valid_until)} if key.valid_until else {}
    return {"key": key.key_id, "from": stamp(key.valid_from), **ends}


def _unknown(client_id: str) -> BadSettings:
    return BadSettings(f"no client {client_id}; 'python -m gateway clients list' shows them")


def _note(tx: Tx, kind: EntryKind, client_id: str, doing: Doing, facts: Mapping[str, str]) -> None:
    whole = {**facts, **doing.facts}
    draft = EntryDraft(kind=kind, subject=f"client:{client_id}", at=doing.at, actor=doing.actor, facts=whole)
    trail.append_loose(tx, [draft])
