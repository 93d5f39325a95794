"""An identity provider (身份提供方) that speaks plain HTTP: a key set, tokens on request, rotation of its keys.

It believes whoever asks it: it stands for the provider's own log-in, which is not ours to build. Its tokens are real.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_MAKERS = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Key:
    """One key pair with its id."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.key_id = secrets.token_hex(6)
        self.private: Any = _MAKERS[algorithm]()

    def jwk(self) -> dict[str, Any]:
        """The public half (RFC 7517)."""
        public = self.private.public_key()
        common = {"kid": self.key_id, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "RS256":
            numbers = public.public_numbers()
            return common | {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        if self.algorithm == "ES256":
            point = public.public_numbers()
            return common | {"kty": "EC", "crv": "P-256", "x": _number(point.x, 32), "y": _number(point.y, 32)}
        return common | {"kty": "OKP", "crv": "Ed25519", "x": _text(public.public_bytes_raw())}


class IdentityProvider:
    """Use as a context manager: it listens on loopback inside the block."""

    def __init__(self, issuer: str, audience: str, *, algorithm: str = "ES256", port: int = 0, life: int = 100) -> None:
        self.issuer, self.audience, self.life = issuer, audience, life
        self.keys = [Key(algorithm)]
        self.asked = 0  # how often the key set was fetched
        self.away = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != "/jwks.json":
                    self._say(404, {})
                    return
                outer.asked += 1
                self._say(503 if outer.away else 200, outer.jwks())

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                if self.path == "/token":
                    self._say(200, {"token": outer.token(**told)})
                elif self.path == "/rotate":
                    outer.rotate()
                    self._say(200, {"keys": [key.key_id for key in outer.keys]})
                else:
                    self._say(404, {})

            def _say(self, status: int, body: Mapping[str, Any]) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> IdentityProvider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def jwks(self) -> dict[str, Any]:
        """The key set, the newest key first."""
        return {"keys": [key.jwk() for key in self.keys]}

    def rotate(self, *, keep: int = 1) -> None:
        """A new key signs; ``keep`` older ones stay in the set."""
        self.keys = [Key(self.keys[0].algorithm), *self.keys[:keep]]

    def token(
        self,
        subject: str = "staff-1",
        roles: list[str] | None = None,
        *,
        outlets: list[str] | None = None,
        second_factor: bool = True,
        at: float | None = None,
        **more: Any,
    ) -> str:
        """A token of this moment; ``more`` replaces claims, ``None`` leaves one out."""
        now = int(time.time() if at is None else at)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "jti": secrets.token_hex(12),
            "iat": now,
            "exp": now + self.life,
            "roles": ["operator"] if roles is None else roles,
        }
        if outlets is not None:
            claims["outlets"] = outlets
        if second_factor:
            claims |= {"amr": ["pwd", "otp"], "auth_time": now}
        claims |= more
        key = self.keys[0]
        told = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(told, key.private, algorithm=key.algorithm, headers={"kid": key.key_id})


def _number(value: int, size: int = 0) -> str:
    return _text(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
