"""What the interface takes and gives, as schemas: the description is drawn from them.

Must not hold a rule of the business.
"""

from __future__ import annotations

from gateway.domain.actor import Role
from gateway.domain.case import CaseState
from gateway.web.staff_api.fields import Body, Choice, Flag, Free, Many, Part, Text, Whole
from gateway.web.staff_api.paging import PageQuery

RECEIPT = r"[A-Za-z0-9-]{10,24}"


class Empty(Body):
    """No member."""


class SignIn(Body):
    """A provider's token; ``page``: the session goes into a cookie."""

    token = Text(least=20, most=4096, required=True, metadata={"description": "身份提供方签发的令牌，只能用一次"})
    page = Flag(load_default=False, metadata={"description": "true：会话放入 __Host- Cookie"})


class ActorOut(Body):
    """Who somebody is here."""

    label = Text(most=112, required=True)
    roles = Many(Choice([role.value for role in Role]), required=True)
    bank = Text(most=8, required=True)
    outlets = Many(Text(most=24), required=True)
    department = Text(most=16, required=True)
    permissions = Many(Text(most=40), required=True)
    fresh = Flag(required=True, metadata={"description": "双因素认证是否仍在有效时间内"})


class SessionOut(Body):
    """A session. ``session`` is shown once, to programs only."""

    session = Text(most=100, allow_none=True)
    csrf = Text(most=64, required=True)
    ends_at = Text(most=40, required=True)
    actor = Part(ActorOut, required=True)


class EndSessions(Body):
    """Whom to sign out everywhere."""

    label = Text(least=3, most=112, required=True)


class CountOut(Body):
    """How many."""

    count = Whole(least=0, most=10**9, required=True)


class CaseQuery(PageQuery):
    """Which cases."""

    bank = Text(most=8, load_default="")
    outlet = Text(most=24, load_default="")
    department = Text(most=16, load_default="")
    item = Text(most=24, load_default="")
    state = Choice([*(state.value for state in CaseState), ""], load_default="")
    parked = Flag(load_default=False)
    overdue = Flag(load_default=False)


class CaseOut(Body):
    """One case in a list: status, never content."""

    receipt_no = Text(most=20, required=True)
    case_ref = Text(most=40, required=True)
    bank = Text(most=8, required=True)
    outlet = Text(most=24, required=True)
    item = Text(most=24, required=True)
    item_version = Text(most=12, required=True)
    department = Text(most=16, required=True)
    channel = Text(most=12, required=True)
    received_at = Text(most=40, required=True)
    state = Text(most=16, required=True)
    state_name = Text(most=20, required=True)
    since = Text(most=40, required=True)
    due_on = Text(most=10, required=True, allow_none=True)
    due_kind = Text(most=12, required=True, allow_none=True)
    overdue = Flag(required=True)
    withdrawal = Text(most=8, required=True)
    parked = Flag(required=True)


class EntryOut(Body):
    """One entry of the trail."""

    seq = Whole(least=1, most=10**9, required=True)
    at = Text(most=40, required=True)
    kind = Text(most=48, required=True)
    actor = Text(most=112, required=True)
    facts = Free(required=True)


class CaseWholeOut(CaseOut):
    """One case: where it stands, and its story."""

    case = Free(required=True, metadata={"description": "与银行接口相同的 case 结构"})
    timeline = Many(Part(EntryOut), most=100_000, required=True)


class SearchCases(Body):
    """An applicant's document; posted, so that no number stands in an address."""

    doc_type = Text(least=1, most=40, required=True)
    doc_no = Text(least=1, most=40, required=True)


class CasesFoundOut(Body):
    """Cases of one applicant."""

    items = Many(Part(CaseOut), required=True)


class SpokenOut(Body):
    """One exchange with bank or department, masked."""

    at = Text(most=40, required=True)
    exchange_id = Text(most=32, required=True)
    peer = Text(most=16, required=True)
    direction = Text(most=4, required=True)
    purpose = Text(most=24, required=True)
    outcome = Text(most=80, required=True)
    request = Text(most=2_000_000, one_line=False, required=True)
    response = Text(most=2_000_000, one_line=False, required=True)


