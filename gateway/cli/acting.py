"""How a command of an operator becomes an act: proposed, and done at once only where its kind takes one person.

Must not hold a command. The command line may propose, block and read; it approves only with a person's token (rules.md
30). In sandbox profiles a made-up colleague approves, so that one person can try everything; the trail says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.acts.persons import Person, of_command_line, of_sandbox
from gateway.bootstrap import House
from gateway.cli.base import console, next_step, operator
from gateway.store.act_rows import APPROVED, PROPOSED, ActRow

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TOKEN = click.option("--token-file", type=_FILE, help="a person's token: then that person has proposed it")


def with_token(command: F) -> F:
    """Give a command the option that names who stands behind it."""
    return _TOKEN(command)


def author(house: House, token_file: Path | None) -> Person:
    """Who proposes: the token's person, else this account, which proves nobody."""
    now = house.clock.now()
    if token_file is not None:
        return house.read_token(token_file.read_text().strip(), now)
    if house.settings.sandbox:
        return replace(of_sandbox("operator", now), actor=operator())
    return of_command_line(operator())


def approver(house: House, token_file: Path | None, name: str) -> Person:
    """Who approves or refuses: a token's person; in a sandbox profile a made-up one. Raises ``UsageError``."""
    now = house.clock.now()
    if token_file is not None:
        return house.read_token(token_file.read_text().strip(), now)
    if name and house.settings.sandbox:
        return of_sandbox(name, now)
    if name:
        raise click.UsageError("--as is for the demo and test profiles only: give --token-file")
    return of_command_line(operator())


def carry(house: House, kind: str, payload: Mapping[str, Any], *, token_file: Path | None, then: str) -> bool:
    """Propose an act and let it be done if it may be; True once it is. ``then`` is the next step after it.

    Raises ``ActRefused``, and ``ClickException`` when it could not be carried out.
    """
    row = house.acts.propose(author(house, token_file), kind, payload)
    if row.state == PROPOSED and house.settings.sandbox and token_file is None:
        row = house.acts.approve(of_sandbox("colleague", house.clock.now()), row.act_id, digest=row.digest)
    if row.state != APPROVED:
        console.print(f"proposed: act {row.act_id} waits for {'one' if row.proposer else 'two'} other person(s)")
        next_step(f"python -m gateway acts approve {row.act_id} --digest {row.digest} --token-file FILE")
        return False
    told(house.acts.carry_out(row.act_id))
    next_step(then)
    return True


def told(row: ActRow) -> None:
    """Say what became of an act that was to be carried out. Raises ``ClickException`` when it failed."""
    if row.state == "failed":
        raise click.ClickException(f"could not be done, nothing was changed: {row.result}")
    console.print(row.result, markup=False, highlight=False)
