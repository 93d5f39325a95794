"""Loopback ports that stay ours between a child's death and its next start. Must not listen."""

from __future__ import annotations

import socket


class ReservedPort:
    """A free port, chosen by the system and held by a socket that is bound but does not listen.

    Servers that set SO_REUSEADDR (all of ours) may still listen on it; nobody is given it by chance meanwhile.
    """

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.number: int = self._held.getsockname()[1]

    def release(self) -> None:
        """Let others have it."""
        self._held.close()


def listening(port: int) -> bool:
    """True while someone takes connections on this loopback port."""
    with socket.socket() as line:
        line.settimeout(1)
        return line.connect_ex(("127.0.0.1", port)) == 0
