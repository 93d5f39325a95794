"""The shelf: parked work, and what one person may let happen to it. What takes two goes through ``acts``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.cases.shelf import Shelf
from gateway.domain.actor import Permission
from gateway.web.staff_api import shapes
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.gate import me, needs
from gateway.web.staff_api.interface import PREFIX
from gateway.web.staff_api.once import Once


def routes(shelf: Shelf, once: Once, *, wake: Callable[[], None]) -> StaffBlueprint:
    """List, one row, retry, re-ask."""
    api = StaffBlueprint("shelf", __name__, url_prefix=f"{PREFIX}/shelf", description="待人工处理")

    @api.route("/")
    @needs(Permission.SHELF_READ)
    @api.arguments(shapes.ShelfQuery, location="query")
    @api.response(200, shapes.ShelfOut)
    def listed(query: dict[str, Any]) -> dict[str, Any]:
        """搁置的工作，最久的在前，至多 500 条。"""
        found = shelf.listed(lane=query["department"], kind=query["kind"])
        return {"items": [one.picture() for one in found]}

    @api.route("/<string:work_id>")
    @needs(Permission.SHELF_READ)
    @api.response(200, shapes.ParkedOut)
    def shown(work_id: str) -> dict[str, Any]:
        """一条搁置的工作。"""
        return shelf.find(work_id).picture()

    @api.route("/<string:work_id>/retry", methods=["POST"])
    @needs(Permission.SHELF_ACT)
    @once
    @api.arguments(shapes.Empty)
    @api.response(200, shapes.DoneOut)
    def retry(_body: dict[str, Any], work_id: str) -> dict[str, Any]:
        """再试一次，按不会重复报送的方式。"""
        return _woken(shelf.retry(work_id, actor=me().label))

    @api.route("/<string:work_id>/re-ask", methods=["POST"])
    @needs(Permission.SHELF_ACT)
    @once
    @api.arguments(shapes.Empty)
    @api.response(200, shapes.DoneOut)
    def ask_again(_body: dict[str, Any], work_id: str) -> dict[str, Any]:
        """先向部门查询，再决定是否报送。"""
        return _woken(shelf.ask_again(work_id, actor=me().label))

    def _woken(done: str) -> dict[str, Any]:
        wake()
        return {"done": done}

    return api
