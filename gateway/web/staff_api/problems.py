"""Problems as RFC 9457 tells them: a stable code, a Chinese title, and where the request is at fault.

Must not tell more than the caller may know: what is missing and what is another's are one problem, and nothing of an
exception's text leaves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: HTTP status, stable code, what a person reads."""

    status: int
    code: str
    title: str

    @property
    def uri(self) -> str:
        """The problem's ``type`` (RFC 9457 section 3.1.1): a name, not an address to look up."""
        return f"urn:ft-gov:problem:{self.code.lower().replace('_', '-')}"


MALFORMED = Kind(400, "MALFORMED", "请求格式有误，不是可读的 JSON")
KEY_MISSING = Kind(400, "KEY_MISSING", "缺少请求头 Idempotency-Key，或其格式不对")
SIGN_IN = Kind(401, "SIGN_IN", "请先登录")
FRESH_SIGN_IN = Kind(401, "FRESH_SIGN_IN", "此操作需要重新做双因素认证")
NOT_ALLOWED = Kind(403, "NOT_ALLOWED", "您的岗位没有此项权限")
NOT_FOUND = Kind(404, "NOT_FOUND", "没有找到，或不在您的权限范围内")
NO_METHOD = Kind(405, "NO_METHOD", "此地址不支持这种请求方法")
NOT_ACCEPTABLE = Kind(406, "NOT_ACCEPTABLE", "只能以 JSON 回答")
CONFLICT = Kind(409, "CONFLICT", "与当前状态冲突，没有执行")
STILL_RUNNING = Kind(409, "STILL_RUNNING", "同一请求正在处理，请稍后用同一个 Idempotency-Key 再试")
NOT_KEPT = Kind(409, "NOT_KEPT", "同一请求已经执行过，结果不保留，请换新的 Idempotency-Key")
CHANGED = Kind(412, "CHANGED", "内容已被他人更改，请重新读取后再提交")
TOO_LARGE = Kind(413, "TOO_LARGE", "请求内容过大")
WRONG_TYPE = Kind(415, "WRONG_TYPE", "请求内容须为 application/json")
INVALID = Kind(422, "INVALID", "请求内容有误，请按提示更正")
KEY_REUSED = Kind(422, "KEY_REUSED", "此 Idempotency-Key 已用于另一内容的请求")
NEEDS_MATCH = Kind(428, "NEEDS_MATCH", "缺少请求头 If-Match，请先读取再提交")
TOO_MANY = Kind(429, "TOO_MANY", "请求过于频繁，请稍后再试")
INTERNAL = Kind(500, "INTERNAL", "系统出错，请把编号告诉运维人员")
BUSY = Kind(503, "BUSY", "系统繁忙，请稍后用同一个 Idempotency-Key 再试")

KINDS: tuple[Kind, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
_OF_STATUS: dict[int, Kind] = {kind.status: kind for kind in reversed(KINDS)}  # the first of a status speaks for it


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: where (``body.reason``, ``query.limit``) and what to do, in Chinese."""

    path: str
    message: str


class Problem(HTTPException):
    """Raise to answer with a problem. ``detail``: one Chinese sentence of this case; ``faults``: all of them."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        fault_id: str = "",
    ) -> None:
        super().__init__(description=kind.title)
        self.code = kind.status
        self.kind = kind
        self.detail = detail
        self.faults = tuple(faults)
        self.more_headers = dict(headers or {})
        self.fault_id = fault_id

    def get_response(self, environ: Any = None, scope: Any = None) -> Response:
        """The answer itself."""
        return respond(self)


def respond(error: HTTPException) -> Response:
    """The problem an exception stands for, as a response. Of foreign exceptions only the status is told."""
    problem = error if isinstance(error, Problem) else _told(error)
    body: dict[str, Any] = {
        "type": problem.kind.uri,
        "title": problem.kind.title,
        "status": problem.kind.status,
        "code": problem.kind.code,
        "instance": request.path,
    }
    if problem.detail:
        body["detail"] = problem.detail
    if problem.fault_id:
        body["fault"] = problem.fault_id
    if problem.faults:
        body["errors"] = [{"path": fault.path, "message": fault.message} for fault in problem.faults]
    response = Response(json.dumps(body, ensure_ascii=False), status=problem.kind.status, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    for name, value in problem.more_headers.items():
        response.headers[name] = value
    return response


def _told(error: HTTPException) -> Problem:
    kind = _OF_STATUS.get(error.code or 500, INTERNAL)
    data = getattr(error, "data", None) or {}
    headers: dict[str, str] = {}
    methods = getattr(error, "valid_methods", None)
    if methods:
        headers["Allow"] = ", ".join(sorted(methods))
    return Problem(kind, faults=faults_of(data.get("messages", {})), headers=headers)


_PLACES = {"json": "body", "query": "query", "headers": "header", "json_or_form": "body", "path": "path"}


def faults_of(messages: object, path: str = "") -> list[Fault]:
    """What the schemas found, flat: ``{"json": {"reason": ["…"]}}`` → ``body.reason: …``."""
    if isinstance(messages, Mapping):
        found: list[Fault] = []
        for name, inner in messages.items():
            step = _PLACES.get(str(name), str(name)) if not path else str(name)
            if step == "_schema":
                found += faults_of(inner, path)
            else:
                found += faults_of(inner, f"{path}[{step}]" if isinstance(name, int) else f"{path}.{step}".lstrip("."))
        return found
    if isinstance(messages, list | tuple):
        return [fault for inner in messages for fault in faults_of(inner, path)]
    return [Fault(path or "body", str(messages))]
