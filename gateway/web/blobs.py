"""The neutral door for bytes: ``PUT`` and ``GET /blobs/<ticket>`` (operations.md 2.5).

Must not hold a body in memory, look into it, or say why a ticket is not good: unknown, used, expired and wrong address
are one answer. Answers are unsigned: what counts was signed when the ticket was asked for.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from flask import Blueprint, Request, Response, request
from werkzeug.exceptions import HTTPException

from gateway.domain.errors import Busy, FromCaller, OutcomeUnknown
from gateway.domain.reasons import TABLE, Reason
from gateway.materials.blobs import Blobs, Outcome
from gateway.materials.limits import EXTENSIONS, LARGEST
from gateway.parties.limits import Buckets
from gateway.store.database import new_id
from gateway.web.inbound import caller_address

_SILENCE = 30.0  # seconds a caller may be silent in the middle of a body
_log = structlog.get_logger("web.blobs")


class BlobDoor:
    """Takes and gives files, a few at a time, so that slow ones leave threads for the banks' messages."""

    def __init__(self, blobs: Blobs, *, addresses: Buckets, places: int, trusted_proxies: Sequence[str] = ()) -> None:
        self._blobs = blobs
        self._addresses = addresses
        self._trusted = tuple(trusted_proxies)
        self._places = threading.BoundedSemaphore(max(1, places))

    def put(self, ticket: str) -> Response:
        """Take one file."""
        address = caller_address(request, self._trusted)
        if not self._addresses.take(address):
            return _say(Reason.TOO_MANY)
        length = request.content_length
        if length is None or request.headers.get("Transfer-Encoding"):
            return _say(Reason.BLOB_TOO_LARGE, status=411)
        return self._guarded(lambda: self._take(ticket, length, address))

    def get(self, ticket: str) -> Response:
        """Give one file, once."""
        address = caller_address(request, self._trusted)
        if not self._addresses.take(address):
            return _say(Reason.TOO_MANY)
        if request.method != "GET":  # a look that would use the ticket up
            return _say(Reason.TICKET_UNKNOWN)
        return self._guarded(lambda: self._fetch(ticket, address))

    def _take(self, ticket: str, length: int, address: str) -> Response:
        if not self._places.acquire(blocking=False):
            return _say(Reason.BUSY)
        try:
            with _impatient(request):
                outcome = self._blobs.take(
                    ticket, _Body(request), length=length, address=address, media_type=request.mimetype
                )
        finally:
            self._places.release()
        return _say(Reason.OK, status=201 if outcome is Outcome.TAKEN else 200)

    def _fetch(self, ticket: str, address: str) -> Response:
        opened = self._blobs.fetch(ticket, address=address)
        response = Response(opened.pieces, content_type=opened.type)
        response.content_length = opened.size
        name = f"{opened.blob_id}.{EXTENSIONS.get(opened.type, 'bin')}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "no-store"
        return response

    def _guarded(self, act: Any) -> Response:
        try:
            answer: Response = act()
        except FromCaller as error:
            return _say(error.reason)
        except OutcomeUnknown:
            _log.exception("blob.outcome_unknown")
            return _say(Reason.RESULT_UNKNOWN)
        except Busy as error:
            _log.warning("blob.busy", error=str(error))
            return _say(Reason.BUSY)
        except Exception as error:
            fault = new_id()[-8:].upper()
            _log.error("blob.failed", fault=fault, error=type(error).__name__, exc_info=True)
            return _say(Reason.INTERNAL, fault=fault)
        return answer


class _Body:
    """The body as a source of bytes; a line that breaks is an end that came too early."""

    def __init__(self, of: Request) -> None:
        of.max_content_length = LARGEST + 1  # the doors of the banks have a far smaller one
        self._request = of

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end. Raises ``OSError`` when the line breaks or falls silent."""
        try:
            return self._request.stream.read(size)
        except HTTPException as error:  # the framework's word for a caller that went away
            raise ConnectionError(str(error)) from error


@contextmanager
def _impatient(of: Request) -> Any:
    """Let reads of a silent line fail, where the server lends us its socket; on failure it stays so, to be closed."""
    line = of.environ.get("gunicorn.socket")
    if not isinstance(line, socket.socket):
        yield
        return
    before = line.gettimeout()
    line.settimeout(_SILENCE)
    yield
    with suppress(OSError):
        line.settimeout(before)


def _say(reason: Reason, *, status: int = 0, fault: str = "") -> Response:
    message = reason.message + (f"（故障编号{fault}）" if fault else "")
    body = json.dumps({"reason": reason.value, "message": message}, ensure_ascii=False)
    response = Response(body, status=status or TABLE[reason].http, content_type="application/json; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def blueprint(door: BlobDoor) -> Blueprint:
    """``PUT`` and ``GET /blobs/<ticket>``; whatever else is asked below it is an unknown ticket."""
    blobs = Blueprint("blobs", __name__)
    for method, view in (("PUT", door.put), ("GET", door.get)):
        blobs.add_url_rule(
            "/blobs/<path:ticket>",
            endpoint=method.lower(),
            view_func=view,
            methods=[method],
            provide_automatic_options=False,
        )
    return blobs
