"""The education bureau's words, theirs left and ours right, each with its section of FT_EDU v2.4.

Must not guess: a word that is missing here is *unknown* and kept raw.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.domain.calls import DecisionReason, Outcome

DONE = 0  # 8
CLOCK = 40102  # 8: sign anew
OTHER_CONTENT = 40901  # 8: this call id is known with other content

#: States that tell us nothing we do not know already.
SILENT = frozenset({"RECEIVED"})  # 7: lies in their in-box, we are still at *submitted*

CORRECTION_STATE = "NEED_SUPPLEMENT"  # 7: waits for us
CANCELED = "CANCELED"  # 7: withdrawn at our request

STATE: dict[str, Outcome] = {
    "ACCEPTED": Outcome.ACCEPTED,  # 7: formally accepted
    "NOT_ACCEPTED": Outcome.REFUSED_INTAKE,  # 7: refused at intake
    CORRECTION_STATE: Outcome.CORRECTION,  # 7: the once-only list
    "SUPPLEMENT_OVERDUE": Outcome.LAPSED,  # 7: nobody answered in time
    "REVIEWING": Outcome.REVIEWING,  # 7: an officer has it; after SUSPENDED the end of that
    "SUSPENDED": Outcome.SPECIAL_STARTED,  # 7: expert review, publicity period and the like
    "PASSED": Outcome.GRANTED,  # 7: decided
    "REJECTED": Outcome.DENIED,  # 7: decided
    "MAKING": Outcome.ISSUING,  # 7: the certificate is being made
    "READY": Outcome.READY,  # 7: it waits
    "DELIVERED": Outcome.DELIVERED,  # 7: handed over
    CANCELED: Outcome.WITHDRAWN,
    "REVOKED": Outcome.REVOKED,  # 7: decision taken back later
}

#: What a case can be that no withdrawal changes any more; the rest of the certificate's way is after a decision.
ENDS = frozenset(STATE.values()) - {
    Outcome.ACCEPTED,
    Outcome.REVIEWING,
    Outcome.CORRECTION,
    Outcome.SPECIAL_STARTED,
}

REASON: dict[str, DecisionReason] = {
    "R01": DecisionReason.CONDITION_NOT_MET,  # 7
    "R02": DecisionReason.RECORD_CONFLICT,  # 7: data do not agree with the register
    "R03": DecisionReason.ALREADY_GRANTED,  # 7
    "R04": DecisionReason.CONDITION_NOT_MET,  # 7: outside the window
    "R05": DecisionReason.MATERIAL_NOT_SUFFICIENT,  # 7: material false
    "R99": DecisionReason.OTHER,  # 7: see opinion
}

GENDER_MALE, GENDER_FEMALE, GENDER_NOT_KNOWN = "1", "2", "0"  # 5
YES, NO = "1", "0"  # 5, always text

ID_TYPE: dict[str, str] = {  # 5
    "resident_id": "01",
    "hk_mo_residence": "02",
    "tw_residence": "03",
    "hk_mo_travel": "04",
    "tw_travel": "05",
    "foreign_pr": "06",
    "passport": "07",
}
ID_OTHER = "99"  # 5

DELIVERY: dict[str, str] = {"counter": "CK", "outlet": "WD", "cabinet": "GZ", "ems": "YZ", "electronic": "DZ"}  # 5

NO_CODE: dict[str, str] = {"not_registered": "01", "owners_body": "02", "other": "09"}  # 5

MATERIAL: dict[str, str] = {  # 5: materials[].status
    "scan": "1",
    "upload": "1",
    "promised": "2",
    "e_certificate": "3",
    "paper": "4",
}
AS_FILE = "1"

SUPPLEMENT_KINDS = frozenset({"CORRECTION", "LATE"})  # 3


class Family(StrEnum):
    """What an envelope's code means for us."""

    DONE = "done"
    NOT_KNOWN = "not_known"
    WRONG = "wrong"  # we are wrong: do not repeat unchanged
    CONFLICT = "conflict"  # a person must look
    STATE = "state"  # not possible in this state: read the case
    LATER = "later"  # nothing was stored: repeat
    UNKNOWN = "unknown"  # they may have stored it


_FAMILY: dict[int, Family] = {  # 8
    DONE: Family.DONE,
    40001: Family.WRONG,
    40101: Family.WRONG,
    CLOCK: Family.WRONG,
    40103: Family.WRONG,
    40301: Family.LATER,
    40401: Family.NOT_KNOWN,
    OTHER_CONTENT: Family.CONFLICT,
    40902: Family.STATE,
    42901: Family.LATER,
    50001: Family.LATER,
    50301: Family.LATER,
}


def family(code: int) -> Family:
    """The family of a code; one that is not listed may have been stored (FT_EDU 8, last line)."""
    return _FAMILY.get(code, Family.UNKNOWN)
