"""One audit entry, format v1: made of strings only, its canonical bytes, its hash, and reading it back strictly.

Must not read a clock, a database or a key, and must not change: v1 is final, a different form is a new ``v``.
The auditor's program recomputes all of this with code of its own; ``docs/audit-trail.md`` states the format.

The canonical form is that of RFC 8785. It is simple here because no string of an entry may hold a quote, a
backslash or a control character, so there is nothing to escape, and because all member names are ASCII.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.audit.kinds import EntryKind
from gateway.domain.clock import stamp
from gateway.domain.errors import FromUs

MAX_BYTES = 16_384
MAX_VALUE = 256  # characters of one fact

_BANNED = (
    r'"\\\x00-\x1f\x7f-\x9f'  # what JSON would escape, and C1 controls
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # line breaks and marks that hide or turn text on a screen
    r"\ud800-\udfff"
)
_TOKEN = r"[!#-\[\]-~]"  # noqa: S105  # printable ASCII without space, quote, backslash
_NAME = r"[a-z][a-z0-9_]{0,31}"
_AT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}\+08:00"
_DIGEST = r"(?:b[1-9][0-9]?-)?(?:sha256|sm3):[0-9a-f]{64}"
_FACT = rf'"{_NAME}":"[^{_BANNED}]{{1,{MAX_VALUE}}}"'
_EVIDENCE = rf'"{_NAME}":"{_DIGEST}"'
_SHAPES: dict[str, str] = {
    "actor": rf"[a-z][a-z0-9_]{{0,15}}:{_TOKEN}{{1,111}}",
    "at": _AT,
    "kind": r"[a-z][a-z0-9_]{0,23}:[a-z][a-z0-9_]{0,23}:[a-z][a-z0-9_]{0,23}",
    "kind_v": r"[1-9][0-9]{0,3}",
    "seq": r"[1-9][0-9]{0,14}",
    "subject": rf"{_TOKEN}{{1,64}}",
    "v": "1",
}
_FORM = re.compile(
    rf'\{{"actor":"{_SHAPES["actor"]}","at":"{_AT}",'
    rf'"digests":\{{(?:{_EVIDENCE}(?:,{_EVIDENCE})*)?\}},"facts":\{{(?:{_FACT}(?:,{_FACT})*)?\}},'
    rf'"kind":"{_SHAPES["kind"]}","kind_v":"{_SHAPES["kind_v"]}","seq":"{_SHAPES["seq"]}",'
    rf'"subject":"{_SHAPES["subject"]}","v":"1"\}}'
)
_BAN = re.compile(rf"[{_BANNED}]")
_MEMBERS = ["actor", "at", "digests", "facts", "kind", "kind_v", "seq", "subject", "v"]


class BadEntry(FromUs):
    """Not an entry of format v1; the text says which member."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that happened.

    ``subject`` is a case id for kinds ``case:…``, else what the kind speaks of (``door:<bank>``); ``seq`` counts
    1, 2, 3 … per case, and is unique with any other subject. ``at`` is our own time, milliseconds, +08:00: the
    stamp people read in receipts and events, of fixed width, so text order is time order. ``actor`` is
    ``bank:<code>:<client>``, ``department:<code>``, ``system:<part>`` or ``staff:<id>``. ``facts`` hold short
    strings without personal data; ``digests`` name evidence bytes by ``sha256:<hex>`` or ``sm3:<hex>``, and the
    business part by its labelled digest ``b1-sha256:<hex>``.
    """

    kind: str
    subject: str
    seq: str
    at: str
    actor: str
    facts: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    kind_v: str = "1"
    v: str = "1"


def new_entry(
    kind: EntryKind,
    subject: str,
    *,
    seq: int,
    at: datetime,
    actor: str,
    facts: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
) -> AuditEntry:
    """An entry of today's version of ``kind``. Empty facts and digests mean "not given" and are left out.

    ``at`` is aware. Raises ``BadEntry`` for a time without zone; the rest is checked by ``canonical``.
    """
    if at.tzinfo is None:
        raise BadEntry("at: a time without zone")
    return AuditEntry(
        kind=kind.value,
        subject=subject,
        seq=str(seq),
        at=stamp(at),
        actor=actor,
        facts=_given(facts),
        digests=_given(digests),
        kind_v=kind.version,
    )


def _given(members: Mapping[str, str] | None) -> Mapping[str, str]:
    if members is None:
        return {}
    if "" in members.values():
        return {name: value for name, value in members.items() if value}
    return dict(members)


def as_fact(text: str) -> str:
    """Foreign text (a claimed id, a peer's code) made fit for a fact: banned characters shown as ``<U+000A>``, cut."""
    shown = _BAN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text[:MAX_VALUE])
    return shown if len(shown) <= MAX_VALUE else shown[: MAX_VALUE - 1] + "…"


