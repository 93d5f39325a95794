"""Our own signing keys: one file each, read once, newest valid one signs.

Must not hold anybody else's key and never hands a private key out: only ``sign``. Loading an RSA key checks it, which
takes 40 ms, so it happens once per process.

A file is called ``<purpose>.<yyyymmddThhmmssZ>.pem`` (PKCS#8 PEM, valid from that UTC moment, 0600). Purposes:
``receipt`` and ``checkpoint`` (Ed25519), ``answer-<bank>`` (RSA with SHA-256) and ``answer-<bank>-sha1`` (RSA with
SHA-1, for answers to clients that can verify nothing else). Rotation: add a file with a later moment, keep the old one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.domain.errors import BadSettings, FromUs
from gateway.signing import profiles
from gateway.signing.profiles import Algorithm, PrivateKey

_NAME = re.compile(r"(?P<purpose>receipt|checkpoint|answer-[a-z0-9]+(?:-sha1)?)\.(?P<since>\d{8}T\d{6}Z)\.pem")
_MOMENT = "%Y%m%dT%H%M%SZ"
_ED25519_DER_HEAD = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the 32 bytes

# SHA-256 over the public DER of keys whose private half is printed somewhere: RFC 8032 section 7.1 (its five Ed25519
# keys) and our own files under tests/vectors.
PUBLISHED: frozenset[str] = frozenset(
    {
        "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9",
        "deb2ded39dc26fce0e6085b6fc34bf6b5941913bbfe2ea614113cff9e004c170",
        "8d39ba50abe50f77b6bb8ae7b6927aff7ffbeba35ad2837c0e51e82bcbcc60d5",
        "e4f982b51ad0bdd87be820b259fe80337ef636e72b9fa7a8867a6949eb610fd6",
        "e77db4a9572e9f6552c22bc751d5499ad218a73bdf7e15dc6ea0fc69246a44de",
        "5a7dad62f508b96602372f5adb70ef7d9a9a326f6aaaeab8d84e8cd324352cec",
        "7663d771088537ecc0ecaad6152028c4668adf1bf1a97e6a1ce8620d7f9828b3",
        "5fd0702dc77b490dc64330b49a6628026f26ff7ebf01b310a09feaf20a3797bb",
    }
)


class KeyAway(FromUs):
    """No key of ours signs for this purpose at this moment."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of our keys: ``sign`` takes the message and gives the raw signature; ``public_der`` is for the others."""

    purpose: str
    key_id: str
    algorithm: str
    public_der: bytes
    valid_from: datetime
    sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037). Raises ``ValueError`` for other kinds than Ed25519."""
        if self.algorithm != Algorithm.ED25519:
            raise ValueError(f"no JWK for {self.algorithm}")
        raw = self.public_der.removeprefix(_ED25519_DER_HEAD)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.key_id, "alg": "EdDSA", "use": "sig"}


class KeyRing:
    """Our keys by purpose, newest first."""

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self._keys: dict[str, tuple[SigningKey, ...]] = {}
        for key in sorted(keys, key=lambda k: k.valid_from, reverse=True):
            self._keys[key.purpose] = (*self._keys.get(key.purpose, ()), key)

    @classmethod
    def load(cls, directory: Path, *, allow_published: bool = False) -> KeyRing:
        """All keys of a directory; files that do not end in ``.pem`` are not looked at.

        Raises ``BadSettings``: missing directory, file open to others, bad name, unreadable, weak or published key.
        """
        if not directory.is_dir():
            raise BadSettings(f"no key directory {directory}; make one with: python -m gateway init")
        paths = sorted(directory.glob("*.pem"))
        return cls(_read_key(path, allow_published=allow_published) for path in paths)

    @property
    def purposes(self) -> tuple[str, ...]:
        """What there are keys for."""
        return tuple(sorted(self._keys))

    def signer(self, purpose: str, at: datetime) -> SigningKey:
        """The newest key valid at ``at``. Raises ``KeyAway``."""
        for key in self._keys.get(purpose, ()):
            if key.valid_from <= at:
                return key
        raise KeyAway(f"no key for {purpose} at {at.isoformat()}")

    def publics(self, purpose: str) -> tuple[SigningKey, ...]:
        """Every key ever used for ``purpose``, newest first, also those not valid yet; empty if there is none."""
        return self._keys.get(purpose, ())

    def jwks(self, purpose: str) -> dict[str, list[dict[str, str]]]:
        """The public halves as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [key.jwk() for key in self.publics(purpose)]}


