"""Who asks, and may they: the one gate of the staff interface. What a route does not name is denied.

Must not look at cases. A program carries its session as ``Authorization: Bearer``; a page as a ``__Host-`` cookie, and
sends the session's token back in a header with everything that changes something (OWASP ASVS 3.4, 4.2).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import structlog
from flask import Response, g, request

from gateway.audit.kinds import EntryKind
from gateway.domain.actor import Actor, Permission
from gateway.domain.clock import Clock
from gateway.domain.records import EntryDraft
from gateway.people.sessions import Opened, Session, Sessions
from gateway.store import trail
from gateway.store.database import Database
from gateway.web.staff_api.problems import FRESH_SIGN_IN, NOT_ALLOWED, SIGN_IN, Problem

COOKIE = "__Host-session"
CSRF_HEADER = "X-CSRF-Token"
_MARK = "_gate"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_View = TypeVar("_View", bound=Callable[..., Any])
_log = structlog.get_logger("web.gate")


class Gate:
    """Judges every request of the interface before its route runs."""

    def __init__(self, sessions: Sessions, database: Database, clock: Clock) -> None:
        self._sessions = sessions
        self._database = database
        self._clock = clock

    def judge(self, view: Callable[..., Any] | None) -> None:
        """Let the request through to ``view`` or raise ``Problem``. A view without a mark is open to nobody."""
        wanted = getattr(view, _MARK, None)
        if wanted is None:
            raise Problem(NOT_ALLOWED)
        if wanted.anybody:
            return
        session = self._session()
        g.session = session
        with structlog.contextvars.bound_contextvars(person=session.actor.label):
            self._permit(session.actor, wanted)

    def _permit(self, actor: Actor, wanted: _Wanted) -> None:
        if wanted.permission is not None and not actor.may(wanted.permission):
            self._note(actor, wanted.permission)
            raise Problem(NOT_ALLOWED)
        if wanted.fresh and not actor.is_fresh(self._clock.now()):
            raise Problem(FRESH_SIGN_IN)

    def _session(self) -> Session:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        by_cookie = not secret
        if by_cookie:
            secret = request.cookies.get(COOKIE, "")
        elif scheme.lower() != "bearer":
            raise Problem(SIGN_IN)
        session = self._sessions.find(secret)
        if session is None:
            raise Problem(SIGN_IN)
        if by_cookie and request.method not in _SAFE:
            told = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(told.encode(), session.csrf.encode()):
                raise Problem(SIGN_IN, "缺少或不符的 X-CSRF-Token")
        return session

    def _note(self, actor: Actor, permission: Permission) -> None:
        draft = EntryDraft(
            kind=EntryKind.NOT_PERMITTED,
            subject=f"permission:{permission}",
            at=self._clock.now(),
            actor=actor.label,
            facts={"permission": permission.value, "route": (request.endpoint or "-")[:100]},
        )
        self._database.again(lambda tx: trail.append_loose(tx, [draft]))


class _Wanted:
    """What a route asks of its caller."""

    __slots__ = ("anybody", "fresh", "permission")

    def __init__(self, permission: Permission | None, *, fresh: bool = False, anybody: bool = False) -> None:
        self.permission = permission
        self.fresh = fresh
        self.anybody = anybody


def needs(permission: Permission, *, fresh: bool = False) -> Callable[[_View], _View]:
    """The route is for who holds ``permission``; ``fresh``: with a second factor of the last minutes. Outermost."""
    return _marked(_Wanted(permission, fresh=fresh))


def signed_in(view: _View) -> _View:
    """The route is for everybody who is signed in: it shows only what is their own."""
    return _marked(_Wanted(None))(view)


def open_to_all(view: _View) -> _View:
    """The route is for everybody: the sign-in itself, and the description."""
    return _marked(_Wanted(None, anybody=True))(view)


def _marked(wanted: _Wanted) -> Callable[[_View], _View]:
    def mark(view: _View) -> _View:
        @wraps(view)
        def marked(*args: Any, **named: Any) -> Any:
            return view(*args, **named)

        setattr(marked, _MARK, wanted)
        return cast(_View, marked)

    return mark


def is_marked(view: Callable[..., Any]) -> bool:
    """True when a route says who it is for."""
    return hasattr(view, _MARK)


def me() -> Actor:
    """Who asks; only behind the gate."""
    return cast(Session, g.session).actor


def with_cookie(response: Response, opened: Opened) -> Response:
    """Give a page its session: this host only, this path, no script, no other site (RFC 6265bis ``__Host-``)."""
    response.set_cookie(COOKIE, opened.secret, path="/", secure=True, httponly=True, samesite="Strict")
    return response


def without_cookie(response: Response) -> Response:
    """Take it back."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
    return response
