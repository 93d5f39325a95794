"""The folder sealed files lie in: one file per blob, by day of arrival, written whole or not at all.

Must not know what is in them. A file is written beside its place, flushed to the disk, then renamed: a half-written
one never stands under its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from gateway.domain.errors import Busy, FromUs

_WHOLE, _PART = ".blob", ".part"
_ID = re.compile(r"[0-9a-f]{32}")


class BlobLost(FromUs):
    """A row says that the file is here, and it is not, or not whole."""


class Folder:
    """The files below one root, which several processes may share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, blob_id: str, parts: Iterable[bytes]) -> None:
        """Write a new file; nothing is left of it when ``parts`` raises. Raises ``Busy`` when the disk refuses.

        The parts are made while they are written, so what they raise comes through as it is.
        """
        whole = self._path(blob_id)
        part = whole.with_suffix(_PART)
        file = self._create(part)
        try:
            with file:
                for piece in parts:
                    _or_busy(file.write, piece)
                _or_busy(file.flush)
                _or_busy(os.fsync, file.fileno())
            _or_busy(os.replace, part, whole)
            _or_busy(_settle, whole.parent)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def open(self, blob_id: str, *, size: int) -> BinaryIO:
        """The file, if it has this size in bytes. Raises ``BlobLost``."""
        try:
            file = self._path(blob_id).open("rb")
        except OSError as error:
            raise BlobLost(f"{blob_id}: {error.strerror}") from error
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            raise BlobLost(f"{blob_id}: not of the size it was written with")
        return file

    def drop(self, blob_id: str) -> None:
        """Delete the file; gone already is well too."""
        with suppress(OSError):  # what stays behind is unreadable without its key, and swept later
            self._path(blob_id).unlink(missing_ok=True)

    def old_files(self, *, changed_before: datetime, days: int = 0) -> Iterator[tuple[str, bool]]:
        """Id and "is whole" of files not touched since; ``days`` looks at the folders of the last days only, 0 = all.

        Old empty folders go on the way.
        """
        if not self._root.is_dir():
            return
        oldest = (changed_before - timedelta(days=days)).astimezone(UTC).date().isoformat() if days else ""
        newest = (changed_before - timedelta(days=1)).astimezone(UTC).date().isoformat()
        for folder in sorted(self._root.iterdir()):
            if not folder.is_dir() or folder.name < oldest:
                continue
            for file in sorted(folder.iterdir()):
                ours = file.suffix in {_WHOLE, _PART} and _ID.fullmatch(file.stem)
                if ours and _changed(file) < changed_before.timestamp():
                    yield file.stem, file.suffix == _WHOLE
            if folder.name < newest:
                with suppress(OSError):  # not empty
                    folder.rmdir()

    def drop_part(self, blob_id: str) -> None:
        """Delete a half-written file whose writer is long gone."""
        with suppress(OSError):
            self._path(blob_id).with_suffix(_PART).unlink(missing_ok=True)

    def _path(self, blob_id: str) -> Path:
        day = datetime.fromtimestamp(int(blob_id[:12], 16) / 1000, UTC)  # the id begins with its milliseconds
        return self._root / f"{day:%Y-%m-%d}" / (blob_id + _WHOLE)

    @staticmethod
    def _create(path: Path) -> BinaryIO:
        for again in (True, False):  # the sweep may take an empty folder away between the two steps
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            except FileNotFoundError as error:
                if not again:
                    raise Busy(f"the folder of files cannot be written: {error.strerror}") from error
            except OSError as error:
                raise Busy(f"the folder of files cannot be written: {error.strerror}") from error
        raise AssertionError("unreachable")


def _or_busy(act: Callable[..., object], *what: object) -> None:
    """Do it; a refusal of the disk is ours, not the caller's."""
    try:
        act(*what)
    except OSError as error:
        raise Busy(f"the folder of files cannot be written: {error.strerror}") from error


def _settle(folder: Path) -> None:
    """A rename is on the disk only when its folder is, and a new folder only when the one around it is."""
    for place in (folder, folder.parent):
        number = os.open(place, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return float("inf")  # gone meanwhile
