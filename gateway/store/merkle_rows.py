"""Rows of the Merkle log: immutable nodes of complete subtrees, and signed checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.audit.merkle import Node
from gateway.store.database import Tx


class NodeReader:
    """Reads nodes within one transaction; what the proofs of ``audit.merkle`` need."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises ``LookupError`` when it is not there yet."""
        found = self._tx.one("SELECT hash FROM node WHERE level = :l AND idx = :i", {"l": level, "i": index})
        if found is None:
            raise LookupError((level, index))
        return bytes(found["hash"])


def alone(tx: Tx) -> None:
    """Only one transaction at a time grows or seals the tree, whoever holds the job: a command may run beside it."""
    if tx.database.is_postgres:  # on SQLite there is one writer anyway
        tx.run("SELECT pg_advisory_xact_lock(44030414)")


def add_nodes(tx: Tx, nodes: Iterable[Node]) -> None:
    """Insert nodes; a node that is there already is a fault of the caller and refused by the key."""
    rows = [{"level": n.level, "idx": n.index, "hash": n.hash} for n in nodes]
    if rows:
        tx.run("INSERT INTO node (level, idx, hash) VALUES (:level, :idx, :hash)", rows)


def size(tx: Tx) -> int:
    """Leaves in the tree."""
    last = tx.run("SELECT max(idx) FROM node WHERE level = 0").scalar()
    return 0 if last is None else int(last) + 1


def add_checkpoint(tx: Tx, number: int, *, leaves: int, at_micros: int, line: str) -> None:
    """Insert one signed checkpoint."""
    tx.run(
        "INSERT INTO checkpoint (number, size, at, line) VALUES (:n, :s, :at, :line)",
        {"n": number, "s": leaves, "at": at_micros, "line": line},
    )


def last_checkpoint(tx: Tx) -> tuple[int, int, int, str] | None:
    """Number, size, time in microseconds and line of the newest checkpoint."""
    row = tx.one("SELECT number, size, at, line FROM checkpoint ORDER BY number DESC LIMIT 1")
    return None if row is None else (row["number"], row["size"], row["at"], row["line"])


def checkpoints(tx: Tx) -> Sequence[str]:
    """All checkpoint lines, oldest first."""
    return [r[0] for r in tx.run("SELECT line FROM checkpoint ORDER BY number")]
