"""Banks, streets, outlets and the rest of the service network, from ``data/outlets.yaml``.

Must not know a bank by name. Halls, stations, cabinets and terminals are checked and counted into the digest; what
is used of them is read by those who show them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from gateway.catalogue.item import Outlet
from gateway.catalogue.problem import Sheet
from gateway.catalogue.shape import Shape, known, once_each, rows_of, table_of, texts_of
from gateway.catalogue.yaml_marks import Table

_FILE = Shape(
    "outlets.yaml",
    "meta:table banks:list streets:list outlets:list halls:list stations:list cabinets:list terminals:list",
)
_META = Shape("meta", "title:text status:text facts:text coordinates:text network:text available_from:table")
_BANK = Shape("bank", "code:text name:text en:text cnaps_bank_code:text")
_STREET = Shape("street", "code:text name:text en:text local_code:text lat:text lng:text")
_OUTLET = Shape(
    "outlet",
    "code:text slip_no:text bank:text name:text street:text street_name:text address:text lat:text lng:text "
    "opening_hours:table counters:int services:list phone:text sample_routing_no:text sample:bool",
)
_HALL = Shape(
    "hall",
    "code:text kind:text name:text street:text|null address:text lat:text lng:text opening_hours:table services:list "
    "sample:bool",
)
_STATION = Shape(
    "station",
    "code:text kind:text name:text street:text lat:text lng:text opening_hours:table services:list sample:bool",
)
_HOURS = Shape(
    "opening_hours",
    "mon_fri:text|null saturday:text|null sunday:text|null corporate_mon_fri?:text|null self_service?:text|null",
)
_CABINET = Shape("cabinet", "code:text site:text cells:int functions:list sample:bool")
_TERMINAL = Shape("terminal", "code:text site:text devices:list sample:bool")

_SPAN = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-4]):[0-5][0-9]")
# the alphabet of receipt numbers (operations.md 3): no I, L, O, U
_SLIP_NO = re.compile(r"[0-9A-HJKMNP-TV-Z]{2}")
_DEGREES = re.compile(r"[0-9]{1,3}\.[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Network:
    """What items and rules may name of the network. ``hours``: all keys an outlet's opening hours may have."""

    banks: Mapping[str, str]
    streets: Mapping[str, str]
    outlets: Mapping[str, Outlet]
    services: frozenset[str]
    hours: frozenset[str]


def read_network(table: Table, sheet: Sheet) -> Network:
    """The network from its one file; every problem is on the sheet."""
    _FILE.check(table, sheet)
    table_of(table, "meta", _META, sheet=sheet)
    banks = _named(table, "banks", _BANK, sheet=sheet)
    streets = _named(table, "streets", _STREET, sheet=sheet)
    rows = rows_of(table, "outlets", _OUTLET, sheet=sheet)
    once_each(rows, "slip_no", "slip_no", sheet=sheet)
    outlets = {}
    for row in rows:
        if outlet := _outlet(row, banks, streets, sheet=sheet):
            outlets[outlet.code] = outlet
    sites = [*rows, *rows_of(table, "halls", _HALL, sheet=sheet), *rows_of(table, "stations", _STATION, sheet=sheet)]
    for site in sites[len(rows) :]:
        _site(site, streets, sheet=sheet)
    fittings = [
        *rows_of(table, "cabinets", _CABINET, sheet=sheet),
        *rows_of(table, "terminals", _TERMINAL, sheet=sheet),
    ]
    codes = {site["code"] for site in sites if "code" in site}
    for fitting in fittings:
        known(fitting, "site", codes, sheet=sheet)
        texts_of(fitting, "functions", sheet=sheet)
        texts_of(fitting, "devices", sheet=sheet)
    once_each([*sites, *fittings], "code", "code", sheet=sheet)
    services = frozenset(service for outlet in outlets.values() for service in outlet.services)
    return Network(banks, streets, outlets, services, frozenset(_HOURS.keys))


def _named(table: Table, key: str, shape: Shape, *, sheet: Sheet) -> dict[str, str]:
    rows = rows_of(table, key, shape, sheet=sheet)
    once_each(rows, "code", shape.name, sheet=sheet)
    for row in rows:
        _place(row, sheet=sheet)
    return {row["code"]: row.get("name", "") for row in rows if "code" in row}


def _outlet(row: Table, banks: Mapping[str, str], streets: Mapping[str, str], *, sheet: Sheet) -> Outlet | None:
    known(row, "bank", banks, sheet=sheet)
    services, hours = _site(row, streets, sheet=sheet)
    slip_no = row.get("slip_no", "")
    if slip_no and not _SLIP_NO.fullmatch(slip_no):
        sheet.add(
            row.mark("slip_no"),
            f"slip_no {slip_no} cannot stand in a number",
            "write two of 0-9 and A-Z without I, L, O, U",
        )
    street = row.get("street", "")
    written = row.get("street_name", "")
    if written and streets.get(street, written) != written:
        sheet.add(row.mark("street_name"), f"street {street} has another name", f"write {streets[street]}")
    if "code" not in row:
        return None
    return Outlet(
        code=row["code"],
        slip_no=slip_no,
        bank=row.get("bank", ""),
        name=row.get("name", ""),
        street=street,
        address=row.get("address", ""),
        phone=row.get("phone", ""),
        services=services,
        opening_hours=hours,
    )


def _site(row: Table, streets: Mapping[str, str], *, sheet: Sheet) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """Services and opening hours of a place, after checking what all places have."""
    if row.get("street") is not None:
        known(row, "street", streets, sheet=sheet)
    _place(row, sheet=sheet)
    hours = table_of(row, "opening_hours", _HOURS, sheet=sheet)
    for key, text in (hours or {}).items():
        if hours is not None and text is not None and text != "24h" and not _opens(text):
            sheet.add(hours.mark(key), f"{key} {text} are no opening hours", "write 'HH:MM-HH:MM', 24h or null")
    services = tuple(service for service, _ in texts_of(row, "services", sheet=sheet))
    return services, dict(hours or {})


def _opens(text: str) -> bool:
    """True for spans of a day that follow each other, such as 09:00-12:00, 14:00-17:00."""
    spans = text.split(", ")
    if not all(_SPAN.fullmatch(span) for span in spans):
        return False
    times = [time for span in spans for time in span.split("-")]
    return all(early < late for early, late in pairwise(times))


def _place(row: Table, *, sheet: Sheet) -> None:
    for key in ("lat", "lng"):
        text = row.get(key)
        if isinstance(text, str) and not _DEGREES.fullmatch(text):
            sheet.add(row.mark(key), f"{key} {text} is no coordinate", "write degrees as '22.5365', in quotes")
