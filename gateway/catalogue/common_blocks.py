"""The blocks beside every form: the applicant by kind, and the delegation record with its delivery modes.

Must not hold items. Both are members of the submission (operations.md 2.4), never fields of an item's form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.catalogue.codes import Codes
from gateway.catalogue.field_rows import FORM_FIELD, RECORD_FIELD, FieldReader
from gateway.catalogue.item import Field, Option, Rule
from gateway.catalogue.outlets import Network
from gateway.catalogue.problem import Sheet
from gateway.catalogue.rule_checks import judge
from gateway.catalogue.rule_rows import RuleReader, Scope
from gateway.catalogue.shape import Shape, table_of
from gateway.catalogue.yaml_marks import Table

KINDS = ("person", "organisation")
DELIVERY = "delivery_mode"

_APPLICANT_FILE = Shape("applicant.yaml", "common_fields:table rules:table")
_BY_KIND = Shape("common_fields", "person:list organisation:list")
_RULES_BY_KIND = Shape("rules", "person?:list organisation?:list")
_DELEGATION_FILE = Shape("delegation.yaml", "delegation_record:table rules:list")
_RECORD = Shape("delegation_record", "agent:list delivery:list consent:list")


@dataclass(frozen=True, slots=True)
class ApplicantBlock:
    """Fields by name and rules, both by kind of applicant."""

    fields: Mapping[str, Mapping[str, Field]]
    rules: Mapping[str, tuple[Rule, ...]]


@dataclass(frozen=True, slots=True)
class Delegation:
    """What is used of the delegation record beyond its labels."""

    rules: tuple[Rule, ...]
    delivery_modes: tuple[Option, ...]


def read_applicant_block(table: Table, codes: Codes, network: Network, *, sheet: Sheet) -> ApplicantBlock:
    """``applicant.yaml``: members of the applicant block; rules name members of their own kind only."""
    _APPLICANT_FILE.check(table, sheet)
    blocks = table_of(table, "common_fields", _BY_KIND, sheet=sheet) or table.empty()
    rules = table_of(table, "rules", _RULES_BY_KIND, sheet=sheet) or table.empty()
    fields = {kind: FieldReader(codes, sheet).read(blocks, kind, FORM_FIELD) for kind in KINDS}
    reader = RuleReader(codes, network, sheet)
    return ApplicantBlock(fields, {kind: reader.read(rules, kind, Scope(fields[kind]), judge) for kind in KINDS})


def read_delegation(table: Table, codes: Codes, network: Network, *, sheet: Sheet) -> Delegation:
    """``delegation.yaml``: its rules may name fields of all three groups."""
    _DELEGATION_FILE.check(table, sheet)
    record = table_of(table, "delegation_record", _RECORD, sheet=sheet) or table.empty()
    reader = FieldReader(codes, sheet)
    fields = {n: f for group in _RECORD.keys for n, f in reader.read(record, group, RECORD_FIELD).items()}
    rules = RuleReader(codes, network, sheet).read(table, "rules", Scope(fields), judge)
    modes = fields[DELIVERY].options if DELIVERY in fields else ()
    if not modes and not sheet.problems:
        sheet.add(record.mark("delivery"), f"no enum field {DELIVERY}", f"write the field {DELIVERY} with its options")
    return Delegation(rules, modes)
