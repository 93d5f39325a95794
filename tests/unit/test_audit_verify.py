"""The auditor's program: a whole trail is called whole, and every change of it is found."""

import ast
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import verify as program
from gateway.audit.checkpoint import sign_checkpoint
from gateway.audit.entry import BadEntry, canonical, entry_hash, new_entry, read
from gateway.audit.kinds import EntryKind
from gateway.audit.merkle import Appender, leaf_hash, left_edge
from gateway.audit.package import PublicKey, write_package
from gateway.audit.verify import Report, Unusable, verify

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)  # worthless, as the next two
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
RECEIPTS = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
BUSINESS = "b1-sha256:" + "ab" * 32
PIN = (PUBLIC,)

Files = dict[str, bytes]


def _at(position: int) -> datetime:
    return START + timedelta(seconds=position)


def _entry(position: int) -> bytes:
    """Ten cases of three entries each, and every fourth entry of a door."""
    at = _at(position)
    if position % 4 == 3:
        nth, facts = position // 4 + 1, {"count": "3"}
        return canonical(
            new_entry(EntryKind.REQUEST_REFUSED, "door:D1", seq=nth, at=at, actor="system:door", facts=facts)
        )
    nth = position - position // 4
    case, step = divmod(nth, 3)
    if step == 0:
        facts, digests = {"receipt_no": f"FT{case:03d}"}, {"business": BUSINESS}
        kind = EntryKind.SUBMISSION_RECEIVED
    else:
        facts, digests = {"attempt": "1"}, {}
        kind = EntryKind.CALL_ATTEMPTED if step == 1 else EntryKind.CALL_ANSWERED
    return canonical(
        new_entry(kind, f"C{case}", seq=step + 1, at=at, actor="bank:B1:app", facts=facts, digests=digests)
    )


class Nodes:
    """Nodes as a store keeps them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        return self.kept[level, index]


ENTRIES = [_entry(position) for position in range(40)]
MARKS = (10, 20, 20, 33)  # 20 twice: an idle minute; 7 entries are not yet under a checkpoint


def _seal(
    entries: list[bytes], marks: tuple[int, ...] = MARKS, key: Ed25519PrivateKey = KEY
) -> tuple[list[bytes], Nodes]:
    nodes, lines = Nodes(), []
    appender = Appender(nodes, 0)
    for nth, size in enumerate(marks):
        for node in appender.extend(map(leaf_hash, entries[appender.size : size])):
            nodes.kept[node.level, node.index] = node.hash
        at = START + timedelta(seconds=size + nth)
        lines.append(sign_checkpoint("demo", size, root=appender.root(), at=at, key="cp-1", sign=key.sign).line())
    return lines, nodes


CHECKPOINTS, NODES = _seal(ENTRIES)


def _keys(key: Ed25519PrivateKey = KEY, until: datetime | None = None, start: datetime = START) -> list[PublicKey]:
    return [
        PublicKey("cp-1", "checkpoint", key.public_key().public_bytes_raw(), start, until),
        PublicKey("rc-1", "receipt", RECEIPTS.public_key().public_bytes_raw(), START),
    ]


def _write(
    target: Path,
    entries: list[bytes] = ENTRIES,
    checkpoints: list[bytes] = CHECKPOINTS,
    *,
    key: Ed25519PrivateKey = KEY,
    keys: list[PublicKey] | None = None,
    first: int = 0,
    left: tuple[bytes, ...] = (),
) -> Path:
    write_package(
        target,
        entries,
        checkpoints=checkpoints,
        keys=keys or _keys(key),
        sign=key.sign,
        key="cp-1",
        log="demo",
        made_at=START + timedelta(minutes=2),
        first=first,
        left=left,
    )
    return target


def _in_memory(target: Path) -> Files:
    return {path.name: path.read_bytes() for path in target.iterdir()}


def _sample() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        return _in_memory(_write(Path(folder) / "p"))


SAMPLE = _sample()


@pytest.fixture
def whole() -> Files:
    return dict(SAMPLE)


def _resigned(files: Mapping[str, bytes], key: Ed25519PrivateKey = KEY) -> Files:
    """The same with a manifest that fits: what the holder of the key could do."""
    made = dict(files)
    manifest = json.loads(made["manifest.json"])
    manifest["files"] = {n: "sha256:" + hashlib.sha256(made[n]).hexdigest() for n in manifest["files"]}
    manifest["count"] = str(made["entries.jsonl"].count(b"\n"))
    manifest["checkpoints"] = str(made["checkpoints.jsonl"].count(b"\n"))
    made["manifest.json"] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    made["manifest.sig"] = key.sign(b"ft-gov package v1\n" + made["manifest.json"]).hex().encode() + b"\n"
    return made


def _with_lines(files: Mapping[str, bytes], name: str, lines: list[bytes]) -> Files:
    return {**files, name: b"".join(line + b"\n" for line in lines)}


def _breaks(files: Mapping[str, bytes]) -> tuple[str, int]:
    report = verify(files, trusted_keys=PIN)
    assert report.broken is not None
    assert report.exit_code == 1
    return report.broken.file, report.broken.line


@pytest.fixture
def quick_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same signatures are checked thousands of times: remember each verdict by all that goes into it."""
    real, known = program._Keys.fault, {}

    def fault(self: object, key_id: str, purpose: str, *, at: str, message: bytes, sig: bytes) -> object:
        asked = (key_id, purpose, at, message, sig)
        if asked not in known:
            known[asked] = real(self, key_id, purpose, at=at, message=message, sig=sig)
        return known[asked]

    monkeypatch.setattr(program._Keys, "fault", fault)


