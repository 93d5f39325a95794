"""Every reason has one return code."""

from __future__ import annotations

import pytest

from gateway.adapters.icbc.codes import PUBLIC, return_code
from gateway.domain.reasons import Reason

EXPECTED = {
    Reason.OK: 0,
    Reason.NOT_AUTHENTIC: 400017,
    Reason.CLOCK: 400011,
    Reason.MESSAGE_ID_REUSED: 931003,
    Reason.OPERATION_UNKNOWN: 500018,
    Reason.OPERATION_NOT_ALLOWED: 400019,
    Reason.TOO_MANY: 500031,
    Reason.TOO_MANY_AT_ONCE: 500032,
    Reason.ENVELOPE_INVALID: 400011,
    Reason.NOT_UNDERSTOOD: 931102,
    Reason.TOO_LARGE: 931103,
    Reason.VERSION_UNKNOWN: 931104,
    Reason.INVALID: 931201,
    Reason.CONFLICT: 931401,
    Reason.OPEN_CASE_EXISTS: 931402,
    Reason.CASE_UNKNOWN: 931403,
    Reason.ILLEGAL_STATE: 931404,
    Reason.TOO_LATE: 931405,
    Reason.NOT_ASKED: 931406,
    Reason.TICKET_UNKNOWN: 931501,
    Reason.BLOB_MISMATCH: 931502,
    Reason.BLOB_TOO_LARGE: 931503,
    Reason.BLOB_TYPE: 931504,
    Reason.DOCUMENT_UNKNOWN: 931505,
    Reason.CURSOR_UNKNOWN: 931507,
    Reason.BUSY: -931901,
    Reason.RESULT_UNKNOWN: -931902,
    Reason.CANNOT_SIGN: -500044,
    Reason.INTERNAL: -500099,
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_documented_code(reason):
    assert return_code(reason) == EXPECTED[reason]


def test_faults_of_the_system_are_negative_and_no_others():
    assert {r for r in Reason if return_code(r) < 0} == {r for r in Reason if r.number >= 1900}


def test_codes_that_would_tell_timestamp_and_key_faults_apart_are_not_used():
    assert not {400014, 400016} & set(PUBLIC.values())
