"""The education bureau's addresses and answers: envelope, case and push to our words (FT_EDU 3, 4, 7).

Must not verify (``signing`` did before) and must not decide what a code means for a call (``adapter`` does).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from gateway.backends.education.codes import REASON, SILENT, STATE
from gateway.domain.calls import DecisionReason, Mark, Outcome, Standing, Word
from gateway.domain.clock import BEIJING
from gateway.domain.errors import NotUnderstood
from gateway.wire.strict_json import NotJson, Number
from gateway.wire.strict_json import parse as parse_json

Json = dict[str, Any]

_BASE = "/edu-service/v2"
_DECIDED = frozenset({Outcome.GRANTED, Outcome.DENIED})


def submit_target() -> str:
    """Path of a submit (FT_EDU 3)."""
    return f"{_BASE}/cases"


def by_call_target(call_id: str) -> str:
    """Path of the question by our call id; it needs no encoding (8–32 of ``0-9A-Za-z-``)."""
    return f"{_BASE}/cases/by-call/{call_id}"


def case_target(case_no: str, action: str = "") -> str:
    """Path of a case by its number there, or of what is asked of it (``supplements``, ``withdrawal``)."""
    return f"{_BASE}/cases/{quote(case_no, safe='')}" + (f"/{action}" if action else "")


def upload_target() -> str:
    """Path of an upload (FT_EDU 3)."""
    return f"{_BASE}/files"


def parse(raw: bytes) -> Json | None:
    """The JSON object in ``raw``, numbers kept as written, or ``None`` when it is not exactly one."""
    try:
        value = parse_json(raw, numbers="text")
    except NotJson:
        return None
    return value if isinstance(value, dict) else None


def envelope(raw: bytes) -> tuple[int, str, Json] | None:
    """``(code, msg, body)`` of an answer, or ``None`` when it is no envelope; the code is a number (FT_EDU 4)."""
    answer = parse(raw)
    code = None if answer is None else whole(answer.get("code"))
    if answer is None or code is None:
        return None
    message, body = answer.get("msg"), answer.get("body")
    return code, message if isinstance(message, str) else "", body if isinstance(body, dict) else {}


def complaint(message: str, body: Json) -> str:
    """Their message with all they name beside it (FT_EDU 8): wrong fields, until when they are closed."""
    rows = body.get("errors")
    named = [
        f"{row.get('path', '')}: {row.get('reason', '')}"
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    ]
    named += [f"{name} {body[name]}" for name in ("openFrom", "until") if isinstance(body.get(name), str)]
    return "; ".join([message, *named])


def standing(case: Json, *, remark: str = "", automatic: bool = False) -> Standing:
    """A *case* (FT_EDU 7), its history first. Raises ``NotUnderstood``.

    ``remark``: a warning that came beside it, kept with the latest word. ``automatic``: a decision that names no
    officer was made by the machine.
    """
    number = _text(case, "caseNo")
    latest = word(case, number, remark=remark, automatic=automatic)
    newest = whole(case.get("seq")) or 0
    words = [w for w in _history(case.get("history"), number) if w.seq < newest]
    return Standing(number, tuple(words) if latest is None else (*words, latest))


def filed_as(case: Json) -> str:
    """The call id a case was filed under. Raises ``NotUnderstood``."""
    return _text(case, "callId")


def state(case: Json) -> str:
    """The bureau's own word of where a case stands. Raises ``NotUnderstood``."""
    return _text(case, "state")


def pushed(raw: bytes) -> tuple[str, str, Word | None]:
    """``(call id, their number, word)`` of a push. Raises ``NotUnderstood``."""
    body = parse(raw)
    case = None if body is None else body.get("case")
    if body is None or not isinstance(case, dict):
        raise NotUnderstood("a push without a case")
    _text(body, "eventId")
    number = _text(case, "caseNo")
    return filed_as(case), number, word(case, number)


