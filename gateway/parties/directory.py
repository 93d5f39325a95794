"""The enrolled clients as an immutable snapshot, replaced when a version row changes (rules.md 7).

Must not judge signatures. The version is looked at no more than once a second; intake judges a client's status and
key once more inside its transaction, so a block does not wait for this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from gateway.contracts.bank import Client
from gateway.domain.clock import Clock
from gateway.domain.errors import Busy
from gateway.signing.vault import Vault
from gateway.store import clients
from gateway.store.database import Database

_LOOK_EVERY = 1.0  # seconds


class Snapshot:
    """One state of the directory."""

    __slots__ = ("_by_id", "_by_name", "version")

    def __init__(self, version: int, found: Iterable[Client]) -> None:
        self.version = version
        self._by_name = {(c.bank, c.claimed_id): c for c in found}
        self._by_id = {c.client_id: c for c in self._by_name.values()}

    def find(self, bank: str, claimed_id: str) -> Client | None:
        """The client that names itself so at this bank's door, blocked ones included."""
        return self._by_name.get((bank, claimed_id))

    def by_id(self, client_id: str) -> Client | None:
        """The client with this id of ours."""
        return self._by_id.get(client_id)

    def __iter__(self) -> Iterator[Client]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


class Directory:
    """Hands out the present snapshot."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._snapshot: Snapshot | None = None

    def __call__(self) -> Snapshot:
        """The snapshot, at most a second old. Raises ``Busy`` only when there has never been one."""
        now = self._clock.monotonic()
        if self._snapshot is not None and (now - self._looked < _LOOK_EVERY or not self._lock.acquire(blocking=False)):
            return self._snapshot
        if self._snapshot is None:
            self._lock.acquire()
        try:
            return self._look(now)
        finally:
            self._lock.release()

    def _look(self, now: float) -> Snapshot:
        try:
            with self._database.read() as tx:
                version = clients.directory_version(tx)
                if self._snapshot is None or version != self._snapshot.version:
                    self._snapshot = Snapshot(version, clients.all_clients(tx, self._vault))
            self._looked = now
        except Busy:
            if self._snapshot is None:
                raise
        assert self._snapshot is not None
        return self._snapshot
