"""What a bank may know before anybody files: items, forms, outlets, and how the departments do (operations.md 2.5).

Must not hold a case nor a word of how an item is put to its department. Answers are made fresh from the catalogue in
use; only department_status looks at the store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from gateway.cases import item_picture
from gateway.cases.business import member_problems
from gateway.catalogue.item import Catalogue, Item, Outlet
from gateway.domain.clock import Clock, beijing_day, stamp
from gateway.domain.errors import Invalid, Problem
from gateway.domain.reasons import FieldCode
from gateway.domain.requests import BankReply, BankRequest
from gateway.parties.directory import Directory
from gateway.parties.switchboard import Switchboard
from gateway.signing.canon import canonical_json, sha256_label
from gateway.store import work
from gateway.store.database import Database, micros, moment

_PER_PAGE = 50
_CLOSED_FROM = timedelta(seconds=60)  # a breaker held at least so long: the department is away, not merely slow
_SLOW_FROM = 3  # failures in a row

_SAYS = {
    "open": "正常受理",
    "slow": "该部门系统响应较慢，我方照常收件，稍后转送",
    "closed": "该部门系统暂不可用，我方照常收件，恢复后转送",
    "unknown": "该部门尚未接入",
}


class Info:
    """Answers the operations that ask about the house and not about a case."""

    def __init__(
        self,
        database: Database,
        *,
        catalogue: Catalogue,
        directory: Directory,
        backends: Collection[str],
        switchboard: Switchboard,
        clock: Clock,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._directory = directory
        self._backends = frozenset(backends)
        self._switchboard = switchboard
        self._clock = clock

    def item_list(self, request: BankRequest) -> BankReply:
        """Items with versions and windows, 50 a page; ``unchanged`` when ``known`` is the present tag.

        Raises ``Invalid``.
        """
        _refuse(request, {}, {"known": _is_tag, "page": _is_page})
        today = beijing_day(self._clock.now())
        rows = [
            self._listed(request, item, today)
            for versions in self._catalogue.items.values()
            for item in versions
            if item.effective_to is None or today <= item.effective_to
        ]
        tag = _tag(rows)
        if request.business.text("known") == tag:
            return _reply(request, {"tag": tag, "unchanged": True, "items": []})
        page = int(request.business.text("page") or 1)
        shown = rows[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        more = {"next_page": str(page + 1)} if page * _PER_PAGE < len(rows) else {}
        return _reply(request, {"tag": tag, "items": shown, **more})

    def item(self, request: BankRequest) -> BankReply:
        """One item as the catalogue holds it, without its route; the version in force, or the one that is named.

        Raises ``Invalid``.
        """
        _refuse(request, {"item": _is_text}, {"version": _is_text})
        code, version = request.business.text("item"), request.business.text("version")
        versions = self._catalogue.items.get(code, ())
        if not versions:
            raise Invalid([Problem("item", FieldCode.ITEM_UNKNOWN, "没有这一事项")])
        today = beijing_day(self._clock.now())
        item = self._catalogue.find(code, version) if version else self._catalogue.current(code, today) or versions[-1]
        if item is None:
            raise Invalid([Problem("version", FieldCode.ITEM_VERSION_OLD, "没有这一事项版本")])
        entry = item_picture.entry(self._catalogue, item, today)
        return _reply(request, self._listed(request, item, today) | entry)

    def outlet_list(self, request: BankRequest) -> BankReply:
        """The bank's outlets, as far as this client may file for them. Raises ``Invalid``."""
        _refuse(request, {}, {"known": _is_tag})
        rows = [self._outlet(outlet) for outlet in self._outlets(request)]
        tag = _tag(rows)
        if request.business.text("known") == tag:
            return _reply(request, {"tag": tag, "unchanged": True, "outlets": []})
        return _reply(request, {"tag": tag, "outlets": rows})

    def department_status(self, request: BankRequest) -> BankReply:
        """How the departments' systems do at this moment. Raises ``Invalid``."""
        _refuse(request, {}, {"department": _is_text})
        wanted = request.business.text("department")
        codes = sorted({v.department for versions in self._catalogue.items.values() for v in versions})
        if wanted and wanted not in codes:
            raise Invalid([Problem("department", FieldCode.NOT_IN_LIST, "没有这个部门")])
        return _reply(request, {"departments": [self._department(c) for c in ([wanted] if wanted else codes)]})

    # -- items and outlets -----------------------------------------------------------------------------------

    def _listed(self, request: BankRequest, item: Item, today: date) -> dict[str, Any]:
        connected = item.route is not None and item.backend in self._backends
        own = [o.code for o in self._outlets(request)]
        allowed = own if item.outlets is None else [code for code in own if code in item.outlets]
        board, now = self._switchboard(), self._clock.now()
        off = {code: board.off(item.code, code, request.bank, now) for code in allowed}
        taking = [code for code in allowed if off[code] is None]
        switched = next((one for one in off.values() if one is not None), None)
        everywhere = switched is not None and not taking
        return {
            **item_picture.head(item),
            "open": connected and item.in_force(today) and item.open_on(today) and not everywhere,
            "outlets": "all" if item.outlets is None and switched is None else taking,
            **({"say": switched.say} if switched is not None and everywhere else {}),
        }

    def _outlets(self, request: BankRequest) -> list[Outlet]:
        client = self._directory().by_id(request.hint.client_id)
        allowed = client.outlets if client else ()
        return [
            outlet
            for outlet in self._catalogue.outlets.values()
            if outlet.bank == request.bank and (not allowed or outlet.code in allowed)
        ]

    def _outlet(self, outlet: Outlet) -> dict[str, Any]:
        return {
            "code": outlet.code,
            "slip_no": outlet.slip_no,
            "name": outlet.name,
            "street": outlet.street,
            "address": outlet.address,
            "phone": outlet.phone,
            "opening_hours": {name: hours for name, hours in outlet.opening_hours.items() if hours},
            "services": list(outlet.services),
            **self._items_of(outlet),
            "provisional_series": f"FPyyMMdd{outlet.slip_no}",  # then the workstation's character and its count
        }

    def _items_of(self, outlet: Outlet) -> dict[str, Any]:
        service = self._catalogue.entitlement.get("items", "")
        if service and service not in outlet.services:
            return {"items": []}
        board, now = self._switchboard(), self._clock.now()
        whole = board.off("", outlet.code, outlet.bank, now)
        if whole is not None:
            return {"items": [], "say": whole.say}
        today = beijing_day(self._clock.now())
        current = [i for code in self._catalogue.items if (i := self._catalogue.current(code, today)) is not None]
        entitled = [
            i.code
            for i in current
            if (i.outlets is None or outlet.code in i.outlets)
            and board.off(i.code, outlet.code, outlet.bank, now) is None
        ]
        return {"items": "all" if len(entitled) == len(current) else entitled}

    # -- departments -----------------------------------------------------------------------------------------

    def _department(self, code: str) -> dict[str, Any]:
        department = self._catalogue.departments.get(code)
        lanes = sorted(
            {i.backend for versions in self._catalogue.items.values() for i in versions if i.department == code}
            & self._backends
        )
        row: dict[str, Any] = {"code": code, "name": department.name if department else code}
        with self._database.read() as tx:
            now = micros(tx.now())
            states = [found for lane in lanes if (found := work.look_at_lane(tx, lane)) is not None]
        if not states:
            return row | {"state": "unknown", "say": _SAYS["unknown"], "holds": False}
        planned = self._planned(lanes)
        if "state" in planned:
            return row | planned
        worst = max(states, key=lambda lane: (lane.open_until, lane.failures))
        held = worst.open_until - now
        state = "open"
        if held > 0:
            state = "closed" if held >= _CLOSED_FROM / timedelta(microseconds=1) else "slow"
        elif worst.failures >= _SLOW_FROM:
            state = "slow"
        until = {"until": stamp(moment(worst.open_until))} if held > 0 else {}
        return row | {"state": state, **until, "say": _SAYS[state], "holds": True, **planned}

    def _planned(self, lanes: Sequence[str]) -> dict[str, Any]:
        """A closure that runs is the state; one that comes is announced beside it, so that nobody waits in vain."""
        board, now = self._switchboard(), self._clock.now()
        running = [closure for lane in lanes if (closure := board.closed(lane, now)) is not None]
        if running:
            last = max(running, key=lambda closure: closure.until_at)
            return {"state": "closed", "until": stamp(last.until_at), "say": last.say, "holds": True}
        coming = [closure for lane in lanes if (closure := board.coming(lane, now)) is not None]
        if not coming:
            return {}
        first = min(coming, key=lambda closure: closure.from_at)
        return {"closes": {"from": stamp(first.from_at), "until": stamp(first.until_at), "say": first.say}}


def _reply(request: BankRequest, members: Mapping[str, Any]) -> BankReply:
    return BankReply(operation=request.operation.value, members=members, warnings=request.warnings)


def _tag(rows: Sequence[Mapping[str, Any]]) -> str:
    """Changes with anything that is listed, also with a window that opens overnight."""
    return sha256_label(canonical_json(list(rows))).removeprefix("sha256:")[:32]


def _refuse(request: BankRequest, required: Mapping[str, Any], optional: Mapping[str, Any]) -> None:
    problems = member_problems(request.business.members, required, optional)
    if problems:
        raise Invalid(problems)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 40


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 64


def _is_page(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and 1 <= len(value) <= 3 and int(value) >= 1
