"""What ICBC's clients sign, and what we sign for them (bank-protocols.md 1).

Must not decode: the text to sign is put together from the bytes as they came. Key and algorithm come from the
enrolment; ``sign_type`` is only compared with it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime

from gateway.contracts.bank import Client, ClientKey
from gateway.domain.errors import BadSettings
from gateway.signing import profiles
from gateway.signing.profiles import Algorithm

_SIGN_TYPES: dict[bytes, Algorithm] = {
    b"": Algorithm.RSA_SHA1,  # absent means RSA, and RSA means SHA-1
    b"RSA": Algorithm.RSA_SHA1,
    b"RSA2": Algorithm.RSA_SHA256,
}
_BYTES = 256  # of a signature by RSA-2048
_VERIFICATIONS = 2  # so many for every refused message, whoever sent it: two keys overlap during a rotation


def text_to_sign(path: bytes, parameters: Mapping[bytes, bytes]) -> bytes:
    """``path?name=value&…``: every parameter but ``sign``, sorted by name, values neither escaped nor decoded."""
    return (
        path + b"?" + b"&".join(b"%b=%b" % (name, parameters[name]) for name in sorted(parameters) if name != b"sign")
    )


def verifying_key(
    client: Client | None, at: datetime, *, sign_type: bytes, text: bytes, signature: bytes
) -> tuple[ClientKey | None, str]:
    """The enrolled key the signature holds under; else ``None`` and the cause for our log.

    Takes as long for a stranger as for an enrolled client with a bad signature.
    """
    decoded = strict_base64(signature)
    algorithm = _SIGN_TYPES.get(sign_type)
    keys: tuple[ClientKey, ...] = ()
    cause = "unknown_client"
    if client is not None:
        valid = client.verify_keys(at)
        enrolled = algorithm is not None and algorithm in client.algorithms
        keys = tuple(key for key in valid if key.algorithm == algorithm) if enrolled else ()
        cause = "wrong_key" if keys else ("stale_key" if enrolled and not valid else "weak_algorithm")
    tried = 0
    if decoded is not None:
        for key in keys:
            tried += len(decoded) == _BYTES  # another length fails at once and takes no time
            if _holds(key, text, decoded):
                return key, ""
    for _ in range(_VERIFICATIONS - tried):
        profiles.spend_verification(text, decoded if decoded and len(decoded) == _BYTES else bytes(_BYTES))
    return None, "bad_base64" if keys and decoded is None else cause


def strict_base64(text: bytes) -> bytes | None:
    """The bytes, or ``None`` unless ``text`` is the one standard form: padding, no line breaks, no stray bits."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return decoded if base64.b64encode(decoded) == text else None


def _holds(key: ClientKey, text: bytes, signature: bytes) -> bool:
    try:
        public = profiles.load_public(key.algorithm, key.material)
    except BadSettings:
        return False  # an unusable enrolment verifies nothing; enrolment itself refuses such keys
    return profiles.verify(key.algorithm, public, text, signature)
