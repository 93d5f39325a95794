"""Signing in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, g, jsonify

from gateway.domain.actor import Actor, Permission
from gateway.domain.clock import Clock, stamp
from gateway.people.sessions import Sessions
from gateway.people.tokens import NotBelieved
from gateway.web.staff_api import shapes
from gateway.web.staff_api.blueprint import StaffBlueprint
from gateway.web.staff_api.gate import me, needs, open_to_all, signed_in, with_cookie, without_cookie
from gateway.web.staff_api.interface import PREFIX
from gateway.web.staff_api.once import Once
from gateway.web.staff_api.problems import SIGN_IN, TOO_MANY, Problem


def routes(
    sessions: Sessions, clock: Clock, once: Once, *, address: Callable[[], str], may_try: Callable[[str], bool]
) -> StaffBlueprint:
    """``may_try``: whether an address may show one more token now."""
    api = StaffBlueprint("session", __name__, url_prefix=PREFIX, description="登录与退出")

    @api.route("/session", methods=["POST"])
    @open_to_all
    @api.arguments(shapes.SignIn)
    @api.response(201, shapes.SessionOut)
    def sign_in(body: dict[str, Any]) -> Any:
        """用身份提供方的令牌登录；令牌只能用一次。"""
        if not may_try(address()):
            raise Problem(TOO_MANY, headers={"Retry-After": "1"})
        try:
            opened = sessions.open(body["token"], address=address())
        except NotBelieved:
            raise Problem(SIGN_IN, "令牌无效、已用过或已过期") from None
        told = {
            "session": None if body["page"] else opened.secret,
            "csrf": opened.csrf,
            "ends_at": stamp(opened.ends_at),
            "actor": _picture(opened.actor, clock),
        }
        if not body["page"]:
            return told
        response = jsonify(told)
        response.status_code = 201
        return with_cookie(response, opened)

    @api.route("/session")
    @signed_in
    @api.response(200, shapes.SessionOut)
    def who() -> dict[str, Any]:
        """当前会话。"""
        session = g.session
        return {
            "session": None,
            "csrf": session.csrf,
            "ends_at": stamp(session.ends_at),
            "actor": _picture(session.actor, clock),
        }

    @api.route("/session", methods=["DELETE"])
    @signed_in
    @api.response(204)
    def sign_out() -> Response:
        """退出。"""
        sessions.end(g.session)
        return without_cookie(Response(status=204))

    @api.route("/sessions/mine/end", methods=["POST"])
    @signed_in
    @once
    @api.arguments(shapes.Empty)
    @api.response(200, shapes.CountOut)
    def sign_out_everywhere(_body: dict[str, Any]) -> dict[str, Any]:
        """本人在所有设备上退出。"""
        return {"count": sessions.end_all(me().label, by=me().label)}

    @api.route("/sessions/end", methods=["POST"])
    @needs(Permission.SESSIONS_END, fresh=True)
    @once
    @api.arguments(shapes.EndSessions)
    @api.response(200, shapes.CountOut)
    def end_of_another(body: dict[str, Any]) -> dict[str, Any]:
        """安全管理员让某人在所有设备上退出。"""
        return {"count": sessions.end_all(body["label"], by=me().label)}

    return api


def _picture(actor: Actor, clock: Clock) -> dict[str, Any]:
    return {
        "label": actor.label,
        "roles": sorted(actor.roles),
        "bank": actor.bank,
        "outlets": sorted(actor.outlets),
        "department": actor.department,
        "permissions": sorted(actor.permissions),
        "fresh": actor.is_fresh(clock.now()),
    }
