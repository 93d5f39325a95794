"""Backups: the database and the sealed files in one folder, with a manifest of digests that is written last.

A folder without its manifest is no backup. Keys are not in it: without them nothing in it can be read, so they are kept
elsewhere, and as carefully.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import Settings
from gateway.domain.clock import Clock, stamp
from gateway.domain.errors import BadSettings
from gateway.store import backup, migrate, recovery, sequencer
from gateway.store.database import Database
from gateway.store.recovery import EpochState

DATABASE, BLOBS, MANIFEST = "database", "blobs", "manifest.json"
_VERSION = "1"
_BLOCK = 1 << 20
See = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup holds: files, bytes, and how many entries of the trail have their position in it."""

    files: int
    size: int
    positions: int
    made_at: str


def make(settings: Settings, target: Path, *, clock: Clock, see: See = lambda _name: None) -> Made:
    """Write a backup of the serving gateway to the new folder ``target``. Raises ``BadSettings``, ``Busy``.

    The database first, the files after it: each file it speaks of was there before, and one too many does no harm.
    """
    if target.exists():
        raise BadSettings(f"{target} exists: every backup has a folder of its own")
    target.mkdir(mode=0o700, parents=True)
    see(DATABASE)
    made_at, positions = stamp(clock.now()), _positions(settings, clock)
    backup.copy_out(settings.database_url, target / DATABASE)
    for source in _files_under(settings.blobs_dir):
        place = target / BLOBS / source.relative_to(settings.blobs_dir)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        see(place.name)
        shutil.copyfile(source, place)
    names = [path.relative_to(target).as_posix() for path in _files_under(target, anything=True)]
    manifest = {
        "v": _VERSION,
        "made_at": made_at,
        "database": backup.kind_of(settings.database_url),
        "schema": migrate.present(settings.database_url),
        "log": settings.log_id,
        "positions": str(positions),
        "files": {name: _digest(target / name) for name in names},
    }
    for name in names:
        (target / name).chmod(0o600)
    part = target / (MANIFEST + ".part")
    part.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(part, target / MANIFEST)
    return _made(target, manifest)


def check(folder: Path, *, see: See = lambda _name: None) -> Made:
    """Every file is there and whole, and none beside them. Raises ``BadSettings`` with the first that is not."""
    return _made(folder, _checked(folder, see))


def restore(settings: Settings, folder: Path, *, see: See = lambda _name: None) -> Made:
    """Put a backup into an empty database and an empty folder of files; the gateway then waits for ``recover``.

    Raises ``BadSettings``: damaged, another kind of database, a newer schema, or a place that is not empty.
    """
    manifest = _checked(folder, see)
    kind = backup.kind_of(settings.database_url)
    if manifest["database"] != kind:
        raise BadSettings(f"this is a backup of {manifest['database']}, the database here is {kind}")
    if manifest["log"] != settings.log_id:
        raise BadSettings(f"this is a backup of the trail {manifest['log']!r}, GATEWAY_LOG_ID is {settings.log_id!r}")
    if next(_files_under(settings.blobs_dir, anything=True), None) is not None:
        raise BadSettings(f"{settings.blobs_dir} is not empty: restore into a new folder")
    see(DATABASE)
    backup.copy_in(settings.database_url, folder / DATABASE)
    for source in _files_under(folder / BLOBS):
        place = settings.blobs_dir / source.relative_to(folder / BLOBS)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        see(place.name)
        shutil.copyfile(source, place)
        place.chmod(0o600)
    return _made(folder, manifest)


def mark_restored(settings: Settings, clock: Clock) -> None:
    """Bring the schema to this release's and let nothing serve before ``recover`` has run."""
    migrate.upgrade(settings.database_url)
    database = Database(settings.database_url, clock)
    try:
        database.again(lambda tx: recovery.set_state(tx, EpochState.RESTORED))
    finally:
        database.close()


def _positions(settings: Settings, clock: Clock) -> int:
    database = Database(settings.database_url, clock)
    try:
        with database.read() as tx:
            return sequencer.placed(tx)
    finally:
        database.close()


def _checked(folder: Path, see: See) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = dict(manifest["files"])
        version = manifest["v"]
    except FileNotFoundError:
        raise BadSettings(f"{folder} has no {MANIFEST}: it is no backup, or one that was not finished") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSettings(f"{path} cannot be read: {type(error).__name__}") from error
    if version != _VERSION or not {"database", "schema", "log", "positions", "made_at"} <= set(manifest):
        raise BadSettings(f"{path} is of a version this release does not know: {str(version)[:20]!r}")
    there = {p.relative_to(folder).as_posix() for p in _files_under(folder, anything=True)} - {MANIFEST}
    for name, digest in sorted(files.items()):
        see(name)
        if name not in there:
            raise BadSettings(f"{name} is missing from the backup")
        if _digest(folder / name) != digest:
            raise BadSettings(f"{name} is not what the manifest says: the backup is damaged")
    if there - set(files):
        raise BadSettings(f"{min(there - set(files))} does not belong to the backup")
    return dict(manifest)


def _made(folder: Path, manifest: dict[str, Any]) -> Made:
    sizes = [(folder / name).stat().st_size for name in manifest["files"]]
    return Made(len(sizes), sum(sizes), int(manifest["positions"]), manifest["made_at"])


def _files_under(root: Path, *, anything: bool = False) -> Iterator[Path]:
    """Whole files in order; ``anything``: also half-written ones."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and (anything or path.suffix != ".part"):
            yield path


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return "sha256:" + total.hexdigest()