# ---- whole trails


@pytest.mark.parametrize("name", ["p", "p.zip"])
def test_a_whole_trail_is_called_whole_in_two_languages(tmp_path: Path, name: str) -> None:
    report = verify(_write(tmp_path / name), trusted_keys=PIN)
    assert (report.whole, report.exit_code, report.count, report.sealed, report.checkpoints) == (True, 0, 40, 33, 4)
    assert "whole from 1 to 33\n第 1 至 33 条，完整\n" in report.text()
    assert "7 entries after it are not yet under a checkpoint" in report.text()
    assert "WARNING" not in report.text()


def test_believing_the_keys_of_the_package_is_said_loudly(whole: Files) -> None:
    report = verify(whole)
    assert report.exit_code == 0
    assert "WARNING: no --trusted-key" in report.text()
    assert "警告" in report.text()


def test_numbers_of_a_case_may_arrive_out_of_order_but_not_twice_and_not_with_a_gap(tmp_path: Path) -> None:
    swapped = list(ENTRIES)
    swapped[1], swapped[2] = swapped[2], swapped[1]  # same case, numbers 2 and 3, sealed in this order
    assert verify(_write(tmp_path / "a", swapped, _seal(swapped)[0]), trusted_keys=PIN).exit_code == 0
    gone = ENTRIES[:1] + ENTRIES[2:]  # never given a place in the log: the tree is whole, the case is not
    report = verify(_write(tmp_path / "b", gone, _seal(gone)[0]), trusted_keys=PIN)
    assert report.broken is not None
    assert (report.broken.file, report.broken.line) == ("entries.jsonl", 2)
    assert "number 2 of case C0 is missing" in report.broken.english
    twice = [*ENTRIES[:2], ENTRIES[1], *ENTRIES[2:]]
    report = verify(_write(tmp_path / "c", twice, _seal(twice)[0]), trusted_keys=PIN)
    assert report.broken is not None
    assert (report.broken.line, report.broken.english) == (3, "number 2 of C0 is there twice")


def test_a_gap_after_the_last_checkpoint_may_still_be_filled(tmp_path: Path) -> None:
    gone = ENTRIES[:37] + ENTRIES[38:]  # position 38 is number 3 of the case whose number 2 stood at 37
    assert verify(_write(tmp_path / "a", gone), trusted_keys=PIN).exit_code == 0


def test_other_subjects_than_cases_may_skip_numbers(tmp_path: Path) -> None:
    gone = ENTRIES[:7] + ENTRIES[8:]
    assert verify(_write(tmp_path / "a", gone, _seal(gone)[0]), trusted_keys=PIN).exit_code == 0


