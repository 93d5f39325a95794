"""The error tree, named by what the caller must do next (house.md section 5).

    GatewayError
    ├── FromPeer               carries: peer, their code, their text, exchange id
    │   ├── NotAuthentic       signature, key, decryption, clock: nothing enters the desk
    │   ├── NotUnderstood      authentic, but we cannot read it, or a word we do not know
    │   ├── NotDelivered       it certainly did not arrive: send again after a pause
    │   ├── DeliveryUnknown    it may have arrived: ask first
    │   └── Refused            it arrived, was understood and turned down (not a decision)
    ├── FromCaller             the caller can mend it
    │   ├── NotAllowed · NotFound · Invalid(problems) · Conflict
    ├── ActRefused             a person may not, or the act is not in that state: nothing was done
    └── FromUs                 our own fault
        ├── IllegalMove · BadCatalogue · BadSettings · Busy

Must not import anything of ours but ``reasons``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.domain.reasons import FieldCode, Reason

if TYPE_CHECKING:
    from gateway.domain.requests import Hint


class GatewayError(Exception):
    """Root of everything this product raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the content of a request: path like ``form.practice_months``, stable code, Chinese."""

    path: str
    code: FieldCode
    message: str


class FromPeer(GatewayError):
    """Something a peer sent, or did not take."""

    def __init__(self, text: str = "", *, peer: str = "", code: str = "", exchange_id: str = "") -> None:
        super().__init__(text)
        self.peer = peer
        self.code = code
        self.text = text
        self.exchange_id = exchange_id


class NotAuthentic(FromPeer):
    """Refuse before the desk. ``cause`` is for our log and check-request only, never for the caller.

    ``reason`` is ``NOT_AUTHENTIC``, or ``CLOCK`` once the signature holds.
    """

    def __init__(
        self, cause: str, *, hint: Hint | None = None, reason: Reason = Reason.NOT_AUTHENTIC, peer: str = ""
    ) -> None:
        super().__init__(cause, peer=peer)
        self.cause = cause
        self.hint = hint
        self.reason = reason


class NotUnderstood(FromPeer):
    """Authentic, yet unreadable: ``reason`` says which part (envelope, operation, business text, size)."""

    def __init__(
        self,
        cause: str,
        *,
        hint: Hint | None = None,
        reason: Reason = Reason.NOT_UNDERSTOOD,
        peer: str = "",
        code: str = "",
        exchange_id: str = "",
    ) -> None:
        super().__init__(cause, peer=peer, code=code, exchange_id=exchange_id)
        self.cause = cause
        self.hint = hint
        self.reason = reason


class NotDelivered(FromPeer):
    """It certainly did not arrive."""


class DeliveryUnknown(FromPeer):
    """It may have arrived: ask before sending again."""


class Refused(FromPeer):
    """It arrived, was understood, and was turned down: a mistake of ours, not a decision about the case."""


class FromCaller(GatewayError):
    """The caller can mend it."""

    def __init__(self, reason: Reason, *, problems: Sequence[Problem] = (), receipt_no: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.problems = tuple(problems)
        self.receipt_no = receipt_no


class NotAllowed(FromCaller):
    """Known, but not permitted: operation not enrolled, too many requests."""


class NotFound(FromCaller):
    """Missing, or not the caller's: the two are never told apart."""


class Invalid(FromCaller):
    """Content with problems: all of them at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(Reason.INVALID, problems=problems)


class Conflict(FromCaller):
    """The reference is taken by something else, or a second open case exists."""


class ActCode(StrEnum):
    """Why an act was refused; stable, for programs."""

    UNKNOWN_KIND = "UNKNOWN_KIND"
    UNKNOWN_ACT = "UNKNOWN_ACT"
    BAD_PAYLOAD = "BAD_PAYLOAD"
    NOT_SIGNED_IN = "NOT_SIGNED_IN"
    NOT_ALLOWED = "NOT_ALLOWED"
    SAME_PERSON = "SAME_PERSON"
    OWN_MATTER = "OWN_MATTER"
    WRONG_DIGEST = "WRONG_DIGEST"
    WRONG_STATE = "WRONG_STATE"
    EXPIRED = "EXPIRED"


class ActRefused(GatewayError):
    """A person's proposal or approval was turned down: ``code`` for programs, the text for the person."""

    def __init__(self, code: ActCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class FromUs(GatewayError):
    """Our own fault: alarmed, never blamed on the caller."""


class IllegalMove(FromUs):
    """A state and an event that the table of moves does not join."""


class BadCatalogue(FromUs):
    """The catalogue cannot be used; the message names file, line and what to write instead."""


class BadSettings(FromUs):
    """The gateway is half-configured and refuses to start."""


class Busy(FromUs):
    """Nothing was done: the store is away or overloaded; the same request later is right."""


class OutcomeUnknown(FromUs):
    """The commit's outcome is unknown to us: the caller asks, or repeats with the same bank_ref."""


class LeaseLost(FromUs):
    """Another worker holds the row now: drop what was learnt, it will be learnt again."""
