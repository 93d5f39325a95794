"""The published format: its example holds, its list of kinds is the product's."""

import hashlib
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit import checkpoint, entry
from gateway.audit.kinds import EntryKind

TEXT = (Path(__file__).parents[2] / "docs" / "audit-trail.md").read_text(encoding="utf-8")
KINDS = (Path(__file__).parents[2] / "docs" / "audit-kinds.md").read_text(encoding="utf-8")
LINES = [line.encode() for line in TEXT.splitlines() if line.startswith('{"a')]


def test_the_entries_of_the_example_are_entries_with_the_hashes_given() -> None:
    table = re.findall(r"^\| \d \| `([0-9a-f]{64})` \| `([0-9a-f]{64})` \|$", TEXT, re.MULTILINE)
    assert len(table) == len(LINES) - 1 == 3
    for line, (name, leaf) in zip(LINES[:3], table, strict=True):
        assert entry.canonical(entry.read(line)) == line
        assert hashlib.sha256(line).hexdigest() == name
        assert hashlib.sha256(b"\x00" + line).hexdigest() == leaf


def test_the_checkpoint_of_the_example_signs_these_entries() -> None:
    made = checkpoint.read(LINES[3])
    one, two, three = (hashlib.sha256(b"\x00" + line).digest() for line in LINES[:3])
    left = hashlib.sha256(b"\x01" + one + two).digest()
    assert hashlib.sha256(b"\x01" + left + three).hexdigest() == made.root
    found = re.search(r"public key\s+`([0-9a-f]{64})`", TEXT)
    assert found is not None
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found[1]))
    public.verify(bytes.fromhex(made.sig), made.signed_bytes())
    assert made.size == 3


def test_the_published_kinds_are_those_of_the_product() -> None:
    listed = re.findall(r"^\| `([a-z:]+:[a-z]+:[a-z]+)` \| (\d+) \| (.+) \|$", KINDS, re.MULTILINE)
    assert listed == [(kind.value, kind.version, kind.meaning) for kind in EntryKind]
