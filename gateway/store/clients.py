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
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    row = tx.one("SELECT rights FROM client WHERE client_id = :c" + suffix, {"c": client_id})
    if row is None:
        return False
    rights = json.loads(row["rights"])
    merged = {**rights["options"], **changes}
    rights["options"] = {name: value for name, value in merged.items() if value}
    tx.run("UPDATE client SET rights = :r WHERE client_id = :c", {"r": json.dumps(rights), "c": client_id})
    _raise_version(tx)
    return True


def all_clients(tx: Tx, vault: Vault) -> list[Client]:
    """Every client with its keys that were not retired."""
    keys: dict[str, list[ClientKey]] = {}
    for row in tx.all("SELECT * FROM client_key WHERE retired_at IS NULL"):
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
    )
