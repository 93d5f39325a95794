"""What rests in our tables, sealed: one data key per case, wrapped by a key-encryption key (rules.md 31).

Must not know what it seals. AES-256-GCM everywhere; the place (``table:row:column``) and the key's id are associated
data, so a value copied to another row or column does not open. Erasing a case is deleting its wrapped data key.

Forms, version byte first: wrapped ``01 | n | kek id (n) | data key id (8) | nonce (12) | ciphertext``, sealed under a
data key ``02 | nonce | ciphertext``, sealed directly ``03 | n | kek id (n) | nonce | ciphertext``.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.errors import BadSettings, FromUs
from gateway.signing.keys import read_private_file, write_private_file
from gateway.signing.secret import Secret

_WRAPPED: Final = b"\x01"
_UNDER_DATA_KEY: Final = b"\x02"
_DIRECT: Final = b"\x03"
_NONCE = 12
_KEY_BYTES = 32
_DATA_KEY_ID = 8
_NONCES_AT = _KEY_BYTES + _DATA_KEY_ID
_ID_BYTES = range(1, 33)


class NotOpened(FromUs):
    """Sealed for another place, under another key, or changed since: never anything plain."""


class DataKey:
    """The key of one case. ``wrapped`` is what is stored; the key itself never leaves this object."""

    __slots__ = ("_aead", "_key_id", "_nonces", "wrapped")

    def __init__(self, key: bytes, key_id: bytes, wrapped: bytes, *, nonces: bytes = b"") -> None:
        """``nonces``: fresh chance for the first seals; afterwards each seal draws its own."""
        self._aead = AESGCM(key)
        self._key_id = key_id
        self._nonces = [nonces[at : at + _NONCE] for at in range(0, len(nonces), _NONCE)]
        self.wrapped = wrapped

    def seal(self, plain: bytes, place: str) -> bytes:
        """``plain`` for this place (``table:row:column``) and no other."""
        try:
            nonce = self._nonces.pop()  # taken out before it is used: no two seals share one
        except IndexError:
            nonce = os.urandom(_NONCE)
        return _UNDER_DATA_KEY + nonce + self._aead.encrypt(nonce, plain, self._key_id + place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The plain bytes. Raises ``NotOpened``."""
        if sealed[:1] != _UNDER_DATA_KEY:
            raise NotOpened("not sealed under a data key")
        return _opened(self._aead, sealed[1:], self._key_id + place.encode())

    def __repr__(self) -> str:
        return "DataKey(***)"


