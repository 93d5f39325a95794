"""One door for each dependency, nothing half-built, and lock files that name no host.

Must not import the gateway: it reads source, so that a broken module is still judged.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ROOT / "gateway"
DOORS = {
    "cryptography": ("signing/", "audit/verify.py"),
    "requests": ("wire/",),
    "urllib3": ("wire/",),
    "sqlalchemy": ("store/",),
    "alembic": ("store/",),
    "psycopg": ("store/",),
    "flask": ("web/", "app.py"),
    "werkzeug": ("web/", "app.py"),
    "ctypes": ("signing/",),
}
SOURCE = [p for top in ("gateway", "mocks", "tools") for p in sorted((ROOT / top).rglob("*.py"))]
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "XX" + "X")


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(DOORS))
def test_a_dependency_has_one_door(package: str) -> None:
    inside = [p.relative_to(GATEWAY).as_posix() for p in GATEWAY.rglob("*.py") if package in _imported(p)]
    assert [name for name in inside if not name.startswith(DOORS[package])] == []


def test_nothing_is_left_unfinished() -> None:
    found = []
    for path in SOURCE:
        before = ""
        for token in tokenize.tokenize(io.BytesIO(path.read_bytes()).readline):
            stub = token.string == "NotImplementedError" and before == "raise"  # to catch it is no stub
            before = token.string
            said = token.type in {tokenize.COMMENT, tokenize.STRING} and any(
                re.search(rf"\b{word}\b", token.string) for word in UNFINISHED
            )
            if stub or said:
                found.append(f"{path.relative_to(ROOT)}:{token.start[0]} {token.string[:60]}")
    assert found == []


def test_no_test_is_switched_off() -> None:
    pattern = re.compile(r"mark\.(skip|skipif|xfail)\b|pytest\.(skip|xfail|importorskip)\(")
    own = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != own
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_every_type_ignore_says_why() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(\[[a-z-, ]+\])?\s*$")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCE
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_lock_files_hold_hashes_and_no_host() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert {"core.txt", "dev.txt", "tools.txt"} <= {p.name for p in locks}
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|@ file:", text) is None, lock.name
        pins = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==\S+.*$", text, flags=re.MULTILINE | re.IGNORECASE)
        hashed = re.findall(r"^[a-z0-9].*\\\n\s+--hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE | re.IGNORECASE)
        assert pins, f"{lock.name} is empty"
        assert len(pins) == len(hashed), f"{lock.name} has a pin without hash"


def test_the_lock_files_follow_what_was_asked_for() -> None:
    for name in ("core", "dev", "tools"):
        asked = re.findall(
            r"^([a-z0-9-]+)(?:\[.*\])?==(\S+)$",
            (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        locked = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        for package, version in asked:
            assert re.search(rf"^{package}(\[.*\])?=={re.escape(version)} ", locked, flags=re.MULTILINE), package


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", "compose.yaml", ".ci/run", "pyproject.toml"])
def test_no_build_file_names_a_package_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert (
        re.search(r"--(extra-)?index-url|--find-links|--trusted-host|INDEX_URL=|//pypi|\[\[tool\.uv\.index", text)
        is None
    )