def test_a_slice_is_checked_from_the_left_edge_on(tmp_path: Path) -> None:
    left = tuple(left_edge(NODES, 13))
    part = _write(tmp_path / "s", ENTRIES[13:], CHECKPOINTS[1:], first=13, left=left)
    report = verify(part, trusted_keys=PIN)
    assert report.exit_code == 0
    assert "whole from 14 to 33" in report.text()
    assert "this is a slice: 13 entries before it" in report.text()
    wrong = (left[1], left[0], left[2])
    report = verify(_write(tmp_path / "w", ENTRIES[13:], CHECKPOINTS[1:], first=13, left=wrong), trusted_keys=PIN)
    assert report.broken is not None
    assert "lines 1 to 7" in report.broken.english
    early = _write(tmp_path / "e", ENTRIES[13:], CHECKPOINTS, first=13, left=left)
    assert _breaks(_in_memory(early)) == ("checkpoints.jsonl", 1)


def test_a_pause_between_checkpoints_is_mentioned(tmp_path: Path) -> None:
    late = sign_checkpoint("demo", 33, root=bytes.fromhex(json.loads(CHECKPOINTS[-1])["root"]),
                           at=START + timedelta(seconds=130), key="cp-1", sign=KEY.sign).line()  # fmt: skip
    text = verify(_write(tmp_path / "p", ENTRIES, [*CHECKPOINTS, late]), trusted_keys=PIN).text()
    assert "1 pauses over a minute between checkpoints, the longest 94.0 s, before line 5" in text


# ---- every change is found


@pytest.mark.usefixtures("quick_signatures")
@pytest.mark.parametrize("name", ["entries.jsonl", "checkpoints.jsonl"])
def test_every_single_flipped_bit_is_found(whole: Files, name: str) -> None:
    content = whole[name]
    line, seals = 1, MARKS if name == "entries.jsonl" else (1, 2, 3, 4)
    for place, byte in enumerate(content):
        flipped = content[:place] + bytes([byte ^ 1 << place % 8]) + content[place + 1 :]
        report = verify({**whole, name: flipped}, trusted_keys=PIN)
        assert report.broken is not None, f"byte {place} of {name}"
        assert report.broken.file == name
        if line <= seals[-1]:  # found by the log itself, no later than the checkpoint above it, not by the manifest
            assert 0 < report.broken.line <= next(end for end in seals if end >= line) + 1
        line += byte == 10


@pytest.mark.usefixtures("quick_signatures")
@pytest.mark.parametrize("name", ["entries.jsonl", "checkpoints.jsonl"])
def test_every_deleted_inserted_or_swapped_line_is_found(whole: Files, name: str) -> None:
    lines = whole[name].splitlines()
    stranger = canonical(new_entry(EntryKind.CALL_PARKED, "C999", seq=1, at=START, actor="system:dispatch"))
    changes: dict[str, list[bytes]] = {}
    for i in range(len(lines)):
        changes[f"{i} deleted"] = lines[:i] + lines[i + 1 :]
        changes[f"{i} doubled"] = [*lines[:i], lines[i], *lines[i:]]
        changes[f"{i} a stranger"] = [*lines[:i], stranger, *lines[i:]]
        changes[f"{i} an empty line"] = [*lines[:i], b"", *lines[i:]]
        changes[f"cut at {i}"] = lines[:i]
        for j in range(i + 1, len(lines)):
            changes[f"{i} and {j} swapped"] = [*lines[:i], lines[j], *lines[i + 1 : j], lines[i], *lines[j + 1 :]]
    for what, changed in changes.items():
        file, _ = _breaks(_with_lines(whole, name, changed))
        assert file in ("entries.jsonl", "checkpoints.jsonl"), what
    assert len(changes) > 25


@pytest.mark.usefixtures("quick_signatures")
def test_below_the_last_checkpoint_even_the_holder_of_the_key_changes_nothing_unseen(whole: Files) -> None:
    lines = whole["entries.jsonl"].splitlines()
    door = 7  # its numbers may have gaps, so only the tree can find it
    for changed in (
        lines[:door] + lines[door + 1 :],
        [*lines[:door], lines[door + 4], *lines[door + 1 : door + 4], lines[door], *lines[door + 5 :]],
        [*lines[:door], lines[door].replace(b'"count":"3"', b'"count":"2"'), *lines[door + 1 :]],
    ):
        report = verify(_resigned(_with_lines(whole, "entries.jsonl", changed)), trusted_keys=PIN)
        assert report.broken is not None
        assert (report.broken.file, report.broken.line) == ("entries.jsonl", 1)
        assert "lines 1 to 10" in report.broken.english
    later = [*lines[:31], lines[31].replace(b'"count":"3"', b'"count":"2"'), *lines[32:]]
    report = verify(_resigned(_with_lines(whole, "entries.jsonl", later)), trusted_keys=PIN)
    assert report.broken is not None
    assert "lines 21 to 33" in report.broken.english
    assert report.sealed == 20
    assert "whole before that from 1 to 20" in report.text()


