"""Which room carries out which act: the one place where kinds of acts meet what they do.

Must not decide who may: that is the ``acts`` room. Every executor writes in the transaction it is handed and nowhere
else, so that an act is done exactly once or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.acts.room import Executor
from gateway.calendar import tables
from gateway.cases import evidence
from gateway.cases.shelf import Shelf
from gateway.cases.staff import StaffCases
from gateway.domain.errors import BadSettings
from gateway.domain.records import Doing
from gateway.parties.changes import ClientChanges
from gateway.parties.directory import Directory
from gateway.parties.publishing import Publishing
from gateway.parties.switching import Switching
from gateway.store.database import Tx

Payload = Mapping[str, Any]


def executors(
    *,
    clients: ClientChanges,
    switching: Switching,
    directory: Directory,
    shelf: Shelf,
    staff_cases: StaffCases,
    publishing: Publishing,
) -> dict[str, Executor]:
    """Every executor by the name of its kind."""
    return (
        _of_clients(clients, directory)
        | _of_switches(switching)
        | _of_shelf(shelf)
        | {
            "calendar.load": _CALENDAR,
            "catalogue.publish": Executor(check=publishing.check, run=publishing.publish),
            "cases.reveal_bulk": Executor(
                check=lambda payload, doing: staff_cases.check_bulk(payload), run=staff_cases.allow_bulk
            ),
            "evidence.delete": Executor(
                check=lambda payload, doing: evidence.read_before(payload, at=doing.at), run=evidence.delete
            ),
        }
    )


def _of_shelf(shelf: Shelf) -> dict[str, Executor]:
    return {
        "shelf.send_again": Executor(
            check=lambda payload, doing: shelf.check_send_again(payload), run=shelf.send_again
        ),
        "shelf.reroute": Executor(check=lambda payload, doing: shelf.check_reroute(payload), run=shelf.reroute),
        "shelf.close": Executor(check=lambda payload, doing: shelf.check_close(payload), run=shelf.close),
    }


def _of_clients(changes: ClientChanges, directory: Directory) -> dict[str, Executor]:
    def known(payload: Payload, _doing: Doing) -> None:
        _client(directory, payload)

    def check_rotation(payload: Payload, doing: Doing) -> None:
        changes.read_rotation(payload, at=doing.at, addresses=_client(directory, payload).addresses)

    def set_status(status: str) -> Callable[[Tx, Payload, Doing], str]:
        def run(tx: Tx, payload: Payload, doing: Doing) -> str:
            changes.set_status(tx, str(payload["client_id"]), status, doing, reason=str(payload.get("reason", "")))
            return f"{payload['client_id']} is {status}"

        return run

    def finish(tx: Tx, payload: Payload, doing: Doing) -> str:
        gone = changes.finish_rotation(tx, str(payload["client_id"]), doing)
        return f"retired {', '.join(gone)}" if gone else "nothing to retire: one key was valid"

    def limits(tx: Tx, payload: Payload, doing: Doing) -> str:
        changes.set_limits(tx, payload, doing)
        return f"{payload['client_id']}: {payload['rate']} a second, {payload['at_once']} at once"

    def notify(tx: Tx, payload: Payload, doing: Doing) -> str:
        changes.set_notify(tx, payload, doing)
        where = payload.get("url")
        return (
            f"{payload['client_id']} is told at {where}"
            if where
            else f"{payload['client_id']} is told nothing any more"
        )

    return {
        "client.enrol": Executor(
            check=lambda payload, doing: changes.read_enrolment(payload, at=doing.at),
            run=lambda tx, payload, doing: f"enrolled {payload['client_id']}, key {changes.enrol(tx, payload, doing)}",
        ),
        "client.rotate": Executor(
            check=check_rotation,
            run=lambda tx, payload, doing: f"{payload['client_id']} has key {changes.rotate(tx, payload, doing)}",
        ),
        "client.rotate_cipher": Executor(
            check=known,
            run=lambda tx, payload, doing: (
                f"{payload['client_id']} has cipher key {changes.rotate_cipher(tx, payload, doing)}"
            ),
        ),
        "client.finish_rotation": Executor(check=known, run=finish),
        "client.block": Executor(check=known, run=set_status("blocked")),
        "client.unblock": Executor(check=known, run=set_status("active")),
        "client.limits": Executor(check=lambda payload, doing: changes.read_limits(payload), run=limits),
        "client.notify": Executor(
            check=lambda payload, doing: changes.read_notify(payload, _client(directory, payload)), run=notify
        ),
    }


def _of_switches(room: Switching) -> dict[str, Executor]:
    return {
        "switch.off": Executor(
            check=lambda payload, doing: room.read_off(payload, at=doing.at),
            run=lambda tx, payload, doing: f"{room.off(tx, payload, doing)} is off",
        ),
        "switch.on": Executor(
            check=lambda payload, doing: room.read_on(payload),
            run=lambda tx, payload, doing: f"{room.on(tx, payload, doing)} is on",
        ),
        "closure.plan": Executor(
            check=lambda payload, doing: room.read_closure(payload, at=doing.at),
            run=lambda tx, payload, doing: f"{payload['department']}: closure {room.close(tx, payload, doing)}",
        ),
        "closure.end": Executor(
            check=lambda payload, doing: None,
            run=lambda tx, payload, doing: f"{room.reopen(tx, payload, doing)} is open",
        ),
    }


def _client(directory: Directory, payload: Payload) -> Any:
    client = directory().by_id(str(payload.get("client_id", "")))
    if client is None:
        name = payload.get("client_id")
        raise BadSettings(f"no client {name}; 'python -m gateway clients list' shows them")
    return client


def _load_calendar(tx: Tx, payload: Payload, doing: Doing) -> str:
    table = tables.read_text(str(payload["table"]).encode(), "the table")
    tables.put_in(tx, table, doing)
    return f"{table.year}: {len(table.off)} days off, {len(table.work)} weekend days worked; {table.source}"


_CALENDAR = Executor(
    check=lambda payload, doing: tables.read_text(str(payload["table"]).encode(), "the table"), run=_load_calendar
)
