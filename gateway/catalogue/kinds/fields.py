"""A field of the catalogue as a judge: the closed list of field types.

Must not know rules between fields. A new type is a line in ``_MAKERS`` and its own review (house.md section 8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.catalogue.item import DocType, Field
from gateway.catalogue.kinds import numbers, values
from gateway.catalogue.kinds.block import Block, Member, Pair, rows
from gateway.catalogue.kinds.notes import Judge, Notes
from gateway.domain.reasons import FieldCode

FUTIAN = "440304"
ADDRESS_MAX = 200  # all texts of one address together

_REGION = re.compile(r"[0-9]{6}")
_STREET = re.compile(r"[0-9]{9}")
_FUTIAN_STREET = re.compile(r"440304(?:00[124-9]|01[01])")


@dataclass(frozen=True, slots=True)
class Tables:
    """What judges look up in the catalogue: kinds of documents, streets and row types."""

    doc_types: Mapping[str, DocType] = field(default_factory=dict)
    streets: Mapping[str, str] = field(default_factory=dict)
    row_types: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)


def judge_of(one: Field, tables: Tables) -> Judge:
    """The judge of one field. Raises ``ValueError`` for a type that does not exist."""
    maker = _MAKERS.get(one.type)
    if maker is not None:
        return maker(one, tables)
    if one.type in ROW_TYPES:
        columns = block_of(tables.row_types.get(one.type, ()), tables)
        return rows(one.label, columns.judge, least=1 if one.required else 0)
    raise ValueError(f"unknown field type {one.type!r}")


def block_of(
    fields: Sequence[Field], tables: Tables, *, extra: Sequence[Member] = (), lone: Collection[str] = ()
) -> Block:
    """The fields as one object. Columns filled by a decision (``output``) are no members: nobody may give them.

    ``lone`` names document types that may be missing although their number is given.
    """
    asked = [one for one in fields if not one.output]
    members = [
        Member(
            one.name,
            one.label,
            judge_of(one, tables),
            required=one.required,
            offered_from=values.offered_from(one.available_from),
        )
        for one in asked
    ]
    by_name = {one.name: one for one in asked}
    pairs = [
        Pair(one.doc_type_field, by_name[one.doc_type_field].label, one.name, one.label)
        for one in asked
        if one.doc_type_field in by_name and one.doc_type_field not in lone
    ]
    return Block([*extra, *members], pairs)


def address(label: str, streets: Mapping[str, str]) -> Judge:
    """``{region, street, community, detail}``; a street of Futian is one of the ten, by statistical code."""
    block = Block(
        [
            Member("region", "行政区划代码", values.pattern("行政区划代码", _REGION, "行政区划代码应为6位数字"), True),
            Member("street", "街道", values.pattern("街道", _STREET, "街道代码应为9位数字")),
            Member("community", "社区", values.string("社区", max_len=ADDRESS_MAX)),
            Member("detail", "详细地址", values.string("详细地址", max_len=ADDRESS_MAX), True),
        ]
    )
    too_long = f"{label}合计不得超过{ADDRESS_MAX}个字符"

    def judge(value: object, notes: Notes, siblings: Mapping[str, Any]) -> dict[str, Any] | None:
        before = len(notes.problems)
        typed = block.judge(value, notes, siblings)
        if typed is None or len(notes.problems) != before:
            return typed
        area, place = typed["region"], typed.get("street", "")
        if sum(map(len, typed.values())) > ADDRESS_MAX:
            notes.say(FieldCode.TOO_LONG, too_long)
        if area == FUTIAN and not place:
            notes.say(FieldCode.MISSING, "福田区地址请填写街道", "street")
        elif area == FUTIAN and not is_street(place, streets):
            notes.say(FieldCode.NOT_IN_LIST, "不是福田区的街道代码", "street")
        elif place and not place.startswith(area):
            notes.say(FieldCode.BAD_FORMAT, "街道与行政区划不一致", "street")
        return typed

    return judge


def is_street(code: str, streets: Mapping[str, str]) -> bool:
    """True for one of the ten streets of Futian (statistical code, never the districts' own)."""
    return code in streets if streets else _FUTIAN_STREET.fullmatch(code) is not None


def _street(label: str, streets: Mapping[str, str]) -> Judge:
    not_text, bad = f"{label}应为文字", f"{label}不是福田区的街道代码"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
        if type(value) is not str:
            notes.say(FieldCode.WRONG_TYPE, not_text)
        elif not is_street(value, streets):
            notes.say(FieldCode.NOT_IN_LIST, bad)
        else:
            return value
        return None

    return judge


_MAKERS: dict[str, Callable[[Field, Tables], Judge]] = {
    "string": lambda f, _: values.string(f.label, min_len=f.min_len, max_len=f.max_len),
    "text": lambda f, _: values.string(f.label, min_len=f.min_len, max_len=f.max_len, multiline=True),
    "int": lambda f, _: values.whole(f.label, f.min, f.max),
    "decimal": lambda f, _: values.decimal(f.label, f.min, f.max),
    "money": lambda f, _: values.money(f.label, f.min, f.max),
    "percent": lambda f, _: values.percent(f.label, f.min, f.max),
    "date": lambda f, _: values.day(f.label, f.min, f.max),
    "month": lambda f, _: values.month(f.label, f.min, f.max),
    "year": lambda f, _: values.year(f.label, f.min, f.max),
    "datetime": lambda f, _: values.moment(f.label),
    "bool": lambda f, _: values.flag(f.label),
    "enum": lambda f, _: values.choice(f.label, f.options),
    "phone": lambda f, _: numbers.phone(f.label),
    "doc_no": lambda f, t: numbers.doc_no(f.label, t.doc_types, type_field=f.doc_type_field, allowed=f.doc_types),
    "uscc": lambda f, _: numbers.uscc(f.label),
    "address": lambda f, t: address(f.label, t.streets),
    "street": lambda f, t: _street(f.label, t.streets),
    "region_code": lambda f, _: numbers.region_code(f.label),
    "bank_account": lambda f, _: numbers.bank_account(f.label, f.account_kind),
    "student_no": lambda f, _: numbers.student_no(f.label),
    "disability_cert": lambda f, _: numbers.disability_cert(f.label),
    "plate_no": lambda f, _: numbers.plate_no(f.label),
    "project_code": lambda f, _: numbers.project_code(f.label),
    "seal_record_no": lambda f, _: numbers.seal_record_no(f.label),
}

ROW_TYPES = frozenset({"shareholders", "seals", "invoices", "employees"})
TYPES = frozenset(_MAKERS) | ROW_TYPES
