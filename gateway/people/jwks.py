"""A provider's public keys, fetched through the courier and kept; rotation is met by an unknown key id (rules.md 35).

Must not trust a key for anything but its own provider, and must not be driven by callers: a made-up key id makes us ask
at most once a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from gateway.contracts.backend import Line
from gateway.domain.clock import Clock
from gateway.domain.errors import FromPeer
from gateway.people.providers import ALGORITHMS, Provider
from gateway.wire import strict_json
from gateway.wire.messages import OutboundRequest

_ASK_EVERY = 60.0  # seconds between two questions to one provider
_KEPT_FOR = 3600.0  # seconds: a key that its provider has taken away is gone after this at the latest
_MOST_KEYS = 20
_LEAST_RSA_BITS = 2048
_log = structlog.get_logger("people.jwks")


class Keys:
    """Keys of all providers; shared by all threads."""

    def __init__(self, line: Callable[[str], Line], clock: Clock) -> None:
        """``line``: the courier's way to a provider by its code."""
        self._line = line
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._got: dict[str, tuple[float, Mapping[tuple[str, str], PyJWK]]] = {}

    def find(self, provider: Provider, key_id: str, algorithm: str) -> PyJWK | None:
        """The provider's key of this id for this algorithm; none when it has none, or cannot be asked now."""
        found = self._kept(provider, key_id, algorithm)
        if found is not None:
            return found
        with self._lock:
            found = self._kept(provider, key_id, algorithm)
            now = self._clock.monotonic()
            if found is not None or now - self._asked.get(provider.code, float("-inf")) < _ASK_EVERY:
                return found
            self._asked[provider.code] = now
            self._ask(provider, now)
        return self._kept(provider, key_id, algorithm)

    def _kept(self, provider: Provider, key_id: str, algorithm: str) -> PyJWK | None:
        at, keys = self._got.get(provider.code, (float("-inf"), {}))
        return keys.get((key_id, algorithm)) if self._clock.monotonic() - at < _KEPT_FOR else None

    def _ask(self, provider: Provider, now: float) -> None:
        request = OutboundRequest(
            "GET", provider.jwks_path, {"accept": "application/json"}, purpose="jwks", writes=False
        )
        try:
            answer = self._line(provider.code).send(request)
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            self._got[provider.code] = (now, _read(provider, answer.body))
        except (FromPeer, ValueError) as error:
            _log.warning("jwks.not_read", provider=provider.code, error=type(error).__name__)


def _read(provider: Provider, body: bytes) -> dict[tuple[str, str], PyJWK]:
    """Keys by id and algorithm; those we have no use for are left out. Raises ``ValueError`` for what is no key set."""
    told = strict_json.parse(body, numbers="text")
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no key set")
    found: dict[tuple[str, str], PyJWK] = {}
    for jwk in listed[:_MOST_KEYS]:
        for algorithm in provider.algorithms:
            if _fits(jwk, algorithm):
                try:
                    found[(jwk["kid"], algorithm)] = PyJWK.from_dict(jwk, algorithm=algorithm)
                except (PyJWTError, ValueError, TypeError) as error:
                    _log.warning("jwks.bad_key", provider=provider.code, error=type(error).__name__)
    return found


def _fits(jwk: Any, algorithm: str) -> bool:
    """A signature key of the one kind its algorithm is bound to: a public RSA key is never the secret of an HMAC."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or "d" in jwk or "k" in jwk:
        return False
    if jwk.get("kty") != ALGORITHMS[algorithm] or jwk.get("use", "sig") != "sig":
        return False
    if jwk.get("alg", algorithm) != algorithm:
        return False
    if algorithm == "RS256":
        modulus = jwk.get("n")
        return isinstance(modulus, str) and len(modulus) * 6 >= _LEAST_RSA_BITS
    return bool(jwk.get("crv") == ("P-256" if algorithm == "ES256" else "Ed25519"))
