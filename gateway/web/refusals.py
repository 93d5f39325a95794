"""Refusals before the desk: counted in memory, one audit entry per (address, claimed client, cause, minute).

The first twenty an hour also keep their raw bytes (rules.md 8). Addresses that messages name and nobody uses are
counted in the same way (rules.md 33). Must not tell the caller the cause.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.domain.clock import Clock
from gateway.domain.errors import GatewayError
from gateway.domain.records import EntryDraft
from gateway.signing.vault import Vault
from gateway.store import exchanges, trail
from gateway.store.database import Database, new_id
from gateway.wire.exchange import Exchange
from gateway.wire.messages import WireRequest

_log = structlog.get_logger("web.refusals")
_KEPT_AN_HOUR = 20
_MOST_KEYS = 5_000  # distinct (address, client, cause) in one minute; the rest is counted under one name

Key = tuple[EntryKind, str, str, str, str, int]  # kind, bank, address, claimed or known client, cause, minute

_WHO = {EntryKind.REQUEST_REFUSED: "claimed", EntryKind.ADDRESS_IGNORED: "client"}
_WHAT = {EntryKind.REQUEST_REFUSED: "cause", EntryKind.ADDRESS_IGNORED: "member"}


class Refusals:
    """Counts; ``flush`` writes the minutes that are over."""

    def __init__(self, database: Database, vault: Vault, *, clock: Clock, count: Callable[[str, str], None]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._count = count
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._kept_in: tuple[int, int] = (0, 0)  # hour, how many

    def note(self, bank: str, request: WireRequest, *, claimed: str, cause: str) -> None:
        """Count one refused request and perhaps keep its bytes."""
        self._count(bank, cause)
        minute = self._minute()
        with self._lock:
            self._raise((EntryKind.REQUEST_REFUSED, bank, request.remote_addr, claimed[:64], cause, minute))
            hour = minute // 60
            kept = self._kept_in[1] if self._kept_in[0] == hour else 0
            keep = kept < _KEPT_AN_HOUR
            if keep:
                self._kept_in = (hour, kept + 1)
        if keep:
            self._keep(bank, request, cause)

    def turned(self, bank: str, address: str, *, cause: str) -> None:
        """Count one request of an address that asks too often; nothing of it was read."""
        self._count(bank, cause)
        with self._lock:
            self._raise((EntryKind.REQUEST_REFUSED, bank, address, "", cause, self._minute()))

    def ignored(self, bank: str, request: WireRequest, *, client_id: str, members: Iterable[str]) -> None:
        """Count the members of an authentic message that named an address of the bank's own."""
        minute = self._minute()
        with self._lock:
            for name in members:
                self._raise((EntryKind.ADDRESS_IGNORED, bank, request.remote_addr, client_id, name, minute))

    def _minute(self) -> int:
        return int(self._clock.now().timestamp() // 60)

    def _raise(self, key: Key) -> None:
        if key not in self._counts and len(self._counts) >= _MOST_KEYS:
            kind, bank, _, _, cause, minute = key
            key = (kind, bank, "many", "many", cause if kind is EntryKind.REQUEST_REFUSED else "many", minute)
        self._counts[key] += 1

    def flush(self, *, everything: bool = False) -> None:
        """Write an entry for every count whose minute is over; all of them when the process ends."""
        this_minute = self._minute()
        with self._lock:
            ready = {k: n for k, n in self._counts.items() if everything or k[-1] < this_minute}
            for key in ready:
                del self._counts[key]
        if not ready:
            return
        drafts = [
            EntryDraft(
                kind=kind,
                subject=f"door:{bank}:{new_id()}",
                at=self._clock.now(),
                actor="system:door",
                facts={
                    "address": as_fact(address) or "-",
                    _WHO[kind]: as_fact(client) or "-",
                    _WHAT[kind]: as_fact(cause) or "-",
                    "minute": str(minute),
                    "count": str(number),
                },
            )
            for (kind, bank, address, client, cause, minute), number in ready.items()
        ]
        try:
            self._database.again(lambda tx: trail.append(tx, [trail.row(d, 1) for d in drafts]))
        except GatewayError:
            with self._lock:
                self._counts.update(ready)  # counted again at the next flush
            raise

    def _keep(self, bank: str, request: WireRequest, cause: str) -> None:
        now = self._clock.now()
        exchange = Exchange(
            exchange_id=request.exchange_id or new_id(),
            peer=bank,
            direction="in",
            purpose="refused",
            case_id="",
            call_id="",
            started_at=request.received_at,
            ended_at=now,
            request=request.evidence(),
            status=0,
            response=b"",
            outcome=cause,
        )
        try:
            self._database.again(lambda tx: exchanges.insert(tx, self._vault, exchange))
        except Exception as error:
            _log.warning("refusal.not_kept", error=type(error).__name__)