class ExchangesOut(Body):
    """What was said about a case."""

    items = Many(Part(SpokenOut), required=True)


class Reveal(Body):
    """Which field, and what for."""

    path = Text(least=1, most=120, pattern=r"[A-Za-z0-9_.\[\]]{1,120}", required=True, say="如 applicant.phone")
    purpose = Text(least=4, most=200, required=True)


class RevealOut(Body):
    """The field as it was stated."""

    value = Text(most=4000, one_line=False, required=True)


class ShelfQuery(Body):
    """Which parked work."""

    department = Text(most=24, load_default="")
    kind = Choice(["call", "word", "notice", ""], load_default="")


class ParkedOut(Body):
    """One parked row."""

    work_id = Text(most=32, required=True)
    receipt_no = Text(most=20, required=True)
    lane = Text(most=24, required=True)
    kind = Text(most=16, required=True)
    stage = Text(most=8, required=True)
    item = Text(most=24, required=True)
    department = Text(most=16, required=True)
    case_state = Text(most=16, required=True)
    why = Text(most=200, required=True)
    since = Text(most=40, required=True)
    age_seconds = Whole(least=0, most=10**10, required=True)
    may = Many(Text(most=10), required=True)


class ShelfOut(Body):
    """The shelf, the oldest first."""

    items = Many(Part(ParkedOut), most=500, required=True)


class DoneOut(Body):
    """What happens now."""

    done = Text(most=200, required=True)


class ActQuery(Body):
    """Which acts."""

    state = Choice(
        ["proposed", "approved", "executed", "failed", "refused", "withdrawn", "expired", ""], load_default=""
    )


class ActOut(Body):
    """One act."""

    act_id = Text(most=32, required=True)
    kind = Text(most=32, required=True)
    title = Text(most=60, required=True)
    state = Text(most=12, required=True)
    digest = Text(most=80, required=True)
    persons = Whole(least=1, most=9, required=True)
    proposed_by = Text(most=112, required=True)
    proposed_at = Text(most=40, required=True)
    expires_at = Text(most=40, required=True)
    result = Text(most=200, required=True)


class ApprovalOut(Body):
    """One person's word."""

    by = Text(most=112, required=True)
    at = Text(most=40, required=True)


class ActWholeOut(ActOut):
    """One act with what it would do; secrets masked."""

    payload = Free(required=True)
    missing = Whole(least=0, most=9, required=True)
    approvals = Many(Part(ApprovalOut), required=True)


class ValuesOut(Body):
    """Receipt number → value."""

    values = Free(required=True)


class ActsOut(Body):
    """Acts, the newest first."""

    items = Many(Part(ActOut), required=True)


class Propose(Body):
    """What is to be done; docs/acts.md lists kinds and members."""

    kind = Text(least=3, most=32, required=True)
    payload = Free(required=True)


class Approve(Body):
    """The digest of the act as it was seen."""

    digest = Text(least=8, most=80, required=True)


class Because(Body):
    """Why not."""

    reason = Text(least=2, most=200, required=True)


class ListOut(Body):
    """Rows of a small list."""

    items = Many(Free(), most=2000, required=True)


class YearQuery(Body):
    """Which year."""

    year = Whole(least=2019, most=2100, in_body=False, load_default=None)


class TrailCheckQuery(Body):
    """From which position on; none = the newest entries."""

    first = Whole(least=0, most=10**15, in_body=False, load_default=None)


class TrailCheckOut(Body):
    """What a quick look found."""

    whole = Flag(required=True)
    size = Whole(least=0, most=10**15, required=True)
    first = Whole(least=0, most=10**15, required=True)
    entries = Whole(least=0, most=5_000, required=True)
    problems = Many(Text(most=200), required=True)


class TrailOut(Body):
    """How far the trail is ordered and sealed."""

    positions = Whole(least=0, most=10**15, required=True)
    sealed = Whole(least=0, most=10**15, required=True)
    checkpoint = Free(required=True, allow_none=True)
