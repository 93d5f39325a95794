"""THE AUDITOR'S PROGRAM: checks a trail package, folder or zip, and says "whole from 1 to N" or the first break.

Must not import anything of the gateway: it runs alone, ``python verify.py PACKAGE``, with the Python standard library
and ``cryptography`` (one Ed25519 check). What it shares with the writer is the format, stated in
``docs/audit-trail.md``, never code. It is longer than other modules here; the reason: one
file is what an auditor can carry and read. Exit codes: 0 whole, 1 broken, 2 unusable input.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import heapq
import io
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_ENTRY = 16_384
MAX_CHECKPOINT = 1_024
MAX_SMALL = 1 << 20  # manifest, keys, README, receipts
MAX_TOTAL = 64 << 30
MAX_RATIO = 200  # digests do not compress: a real trail stays below 10
PROMISE = timedelta(seconds=60)  # a receipt promises its entry under a checkpoint by then

ENTRIES, CHECKPOINTS, KEYS, README = "entries.jsonl", "checkpoints.jsonl", "keys.json", "README.txt"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
COVERED = {ENTRIES, CHECKPOINTS, KEYS, README}

# The grammar of format v1. No string holds a quote, a backslash or a control character, so nothing is ever escaped,
# and a line that matches, with facts and digests in ascending order of name, is its own canonical form (RFC 8785).
_BANNED = r'"\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff'
_AT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}\+08:00"
_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
_COUNT = r"(?:0|[1-9][0-9]{0,14})"
_FACT = rf'"[a-z][a-z0-9_]{{0,31}}":"[^{_BANNED}]{{1,256}}"'
_EVIDENCE = r'"[a-z][a-z0-9_]{0,31}":"(?:b[1-9][0-9]?-)?(?:sha256|sm3):[0-9a-f]{64}"'
_ENTRY = re.compile(
    rf'\{{"actor":"[a-z][a-z0-9_]{{0,15}}:[!#-\[\]-~]{{1,111}}","at":"({_AT})",'
    rf'"digests":\{{((?:{_EVIDENCE}(?:,{_EVIDENCE})*)?)\}},"facts":\{{((?:{_FACT}(?:,{_FACT})*)?)\}},'
    r'"kind":"([a-z][a-z0-9_]{0,23}):[a-z][a-z0-9_]{0,23}:[a-z][a-z0-9_]{0,23}","kind_v":"[1-9][0-9]{0,3}",'
    r'"seq":"([1-9][0-9]{0,14})","subject":"([!#-\[\]-~]{1,64})","v":"1"\}'
)
_NAMES = re.compile(r'"([a-z0-9_]+)":')
_CHECKPOINT = re.compile(
    rf'\{{"at":"({_AT})","key":"({_ID})","log":"({_ID})","root":"([0-9a-f]{{64}})",'
    rf'("sig":"([0-9a-f]{{128}})",)"size":"({_COUNT})","v":"1"\}}'
)


class Unusable(Exception):
    """The input cannot be judged at all: no such file, not a package, too large."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that does not hold; ``line`` counts from 1, 0 means the file as a whole."""

    file: str
    line: int
    english: str
    chinese: str


class _Broken(Exception):
    def __init__(self, file: str, line: int, english: str, chinese: str) -> None:
        super().__init__(english)
        self.found = Break(file, line, english, chinese)


@dataclass(frozen=True, slots=True)
class ReceiptFinding:
    """What became of one receipt: kept, or not, and why."""

    receipt: str
    kept: bool
    english: str
    chinese: str


