"""What a stack's processes are told: the peers file and the environment. Pure; must not write or start anything."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

PREFIX = "GATEWAY_"
DEPARTMENT, BUREAU = "FT_SBX", "FT_EDU"
OUR_APP = "gw-stack-01"


def department_toml(
    code: str,
    base_url: str,
    secret_file: Path,
    *,
    deadline: float,
    cap: int = 16,
    rate: int = 0,
    threads: int = 8,
) -> str:
    """The peers file's block of one department. ``deadline`` in seconds; ``rate`` calls a second, 0 = no limit."""
    quoted = json.dumps  # a JSON string is a TOML basic string
    return "\n".join(
        [
            f"[backends.{code}]",
            f"base_url = {quoted(base_url)}",
            'networks = ["127.0.0.0/8"]',
            f"deadline = {float(deadline)}",
            f"cap = {cap}",
            f"rate = {rate}",
            f"threads = {threads}",
            f"[backends.{code}.values]",
            f"app = {quoted(OUR_APP)}",
            f"[backends.{code}.secrets]",
            f"hmac = {quoted(str(secret_file))}",
            "",
        ]
    )


def environment(
    inherited: Mapping[str, str],
    *,
    profile: str,
    database_url: str,
    keys_dir: Path,
    peers_file: Path,
    blobs_dir: Path,
    port: int,
    drain_seconds: int,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The children's environment: ours without any ``GATEWAY_`` of ours, and the settings of this stack.

    ``more``: further settings by their name without the prefix; they win.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith(PREFIX)}
    settings = {
        "PROFILE": profile,
        "DATABASE_URL": database_url,
        "KEYS_DIR": str(keys_dir),
        "PEERS_FILE": str(peers_file),
        "BLOBS_DIR": str(blobs_dir),
        "LISTEN": f"127.0.0.1:{port}",
        "DRAIN_SECONDS": str(drain_seconds),
        **(more or {}),
    }
    return kept | {PREFIX + name: value for name, value in settings.items()} | {"PYTHONUNBUFFERED": "1"}


def shell_lines(environment: Mapping[str, str]) -> str:
    """The gateway's settings of an environment, one ``export`` a line, for commands by hand."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX)
    )


def drain_seconds(deadline: float) -> int:
    """How long a stop may wait: a little longer than the longest call."""
    return int(deadline) + 3
