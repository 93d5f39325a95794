"""The whole trail as a package for someone outside. Must not verify it; that is the auditor's program."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gateway.audit.package import PublicKey, Written, write_package
from gateway.signing.keys import KeyRing
from gateway.store import merkle_rows, sequencer
from gateway.store.database import Database

_BATCH = 5_000


def export(database: Database, keys: KeyRing, target: Path, *, log_id: str, now: datetime) -> Written:
    """Write every sealed entry and checkpoint to ``target``; entries not yet placed are not in it."""
    key = keys.signer("checkpoint", now)
    # The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key itself (RFC 8410).
    publics = [
        PublicKey(key_id=k.key_id, purpose=purpose, public=k.public_der[-32:], valid_from=k.valid_from)
        for purpose in ("checkpoint", "receipt")
        for k in keys.publics(purpose)
    ]
    with database.read() as tx:
        lines = [line.encode() for line in merkle_rows.checkpoints(tx)]
    return write_package(
        target,
        _entries(database),
        checkpoints=lines,
        keys=publics,
        sign=key.sign,
        key=key.key_id,
        log=log_id,
        made_at=now,
    )


def _entries(database: Database) -> Iterator[bytes]:
    start = 0
    while True:
        with database.read() as tx:
            batch = sequencer.leaves(tx, start, limit=_BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        start += len(batch)