@pytest.mark.usefixtures("quick_signatures")
def test_every_cut_of_the_tail_is_found(whole: Files) -> None:
    content = whole["entries.jsonl"]
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    for lines, end in enumerate([0, *ends[:-1]]):
        file, line = _breaks({**whole, "entries.jsonl": content[:end]})
        assert file == "entries.jsonl"
        if lines < 33:
            report = verify(_resigned({**whole, "entries.jsonl": content[:end]}), trusted_keys=PIN)
            assert report.broken is not None
            assert "the end is missing" in report.broken.english
            assert line == lines + 1
    for end in range(len(content) - 400, len(content)):
        assert _breaks({**whole, "entries.jsonl": content[:end]})[0] == "entries.jsonl"


@pytest.mark.parametrize("name", ["keys.json", "README.txt", "manifest.json", "manifest.sig"])
def test_every_other_file_is_covered_too(whole: Files, name: str) -> None:
    content = whole[name]
    for place in range(0, len(content), 5 if len(content) < 2000 else 97):
        flipped = content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        _breaks({**whole, name: flipped})
    without = {n: c for n, c in whole.items() if n != name}
    assert _breaks(without) == (name, 0)
    _breaks({**whole, name: b""})


def test_a_file_more_or_less_is_found(whole: Files) -> None:
    assert _breaks({**whole, "notes.txt": b"hello"}) == ("notes.txt", 0)
    for name in ("entries.jsonl", "checkpoints.jsonl"):
        assert _breaks({n: c for n, c in whole.items() if n != name}) == (name, 0)


def test_signing_everything_again_with_another_key_is_found_by_the_trusted_key_only(tmp_path: Path) -> None:
    forged = [*ENTRIES[:5], ENTRIES[5].replace(b'"attempt":"1"', b'"attempt":"9"'), *ENTRIES[6:]]
    made = _write(tmp_path / "f", forged, _seal(forged, key=OTHER)[0], key=OTHER)
    assert verify(made).exit_code == 0  # which is why the warning is loud
    report = verify(made, trusted_keys=PIN)
    assert report.broken is not None
    assert "not the trusted one" in report.broken.english


def test_a_checkpoint_signed_with_another_key_is_found(whole: Files) -> None:
    lines = whole["checkpoints.jsonl"].splitlines()
    lines[2] = _seal(ENTRIES, key=OTHER)[0][2]
    report = verify(_resigned(_with_lines(whole, "checkpoints.jsonl", lines)))
    assert report.broken is not None
    assert (report.broken.file, report.broken.line) == ("checkpoints.jsonl", 3)
    assert report.broken.english == "the signature does not hold"


def test_keys_are_used_for_their_purpose_and_in_their_time_only(tmp_path: Path) -> None:
    early = _write(tmp_path / "a", keys=_keys(start=START + timedelta(seconds=15)))
    assert _breaks(_in_memory(early)) == ("checkpoints.jsonl", 1)
    ended = _write(tmp_path / "b", keys=_keys(until=START + timedelta(seconds=30)))
    assert _breaks(_in_memory(ended)) == ("manifest.json", 0)
    wrong = [PublicKey("cp-1", "receipt", KEY.public_key().public_bytes_raw(), START)]
    assert _breaks(_in_memory(_write(tmp_path / "c", keys=wrong))) == ("manifest.json", 0)
    assert _breaks(_in_memory(_write(tmp_path / "d", keys=[*_keys(), *_keys()]))) == ("keys.json", 0)


