"""Reading a person's token (RFC 7519, 8725): every check there is, one refusal for all of them.

Must not open a session. What is wrong with a token is for our log only; the caller hears that it is not believed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from gateway.domain.actor import Actor, Role
from gateway.domain.clock import Clock
from gateway.people.jwks import Keys
from gateway.people.providers import Provider
from gateway.store import session_rows
from gateway.store.database import Database
from gateway.wire import strict_json

LONGEST = 4096  # characters
SKEW = timedelta(seconds=30)
_NEEDED = ["exp", "iat", "sub", "jti", "iss", "aud"]
_HEADER = {"alg", "kid", "typ"}  # crit, jku, jwk, x5u, cty and every other member is refused: we act on none


class NotBelieved(Exception):
    """The token proves nobody; ``cause`` is a word for our log."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Proven:
    """Whom a token proved, by which provider."""

    actor: Actor
    provider: Provider


class Tokens:
    """Believes tokens of enrolled providers, each once."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        providers: Mapping[str, Provider],
        *,
        outlets: Mapping[str, str],
        clock: Clock,
    ) -> None:
        """``providers`` by issuer; ``outlets``: the bank of each outlet."""
        self._database = database
        self._keys = keys
        self._providers = dict(providers)
        self._outlets = dict(outlets)
        self._clock = clock

    def believe(self, token: str) -> Proven:
        """The person behind a token that was never shown before. Raises ``NotBelieved``, ``Busy``."""
        provider, algorithm, key_id = self._claimed(token)
        key = self._keys.find(provider, key_id, algorithm)
        if key is None:
            raise NotBelieved("key_unknown")
        now = self._clock.now()
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                options={
                    "require": _NEEDED,
                    "verify_aud": False,  # exactly one audience, ours: judged below
                    "verify_exp": False,  # times by our own clock, below
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except PyJWTError as error:
            raise NotBelieved(f"jwt_{type(error).__name__}") from error
        if claims["iss"] != provider.issuer or claims["aud"] not in (provider.audience, [provider.audience]):
            raise NotBelieved("issuer_or_audience")
        ends = _times(claims, now, provider)
        actor = self._actor(provider, claims)
        self._once(provider, claims["jti"], now, ends)
        return Proven(actor, provider)

    def _claimed(self, token: str) -> tuple[Provider, str, str]:
        """Which provider, algorithm and key a token claims; nothing of it is believed yet."""
        if len(token) > LONGEST or not token.isascii() or token.count(".") != 2:
            raise NotBelieved("shape")
        header, claims = (_part(token.split(".")[place]) for place in (0, 1))
        if set(header) - _HEADER or header.get("typ", "JWT") not in ("JWT", "at+jwt"):
            raise NotBelieved("header")
        issuer, key_id, algorithm = claims.get("iss"), header.get("kid"), header.get("alg")
        provider = self._providers.get(issuer) if isinstance(issuer, str) else None
        if provider is None:
            raise NotBelieved("provider_unknown")
        if algorithm not in provider.algorithms or not isinstance(key_id, str) or not 0 < len(key_id) <= 100:
            raise NotBelieved("algorithm_or_key_id")
        return provider, str(algorithm), key_id

    def _actor(self, provider: Provider, claims: Mapping[str, Any]) -> Actor:
        roles, outlets = _words(claims, "roles"), _words(claims, "outlets")
        try:
            wanted = frozenset(Role(name) for name in roles)
        except ValueError as error:
            raise NotBelieved("role_unknown") from error
        if not wanted or not wanted <= provider.roles:
            raise NotBelieved("role_not_enrolled")
        if any(self._outlets.get(outlet) != provider.bank for outlet in outlets):
            raise NotBelieved("outlet_of_another")
        try:
            return Actor(
                subject=_text(claims, "sub", 40),
                provider=provider.code,
                roles=wanted,
                bank=provider.bank,
                outlets=frozenset(outlets) if Role.TELLER in wanted else frozenset(),
                department=provider.department,
                second_factor_at=_second_factor(provider, claims),
            )
        except ValueError as error:
            raise NotBelieved("scope") from error

    def _once(self, provider: Provider, jti: Any, now: datetime, ends: datetime) -> None:
        if not isinstance(jti, str) or not 8 <= len(jti) <= 100:
            raise NotBelieved("jti")
        name = hashlib.sha256(f"{provider.code}\n{jti}".encode()).hexdigest()
        if not self._database.again(lambda tx: session_rows.use_token(tx, name, at=now, until=ends + SKEW)):
            raise NotBelieved("used_before")


def _part(text: str) -> dict[str, Any]:
    try:
        found = strict_json.parse(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), numbers="text", max_depth=4
        )
    except (ValueError, strict_json.NotJson) as error:
        raise NotBelieved("shape") from error
    if not isinstance(found, dict):
        raise NotBelieved("shape")
    return found


def _times(claims: Mapping[str, Any], now: datetime, provider: Provider) -> datetime:
    """When it ends. It has begun, has not ended, and was not made to live longer than its provider may."""
    begun, ends = _moment(claims, "iat"), _moment(claims, "exp")
    starts = _moment(claims, "nbf") if "nbf" in claims else begun
    if not max(begun, starts) - SKEW <= now < ends + SKEW:
        raise NotBelieved("time")
    if not timedelta(0) < ends - begun <= timedelta(seconds=provider.longest):
        raise NotBelieved("lives_too_long")
    return ends


def _second_factor(provider: Provider, claims: Mapping[str, Any]) -> datetime | None:
    if "auth_time" not in claims or not set(_words(claims, "amr")) & provider.second_factor:
        return None
    return _moment(claims, "auth_time")


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**33:
        raise NotBelieved(name)
    return datetime.fromtimestamp(value, UTC)


def _words(claims: Mapping[str, Any], name: str) -> list[str]:
    found = claims.get(name, [])
    if not isinstance(found, list) or len(found) > 20 or not all(isinstance(w, str) and len(w) <= 40 for w in found):
        raise NotBelieved(name)
    return found


def _text(claims: Mapping[str, Any], name: str, most: int) -> str:
    value = claims[name]
    if not isinstance(value, str) or not 0 < len(value) <= most or not all("!" <= c <= "~" for c in value):
        raise NotBelieved(name)
    return value
