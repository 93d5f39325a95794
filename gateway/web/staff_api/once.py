"""Every POST carries ``Idempotency-Key``: the same request again hears the same answer and nothing is done twice.

Must not do anything itself. A process may die between the act and the keeping of its answer; therefore every act gets
``turn_id()``, made of caller and key, and its own service is asked to be idempotent by it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from gateway.signing.vault import Vault
from gateway.store import once
from gateway.store.database import Database
from gateway.web.staff_api.problems import KEY_MISSING, KEY_REUSED, NOT_KEPT, STILL_RUNNING, Problem
from gateway.wire.strict_json import NotJson, parse

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[A-Za-z0-9._:-]{8,80}")
_View = TypeVar("_View", bound=Callable[..., Any])
Who = Callable[[], str]  # the stable label of the actor that asks


class Once:
    """Guards the POSTs of one interface."""

    def __init__(self, database: Database, vault: Vault, *, who: Who) -> None:
        self._database = database
        self._vault = vault
        self._who = who

    def __call__(self, view: _View) -> _View:
        """Guard ``view``; its answer is kept, sealed."""
        return self._guard(view, keep=True)

    def not_kept(self, view: _View) -> _View:
        """Guard ``view``; its answer holds what must not be stored, a repeat is told that it was done."""
        return self._guard(view, keep=False)

    def _guard(self, view: _View, *, keep: bool) -> _View:
        @wraps(view)
        def guarded(*args: Any, **named: Any) -> Any:
            who, key = self._who(), _key()
            turn = once.begin(self._database, self._vault, who=who, key=key, digest=_digest())
            if not isinstance(turn, once.Mine):
                return _say(turn)
            g.turn_id = hashlib.sha256(f"{who}\n{key}".encode()).hexdigest()[:32]
            names = {"who": who, "key": key}
            try:
                response = cast(Response, view(*args, **named))
            except HTTPException as refusal:
                if (refusal.code or 500) < 500:
                    once.let_go(self._database, turn, **names)
                raise
            if response.status_code < 400:
                body = response.get_data() if keep else None
                once.keep(self._database, self._vault, turn, **names, status=response.status_code, body=body)
            elif response.status_code < 500:
                once.let_go(self._database, turn, **names)
            return response

        return cast(_View, guarded)


def turn_id() -> str:
    """32 hex characters that are the same for every try of this request, and for no other."""
    return str(g.turn_id)


def _key() -> str:
    key = request.headers.get(HEADER, "")
    if not _KEY.fullmatch(key):
        raise Problem(KEY_MISSING, "请求头 Idempotency-Key 须为 8 至 80 位字母、数字或 . _ : -")
    return key


def _digest() -> str:
    content = request.get_data()
    with suppress(NotJson):  # what is none is refused later; until then its bytes stand for it
        # the same members in another order are the same request
        content = json.dumps(parse(content, numbers="text"), sort_keys=True).encode()
    told = f"{request.method}\n{request.full_path}\n".encode()
    return "sha256:" + hashlib.sha256(told + content).hexdigest()


def _say(turn: once.Done | once.Running | once.Reused) -> Response:
    if isinstance(turn, once.Running):
        raise Problem(STILL_RUNNING, headers={"Retry-After": "2"})
    if isinstance(turn, once.Reused):
        raise Problem(KEY_REUSED)
    if turn.body is None:
        raise Problem(NOT_KEPT)
    response = Response(turn.body, status=turn.status, mimetype="application/json")
    response.headers["Idempotency-Replayed"] = "true"
    response.headers["Cache-Control"] = "no-store"
    return response
