"""The named algorithms: who verifies with what, and the few symmetric ones. Wrong input is False, never a traceback.

Must not choose an algorithm from a message: the name always comes from the enrolment of the caller. SHA-1 is here only
for callers enrolled for it (rules.md 34); MD5 is not here at all.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.domain.errors import BadSettings, GatewayError
from gateway.signing.secret import Secret

RSA_BITS = range(2048, 8193)  # below is weak, above is a way to burn our time
AES_KEY_BYTES = (16, 24, 32)

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Algorithm(StrEnum):
    """Names as they stand in enrolments and key rings."""

    RSA_SHA256 = "rsa-sha256"
    RSA_SHA1 = "rsa-sha1"
    ED25519 = "ed25519"


WEAK: frozenset[str] = frozenset({Algorithm.RSA_SHA1})
"""Taken only with a reason, an end date and enrolled addresses (rules.md 34)."""

_RSA_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    Algorithm.RSA_SHA256: hashes.SHA256(),
    Algorithm.RSA_SHA1: hashes.SHA1(),  # noqa: S303 - see the head of the file
}
_PKCS1 = padding.PKCS1v15()


class NotDeciphered(GatewayError):
    """Key, length, padding: the one failure of decryption, its parts not told apart."""


@lru_cache(maxsize=2048)
def load_public(algorithm: str, der: bytes) -> PublicKey:
    """The key object of a public key in X.509 DER, for ``verify``; parsed once per key.

    Raises ``BadSettings``: unknown algorithm, unreadable key, key of another kind, RSA below 2048 bits.
    """
    require_known(algorithm)
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadSettings("not a public key in X.509 DER form") from None
    if algorithm in _RSA_DIGESTS and isinstance(key, rsa.RSAPublicKey):
        require_size(key.key_size)
        return key
    if algorithm == Algorithm.ED25519 and isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise BadSettings(f"the public key is not one for {algorithm}")


def require_known(algorithm: str) -> None:
    """Raises ``BadSettings`` for a name that is not in ``Algorithm``."""
    if algorithm not in _RSA_DIGESTS and algorithm != Algorithm.ED25519:
        raise BadSettings(f"unknown signature algorithm {algorithm!r}; write one of {', '.join(Algorithm)}")


def require_size(bits: int) -> None:
    """Raises ``BadSettings`` for an RSA key outside 2048 to 8192 bits."""
    if bits not in RSA_BITS:
        raise BadSettings(f"RSA key of {bits} bits; 2048 to 8192 are taken")


def verify(algorithm: str, public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    """True when ``signature`` is good. Unknown algorithm, other kind of key and garbage are False; raises nothing."""
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            digest = _RSA_DIGESTS.get(algorithm)
            if digest is None:
                return False
            public_key.verify(signature, message, _PKCS1, digest)
            return True
        if algorithm == Algorithm.ED25519 and isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(signature, message)
            return True
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return False


def sign(algorithm: str, private_key: PrivateKey, message: bytes) -> bytes:
    """The signature: PKCS#1 v1.5 for RSA, 64 bytes for Ed25519. Raises ``BadSettings`` if name and key do not fit."""
    if isinstance(private_key, rsa.RSAPrivateKey):
        digest = _RSA_DIGESTS.get(algorithm)
        if digest is not None:
            return private_key.sign(message, _PKCS1, digest)
    elif algorithm == Algorithm.ED25519:
        return private_key.sign(message)
    raise BadSettings(f"the private key is not one for {algorithm}")


def spend_verification(message: bytes, signature: bytes) -> None:
    """As long as one RSA-2048 verification, for callers we have no key of: time must not tell who is enrolled."""
    verify(Algorithm.RSA_SHA256, _nobody(), message, signature)


@lru_cache(maxsize=1)
def _nobody() -> rsa.RSAPublicKey:
    """A 2048-bit modulus out of SHA-512, so nobody knows its factors and nothing verifies under it."""
    stretch = b"".join(hashlib.sha512(b"nobody's key %d" % part).digest() for part in range(4))
    modulus = int.from_bytes(stretch, "big") | 1 | 1 << 2047
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


def hmac_sha256(secret: Secret, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), 32 bytes."""
    return hmac.digest(secret.reveal(), data, "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Equality in a time that does not tell where they differ."""
    return hmac.compare_digest(left, right)


def aes_cbc_zero_iv_encrypt(key: bytes, plain: bytes) -> bytes:
    """AES-CBC with PKCS#7 and an IV of zeros: only where a house protocol prescribes it, and only under a signature.

    ``key`` of 16, 24 or 32 bytes. Raises ``BadSettings`` for another length.
    """
    padder = PKCS7(128).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = _aes_cbc_zero_iv(key).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def aes_cbc_zero_iv_decrypt(key: bytes, sealed: bytes) -> bytes:
    """The plain bytes. Raises ``NotDeciphered`` for whatever is wrong with the ciphertext."""
    try:
        decryptor = _aes_cbc_zero_iv(key).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except (ValueError, TypeError, BadSettings):
        raise NotDeciphered("cannot be deciphered") from None


def _aes_cbc_zero_iv(key: bytes) -> Cipher[modes.CBC]:
    if len(key) not in AES_KEY_BYTES:
        raise BadSettings(f"AES key of {len(key)} bytes; 16, 24 or 32 are taken")
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))
