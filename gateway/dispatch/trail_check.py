"""A quick look at the trail for people who ask "is it whole now?": seal, root, and a part of the entries.

Must not be mistaken for the auditor's proof: that is ``audit verify`` over an export, by a program that needs nothing
of ours. This one reads at most so many entries that a page can wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.audit.checkpoint import BadCheckpoint, read
from gateway.audit.merkle import leaf_hash, root
from gateway.signing import profiles
from gateway.signing.keys import KeyRing
from gateway.signing.profiles import Algorithm
from gateway.store import merkle_rows, sequencer
from gateway.store.database import Database, Tx

MOST = 5_000  # entries of one check


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: ``size`` entries are sealed, ``entries`` of them from ``first`` on were hashed anew."""

    size: int
    first: int
    entries: int
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """True when nothing was found."""
        return not self.problems


def check(database: Database, keys: KeyRing, *, log_id: str, first: int | None = None) -> Checked:
    """The newest checkpoint's signature and root, and up to ``MOST`` entries from ``first`` on (none = the newest).

    Problems are sentences in Chinese. Raises ``Busy``.
    """
    with database.read() as tx:
        last = merkle_rows.last_checkpoint(tx)
        if last is None:
            return Checked(0, 0, 0, ())
        size = last[1]
        start = max(0, size - MOST) if first is None else min(first, size)
        problems = [*_seal(tx, keys, last[3].encode(), size, log_id=log_id)]
        leaves = sequencer.leaves(tx, start, limit=min(MOST, size - start))
        problems += _leaves(tx, start, leaves, wanted=min(MOST, size - start))
    return Checked(size, start, len(leaves), tuple(problems))


def _seal(tx: Tx, keys: KeyRing, line: bytes, size: int, *, log_id: str) -> list[str]:
    try:
        sealed = read(line)
    except BadCheckpoint:
        return ["最新检查点不是规定的格式"]
    found = []
    key = next((k for k in keys.publics("checkpoint") if k.key_id == sealed.key), None)
    if key is None:
        found.append("最新检查点的签名密钥不在本机密钥中")
    else:
        public = profiles.load_public(Algorithm.ED25519, key.public_der)
        if not profiles.verify(Algorithm.ED25519, public, sealed.signed_bytes(), bytes.fromhex(sealed.sig)):
            found.append("最新检查点的签名不符")
    if sealed.log != log_id or sealed.size != size:
        found.append("最新检查点不属于本留痕")
    try:
        if root(merkle_rows.NodeReader(tx), size).hex() != sealed.root:
            found.append("哈希树的根与检查点不符")
    except LookupError:
        found.append("哈希树缺少节点")
    return found


def _leaves(tx: Tx, start: int, leaves: Sequence[bytes], *, wanted: int) -> list[str]:
    if len(leaves) != wanted:
        return [f"第 {start + len(leaves)} 条起缺少条目"]
    reader = merkle_rows.NodeReader(tx)
    for place, raw in enumerate(leaves, start):
        try:
            same = reader.node(0, place) == leaf_hash(raw)
        except LookupError:
            same = False
        if not same:
            return [f"第 {place} 条与哈希树不符"]
    return []
