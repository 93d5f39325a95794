"""Clients and their keys as rows; a version number tells every process when to look again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.contracts.bank import Client, ClientKey
from gateway.signing.vault import Vault
from gateway.store.database import Tx, micros, moment


def _place(client_id: str, key_id: str) -> str:
    return f"client_key:{client_id}:{key_id}:material_sealed"


def directory_version(tx: Tx) -> int:
    """Rises with every change of clients or keys."""
    found = tx.run("SELECT number FROM version WHERE name = 'directory'").scalar()
    return int(found or 0)


def _raise_version(tx: Tx) -> None:
    tx.run(
        "INSERT INTO version (name, number) VALUES ('directory', 1)"
        " ON CONFLICT (name) DO UPDATE SET number = version.number + 1"
    )


def enrol(tx: Tx, vault: Vault, client: Client, *, at: datetime) -> None:
    """Insert a client with its keys. An existing client id or name on the wire is an IntegrityError."""
    tx.run(
        "INSERT INTO client (client_id, bank, profile, claimed_id, status, rights, enrolled_at)"
        " VALUES (:client_id, :bank, :profile, :claimed_id, :status, :rights, :at)",
        {
            "client_id": client.client_id,
            "bank": client.bank,
            "profile": client.profile,
            "claimed_id": client.claimed_id,
            "status": client.status,
            "rights": json.dumps(
                {
                    "algorithms": client.algorithms,
                    "outlets": client.outlets,
                    "operations": client.operations,
                    "addresses": client.addresses,
                    "options": dict(client.options or {}),
                    "rate": client.rate,
                    "at_once": client.at_once,
                    "legacy_reason": client.legacy_reason,
                }
            ),
            "at": micros(at),
        },
    )
    for key in client.keys:
        add_key(tx, vault, client.client_id, key)
    _raise_version(tx)


def add_key(tx: Tx, vault: Vault, client_id: str, key: ClientKey) -> None:
    """Insert one more key; the older ones stay valid until they end."""
    tx.run(
        "INSERT INTO client_key (client_id, key_id, use, algorithm, material_sealed, valid_from, valid_until)"
        " VALUES (:client_id, :key_id, :use, :algorithm, :material, :valid_from, :valid_until)",
        {
            "client_id": client_id,
            "key_id": key.key_id,
            "use": key.use,
            "algorithm": key.algorithm,
            "material": vault.seal(key.material, _place(client_id, key.key_id)),
            "valid_from": micros(key.valid_from),
            "valid_until": micros(key.valid_until) if key.valid_until else None,
        },
    )
    _raise_version(tx)


def set_status(tx: Tx, client_id: str, status: str) -> bool:
    """Block or unblock; effective at once for intake, within a second for verification. False = no such client."""
    changed = tx.run("UPDATE client SET status = :s WHERE client_id = :c", {"s": status, "c": client_id}).rowcount
    _raise_version(tx)
    return changed == 1


def set_options(tx: Tx, client_id: str, changes: Mapping[str, str]) -> bool:
    """Change options of a client's dialect, "" takes one away. False = no such client."""
    rights = _rights(tx, client_id)
    if rights is None:
        return False
    merged = {**rights["options"], **changes}
    rights["options"] = {name: value for name, value in merged.items() if value}
    _save_rights(tx, client_id, rights)
    return True


def set_limits(tx: Tx, client_id: str, *, rate: int, at_once: int) -> bool:
    """A client's own limits, 0 = the house's; in force within a second. False = no such client."""
    rights = _rights(tx, client_id)
    if rights is None:
        return False
    _save_rights(tx, client_id, {**rights, "rate": rate, "at_once": at_once})
    return True


def set_algorithms(tx: Tx, client_id: str, algorithms: Sequence[str], *, legacy_reason: str) -> None:
    """What a client may sign with from now on, and why if one of them is weak."""
    rights = _rights(tx, client_id)
    assert rights is not None, client_id
    _save_rights(tx, client_id, {**rights, "algorithms": list(algorithms), "legacy_reason": legacy_reason})


def end_key(tx: Tx, client_id: str, key_id: str, *, at: datetime) -> None:
    """Let a key's validity end at ``at``, unless it ends sooner."""
    tx.run(
        "UPDATE client_key SET valid_until = :at WHERE client_id = :c AND key_id = :k AND retired_at IS NULL"
        " AND (valid_until IS NULL OR valid_until > :at)",
        {"c": client_id, "k": key_id, "at": micros(at)},
    )
    _raise_version(tx)


