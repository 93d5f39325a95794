"""Keys of clients as enrolled: checked before they are believed. Must not write rows."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_network

from gateway.contracts.bank import ClientKey
from gateway.domain.errors import BadSettings
from gateway.signing.profiles import load_public


def verification_key(
    algorithm: str, der: bytes, valid_from: datetime, valid_until: datetime | None = None
) -> ClientKey:
    """A public key that verifies requests. Raises ``BadSettings`` for an unknown algorithm or a weak key."""
    load_public(algorithm, der)
    return ClientKey(
        key_id=hashlib.sha256(der).hexdigest()[:16],
        use="verify",
        algorithm=algorithm,
        material=der,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def cipher_key(text: str, valid_from: datetime) -> ClientKey:
    """A shared AES key from its base64 text. Raises ``BadSettings`` unless it is 16, 24 or 32 bytes."""
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise BadSettings("the cipher key file must hold base64") from error
    if len(raw) not in (16, 24, 32):
        raise BadSettings("the cipher key must have 16, 24 or 32 bytes")
    return ClientKey(
        key_id=hashlib.sha256(b"cipher" + raw).hexdigest()[:16],
        use="cipher",
        algorithm="aes-cbc",
        material=raw,
        valid_from=valid_from,
    )


def checked_networks(given: Iterable[str]) -> tuple[str, ...]:
    """Networks a client must call from, as written. Raises ``BadSettings`` for one that lets nobody in."""
    networks = tuple(given)
    for text in networks:
        try:
            ip_network(text)
        except ValueError as error:
            raise BadSettings(f"address: {error}; write a network such as 10.2.0.0/24") from None
    return networks


def options_of(given: Iterable[str]) -> dict[str, str]:
    """Options of a bank's dialect from ``name=value`` texts. Raises ``BadSettings``."""
    pairs = [text.partition("=") for text in given]
    if not all(name and equals for name, equals, _ in pairs):
        raise BadSettings("an option of the dialect is written NAME=VALUE")
    return {name: value for name, _, value in pairs}
