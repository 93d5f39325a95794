"""The promises of the layout: a peer is a folder and a line, an item is a file, the simulators are strangers.

Reads the codes of peers from the registry, the folders and the catalogue, so a fifth bank is guarded unasked.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ROOT / "gateway"
REGISTRY = GATEWAY / "registry.py"
BANKS = ("ICBC", "CCB", "ABC", "CMB")  # named from the start: guarded also before their folders exist
# from Python 3.12 on the text of an f-string is a token of its own
_SPOKEN = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
BANK_NAMES = ("工商银行", "建设银行", "农业银行", "招商银行", "工行", "建行", "农行", "招行")


def _registry(name: str) -> dict[str, str]:
    """One table of the registry (code → dotted path), read without importing it; empty before it exists."""
    if not REGISTRY.exists():
        return {}
    for node in ast.parse(REGISTRY.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            value = getattr(node, "value", None)
            if isinstance(value, ast.Call) and value.args:  # MappingProxyType({...})
                value = value.args[0]
            table = ast.literal_eval(value) if value is not None else {}
            return {str(code): str(path) for code, path in table.items()}
    return {}


def _folders(room: str) -> list[str]:
    return sorted(p.parent.name for p in (GATEWAY / room).glob("*/__init__.py"))


def _bank_codes() -> dict[str, Path]:
    """Bank code in capitals → the only folder that may speak of it."""
    codes = {*BANKS, *(c.upper() for c in _registry("BANKS")), *(f.upper() for f in _folders("adapters"))}
    return {code: GATEWAY / "adapters" / code.lower() for code in codes}


def _backend_codes() -> dict[str, Path | None]:
    """Back-end code → the only folder that may speak of it (none before it is built)."""
    departments = yaml.safe_load((GATEWAY / "catalogue/data/departments.yaml").read_text(encoding="utf-8"))
    listed = (str(d["code"]) for d in departments["departments"])
    codes: dict[str, Path | None] = {code: None for code in listed if code != "BANK"}  # the receiving bank itself
    codes["FT_SBX"] = GATEWAY / "backends/sandbox"
    for code, path in _registry("BACKENDS").items():
        codes[code] = GATEWAY / "backends" / path.split(":")[0].split(".")[2]
    return codes


def _item_codes() -> list[str]:
    return sorted(p.stem for p in (GATEWAY / "catalogue/items").rglob("*.yaml"))


def _modules(top: Path) -> list[Path]:
    return sorted(p for p in top.rglob("*.py") if "__pycache__" not in p.parts)


def _words(path: Path) -> Iterator[tuple[int, str]]:
    """Every string literal, docstring and comment of a module with its line; bytes are left out (test vectors)."""
    for token in tokenize.tokenize(io.BytesIO(path.read_bytes()).readline):
        is_bytes = token.type == tokenize.STRING and "b" in token.string.split(token.string[-1])[0].lower()
        if token.type in _SPOKEN and not is_bytes:
            yield token.start[0], token.string


def _pattern(code: str) -> re.Pattern[str]:
    """The code as a word, in any case; only in capitals or as a whole literal where a standard module has that name."""
    if code.lower() in sys.stdlib_module_names:
        return re.compile(rf"(?<![\w.]){code}(?!\w)|^[\"']{code.lower()}[\"']$")
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(code)}(?![A-Za-z0-9])", re.IGNORECASE)


def _speaking(patterns: dict[str, tuple[re.Pattern[str], Path | None]]) -> list[str]:
    found = []
    for path in _modules(GATEWAY):
        if path == REGISTRY:
            continue
        for line, text in _words(path):
            for code, (pattern, home) in patterns.items():
                if (home is None or home not in path.parents) and pattern.search(text):
                    found.append(f"{path.relative_to(ROOT)}:{line} names {code}")
    return found


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "importlib.import_module"}:
            yield from ((node.lineno, str(a.value)) for a in node.args[:1] if isinstance(a, ast.Constant))


def test_no_bank_is_named_outside_its_folder_and_the_registry() -> None:
    assert _speaking({code: (_pattern(code), home) for code, home in _bank_codes().items()}) == []


def test_no_bank_is_named_in_chinese_outside_the_folders_of_the_banks() -> None:
    home = GATEWAY / "adapters"
    assert _speaking({name: (re.compile(name), home) for name in BANK_NAMES}) == []


def test_no_back_end_is_named_outside_its_folder_and_the_registry() -> None:
    codes = _backend_codes()
    assert "FT_EDU" in codes  # the catalogue was read
    assert _speaking({code: (_pattern(code), home) for code, home in codes.items()}) == []


def test_no_item_is_named_in_the_code() -> None:
    codes = _item_codes()
    assert len(codes) >= 100
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, codes)) + r")(?!\w)")
    assert _speaking({"an item": (pattern, None)}) == []


def test_the_guard_sees_a_name_and_lets_the_standard_library_be() -> None:
    assert _pattern("ABC").search('"a caller from ABC"')
    assert _pattern("ABC").search('"abc"')
    assert not _pattern("ABC").search('"""Types of collections.abc only."""')
    assert not _pattern("ABC").search('"abcdef"')
    assert _pattern("ICBC").search("# as icbc does")
    assert _pattern("ICBC").search('"icbc_door"')
    assert _pattern("FT_EDU").search('"FT_EDU"')
    assert not _pattern("EMS").search('"items"')


@pytest.mark.parametrize(
    ("room", "wanted"),
    [
        ("adapters", {"adapter.py", "wire.py", "codes.py", "signing.py", "README.md"}),
        ("backends", {"adapter.py", "wire.py", "codes.py", "README.md"}),
    ],
)
def test_peers_have_the_same_files_so_that_two_can_be_compared(room: str, wanted: set[str]) -> None:
    for name in _folders(room):
        # a peer with two protocols keeps the files one folder down, once for each
        files = {p.name for p in (GATEWAY / room / name).rglob("*")}
        assert wanted <= files, f"{room}/{name} lacks {sorted(wanted - files)}"


def test_every_folder_of_a_peer_has_its_line_in_the_registry() -> None:
    assert {c.lower() for c in _registry("BANKS")} == set(_folders("adapters"))
    assert {p.split(":")[0].split(".")[2] for p in _registry("BACKENDS").values()} == set(_folders("backends"))


def test_the_simulators_never_import_the_gateway() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in _modules(ROOT / "mocks")
        for line, name in _imports(path)
        if name.split(".")[0] in {"gateway", "tests", "tools"}
    ]
    assert wrong == []


def test_the_gateway_never_imports_what_is_not_shipped() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in _modules(GATEWAY)
        for line, name in _imports(path)
        if name.split(".")[0] in {"mocks", "tests", "tools", "pytest", "hypothesis"}
    ]
    assert wrong == []
