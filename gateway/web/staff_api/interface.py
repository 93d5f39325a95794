"""The interface as a whole: description, error answers, the page that shows the description without the internet.

Must not hold a route of the business; they stand in modules of their own and are registered here.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files
from typing import Any

from flask import Blueprint, Flask, Response, send_from_directory
from flask_smorest import Api
from flask_smorest.utils import prepare_response
from werkzeug.exceptions import HTTPException

from gateway.web.staff_api.fields import Body, Many, Part, Text, Whole
from gateway.web.staff_api.problems import KINDS, MEDIA_TYPE, respond

PREFIX = "/staff/api/v1"
_CONFIG = "STAFF"
_CSP = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
_PAGE = """<!doctype html>
<html lang="zh-Hans"><head><meta charset="utf-8"><title>工作人员接口</title>
<link rel="stylesheet" href="assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="assets/swagger-ui-bundle.js"></script>
<script src="start.js"></script></body></html>
"""
_START = 'SwaggerUIBundle({url: "../openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});\n'
_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")


class FaultOut(Body):
    """One thing wrong."""

    path = Text(most=200, required=True, metadata={"description": "哪一处，如 body.reason、query.limit"})
    message = Text(most=200, required=True)


class ProblemOut(Body):
    """RFC 9457 problem details."""

    type = Text(most=80, required=True)
    title = Text(most=80, required=True)
    status = Whole(least=400, most=599, required=True)
    code = Text(most=40, required=True, metadata={"enum": sorted({kind.code for kind in KINDS})})
    instance = Text(most=400, required=True)
    detail = Text(most=400)
    fault = Text(most=40, metadata={"description": "出错编号，运维据此查找"})
    errors = Many(Part(FaultOut))


class StaffInterface(Api):  # type: ignore[misc]  # the library ships no types
    """flask-smorest with our problems in place of its errors."""

    ERROR_SCHEMA = ProblemOut

    def _register_responses(self) -> None:
        """Every error answer is a problem, also by its media type."""
        told = [(status.name, status.phrase, not_empty(status)) for status in HTTPStatus]
        for name, phrase, has_body in [*told, ("DEFAULT_ERROR", "Default error response", True)]:
            response: dict[str, Any] = {"description": phrase, **({"schema": ProblemOut} if has_body else {})}
            prepare_response(response, self.spec, MEDIA_TYPE)
            self.spec.components.response(name, response, lazy=True)

    def _register_error_handlers(self) -> None:
        """None here: the application asks ``answer_error`` for paths of this interface only."""

    @staticmethod
    def answer_error(error: Exception) -> Response:
        """The problem for an exception on a path of this interface."""
        return respond(error if isinstance(error, HTTPException) else HTTPException())


def not_empty(status: HTTPStatus) -> bool:
    """True when an answer of this status has a body."""
    return status >= 200 and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


def make(app: Flask) -> StaffInterface:
    """The interface, described but without routes. Call once for an application."""
    app.config[f"{_CONFIG}_API_TITLE"] = "银行网点政务网关 · 工作人员接口"
    app.config[f"{_CONFIG}_API_VERSION"] = "v1"
    app.config[f"{_CONFIG}_OPENAPI_VERSION"] = "3.0.3"
    app.config[f"{_CONFIG}_OPENAPI_URL_PREFIX"] = PREFIX
    return StaffInterface(app, config_prefix=_CONFIG, spec_kwargs={"security": [{"token": []}, {"session": []}]})


def docs() -> Blueprint:
    """The page that shows the description: only files of our own package's, none from outside."""
    pages = Blueprint("staff-docs", __name__, url_prefix=f"{PREFIX}/docs")
    folder = str(files("flask_swagger_ui").joinpath("dist"))

    def answer(body: str, mimetype: str) -> Response:
        response = Response(body, mimetype=mimetype)
        return _strict(response)

    def page() -> Response:
        return answer(_PAGE, "text/html")

    def start() -> Response:
        return answer(_START, "text/javascript")

    def asset(name: str) -> Any:
        return _strict(send_from_directory(folder, name, max_age=86_400))

    pages.add_url_rule("/", "page", page)
    pages.add_url_rule("/start.js", "start", start)
    pages.add_url_rule(f"/assets/<any({', '.join(repr(name) for name in _ASSETS)}):name>", "asset", asset)
    return pages


def _strict(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
