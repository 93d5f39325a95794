"""Cases: lists, one case, what was said about it, one field for a purpose. All inside the actor's scope."""

from __future__ import annotations

from typing import Any

from gateway.cases.staff import StaffCases
from gateway.domain.actor import Permission
from gateway.domain.clock import stamp
from gateway.web.staff_api import shapes
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.gate import me, needs
from gateway.web.staff_api.interface import PREFIX
from gateway.web.staff_api.once import Once
from gateway.web.staff_api.paging import page, page_of
from gateway.web.staff_api.problems import INVALID, Fault, Problem


def routes(cases: StaffCases, once: Once) -> StaffBlueprint:
    """Read lists and cases; reveal leaves an entry."""
    api = StaffBlueprint("cases", __name__, url_prefix=f"{PREFIX}/cases", description="办件")

    @api.route("/")
    @needs(Permission.CASES_READ)
    @api.arguments(shapes.CaseQuery, location="query")
    @api.response(200, page_of(shapes.CaseOut))
    def listed(query: dict[str, Any]) -> dict[str, Any]:
        """办件列表，新的在前。"""
        place = query["cursor"]
        if place is not None and not (len(place) == 2 and isinstance(place[0], int) and isinstance(place[1], str)):
            raise Problem(INVALID, faults=[Fault("query.cursor", "不是本接口给出的 cursor")])
        found = cases.page(
            me(),
            filters={name: query[name] for name in ("bank", "outlet", "department", "item", "state")},
            parked=query["parked"],
            overdue=query["overdue"],
            before=None if place is None else (int(place[0]), str(place[1])),
            limit=query["limit"],
        )
        return page(found.rows, found.after)

    @api.route("/search", methods=["POST"])
    @needs(Permission.CASES_READ)
    @once.not_kept
    @api.arguments(shapes.SearchCases)
    @api.response(200, shapes.CasesFoundOut)
    def search(body: dict[str, Any]) -> dict[str, Any]:
        """按申请人证件查办件；证件号码不进入地址与日志。"""
        return {"items": cases.of_document(me(), body["doc_type"], body["doc_no"])}

    @api.route("/<string:receipt_no>")
    @needs(Permission.CASES_READ)
    @api.response(200, shapes.CaseWholeOut)
    def shown(receipt_no: str) -> dict[str, Any]:
        """一个办件及其全部经过。"""
        return cases.show(me(), receipt_no)

    @api.route("/<string:receipt_no>/exchanges")
    @needs(Permission.EXCHANGES_READ)
    @api.response(200, shapes.ExchangesOut)
    def exchanges(receipt_no: str) -> dict[str, Any]:
        """与银行、部门往来的报文，个人信息已遮盖。"""
        names = ("exchange_id", "peer", "direction", "purpose", "outcome", "request", "response")
        found = cases.exchanges(me(), receipt_no)
        return {"items": [{"at": stamp(one.at), **{n: getattr(one, n) for n in names}} for one in found]}

    @api.route("/<string:receipt_no>/reveal", methods=["POST"])
    @needs(Permission.CASES_REVEAL, fresh=True)
    @once.not_kept
    @api.arguments(shapes.Reveal)
    @api.response(200, shapes.RevealOut)
    def reveal(body: dict[str, Any], receipt_no: str) -> dict[str, Any]:
        """显示一项个人信息；谁、为何看过，记入留痕。"""
        return {"value": cases.reveal(me(), receipt_no, path=body["path"], purpose=body["purpose"])}

    return api
