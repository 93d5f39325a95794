"""Published item versions as rows; a version number tells every process. Must not know what stands in a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.store.database import Tx, micros

_VERSION = "catalogue"


def version(tx: Tx) -> int:
    """Rises with every publication."""
    return int(tx.run("SELECT number FROM version WHERE name = :n", {"n": _VERSION}).scalar() or 0)


def files(tx: Tx) -> Sequence[tuple[str, str, str]]:
    """Item, version and content of every publication, in the order they came."""
    found = tx.all("SELECT item, version, content FROM catalogue_file ORDER BY published_at, item, version")
    return [(r["item"], r["version"], r["content"]) for r in found]


def put(tx: Tx, item: str, item_version: str, content: str, *, now: datetime) -> bool:
    """Publish one version; False when it was published before."""
    added = tx.run(
        "INSERT INTO catalogue_file (item, version, content, published_at) VALUES (:item, :version, :content, :now)"
        " ON CONFLICT (item, version) DO NOTHING",
        {"item": item, "version": item_version, "content": content, "now": micros(now)},
    )
    tx.run(
        "INSERT INTO version (name, number) VALUES (:n, 1)"
        " ON CONFLICT (name) DO UPDATE SET number = version.number + 1",
        {"n": _VERSION},
    )
    return added.rowcount == 1
