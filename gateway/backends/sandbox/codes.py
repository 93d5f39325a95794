"""The sandbox department's words, theirs left and ours right, each line with its section of FT_SBX 1.0.

Must not guess: a word that is missing here is *unknown* and kept raw.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.domain.calls import DecisionReason, Outcome

DONE = "0"  # 8
NOT_POSSIBLE = "E131"  # 8: not in this status; data is the application
NOT_KNOWN = "N404"  # 8: nothing arrived under this call id or number

#: Words that tell us nothing we do not know already.
SILENT = frozenset({"RECEIVED"})  # 5: lies in their in-box, we are still at *submitted*

STATUS: dict[str, Outcome] = {
    "ACCEPTED": Outcome.ACCEPTED,  # 5: formally accepted
    "NOT_ACCEPTED": Outcome.REFUSED_INTAKE,  # 5: refused at intake, with reason
    "REVIEWING": Outcome.REVIEWING,  # 5: someone has it
    "CORRECTION": Outcome.CORRECTION,  # 5: asked once, with marks and dueOn
    "SPECIAL_BEGIN": Outcome.SPECIAL_STARTED,  # 5: special procedure begins
    "SPECIAL_END": Outcome.SPECIAL_ENDED,  # 5: it ends, review goes on
    "GRANTED": Outcome.GRANTED,  # 5: decided
    "REFUSED": Outcome.DENIED,  # 5: decided, with reason
    "WITHDRAWN": Outcome.WITHDRAWN,  # 5: withdrawn at our request
}

REASON: dict[str, DecisionReason] = {
    "S01": DecisionReason.CONDITION_NOT_MET,  # 5
    "S02": DecisionReason.MATERIAL_NOT_SUFFICIENT,  # 5
    "S03": DecisionReason.APPLICANT_MISMATCH,  # 5
    "S04": DecisionReason.ALREADY_GRANTED,  # 5
    "S05": DecisionReason.OUT_OF_JURISDICTION,  # 5
    "S06": DecisionReason.RECORD_CONFLICT,  # 5
    "S99": DecisionReason.OTHER,  # 5: see text
}


class Family(StrEnum):
    """What an envelope's code means for us."""

    DONE = "done"
    NOT_KNOWN = "not_known"
    WRONG = "wrong"  # we are wrong: do not repeat unchanged
    LATER = "later"  # nothing was stored: repeat
    UNKNOWN = "unknown"  # they may have stored it


def family(code: str) -> Family:
    """The family of a code; all ``E1xx`` and ``E2xx`` count, also those not listed (FT_SBX 8, last line)."""
    if code == DONE:
        return Family.DONE
    if code == NOT_KNOWN:
        return Family.NOT_KNOWN
    if len(code) == 4 and code.isascii() and code[0] == "E" and code[1:].isdigit():
        if code[1] == "1":
            return Family.WRONG
        if code[1] == "2":
            return Family.LATER
    return Family.UNKNOWN
