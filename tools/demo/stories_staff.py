"""Stories of the people behind the gateway: signed in by a real provider, seeing what is theirs, acting by two.

Must not know how a page looks; these are the requests a page or a program would send.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.demo.floor import Floor
from tools.demo.story import Row, Story
from tools.stack.stack import OUTLET


def seen_by_whom_it_concerns(floor: Floor, row: Row) -> Iterator[None]:
    """A case is seen by its own teller and the bureau, not by another outlet; a phone number takes a purpose."""
    part = floor.part("FT-SBX-003")
    row.filed(floor.branch.submit(part))
    yield
    own, other = (_signed_in(floor, row, "teller", outlets=[outlet]) for outlet in (OUTLET, "ICBC-FT-01"))
    operator = _signed_in(floor, row, "operator")
    path = f"/cases/{row.receipt_no}"
    found = {who: floor.stack.staff("GET", path, session=s)[0] for who, s in (("own", own), ("other", other))}
    row.want(found == {"own": 200, "other": 404}, f"the teller and another outlet's: {found}")
    status, whole = floor.stack.staff("GET", path, session=operator)
    row.want(status == 200 and bool(whole["timeline"]), f"the operator: {status}")
    phone = part["applicant"]["phone"]
    row.want(phone not in str(whole), "a phone number in a list of entries")
    wish = {"path": "applicant.phone", "purpose": "联系申请人取件"}
    status, shown = floor.stack.staff("POST", f"{path}/reveal", wish, session=operator)
    row.want((status, shown.get("value")) == (200, phone), f"revealed: {status}")
    row.seen.append(("staff", f"{wish['path']} shown for: {wish['purpose']}, and an entry says to whom"))
    status, trail = floor.stack.staff("GET", "/trail/check", session=operator)
    row.want(status == 200 and trail["whole"], f"the trail: {trail}")


def done_by_two(floor: Floor, row: Row) -> Iterator[None]:
    """An item is switched off by one person's proposal and another's word; the counter reads why; then on again."""
    li, wang = _signed_in(floor, row, "operator", "reviewer", subject="li"), _signed_in(floor, row, "reviewer")
    payload = {"item": "FT-SBX-004", "outlet": "ICBC-FT-02", "say": "本网点暂停受理", "reason": "a demo"}
    act = _proposed(floor, row, li, "switch.off", payload)
    status, _ = floor.stack.staff("POST", f"/acts/{act['act_id']}/approve", {"digest": act["digest"]}, session=li)
    row.want(status == 409, f"who proposed it approved it: {status}")
    yield
    _approved(floor, row, wang, act)
    done = floor.until(
        lambda: floor.stack.staff("GET", f"/acts/{act['act_id']}", session=wang)[1]["state"] == "executed"
    )
    row.want(done, "approved by another person, and not done")
    part = floor.part("FT-SBX-004") | {"outlet": "ICBC-FT-02"}
    refused = floor.branch.submit(part)
    said = [error["message"] for error in refused.business.get("errors", [])]
    row.want(refused.reason == "INVALID" and payload["say"] in said, f"the counter was told {refused.reason} {said}")
    row.seen.append(("staff", f"{act['title']}: {payload['say']}"))
    names = {name: payload[name] for name in ("item", "outlet", "reason")}
    _approved(floor, row, wang, _proposed(floor, row, li, "switch.on", names))
    row.want(floor.until(lambda: floor.branch.submit(part).ok), "switched on, and still refused")


def _signed_in(floor: Floor, row: Row, *roles: str, subject: str = "", **more: Any) -> str:
    token = floor.stack.token(subject or "-".join(roles), *roles, **more)
    status, opened = floor.stack.staff("POST", "/session", {"token": token})
    row.need(status == 201, f"signing in as {roles}: {status} {opened}")
    again, _ = floor.stack.staff("POST", "/session", {"token": token})
    row.want(again == 401, f"the same token again: {again}")
    return str(opened["session"])


def _proposed(floor: Floor, row: Row, session: str, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    status, act = floor.stack.staff("POST", "/acts/", {"kind": kind, "payload": payload}, session=session)
    row.need(status == 201, f"{kind}: {status} {act}")
    found: dict[str, Any] = act
    return found


def _approved(floor: Floor, row: Row, session: str, act: dict[str, Any]) -> None:
    path = f"/acts/{act['act_id']}/approve"
    status, told = floor.stack.staff("POST", path, {"digest": act["digest"]}, session=session)
    row.need(status == 200, f"{act['kind']}: {status} {told}")


OF_STAFF: tuple[tuple[str, Story], ...] = (
    ("seen only by whom it concerns", seen_by_whom_it_concerns),
    ("switched off and on by two people", done_by_two),
)