def test_checkpoints_must_grow_in_size_and_time_and_belong_to_this_log(tmp_path: Path) -> None:
    for nth, order in enumerate(([1, 0, 2, 3], [0, 2, 1, 3])):
        assert _breaks(_in_memory(_write(tmp_path / f"{nth}", ENTRIES, [CHECKPOINTS[i] for i in order])))[1] in (2, 3)
    root = bytes.fromhex(json.loads(CHECKPOINTS[0])["root"])
    other = sign_checkpoint("another", 10, root=root, at=START, key="cp-1", sign=KEY.sign).line()
    assert _breaks(_in_memory(_write(tmp_path / "x", ENTRIES, [other, *CHECKPOINTS[1:]]))) == ("checkpoints.jsonl", 1)
    second = sign_checkpoint("demo", 20, root=b"\x00" * 32, at=_at(21), key="cp-1", sign=KEY.sign).line()
    assert _breaks(_in_memory(_write(tmp_path / "y", ENTRIES, [*CHECKPOINTS[:2], second]))) == ("checkpoints.jsonl", 3)


def test_a_trail_without_checkpoints_proves_nothing(tmp_path: Path) -> None:
    assert _breaks(_in_memory(_write(tmp_path / "p", ENTRIES, []))) == ("checkpoints.jsonl", 0)
    empty = _write(tmp_path / "q", [], [])
    assert verify(empty, trusted_keys=PIN).exit_code == 0


def test_a_checkpoint_kept_elsewhere_finds_a_tail_cut_by_the_holder_of_the_key(tmp_path: Path) -> None:
    cut = _write(tmp_path / "p", ENTRIES[:25], CHECKPOINTS[:3])
    assert verify(cut, trusted_keys=PIN).exit_code == 0
    report = verify(cut, trusted_keys=PIN, anchors=[CHECKPOINTS[3]])
    assert report.broken is not None
    assert "signs 33 entries, here are 25" in report.broken.english
    assert verify(cut, trusted_keys=PIN, anchors=[CHECKPOINTS[1], CHECKPOINTS[0]]).exit_code == 0
    other = [*ENTRIES[:5], ENTRIES[5].replace(b'"attempt":"1"', b'"attempt":"9"'), *ENTRIES[6:]]
    second_log = _write(tmp_path / "q", other, _seal(other)[0])
    assert verify(second_log, trusted_keys=PIN).exit_code == 0
    report = verify(second_log, trusted_keys=PIN, anchors=[CHECKPOINTS[1]])
    assert report.broken is not None
    assert (report.broken.file, report.broken.line) == ("anchor", 1)


# ---- receipts


def _receipt(
    entry: str, number: str = "FT000", key: Ed25519PrivateKey = RECEIPTS, alg: str = "EdDSA", kid: str = "rc-1",
    at: str = "2026-11-23T10:00:00.000+08:00", **more: str,
) -> str:  # fmt: skip
    def part(members: Mapping[str, str]) -> str:
        text = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    payload = dict(zip(("v", "bank", "bank_ref", "item", "item_version", "outlet"), "1BRIVO", strict=True))
    payload |= {"receipt_no": number, "business_digest": BUSINESS, "received_at": at, "entry": entry, **more}
    text = part({"alg": alg, "kid": kid, "typ": "ft-receipt+jws"}) + "." + part(payload)
    return text + "." + base64.urlsafe_b64encode(key.sign(text.encode())).rstrip(b"=").decode()


def _judged(source: object, receipt: str) -> Report:
    report = verify(source, trusted_keys=PIN, receipts=[receipt])  # type: ignore[arg-type]  # mapping or path
    assert report.whole
    assert len(report.receipts) == 1
    assert report.exit_code == (0 if report.receipts[0].kept else 1)
    return report


def test_a_receipt_whose_entry_stands_under_a_checkpoint_is_kept(whole: Files) -> None:
    report = _judged(whole, _receipt(entry_hash(ENTRIES[0])))
    assert report.receipts[0].kept
    assert "receipt FT000 kept: entry 1, under the checkpoint of 2026-11-23T10:00:10.000+08:00, 10.0 s" in report.text()
    assert _judged(whole, _receipt(entry_hash(ENTRIES[0]), provisional_no="FP1")).receipts[0].kept
    twice = verify(whole, trusted_keys=PIN, receipts=[_receipt(entry_hash(ENTRIES[0]))] * 2)
    assert [finding.kept for finding in twice.receipts] == [True, True]


