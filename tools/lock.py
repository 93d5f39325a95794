"""`make lock`: write requirements/*.txt from requirements/*.in: exact versions, markers and hashes, and no host.

One file serves every Python from 3.11 on and both processor families. Existing pins are kept unless ``--upgrade``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "requirements"
_HOST = re.compile(r"://|--(extra-)?index-url|--find-links|--trusted-host|@ file:")


def main() -> int:
    """Lock core, then dev under core's pins, then tools; 1 with uv's words when one cannot be solved."""
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    for name in ("core", "dev", "tools"):
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command += [*upgrade, "-o", f"{name}.txt", f"{name}.in"]
        code = subprocess.run(command, cwd=FOLDER, env=dict(os.environ), check=False).returncode
        if code:
            return 1
        found = [line for line in (FOLDER / f"{name}.txt").read_text().splitlines() if _HOST.search(line)]
        if found:
            print(f"✗ requirements/{name}.txt names a host and must not be committed: {found[0]}")
            return 1
        print(f"✓ requirements/{name}.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
