"""Documents that are drawn from the code: states, settings, traits. ``--check`` fails when one is out of date.

Must not hold facts of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from gateway.acts.kinds import KINDS
from gateway.audit.kinds import EntryKind
from gateway.config import PREFIX, TABLE
from gateway.domain.actor import MAY, Permission, Role
from gateway.domain.alarms import AlarmKind
from gateway.domain.case import DECIDED, ENDED, MOVES, STATE_NAMES, CaseState, phase
from gateway.telemetry import Metrics

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
        "",
        "[providers.CODE]                 # one table per identity provider: docs/staff-interface.md",
        'issuer = "https://idp.example.gov"',
        'audience = "ft-gateway"',
        'base_url = "https://idp.example.gov"',
        'algorithms = ["ES256"]           # RS256, ES256, EdDSA',
        'roles = ["operator", "reviewer"] # whom its word may speak of; with bank or department for theirs',
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


def acts() -> str:
    """docs/acts.md: every kind of act; what stands above the table is written here, for it explains the table."""
    lines = [
        "# Acts that need two people (双人复核)",
        "",
        _NOTE,
        "What bites takes two: one person proposes, **another natural person** approves exactly what was shown, and",
        "the house does it once (`gateway/acts`; why so: the decision on acts of people). Kinds with one person are",
        "brakes: they take trust or traffic away, or end a hold, and are done when they are proposed.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> proposed: propose",
        "    [*] --> approved: propose, one person is enough",
        "    proposed --> approved: the last approval that is needed",
        "    proposed --> refused: another person says no",
        "    proposed --> withdrawn: who proposed it takes it back",
        "    proposed --> expired: its time is over",
        "    approved --> executed: done, in one transaction with this word",
        "    approved --> failed: could not be done; nothing was changed",
        "```",
        "",
        "- **Bound to what was seen.** An approval names the digest that `acts show` prints; the payload is sealed and",
        "  never changes. The digest is salted, so that it does not betray what it hides.",
        "- **Another person.** Judged by the natural person a fresh token names, never by account or role. Who",
        "  proposed it does not approve it, nor does a person it is about. A command line proves nobody: what it",
        "  proposes without a token takes two approvals by two people.",
        "- **Once.** The approval puts a work row; the executor runs in the transaction that moves the act to",
        "  `executed`, under the act's lock. A process that dies before its commit has done nothing, and another takes",
        "  the row.",
        "- **In the trail.** Every step and every attempt that was turned down is an entry `act:…`; what is changed is",
        "  an entry of its own with the act's number.",
        "- **Sandbox profiles** (demo, test): a made-up colleague approves what the command line proposes, so that one",
        "  person can try everything; the trail names `sandbox:colleague`.",
        "",
        "```sh",
        "python -m gateway acts propose switch.off --payload off.json",
        "python -m gateway acts show ACT                                   # what it would do, and its digest",
        "python -m gateway acts approve ACT --digest sha256:… --token-file my.token",
        "```",
        "",
        "Commands such as `clients enrol`, `clients rotate`, `switch off` or `calendar load` propose the same acts.",
        "",
        "| kind | 中文 | persons | who proposes may | who approves may, beside `acts:approve` | lives |"
        " payload (● must be given, ◆ never shown again) | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS.values():
        members = ", ".join(f"`{m.name}`{'●' if m.required else ''}{'◆' if m.secret else ''}" for m in kind.members)
        lines.append(
            f"| `{kind.name}` | {kind.title} | {kind.persons} | `{kind.propose}` |"
            f" {f'`{kind.approve}`' if kind.persons > 1 else '–'} | {kind.lives.days} d | {members} |"
            f" {kind.why} |"
        )
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """docs/metrics.md: every number a scraper finds, and every alarm."""
    lines = [
        "# Metrics and alarms",
        "",
        _NOTE,
        "`GET /metrics` of a web process, from the networks of `GATEWAY_OPS_NETWORKS`; of a worker at"
        " `GATEWAY_WORKER_LISTEN`. Each process tells its own counts; gauges are read from the database and are the"
        " same everywhere, so take their maximum.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
        *(f"| `{n}` | {t} | {', '.join(labels) or '–'} | {m} |" for n, t, m, labels in Metrics().described()),
        "",
        "## Alarms",
        "",
        "`gateway_alarms{alarm=…}` is 0 while all is well. [runbook.md](runbook.md) says what to do.",
        "",
        "| alarm | look | means |",
        "|---|---|---|",
        *(f"| [`{k}`](runbook.md#{k}-{k.severity}) | {k.severity} | {k.meaning} |" for k in AlarmKind),
    ]
    return "\n".join(lines) + "\n"


def permissions() -> str:
    """docs/permissions.md: which role may do what."""
    roles = list(Role)
    lines = [
        "# Who may do what (权限)",
        "",
        _NOTE,
        "Inside the role's scope: tellers their outlets, bank IT its bank, officers their department, the bureau's"
        " people everything. Administration, security and audit stand alone; people of banks and departments hold one"
        " role; what is not granted is denied.",
        "",
        "| permission | " + " | ".join(roles) + " |",
        "|---|" + "---|" * len(roles),
        *(f"| `{p}` | " + " | ".join("●" if p in MAY[role] else "" for role in roles) + " |" for p in Permission),
    ]
    return "\n".join(lines) + "\n"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "states.md": states,
    "settings.md": settings,
    "audit-kinds.md": audit_kinds,
    "acts.md": acts,
    "metrics.md": metrics,
    "permissions.md": permissions,
}


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