def test_a_receipt_kept_late_says_so(tmp_path: Path) -> None:
    receipts = PublicKey("rc-1", "receipt", RECEIPTS.public_key().public_bytes_raw(), START - timedelta(days=1))
    package = _write(tmp_path / "p", keys=[_keys()[0], receipts])
    report = _judged(package, _receipt(entry_hash(ENTRIES[0]), at="2026-11-23T09:59:05.000+08:00"))
    assert report.receipts[0].kept
    assert "65.0 s after receipt (later than the promised 60 s)" in report.text()
    assert "later than" not in _judged(package, _receipt(entry_hash(ENTRIES[0]))).text()


def test_a_receipt_whose_entry_never_appeared_is_reported(whole: Files, tmp_path: Path) -> None:
    report = _judged(whole, _receipt("sha256:" + "0" * 64))
    assert "the package ends before the promised minute was over" in report.text()
    late = sign_checkpoint("demo", 33, root=bytes.fromhex(json.loads(CHECKPOINTS[-1])["root"]),
                           at=START + timedelta(seconds=90), key="cp-1", sign=KEY.sign).line()  # fmt: skip
    longer = _write(tmp_path / "p", ENTRIES, [*CHECKPOINTS, late])
    report = _judged(longer, _receipt("sha256:" + "0" * 64))
    assert "NOT KEPT: its entry NEVER APPEARED" in report.text()
    assert "未兑现：其留痕从未出现" in report.text()
    trailing = next(i for i in range(33, 40) if b'"receipt_no"' in ENTRIES[i])
    number = json.loads(ENTRIES[trailing])["facts"]["receipt_no"]
    assert not _judged(longer, _receipt(entry_hash(ENTRIES[trailing]), number)).receipts[0].kept
    report = _judged(whole, _receipt(entry_hash(ENTRIES[trailing]), number))
    assert report.receipts[0].kept
    assert "not yet under a checkpoint" in report.receipts[0].english


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda e: _receipt(e, key=OTHER), "the signature does not hold"),
        (lambda e: _receipt(e, kid="cp-1", key=KEY), "does not hold for this purpose"),
        (lambda e: _receipt(e, alg="none"), "not a receipt of format v1"),
        (lambda e: _receipt(e, extra="x"), "not a receipt of format v1"),
        (lambda e: _receipt(e, at="2026-11-23T09:59:59.000+08:00"), "outside the validity"),
        (lambda e: _receipt(e, number="FT001"), "speaks of something else"),
        (lambda e: _receipt(e, business_digest="b1-sha256:" + "cd" * 32), "speaks of something else"),
        (lambda e: _receipt(entry_hash(ENTRIES[1])), "speaks of something else"),
        (lambda e: _receipt(e)[:-1], "not a receipt of format v1"),
        (lambda e: _receipt(e).rsplit(".", 1)[0] + ".", "the signature does not hold"),
        (lambda e: _receipt(e) + ".x", "not a receipt of format v1"),
        (lambda e: "e30.W10.", "not a receipt of format v1"),
        (lambda e: "", "not a receipt of format v1"),
        (lambda e: "回.执.！", "not a receipt of format v1"),
    ],
)
def test_a_receipt_that_is_not_ours_or_tells_otherwise_is_refused(
    whole: Files, make: Callable[[str], str], why: str
) -> None:
    report = _judged(whole, make(entry_hash(ENTRIES[0])))
    assert not report.receipts[0].kept
    assert why in report.receipts[0].english


def test_receipts_are_not_judged_by_a_broken_trail(whole: Files) -> None:
    report = verify({**whole, "entries.jsonl": b""}, trusted_keys=PIN, receipts=[_receipt(entry_hash(ENTRIES[0]))])
    assert not report.receipts[0].kept
    assert "not judged" in report.receipts[0].english


# ---- unusable input, the program itself


