"""What a lane may claim right now: cap, bucket, breaker with a half-open probe (rules.md 18).

The lane's row is the truth, so limits hold across processes. Must not talk to peers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.dispatch.policy import RAMP, breaker_opens_for, ramp_rate
from gateway.store import switches, work
from gateway.store.database import Tx, micros

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """How many rows may be claimed; ``probe`` means exactly one, to see whether the peer is back."""

    rows: int
    probe: bool = False


def room(tx: Tx, lane: str, *, wish: int, lease: timedelta) -> Room:
    """How much of ``wish`` the lane grants; takes the tokens and marks the probe in this transaction."""
    state = work.lock_lane(tx, lane)
    if state is None:
        return Room(0)
    now = micros(tx.now())
    closed, reopened = switches.lane_closure(tx, lane, ended_within=RAMP)
    if closed:
        return Room(0)
    if state.open_until > now or state.probing_until > now:
        return Room(0)
    if state.open_until:  # it was open and its time is over: one probe
        work.Lanes.probing(tx, lane, lease)
        return Room(1, probe=True)
    granted = min(wish, state.cap - work.live(tx, lane))
    rate = state.rate if reopened is None else ramp_rate(reopened, state.rate)
    if rate and granted > 0:
        granted = _from_bucket(tx, lane, replace(state, rate=rate), granted, now)
    return Room(max(0, granted))


def _from_bucket(tx: Tx, lane: str, state: work.LaneState, wish: int, now: int) -> int:
    full = state.rate * 1000  # one second's worth, in thousandths
    since = (now - state.refilled_at) if state.refilled_at else _SECOND
    tokens = min(full, state.tokens + since * state.rate * 1000 // _SECOND)
    granted = min(wish, tokens // 1000)
    work.Lanes.take_tokens(tx, lane, tokens=tokens - granted * 1000, refilled_at=now)
    return int(granted)


def failed(tx: Tx, lane: str) -> None:
    """One more failure in a row of this lane's peer; those under way when the breaker opened count as one."""
    state = work.lock_lane(tx, lane)
    if state is None or state.open_until > micros(tx.now()):
        return
    failures = state.failures + 1
    work.Lanes.failed(tx, lane, failures=failures, open_for=breaker_opens_for(failures))
