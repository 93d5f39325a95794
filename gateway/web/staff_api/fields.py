"""The kinds of member in requests and answers, with Chinese messages, and described so that machines can check them.

Must not hold a rule of the business: only shapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import marshmallow as ma
from marshmallow import validate

_COMMON = {"required": "必填", "null": "不能为空值", "validator_failed": "内容不合要求"}


class Body(ma.Schema):
    """A JSON object; unknown members are refused."""

    error_messages = {"unknown": "没有这个成员", "type": "须为 JSON 对象"}

    class Meta:
        """Unknown members are errors, as everywhere in the house."""

        unknown = ma.RAISE


class Text(ma.fields.String):
    """A string of ``least`` to ``most`` characters, without control characters; ``pattern`` as a full match."""

    default_error_messages = {**_COMMON, "invalid": "须为文字", "invalid_utf8": "须为 UTF-8 文字"}

    def __init__(
        self, *, least: int = 0, most: int = 200, pattern: str = "", say: str = "", one_line: bool = True, **more: Any
    ) -> None:
        checks: list[Any] = [validate.Length(least, most, error=f"须为 {least} 至 {most} 个字符")]
        if pattern:
            checks.append(validate.Regexp(f"^(?:{pattern})\\Z", error=say or "格式不对"))
        else:
            allowed = r"[^\x00-\x1f\x7f\ud800-\udfff]*" if one_line else r"[^\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]*"
            checks.append(validate.Regexp(f"^{allowed}\\Z", error="不能含控制字符"))
        more.setdefault("metadata", {})
        super().__init__(validate=checks, **more)


class Choice(ma.fields.String):
    """One of a closed set."""

    default_error_messages = {**_COMMON, "invalid": "须为文字"}

    def __init__(self, choices: Iterable[str], **more: Any) -> None:
        known = list(choices)
        super().__init__(validate=validate.OneOf(known, error=f"须为其中之一：{'、'.join(known)}"), **more)


class Whole(ma.fields.Integer):
    """A whole number from ``least`` to ``most``, both included."""

    default_error_messages = {**_COMMON, "invalid": "须为整数", "too_large": "数值过大"}

    def __init__(self, *, least: int, most: int, in_body: bool = True, **more: Any) -> None:
        """``in_body``: a JSON number is wanted, ``"5"`` and ``5.0`` are none; in a query all is text."""
        super().__init__(
            strict=in_body, validate=validate.Range(least, most, error=f"须在 {least} 与 {most} 之间"), **more
        )


class Flag(ma.fields.Boolean):
    """``true`` or ``false``, nothing that merely looks like it."""

    default_error_messages = {**_COMMON, "invalid": "须为 true 或 false"}

    def __init__(self, **more: Any) -> None:
        super().__init__(truthy={True, "true"}, falsy={False, "false"}, **more)


class Day(ma.fields.Date):
    """A calendar day, ``2026-11-23``."""

    default_error_messages = {**_COMMON, "invalid": "须为日期，如 2026-11-23", "invalid_self": "须为日期"}

    def __init__(self, **more: Any) -> None:
        super().__init__(format="iso", **more)


class Moment(ma.fields.AwareDateTime):
    """A time with its offset, ``2026-11-23T10:15:00+08:00``."""

    default_error_messages = {
        **_COMMON,
        "invalid": "须为带时区的时间，如 2026-11-23T10:15:00+08:00",
        "invalid_awareness": "时间须带时区",
    }

    def __init__(self, **more: Any) -> None:
        super().__init__(format="iso", **more)


class Many(ma.fields.List[Any]):
    """A list of up to ``most``."""

    default_error_messages = {**_COMMON, "invalid": "须为数组"}

    def __init__(self, inner: Any, *, least: int = 0, most: int = 200, **more: Any) -> None:
        super().__init__(inner, validate=validate.Length(least, most, error=f"须有 {least} 至 {most} 项"), **more)


class Part(ma.fields.Nested):
    """An object inside an object."""

    default_error_messages = {**_COMMON, "type": "须为 JSON 对象"}


class Free(ma.fields.Dict):
    """An object whose members are not ours to name."""

    default_error_messages = {**_COMMON, "invalid": "须为 JSON 对象"}
