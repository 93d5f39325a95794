"""Health, readiness, metrics and the public receipt keys. Must not show anything about cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.domain.errors import GatewayError
from gateway.signing.keys import KeyRing
from gateway.telemetry import Metrics


def blueprint(
    *,
    metrics: Metrics,
    keys: KeyRing,
    ready: Callable[[], str],
    refresh: Callable[[], None],
    networks: Sequence[str],
) -> Blueprint:
    """``/healthz``, ``/readyz``, ``/metrics``, ``/keys/receipts``.

    ``ready`` says what is wrong, "" when nothing; ``networks`` may read the numbers, for everyone else there are none.
    """
    ops = Blueprint("ops", __name__)
    allowed = [ip_network(n) for n in networks]

    @ops.get("/healthz")
    def healthz() -> Response:
        """This process answers."""
        return Response("ok\n", mimetype="text/plain")

    @ops.get("/readyz")
    def readyz() -> Response:
        """This process can take work: database, schema and keys are there."""
        try:
            wrong = ready()
        except Exception as error:  # a probe wants a word, whatever is broken
            wrong = type(error).__name__
        return Response(f"{wrong or 'ready'}\n", status=503 if wrong else 200, mimetype="text/plain")

    @ops.get("/metrics")
    def numbers() -> Response:
        """Prometheus text."""
        if not any(ip_address(request.remote_addr or "0.0.0.0") in n for n in allowed):  # noqa: S104 no address of ours
            return Response(status=404)
        try:
            refresh()
        except GatewayError:
            metrics.work.clear()  # old counts would look like present ones
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

    @ops.get("/keys/receipts")
    def receipt_keys() -> Response:
        """Every receipt key ever used, as a JSON Web Key Set (RFC 7517)."""
        body = json.dumps(keys.jwks("receipt"), sort_keys=True)
        return Response(body, mimetype="application/json")

    return ops
