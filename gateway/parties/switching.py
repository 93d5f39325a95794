"""Switching items and outlets off and on, and planning closures of departments: checked, then written with an entry.

Must not touch a case: what was taken in goes on. Who may ask and how many persons it takes is the ``acts`` room's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.audit.entry import as_fact
from gateway.audit.kinds import EntryKind
from gateway.domain.clock import read_stamp, stamp
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing, EntryDraft
from gateway.store import switches, trail
from gateway.store.database import Tx, new_id
from gateway.store.switches import Closure, Off

LONGEST_SAY = 60  # characters of a sentence for the counter, as all our messages
LONGEST_CLOSURE = timedelta(days=31)
Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """What there is to be switched: items, the bank of each outlet, banks, and departments' systems."""

    items: Collection[str]
    outlets: Mapping[str, str]
    banks: Collection[str]
    lanes: Collection[str]


class Switching:
    """Every change there is. Raises ``BadSettings`` with a sentence that says what to write instead."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def read_off(self, payload: Payload, *, at: datetime) -> Off:
        """What is to be switched off, checked."""
        item, outlet, bank = self._named(payload)
        start = max(_time(payload, "from") or at, at)
        until = _time(payload, "until")
        if until is not None and until <= start:
            raise BadSettings("until must lie after the beginning")
        return Off(
            item=item,
            outlet=outlet,
            bank=bank,
            from_at=start,
            until_at=until,
            say=_say(payload),
            reason=_reason(payload),
        )

    def off(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """Off from ``from`` (now) until ``until`` (until it is switched on); returns what was switched."""
        off = self.read_off(payload, at=doing.at)
        switches.put_off(tx, off, now=doing.at)
        until = {"until": stamp(off.until_at)} if off.until_at else {}
        facts = {"from": stamp(off.from_at), **until, "say": as_fact(off.say), "reason": as_fact(off.reason)}
        return _note(tx, EntryKind.SWITCHED_OFF, _subject(off.item, off.outlet, off.bank), doing, facts)

    def read_on(self, payload: Payload) -> tuple[str, str, str]:
        """Item, outlet and bank that are to be switched on, checked."""
        _reason(payload)
        return self._named(payload)

    def on(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """On again; returns what was switched."""
        item, outlet, bank = self.read_on(payload)
        if not switches.take_on(tx, item, outlet, bank):
            raise BadSettings("this is not switched off; 'python -m gateway switch list' shows what is")
        facts = {"reason": as_fact(_reason(payload))}
        return _note(tx, EntryKind.SWITCHED_ON, _subject(item, outlet, bank), doing, facts)

    def read_closure(self, payload: Payload, *, at: datetime) -> Closure:
        """The planned closure, checked."""
        lane = str(payload.get("department", ""))
        if lane not in self._places.lanes:
            raise BadSettings(f"no department's system {lane!r}; there are {', '.join(sorted(self._places.lanes))}")
        start, until = max(_time(payload, "from") or at, at), _time(payload, "until")
        if until is None or not start < until <= start + LONGEST_CLOSURE:
            raise BadSettings(f"until must lie after the beginning, at most {LONGEST_CLOSURE.days} days")
        return Closure(new_id(), lane, start, until, _say(payload), _reason(payload))

    def close(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """Plan a closure; returns its id."""
        closure = self.read_closure(payload, at=doing.at)
        switches.put_closure(tx, closure, now=doing.at)
        facts = {
            "closure": closure.closure_id,
            "from": stamp(closure.from_at),
            "until": stamp(closure.until_at),
            "say": as_fact(closure.say),
            "reason": as_fact(closure.reason),
        }
        _note(tx, EntryKind.CLOSURE_PLANNED, f"department:{closure.lane}", doing, facts)
        return closure.closure_id

    def reopen(self, tx: Tx, payload: Payload, doing: Doing) -> str:
        """End a closure now, or take back one that is to come; returns the department's code."""
        wanted = str(payload.get("closure", ""))
        known = {c.closure_id: c for c in switches.closures(tx, not_over_before=doing.at)}
        if wanted not in known or not switches.end_closure(tx, wanted, now=doing.at):
            raise BadSettings(
                "no closure of that id runs or is to come; 'python -m gateway departments list' shows them"
            )
        facts = {"closure": wanted, "reason": as_fact(_reason(payload))}
        _note(tx, EntryKind.CLOSURE_ENDED, f"department:{known[wanted].lane}", doing, facts)
        return known[wanted].lane

    def _named(self, payload: Payload) -> tuple[str, str, str]:
        item, outlet, bank = (str(payload.get(name, "") or "") for name in ("item", "outlet", "bank"))
        if item and item not in self._places.items:
            raise BadSettings(f"no item {item!r}")
        if outlet and outlet not in self._places.outlets:
            raise BadSettings(f"no outlet {outlet!r}")
        if bank and bank not in self._places.banks:
            raise BadSettings(f"no bank {bank!r}")
        if outlet and bank and self._places.outlets[outlet] != bank:
            raise BadSettings(f"{outlet} is no outlet of {bank}")
        if not (item or outlet):
            raise BadSettings("name an item, an outlet, or both; a whole bank is switched off by blocking its clients")
        return item, outlet, bank


def _say(payload: Payload) -> str:
    say = str(payload.get("say", "")).strip()
    if not 1 <= len(say) <= LONGEST_SAY or not say.isprintable():
        raise BadSettings(f"say: write the sentence the counter reads, at most {LONGEST_SAY} characters")
    try:
        say.encode("gbk")
    except UnicodeEncodeError:
        raise BadSettings("say: write characters that every bank's charset has (GBK)") from None
    return say


def _reason(payload: Payload) -> str:
    reason = str(payload.get("reason", "")).strip()
    if not reason or len(reason) > 200:
        raise BadSettings("reason: write why, at most 200 characters; it stays in the house")
    return reason


def _time(payload: Payload, name: str) -> datetime | None:
    text = str(payload.get(name, "") or "")
    if not text:
        return None
    try:
        return read_stamp(text)
    except ValueError:
        raise BadSettings(f"{name}: write a time such as 2026-12-01T08:00:00+08:00") from None


def _subject(item: str, outlet: str, bank: str) -> str:
    return f"switch:{item or '*'}:{outlet or '*'}:{bank or '*'}"


def _note(tx: Tx, kind: EntryKind, subject: str, doing: Doing, facts: Mapping[str, str]) -> str:
    whole = {**facts, **doing.facts}
    draft = EntryDraft(kind=kind, subject=subject, at=doing.at, actor=doing.actor, facts=whole)
    trail.append_loose(tx, [draft])
    return subject
