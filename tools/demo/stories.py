"""Stories of the daily business: decided at once, told later, asked for, refused, refused for its form.

Must not stage a broken line; ``stories_hard`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tools.demo.floor import Floor
from tools.demo.story import MANY, Row, Story

_HAN = re.compile("[\u4e00-\u9fff]")


def granted_at_once(floor: Floor, row: Row) -> Iterator[None]:
    """The decision stands in the answer to the submission."""
    case = row.filed(
        floor.branch.submit(floor.part("FT-SBX-001")), called=(1, 1), answered=(1, 1), **{"called back": (0, 0)}
    )
    row.want(case["state"] == "approved", f"the answer says {case['state']}, not approved")
    _decided(row, case, kind="granted", reason="GRANTED")
    yield from ()


def refused_by_the_department(floor: Floor, row: Row) -> Iterator[None]:
    """A decision too, only another one."""
    case = row.filed(floor.branch.submit(floor.part("FT-SBX-001", "refuse")), called=(1, 1), answered=(1, 1))
    row.want(case["state"] == "denied", f"the answer says {case['state']}, not denied")
    _decided(row, case, kind="refused", reason="CONDITION_NOT_MET")
    row.seen.append(("department", case.get("decision", {}).get("text", "")))
    yield from ()


def granted_by_callback(floor: Floor, row: Row) -> Iterator[None]:
    """Taken in now, decided later; the department calls."""
    answer = floor.branch.submit(floor.part("FT-SBX-002"))
    row.filed(answer, called=(1, 1), asked=(0, 0), polled=(0, 0), **{"called back": (1, MANY)})
    floor.filed(row.receipt_no)
    yield
    _granted_later(floor, row)


def told_twice(floor: Floor, row: Row) -> Iterator[None]:
    """Every callback comes twice; each event is told to the bank once."""
    row.filed(floor.branch.submit(floor.part("FT-SBX-004", "twice")), called=(1, 1), **{"called back": (1, MANY)})
    floor.filed(row.receipt_no)
    yield
    _granted_later(floor, row)
    again = floor.until(lambda: floor.stack.metric("gateway_callbacks_total", outcome="repeated") >= 2)
    row.want(again, "the repeated callbacks were not counted")
    kinds = [event["kind"] for event in floor.events(row.receipt_no)]
    row.want(len(kinds) == len(set(kinds)), f"an event was told twice: {', '.join(kinds)}")


def granted_by_polling(floor: Floor, row: Row) -> Iterator[None]:
    """The department never calls; it must be asked."""
    answer = floor.branch.submit(floor.part("FT-SBX-003"))
    row.filed(answer, called=(1, 1), polled=(1, MANY), **{"called back": (0, 0)})
    floor.filed(row.receipt_no)
    yield
    _granted_later(floor, row)


def invalid_form(floor: Floor, row: Row) -> Iterator[None]:
    """Every mistake is named at once, in the teller's language; nothing is filed."""
    part: dict[str, Any] = floor.part("FT-SBX-001")
    number = part["applicant"]["doc_no"]
    part["applicant"]["doc_no"] = number[:-1] + ("1" if number[-1] != "1" else "2")
    part["form"] = {"scenario": "no-such-scenario", "amount": "12.345"}
    part["consents"] = []
    row.item = part["item"]
    books = floor.filings()
    answer = floor.branch.submit(part)
    row.seconds = answer.milliseconds / 1000
    row.refused(answer, "INVALID")
    errors = answer.business.get("errors", [])
    row.seen += [(error["path"], f"{error['code']} {error['message']}") for error in errors]
    paths = {error["path"] for error in errors}
    missing = {"applicant.doc_no", "form.scenario", "form.amount", "consents"} - paths
    row.want(not missing, f"not named: {', '.join(sorted(missing))} (named: {', '.join(sorted(paths))})")
    row.want(all(_HAN.search(error["message"]) for error in errors), "a message is not Chinese")
    row.want(floor.filings() == books, "it reached the department")
    row.path = f"{len(errors)} mistakes shown"
    yield from ()


def _granted_later(floor: Floor, row: Row) -> None:
    case = floor.until_state(row.receipt_no, "approved")
    row.want(case["state"] == "approved", f"the case is {case['state']}, not approved")
    _decided(row, case, kind="granted", reason="GRANTED")
    row.seconds = floor.took(row.receipt_no)


def _decided(row: Row, case: dict[str, Any], *, kind: str, reason: str) -> None:
    decision = case.get("decision", {})
    said = f"{decision.get('kind')}/{decision.get('reason')}"
    row.want(said == f"{kind}/{reason}", f"decision {said}, not {kind}/{reason}")


DAILY: tuple[tuple[str, Story], ...] = (
    ("granted at once", granted_at_once),
    ("refused by the department", refused_by_the_department),
    ("granted, the department calls back", granted_by_callback),
    ("granted, every callback comes twice", told_twice),
    ("granted, the department must be asked", granted_by_polling),
    ("form with mistakes", invalid_form),
)
