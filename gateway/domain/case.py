"""A case (办件): its states, the one table of moves, and the phases a simple client can act on.

Vocabulary: domain.md section 3.1 with the edges of rules.md 23. ``docs/states.md`` is drawn from
``MOVES``; whether a case was told, sent, parked or asked back are facts beside the state.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.domain.errors import IllegalMove


class CaseState(StrEnum):
    """Where a case stands. The value travels to banks."""

    SUBMITTED = "submitted"  # 收件
    CORRECTION = "correction"  # 补正
    REFUSED_INTAKE = "refused_intake"  # 不予受理
    ACCEPTED = "accepted"  # 受理
    REVIEWING = "reviewing"  # 审查
    SPECIAL = "special"  # 特别程序
    APPROVED = "approved"  # 准予
    DENIED = "denied"  # 不予
    ISSUING = "issuing"  # 制证
    READY = "ready"  # 待领取
    DELIVERED = "delivered"  # 已送达
    RETURNED = "returned"  # 退回
    CLOSED = "closed"  # 办结归档
    WITHDRAWN = "withdrawn"  # 撤回
    LAPSED = "lapsed"  # 逾期未补正
    REVOKED = "revoked"  # 撤销


class CaseEvent(StrEnum):
    """What happened, in the past tense; the value is the ``kind`` banks read (operations.md section 7)."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED_INTAKE = "refused_intake"
    REVIEW_STARTED = "review_started"
    CORRECTION_ASKED = "correction_asked"
    CORRECTED = "corrected"
    SPECIAL_STARTED = "special_started"
    SPECIAL_ENDED = "special_ended"
    APPROVED = "approved"
    DENIED = "denied"
    ISSUING = "issuing"
    READY = "ready"
    DELIVERED = "delivered"
    RETURNED = "returned"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    REVOKED = "revoked"


class Phase(StrEnum):
    """Enough for a client that does not know a state."""

    OPEN = "open"  # moves without the customer
    WAITING = "waiting"  # stands still until the customer acts
    COLLECT = "collect"  # a result waits to be fetched
    ENDED = "ended"


_S, _E = CaseState, CaseEvent

MOVES: dict[tuple[CaseState, CaseEvent], CaseState] = {
    (_S.SUBMITTED, _E.ACCEPTED): _S.ACCEPTED,
    (_S.SUBMITTED, _E.CORRECTION_ASKED): _S.CORRECTION,
    (_S.SUBMITTED, _E.REFUSED_INTAKE): _S.REFUSED_INTAKE,
    (_S.SUBMITTED, _E.WITHDRAWN): _S.WITHDRAWN,
    (_S.SUBMITTED, _E.APPROVED): _S.APPROVED,  # instant items (秒批) have no acceptance step
    (_S.SUBMITTED, _E.DENIED): _S.DENIED,
    (_S.CORRECTION, _E.CORRECTED): _S.SUBMITTED,
    (_S.CORRECTION, _E.WITHDRAWN): _S.WITHDRAWN,
    (_S.CORRECTION, _E.LAPSED): _S.LAPSED,
    (_S.ACCEPTED, _E.REVIEW_STARTED): _S.REVIEWING,
    (_S.ACCEPTED, _E.WITHDRAWN): _S.WITHDRAWN,
    (_S.REVIEWING, _E.SPECIAL_STARTED): _S.SPECIAL,
    (_S.REVIEWING, _E.APPROVED): _S.APPROVED,
    (_S.REVIEWING, _E.DENIED): _S.DENIED,
    (_S.REVIEWING, _E.CORRECTION_ASKED): _S.CORRECTION,
    (_S.REVIEWING, _E.WITHDRAWN): _S.WITHDRAWN,
    (_S.SPECIAL, _E.SPECIAL_ENDED): _S.REVIEWING,
    (_S.SPECIAL, _E.DENIED): _S.DENIED,
    (_S.SPECIAL, _E.WITHDRAWN): _S.WITHDRAWN,
    (_S.APPROVED, _E.ISSUING): _S.ISSUING,
    (_S.APPROVED, _E.CLOSED): _S.CLOSED,
    (_S.APPROVED, _E.REVOKED): _S.REVOKED,
    (_S.DENIED, _E.CLOSED): _S.CLOSED,
    (_S.ISSUING, _E.READY): _S.READY,
    (_S.READY, _E.DELIVERED): _S.DELIVERED,
    (_S.READY, _E.RETURNED): _S.RETURNED,
    (_S.RETURNED, _E.READY): _S.READY,
    (_S.DELIVERED, _E.CLOSED): _S.CLOSED,
    (_S.DELIVERED, _E.REVOKED): _S.REVOKED,
}

