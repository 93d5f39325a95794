"""Raw bytes of one HTTP request, before any framework reads them (measured traps: chunked, cut and repeated bodies).

Must not parse forms: signatures are over what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network

from flask import Request

from gateway.wire.messages import WireRequest

HARD_CAP = 1_048_576  # above it nothing is read (operations.md section 5)


class Turned(Exception):
    """Turned away before anything is read or known: an HTTP status and an empty body."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def read(request: Request, *, received_at: datetime, exchange_id: str, address: str) -> WireRequest:
    """The request as it came. Raises ``Turned`` for bodies without length (411), too large (413) or cut (400)."""
    length = request.content_length
    if length is None or request.headers.get("Transfer-Encoding"):
        raise Turned(411)
    if length > HARD_CAP:
        raise Turned(413)
    body = request.get_data(cache=True, parse_form_data=False)
    if len(body) != length:
        raise Turned(400)
    return WireRequest(
        method=request.method,
        path=request.path,
        query=request.query_string,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        remote_addr=address,
        received_at=received_at,
        exchange_id=exchange_id,
    )


def caller_address(request: Request, trusted_proxies: Sequence[str]) -> str:
    """The caller's address; a forwarded one is believed only from an enrolled proxy, and only its last hop."""
    direct = request.remote_addr or ""
    if not trusted_proxies or not direct:
        return direct
    networks = [ip_network(n) for n in trusted_proxies]
    if not any(ip_address(direct) in n for n in networks):
        return direct
    hops = [h.strip() for h in request.headers.get("X-Forwarded-For", "").split(",") if h.strip()]
    for hop in reversed(hops):
        try:
            if not any(ip_address(hop) in n for n in networks):
                return hop
        except ValueError:
            return direct
    return direct
