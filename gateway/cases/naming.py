"""Which case a message speaks of: by receipt number or by the reference it was filed under (operations.md 2.1).

Must not tell another bank's case from none.
"""

from __future__ import annotations

from gateway.cases.receipts import read_number
from gateway.domain.errors import Invalid, NotFound, Problem
from gateway.domain.reasons import FieldCode, Reason
from gateway.domain.records import Case
from gateway.domain.requests import BankRequest
from gateway.signing.vault import Vault
from gateway.store import cases
from gateway.store.database import Tx


def name_problems(request: BankRequest) -> list[Problem]:
    """Exactly one of ``receipt_no`` and ``case_ref`` names the case."""
    if (request.business.text("receipt_no") == "") == (request.business.text("case_ref") == ""):
        return [Problem("receipt_no", FieldCode.MISSING, "收件编号与业务流水号须且仅须填写一项")]
    return []


def find_case(tx: Tx, vault: Vault, request: BankRequest) -> Case:
    """The bank's own case. Raises ``NotFound(CASE_UNKNOWN)``."""
    number = request.business.text("receipt_no")
    case: Case | None = None
    if number:
        try:
            case = cases.by_receipt(tx, vault, request.bank, read_number(number))
        except ValueError:
            case = None
    else:
        case = cases.by_bank_ref(tx, vault, request.bank, request.business.text("case_ref"))
    if case is None:
        raise NotFound(Reason.CASE_UNKNOWN)
    return case


def named_case(tx: Tx, vault: Vault, request: BankRequest) -> Case:
    """The bank's own case, named exactly once. Raises ``Invalid`` or ``NotFound(CASE_UNKNOWN)``."""
    problems = name_problems(request)
    if problems:
        raise Invalid(problems)
    return find_case(tx, vault, request)
