"""Who stands behind an act: a natural person as a token proved, or a command line that proves nobody.

Must not verify a token; who does hands a ``Person`` in. "Another person" is judged by ``natural``, never by a role, an
account or a session: one person with two accounts is one person where both name the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.actor import FRESH_FOR, Actor, Permission
from gateway.domain.errors import ActCode, ActRefused

SKEW = timedelta(seconds=30)  # a provider's clock may be so much ahead of ours


@dataclass(frozen=True, slots=True)
class Person:
    """One who acts. ``natural`` names the natural person, "" when nothing proves one.

    ``actor`` is how the trail names them; ``proven_at`` when they last gave a second factor.
    """

    actor: str
    natural: str
    permissions: frozenset[Permission] = field(default_factory=frozenset)
    proven_at: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        """True when they proved who they are a moment ago."""
        return self.proven_at is not None and now - FRESH_FOR <= self.proven_at <= now + SKEW


def of_actor(actor: Actor) -> Person:
    """A person as the room of people has proven them."""
    return Person(actor.label, actor.label, permissions=actor.permissions, proven_at=actor.second_factor_at)


def of_command_line(operator: str) -> Person:
    """An account of the machine: may propose everything, proves nobody and so approves nothing."""
    return Person(actor=operator, natural="", permissions=frozenset(Permission))


def of_sandbox(name: str, now: datetime) -> Person:
    """A made-up person, for sandbox profiles only: the caller has judged the profile."""
    return Person(actor=f"sandbox:{name}", natural=f"sandbox:{name}", permissions=frozenset(Permission), proven_at=now)


ReadToken = Callable[[str, datetime], Person]
"""Turns a person's token into the person. Raises ``ActRefused(NOT_SIGNED_IN)``."""


def nobody(_token: str, _now: datetime) -> Person:
    """Where nobody signs people in: no token is believed."""
    raise ActRefused(ActCode.NOT_SIGNED_IN, "no identity provider is set up here, so no token proves a person")
