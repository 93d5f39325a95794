"""Field kinds: what a value of each field type may be, and what it is once read.

Must not know items, rules or requests. ``check`` judges one value; forms keep the judges they build.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from gateway.catalogue.item import Field
from gateway.catalogue.kinds.fields import ROW_TYPES, TYPES, Tables, address, block_of, judge_of
from gateway.catalogue.kinds.identifiers import (
    cnaps_holds,
    e_certificate_holds,
    id_holds,
    luhn_holds,
    mod37_36_check,
    mod37_36_holds,
    org_code_holds,
    s10_holds,
    uscc_holds,
)
from gateway.catalogue.kinds.notes import Finding, Judge, Notes

__all__ = [
    "ROW_TYPES",
    "TYPES",
    "Finding",
    "Judge",
    "Notes",
    "Tables",
    "address",
    "block_of",
    "check",
    "cnaps_holds",
    "e_certificate_holds",
    "id_holds",
    "judge_of",
    "luhn_holds",
    "mod37_36_check",
    "mod37_36_holds",
    "org_code_holds",
    "s10_holds",
    "uscc_holds",
]


def check(
    field: Field, value: object, *, today: date, tables: Tables | None = None, doc_type: str = ""
) -> tuple[Any, list[Finding]]:
    """One value of one field: (typed value or none, findings as (path below the value, code, message)).

    ``doc_type`` stands for the member named by ``doc_type_field``. A value that is not given ("" or none) is judged
    like any other here; whether it may be missing is the form's business.
    """
    notes = Notes(today)
    siblings = {field.doc_type_field: doc_type} if field.doc_type_field else {}
    typed = judge_of(field, tables or Tables())(value, notes, siblings)
    return typed, notes.problems
