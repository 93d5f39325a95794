"""What people see of the demo. Must not check or start anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tools.demo.feed import Reading
from tools.demo.notices import Told
from tools.demo.story import Row
from tools.stack import Stack
from tools.stack.stack import APP_ID, CLIENT_ID, ROOT


def mark(good: bool) -> str:
    """✓ or ✗ in colour."""
    return "[green]✓[/]" if good else "[red]✗[/]"


def table(rows: Sequence[Row]) -> Table:
    """Story, case, item, way, seconds, ✓ or ✗ with everything that was wrong."""
    shown = Table("", "story", "case", "item", "way", title="what happened", show_lines=False)
    shown.add_column("s", justify="right")
    for row in rows:
        path = Text(row.path)
        for wrong in row.wrong:
            path.append(f"\n{wrong}", style="red")
        shown.add_row(mark(row.good), row.title, row.receipt_no or "–", row.item or "–", path, f"{row.seconds:.2f}")
    return shown


def seen(rows: Sequence[Row]) -> Table:
    """What the teller was told, in the customer's language."""
    shown = Table("story", "about", "says", title="what the teller sees", box=None)
    for row in rows:
        for about, text in row.seen:
            shown.add_row(row.title, about, Text(text))
    return shown


def command(arguments: Sequence[str], output: str, code: int) -> Panel:
    """A command of the product with what it said."""
    lines = "\n".join(line.rstrip() for line in output.strip().splitlines())
    return Panel(
        Text.from_ansi(lines),
        title=f"python -m gateway {' '.join(arguments)}",
        subtitle=f"exit code {code}",
        border_style="green" if code == 0 else "red",
        title_align="left",
        subtitle_align="right",
    )


def feed(reading: Reading) -> RenderableType:
    """One line, and every fault."""
    line = f"{mark(not reading.wrong)} changes feed: {reading.events} events in {reading.pages} pages, read to the end"
    end = "" if reading.wrong else f"; none missing, none twice, complete after {reading.waited:.1f} s"
    return Group(Text.from_markup(line + end), *(Text(f"  {wrong}", style="red") for wrong in reading.wrong))


def told(found: Told, *, cases: int = 3) -> RenderableType:
    """The notices of a few cases as the bank received them, and whether all of them came."""
    shown = Table("notice of", "no.", "what", "state", "recorded", title="what the bank was told (notices)", box=None)
    of_case: dict[str, list[dict[str, Any]]] = {}
    for event in found.taken:
        of_case.setdefault(event["receipt_no"], []).append(event)
    variety = sorted(of_case, key=lambda number: -len({event["state"] for event in of_case[number]}))
    withdrawn = [number for number in of_case if any(event["kind"] == "withdrawn" for event in of_case[number])]
    for number in dict.fromkeys([*variety[: cases - 1], *withdrawn[:1]]):
        for event in sorted(of_case[number], key=lambda e: int(e["event_no"])):
            at = event.get("recorded_at", "")[11:19]
            shown.add_row(number, event["event_no"], event["kind"], event["state"], at)
    good = not found.wrong
    line = f"{mark(good)} notices: {len(found.taken)} taken in {found.requests} requests, all signed both ways"
    end = f"; nothing missing, complete after {found.waited:.1f} s" if good else ""
    return Group(shown, Text(""), Text.from_markup(line + end), *(Text(f"  {w}", style="red") for w in found.wrong))


def next_steps(stack: Stack) -> Text:
    """What to try when the demo is over. Print with ``soft_wrap``: its commands are there to be copied."""
    steps = (
        ("the same house, left running, with calls to copy", "make run"),
        ("what it thinks of its settings; also clients list, timeline, audit …", _by_hand(stack, "doctor")),
        ("what the gateway said meanwhile", f"less {shown(stack.logs)}/gateway.log"),
        ("what it is, and how to connect a bank or a department", "less README.md"),
    )
    lines = [Text("next", style="bold")]
    for meaning, command in steps:
        lines += [Text(f"  # {meaning}", style="dim"), Text(f"  {command}")]
    return Text("\n").join(lines)


def house(stack: Stack) -> Panel:
    """Addresses, names and files of a stack that stays."""
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("gateway", stack.url),
        ("department FT_SBX", f"{stack.department_url} (its books: /control/ledger)"),
        ("education bureau FT_EDU", f"{stack.bureau_url} (officers by hand: /control/)"),
        ("staff", f"{stack.idp_url} signs their tokens; {stack.url}/staff/api/v1/docs/"),
        ("bank", f"ICBC, client {CLIENT_ID}, app_id {APP_ID}"),
        ("bank's private key", shown(stack.bank_key)),
        ("gateway's answer key", shown(stack.answer_key)),
        ("settings", f"{shown(stack.env_file)}, {shown(stack.peers_file)}"),
        ("logs", shown(stack.logs)),
    ):
        facts.add_row(f"[bold]{name}[/]", value)
    return Panel(facts, title="up and running", title_align="left")


_READ_TOKEN = 'import json,sys; print(json.load(sys.stdin)["token"])'
_READ_SESSION = _READ_TOKEN.replace("token", "session")


def calls(stack: Stack) -> Text:
    """Calls to copy, as a shell reads them from the project's root. Print with ``soft_wrap``: no blanks are added."""
    bank = (
        f"{python()} -m mocks.banks.icbc_sim --base {stack.url} \\\n"
        f"  --key {shown(stack.bank_key)} --gateway-key {shown(stack.answer_key)}"
    )
    text = f"""\
# file as a branch: decided at once, by callback, when asked; scenarios: grant refuse correct slow lost twice hold …
{bank} submit --item FT-SBX-001 --scenario grant
{bank} submit --item FT-SBX-002 --scenario grant
{bank} submit --item FT-SBX-003 --scenario lost
# look at it as the bank
{bank} query --receipt-no RECEIPT_NO
{bank} changes
# look at it as the operator
{_by_hand(stack, "timeline RECEIPT_NO")}
{_by_hand(stack, "audit verify")}
curl {stack.url}/healthz
curl {stack.url}/metrics
{_by_hand(stack, "alarms")}
# sign in as staff (operator, reviewer, auditor, security, admin) and look at the cases; the description is a page
TOKEN=$(curl -s -d '{{"subject":"li","roles":["operator"]}}' {stack.idp_url}/token | {python()} -c '{_READ_TOKEN}')
SESSION=$(curl -s -d '{{"token":"'$TOKEN'"}}' -H 'Content-Type: application/json' {stack.url}/staff/api/v1/session \
  | {python()} -c '{_READ_SESSION}')
curl -s -H "Authorization: Bearer $SESSION" {stack.url}/staff/api/v1/cases/?limit=3
# … and read {stack.url}/staff/api/v1/docs/
# the department's books; let its next filings go wrong
curl {stack.department_url}/control/ledger
curl -d '{{"next":["cut_after","busy"],"methods":["POST"]}}' {stack.department_url}/control/faults
"""
    lines = (Text(line, style="dim" if line.startswith("#") else "") for line in text.splitlines())
    return Text("\n").join(lines)


def _by_hand(stack: Stack, command: str) -> str:
    """A command of the gateway in a shell of its own, with this stack's settings."""
    return f"(. {shown(stack.env_file)}; {python()} -m gateway {command})"


def shown(path: Path) -> str:
    """The path as short as it is from the project's root."""
    return os.path.relpath(path, ROOT) if path.is_relative_to(ROOT) else str(path)


def python() -> str:
    """The interpreter as people call it here."""
    return ".venv/bin/python"


def console() -> Console:
    """Wide enough for tables where there is no terminal to ask."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=160)
