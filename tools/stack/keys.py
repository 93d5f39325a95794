"""The keys and secrets a stack runs with: made in its own folder for this one run, never fixed.

Must not keep a private key of the gateway: only the public half is taken from the file its own ``init`` wrote.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mocks.banks.icbc_cli import make_keys


def write_secret(path: Path) -> None:
    """A fresh random secret in a file for us alone. Raises ``FileExistsError``."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))


def bank_keys(directory: Path, name: str) -> tuple[Path, Path]:
    """A fresh key pair of a bank: private and public file, PEM. Raises ``FileExistsError``."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the form for enrolment, which is done here by file
        make_keys(directory, name)
    return directory / f"{name}.key.pem", directory / f"{name}.pub.pem"


def public_half(private_file: Path, target: Path) -> Path:
    """Write the public half of a PKCS#8 file as PEM and return ``target``."""
    key = load_pem_private_key(private_file.read_bytes(), password=None)
    target.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return target
