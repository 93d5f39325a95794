"""Sessions: opened by a believed token, ended by idleness, by age, by their holder or by the security officer.

Must not know pages or headers. In one process a session is looked up in the store at most once a second; an end is
therefore good at once where it was said and within a second elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.acts.persons import Person, of_actor
from gateway.audit.kinds import EntryKind
from gateway.domain.actor import Actor, Role
from gateway.domain.clock import Clock, read_stamp, stamp
from gateway.domain.errors import ActCode, ActRefused
from gateway.domain.records import EntryDraft
from gateway.people.tokens import NotBelieved, Tokens
from gateway.store import session_rows, trail
from gateway.store.database import Database
from gateway.store.session_rows import SessionRow

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
_LOOK_AGAIN = 1.0  # seconds
_NOTE_SEEN = timedelta(seconds=60)
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session: what its holder carries, what its pages send back, and when it ends at the latest."""

    secret: str
    csrf: str
    actor: Actor
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds."""

    session_id: str
    actor: Actor
    csrf: str
    ends_at: datetime


class Sessions:
    """All sessions; shared by all threads of a process."""

    def __init__(self, database: Database, tokens: Tokens, clock: Clock) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._kept: dict[str, tuple[float, SessionRow]] = {}

    def open(self, token: str, *, address: str) -> Opened:
        """Sign in by a token. Raises ``NotBelieved`` (an entry says why), ``Busy``."""
        now = self._clock.now()
        try:
            proven = self._tokens.believe(token)
        except NotBelieved as error:
            draft = EntryDraft(
                kind=EntryKind.SIGN_IN_REFUSED,
                subject=f"address:{address}"[:64],
                at=now,
                actor="door:staff",
                facts={"cause": error.cause},
            )
            self._database.again(lambda tx: trail.append_loose(tx, [draft]))
            raise
        actor, secret, csrf = proven.actor, secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        row = SessionRow(_id(secret), actor.label, _written(actor), csrf, now, now, now + LONGEST)
        draft = EntryDraft(
            kind=EntryKind.SIGNED_IN,
            subject=_subject(actor.label),
            at=now,
            actor=actor.label,
            facts={"session": row.session_id[:16], "roles": ",".join(sorted(actor.roles)), "address": address or "-"},
        )

        def act(tx: Any) -> None:
            session_rows.insert(tx, row)
            trail.append_loose(tx, [draft])

        self._database.again(act)
        return Opened(secret, csrf, actor, row.ends_at)

    def find(self, secret: str) -> Session | None:
        """The session behind a secret, none when it ended. Notes that its holder was here. Raises ``Busy``."""
        if not 20 <= len(secret) <= 100:
            return None
        session_id, now = _id(secret), self._clock.now()
        row = self._look(session_id)
        if row is None or now >= row.ends_at or now - row.seen_at > IDLE:
            return None
        if now - row.seen_at > _NOTE_SEEN:
            self._database.again(lambda tx: session_rows.seen(tx, session_id, now))
            self._kept.pop(session_id, None)
        return Session(session_id, _read(row, session_id), row.csrf, row.ends_at)

    def end(self, session: Session) -> None:
        """Sign out."""
        self._kept.pop(session.session_id, None)
        self._ended([session.actor.label], session.actor.label, lambda tx: session_rows.end(tx, session.session_id))

    def end_all(self, label: str, *, by: str) -> int:
        """Sign a person out everywhere; returns how many sessions ended."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1].label != label}
        return self._ended([label], by, lambda tx: session_rows.end_all(tx, label))

    def person(self, token: str, now: datetime) -> Person:
        """The person a token proves, without a session: for one command. Raises ``ActRefused(NOT_SIGNED_IN)``."""
        try:
            return of_actor(self._tokens.believe(token).actor)
        except NotBelieved as error:
            raise ActRefused(ActCode.NOT_SIGNED_IN, f"this token proves nobody ({error.cause})") from error

    def _ended(self, labels: list[str], by: str, act: Any) -> int:
        now = self._clock.now()
        drafts = [
            EntryDraft(kind=EntryKind.SIGNED_OUT, subject=_subject(label), at=now, actor=by, facts={})
            for label in labels
        ]

        def write(tx: Any) -> int:
            count = int(act(tx))
            if count:
                trail.append_loose(tx, drafts)
            return count

        return self._database.again(write)

    def _look(self, session_id: str) -> SessionRow | None:
        at, row = self._kept.get(session_id, (float("-inf"), None))
        now = self._clock.monotonic()
        if row is not None and now - at < _LOOK_AGAIN:
            return row
        with self._database.read() as tx:
            found = session_rows.find(tx, session_id)
        if found is None:
            self._kept.pop(session_id, None)
            return None
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[session_id] = (now, found)
        return found


def _id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _subject(label: str) -> str:
    """An entry's subject has 64 characters; a longer label is told apart by its digest."""
    return label if len(label) <= 64 else "person:" + hashlib.sha256(label.encode()).hexdigest()[:40]


def _written(actor: Actor) -> dict[str, Any]:
    return {
        "subject": actor.subject,
        "provider": actor.provider,
        "roles": sorted(actor.roles),
        "bank": actor.bank,
        "outlets": sorted(actor.outlets),
        "department": actor.department,
        "second_factor_at": stamp(actor.second_factor_at) if actor.second_factor_at else "",
    }


def _read(row: SessionRow, session_id: str) -> Actor:
    told, proven = row.actor, row.actor["second_factor_at"]
    return Actor(
        subject=told["subject"],
        provider=told["provider"],
        roles=frozenset(Role(name) for name in told["roles"]),
        bank=told["bank"],
        outlets=frozenset(told["outlets"]),
        department=told["department"],
        second_factor_at=read_stamp(proven) if proven else None,
        token_id=session_id[:16],
    )
