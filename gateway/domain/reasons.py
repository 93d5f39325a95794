"""Canonical reasons: what a bank hears, and whether trying again helps (operations.md section 4).

Must not know wire codes: each bank's ``codes.py`` maps from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Retry(StrEnum):
    """What the caller may do next."""

    NONE = "none"  # done, nothing to repeat
    NO = "no"  # repeating will not help
    FIX = "fix"  # correct it; the same bank_ref is allowed
    LATER = "later"  # the same business part again after a pause
    ASK = "ask"  # query first, or repeat with the same bank_ref


@dataclass(frozen=True, slots=True)
class ReasonEntry:
    """One line of the table: stable number, fixed Chinese message, what a retry does, HTTP at neutral doors."""

    number: int
    message: str
    retry: Retry
    http: int = 400


class Reason(StrEnum):
    """Canonical, never reused; the value is what stands in ``reason`` of an answer."""

    OK = "OK"
    NOT_AUTHENTIC = "NOT_AUTHENTIC"
    CLOCK = "CLOCK"
    MESSAGE_ID_REUSED = "MESSAGE_ID_REUSED"
    OPERATION_UNKNOWN = "OPERATION_UNKNOWN"
    OPERATION_NOT_ALLOWED = "OPERATION_NOT_ALLOWED"
    TOO_MANY = "TOO_MANY"
    TOO_MANY_AT_ONCE = "TOO_MANY_AT_ONCE"
    ENVELOPE_INVALID = "ENVELOPE_INVALID"
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    TOO_LARGE = "TOO_LARGE"
    VERSION_UNKNOWN = "VERSION_UNKNOWN"
    INVALID = "INVALID"
    CONFLICT = "CONFLICT"
    OPEN_CASE_EXISTS = "OPEN_CASE_EXISTS"
    CASE_UNKNOWN = "CASE_UNKNOWN"
    ILLEGAL_STATE = "ILLEGAL_STATE"
    TOO_LATE = "TOO_LATE"
    NOT_ASKED = "NOT_ASKED"
    TICKET_UNKNOWN = "TICKET_UNKNOWN"
    BLOB_MISMATCH = "BLOB_MISMATCH"
    BLOB_TOO_LARGE = "BLOB_TOO_LARGE"
    BLOB_TYPE = "BLOB_TYPE"
    DOCUMENT_UNKNOWN = "DOCUMENT_UNKNOWN"
    CURSOR_UNKNOWN = "CURSOR_UNKNOWN"
    BUSY = "BUSY"
    RESULT_UNKNOWN = "RESULT_UNKNOWN"
    CANNOT_SIGN = "CANNOT_SIGN"
    INTERNAL = "INTERNAL"

    @property
    def number(self) -> int:
        """The four digits every bank's wire code is made of."""
        return TABLE[self].number

    @property
    def message(self) -> str:
        """Fixed Chinese sentence; ``{n}`` stands for the number of problems."""
        return TABLE[self].message

    @property
    def retry(self) -> Retry:
        """What the caller may do next."""
        return TABLE[self].retry


TABLE: dict[Reason, ReasonEntry] = {
    Reason.OK: ReasonEntry(0, "成功", Retry.NONE, 200),
    Reason.NOT_AUTHENTIC: ReasonEntry(1001, "报文验证失败", Retry.NO, 401),
    Reason.CLOCK: ReasonEntry(1002, "报文时间超出允许范围", Retry.FIX),
    Reason.MESSAGE_ID_REUSED: ReasonEntry(1003, "报文流水号重复且内容不同", Retry.FIX, 409),
    Reason.OPERATION_UNKNOWN: ReasonEntry(1004, "交易不存在", Retry.NO, 404),
    Reason.OPERATION_NOT_ALLOWED: ReasonEntry(1005, "无权使用该交易", Retry.NO, 403),
    Reason.TOO_MANY: ReasonEntry(1006, "请求过于频繁，请稍后再试", Retry.LATER, 429),
    Reason.TOO_MANY_AT_ONCE: ReasonEntry(1007, "并发请求过多，请稍后再试", Retry.LATER, 429),
    Reason.ENVELOPE_INVALID: ReasonEntry(1101, "报文头不符合规范", Retry.FIX),
    Reason.NOT_UNDERSTOOD: ReasonEntry(1102, "业务报文无法解析", Retry.FIX),
    Reason.TOO_LARGE: ReasonEntry(1103, "报文过大", Retry.FIX, 413),
    Reason.VERSION_UNKNOWN: ReasonEntry(1104, "接口版本不受支持", Retry.FIX),
    Reason.INVALID: ReasonEntry(1201, "申请内容有{n}处需要更正", Retry.FIX, 422),
    Reason.CONFLICT: ReasonEntry(1401, "该流水号已用于不同内容", Retry.NO, 409),
    Reason.OPEN_CASE_EXISTS: ReasonEntry(1402, "申请人同一事项尚有在办件，确认后可再次提交", Retry.FIX, 409),
    Reason.CASE_UNKNOWN: ReasonEntry(1403, "未找到该办件", Retry.NO, 404),
    Reason.ILLEGAL_STATE: ReasonEntry(1404, "当前状态不能办理此操作", Retry.NO, 409),
    Reason.TOO_LATE: ReasonEntry(1405, "办件已有结果，无法撤回", Retry.NO, 409),
    Reason.NOT_ASKED: ReasonEntry(1406, "提交了未要求补正的内容", Retry.FIX, 422),
    Reason.TICKET_UNKNOWN: ReasonEntry(1501, "上传凭据无效或已过期", Retry.FIX, 404),
    Reason.BLOB_MISMATCH: ReasonEntry(1502, "文件与申报不一致", Retry.FIX),
    Reason.BLOB_TOO_LARGE: ReasonEntry(1503, "文件过大", Retry.FIX, 413),
    Reason.BLOB_TYPE: ReasonEntry(1504, "文件类型不符", Retry.FIX, 415),
    Reason.DOCUMENT_UNKNOWN: ReasonEntry(1505, "文书不存在或尚未生成", Retry.LATER, 404),
    Reason.CURSOR_UNKNOWN: ReasonEntry(1507, "游标无效", Retry.FIX),
    Reason.BUSY: ReasonEntry(1901, "系统繁忙，请稍后重试", Retry.LATER, 503),
    Reason.RESULT_UNKNOWN: ReasonEntry(1902, "处理结果未知，请查询或以原流水号重发", Retry.ASK, 503),
    Reason.CANNOT_SIGN: ReasonEntry(1903, "平台签名服务不可用", Retry.ASK, 503),
    Reason.INTERNAL: ReasonEntry(1999, "系统内部错误", Retry.LATER, 500),
}


