"""Small recurring duties of a process in one thread: order and seal the trail, flush counts, forget old notes.

Must not carry work that may not be lost; that is what work rows are for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from gateway.domain.errors import GatewayError

_log = structlog.get_logger("dispatch.chores")
Chore = Callable[[], None]


class Ticker:
    """Runs every chore, then pauses, until stopped; a chore that fails never stops the others."""

    def __init__(self, chores: Sequence[Chore], *, every: float = 0.2) -> None:
        self._chores = tuple(chores)
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="chores", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, grace: float = 5.0) -> None:
        """Stop after the present round, then run every chore a last time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(grace)
        self._round()

    def _loop(self) -> None:
        while not self._stop.wait(self._every):
            self._round()

    def _round(self) -> None:
        for chore in self._chores:
            try:
                chore()
            except GatewayError as error:
                _log.warning("chore.not_now", error=str(error))
            except Exception:
                _log.exception("chore.failed")