class Vault:
    """The key-encryption keys by id, the current one, and the keys of the search hashes."""

    __slots__ = ("_direct", "_index_id", "_indexes", "_kek_id", "_keks")

    def __init__(
        self,
        kek: Secret,
        kek_id: str,
        *,
        index_key: Secret,
        index_id: str = "i1",
        older_keks: Mapping[str, Secret] | None = None,
        older_indexes: Mapping[str, Secret] | None = None,
    ) -> None:
        """``kek`` and ``index_key`` of 32 bytes are the current ones; older ones still open and still find.

        Raises ``BadSettings`` for another length or an unusable id.
        """
        keks = {kek_id: kek, **{i: k for i, k in (older_keks or {}).items() if i != kek_id}}
        self._indexes = {index_id: index_key, **{i: k for i, k in (older_indexes or {}).items() if i != index_id}}
        for key_id, key in (*keks.items(), *self._indexes.items()):
            if len(key_id) not in _ID_BYTES or not key_id.isascii() or ":" in key_id:
                raise BadSettings(f"vault key id {key_id!r}: 1 to 32 ASCII characters without a colon")
            if len(key.reveal()) != _KEY_BYTES:
                raise BadSettings(f"vault key {key_id!r} must have 32 bytes")
        self._kek_id = kek_id
        self._index_id = index_id
        self._keks = {i.encode(): AESGCM(k.reveal()) for i, k in keks.items()}
        self._direct = {
            i.encode(): AESGCM(hmac.digest(k.reveal(), b"gateway vault: rows without a case", "sha256"))
            for i, k in keks.items()
        }

    @classmethod
    def load(cls, path: Path) -> Vault:
        """From the file ``make_vault`` writes, 0600. Raises ``BadSettings``."""
        raw = read_private_file(path)
        try:
            content = json.loads(raw)
            keks = {i: Secret(base64.b64decode(k, validate=True)) for i, k in content["keks"].items()}
            indexes = {i: Secret(base64.b64decode(k, validate=True)) for i, k in content["indexes"].items()}
            kek_id, index_id = content["kek"], content["index"]
            return cls(
                keks[kek_id],
                kek_id,
                index_key=indexes[index_id],
                index_id=index_id,
                older_keks=keks,
                older_indexes=indexes,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BadSettings(f"{path} is no vault file; make one with: python -m gateway init") from None

    @property
    def kek_id(self) -> str:
        """The key-encryption key new things are wrapped with."""
        return self._kek_id

    @property
    def index_id(self) -> str:
        """The key new search hashes are made with."""
        return self._index_id

    def new_data_key(self) -> DataKey:
        """A fresh key for a new case, already wrapped."""
        # One draw: every draw lets another thread take the interpreter, and a new case seals four columns at once.
        drawn = os.urandom(_KEY_BYTES + _DATA_KEY_ID + 5 * _NONCE)
        key, key_id, nonces = drawn[:_KEY_BYTES], drawn[_KEY_BYTES:_NONCES_AT], drawn[_NONCES_AT:]
        return DataKey(key, key_id, self._wrap(key, key_id, nonces[:_NONCE]), nonces=nonces[_NONCE:])

    def unwrap(self, wrapped: bytes) -> DataKey:
        """The data key of a case. Raises ``NotOpened``."""
        key, key_id = self._unwrapped(wrapped)
        return DataKey(key, key_id, wrapped)

    def needs_rewrap(self, wrapped: bytes) -> bool:
        """True when another than the current key-encryption key wraps it, or seals it directly."""
        return _key_id_of(wrapped)[0] != self._kek_id.encode()

    def rewrap(self, wrapped: bytes) -> bytes:
        """The same data key under the current key-encryption key; what it sealed still opens. Raises ``NotOpened``."""
        return self._wrap(*self._unwrapped(wrapped), os.urandom(_NONCE))

    def seal(self, plain: bytes, place: str) -> bytes:
        """For rows without a case (messages, exchanges), under a key derived from the current key-encryption key."""
        kek_id = self._kek_id.encode()
        nonce = os.urandom(_NONCE)
        head = _DIRECT + bytes([len(kek_id)]) + kek_id
        return head + nonce + self._direct[kek_id].encrypt(nonce, plain, head + place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The plain bytes of ``seal``. Raises ``NotOpened``."""
        kek_id, rest = _key_id_of(sealed)
        aead = self._direct.get(kek_id)
        if sealed[:1] != _DIRECT or aead is None:
            raise NotOpened("not sealed by a key of this vault")
        return _opened(aead, rest, sealed[: 2 + len(kek_id)] + place.encode())

    def search_hash(self, kind: str, number: str) -> str:
        """``i1:`` and 64 hex digits: finds a number without keeping it. The caller normalises ``number`` before."""
        return self._search_hash(self._index_id, kind, number)

    def search_hashes(self, kind: str, number: str) -> tuple[str, ...]:
        """The hash under every index key, current first: what to look for while old rows are being reindexed."""
        return tuple(self._search_hash(index_id, kind, number) for index_id in self._indexes)

    def _search_hash(self, index_id: str, kind: str, number: str) -> str:
        data = f"{kind}\x00{number}".encode()
        return f"{index_id}:{hmac.digest(self._indexes[index_id].reveal(), data, 'sha256').hex()}"

    def _wrap(self, key: bytes, key_id: bytes, nonce: bytes) -> bytes:
        kek_id = self._kek_id.encode()
        head = _WRAPPED + bytes([len(kek_id)]) + kek_id + key_id
        return head + nonce + self._keks[kek_id].encrypt(nonce, key, head)

    def _unwrapped(self, wrapped: bytes) -> tuple[bytes, bytes]:
        kek_id, rest = _key_id_of(wrapped)
        aead = self._keks.get(kek_id)
        if wrapped[:1] != _WRAPPED or aead is None:
            raise NotOpened("not wrapped by a key of this vault")
        head = wrapped[: 2 + len(kek_id) + _DATA_KEY_ID]
        return _opened(aead, rest[_DATA_KEY_ID:], head), rest[:_DATA_KEY_ID]

    def __repr__(self) -> str:
        return f"Vault(kek_id={self._kek_id!r})"


def make_vault(path: Path) -> None:
    """A new vault file with fresh keys, 0600. Raises ``BadSettings`` if there is one already: it is irreplaceable."""
    kek_id = f"kek-{os.urandom(4).hex()}"
    content = {
        "kek": kek_id,
        "keks": {kek_id: base64.b64encode(os.urandom(_KEY_BYTES)).decode()},
        "index": "i1",
        "indexes": {"i1": base64.b64encode(os.urandom(_KEY_BYTES)).decode()},
    }
    write_private_file(path, json.dumps(content, indent=1).encode() + b"\n")


def _key_id_of(blob: bytes) -> tuple[bytes, bytes]:
    """The id after the version byte and what follows it; empty where there is none."""
    end = 2 + (blob[1] if len(blob) > 1 else 0)
    return blob[2:end], blob[end:]


def _opened(aead: AESGCM, nonce_and_sealed: bytes, associated: bytes) -> bytes:
    try:
        return aead.decrypt(nonce_and_sealed[:_NONCE], nonce_and_sealed[_NONCE:], associated)
    except (InvalidTag, ValueError):
        raise NotOpened("sealed for another place or key, or changed") from None
