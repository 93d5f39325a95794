"""Faults on purpose: which request of a simulator goes wrong, and the crude means to make it so.

Must not know any department's dialect; what needs a dialect (a wrong signature, a signed "busy", repeated or
reversed callbacks) is only named here and done by the department.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """One way to go wrong. The value is what the control side is asked for."""

    REFUSE = "refuse"  # the line is reset before anything was read
    SLOW = "slow"  # done, answered after ``slow_seconds``
    DRIP = "drip"  # done, answered one byte per ``drip_seconds``
    CUT_BEFORE = "cut_before"  # head read, body not; nothing done; reset
    CUT_AFTER = "cut_after"  # done; reset without an answer
    HTTP_500 = "http500"  # done; answered 500 in plain text, unsigned
    HTTP_503 = "http503"  # nothing done; answered 503 in plain text, unsigned
    BUSY = "busy"  # nothing done; the department's own signed word for "later"
    HTML = "html"  # done; answered 200 with an HTML page, unsigned
    TWICE = "twice"  # done; every callback of this application comes twice
    OUT_OF_ORDER = "out_of_order"  # done; callbacks of this application come in reverse order
    WRONG_SIGNATURE = "wrong_signature"  # done; the answer's signature does not hold


DONE_ALL_THE_SAME = frozenset(set(Fault) - {Fault.REFUSE, Fault.CUT_BEFORE, Fault.HTTP_503, Fault.BUSY})
"""Faults after which the request has had its effect."""


class BadFaultOrder(ValueError):
    """The order to the control side is not understood."""


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """What is staged: certain faults for the next requests, and chance for all others.

    ``rate`` 0..1 with ``kinds`` drawn evenly by a generator seeded with ``seed``; ``methods`` empty = any method.
    """

    rate: float = 0.0
    kinds: tuple[Fault, ...] = ()
    seed: int = 0
    next: tuple[Fault, ...] = ()
    methods: frozenset[str] = frozenset()
    slow_seconds: float = 8.0
    drip_seconds: float = 0.3

    @classmethod
    def read(cls, spec: Mapping[str, Any], *, slow_seconds: float = 8.0) -> FaultOrder:
        """Read the JSON of ``POST /control/faults``. Raises ``BadFaultOrder``."""
        unknown = set(spec) - {"rate", "kinds", "seed", "next", "methods", "slow_seconds", "drip_seconds"}
        if unknown:
            raise BadFaultOrder(f"unknown: {', '.join(sorted(unknown))}")
        try:
            order = cls(
                rate=float(spec.get("rate", 0.0)),
                kinds=tuple(Fault(kind) for kind in spec.get("kinds", ())),
                seed=int(spec.get("seed", 0)),
                next=tuple(Fault(kind) for kind in spec.get("next", ())),
                methods=frozenset(str(method).upper() for method in spec.get("methods", ())),
                slow_seconds=float(spec.get("slow_seconds", slow_seconds)),
                drip_seconds=float(spec.get("drip_seconds", 0.3)),
            )
        except (TypeError, ValueError) as exc:
            raise BadFaultOrder(str(exc)) from exc
        if not 0.0 <= order.rate <= 1.0:
            raise BadFaultOrder("rate is not between 0 and 1")
        if order.rate > 0 and not order.kinds:
            raise BadFaultOrder("a rate without kinds")
        if order.slow_seconds < 0 or order.drip_seconds < 0:
            raise BadFaultOrder("seconds below 0")
        return order


class FaultPlan:
    """The staged faults of one simulator; every thread draws from it."""

    def __init__(self, *, slow_seconds: float = 8.0) -> None:
        self._lock = threading.Lock()
        self._default_slow = slow_seconds
        self._drawn: Counter[str] = Counter()
        self.stage({})

    def stage(self, spec: Mapping[str, Any]) -> None:
        """Replace what was staged by ``spec``; ``{}`` ends all faults. Raises ``BadFaultOrder``."""
        order = FaultOrder.read(spec, slow_seconds=self._default_slow)
        with self._lock:
            self._order = order
            self._next = list(order.next)
            self._chance = random.Random(order.seed)

    def draw(self, method: str) -> Fault | None:
        """The fault of the next request with ``method``, or none."""
        with self._lock:
            order = self._order
            if order.methods and method not in order.methods:
                return None
            fault = None
            if self._next:
                fault = self._next.pop(0)
            elif order.rate and self._chance.random() < order.rate:
                fault = self._chance.choice(order.kinds)
            if fault:
                self._drawn[fault.value] += 1
            return fault

    @property
    def slow_seconds(self) -> float:
        """How late a slow answer comes."""
        return self._order.slow_seconds

    @property
    def drip_seconds(self) -> float:
        """The pause between two bytes of a dripping answer."""
        return self._order.drip_seconds

    def report(self) -> dict[str, Any]:
        """What is staged and how often each fault was drawn, as JSON."""
        with self._lock:
            return {
                "rate": self._order.rate,
                "kinds": [kind.value for kind in self._order.kinds],
                "next": [kind.value for kind in self._next],
                "methods": sorted(self._order.methods),
                "drawn": dict(sorted(self._drawn.items())),
            }


def reset(line: socket.socket) -> None:
    """End the TCP connection with RST, so that the other side sees a broken line and not an end of file."""
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()
    except OSError:
        pass  # the other side was faster


def drip(send: Callable[[bytes], object], data: bytes, pause: float) -> None:
    """Send ``data`` byte by byte with ``pause`` seconds between; stops silently when the other side has gone."""
    for position in range(len(data)):
        try:
            send(data[position : position + 1])
        except OSError:
            return
        time.sleep(pause)
