"""Who exists: one line per peer. Loaded lazily, by dotted path; nobody else names a peer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

BANKS: dict[str, str] = {
    "ICBC": "gateway.adapters.icbc:Bank",
}

BACKENDS: dict[str, str] = {
    "FT_SBX": "gateway.backends.sandbox:Backend",
    "FT_EDU": "gateway.backends.education:Backend",
}

SANDBOX_BACKENDS = frozenset({"FT_SBX"})  # refused outside the demo and test profiles


def load(path: str) -> Any:
    """The class behind ``package.module:Name``."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