@dataclass(slots=True)
class Report:
    """The outcome. ``first`` entries came before the package (0 unless it is a slice), ``count`` lines were read,
    ``sealed`` of them stand under the last checkpoint that holds, ``last_at`` is that checkpoint's time."""

    first: int = 0
    count: int = 0
    sealed: int = 0
    checkpoints: int = 0
    last_at: str = ""
    broken: Break | None = None
    receipts: list[ReceiptFinding] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the trail itself holds, whatever became of receipts."""
        return self.broken is None

    @property
    def exit_code(self) -> int:
        """0 whole and all receipts kept, else 1."""
        return 0 if self.whole and all(r.kept for r in self.receipts) else 1

    def text(self) -> str:
        """What people read, English and Chinese."""
        low, high = self.first + 1, self.first + self.sealed
        if self.broken is None:
            out = [f"whole from {low} to {high}", f"第 {low} 至 {high} 条，完整"]
            out.append(f"{self.checkpoints} checkpoints, the last of {self.last_at or '-'}")
            out.append(f"检查点 {self.checkpoints} 个，最后一个签署于 {self.last_at or '-'}")
        else:
            b = self.broken
            where = f"{b.file} line {b.line}" if b.line else b.file
            place = f"{b.file} 第 {b.line} 行" if b.line else b.file
            out = [f"BROKEN at {where}: {b.english}", f"在 {place} 处断开：{b.chinese}"]
            if self.sealed:
                out += [f"whole before that from {low} to {high}", f"此前第 {low} 至 {high} 条完整"]
        for english, chinese in self.notes:
            out += [english, chinese]
        for r in self.receipts:
            word, zi = ("kept", "已兑现") if r.kept else ("NOT KEPT", "未兑现")
            out += [f"receipt {r.receipt} {word}: {r.english}", f"回执 {r.receipt} {zi}：{r.chinese}"]
        return "\n".join(out) + "\n"


def verify(
    source: Path | str | Mapping[str, bytes],
    *,
    trusted_keys: Sequence[str] = (),
    receipts: Sequence[str] = (),
    anchors: Sequence[bytes] = (),
    max_bytes: int = MAX_TOTAL,
) -> Report:
    """Check a package: a folder, a zip, or file name → bytes.

    ``trusted_keys``: checkpoint keys (64 hex) the auditor got elsewhere; without them the package's own are believed
    and the report says so. ``receipts``: JWS texts. ``anchors``: checkpoint lines someone kept, without line end.
    Raises ``Unusable`` when there is nothing to judge.
    """
    report = Report()
    pinned = {k.lower() for k in trusted_keys}
    if any(re.fullmatch("[0-9a-f]{64}", k) is None for k in pinned):
        raise Unusable("a trusted key is 64 hex digits / 可信公钥应为 64 位十六进制")
    promises: list[_Promise] = []
    try:
        with _open(source, max_bytes) as files:
            try:
                case = _Package(files, pinned)
                promises = [_Promise(text.strip()) for text in receipts]
                report.first = case.first
                for promise in promises:
                    promise.check_signature(case.keys)
                _walk(case, report, anchors=anchors, promises=promises)
            except _Broken as stop:
                report.broken = stop.found
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as fault:
        raise Unusable(f"cannot be read / 无法读取: {fault}") from fault
    report.receipts = [promise.finding(report) for promise in promises]
    _add_notes(report, pinned=bool(pinned))
    return report


def _add_notes(report: Report, *, pinned: bool) -> None:
    if not pinned:
        report.notes.append(
            (
                "WARNING: no --trusted-key given. The keys inside the package were believed; whoever made the package "
                "could have made them too. Compare them with a source of your own.",
                "警告：未指定 --trusted-key，采用了包内自带的公钥。制作本包的人也可以伪造公钥，请与其他来源核对。",
            )
        )
    trailing = report.count - report.sealed
    if report.whole and trailing:
        report.notes.append(
            (
                f"{trailing} entries after it are not yet under a checkpoint: only the package's signature covers them",
                f"其后 {trailing} 条尚未纳入检查点，仅受本包签名保护",
            )
        )
    if report.whole and report.first:
        report.notes.append(
            (
                f"this is a slice: {report.first} entries before it are not here, and gaps are judged only for cases "
                "that begin in it",
                f"本包为节选：之前的 {report.first} 条不在其中，只对在本包内起始的办件检查缺号",
            )
        )


# ---- the files of a package ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Files:
    names: frozenset[str]
    open: Callable[[str], IO[bytes]]
    close: Callable[[], None]

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def small(self, name: str) -> bytes:
        """A file that is read whole."""
        if name not in self.names:
            raise _Broken(name, 0, "the file is missing", "缺少该文件")
        with self.open(name) as stream:
            content = stream.read(MAX_SMALL + 1)
        if len(content) > MAX_SMALL:
            raise Unusable(f"{name} is too large / 文件过大")
        return content


def _open(source: Path | str | Mapping[str, bytes], max_bytes: int) -> _Files:
    if isinstance(source, Mapping):
        held = source
        files = _Files(frozenset(held), lambda name: io.BytesIO(held[name]), lambda: None)
        total = sum(map(len, held.values()))
    elif (path := Path(source)).is_dir():
        sizes = {p.name: p.stat().st_size if p.is_file() else 0 for p in path.iterdir()}
        files = _Files(frozenset(sizes), lambda name: (path / name).open("rb"), lambda: None)
        total = sum(sizes.values())
    elif path.is_file():
        archive = zipfile.ZipFile(path)
        try:
            total = _check_zip(archive)
        except Unusable:
            archive.close()
            raise
        files = _Files(frozenset(archive.namelist()), archive.open, archive.close)
    else:
        raise Unusable(f"no such file or folder / 找不到: {source}")
    if total > max_bytes or not {MANIFEST, ENTRIES} & files.names:
        files.close()
        raise Unusable("too large / 过大" if total > max_bytes else "not a trail package / 不是留痕证据包")
    return files


def _check_zip(archive: zipfile.ZipFile) -> int:
    """Total size once unpacked. Raises ``Unusable`` for what an honest package never is: bombs, encrypted, twice."""
    members = archive.infolist()
    if len(members) > 16 or len({m.filename for m in members}) != len(members):
        raise Unusable("too many files in the zip, or a name twice / 压缩包文件过多或重名")
    for m in members:
        if m.flag_bits & 1 or m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unusable("an encrypted or unusually packed zip / 压缩包已加密或压缩方式不支持")
        if m.file_size > MAX_SMALL and m.file_size > MAX_RATIO * m.compress_size:
            raise Unusable("packed far too small to be a trail: a zip bomb / 压缩比异常，疑为压缩炸弹")
    return sum(m.file_size for m in members)


def _lines(files: _Files, name: str, limit: int, *, digest: Any) -> Iterator[bytes]:
    """The lines of a file without their ends, in blocks; ``digest`` is fed with every byte."""
    if name not in files.names:
        raise _Broken(name, 0, "the file is missing", "缺少该文件")
    number, rest = 0, b""
    with files.open(name) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                number += 1
                if len(line) > limit:
                    raise _Broken(name, number, "the line is too long", "该行过长")
                yield line
            if len(rest) > limit:
                raise _Broken(name, number + 1, "the line is too long", "该行过长")
    if rest:
        raise _Broken(name, number + 1, "the last line has no end: the file was cut", "末行不完整，文件被截断")


def _members(name: str, raw: bytes, wanted: Mapping[str, type]) -> dict[str, Any]:
    """A canonical JSON object with exactly the ``wanted`` members, and one line end."""
    try:
        members = json.loads(raw.decode("utf-8"))
        again = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    except (ValueError, RecursionError):
        raise _Broken(name, 0, "not JSON", "不是 JSON") from None
    if (
        again != raw
        or not isinstance(members, dict)
        or set(members) != set(wanted)
        or not all(isinstance(members[m], kind) for m, kind in wanted.items())
        or members.get("v", "1") != "1"
    ):
        raise _Broken(name, 0, "not the canonical form of format v1", "不是第 1 版的规范格式")
    return members


# ---- keys and manifest ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Key:
    public: str
    purpose: str
    valid_from: datetime
    valid_until: datetime | None
    check: Ed25519PublicKey


class _Keys:
    """The keys of a package, and which of them may sign checkpoints."""

    def __init__(self, raw: bytes, pinned: set[str]) -> None:
        self._pinned = pinned
        self._keys: dict[str, _Key] = {}
        members = dict.fromkeys(("algorithm", "id", "public", "purpose", "valid_from", "valid_until"), str)
        for key in _members(KEYS, raw, {"keys": list, "v": str})["keys"]:
            text = json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
            k = _members(KEYS, text, members)
            try:
                if k["algorithm"] != "Ed25519" or k["id"] in self._keys or k["public"] != k["public"].lower():
                    raise ValueError
                public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(k["public"]))
                start, end = _moment(k["valid_from"]), _moment(k["valid_until"]) if k["valid_until"] else None
            except ValueError:
                raise _Broken(KEYS, 0, "a key that is none, or an id twice", "公钥无效或编号重复") from None
            self._keys[k["id"]] = _Key(k["public"], k["purpose"], start, end, public)

    def fault(self, key_id: str, purpose: str, *, at: str, message: bytes, sig: bytes) -> tuple[str, str] | None:
        """None when the signature holds, by a key for this purpose that was valid then and is trusted; else why not."""
        key = self._keys.get(key_id)
        if key is None or key.purpose != purpose:
            return (
                f"signed with a key that keys.json does not hold for this purpose ({purpose})",
                "签名公钥不在公钥表中",
            )
        if purpose == "checkpoint" and self._pinned and key.public not in self._pinned:
            return "signed with a key that is not the trusted one", "签名公钥不是可信公钥"
        try:
            key.check.verify(sig, message)
        except InvalidSignature:
            return "the signature does not hold", "签名不符"
        moment = _moment(at)
        if moment < key.valid_from or (key.valid_until is not None and moment >= key.valid_until):
            return "signed outside the validity of its key", "签署时间不在公钥有效期内"
        return None


class _Package:
    """Manifest and keys, checked: who signed this, what belongs to it, where it begins."""

    def __init__(self, files: _Files, pinned: set[str]) -> None:
        self.files = files
        raw = files.small(MANIFEST)
        strings = dict.fromkeys(("checkpoints", "count", "first", "key", "log", "made_at", "v"), str)
        m = _members(MANIFEST, raw, {**strings, "files": dict, "left": list})
        raw_keys = files.small(KEYS)
        self.keys = _Keys(raw_keys, pinned)
        try:
            self.first, self.count, self.checkpoints = (_number(m[n]) for n in ("first", "count", "checkpoints"))
            self.left = [bytes.fromhex(part) for part in m["left"]]
            _moment(m["made_at"])
            if len(self.left) != self.first.bit_count() or any(len(part) != 32 for part in self.left):
                raise ValueError
        except (ValueError, TypeError):
            raise _Broken(
                MANIFEST, 0, "numbers, hashes or time are not of format v1", "数值、摘要或时间格式不符"
            ) from None
        self.log: str = m["log"]
        self.digests: dict[str, str] = m["files"]
        try:
            sig_text = files.small(SIGNATURE).decode("ascii")
            sig = bytes.fromhex(sig_text) if re.fullmatch("[0-9a-f]{128}\n", sig_text) else b""
        except ValueError:
            sig = b""
        fault = self.keys.fault(m["key"], "checkpoint", at=m["made_at"], message=b"ft-gov package v1\n" + raw, sig=sig)
        if fault:
            raise _Broken(MANIFEST, 0, *fault)
        if set(self.digests) != COVERED or files.names != COVERED | {MANIFEST, SIGNATURE}:
            strange = sorted(files.names ^ (COVERED | {MANIFEST, SIGNATURE})) or [MANIFEST]
            raise _Broken(strange[0], 0, "missing, or not covered by the manifest", "缺失，或未列入清单")
        self.check_digest(KEYS, hashlib.sha256(raw_keys))
        self.check_digest(README, hashlib.sha256(files.small(README)))

    def check_digest(self, name: str, digest: Any) -> None:
        if self.digests[name] != "sha256:" + digest.hexdigest():
            raise _Broken(name, 0, "the file is not the one the signed manifest names", "与签名清单中的摘要不符")


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    file: str
    line: int
    at: str
    size: int
    root: bytes


def _checkpoint(raw: bytes, package: _Package, *, file: str, line: int) -> _Checkpoint:
    found = _CHECKPOINT.fullmatch(raw.decode("ascii", "replace"))
    if found is None or not _is_time(found[1]):
        raise _Broken(file, line, "not the canonical form of a checkpoint v1", "不是第 1 版检查点的规范格式")
    if found[3] != package.log:
        raise _Broken(file, line, "a checkpoint of another log", "属于另一日志的检查点")
    signed = b"ft-gov checkpoint v1\n" + raw.replace(found[5].encode(), b"", 1)
    fault = package.keys.fault(found[2], "checkpoint", at=found[1], message=signed, sig=bytes.fromhex(found[6]))
    if fault:
        raise _Broken(file, line, *fault)
    return _Checkpoint(file, line, found[1], int(found[7]), bytes.fromhex(found[4]))


def _checkpoints(package: _Package, report: Report, *, digest: Any) -> Iterator[_Checkpoint]:
    """The checkpoints in order, each one checked by itself and against the one before."""
    size, at = package.first, ""
    pauses, longest, where = 0, PROMISE, 0
    for number, raw in enumerate(_lines(package.files, CHECKPOINTS, MAX_CHECKPOINT, digest=digest), 1):
        made = _checkpoint(raw, package, file=CHECKPOINTS, line=number)
        if made.size < size or made.at < at:
            raise _Broken(CHECKPOINTS, number, "smaller or earlier than the one before it", "条数或时间早于前一检查点")
        pause = _moment(made.at) - _moment(at) if at else PROMISE
        if pause > PROMISE:
            pauses += 1
            longest, where = max((longest, where), (pause, number))
        size, at = made.size, made.at
        report.checkpoints = number
        yield made
    if pauses:
        seconds = f"{longest.total_seconds():.1f}"
        report.notes.append(
            (
                f"{pauses} pauses over a minute between checkpoints, the longest {seconds} s, before line {where}",
                f"检查点间隔超过一分钟 {pauses} 次，最长 {seconds} 秒，在第 {where} 行之前",
            )
        )


# ---- the walk ------------------------------------------------------------------------------------------------------


def _walk(package: _Package, report: Report, *, anchors: Sequence[bytes], promises: Sequence[_Promise]) -> None:
    """Read every entry once, recompute the root wherever someone signed one, and fill the report."""
    digests = {ENTRIES: hashlib.sha256(), CHECKPOINTS: hashlib.sha256()}
    kept = [_checkpoint(raw, package, file="anchor", line=n) for n, raw in enumerate(anchors, 1)]
    kept = sorted((a for a in kept if a.size >= package.first), key=lambda a: a.size)
    if len(kept) < len(anchors):
        report.notes.append(("an anchor lies before this slice: not judged", "有检查点在本节选之前，未予判断"))
    marks = heapq.merge(_checkpoints(package, report, digest=digests[CHECKPOINTS]), kept, key=lambda c: c.size)
    tree, size, good = list(package.left), package.first, package.first
    seqs = _Sequences()
    wanted: dict[str, list[_Promise]] = {}
    for promise in promises:
        if promise.entry:
            wanted.setdefault(promise.entry, []).append(promise)
    sha256, match = hashlib.sha256, _ENTRY.fullmatch
    mark = next(marks, None)
    while mark is not None and mark.size == size:
        mark = _compare(mark, tree, good=good, report=report, promises=promises, marks=marks)
    due = mark.size if mark else -1
    number = 0
    for number, raw in enumerate(_lines(package.files, ENTRIES, MAX_ENTRY, digest=digests[ENTRIES]), 1):
        try:
            found = match(raw.decode("utf-8"))
        except UnicodeDecodeError:
            found = None
        if found is None:
            raise _Broken(ENTRIES, number, "not the canonical form of an entry v1", "不是第 1 版留痕的规范格式")
        at, evidence, facts, part, seq, subject = found.groups()
        if not (_ascending(facts) and _ascending(evidence) and _is_time(at)):
            raise _Broken(
                ENTRIES, number, "names twice or out of order, or no such time", "名称重复或顺序不对，或时间无效"
            )
        seqs.add(subject, int(seq), number, is_case=part == "case")
        if wanted:
            for promise in wanted.get("sha256:" + sha256(raw).hexdigest(), ()):
                promise.found_in(raw, package.first + number)
        leaf, index = sha256(b"\x00" + raw).digest(), size
        while index & 1:
            leaf = sha256(b"\x01" + tree.pop() + leaf).digest()
            index >>= 1
        tree.append(leaf)
        size += 1
        report.count = number
        while mark is not None and due == size:
            mark = _compare(mark, tree, good=good, report=report, promises=promises, marks=marks)
            good, due = size, mark.size if mark else -1
    if mark is not None:
        raise _Broken(
            ENTRIES if mark.file == CHECKPOINTS else mark.file,
            number + 1 if mark.file == CHECKPOINTS else mark.line,
            f"the end is missing: a checkpoint of {mark.at} signs {mark.size} entries, here are {size}",
            f"末尾缺失：{mark.at} 的检查点覆盖 {mark.size} 条，此处只有 {size} 条",
        )
    seqs.check(report.sealed, from_start=package.first == 0)
    if number and not report.checkpoints:
        raise _Broken(CHECKPOINTS, 0, "there is no checkpoint: nothing is proved", "没有检查点，无法证明")
    for name, wanted_lines, lines in (
        (ENTRIES, package.count, number),
        (CHECKPOINTS, package.checkpoints, report.checkpoints),
    ):
        if wanted_lines != lines:
            raise _Broken(
                name,
                lines + 1,
                f"the manifest counts {wanted_lines} lines, here are {lines}",
                f"清单载明 {wanted_lines} 行",
            )
        package.check_digest(name, digests[name])


def _compare(
    mark: _Checkpoint,
    tree: Sequence[bytes],
    *,
    good: int,
    report: Report,
    promises: Sequence[_Promise],
    marks: Iterator[_Checkpoint],
) -> _Checkpoint | None:
    """Check the root at ``mark`` and give the next one; ``good`` is the last size whose root held."""
    root = tree[-1] if tree else hashlib.sha256(b"").digest()
    for left in reversed(tree[:-1]):
        root = hashlib.sha256(b"\x01" + left + root).digest()
    if root != mark.root:
        low, high = good - report.first + 1, mark.size - report.first
        if mark.file != CHECKPOINTS or high < low:
            raise _Broken(mark.file, mark.line, "another history than this package tells", "与本包内容不符")
        raise _Broken(
            ENTRIES,
            low,
            f"lines {low} to {high} are not what the checkpoint of {mark.at} signed "
            f"(its line {mark.line}): changed, removed, added or moved",
            f"第 {low} 至 {high} 行与 {mark.at} 的检查点（第 {mark.line} 行）不符：被修改、删除、插入或调换",
        )
    if mark.file == CHECKPOINTS:
        report.sealed, report.last_at = mark.size - report.first, mark.at
        for promise in promises:
            if promise.position and not promise.sealed_at:
                promise.sealed_at = mark.at
    return next(marks, None)


class _Sequences:
    """Which numbers each subject has used. Numbers may arrive slightly out of order; used twice they may not be."""

    def __init__(self) -> None:
        self._upto: dict[str, int] = {}
        self._ahead: dict[str, dict[int, int]] = {}  # subject → number → line
        self._cases: set[str] = set()  # of those ahead

    def add(self, subject: str, seq: int, line: int, *, is_case: bool) -> None:
        upto = self._upto.get(subject, 0)
        ahead = self._ahead.get(subject)
        if seq == upto + 1:
            if ahead:
                while seq + 1 in ahead:
                    seq += 1
                    del ahead[seq]
                if not ahead:
                    del self._ahead[subject]
            self._upto[subject] = seq
        elif seq <= upto or (ahead and seq in ahead):
            raise _Broken(ENTRIES, line, f"number {seq} of {subject} is there twice", f"{subject} 的第 {seq} 号重复")
        else:
            self._ahead.setdefault(subject, {})[seq] = line
            if is_case:
                self._cases.add(subject)

    def check(self, sealed: int, *, from_start: bool) -> None:
        """Gaps of cases. Not judged: past the last checkpoint, where the missing one may still come; and, in a
        slice, cases that began before it."""
        gaps = [
            (min(ahead.values()), subject)
            for subject, ahead in self._ahead.items()
            if subject in self._cases and (from_start or subject in self._upto)
        ]
        line, subject = min(gaps, default=(sealed + 1, ""))
        if line <= sealed:
            missing = self._upto.get(subject, 0) + 1
            raise _Broken(
                ENTRIES, line, f"number {missing} of case {subject} is missing", f"办件 {subject} 缺第 {missing} 号"
            )


# ---- receipts ------------------------------------------------------------------------------------------------------

_PAYLOAD = ("v", "receipt_no", "bank", "bank_ref", "item", "item_version", "outlet", "business_digest", "received_at")


class _Promise:
    """One receipt: whether it is ours, and whether its entry appeared in time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.name, self.entry, self.received_at, self.sealed_at = text[:24] + "…", "", "", ""
        self.position = 0
        self._fault: tuple[str, str] | None = None
        self._number = self._business = ""

    def check_signature(self, keys: _Keys) -> None:
        """Parse and check the JWS; the algorithm is the key's, never the header's."""
        try:
            parts = self.text.split(".")
            header, payload, sig = (_unbase64(p) for p in parts)
            head = _members("", header + b"\n", dict.fromkeys(("alg", "kid", "typ"), str))
            body = json.loads(payload)
            optional = ("provisional_no",) if "provisional_no" in body else ()
            body = _members("", payload + b"\n", dict.fromkeys((*_PAYLOAD, "entry", *optional), str))
            _moment(body["received_at"])
            if head["alg"] != "EdDSA" or head["typ"] != "ft-receipt+jws":
                raise ValueError
        except (ValueError, TypeError, _Broken, RecursionError):
            self._fault = "not a receipt of format v1", "不是第 1 版回执"
            return
        signed = ".".join(parts[:2]).encode("ascii")
        self.name = self._number = body["receipt_no"]
        self.received_at, self._business = body["received_at"], body["business_digest"]
        self._fault = keys.fault(head["kid"], "receipt", at=self.received_at, message=signed, sig=sig)
        if self._fault is None:
            self.entry = body["entry"]

    def found_in(self, raw: bytes, position: int) -> None:
        """The entry with the promised hash stands at ``position``; it must speak of this very receipt."""
        self.position = position
        entry = json.loads(raw)
        if (
            entry["kind"] != "case:submission:received"
            or entry["facts"].get("receipt_no") != self._number
            or entry["digests"].get("business") != self._business
        ):
            self._fault = "its entry speaks of something else", "所指留痕记载的是另一事项"

    def finding(self, report: Report) -> ReceiptFinding:
        """The verdict, once the whole package was read."""
        if self._fault is not None:
            return ReceiptFinding(self.name, False, *self._fault)
        if report.broken is not None:
            return ReceiptFinding(self.name, False, "not judged, the trail is broken", "留痕已断开，未予判断")
        due = _moment(self.received_at) + PROMISE
        early = not report.last_at or _moment(report.last_at) < due
        if not self.position:
            why = (
                (
                    "its entry is not here; the package ends before the promised minute was over",
                    "包内没有其留痕，且本包在承诺时限之前结束",
                )
                if early
                else ("its entry NEVER APPEARED", "其留痕从未出现")
            )
            return ReceiptFinding(self.name, False, *why)
        if not self.sealed_at:
            english, chinese = (
                f"entry {self.position}, not yet under a checkpoint",
                f"第 {self.position} 条，尚未纳入检查点",
            )
            return ReceiptFinding(self.name, early, english, chinese)
        late = (_moment(self.sealed_at) - _moment(self.received_at)).total_seconds()
        english = f"entry {self.position}, under the checkpoint of {self.sealed_at}, {late:.1f} s after receipt"
        chinese = f"第 {self.position} 条，由 {self.sealed_at} 的检查点覆盖，收件后 {late:.1f} 秒"
        if late > PROMISE.total_seconds():
            english, chinese = english + " (later than the promised 60 s)", chinese + "（超过承诺的 60 秒）"
        return ReceiptFinding(self.name, True, english, chinese)


