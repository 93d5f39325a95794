"""The house as staff see it: clients, items, outlets, switches, closures, calendar, trail. Must not change anything.

What bank people see of clients is their own bank's (rules.md 29).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from gateway.calendar.clockwork import Clockwork
from gateway.catalogue.item import Catalogue
from gateway.contracts.bank import Client
from gateway.domain.actor import Actor
from gateway.domain.clock import Clock, beijing_day, stamp
from gateway.parties.directory import Snapshot
from gateway.store import merkle_rows, sequencer, switches
from gateway.store.database import Database

_PAST_CLOSURES = timedelta(days=7)


class Overview:
    """Fresh at every look."""

    def __init__(
        self,
        database: Database,
        *,
        catalogue: Catalogue,
        directory: Callable[[], Snapshot],
        clockwork: Clockwork,
        clock: Clock,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._directory = directory
        self._clockwork = clockwork
        self._clock = clock

    def clients(self, actor: Actor) -> list[dict[str, Any]]:
        """Enrolled clients with their keys' names and ends; of an actor of a bank only that bank's. No key leaves."""
        found = [c for c in self._directory() if not actor.bank or c.bank == actor.bank]
        return [_client(c) for c in sorted(found, key=lambda c: (c.bank, c.client_id))]

    def items(self) -> list[dict[str, Any]]:
        """The catalogue's items in their present version."""
        today = beijing_day(self._clock.now())
        found = []
        for code, versions in sorted(self._catalogue.items.items()):
            now = [v for v in versions if v.effective_to is None or today <= v.effective_to]
            item = (now or versions)[-1]
            found.append(
                {
                    "item": code,
                    "name": item.name,
                    "version": item.version,
                    "department": item.department,
                    "mode": item.mode,
                    "promised_days": item.promised_days,
                }
            )
        return found

    def outlets(self, actor: Actor) -> list[dict[str, Any]]:
        """The outlets; of an actor of a bank only that bank's."""
        return [
            {"outlet": o.code, "bank": o.bank, "name": o.name}
            for o in sorted(self._catalogue.outlets.values(), key=lambda o: o.code)
            if not actor.bank or o.bank == actor.bank
        ]

    def switched_off(self) -> list[dict[str, Any]]:
        """What takes no new submissions, now or soon."""
        with self._database.read() as tx:
            found = switches.all_off(tx)
        return [
            {
                "item": o.item,
                "outlet": o.outlet,
                "bank": o.bank,
                "from": stamp(o.from_at),
                "until": stamp(o.until_at) if o.until_at else None,
                "say": o.say,
                "reason": o.reason,
            }
            for o in found
        ]

    def closures(self) -> list[dict[str, Any]]:
        """Closures of departments' systems: running, coming, and of the last week."""
        with self._database.read() as tx:
            found = switches.closures(tx, not_over_before=self._clock.now() - _PAST_CLOSURES)
        return [
            {
                "closure_id": c.closure_id,
                "department": c.lane,
                "from": stamp(c.from_at),
                "until": stamp(c.until_at),
                "say": c.say,
                "reason": c.reason,
            }
            for c in found
        ]

    def calendar(self, year: int | None) -> dict[str, Any]:
        """Days off and weekend days worked of a year, and whether its official table is loaded."""
        wanted = year or beijing_day(self._clock.now()).year
        days = self._clockwork.days
        return {
            "year": str(wanted),
            "official": wanted in days.official,
            "off": [d.isoformat() for d in sorted(days.off) if d.year == wanted],
            "work": [d.isoformat() for d in sorted(days.work) if d.year == wanted],
        }

    def trail(self) -> dict[str, Any]:
        """How many entries have a position, how many are sealed, and the newest checkpoint as it was signed."""
        with self._database.read() as tx:
            last = merkle_rows.last_checkpoint(tx)
            placed = sequencer.placed(tx)
        return {
            "positions": placed,
            "sealed": last[1] if last else 0,
            "checkpoint": json.loads(last[3]) if last else None,
        }


def _client(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "bank": client.bank,
        "profile": client.profile,
        "claimed_id": client.claimed_id,
        "status": client.status,
        "algorithms": list(client.algorithms),
        "outlets": list(client.outlets),
        "operations": list(client.operations),
        "addresses": list(client.addresses),
        "keys": [
            {
                "key_id": key.key_id,
                "use": key.use,
                "algorithm": key.algorithm,
                "from": stamp(key.valid_from),
                "until": stamp(key.valid_until) if key.valid_until else None,
            }
            for key in client.keys
        ],
    }
