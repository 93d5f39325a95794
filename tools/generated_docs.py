"""Documents that are drawn from the code: states, settings, traits. ``--check`` fails when one is out of date.

Must not hold facts of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from gateway.audit.kinds import EntryKind
from gateway.config import PREFIX, TABLE
from gateway.domain.case import DECIDED, ENDED, MOVES, STATE_NAMES, CaseState, phase

DOCS = Path(__file__).parent.parent / "docs"
_NOTE = "<!-- drawn from the code by `make docs`; edit the code, not this file -->\n"


def states() -> str:
    """docs/states.md: the table of moves as a picture and as a table."""
    lines = [
        "# States of a case (办件状态)",
        "",
        _NOTE,
        "Every edge names its event; a pair that is not here is refused (`gateway/domain/case.py`, `MOVES`).",
        "Told, sent, parked, held for late documents and withdrawal asked are facts beside the state.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> submitted: received",
        *(f"    {state} --> {target}: {event}" for (state, event), target in MOVES.items()),
        "```",
        "",
        "| state | 中文 | phase told to banks | decided | ended | moves on |",
        "|---|---|---|---|---|---|",
    ]
    for state in CaseState:
        out = ", ".join(f"{event} → {target}" for (origin, event), target in MOVES.items() if origin is state)
        lines.append(
            f"| {state} | {STATE_NAMES[state]} | {phase(state)} | {'yes' if state in DECIDED else ''} |"
            f" {'yes' if state in ENDED else ''} | {out or '–'} |"
        )
    lines += [
        "",
        "An approved case whose paper is still to come is told as phase `open`. Departments skip steps they find"
        " obvious: a decision for a case that is only accepted is recorded with the review in between, so that the"
        " law's order is kept.",
    ]
    return "\n".join(lines) + "\n"


def settings() -> str:
    """docs/settings.md: the one table of settings, and the peers file."""
    lines = [
        "# Settings",
        "",
        _NOTE,
        "All from the environment, all checked at start: the gateway refuses to start half-set and names every problem"
        " at once. An unknown name that begins with `"
        + PREFIX
        + "` is an error. `python -m gateway doctor` says what to do.",
        "",
        "| name | default | meaning |",
        "|---|---|---|",
        *(f"| `{PREFIX}{s.name}` | {f'`{s.default}`' if s.default else '(empty)'} | {s.meaning} |" for s in TABLE),
        "",
        "## The peers file",
        "",
        "TOML. Secrets are named as files (mode 0600), never written here. An unknown key is an error.",
        "",
        "```toml",
        "[banks.CODE]                     # optional: what a bank's dialect needs besides its clients",
        'signed_path_prefix = "/gov"      # where a front proxy hides a prefix that the bank signs',
        "",
        "[backends.CODE]                  # one table per department that is connected",
        'base_url = "https://host:port"   # the enrolled address; nothing in a message changes it',
        'networks = ["10.2.0.0/24"]       # where that name may resolve to',
        "deadline = 20                    # seconds for one call in all: connect, send, read",
        "cap = 16                         # calls at once, over all processes",
        "rate = 0                         # calls per second, 0 = no limit",
        "threads = 8                      # threads of one process for this department",
        'tls_ca = "/etc/gateway/ca.pem"   # optional: the authority its certificate must come from',
        "[backends.CODE.values]           # plain values its interface document asks for",
        'app = "ft-gateway"',
        "[backends.CODE.secrets]          # name = file",
        'hmac = "/run/secrets/code-hmac"',
        "```",
    ]
    return "\n".join(lines) + "\n"


def audit_kinds() -> str:
    """docs/audit-kinds.md: every kind of entry, with its version and meaning."""
    lines = [
        "# Kinds of audit entries (审计事项)",
        "",
        _NOTE,
        "Kinds are added, never removed, and a checker accepts kinds it does not know. The format they stand in is"
        " [audit-trail.md](audit-trail.md).",
        "",
        "| kind | version | meaning |",
        "|---|---|---|",
        *(f"| `{kind.value}` | {kind.version} | {kind.meaning} |" for kind in EntryKind),
    ]
    return "\n".join(lines) + "\n"


DOCUMENTS: dict[str, Callable[[], str]] = {"states.md": states, "settings.md": settings, "audit-kinds.md": audit_kinds}


def out_of_date() -> list[str]:
    """Names of documents whose file differs from what the code says."""
    return [
        name
        for name, draw in DOCUMENTS.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != draw()
    ]


def main(arguments: list[str]) -> int:
    """Write all documents, or with ``--check`` only compare."""
    if "--check" in arguments:
        stale = out_of_date()
        for name in stale:
            print(f"docs/{name} is out of date: run 'make docs'")
        return 1 if stale else 0
    for name, draw in DOCUMENTS.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