# ---- small things --------------------------------------------------------------------------------------------------


def _ascending(members: str) -> bool:
    names = _NAMES.findall(members)
    return len(names) < 2 or names == sorted(set(names))


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _moment(text: str) -> datetime:
    if re.fullmatch(_AT, text) is None:
        raise ValueError("not a time of format v1")
    return datetime.fromisoformat(text)


def _number(text: str) -> int:
    if re.fullmatch(_COUNT, text) is None:
        raise ValueError("not a number of format v1")
    return int(text)


def _unbase64(text: str) -> bytes:
    """base64url without padding, the one spelling only."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise ValueError("another spelling of base64url")
    return raw


def _file_lines(paths: Sequence[str]) -> list[bytes]:
    lines: list[bytes] = []
    for path in paths:
        try:
            with Path(path).open("rb") as stream:
                content = stream.read(MAX_SMALL + 1)
        except OSError as fault:
            raise Unusable(f"cannot be read / 无法读取: {fault}") from fault
        if len(content) > MAX_SMALL:
            raise Unusable(f"too large / 过大: {path}")
        lines += [line.strip() for line in content.split(b"\n") if line.strip()]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Gives the exit code."""
    parser = argparse.ArgumentParser(description="Checks a trail package. 核验留痕证据包。")
    parser.add_argument("package", help="folder or zip / 文件夹或压缩包")
    parser.add_argument("--trusted-key", action="append", default=[], metavar="HEX", help="checkpoint key / 可信公钥")
    parser.add_argument("--receipt", action="append", default=[], metavar="FILE", help="receipts, one a line / 回执")
    parser.add_argument("--anchor", action="append", default=[], metavar="FILE", help="kept checkpoints / 留存的检查点")
    parser.add_argument("--max-bytes", type=int, default=MAX_TOTAL, metavar="N", help="size limit / 大小上限")
    chosen = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Chinese must not stop the verdict
    try:
        report = verify(
            chosen.package,
            trusted_keys=chosen.trusted_key,
            receipts=[line.decode("ascii", "replace") for line in _file_lines(chosen.receipt)],
            anchors=_file_lines(chosen.anchor),
            max_bytes=chosen.max_bytes,
        )
    except Unusable as fault:
        sys.stdout.write(f"UNUSABLE / 无法使用: {fault}\n")
        return 2
    sys.stdout.write(report.text())
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
