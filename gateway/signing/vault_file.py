"""New keys in the vault's file: added beside the old ones, which still open and find. Must not touch rows."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from gateway.signing.keys import read_private_file, write_private_file

_KEY_BYTES = 32


def add_kek(path: Path) -> str:
    """A new key-encryption key, current from the next start on; returns its id. Raises ``BadSettings``."""
    return _add(path, current="kek", table="keks", prefix="kek")


def add_index(path: Path) -> str:
    """A new key of the search hashes, current from the next start on; returns its id. Raises ``BadSettings``."""
    return _add(path, current="index", table="indexes", prefix="i")


def _add(path: Path, *, current: str, table: str, prefix: str) -> str:
    content = json.loads(read_private_file(path))
    key_id = f"{prefix}-{os.urandom(4).hex()}"
    content[table][key_id] = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
    content[current] = key_id
    fresh = path.with_name(path.name + ".new")
    write_private_file(fresh, json.dumps(content, indent=1).encode() + b"\n")
    os.replace(fresh, path)  # whoever reads meanwhile sees the old file or the new one, whole
    return key_id
