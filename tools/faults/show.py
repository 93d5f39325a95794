"""What people see of a campaign. Must not judge."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tools.faults.campaign import Now, Outcome

_SHOWN = 8  # broken cases of one promise that are printed


def line(now: Now) -> str:
    """The words beside the bar."""
    return f"{now.filed} filed, {now.settled} settled, {now.told} told, {now.moments} kills and freezes"


def summary(outcome: Outcome) -> RenderableType:
    """Promises first, then what was done to the house."""
    return Group(_promises(outcome), Text(""), _storm(outcome), Text(""), _ends(outcome))


def _promises(outcome: Outcome) -> Table:
    table = Table("", "promise", title="what was promised")
    table.add_column("of", justify="right")
    table.add_column("broken", justify="right")
    for promise in outcome.promises:
        text = Text(promise.text)
        for wrong in promise.broken[:_SHOWN]:
            text.append(f"\n{wrong}", style="red")
        mark = "[green]✓[/]" if promise.kept else "[red]✗[/]"
        table.add_row(mark, text, f"{promise.of:,}", str(len(promise.broken)))
    return table


def _storm(outcome: Outcome) -> Table:
    table = Table("what happened meanwhile", box=None)
    table.add_column("times", justify="right")
    for name, times in sorted(outcome.moments.items()):
        table.add_row(name, str(times))
    for peer, drawn in outcome.drawn.items():
        kinds = ", ".join(f"{kind} {times}" for kind, times in drawn.items())
        table.add_row(Text(f"faults of the {peer}: {kinds}"), str(sum(drawn.values())))
    sent, unanswered = outcome.requests
    table.add_row(Text("requests of the bank"), f"{sent:,}")
    table.add_row(Text("  of them without an answer that stood, and sent again"), f"{unanswered:,}")
    return table


def _ends(outcome: Outcome) -> Table:
    table = Table("how the cases ended", box=None)
    table.add_column("cases", justify="right")
    for state, count in outcome.states.most_common():
        table.add_row(state, str(count))
    table.add_row("on the shelf, for a person", str(len(outcome.shelved)))
    for case in outcome.shelved[:_SHOWN]:
        table.add_row(Text(f"  {case.receipt_no} {case.state}: {case.why}"), "")
    if outcome.parked_notices:
        table.add_row("notices on the shelf", str(outcome.parked_notices))
    for stretch, seconds in outcome.seconds.items():
        table.add_row(Text(f"seconds of {stretch}"), f"{seconds:.0f}")
    return table
