"""New versions of items while the house runs (事项发布): judged like the files of a release, good in every process.

Must not change a version that was published: a case keeps the version it was filed under, for ever. A process looks at
the number of publications once a second and reads the catalogue anew when it rose; nothing waits for that.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import structlog

from gateway.audit.kinds import EntryKind
from gateway.catalogue.item import Catalogue, Item
from gateway.domain.clock import Clock, beijing_day
from gateway.domain.errors import BadCatalogue, BadSettings
from gateway.domain.records import Doing, EntryDraft
from gateway.store import catalogue_rows, trail
from gateway.store.database import Database, Tx

_LOOK_EVERY = 1.0  # seconds
_LONGEST = 200_000  # characters of one file
Read = Callable[[Sequence[Path]], Catalogue]  # the release's catalogue with further files, each closing its forerunner
_log = structlog.get_logger("parties.publishing")


class Publishing:
    """Keeps the catalogue that the house holds up to date, and takes new versions in."""

    def __init__(self, database: Database, catalogue: Catalogue, *, read: Read, clock: Clock, known: int = 0) -> None:
        """``catalogue``: what the house holds, read with ``known`` publications; ``read`` reads it anew."""
        self._database = database
        self._catalogue = catalogue
        self._read = read
        self._clock = clock
        self._known = known
        self._looked = float("-inf")

    def turn(self) -> None:
        """Read the catalogue anew if something was published. What cannot be read leaves the old one standing."""
        if self._clock.monotonic() - self._looked < _LOOK_EVERY:
            return
        self._looked = self._clock.monotonic()
        with self._database.read() as tx:
            version = catalogue_rows.version(tx)
            files = catalogue_rows.files(tx) if version != self._known else ()
        if version == self._known:
            return
        try:
            with laid_out(files) as paths:
                self._catalogue.take(self._read(paths))
            _log.info("catalogue.read_anew", publications=len(files))
        except BadCatalogue:
            _log.exception("catalogue.not_read")  # an older release may not know what a newer one published
        self._known = version

    def check(self, payload: Mapping[str, Any], doing: Doing) -> Item:
        """The item version that would be published. Raises ``BadSettings`` with every problem and its place."""
        content = str(payload["file"])
        if len(content) > _LONGEST:
            raise BadSettings(f"file: at most {_LONGEST} characters")
        code, version = str(payload["item"]), str(payload["version"])
        with self._database.read() as tx:
            before = catalogue_rows.files(tx)
        if (code, version) in {(item, held) for item, held, _ in before}:
            raise BadSettings(f"{code} {version} is published: write another version")
        try:
            with laid_out([*before, (code, version, content)]) as paths:
                item = self._read(paths).find(code, version)
        except BadCatalogue as error:
            raise BadSettings(str(error)[:2000]) from error
        if item is None:
            raise BadSettings(f"the file is not {code} in version {version}")
        _refuse_the_past(item, beijing_day(doing.at))
        return item

    def publish(self, tx: Tx, payload: Mapping[str, Any], doing: Doing) -> str:
        """Take the version in; every process reads it within seconds."""
        code, version, content = (str(payload[name]) for name in ("item", "version", "file"))
        if not catalogue_rows.put(tx, code, version, content, now=doing.at):
            raise BadSettings(f"{code} {version} is published: write another version")
        digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        draft = EntryDraft(
            kind=EntryKind.CATALOGUE_PUBLISHED,
            subject=f"item:{code}",
            at=doing.at,
            actor=doing.actor,
            facts={"item": code, "version": version, **doing.facts},
            digests={"file": digest},
        )
        trail.append_loose(tx, [draft])
        return f"{code} {version} is published"


@contextmanager
def laid_out(files: Sequence[tuple[str, str, str]]) -> Iterator[list[Path]]:
    """Files with the names the catalogue's reader wants, for as long as it reads."""
    with tempfile.TemporaryDirectory(prefix="gateway-catalogue-") as folder:
        paths = []
        for item, version, content in files:
            name = f"{item}@{version}.yaml"
            if "/" in name or name.startswith("."):
                raise BadSettings("item and version: write them as they stand in the file")
            path = Path(folder) / name
            path.write_text(content, encoding="utf-8")
            paths.append(path)
        yield paths


def _refuse_the_past(item: Item, today: date) -> None:
    """What was in force yesterday stays what it was: cases were filed under it."""
    if item.effective_from < today:
        raise BadSettings(f"effective.from: write {today} or later, not {item.effective_from}")
