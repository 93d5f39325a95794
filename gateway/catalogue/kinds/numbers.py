"""Judges of identifiers: documents, credit codes, accounts, phones and the other numbers of the field types.

Must not hold check-digit arithmetic (``identifiers``). Full-width input is mapped and letters are stored upper case;
O and I are never turned into 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from gateway.catalogue.item import DocType
from gateway.catalogue.kinds.characters import narrow
from gateway.catalogue.kinds.identifiers import age_on, birth_date, id_holds, luhn_holds, uscc_holds
from gateway.catalogue.kinds.notes import Judge, Notes
from gateway.domain.reasons import FieldCode

MAX_AGE = 130

_PHONE = re.compile(
    r"1[3-9][0-9]{9}|\+?852-?[0-9]{8}|\+?853-?6[0-9]{7}|\+?886-?9[0-9]{8}|0755-?[0-9]{8}"
)  # mainland mobile, Hong Kong, Macao, Taiwan, Shenzhen landline
_OLD_ID = re.compile(r"[0-9]{15}")
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")
_CARD = re.compile(r"[0-9]{16,19}")
_COMPANY_ACCOUNT = re.compile(r"[0-9]{9,25}")
_STUDENT = re.compile(r"[GLJ][0-9]{17}[0-9X]")
_DISABILITY = re.compile(r"[0-9]{17}[0-9X][1-7][1-4](?:B[1-9])?")
_PLATE = re.compile(r"[一-鿿][A-Z][A-Z0-9]{5,6}")
_PROJECT = re.compile(r"[0-9]{4}-[0-9]{6}-[0-9]{2}-[0-9]{2}-[0-9]{6}")
_SEAL = re.compile(r"[0-9]{13}")
_REGION = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}")

Fault = tuple[FieldCode, str]
Test = Callable[[str, date], Fault | None]  # a clean number and the day: what is wrong with it


def identifier(label: str, test: Test, *, drop: str = "") -> Judge:
    """A number stored in its clean form; characters of ``drop`` (hyphen, plus) are left out of it."""
    not_text = f"{label}应为文字"
    gone = str.maketrans("", "", drop)

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
        if type(value) is not str:
            notes.say(FieldCode.WRONG_TYPE, not_text)
            return None
        clean = narrow(value)
        fault = test(clean, notes.today)
        if fault is not None:
            notes.say(*fault)
            return None
        return clean.translate(gone) if drop else clean

    return judge


def shaped(label: str, regex: re.Pattern[str], holds: Callable[[str], bool] | None = None) -> Test:
    """A form, and a check character where there is one."""
    bad, wrong = (FieldCode.BAD_FORMAT, f"{label}格式不正确"), (FieldCode.BAD_CHECK_DIGIT, f"{label}校验位不正确")

    def test(text: str, _today: date) -> Fault | None:
        if regex.fullmatch(text) is None:
            return bad
        return None if holds is None or holds(text) else wrong

    return test


def person_number(label: str, regex: re.Pattern[str], part: Callable[[str], str | None]) -> Test:
    """A form that holds an 18-character ID number; ``part`` cuts it out, or gives none where there is none."""
    bad = (FieldCode.BAD_FORMAT, f"{label}格式不正确")

    def test(text: str, today: date) -> Fault | None:
        if regex.fullmatch(text) is None:
            return bad
        number = part(text)
        return None if number is None else id_fault(label, number, today)

    return test


def id_fault(label: str, text: str, today: date) -> Fault | None:
    """What is wrong with an 18-character number: check character, birth date, age (GB 11643-1999)."""
    if not id_holds(text):
        return FieldCode.BAD_CHECK_DIGIT, f"{label}校验位不正确"
    born = birth_date(text)
    if born is None:
        return FieldCode.DATE_IMPOSSIBLE, f"{label}中的出生日期不存在"
    if born > today:
        return FieldCode.DATE_IN_FUTURE, f"{label}中的出生日期晚于今天"
    if age_on(born, today) > MAX_AGE:
        return FieldCode.OUT_OF_RANGE, f"{label}中的出生日期超出合理范围"
    return None


def phone(label: str) -> Judge:
    """Stored without plus and hyphen."""
    return identifier(label, shaped(label, _PHONE), drop="+-")


def uscc(label: str) -> Judge:
    """A credit code; an unknown first character is not refused."""
    return identifier(label, shaped(label, _USCC, uscc_holds))


def bank_account(label: str, account_kind: str) -> Judge:
    """A card (Luhn) or a company account (form only)."""
    if account_kind == "card":
        return identifier(label, shaped(label, _CARD, luhn_holds))
    return identifier(label, shaped(label, _COMPANY_ACCOUNT))


def student_no(label: str) -> Judge:
    """With G the rest is an ID number; L (temporary) and J (special) are not checked."""
    return identifier(label, person_number(label, _STUDENT, lambda text: text[1:] if text[0] == "G" else None))


def disability_cert(label: str) -> Judge:
    """ID number, type digit, level digit, and B1, B2 … for a reissue."""
    return identifier(label, person_number(label, _DISABILITY, lambda text: text[:18]))


def plate_no(label: str) -> Judge:
    """A vehicle plate."""
    return identifier(label, shaped(label, _PLATE))


def project_code(label: str) -> Judge:
    """An investment project code."""
    return identifier(label, shaped(label, _PROJECT))


def seal_record_no(label: str) -> Judge:
    """13 digits; the last one is not checked."""
    return identifier(label, shaped(label, _SEAL))


def region_code(label: str) -> Judge:
    """6, 9 or 12 digits."""
    return identifier(label, shaped(label, _REGION))


def documents(doc_types: Mapping[str, DocType]) -> dict[str, Callable[[str], Test]]:
    """For each kind of document a maker of its test, given the label."""
    return {code: _document(doc_type) for code, doc_type in doc_types.items()}


def _document(doc_type: DocType) -> Callable[[str], Test]:
    regex = re.compile("|".join(f"(?:{text.removeprefix('^').removesuffix('$')})" for text in doc_type.patterns))

    def make(label: str) -> Test:
        bad = (FieldCode.BAD_FORMAT, f"{label}与{doc_type.label}的格式不符")
        wrong = (FieldCode.BAD_CHECK_DIGIT, f"{label}校验位不正确")
        old = (FieldCode.BAD_FORMAT, f"{label}为15位旧号码，已停用，请填18位号码")

        def test(text: str, today: date) -> Fault | None:
            if _OLD_ID.fullmatch(text):
                return old
            if regex.fullmatch(text) is None:
                return bad
            if len(text) != 18:
                return None
            if doc_type.check == "iso7064_mod_11_2":
                return id_fault(label, text, today)
            return wrong if doc_type.check == "uscc_mod31" and not uscc_holds(text) else None

        return test

    return make


def doc_no(
    label: str, doc_types: Mapping[str, DocType], *, type_field: str = "", allowed: tuple[str, ...] = ()
) -> Judge:
    """A document number: its type stands beside it, or is one of ``allowed``, or may be any but a credit code."""
    tests = {code: make(label) for code, make in documents(doc_types).items()}
    loose = [tests[code] for code in (allowed or tuple(c for c in tests if c != "uscc")) if code in tests]
    not_text, bad = f"{label}应为文字", (FieldCode.BAD_FORMAT, f"{label}格式不正确")

    def judge(value: object, notes: Notes, siblings: Mapping[str, Any]) -> str | None:
        if type(value) is not str:
            notes.say(FieldCode.WRONG_TYPE, not_text)
            return None
        clean = narrow(value)
        kind = siblings.get(type_field) if type_field else None
        if isinstance(kind, str) and kind:
            test = tests.get(kind)
            fault = test(clean, notes.today) if test else None  # an unknown type is a problem of the type's own
        else:
            faults = [test(clean, notes.today) for test in loose]
            fault = None if None in faults else _nearest(faults) or bad
        if fault is not None:
            notes.say(*fault)
            return None
        return clean

    return judge


def _nearest(faults: list[Fault | None]) -> Fault | None:
    """The fault of the kind whose form at least fitted; a number of no form at all is simply badly formed."""
    return next((fault for fault in faults if fault is not None and fault[0] is not FieldCode.BAD_FORMAT), None)
