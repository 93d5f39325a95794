"""Judges of values that only submissions have: stamps, slip numbers, e-certificates, the bank's own remarks.

Must not know where they stand in a submission (operations.md 2.1 and section 3 for the forms).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from gateway.catalogue.kinds.characters import has_forbidden
from gateway.catalogue.kinds.identifiers import e_certificate_holds, mod37_36_holds
from gateway.catalogue.kinds.notes import Judge, Notes
from gateway.catalogue.kinds.values import pattern
from gateway.domain.reasons import FieldCode

MAX_EXT = 2048

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?\+08:00")
_DIGEST = re.compile(r"(?:sha256|sm3):[0-9a-f]{64}")
_SLIP = re.compile(r"FP([0-9]{6})[0-9A-HJKMNP-TV-Z]{8}")  # no I, L, O, U


def stamp(label: str) -> Judge:
    """A past moment of operations.md 2.1 (offset +08:00), as aware UTC."""
    not_text, bad = f"{label}应为文字", f"{label}应为带+08:00时区的时间"
    impossible, future = f"{label}不是有效时间", f"{label}晚于当前时间"

    def judge(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> datetime | None:
        if type(value) is not str:
            notes.say(FieldCode.WRONG_TYPE, not_text)
            return None
        if _STAMP.fullmatch(value) is None:
            notes.say(FieldCode.BAD_FORMAT, bad)
            return None
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            notes.say(FieldCode.DATE_IMPOSSIBLE, impossible)
            return None
        if notes.latest is not None and moment > notes.latest:
            notes.say(FieldCode.DATE_IN_FUTURE, future)
        return moment

    return judge


def read_stamp_or_none(value: object) -> datetime | None:
    """The moment of a well-formed stamp, or none."""
    moment: datetime | None = stamp("")(value, Notes(date.min), {})
    return moment


def as_it_is(value: object, _notes: Notes, _siblings: Mapping[str, Any]) -> object:
    """For members that others judge."""
    return value


def certificate_no(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
    """An electronic certificate number, as fetched; wrong ones are ``CERTIFICATE_INVALID`` whatever is wrong."""
    if type(value) is not str:
        notes.say(FieldCode.WRONG_TYPE, "电子证照标识应为文字")
    elif not e_certificate_holds(value):
        notes.say(FieldCode.CERTIFICATE_INVALID, "电子证照标识不正确")
    else:
        return value
    return None


def slip_no(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> str | None:
    """The number of an offline slip (operations.md 3): series FP, a real day, check character."""
    found = _SLIP.fullmatch(value) if type(value) is str else None
    if found is None:
        notes.say(FieldCode.BAD_FORMAT, "临时凭证号格式不正确")
        return None
    if not mod37_36_holds(found[0]):
        notes.say(FieldCode.BAD_CHECK_DIGIT, "临时凭证号校验位不正确")
        return None
    try:
        date(2000 + int(found[1][:2]), int(found[1][2:4]), int(found[1][4:]))
    except ValueError:
        notes.say(FieldCode.DATE_IMPOSSIBLE, "临时凭证号中的日期不存在")
        return None
    return found[0]


def ext(value: object, notes: Notes, _siblings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The bank's own remarks: an object of texts, 2 KB in all, never interpreted."""
    if not isinstance(value, Mapping):
        notes.say(FieldCode.WRONG_TYPE, "应为对象")
        return None
    texts = [text for pair in value.items() for text in pair]
    if any(type(text) is not str for text in texts):
        notes.say(FieldCode.WRONG_TYPE, "备注的各项应为文字")
    elif any(has_forbidden(text, multiline=True) for text in texts):
        notes.say(FieldCode.CHAR_NOT_ALLOWED, "备注含有不允许的字符")
    elif sum(len(text.encode()) for text in texts) > MAX_EXT:
        notes.say(FieldCode.TOO_LONG, "备注合计不得超过2KB")
    else:
        return dict(value)
    return None


def digest(label: str) -> Judge:
    """The digest of a file or a text."""
    return pattern(label, _DIGEST, f"{label}应为sha256:或sm3:加64位小写十六进制")
