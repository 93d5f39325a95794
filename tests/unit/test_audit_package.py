"""The trail package: what is written, that it is the same each time, and that a failure leaves nothing behind."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.package import PublicKey, Written, write_package

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)  # worthless
AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
KEYS = [
    PublicKey("rc-1", "receipt", b"\x02" * 32, AT, AT + timedelta(days=365)),
    PublicKey("cp-1", "checkpoint", KEY.public_key().public_bytes_raw(), AT),
]
NAMES = ["README.txt", "checkpoints.jsonl", "entries.jsonl", "keys.json", "manifest.json", "manifest.sig"]


def _write(
    target: Path, entries: Iterator[bytes] | None = None, first: int = 0, left: tuple[bytes, ...] = ()
) -> Written:
    return write_package(
        target,
        iter([b"one", b"two"]) if entries is None else entries,
        checkpoints=iter([b"mark"]),
        keys=KEYS,
        sign=KEY.sign,
        key="cp-1",
        log="demo-log",
        made_at=AT,
        first=first,
        left=left,
    )


def test_a_folder_and_a_zip_hold_the_same_files(tmp_path: Path) -> None:
    assert _write(tmp_path / "p") == _write(tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(held) == NAMES
    assert held == {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()}


def test_lines_end_with_a_line_feed_and_the_manifest_names_every_digest(tmp_path: Path) -> None:
    written = _write(tmp_path / "p")
    files = {path.name: path.read_bytes() for path in (tmp_path / "p").iterdir()}
    assert files["entries.jsonl"] == b"one\ntwo\n"
    assert files["checkpoints.jsonl"] == b"mark\n"
    manifest = json.loads(files["manifest.json"])
    assert (manifest["count"], manifest["checkpoints"], manifest["first"], manifest["left"]) == ("2", "1", "0", [])
    assert manifest["made_at"] == "2026-11-23T10:00:00.000+08:00"
    assert manifest["files"] == {
        name: "sha256:" + hashlib.sha256(files[name]).hexdigest() for name in NAMES if not name.startswith("manifest")
    }
    assert written == Written(2, 1, "sha256:" + hashlib.sha256(files["manifest.json"]).hexdigest())


def test_the_manifest_is_signed_under_its_own_domain(tmp_path: Path) -> None:
    _write(tmp_path / "p")
    sig = bytes.fromhex((tmp_path / "p" / "manifest.sig").read_text().removesuffix("\n"))
    KEY.public_key().verify(sig, b"ft-gov package v1\n" + (tmp_path / "p" / "manifest.json").read_bytes())
    assert len(sig) == 64


def test_keys_are_listed_with_purpose_and_validity(tmp_path: Path) -> None:
    _write(tmp_path / "p")
    keys = json.loads((tmp_path / "p" / "keys.json").read_bytes())["keys"]
    assert [(k["id"], k["purpose"], k["valid_until"]) for k in keys] == [
        ("cp-1", "checkpoint", ""),
        ("rc-1", "receipt", "2027-11-23T10:00:00.000+08:00"),
    ]
    assert keys[0]["public"] == KEYS[1].public.hex()


def test_the_same_input_gives_the_same_zip(tmp_path: Path) -> None:
    _write(tmp_path / "a.zip")
    _write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_readme_speaks_english_and_chinese_of_what_is_proved_and_what_is_not(tmp_path: Path) -> None:
    _write(tmp_path / "p")
    text = (tmp_path / "p" / "README.txt").read_text(encoding="utf-8")
    assert all(word in text for word in ("proves", "cannot prove", "核验通过证明什么", "不能证明什么", "--trusted-key"))


@pytest.mark.parametrize("name", ["p", "p.zip"])
def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    def failing() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("the store went away")

    with pytest.raises(RuntimeError, match="went away"):
        _write(tmp_path / name, failing())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["p", "p.zip"])
def test_nothing_that_exists_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError):
        _write(tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"
    (tmp_path / name).rename(tmp_path / f"{name}.part")
    with pytest.raises(FileExistsError):
        _write(tmp_path / name)
    assert (tmp_path / f"{name}.part").read_text() == "mine"


def test_lines_with_line_ends_and_left_edges_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line end"):
        _write(tmp_path / "p", iter([b"one\ntwo"]))
    for first, left in ((1, ()), (0, (b"\x00" * 32,)), (-1, ())):
        with pytest.raises(ValueError, match="left"):
            _write(tmp_path / "p", first=first, left=left)
    assert list(tmp_path.iterdir()) == []
