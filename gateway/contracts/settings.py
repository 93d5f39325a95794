"""What a peer is built from besides keys and clock: its own block of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.signing.secret import Secret


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """One peer's block: plain values by name, and secrets that do not print."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """A plain value, or the default."""
        return self.values.get(name, default)