def algorithm_of(purpose: str) -> Algorithm:
    """What a purpose signs with: fixed here, so no file or message can change it."""
    if not purpose.startswith("answer-"):
        return Algorithm.ED25519
    return Algorithm.RSA_SHA1 if purpose.endswith("-sha1") else Algorithm.RSA_SHA256


def signing_key(purpose: str, private_key: PrivateKey, valid_from: datetime) -> SigningKey:
    """A key made from its private half. Raises ``BadSettings`` if it does not fit the purpose or is weak."""
    algorithm = algorithm_of(purpose)
    public_der = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    profiles.load_public(algorithm, public_der)  # kind and size
    return SigningKey(
        purpose=purpose,
        key_id=key_id_of(purpose, public_der),
        algorithm=algorithm,
        public_der=public_der,
        valid_from=valid_from,
        sign=partial(profiles.sign, algorithm, private_key),
    )


def key_id_of(purpose: str, public_der: bytes) -> str:
    """``receipt-0123456789abcdef``: the purpose and the head of the public key's SHA-256."""
    return f"{purpose}-{hashlib.sha256(public_der).hexdigest()[:16]}"


def is_published(public_der: bytes) -> bool:
    """True for a key whose private half anybody can read: worthless outside tests and the demo."""
    return hashlib.sha256(public_der).hexdigest() in PUBLISHED


def read_private_file(path: Path) -> bytes:
    """The bytes of a file only its owner may read. Raises ``BadSettings`` saying what to do."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise BadSettings(f"{path} is open to others (mode {mode:04o}); do: chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from None


def write_private_file(path: Path, content: bytes) -> None:
    """A new file for its owner only. Raises ``BadSettings`` if there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadSettings(f"cannot make {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_keys(
    directory: Path, banks: Iterable[str], *, sha1_banks: Iterable[str] = (), valid_from: datetime | None = None
) -> tuple[str, ...]:
    """First keys: receipt, checkpoint, one answer key per bank (and one for SHA-1 answers where asked).

    Returns the new key ids. Raises ``BadSettings`` if the directory holds any key: nothing is overwritten.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.glob("*.pem")):
        raise BadSettings(f"{directory} already holds keys; add one with: gateway keys add")
    purposes = ["receipt", "checkpoint", *(f"answer-{bank}" for bank in banks)]
    purposes += [f"answer-{bank}-sha1" for bank in sha1_banks]
    moment = valid_from or datetime.now(UTC)
    return tuple(add_key(directory, purpose, valid_from=moment) for purpose in purposes)


def add_key(directory: Path, purpose: str, *, valid_from: datetime) -> str:
    """One more key for a purpose, signing from ``valid_from`` on; returns its id. Raises ``BadSettings``."""
    moment = valid_from.astimezone(UTC).replace(microsecond=0)
    name = f"{purpose}.{moment.strftime(_MOMENT)}.pem"
    if not _NAME.fullmatch(name):
        raise BadSettings(f"no key purpose {purpose!r}; write receipt, checkpoint, answer-<bank> or answer-<bank>-sha1")
    private_key: PrivateKey
    if algorithm_of(purpose) is Algorithm.ED25519:
        private_key = ed25519.Ed25519PrivateKey.generate()
    else:
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    write_private_file(directory / name, private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return signing_key(purpose, private_key, moment).key_id


def _read_key(path: Path, *, allow_published: bool) -> SigningKey:
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise BadSettings(f"{path} is no name of a key; write <purpose>.<yyyymmddThhmmssZ>.pem")
    try:
        valid_from = datetime.strptime(name["since"], _MOMENT).replace(tzinfo=UTC)
        private_key = load_pem_private_key(read_private_file(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadSettings(f"{path} holds no unencrypted PKCS#8 private key, or its moment is no date") from None
    if not isinstance(private_key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise BadSettings(f"{path} holds a kind of key that nothing here signs with")
    try:
        key = signing_key(name["purpose"], private_key, valid_from)
    except BadSettings as error:
        raise BadSettings(f"{path}: {error}") from None
    if not allow_published and is_published(key.public_der):
        raise BadSettings(f"{path} is a published test key; anybody can sign with it. Make one with: gateway keys add")
    return key