def test_what_is_not_a_package_is_unusable_not_broken(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no such"):
        verify(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("hello")
    for name in ("empty", "text.zip"):
        with pytest.raises(Unusable):
            verify(tmp_path / name)
    with pytest.raises(Unusable, match="64 hex"):
        verify(_write(tmp_path / "p"), trusted_keys=["abc"])
    with pytest.raises(Unusable, match="large"):
        verify(tmp_path / "p", max_bytes=1000)
    with pytest.raises(Unusable, match="large"):
        verify({"manifest.json": b" " * (program.MAX_SMALL + 1)})


def test_a_damaged_zip_is_unusable(tmp_path: Path) -> None:
    content = bytearray(_write(tmp_path / "p.zip").read_bytes())
    content[120] ^= 0xFF
    (tmp_path / "d.zip").write_bytes(content)
    with pytest.raises(Unusable):
        verify(tmp_path / "d.zip", trusted_keys=PIN)


def test_zip_bombs_and_doubled_names_are_unusable(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"{}")
        archive.writestr("entries.jsonl", b"\n" * (4 << 20))
    with pytest.raises(Unusable, match="bomb"):
        verify(tmp_path / "bomb.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("manifest.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("manifest.json", b"{}")
    with pytest.raises(Unusable, match="twice"):
        verify(tmp_path / "twice.zip")
    with zipfile.ZipFile(tmp_path / "bz.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(Unusable, match="unusually"):
        verify(tmp_path / "bz.zip")


def test_a_line_without_end_does_not_fill_the_memory(whole: Files) -> None:
    assert _breaks({**whole, "entries.jsonl": b"x" * 3_000_000}) == ("entries.jsonl", 1)
    assert _breaks({**whole, "checkpoints.jsonl": b"x" * 2000 + b"\n"}) == ("checkpoints.jsonl", 1)
    assert _breaks({**whole, "manifest.json": b"[" * 100_000}) == ("manifest.json", 0)


def test_the_program_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    tree = ast.parse(Path(program.__file__).read_text(encoding="utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) if not node.level}
    assert not any(node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    outside = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    assert outside == {"cryptography"}


def test_the_program_runs_alone_and_gives_its_exit_codes(tmp_path: Path) -> None:
    script = tmp_path / "elsewhere" / "verify.py"
    script.parent.mkdir()
    script.write_bytes(Path(program.__file__).read_bytes())
    package = _write(tmp_path / "p.zip")
    (tmp_path / "r.jws").write_text(_receipt(entry_hash(ENTRIES[0])) + "\n")
    (tmp_path / "a.jsonl").write_bytes(CHECKPOINTS[1] + b"\n")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=False)

    more = ("--receipt", tmp_path / "r.jws", "--anchor", tmp_path / "a.jsonl")
    done = run(package, "--trusted-key", PUBLIC, *more)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("whole from 1 to 33\n")
    assert "receipt FT000 kept" in done.stdout
    done = run(package, "--trusted-key", OTHER.public_key().public_bytes_raw().hex())
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("BROKEN at manifest.json")


@pytest.mark.parametrize(
    "arguments",
    [["nothing.zip"], ["p", "--receipt", "nothing"], ["p", "--trusted-key", "x"], ["p", "--max-bytes", "9"]],
)
def test_unusable_input_gives_exit_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "p")
    assert program.main(arguments) == 2
    assert capsys.readouterr().out.startswith("UNUSABLE")


def test_fifty_thousand_entries_a_second_are_checked(tmp_path: Path) -> None:
    count = 10_000
    lines = [
        ENTRIES[0].replace(b'"subject":"C0"', b'"subject":"C%d"' % i).replace(b'"FT000"', b'"FT%d"' % i)
        for i in range(count)
    ]
    package = _write(tmp_path / "p.zip", lines, _seal(lines, (5_000, 10_000))[0])
    best = 9.0
    for _ in range(4):
        started = time.perf_counter()
        assert verify(package, trusted_keys=PIN).sealed == count
        best = min(best, time.perf_counter() - started)
    assert count / best > 25_000  # wanted 50,000, measured 110,000; the rest is room for a busy machine


@settings(max_examples=400)
@given(st.integers(0, len(ENTRIES[0]) - 1), st.binary(max_size=3), st.integers(0, 2))
def test_the_program_and_the_gateway_agree_on_what_an_entry_is(place: int, put: bytes, drop: int) -> None:
    line = (ENTRIES[0][:place] + put + ENTRIES[0][place + drop :]).replace(b"\n", b" ")
    try:
        read(line)
        accepted = True
    except BadEntry:
        accepted = False
    report = verify(_with_lines(SAMPLE, "entries.jsonl", [line]), trusted_keys=PIN)
    assert report.broken is not None
    refused = report.broken.english.startswith(("not the canonical form", "names twice"))
    assert accepted is not refused
