"""Public keys as people hand them over: PEM, DER, or a certificate. Must not judge strength; ``profiles`` does."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from gateway.domain.errors import BadSettings


def public_der(content: bytes) -> bytes:
    """The key as DER SubjectPublicKeyInfo. Raises ``BadSettings`` for anything that is not a public key."""
    try:
        if b"BEGIN CERTIFICATE" in content:
            return _der(x509.load_pem_x509_certificate(content).public_key())
        return _der(load_pem_public_key(content) if b"-----BEGIN" in content else load_der_public_key(content))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSettings("the file holds no public key; write PEM, DER or a certificate") from error


def _der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(der: bytes) -> str:
    """The same key as PEM text, as people hand it on."""
    return load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