def canonical(entry: AuditEntry) -> bytes:
    """The entry's canonical bytes, RFC 8785, without line end: what is stored, hashed and exported.

    Raises ``BadEntry`` when a member is not of format v1.
    """
    facts, digests = entry.facts, entry.digests
    evidence = ",".join([f'"{name}":"{digests[name]}"' for name in sorted(digests)])
    told = ",".join([f'"{name}":"{facts[name]}"' for name in sorted(facts)])
    text = (
        f'{{"actor":"{entry.actor}","at":"{entry.at}","digests":{{{evidence}}},"facts":{{{told}}},'
        f'"kind":"{entry.kind}","kind_v":"{entry.kind_v}","seq":"{entry.seq}","subject":"{entry.subject}",'
        f'"v":"{entry.v}"}}'
    )
    # Every member brings a known number of quotes: a smuggled one would make another entry of the same text.
    if _FORM.fullmatch(text) is None or text.count('"') != 32 + 4 * (len(facts) + len(digests)):
        raise BadEntry(_what_is_wrong(entry))
    try:
        datetime.fromisoformat(entry.at)
    except ValueError:
        raise BadEntry("at: no such time") from None
    line = text.encode()
    if len(line) > MAX_BYTES:
        raise BadEntry(f"longer than {MAX_BYTES} bytes")
    return line


def entry_hash(line: bytes) -> str:
    """The entry's name, ``sha256:<hex>`` of its canonical bytes: what a receipt holds. Not the tree's leaf hash."""
    return "sha256:" + hashlib.sha256(line).hexdigest()


def read(line: bytes) -> AuditEntry:
    """The entry whose canonical bytes are exactly ``line`` (without line end).

    Kinds this release does not know are read, so that a trail outlives releases.
    Raises ``BadEntry`` for anything else than canonical bytes of format v1.
    """
    if len(line) > MAX_BYTES:
        raise BadEntry(f"longer than {MAX_BYTES} bytes")
    try:
        members = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadEntry("not JSON in UTF-8") from None
    if not isinstance(members, dict) or list(members) != _MEMBERS:
        raise BadEntry("not exactly the members of format v1 in their order")
    for name, value in members.items():
        inner = value.values() if isinstance(value, dict) and name in ("facts", "digests") else (value,)
        if not all(isinstance(text, str) for text in inner) or isinstance(value, str) is (name in ("facts", "digests")):
            raise BadEntry(f"{name}: not made of strings")
    entry = AuditEntry(**members)
    if canonical(entry) != line:
        raise BadEntry("not in canonical form")
    return entry


def _what_is_wrong(entry: AuditEntry) -> str:
    """Name the first bad member, without its value: an error text may end in a log."""
    for name, shape in _SHAPES.items():
        if re.fullmatch(shape, getattr(entry, name)) is None:
            return f"{name}: not of the form of format v1"
    for part, shape in (("facts", _FACT), ("digests", _EVIDENCE)):
        for name, value in getattr(entry, part).items():
            if re.fullmatch(shape, f'"{name}":"{value}"') is None or '"' in name:
                return f"{part}.{as_fact(name)[:40]}: not of the form of format v1"
    return "not of the form of format v1"
