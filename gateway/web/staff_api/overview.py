"""The house at a glance: clients, items, outlets, switches, closures, calendar, trail. Changes go through ``acts``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.cases.overview import Overview
from gateway.dispatch.trail_check import Checked
from gateway.domain.actor import Permission
from gateway.web.staff_api import shapes
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.fields import Free
from gateway.web.staff_api.gate import me, needs
from gateway.web.staff_api.interface import PREFIX


class CalendarOut(shapes.Empty):
    """One year."""

    calendar = Free(required=True)


def routes(overview: Overview, check_trail: Callable[[int | None], Checked]) -> StaffBlueprint:
    """Only reads. ``check_trail``: a quick look at the trail from a position on."""
    api = StaffBlueprint("house", __name__, url_prefix=PREFIX, description="概览")

    @api.route("/clients/")
    @needs(Permission.CLIENTS_READ)
    @api.response(200, shapes.ListOut)
    def clients() -> dict[str, Any]:
        """已登记的银行客户端及其密钥期限；密钥本身不出。"""
        return {"items": overview.clients(me())}

    @api.route("/items/")
    @needs(Permission.CATALOGUE_READ)
    @api.response(200, shapes.ListOut)
    def items() -> dict[str, Any]:
        """事项目录。"""
        return {"items": overview.items()}

    @api.route("/outlets/")
    @needs(Permission.SWITCHES_READ)
    @api.response(200, shapes.ListOut)
    def outlets() -> dict[str, Any]:
        """网点。"""
        return {"items": overview.outlets(me())}

    @api.route("/switches/")
    @needs(Permission.SWITCHES_READ)
    @api.response(200, shapes.ListOut)
    def off() -> dict[str, Any]:
        """已停办的事项与网点。"""
        return {"items": overview.switched_off()}

    @api.route("/closures/")
    @needs(Permission.SWITCHES_READ)
    @api.response(200, shapes.ListOut)
    def closures() -> dict[str, Any]:
        """部门系统停用计划。"""
        return {"items": overview.closures()}

    @api.route("/calendar")
    @needs(Permission.CALENDAR_READ)
    @api.arguments(shapes.YearQuery, location="query")
    @api.response(200, CalendarOut)
    def calendar(query: dict[str, Any]) -> dict[str, Any]:
        """一年的节假日与调休上班日。"""
        return {"calendar": overview.calendar(query["year"])}

    @api.route("/trail")
    @needs(Permission.TRAIL_READ)
    @api.response(200, shapes.TrailOut)
    def trail() -> dict[str, Any]:
        """留痕排序、封存到何处。"""
        return overview.trail()

    @api.route("/trail/check")
    @needs(Permission.TRAIL_READ)
    @api.arguments(shapes.TrailCheckQuery, location="query")
    @api.response(200, shapes.TrailCheckOut)
    def trail_check(query: dict[str, Any]) -> dict[str, Any]:
        """即时核对：最新检查点的签名与根，以及至多 5000 条留痕；完整证明另行导出。"""
        found = check_trail(query["first"])
        return {
            "whole": found.whole,
            "size": found.size,
            "first": found.first,
            "entries": found.entries,
            "problems": list(found.problems),
        }

    return api
