"""The command line: every duty of an operator.

Must not decide anything a room decides. Runs beside a live gateway as a second process (rules.md 38).
"""

from gateway.cli import (
    acts,
    alarms,
    calendar,
    clients,
    keys,
    looking,
    notices,
    recovering,
    running,
    shelf,
    switches,
    trace,
)
from gateway.cli.base import main

__all__ = [
    "acts",
    "alarms",
    "calendar",
    "clients",
    "keys",
    "looking",
    "main",
    "notices",
    "recovering",
    "running",
    "shelf",
    "switches",
    "trace",
]
