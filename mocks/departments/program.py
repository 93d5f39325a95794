"""How a department simulator runs as a program: the options all have, one ready line, and an orderly end.

Must not know any department.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Running(Protocol):
    """A department that listens."""

    @property
    def port(self) -> int:
        """Where."""
        ...


def options_of(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of ``python -m mocks.departments.<name>`` with the options every department has."""
    parser = argparse.ArgumentParser(prog=f"python -m mocks.departments.{name}", description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port (default)")
    parser.add_argument("--secret-file", type=Path, required=True, help="file with the shared secret")
    parser.add_argument("--callback-url", default="", help="the gateway's enrolled address for pushes")
    parser.add_argument("--state", type=Path, required=True, help="directory of the books")
    parser.add_argument("--app", default="", help="the only application id taken (default: any)")
    parser.add_argument("--slow-seconds", type=float, default=8.0)
    parser.add_argument("--print-ready", action=argparse.BooleanOptionalAction, default=True)
    return parser


def serve(department: AbstractContextManager[Running], *, print_ready: bool) -> int:
    """Run until SIGTERM or SIGINT; ``print_ready`` prints one JSON line with the port."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with department as running:
        if print_ready:
            print(json.dumps({"ready": True, "port": running.port}), flush=True)
        ended.wait()
    return 0
