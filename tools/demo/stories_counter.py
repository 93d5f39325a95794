"""Stories in which the counter acts again: a correction answered, an application withdrawn, a scan brought along.

Must not know how a department decides; the simulators say that (mocks/README.md).
"""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from mocks.banks.act_samples import sample_supplement, sample_withdrawal
from mocks.banks.samples import school_leave_submission
from tools.demo.floor import Floor
from tools.demo.story import MANY, Row, Story
from tools.stack.stack import OUTLET

_SCAN = b"%PDF-1.4\n% a diagnosis, scanned at the counter\n" + b"0 0 0 rg 12 12 40 40 re f\n" * 3_000


def correction_answered(floor: Floor, row: Row) -> Iterator[None]:
    """The department wants something put right; the bank sees what and until when, brings it, and it is granted."""
    once = {"called": (2, 2), "called back": (1, MANY)}
    row.filed(floor.branch.submit(floor.part("FT-SBX-004", "correct")), **once)
    floor.filed(row.receipt_no)
    yield
    case = floor.until_state(row.receipt_no, "correction")
    row.need(case["state"] == "correction", f"the case is {case['state']}, not in correction")
    row.want(case["phase"] == "waiting", f"phase {case['phase']}, not waiting")
    asks = case.get("asks", [])
    row.need(len(asks) == 1, f"{len(asks)} open questions, not one")
    marks = asks[0]["what"]
    row.want([mark["path"] for mark in marks] == ["form.remark"], f"not our name of the field: {marks}")
    row.want("due" in asks[0], "no day until when")
    row.seen.append(("ask", f"{asks[0]['text']} {marks[0]['path']}: {marks[0]['say']} (until {asks[0].get('due')})"))
    answer = floor.branch.call(
        "supplement",
        sample_supplement(
            OUTLET,
            bank_ref=floor.reference(),
            receipt_no=row.receipt_no,
            ask_no=asks[0]["ask_no"],
            form={"remark": "已按要求更正"},
        ),
    )
    row.need(answer.ok, f"the supplement was refused: {answer.reason} {answer.return_msg}")
    yield
    _granted(floor, row, "approved")


def withdrawn(floor: Floor, row: Row) -> Iterator[None]:
    """The customer changes their mind while the department waits for a correction; the department agrees."""
    row.filed(floor.branch.submit(floor.part("FT-SBX-002", "correct")), called=(2, 2))
    floor.filed(row.receipt_no)
    yield
    floor.until_state(row.receipt_no, "correction")
    wish = sample_withdrawal(OUTLET, bank_ref=floor.reference(), receipt_no=row.receipt_no)
    answer = floor.branch.call("withdraw", wish)
    row.need(answer.ok, f"the withdrawal was refused: {answer.reason} {answer.return_msg}")
    row.want(answer.business["case"].get("withdrawal") == "asked", "not called asked: the department has the last word")
    yield
    case = floor.until_state(row.receipt_no, "withdrawn")
    row.want(case["state"] == "withdrawn", f"the case is {case['state']}, not withdrawn")
    row.want(case.get("withdrawal") == "done", f"withdrawal {case.get('withdrawal')}, not done")
    row.seconds = floor.took(row.receipt_no)


def scan_brought(floor: Floor, row: Row) -> Iterator[None]:
    """A scanned paper goes up by ticket before the application names it; the bureau gets its very bytes."""
    digest = "sha256:" + hashlib.sha256(_SCAN).hexdigest()
    file = {"digest": digest, "size": str(len(_SCAN)), "type": "application/pdf"}
    part = school_leave_submission(OUTLET, bank_ref=floor.reference(), serial=floor.person(), scan=file)
    wish = {"case_ref": part["bank_ref"], "purpose": "material", "material": "M2", **file}
    ticket = floor.branch.call("upload_ticket", {"op": "upload_ticket", "v": "1", **wish})
    row.need(ticket.ok, f"no ticket: {ticket.reason} {ticket.return_msg}")
    other = _put(floor, ticket.business["upload"]["path"], _SCAN[:-1] + b"\0")
    row.want(other >= 400, f"other bytes than signed were taken: HTTP {other}")
    row.need(_put(floor, ticket.business["upload"]["path"], _SCAN) == 201, "the scan was not taken")
    row.filed(floor.branch.submit(part), called=(1, 1))
    row.filings = 0  # in the books of the sandbox department; the bureau has its own
    yield
    _granted(floor, row, "approved", "issuing", "ready")
    books = floor.stack.of_bureau(f"ledger?receiptNo={row.receipt_no}&bodies=1")
    row.want(books["count"] == 1, f"the bureau's books hold it {books['count']} times")
    held = [file["sha256"] for case in books["rows"] for file in case.get("files", [])]
    row.want(held == [digest.removeprefix("sha256:")], f"the bureau holds {held or 'no file'}")
    row.seen.append(("bureau", f"{len(_SCAN)} bytes of M2 arrived, {digest[:23]}…"))


def _put(floor: Floor, path: str, raw: bytes) -> int:
    place = urlsplit(floor.stack.url)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        line.request("PUT", path, body=raw, headers={"Content-Type": "application/pdf"})
        return line.getresponse().status
    finally:
        line.close()


def _granted(floor: Floor, row: Row, *states: str) -> None:
    """``states``: where the case may stand once it is granted; a paper that is to be handed over goes on."""
    floor.until(lambda: floor.case(row.receipt_no)["state"] in states)
    case: dict[str, Any] = floor.case(row.receipt_no)
    row.want(case["state"] in states, f"the case is {case['state']}, not {' or '.join(states)}")
    said = case.get("decision", {}).get("kind")
    row.want(said == "granted", f"decision {said}, not granted")
    row.seconds = floor.took(row.receipt_no)


AT_THE_COUNTER: tuple[tuple[str, Story], ...] = (
    ("correction asked, answered, granted", correction_answered),
    ("withdrawn by the customer", withdrawn),
    ("a scan brought to the education bureau", scan_brought),
)
