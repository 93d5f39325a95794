"""Rows of ``fields`` and ``materials`` → ``Field`` and ``Material``, checked one by one and among each other.

Must not judge a form: what the types mean stands in ``kinds.py``. Bounds stay the text of the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from gateway.catalogue.codes import Codes
from gateway.catalogue.item import Field, Material, Option
from gateway.catalogue.problem import Sheet, nearest
from gateway.catalogue.shape import Shape, day_of, known, known_all, once_each, rows_in, rows_of, texts_of
from gateway.catalogue.yaml_marks import Listing, Table

NUMBERS = frozenset({"int", "decimal", "money", "percent", "year"})
WHOLE = frozenset({"int", "year"})
ACCOUNT_KINDS = frozenset({"card", "company"})

_FIELD = (
    "name:text label:text type:text required:bool min?:int|text max?:int|text min_len?:int max_len?:int options?:list "
    "doc_type_field?:text doc_types?:list account_kind?:text available_from?:text"
)
FORM_FIELD = Shape("field", _FIELD)
STEP_FIELD = Shape("field of a step", f"{_FIELD} shared?:bool")
ROW_FIELD = Shape("column", f"{_FIELD} output?:bool")
RECORD_FIELD = Shape("field of the delegation record", f"{_FIELD} path:text")
_OPTION = Shape("option", "value:text label:text available_from?:text")
_MATERIAL_KEYS = "id:text name:text name_en:text required:bool deferrable:bool e_cert:bool"
ITEM_MATERIAL = Shape("material", _MATERIAL_KEYS)
STEP_MATERIAL = Shape("material of a step", f"{_MATERIAL_KEYS} produced_by?:text")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_BOUND = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads field rows against the closed lists; ``doc_type_fields`` of another group may be passed in."""

    codes: Codes
    sheet: Sheet

    def read(self, owner: Table, key: str, shape: Shape) -> dict[str, Field]:
        """The fields of the list under ``key`` by name, in order."""
        listing = owner.get(key)
        return self.read_list(listing, shape) if isinstance(listing, Listing) else {}

    def read_list(self, listing: Listing, shape: Shape) -> dict[str, Field]:
        """The fields of one list by name, in order; a row without a name is left out.

        A field of an unknown type keeps its place with the type "", so that rules which name it are not blamed.
        """
        rows = rows_in(listing, shape, sheet=self.sheet)
        once_each(rows, "name", "field", sheet=self.sheet)
        fields: dict[str, Field] = {}
        for row in rows:
            name = row.get("name", "")
            if name and not _NAME.fullmatch(name):
                self.sheet.add(row.mark("name"), f"field name {name}", "write a-z, 0-9 and _, a letter first")
            if field := self._field(row):
                fields.setdefault(field.name, field)
        for row in rows:
            self._doc_type_field(row, fields)
        return fields

    def _field(self, row: Table) -> Field | None:
        type_ = known(row, "type", self.codes.field_types, sheet=self.sheet)
        self._only_where_it_means_something(row, type_)
        low, high = (self._bound(row, key, type_) for key in ("min", "max"))
        if low is not None and high is not None and low > high:
            self.sheet.add(row.mark("min"), f"min {low} is above max {high}", f"write at most {high}")
        self._lengths(row)
        options = read_options(row, self.sheet) if type_ == "enum" else ()
        if type_ == "bank_account":
            known(row, "account_kind", ACCOUNT_KINDS, sheet=self.sheet)
            if "account_kind" not in row and "account_kind" not in row.broken:
                self.sheet.add(row.at, "bank_account without account_kind", "write account_kind: card or company")
        pairs = texts_of(row, "doc_types", sheet=self.sheet)
        doc_types = known_all(pairs, self.codes.doc_types, "document type", sheet=self.sheet)
        if "name" not in row:
            return None
        return Field(
            name=row["name"],
            label=row.get("label", ""),
            type=type_,
            required=row.get("required", False),
            min=str(row.get("min", "")),
            max=str(row.get("max", "")),
            min_len=row.get("min_len", 0),
            max_len=row.get("max_len", 0),
            options=options,
            doc_type_field=row.get("doc_type_field", ""),
            doc_types=doc_types,
            account_kind=row.get("account_kind", ""),
            shared=row.get("shared", False),
            output=row.get("output", False),
            available_from=available_from(row, self.sheet),
            path=row.get("path", ""),
        )

    def _only_where_it_means_something(self, row: Table, type_: str) -> None:
        meant: Mapping[str, Collection[str]] = {
            "min": NUMBERS,
            "max": NUMBERS,
            "min_len": ("string", "text"),
            "max_len": ("string", "text"),
            "options": ("enum",),
            "doc_type_field": ("doc_no",),
            "doc_types": ("doc_no",),
            "account_kind": ("bank_account",),
        }
        for key, types in meant.items():
            if type_ and key in row and type_ not in types:
                self.sheet.add(row.key_mark(key), f"{key} means nothing on a field of type {type_}", f"leave {key} out")
        if "doc_type_field" in row and "doc_types" in row:
            self.sheet.add(row.key_mark("doc_types"), "doc_types beside doc_type_field", "write one of the two")

    def _bound(self, row: Table, key: str, type_: str) -> Decimal | None:
        if key not in row or type_ not in NUMBERS:
            return None
        text = str(row[key])
        if not _BOUND.fullmatch(text) or (type_ in WHOLE and "." in text):
            form = "a whole number" if type_ in WHOLE else "a number with at most 2 decimals, in quotes"
            self.sheet.add(row.mark(key), f"{key} {text} is no bound of type {type_}", f"write {form}")
            return None
        return Decimal(text)

    def _lengths(self, row: Table) -> None:
        shortest, longest = row.get("min_len", 0), row.get("max_len")
        if shortest < 0:
            self.sheet.add(row.mark("min_len"), f"min_len {shortest}", "write 0 or more")
        if longest is not None and longest < max(shortest, 1):
            self.sheet.add(row.mark("max_len"), f"max_len {longest}", f"write at least {max(shortest, 1)}")

    def _doc_type_field(self, row: Table, fields: Mapping[str, Field]) -> None:
        name = row.get("doc_type_field")
        if name is None or "doc_type_field" in row.broken:
            return
        at = row.mark("doc_type_field")
        beside = fields.get(name)
        if beside is None:
            self.sheet.add(at, f"doc_type_field {name} is no field beside it", nearest(name, _enums(fields)))
        elif beside.type != "enum":
            self.sheet.add(at, f"doc_type_field {name} is of type {beside.type}", nearest(name, _enums(fields)))
        else:
            for option in beside.options:
                if option.value not in self.codes.doc_types:
                    known_types = nearest(option.value, self.codes.doc_types)
                    self.sheet.add(at, f"option {option.value} of {name} is no document type", known_types)