def word(case: Json, number: str, *, remark: str = "", automatic: bool = False) -> Word | None:
    """How a case stands; ``None`` for a state that says nothing new. Raises ``NotUnderstood`` for a broken one.

    Their number and the case's own sequence name a word wherever it is met, in an answer or in a push. Marks are
    ``wire:<their name>``, papers ``wire:material:M1``: only the desk, with the item's route, can turn them into ours.
    """
    named = _text(case, "state")
    seq, at = whole(case.get("seq")), _moment(_text(case, "stateTime"))
    if not seq:
        raise NotUnderstood("a case without its sequence number")
    if named in SILENT:
        return None
    outcome = STATE.get(named, Outcome.UNKNOWN)
    marks, due = _correction(case.get("correction")) if outcome is Outcome.CORRECTION else ((), None)
    documents = case.get("documents")
    rows = [row for row in documents if isinstance(row, dict)] if isinstance(documents, list) else []
    reason = REASON.get(_text(case, "reasonCode", missing=""), DecisionReason.OTHER)
    return Word(
        outcome,
        at=at,
        seq=seq,
        event_id=f"{number}-{seq}",
        reason=DecisionReason.GRANTED if outcome is Outcome.GRANTED else reason,
        text="；".join(part for part in (_said(case, outcome), remark) if part),
        marks=marks,
        due_on=due,
        automatic=automatic and outcome in _DECIDED and case.get("manual") is not True,
        result_follows=outcome is Outcome.GRANTED and any(row.get("collectAt") for row in rows),
        raw=json.dumps(
            as_written({name: value for name, value in case.items() if name != "history"}),
            ensure_ascii=False,
            separators=(",", ":"),
        ),
    )


def file_id(body: Json) -> tuple[str, str]:
    """``(fileId, sha256)`` of an upload's answer. Raises ``NotUnderstood``."""
    return _text(body, "fileId"), _text(body, "sha256").lower()


def as_written(value: Any) -> Any:
    """A parsed value with its whole numbers as numbers again, so that it prints the way it came."""
    if isinstance(value, dict):
        return {name: as_written(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_written(inner) for inner in value]
    number = whole(value)
    return value if number is None else number


def whole(value: object) -> int | None:
    """A whole number that came as a number, else ``None``; so many digits at most as any of theirs can have."""
    if isinstance(value, Number) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return None


def _history(rows: object, number: str) -> list[Word]:
    # What an entry holds is not in the document: one that cannot be read as a standing tells nothing.
    found = []
    for row in rows if isinstance(rows, list) else []:
        try:
            one = word(row, number) if isinstance(row, dict) else None
        except NotUnderstood:
            continue
        if one is not None:
            found.append(one)
    return found


def _said(case: Json, outcome: Outcome) -> str:
    if opinion := _text(case, "opinion", missing=""):
        return opinion
    special = case.get("special")
    if outcome is Outcome.SPECIAL_STARTED and isinstance(special, dict):
        end = _text(special, "expectedEnd", missing="")
        return _text(special, "kind", missing="") + (f"，预计{end}结束" if end else "")
    return ""


def _correction(block: object) -> tuple[tuple[Mark, ...], date | None]:
    if block is None:
        return (), None
    rows = block.get("items", []) if isinstance(block, dict) else None
    if not isinstance(block, dict) or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotUnderstood("a correction that cannot be read")
    due = _day(block["dueDate"]) if "dueDate" in block else None
    return tuple(_mark(row) for row in rows), due


def _mark(row: Json) -> Mark:
    inside = "material:" if _text(row, "target") == "MATERIAL" else ""
    return Mark(f"wire:{inside}{_text(row, 'no')}", _text(row, "reason", missing=""))


def _text(row: Json, name: str, *, missing: str | None = None) -> str:
    value = row.get(name, missing)
    if not isinstance(value, str) or isinstance(value, Number) or (missing is None and not value):
        raise NotUnderstood(f"{name} is missing or no text")
    return value


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotUnderstood("a time that cannot be read") from None


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise NotUnderstood("a day that cannot be read")
