"""Names that would take the place of the standard library's: one bank's folder is called like a module of it.

Must not judge style; these names break imports, some of them silently.
"""

from __future__ import annotations

import importlib.machinery
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("gateway", "mocks", "tools", "tests")
# a room inside the package takes nobody's place: it is always imported as gateway.calendar
ALLOWED = {Path("gateway/adapters/abc"), Path("gateway/calendar")}


def _folders_with_python() -> list[Path]:
    found = {p.parent for top in CODE for p in (ROOT / top).rglob("*.py") if "__pycache__" not in p.parts}
    return sorted(folder.relative_to(ROOT) for folder in found)


def test_the_package_of_the_banks_stays_empty() -> None:
    # an `import abc` in it would silently become the bank as soon as that bank is loaded
    text = (ROOT / "gateway/adapters/__init__.py").read_text(encoding="utf-8")
    assert text.strip() == ""


def test_no_other_folder_with_code_is_called_like_a_standard_module() -> None:
    clashing = [f for f in _folders_with_python() if f.name in sys.stdlib_module_names and f not in ALLOWED]
    assert clashing == []


def test_no_folder_of_tests_or_mocks_is_called_abc() -> None:
    clashing = [f for f in _folders_with_python() if f.parts[0] in {"tests", "mocks"} and "abc" in f.parts]
    assert clashing == []


def test_every_folder_of_the_gateway_is_a_package() -> None:
    # type checkers take a folder for the top of the tree where a parent has no __init__.py
    folders = [f for f in _folders_with_python() if f.parts[0] == "gateway"]
    parents = {p for f in folders for p in [f, *f.parents] if p.parts[:1] == ("gateway",)}
    assert [str(f) for f in sorted(parents) if not (ROOT / f / "__init__.py").exists()] == []


def test_tests_are_flat_files_without_packages() -> None:
    assert [str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("__init__.py")] == []


def test_no_entry_of_the_path_holds_a_second_abc() -> None:
    bare = "import sys, json; print(json.dumps(sys.path))"
    done = subprocess.run([sys.executable, "-c", bare], cwd=ROOT, capture_output=True, text=True, check=True)
    entries = [e for e in __import__("json").loads(done.stdout) if e]
    spec = importlib.machinery.PathFinder.find_spec("abc", [e for e in entries if "lib-dynload" not in e])
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).name == "abc.py"


def test_no_room_is_called_by_what_it_is_not() -> None:
    nameless = {"utils", "util", "helpers", "helper", "common", "misc"}
    modules = [p.relative_to(ROOT) for top in CODE for p in (ROOT / top).rglob("*.py")]
    assert [str(m) for m in modules if m.stem in nameless or nameless & set(m.parts)] == []
