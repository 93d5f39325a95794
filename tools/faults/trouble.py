"""Processes killed and frozen at moments nobody expects. Must not know what they do.

A freeze lasts longer than a lease, so that another worker takes the work over while the first still believes in it; a
kill never tests that.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence

from tools.stack import Stack

LEASE_MARGIN = 11.0  # seconds a lease outlives a call's deadline, and one


class Trouble:
    """One thread that kills, one that freezes; never the same process at once."""

    def __init__(
        self, stack: Stack, victims: Sequence[str], chance: random.Random, *, freeze: float, pause: tuple[float, float]
    ) -> None:
        """``freeze``: seconds of one freeze. ``pause``: seconds between two moments of one kind, least and most."""
        self.counted: Counter[str] = Counter()
        self.failed: list[str] = []
        self._stack = stack
        self._victims = list(victims)
        self._chance = chance
        self._freeze = freeze
        self._pause = pause
        self._taken: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._befall, args=(what,), daemon=True) for what in ("kill", "freeze")
        ]

    def begin(self) -> None:
        """From now on."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """No more; everything runs again when this returns."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _befall(self, what: str) -> None:
        while not self._over.wait(self._chance.uniform(*self._pause)):
            victim = self._choose()
            if victim is None:
                continue
            try:
                self._kill(victim) if what == "kill" else self._freeze_for_a_while(victim)
            except Exception as error:  # a process that does not come up again is a finding, not an end
                self.failed.append(f"{what} {victim}: {error}")
            finally:
                with self._lock:
                    self._taken.discard(victim)

    def _choose(self) -> str | None:
        with self._lock:
            free = [victim for victim in self._victims if victim not in self._taken]
            if not free:
                return None
            victim = self._chance.choice(free)
            self._taken.add(victim)
            return victim

    def _kill(self, victim: str) -> None:
        self._stack.kill9(victim)
        self.counted[f"{victim} killed"] += 1
        self._over.wait(self._chance.uniform(0, 0.5))
        self._stack.start(victim)

    def _freeze_for_a_while(self, victim: str) -> None:
        self._stack.freeze(victim)
        try:
            self._over.wait(self._freeze)
        finally:
            self._stack.thaw(victim)
        self.counted[f"{victim} frozen"] += 1