def _enums(fields: Mapping[str, Field]) -> list[str]:
    return [field.name for field in fields.values() if field.type == "enum"]


def available_from(row: Table, sheet: Sheet) -> str:
    """A day, the word later, or ""; anything else is a problem."""
    text = row.get("available_from", "")
    if text and text != "later":
        day_of(row, "available_from", sheet=sheet)
    return str(text)


def read_options(row: Table, sheet: Sheet) -> tuple[Option, ...]:
    """The choices of an enum: at least one, no value twice."""
    rows = rows_of(row, "options", _OPTION, sheet=sheet)
    if not rows and "options" not in row.broken:
        sheet.add(row.mark("options"), "enum without options", "write options: with at least one {value, label}")
    once_each(rows, "value", "option", sheet=sheet)
    return tuple(
        Option(option.get("value", ""), option.get("label", ""), available_from(option, sheet)) for option in rows
    )


def read_materials(owner: Table, shape: Shape, sheet: Sheet) -> tuple[Material, ...]:
    """The papers of an item or a step; ids are M and a number, no id twice."""
    rows = rows_of(owner, "materials", shape, sheet=sheet)
    once_each(rows, "id", "material", sheet=sheet)
    for row in rows:
        if "id" in row and not re.fullmatch(r"M[1-9][0-9]?", row["id"]):
            sheet.add(row.mark("id"), f"material id {row['id']}", "write M1, M2 and so on")
    return tuple(
        Material(
            id=row.get("id", ""),
            name=row.get("name", ""),
            name_en=row.get("name_en", ""),
            required=row.get("required", False),
            deferrable=row.get("deferrable", False),
            e_cert=row.get("e_cert", False),
            produced_by=row.get("produced_by", ""),
        )
        for row in rows
    )
