"""Replies of the desk put together: accepted, repeated, refused. Must not touch the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.cases.picture import case_block
from gateway.domain.errors import FromCaller
from gateway.domain.records import Case
from gateway.domain.requests import AnswerWarning, BankReply


def of_case(
    operation: str, case: Case, *, repeat: bool | None = None, warnings: Iterable[AnswerWarning] = (), **more: Any
) -> BankReply:
    """A reply that speaks of a case: receipt and present state; ``repeat`` only in answers to a submission."""
    members: dict[str, Any] = {}
    if repeat is not None:
        members["repeat"] = repeat
    members |= {"receipt_no": case.receipt_no, "receipt": case.receipt, "case": case_block(case), **more}
    return BankReply(operation=operation, members=members, warnings=tuple(warnings))


def refusal(operation: str, error: FromCaller) -> BankReply:
    """A reply that says no, with every problem at once."""
    members = {"receipt_no": error.receipt_no} if error.receipt_no else {}
    return BankReply(operation=operation, reason=error.reason, members=members, problems=error.problems)
