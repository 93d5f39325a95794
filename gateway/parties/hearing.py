"""A client was heard: its waiting notices may go now, and a test notice goes if it asked for one (operations.md 7).

Must not fail the call that was heard, and must not send: work rows carry what is told.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from gateway.contracts.bank import Client
from gateway.domain.clock import Clock
from gateway.domain.errors import GatewayError
from gateway.domain.requests import BankRequest
from gateway.parties.directory import Directory
from gateway.parties.notify import lane_of, notify_url
from gateway.signing.vault import Vault
from gateway.store import notices, work
from gateway.store.database import Database

_log = structlog.get_logger("parties.hearing")
LANE_CAP, LANE_RATE = 4, 20  # notices to one client at once, and per second, over all processes
PULL_GAP = timedelta(seconds=30)


class Hearing:
    """Told of every echo of a bank's client."""

    def __init__(
        self, database: Database, vault: Vault, *, directory: Directory, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._vault = vault
        self._directory = directory
        self._clock = clock
        self._wake = wake

    def __call__(self, request: BankRequest) -> None:
        """Pull what waits; put a test notice where ``notify`` is true."""
        client = self._directory().by_id(request.hint.client_id)
        if client is None or not notify_url(client):
            return
        try:
            self.pull(client)
            if request.business.members.get("notify") is True:
                self.ask_test(client)
        except GatewayError as error:  # the echo was answered; the next one does it
            _log.warning("hearing.not_now", client=client.client_id, error=str(error))

    def pull(self, client: Client) -> int:
        """Let everything that waits for this client be due now; not more often than every half minute."""
        lane = lane_of(client.client_id)
        pulled = self._database.again(lambda tx: notices.pull(tx, client.client_id, lane=lane, not_within=PULL_GAP))
        if pulled:
            self._wake()
        return pulled

    def ask_test(self, client: Client) -> bool:
        """Put one test notice for the enrolled address; False when one is on its way."""
        lane, now = lane_of(client.client_id), self._clock.now()
        work.Lanes.ensure(self._database, lane, cap=LANE_CAP, rate=LANE_RATE)
        put = self._database.again(lambda tx: notices.ask_test(tx, self._vault, client.client_id, lane=lane, now=now))
        if put:
            self._wake()
        return put
