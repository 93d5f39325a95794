"""Writes a trail package, format v1: a folder or a zip that an outsider can check without this gateway.

Must not judge what it writes: a broken trail is exported as it is, and the auditor's program finds the break.
The files: ``entries.jsonl`` and ``checkpoints.jsonl`` (canonical lines), ``keys.json``, ``README.txt``, and
``manifest.json`` with the digest of each, signed in ``manifest.sig``. ``docs/audit-trail.md`` states the format.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from gateway.audit.checkpoint import Sign
from gateway.domain.clock import stamp

DOMAIN = b"ft-gov package v1\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same input gives the same zip

README = """\
TRAIL PACKAGE, format v1                                       留痕证据包，格式第 1 版

What is here                                                   内容
  entries.jsonl      one entry a line, in the order of the log      每行一条留痕，按日志顺序
  checkpoints.jsonl  signed sizes and roots of the log              经签名的检查点（条数与树根）
  keys.json          public keys with purpose and validity          公钥、用途和有效期
  manifest.json      digest of each file; manifest.sig signs it     各文件摘要；manifest.sig 为其签名

How to check it / 如何核验
  python verify.py --trusted-key HEX THIS_PACKAGE
  Take verify.py and the key (64 hex digits) from a source other than this package. The program needs Python 3.11
  and the library "cryptography", nothing of the gateway.
  verify.py 和公钥（64 位十六进制）须从本包以外的途径取得。程序只需 Python 3.11 和 cryptography 库，不需要本平台。
  A receipt a bank holds: --receipt FILE. A checkpoint someone kept: --anchor FILE.
  核验银行持有的回执用 --receipt，核验他人早先留存的检查点用 --anchor。

What a whole package proves / 核验通过证明什么
  - No entry under a checkpoint was changed, removed, added or moved after that checkpoint was signed.
    检查点签署之后，其覆盖的留痕没有被修改、删除、插入或调换。
  - The entries of each case count 1, 2, 3 ... without a gap.
    每个办件的留痕从 1 起连续编号，没有缺号。
  - With --receipt: the intake that a receipt promises stands in the log.
    使用 --receipt 时：回执所承诺的收件记录确实在日志中。

What it cannot prove / 不能证明什么
  - That an entry was true when it was written, or that everything that happened was written.
    不能证明留痕写入时内容属实，也不能证明所有发生的事都已写入。
  - That the holder of the signing key did not cut off the end of the log, or keep a second log: only a receipt,
    or a checkpoint kept by someone else, shows that.
    不能排除签名密钥持有人截去日志末尾或另存一份日志；只有回执或他人留存的检查点才能发现。
  - Anything about entries after the last checkpoint beyond the signature of this package.
    最后一个检查点之后的留痕，只受本包签名保护。
  - What was in a message whose bytes were erased by law: the digest remains, the content does not.
    依法删除的报文只留摘要，不留内容。
"""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key (32 bytes) as outsiders shall know it; ``valid_until`` none = still in use.

    ``purpose`` is ``checkpoint`` (checkpoints and packages) or ``receipt``. Times are aware.
    """

    key_id: str
    purpose: str
    public: bytes
    valid_from: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: number of entries and checkpoints, and the digest of the signed manifest."""

    entries: int
    checkpoints: int
    manifest: str


class _Sink(Protocol):
    def open(self, name: str) -> IO[bytes]: ...


def write_package(
    target: Path,
    entries: Iterable[bytes],
    *,
    checkpoints: Iterable[bytes],
    keys: Sequence[PublicKey],
    sign: Sign,
    key: str,
    log: str,
    made_at: datetime,
    first: int = 0,
    left: Sequence[bytes] = (),
) -> Written:
    """Write a package to ``target``: a zip when its name ends in ``.zip``, else a new folder. Streams both iterables.

    ``entries`` are canonical lines without line end from position ``first`` on, without holes; ``checkpoints`` are
    canonical lines in order of size, none smaller than ``first``. ``sign`` signs with the checkpoint key ``key``.
    A slice (``first`` > 0) carries ``left``, the left edge of the tree at ``first`` (``merkle.left_edge``).
    Nothing is left behind when it fails. Raises ``FileExistsError`` when ``target`` exists, ``ValueError`` for a line
    that holds a line end, a time without zone, or a ``left`` that does not fit ``first``.
    """
    if first < 0 or len(left) != first.bit_count() or made_at.tzinfo is None:
        raise ValueError("left must hold one hash for each one bit of first, and made_at a zone")
    with _open_target(target) as sink:
        counts: dict[str, int] = {}
        files: dict[str, str] = {}
        for name, lines in (("entries.jsonl", entries), ("checkpoints.jsonl", checkpoints)):
            files[name], counts[name] = _write_lines(sink, name, lines)
        for name, content in (("keys.json", _keys_json(keys)), ("README.txt", README.encode())):
            files[name] = _write(sink, name, content)
        manifest = _canonical(
            {
                "checkpoints": str(counts["checkpoints.jsonl"]),
                "count": str(counts["entries.jsonl"]),
                "files": files,
                "first": str(first),
                "key": key,
                "left": [part.hex() for part in left],
                "log": log,
                "made_at": stamp(made_at),
                "v": "1",
            }
        )
        digest = _write(sink, "manifest.json", manifest)
        _write(sink, "manifest.sig", sign(DOMAIN + manifest).hex().encode() + b"\n")
    return Written(entries=counts["entries.jsonl"], checkpoints=counts["checkpoints.jsonl"], manifest=digest)


def _keys_json(keys: Sequence[PublicKey]) -> bytes:
    return _canonical(
        {
            "keys": [
                {
                    "algorithm": "Ed25519",
                    "id": k.key_id,
                    "public": k.public.hex(),
                    "purpose": k.purpose,
                    "valid_from": stamp(k.valid_from),
                    "valid_until": stamp(k.valid_until) if k.valid_until else "",
                }
                for k in sorted(keys, key=lambda k: k.key_id)
            ],
            "v": "1",
        }
    )


def _canonical(members: object) -> bytes:
    """RFC 8785 with a line end: ASCII member names and strings only, so sorting by code point is right."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _write(sink: _Sink, name: str, content: bytes) -> str:
    with sink.open(name) as file:
        file.write(content)
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _write_lines(sink: _Sink, name: str, lines: Iterable[bytes]) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    with sink.open(name) as file:
        for line in lines:
            if b"\n" in line:
                raise ValueError(f"{name}: a line end inside a line")
            ended = line + b"\n"
            digest.update(ended)
            file.write(ended)
            count += 1
    return "sha256:" + digest.hexdigest(), count


@contextmanager
def _open_target(target: Path) -> Iterator[_Sink]:
    """A sink beside the target that takes its name only when everything was written."""
    if target.exists():
        raise FileExistsError(f"{target} exists")
    part = target.with_name(target.name + ".part")
    zipped = target.suffix == ".zip"
    if zipped:
        part.touch(exist_ok=False)  # a part that is there already is somebody else's: not ours to remove
    else:
        part.mkdir()
    try:
        if zipped:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                yield _Zip(archive)
        else:
            yield _Folder(part)
        os.rename(part, target)
    except BaseException:
        if zipped:
            part.unlink(missing_ok=True)
        else:
            shutil.rmtree(part, ignore_errors=True)
        raise


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path

    def open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("xb")


@dataclass(frozen=True, slots=True)
class _Zip:
    archive: zipfile.ZipFile

    def open(self, name: str) -> IO[bytes]:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        return self.archive.open(info, "w", force_zip64=name.endswith(".jsonl"))