class FieldCode(StrEnum):
    """Stable codes of ``errors[].code`` (operations.md section 4, last paragraph)."""

    MISSING = "MISSING"
    UNKNOWN_MEMBER = "UNKNOWN_MEMBER"
    WRONG_TYPE = "WRONG_TYPE"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    NOT_IN_LIST = "NOT_IN_LIST"
    BAD_FORMAT = "BAD_FORMAT"
    BAD_CHECK_DIGIT = "BAD_CHECK_DIGIT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DATE_IMPOSSIBLE = "DATE_IMPOSSIBLE"
    DATE_IN_FUTURE = "DATE_IN_FUTURE"
    CHAR_NOT_ALLOWED = "CHAR_NOT_ALLOWED"
    TOO_MANY_ROWS = "TOO_MANY_ROWS"
    DUPLICATE_ROW = "DUPLICATE_ROW"
    BANK_REF_DATE = "BANK_REF_DATE"
    RULE_BROKEN = "RULE_BROKEN"
    SUM_WRONG = "SUM_WRONG"
    ITEM_UNKNOWN = "ITEM_UNKNOWN"
    ITEM_CLOSED = "ITEM_CLOSED"
    ITEM_WINDOW_CLOSED = "ITEM_WINDOW_CLOSED"
    ITEM_VERSION_OLD = "ITEM_VERSION_OLD"
    SUBJECT_NOT_ALLOWED = "SUBJECT_NOT_ALLOWED"
    OUTLET_UNKNOWN = "OUTLET_UNKNOWN"
    OUTLET_NOT_YOURS = "OUTLET_NOT_YOURS"
    OUTLET_NOT_ENTITLED = "OUTLET_NOT_ENTITLED"
    AGENT_NOT_ALLOWED = "AGENT_NOT_ALLOWED"
    AUTHORISATION_MISSING = "AUTHORISATION_MISSING"
    AUTHORISATION_EXPIRED = "AUTHORISATION_EXPIRED"
    AUTHORISATION_SCOPE = "AUTHORISATION_SCOPE"
    IDENTITY_CHECK_MISSING = "IDENTITY_CHECK_MISSING"
    FACE_CHECK_MISSING = "FACE_CHECK_MISSING"
    CONSENT_MISSING = "CONSENT_MISSING"
    SIGNATURE_MISMATCH = "SIGNATURE_MISMATCH"
    MATERIAL_MISSING = "MATERIAL_MISSING"
    MATERIAL_NOT_DEFERRABLE = "MATERIAL_NOT_DEFERRABLE"
    PROMISE_BLOCKED = "PROMISE_BLOCKED"
    PROMISE_TOO_LATE = "PROMISE_TOO_LATE"
    BLOB_MISSING = "BLOB_MISSING"
    BLOB_MISMATCH = "BLOB_MISMATCH"
    CERTIFICATE_INVALID = "CERTIFICATE_INVALID"
    DELIVERY_NOT_OFFERED = "DELIVERY_NOT_OFFERED"
    PROVISIONAL_USED = "PROVISIONAL_USED"
    PROVISIONAL_TOO_OLD = "PROVISIONAL_TOO_OLD"
    ASK_UNKNOWN = "ASK_UNKNOWN"


class WarningCode(StrEnum):
    """Codes of ``warnings[].code``; a bank ignores those it does not know."""

    DEPARTMENT_CLOSED = "DEPARTMENT_CLOSED"
    DEPARTMENT_SLOW = "DEPARTMENT_SLOW"
    DUE_PROVISIONAL = "DUE_PROVISIONAL"
    ITEM_VERSION_SUPERSEDED = "ITEM_VERSION_SUPERSEDED"
    MEMBER_IGNORED = "MEMBER_IGNORED"
    DOC_EXPIRES_SOON = "DOC_EXPIRES_SOON"
    AUTHORISATION_ENDS_SOON = "AUTHORISATION_ENDS_SOON"
    LEGACY_ALGORITHM = "LEGACY_ALGORITHM"