def retire_key(tx: Tx, client_id: str, key_id: str, *, at: datetime) -> bool:
    """Take a key out of use for good; its row stays. False = no such key in use."""
    changed = tx.run(
        "UPDATE client_key SET retired_at = :at WHERE client_id = :c AND key_id = :k AND retired_at IS NULL",
        {"c": client_id, "k": key_id, "at": micros(at)},
    ).rowcount
    _raise_version(tx)
    return changed == 1


def lock(tx: Tx, client_id: str) -> bool:
    """Hold a client's row, so that two changes of it come one after the other. False = no such client."""
    return _rights(tx, client_id) is not None


def key_known(tx: Tx, key_id: str) -> str:
    """The client that has, or had, a key with this id; "" = nobody."""
    found = tx.one("SELECT client_id FROM client_key WHERE key_id = :k ORDER BY client_id LIMIT 1", {"k": key_id})
    return found["client_id"] if found else ""


STILL_GOOD = (
    "SELECT 1 AS good FROM client c JOIN client_key k ON k.client_id = c.client_id"
    " WHERE c.client_id = :client_id AND c.status = 'active' AND k.key_id = :key_id AND k.use = 'verify'"
    " AND k.retired_at IS NULL AND k.valid_from <= :now AND (k.valid_until IS NULL OR k.valid_until > :now)"
)
"""True for a client that is not blocked and a key it may sign with at ``now`` (rules.md 7)."""


def still_good(tx: Tx, client_id: str, key_id: str, *, now: datetime) -> bool:
    """``STILL_GOOD``, judged in the caller's transaction."""
    return tx.run(STILL_GOOD, {"client_id": client_id, "key_id": key_id, "now": micros(now)}).first() is not None


def is_blocked(tx: Tx, client_id: str) -> bool:
    """True once the client is blocked, whatever a snapshot still says."""
    return (
        tx.run("SELECT 1 FROM client WHERE client_id = :c AND status <> 'active'", {"c": client_id}).first() is not None
    )


def _rights(tx: Tx, client_id: str) -> dict[str, Any] | None:
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    row = tx.one("SELECT rights FROM client WHERE client_id = :c" + suffix, {"c": client_id})
    return None if row is None else dict(json.loads(row["rights"]))


def _save_rights(tx: Tx, client_id: str, rights: Mapping[str, Any]) -> None:
    tx.run("UPDATE client SET rights = :r WHERE client_id = :c", {"r": json.dumps(rights), "c": client_id})
    _raise_version(tx)


def all_clients(tx: Tx, vault: Vault) -> list[Client]:
    """Every client with its keys that were not retired."""
    keys: dict[str, list[ClientKey]] = {}
    for row in tx.all("SELECT * FROM client_key WHERE retired_at IS NULL ORDER BY valid_from, key_id"):
        keys.setdefault(row["client_id"], []).append(_key(vault, row))
    return [_client(row, keys.get(row["client_id"], [])) for row in tx.all("SELECT * FROM client ORDER BY client_id")]


def _key(vault: Vault, row: Mapping[str, Any]) -> ClientKey:
    return ClientKey(
        key_id=row["key_id"],
        use=row["use"],
        algorithm=row["algorithm"],
        material=vault.open(bytes(row["material_sealed"]), _place(row["client_id"], row["key_id"])),
        valid_from=moment(row["valid_from"]),
        valid_until=moment(row["valid_until"]) if row["valid_until"] else None,
    )


def _client(row: Mapping[str, Any], keys: Sequence[ClientKey]) -> Client:
    rights = json.loads(row["rights"])
    return Client(
        client_id=row["client_id"],
        bank=row["bank"],
        profile=row["profile"],
        claimed_id=row["claimed_id"],
        status=row["status"],
        algorithms=tuple(rights["algorithms"]),
        keys=tuple(keys),
        outlets=tuple(rights["outlets"]),
        operations=tuple(rights["operations"]),
        addresses=tuple(rights["addresses"]),
        options=rights["options"],
        rate=int(rights.get("rate", 0)),  # enrolments of the first release have none of these
        at_once=int(rights.get("at_once", 0)),
        legacy_reason=rights.get("legacy_reason", ""),
    )
