"""A checkpoint: the log's size and root at a moment, signed; one canonical JSON line, format v1.

Must not hold a key or read a clock: signing is a callable, the moment is handed in. v1 is final; what v1 cannot say
needs a new ``v``. A later witness signs the whole line, ``sig`` included, and keeps its signature in a file of its
own, so witnesses never change this line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.clock import stamp
from gateway.domain.errors import FromUs

DOMAIN = b"ft-gov checkpoint v1\n"  # so that no other signature of this key can pass for a checkpoint
MAX_BYTES = 1_024

Sign = Callable[[bytes], bytes]  # Ed25519: message to 64 bytes

_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
_AT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}\+08:00"
_FORM = re.compile(
    rf'\{{"at":"{_AT}","key":"{_ID}","log":"{_ID}","root":"[0-9a-f]{{64}}","sig":"[0-9a-f]{{128}}",'
    r'"size":"(?:0|[1-9][0-9]{0,14})","v":"1"\}'
)
_ID_FORM = re.compile(_ID)


class BadCheckpoint(FromUs):
    """Not a checkpoint of format v1."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first ``size`` entries of ``log`` had this ``root`` (64 hex) at ``at`` (ms, +08:00); ``sig`` is 128 hex."""

    log: str
    size: int
    root: str
    at: str
    key: str
    sig: str
    v: str = "1"

    def signed_bytes(self) -> bytes:
        """What ``sig`` is taken over: the domain line, then the canonical line without ``sig``."""
        return DOMAIN + (
            f'{{"at":"{self.at}","key":"{self.key}","log":"{self.log}","root":"{self.root}",'
            f'"size":"{self.size}","v":"{self.v}"}}'
        ).encode("ascii")

    def line(self) -> bytes:
        """The canonical line, RFC 8785, without line end."""
        return (
            f'{{"at":"{self.at}","key":"{self.key}","log":"{self.log}","root":"{self.root}","sig":"{self.sig}",'
            f'"size":"{self.size}","v":"{self.v}"}}'
        ).encode("ascii")


def sign_checkpoint(log: str, size: int, *, root: bytes, at: datetime, key: str, sign: Sign) -> Checkpoint:
    """A signed checkpoint. ``root`` is 32 bytes, ``at`` aware, ``key`` the id of the key behind ``sign``.

    Raises ``BadCheckpoint`` when a member or the signature is not of format v1.
    """
    if at.tzinfo is None or _ID_FORM.fullmatch(log) is None or _ID_FORM.fullmatch(key) is None:
        raise BadCheckpoint("time without zone, or an id not of the form of format v1")
    if not 0 <= size < 10**15 or len(root) != 32:
        raise BadCheckpoint("size or root not of the form of format v1")
    bare = Checkpoint(log=log, size=size, root=root.hex(), at=stamp(at), key=key, sig="")
    signed = Checkpoint(log=log, size=size, root=bare.root, at=bare.at, key=key, sig=sign(bare.signed_bytes()).hex())
    if _FORM.fullmatch(signed.line().decode("ascii")) is None:
        raise BadCheckpoint("signature not of the form of format v1")
    return signed


def read(line: bytes) -> Checkpoint:
    """The checkpoint whose canonical line is exactly ``line`` (without line end). The signature is not checked here.

    Raises ``BadCheckpoint`` for anything else.
    """
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        raise BadCheckpoint("not ASCII") from None
    if len(line) > MAX_BYTES or _FORM.fullmatch(text) is None:
        raise BadCheckpoint("not the canonical form of a checkpoint v1")
    members = json.loads(text)
    try:
        datetime.fromisoformat(members["at"])
    except ValueError:
        raise BadCheckpoint("at: no such time") from None
    members["size"] = int(members["size"])
    return Checkpoint(**members)
