"""Stories of attacks and accidents: forged and old messages, repeats, a cut line, a kill in the worst moment.

Must not soften a result: each names exactly what must have happened, in the department's books too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mocks.banks.icbc_sim import IcbcBranch
from mocks.banks.samples import BEIJING
from tools.demo.floor import Floor
from tools.demo.story import MANY, Row, Story
from tools.stack import keys
from tools.stack.config import DEPARTMENT
from tools.stack.stack import APP_ID

_ONCE = (1, 1)


def not_authentic(floor: Floor, row: Row) -> Iterator[None]:
    """Another key's signature, one altered byte, a message of yesterday: nothing gets in."""
    stack, branch = floor.stack, floor.branch
    stranger_key, _ = keys.bank_keys(stack.bank_dir, "stranger")
    stranger = IcbcBranch(stack.url, APP_ID, stranger_key, stack.answer_key)
    part = floor.part("FT-SBX-001")
    books = floor.filings()
    forged = stranger.submit(part)
    row.refused(forged, "NOT_AUTHENTIC")
    good = branch.build("submit", part)
    altered = replace(good, body=good.body.replace(b"grant", b"grand", 1))
    row.need(altered.body != good.body, "the byte to alter was not found")
    row.refused(branch.send_raw(altered), "NOT_AUTHENTIC")
    yesterday = f"{datetime.now(BEIJING) - timedelta(days=1):%Y-%m-%d %H:%M:%S}"
    row.refused(branch.submit(part, timestamp=yesterday), "CLOCK")
    row.want(not branch.query(case_ref=part["bank_ref"]).ok, "a case was made of it")
    row.want(floor.filings() == books, "it reached the department")
    row.item, row.seconds, row.path = part["item"], forged.milliseconds / 1000, "3 × turned away"
    row.seen.append(("gateway", f"{forged.return_code} {forged.return_msg}"))
    yield from ()


def same_bytes_again(floor: Floor, row: Row) -> Iterator[None]:
    """Captured bytes sent again get the bytes of the first answer and change nothing."""
    capture = floor.branch.build("submit", floor.part("FT-SBX-001"))
    first = floor.branch.send_raw(capture)
    row.filed(first, called=_ONCE, replayed=(2, 2))
    events, books = floor.events(row.receipt_no), floor.filings()
    for _ in range(2):
        row.want(floor.branch.send_raw(capture).raw == first.raw, "the answer's bytes are not those of the first")
    row.want(floor.filings() == books, "it was filed again")
    row.want(floor.events(row.receipt_no) == events, "the case has moved")
    yield from ()


def honest_retry(floor: Floor, row: Row) -> Iterator[None]:
    """The same submission in a new message meets its case and gets its receipt, to the letter."""
    part = floor.part("FT-SBX-001")
    row.filed(floor.branch.submit(part), called=_ONCE, retried=_ONCE)
    books = floor.filings()
    again = floor.branch.submit(part)
    row.need(again.ok, f"the retry was refused: {again.reason}")
    row.want(again.business.get("repeat") is True, "the retry was not called a repeat")
    row.want(again.receipt_no == row.receipt_no, f"another case: {again.receipt_no}")
    row.want(again.business.get("receipt") == row.receipt, "another receipt")
    row.want(floor.filings() == books, "it was filed again")
    yield from ()


def other_content(floor: Floor, row: Row) -> Iterator[None]:
    """The reference of a case with other content is a conflict; the case stays as it is."""
    part = floor.part("FT-SBX-001")
    row.filed(floor.branch.submit(part), called=_ONCE, conflict=_ONCE)
    case, books = floor.case(row.receipt_no), floor.filings()
    answer = floor.branch.submit({**part, "form": {**part["form"], "remark": "另一内容"}})
    row.refused(answer, "CONFLICT")
    row.want(floor.case(row.receipt_no) == case, "the case has changed")
    row.want(floor.filings() == books, "it was filed again")
    row.seen.append(("gateway", f"{answer.return_code} {answer.return_msg}"))
    yield from ()


def line_cut(floor: Floor, row: Row) -> Iterator[None]:
    """The department reads the filing and cuts the line: it is asked, not sent again."""
    floor.stack.faults(next=["cut_after"], methods=["POST"])
    answer = floor.branch.submit(floor.part("FT-SBX-003"))
    row.filed(answer, called=_ONCE, unclear=_ONCE, asked=(1, MANY))
    floor.filed(row.receipt_no)
    row.want(floor.stack.faults()["drawn"].get("cut_after") == 1, "the line was not cut")
    yield
    _granted_once(floor, row)


def killed_before_sending(floor: Floor, row: Row) -> Iterator[None]:
    """kill -9 when the receipt is given and nothing is sent yet: after the start it goes on by itself."""
    stack = floor.stack
    stack.stop("department")
    answer = floor.branch.submit(floor.part("FT-SBX-002"))
    row.filed(answer, called=(1, MANY), **{"called back": (1, MANY)})
    tried = floor.until(lambda: stack.metric("gateway_calls_total", lane=DEPARTMENT, outcome="NotDelivered") > 0)
    row.want(tried, "the gateway never tried to reach the department")
    time.sleep(0.1)  # let it write that down: otherwise the call waits for its lease, which is right but slow to watch
    stack.kill9("gateway")
    stack.start("department")
    row.want(stack.ledger(receiptNo=row.receipt_no)["count"] == 0, "it was sent before the kill")
    stack.start("gateway")
    again = floor.branch.query(receipt_no=row.receipt_no)
    row.need(again.ok, "the case is lost")
    row.want(again.business.get("receipt") == row.receipt, "another receipt after the kill")
    yield
    _granted_once(floor, row)


def _granted_once(floor: Floor, row: Row) -> None:
    case = floor.until_state(row.receipt_no, "approved", within=30)
    row.want(case["state"] == "approved", f"the case is {case['state']}, not approved")
    books = floor.stack.ledger(receiptNo=row.receipt_no)
    row.want(books["count"] == 1 and not books["duplicateCallIds"], f"filed {books['count']} times, not once")
    row.seconds = floor.took(row.receipt_no)


ATTACKS: tuple[tuple[str, Story], ...] = (
    ("forged, altered and old messages", not_authentic),
    ("captured bytes sent again", same_bytes_again),
    ("honest retry in a new message", honest_retry),
    ("same reference, other content", other_content),
    ("line cut after the filing was read", line_cut),
)
LAST: tuple[tuple[str, Story], ...] = (("killed with -9 before sending", killed_before_sending),)
