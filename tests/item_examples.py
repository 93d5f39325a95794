"""Whole submissions made from the examples that stand in the catalogue's items.

Must not know what a department does with them.
"""

from __future__ import annotations

from typing import Any

from gateway.catalogue.examples import fill
from gateway.catalogue.item import Example, Item
from gateway.domain.clock import beijing_day
from tests.builders import BANK, OUTLET, SmallHouse, read_catalogue

PAPER = {"how": "paper", "original_seen": True, "pages": "1"}


def part_of(house: SmallHouse, item: Item, example: Example, **how: Any) -> dict[str, Any]:
    """A whole submission of an item's example, made now; ``how`` names another way than paper for a material."""
    outlets = read_catalogue(with_sandbox=True).outlets
    own = (code for code in item.outlets or () if outlets[code].bank == BANK)
    part = house.sample(item.code, item_version=item.version, outlet=next(own, OUTLET))
    now = house.clock.now()
    filled = {"today": beijing_day(now), "now": now, "outlets": outlets}
    part["applicant"] = fill(example.applicant, **filled)
    part["form"] = fill(example.form, **filled)
    part["consents"] = [consent for consent in part["consents"] if consent["kind"] != "sensitive"]
    if item.sensitive:
        at = part["consents"][0]["at"]
        sensitive = {"kind": "sensitive", "version": "SC-1", "tags": list(item.sensitive), "by": "applicant", "at": at}
        part["consents"].append(sensitive)
    part["materials"] = [{"id": m.id, **how.get(m.id, PAPER)} for m in item.materials if m.required]
    part["identity_checks"][0]["who"] = "legal_rep" if part["applicant"]["kind"] == "organisation" else "applicant"
    return part
