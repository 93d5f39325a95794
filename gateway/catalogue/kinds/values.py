"""Judges of plain values: text, numbers, money, days, choices.

Must not know identifiers or whole forms. Values come as the business JSON has them (operations.md 2.1): strings,
true and false; numbers are strings, so nothing here ever touches a float. Money becomes int fen, percent int basis
points, decimal a ``Decimal`` with two places, month stays ``YYYY-MM`` (it sorts), datetime becomes aware UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from gateway.catalogue.item import Option
from gateway.catalogue.kinds.characters import has_forbidden
from gateway.catalogue.kinds.notes import Judge, Notes
from gateway.domain.reasons import FieldCode

DEFAULT_MAX_LEN = 100
DEFAULT_TEXT_LEN = 2000

_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_YEAR = re.compile(r"[0-9]{4}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_CENT = Decimal("0.01")
_WRONG_TYPE = FieldCode.WRONG_TYPE


def string(label: str, *, min_len: int = 0, max_len: int = 0, multiline: bool = False) -> Judge:
    """A text kept exactly as typed: rare characters and the middle dot stay. Lengths count characters."""
    most = max_len or (DEFAULT_TEXT_LEN if multiline else DEFAULT_MAX_LEN)
    not_text, too_long = f"{label}应为文字", f"{label}不得超过{most}个字符"
    too_short, bad_char = f"{label}不得少于{min_len}个字符", f"{label}含有不允许的字符"
    blank = f"{label}不得只填空格"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
        elif len(value) > most:
            notes.say(FieldCode.TOO_LONG, too_long)
        elif len(value) < min_len:
            notes.say(FieldCode.TOO_SHORT, too_short)
        elif has_forbidden(value, multiline=multiline):
            notes.say(FieldCode.CHAR_NOT_ALLOWED, bad_char)
        elif value.isspace():
            notes.say(FieldCode.BAD_FORMAT, blank)
        else:
            return value
        return None

    return judge


def pattern(label: str, regex: re.Pattern[str], message: str = "") -> Judge:
    """A text that matches as a whole; ASCII patterns only, so no character check is needed."""
    not_text, bad = f"{label}应为文字", message or f"{label}格式不正确"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
        elif regex.fullmatch(value) is None:
            notes.say(FieldCode.BAD_FORMAT, bad)
        else:
            return value
        return None

    return judge


def whole(label: str, low: str = "", high: str = "") -> Judge:
    """An int."""
    return _number(label, _INT, int, (low, high), hint="应为整数")


def decimal(label: str, low: str = "", high: str = "") -> Judge:
    """A ``Decimal`` with two places."""
    return _number(
        label, _AMOUNT, lambda text: Decimal(text).quantize(_CENT), (low, high), hint="应为数字，最多两位小数"
    )


def money(label: str, low: str = "", high: str = "") -> Judge:
    """Yuan in, int fen out; bounds in yuan."""
    return _number(label, _AMOUNT, hundredths, (low, high), hint="应为金额（元），最多两位小数", unit="元")


def percent(label: str, low: str = "", high: str = "") -> Judge:
    """0 to 100 in, int basis points out."""
    bounds = (low or "0", high or "100")
    return _number(label, _AMOUNT, hundredths, bounds, hint="应为百分数，最多两位小数", unit="%")


def hundredths(text: str) -> int:
    """``100.5`` → 10050, exactly and without a float."""
    units, _, cents = text.partition(".")
    return int(units) * 100 + int((cents + "00")[:2])


def bound(text: str, read: Callable[[str], Any]) -> Any:
    """A bound as the data file writes it (``0.01``, ``1000``), in the unit of the typed value; none for ""."""
    if not text:
        return None
    if read is hundredths:
        return int(Decimal(text) * 100)
    return int(Decimal(text)) if read is int else Decimal(text)


def _number(
    label: str,
    regex: re.Pattern[str],
    read: Callable[[str], Any],
    bounds: tuple[str, str],
    *,
    hint: str,
    unit: str = "",
) -> Judge:
    low, high = bound(bounds[0], read), bound(bounds[1], read)
    not_text, bad = f"{label}应为文字形式的数字", f"{label}{hint}"
    if low is not None and high is not None:
        out = f"{label}应为{bounds[0]}至{bounds[1]}{unit}"
    else:
        out = f"{label}不得小于{bounds[0]}{unit}" if low is not None else f"{label}不得大于{bounds[1]}{unit}"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> Any:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
            return None
        if regex.fullmatch(value) is None:
            notes.say(FieldCode.BAD_FORMAT, bad)
            return None
        typed = read(value)
        if (low is not None and typed < low) or (high is not None and typed > high):
            notes.say(FieldCode.OUT_OF_RANGE, out)
            return None
        return typed

    return judge


def day(label: str, low: str = "", high: str = "") -> Judge:
    """A day that exists, as a ``date``."""
    first, last = low or "0001-01-01", high or "9999-12-31"
    not_text, bad, impossible = f"{label}应为文字", f"{label}应为YYYY-MM-DD", f"{label}不是有效日期"
    out = f"{label}应在{first}至{last}之间"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> date | None:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
        elif _DATE.fullmatch(value) is None:
            notes.say(FieldCode.BAD_FORMAT, bad)
        elif not first <= value <= last:
            notes.say(FieldCode.OUT_OF_RANGE if value[:4] != "0000" else FieldCode.DATE_IMPOSSIBLE, out)
        else:
            try:
                return date.fromisoformat(value)
            except ValueError:
                notes.say(FieldCode.DATE_IMPOSSIBLE, impossible)
        return None

    return judge


def month(label: str, low: str = "", high: str = "") -> Judge:
    """``YYYY-MM``, kept as text."""
    return _period(label, _MONTH, (low, high), f"{label}应为YYYY-MM", read=str)


def year(label: str, low: str = "", high: str = "") -> Judge:
    """``YYYY`` as an int."""
    return _period(label, _YEAR, (low, high), f"{label}应为四位年份", read=int)


def _period(
    label: str, regex: re.Pattern[str], bounds: tuple[str, str], bad: str, *, read: Callable[[str], Any]
) -> Judge:
    low, high = bounds[0] or "0001", bounds[1] or "9999-12"
    not_text, out = f"{label}应为文字", f"{label}应在{low}至{high}之间"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> Any:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
        elif regex.fullmatch(value) is None:
            notes.say(FieldCode.BAD_FORMAT, bad)
        elif not low <= value <= high:
            notes.say(FieldCode.OUT_OF_RANGE, out)
        else:
            return read(value)
        return None

    return judge


def moment(label: str) -> Judge:
    """RFC 3339 with any offset, as an aware UTC ``datetime``."""
    not_text, bad, impossible = f"{label}应为文字", f"{label}应为带时区的时间", f"{label}不是有效时间"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> datetime | None:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
        elif _DATETIME.fullmatch(value) is None:
            notes.say(FieldCode.BAD_FORMAT, bad)
        else:
            try:
                return datetime.fromisoformat(value).astimezone(UTC)
            except (ValueError, OverflowError):
                notes.say(FieldCode.DATE_IMPOSSIBLE, impossible)
        return None

    return judge


def flag(label: str) -> Judge:
    """``true`` or ``false``."""
    bad = f"{label}应为true或false"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> bool | None:
        if value is True or value is False:
            return bool(value)
        notes.say(_WRONG_TYPE, bad)
        return None

    return judge


def choice(label: str, options: Iterable[Option]) -> Judge:
    """One of the options that is offered on the day of the check."""
    known = {option.value: offered_from(option.available_from) for option in options}
    not_text, bad, later = f"{label}应为文字", f"{label}不在可选范围内", f"{label}的该选项尚未开放"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
        if type(value) is not str:
            notes.say(_WRONG_TYPE, not_text)
        elif value not in known:
            notes.say(FieldCode.NOT_IN_LIST, bad)
        elif (first := known[value]) is not None and notes.today < first:
            notes.say(FieldCode.NOT_IN_LIST, later)
        else:
            return value
        return None

    return judge


def words(label: str, *values: str) -> Judge:
    """One of a few fixed words."""
    return choice(label, [Option(value, value) for value in values])


def offered_from(text: str) -> date | None:
    """``available_from`` as a day: none for "" (always), the end of days for ``later``."""
    if not text:
        return None
    return date.max if text == "later" else date.fromisoformat(text)
