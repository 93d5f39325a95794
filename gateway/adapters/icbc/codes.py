"""ICBC's ``return_code`` for every canonical reason (operations.md 4; bank-protocols.md 1).

Must not hold texts: ``return_msg`` is the reason's own message.
"""

from __future__ import annotations

from gateway.domain.reasons import Reason

# Public codes of the bank's API pages, where they say the same. 400014 and 400016 are not used on purpose: they would
# tell timestamp and key faults apart.
PUBLIC: dict[Reason, int] = {
    Reason.OK: 0,
    Reason.NOT_AUTHENTIC: 400017,  # signature failed
    Reason.CLOCK: 400011,  # bad parameter, also for a clock difference
    Reason.OPERATION_UNKNOWN: 500018,  # API does not exist
    Reason.OPERATION_NOT_ALLOWED: 400019,  # not authorised
    Reason.TOO_MANY: 500031,  # rate limit
    Reason.TOO_MANY_AT_ONCE: 500032,  # concurrency limit
    Reason.ENVELOPE_INVALID: 400011,
    Reason.CANNOT_SIGN: -500044,  # gateway could not sign
    Reason.INTERNAL: -500099,  # internal
}


def return_code(reason: Reason) -> int:
    """0 = success, positive = of the request, negative = of the system: the public code, else 93 and the number."""
    if reason in PUBLIC:
        return PUBLIC[reason]
    code = 930000 + reason.number
    return -code if reason.number >= 1900 else code
