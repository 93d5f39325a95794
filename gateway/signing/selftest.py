"""Known answers of every algorithm we use, for ``doctor``: does this machine's library compute what the papers print?

Must not touch our own keys or files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.signing import canon, profiles
from gateway.signing.profiles import Algorithm
from gateway.signing.secret import Secret

_ED25519_PUBLIC = bytes.fromhex(  # RFC 8032 section 7.1, TEST 2, in the frame of RFC 8410
    "302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
)
_ED25519_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
_RSA_PUBLIC = base64.b64decode(  # made with OpenSSL 3.0 over the bytes "abc"; the key is worthless
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuqRYIfsWBXY43UDcD8vY00gbWUQZrPjwP6oR2kFQSMHLW0/AK3+Gss"
    "rNvPfP44e58Vr9U3Q9MHSN1OAx1Rxm2EfiUL4+9GLuyXY3zkLz1exLkSK3znHmRmgbwLvOwu9Wy9nzN5kAgMcsOabUSiPPwI/T"
    "HiVSrelVF4Nn6ZckN9YYVme3xV8ay0/N10RdJ7gP+vF3Y3W/vWzXFtbMV9Av9kP7YPz++rRu5KMjHNrmwVRiSQH0eObmRt/S43"
    "RR4EcQSEKNhLGSquTy7yh0DYkwVwfielJmERWRKmA84ucyziWl169OPUDBt/ge8Q3wQU3hq9qPkflgMIj2ju3HYhxmtwIDAQAB"
)
_RSA_SIGNATURE = base64.b64decode(
    "oajGRQ06tUIrhqI9IgfvuQpKLIQt2T7dltVE2Gg/0wDubJBxEcYVQ8h2cY8QevAn7ij2PjRP1ZVCcyE4UvRax1"
    "oOYv5JoToFld4f782IFiuyGM4+vN2JQ/vf3yWd8EruZlXshYURv8By3353l3tyjf9yLFKqGSKGhh2N5/7IXqgF"
    "lYgCpznM+dbWj+BxKMcka42Wc9RRmegD3m5Mzcfswv2sT1/X99YKZWbECLNhZCqcTBNovjB6wEyEb5n1bonriY"
    "IM8x2NDKb5ngdFkGzTxYmnJI5DNY9rvBJOkTlMAmsKF2fWBxnwA4/yhkZ1pJhRrnfowwgAHu3r7jjVErtuEQ=="
)


def run() -> list[tuple[str, bool, str]]:
    """One line per algorithm: name, whether it holds, what was compared. Raises nothing."""
    return [_judged(name, detail, check) for name, detail, check in _CHECKS]


def _judged(name: str, detail: str, check: Callable[[], bool]) -> tuple[str, bool, str]:
    try:
        return name, check(), detail
    except Exception as error:  # a library that lacks the algorithm is what this is here to find
        return name, False, f"{detail}: {type(error).__name__}"


def _sha256() -> bool:
    return hashlib.sha256(b"abc").hexdigest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def _sm3() -> bool:
    return canon.sm3_hex(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def _rsa() -> bool:
    key = profiles.load_public(Algorithm.RSA_SHA256, _RSA_PUBLIC)
    good = profiles.verify(Algorithm.RSA_SHA256, key, b"abc", _RSA_SIGNATURE)
    return good and not profiles.verify(Algorithm.RSA_SHA256, key, b"abd", _RSA_SIGNATURE)


def _ed25519() -> bool:
    key = profiles.load_public(Algorithm.ED25519, _ED25519_PUBLIC)
    good = profiles.verify(Algorithm.ED25519, key, b"\x72", _ED25519_SIGNATURE)
    return good and not profiles.verify(Algorithm.ED25519, key, b"\x73", _ED25519_SIGNATURE)


def _aes_gcm() -> bool:
    aead = AESGCM(bytes(32))
    sealed = bytes.fromhex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")
    if aead.encrypt(bytes(12), bytes(16), None) != sealed:
        return False
    try:
        aead.decrypt(bytes(12), sealed[:-1] + b"\x18", None)
    except InvalidTag:
        return True
    return False


def _aes_cbc() -> bool:
    sealed = bytes.fromhex(
        "66e94bd4ef8a2c3b884cfa59ca342b2e"
    )  # AES-128 of a zero block under a zero key (FIPS 197 KAT)
    return profiles.aes_cbc_zero_iv_encrypt(bytes(16), bytes(16))[:16] == sealed


def _hmac() -> bool:
    expected = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    return profiles.hmac_sha256(Secret(b"Jefe"), b"what do ya want for nothing?") == expected


_CHECKS: tuple[tuple[str, str, Callable[[], bool]], ...] = (
    ("SHA-256", "FIPS 180-4, abc", _sha256),
    ("SM3", "GB/T 32905-2016 A.1, abc", _sm3),
    ("RSA-2048 SHA-256", "a signature by OpenSSL holds, over another text it does not", _rsa),
    ("Ed25519", "RFC 8032 7.1 TEST 2 holds, over another text it does not", _ed25519),
    ("AES-256-GCM", "McGrew and Viega test case 14, changed tag refused", _aes_gcm),
    ("AES-128-CBC", "zero key and block", _aes_cbc),
    ("HMAC-SHA-256", "RFC 4231 test case 2", _hmac),
)
