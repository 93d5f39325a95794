"""Hangs the interface into the application: routes, gate, errors, ETags. Must not hold a route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from gateway.domain.errors import ActCode, ActRefused, BadSettings, Busy, GatewayError, NotFound
from gateway.store.database import new_id
from gateway.web.staff_api import interface
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.gate import Gate
from gateway.web.staff_api.problems import (
    BUSY,
    CONFLICT,
    FRESH_SIGN_IN,
    INTERNAL,
    INVALID,
    NOT_ALLOWED,
    NOT_FOUND,
    Fault,
    Kind,
    Problem,
    respond,
)

_log = structlog.get_logger("web.staff")
_OF_ACT: dict[ActCode, tuple[Kind, str]] = {
    ActCode.UNKNOWN_KIND: (INVALID, "没有这种复核事项"),
    ActCode.UNKNOWN_ACT: (NOT_FOUND, ""),
    ActCode.NOT_SIGNED_IN: (FRESH_SIGN_IN, ""),
    ActCode.NOT_ALLOWED: (NOT_ALLOWED, ""),
    ActCode.SAME_PERSON: (CONFLICT, "须由另一人处理：提出人不能自行复核，同一人也只算一次"),
    ActCode.OWN_MATTER: (CONFLICT, "事关本人，须由他人复核"),
    ActCode.WRONG_DIGEST: (CONFLICT, "摘要与现有内容不符，请重新查看后再复核"),
    ActCode.WRONG_STATE: (CONFLICT, "此事项已有结论"),
    ActCode.EXPIRED: (CONFLICT, "此事项已过期，请重新提出"),
}


def hang(app: Flask, gate: Gate, groups: list[Callable[[], StaffBlueprint]]) -> interface.StaffInterface:
    """Add the interface to the application; every path below its prefix is judged and answered by its own rules."""
    api = interface.make(app)
    for made in groups:
        api.register_blueprint(made())
    app.register_blueprint(interface.docs())

    @app.before_request
    def judge() -> None:
        if _ours() and request.endpoint is not None and not _is_description(request.endpoint):
            gate.judge(current_app.view_functions.get(request.endpoint))

    @app.after_request
    def finish(response: Response) -> Response:
        if not _ours():
            return response
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.method == "GET" and response.status_code == 200 and response.mimetype == "application/json":
            response.headers["Cache-Control"] = "private, no-cache"
            response.add_etag()
            response.make_conditional(request)
        return response

    return api


def answer(error: Exception) -> Response | None:
    """The problem for an exception on a path of this interface; none for the other paths."""
    if not _ours():
        return None
    if isinstance(error, HTTPException):
        return interface.StaffInterface.answer_error(error)
    return respond(_problem(error))


def _problem(error: Exception) -> Problem:
    if isinstance(error, NotFound):
        return Problem(NOT_FOUND)
    if isinstance(error, ActRefused):
        if error.code is ActCode.BAD_PAYLOAD:
            return Problem(INVALID, faults=[Fault("body.payload", str(error)[:200])])
        kind, detail = _OF_ACT[error.code]
        return Problem(kind, detail)
    if isinstance(error, BadSettings):  # what a service says about the thing that was named
        return Problem(CONFLICT, str(error)[:400])
    if isinstance(error, Busy):
        return Problem(BUSY, headers={"Retry-After": "2"})
    fault = new_id()[-8:].upper()
    _log.error("staff.failed", fault=fault, error=type(error).__name__, exc_info=error)
    return Problem(INTERNAL, fault_id=fault)


def _ours() -> bool:
    return request.path.startswith(interface.PREFIX + "/")


def _is_description(endpoint: str) -> bool:
    """What describes the interface says nothing about anybody."""
    return endpoint.startswith(("staff-api-docs.", "staff-docs."))


ERRORS: tuple[Any, ...] = (HTTPException, GatewayError, 500)