STATE_NAMES: dict[CaseState, str] = {
    _S.SUBMITTED: "已收件",
    _S.CORRECTION: "待补正",
    _S.REFUSED_INTAKE: "不予受理",
    _S.ACCEPTED: "已受理",
    _S.REVIEWING: "审查中",
    _S.SPECIAL: "特别程序中",
    _S.APPROVED: "准予",
    _S.DENIED: "不予",
    _S.ISSUING: "制证中",
    _S.READY: "待领取",
    _S.DELIVERED: "已送达",
    _S.RETURNED: "已退回",
    _S.CLOSED: "已办结归档",
    _S.WITHDRAWN: "已撤回",
    _S.LAPSED: "逾期未补正，已终止",
    _S.REVOKED: "已撤销",
}

DECIDED: frozenset[CaseState] = frozenset(
    {_S.APPROVED, _S.DENIED, _S.ISSUING, _S.READY, _S.DELIVERED, _S.RETURNED, _S.CLOSED, _S.REVOKED}
)
ENDED: frozenset[CaseState] = frozenset(
    {_S.REFUSED_INTAKE, _S.DENIED, _S.DELIVERED, _S.CLOSED, _S.WITHDRAWN, _S.LAPSED, _S.REVOKED}
)


def move(state: CaseState, event: CaseEvent) -> CaseState:
    """The state after ``event``.

    Raises ``IllegalMove`` for every pair that is not in ``MOVES``.
    """
    try:
        return MOVES[state, event]
    except KeyError:
        raise IllegalMove(f"{event} cannot happen to a case that is {state}") from None


def way(state: CaseState, event: CaseEvent) -> tuple[CaseEvent, ...]:
    """The events to record so that ``event`` can happen: itself, or first the silent steps before it.

    Departments skip steps they find obvious: a decision may arrive for a case we still call accepted, or
    right out of a special procedure. The law's order (domain.md 3.1) is kept by recording the review in
    between. Raises ``IllegalMove`` when no such way exists.
    """
    if (state, event) in MOVES:
        return (event,)
    for bridge in _BRIDGES.get(state, ()):
        between = MOVES[state, bridge]
        if (between, event) in MOVES:
            return (bridge, event)
    raise IllegalMove(f"{event} cannot happen to a case that is {state}")


_BRIDGES: dict[CaseState, tuple[CaseEvent, ...]] = {
    _S.SUBMITTED: (_E.ACCEPTED,),
    _S.ACCEPTED: (_E.REVIEW_STARTED,),
    _S.SPECIAL: (_E.SPECIAL_ENDED,),
    _S.APPROVED: (_E.ISSUING,),
}


def phase(state: CaseState, *, result_follows: bool = False) -> Phase:
    """What a client that does not know ``state`` may act on.

    ``result_follows``: an approved case still has a paper or certificate to come.
    """
    if state is _S.CORRECTION:
        return Phase.WAITING
    if state is _S.READY:
        return Phase.COLLECT
    if state is _S.APPROVED:
        return Phase.OPEN if result_follows else Phase.ENDED
    return Phase.ENDED if state in ENDED else Phase.OPEN
