"""What every command shares: the group, settings, the house, the line that says what to do next.

Must not hold a command.
"""

from __future__ import annotations

import getpass
import os
import re
from typing import Any

import click
from rich.console import Console

from gateway import __version__, config, telemetry
from gateway.bootstrap import House, build
from gateway.domain.errors import GatewayError
from gateway.signing.keys import KeyRing

console = Console()


def read_settings() -> config.Settings:
    """The settings of this environment, and logs set up by them. Raises ``BadSettings``."""
    settings = config.from_environment(os.environ)
    telemetry.configure(settings.log_level, settings.log_format)
    return settings


def open_house() -> House:
    """A house without doors and without dispatch, beside a running one. Raises ``BadSettings``."""
    return build(read_settings(), doors=False, dispatch=False)


def our_keys() -> KeyRing:
    """Our own keys. Raises ``BadSettings``."""
    settings = read_settings()
    return KeyRing.load(settings.keys_dir, allow_published=settings.sandbox)


def operator() -> str:
    """Who works at this command line, for the trail: the name of the machine's account, which is no proof of a person.

    Acts that need two people take a person's token beside it (rules.md 30).
    """
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        name = str(os.getuid())
    return "operator:" + re.sub(r"[^!#-\[\]-~]", "_", name)[:60]


def next_step(text: str) -> None:
    """One line that says what to do next."""
    console.print(f"[dim]next:[/] {text}")


class _Group(click.Group):
    """Turns our own errors into one clear message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            raise click.ClickException(str(error) or type(error).__name__) from error


@click.group(cls=_Group)
@click.version_option(__version__)
def main() -> None:
    """The bank-branch government gateway."""
