"""Acts that need two people: the same room as the command line's, by people whose token proved them."""

from __future__ import annotations

from typing import Any

from gateway.acts.kinds import KINDS
from gateway.acts.persons import of_actor
from gateway.acts.room import Acts
from gateway.cases.staff import StaffCases
from gateway.domain.actor import Permission
from gateway.domain.clock import stamp
from gateway.store.act_rows import ActRow
from gateway.web.staff_api import shapes
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.gate import me, needs, signed_in
from gateway.web.staff_api.interface import PREFIX
from gateway.web.staff_api.once import Once


def routes(acts: Acts, cases: StaffCases, once: Once) -> StaffBlueprint:
    """List, show, propose, approve, refuse, withdraw. Who may do which kind is the room's to judge."""
    api = StaffBlueprint("acts", __name__, url_prefix=f"{PREFIX}/acts", description="双人复核事项")

    @api.route("/")
    @needs(Permission.ACTS_READ)
    @api.arguments(shapes.ActQuery, location="query")
    @api.response(200, shapes.ActsOut)
    def listed(query: dict[str, Any]) -> dict[str, Any]:
        """复核事项，新的在前，至多 200 条。"""
        return {"items": [_line(row) for row in acts.listed(state=query["state"])]}

    @api.route("/", methods=["POST"])
    @signed_in
    @once
    @api.arguments(shapes.Propose)
    @api.response(201, shapes.ActOut)
    def propose(body: dict[str, Any]) -> dict[str, Any]:
        """提出一项；单人即可的事项随即执行。"""
        return _line(acts.propose(of_actor(me()), body["kind"], body["payload"]))

    @api.route("/<string:act_id>")
    @needs(Permission.ACTS_READ)
    @api.response(200, shapes.ActWholeOut)
    def shown(act_id: str) -> dict[str, Any]:
        """一项的内容、摘要与已有的同意。"""
        found = acts.show(act_id)
        return {
            **_line(found.row),
            "payload": dict(found.payload),
            "missing": found.missing,
            "approvals": [{"by": one.approved_by, "at": stamp(one.at)} for one in found.approvals],
        }

    @api.route("/<string:act_id>/values")
    @needs(Permission.REVEAL_BULK, fresh=True)
    @api.response(200, shapes.ValuesOut)
    def values(act_id: str) -> dict[str, Any]:
        """批量查看已获同意的信息项；仅提出人，一日之内。"""
        found = acts.show(act_id)
        return {"values": cases.bulk(me(), found.row, found.payload)}

    @api.route("/<string:act_id>/approve", methods=["POST"])
    @needs(Permission.ACTS_APPROVE, fresh=True)
    @once
    @api.arguments(shapes.Approve)
    @api.response(200, shapes.ActOut)
    def approve(body: dict[str, Any], act_id: str) -> dict[str, Any]:
        """同意所见的内容；须为另一人，且刚做过双因素认证。"""
        return _line(acts.approve(of_actor(me()), act_id, digest=body["digest"]))

    @api.route("/<string:act_id>/refuse", methods=["POST"])
    @needs(Permission.ACTS_APPROVE)
    @once
    @api.arguments(shapes.Because)
    @api.response(200, shapes.ActOut)
    def refuse(body: dict[str, Any], act_id: str) -> dict[str, Any]:
        """不同意。"""
        return _line(acts.refuse(of_actor(me()), act_id, reason=body["reason"]))

    @api.route("/<string:act_id>/withdraw", methods=["POST"])
    @signed_in
    @once
    @api.arguments(shapes.Empty)
    @api.response(200, shapes.ActOut)
    def withdraw(_body: dict[str, Any], act_id: str) -> dict[str, Any]:
        """提出人撤回。"""
        return _line(acts.withdraw(of_actor(me()), act_id))

    return api


def _line(row: ActRow) -> dict[str, Any]:
    kind = KINDS.get(row.kind)
    names = ("act_id", "kind", "state", "digest", "persons", "proposed_by", "result")
    return {
        **{name: getattr(row, name) for name in names},
        "title": kind.title if kind else row.kind,
        "proposed_at": stamp(row.proposed_at),
        "expires_at": stamp(row.expires_at),
    }
