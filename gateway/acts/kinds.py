"""Every kind of act: what it is called, what its payload holds, who may propose and approve it, and how many it takes.

Must not carry anything out: executors are wired to these names by ``gateway.executors``. A kind is never renamed, for
acts in the store and entries in the trail name it. ``docs/acts.md`` is drawn from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from gateway.domain.actor import Permission
from gateway.domain.errors import ActCode, ActRefused

_P = Permission
_DAY = timedelta(days=1)
LONGEST_TEXT = 100_000  # characters of one member: a year's calendar or an item's file fits


class Form(StrEnum):
    """What a member of a payload is."""

    TEXT = "text"
    TEXTS = "texts"
    TABLE = "table"  # of texts


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a payload. ``secret`` is never shown again; ``label`` is what people read."""

    name: str
    label: str
    required: bool = False
    form: Form = Form.TEXT
    secret: bool = False


@dataclass(frozen=True, slots=True)
class ActKind:
    """One kind.

    Who proposes it must be allowed ``propose``; who approves or refuses it ``ACTS_APPROVE`` and ``approve``.
    ``persons`` is how many natural persons stand behind it: with 1 a proposal is carried out at once.

    ``subject``: the payload's member that names a person the act is about, who may not approve it; "" = nobody.
    """

    name: str
    title: str
    propose: Permission
    approve: Permission
    persons: int
    members: tuple[Member, ...]
    why: str
    lives: timedelta = field(default=3 * _DAY)
    subject: str = ""


def _text(name: str, label: str, *, required: bool = False) -> Member:
    return Member(name, label, required=required)


_REASON = _text("reason", "理由", required=True)
_CLIENT = _text("client_id", "客户端", required=True)
_KEY = Member("public_key", "公钥", required=True, secret=False)
_CIPHER = Member("cipher_key", "共享密钥", required=True, secret=True)
_WEAK = (_text("reason", "理由"), _text("until", "弱算法截止日"))
_FROM, _UNTIL = _text("from", "开始时间"), _text("until", "结束时间")
_SAY = _text("say", "网点告知语", required=True)
_WORK = _text("work", "挂起编号", required=True)
_WHAT = (_text("item", "事项"), _text("outlet", "网点"), _text("bank", "银行"))

KINDS: dict[str, ActKind] = {
    kind.name: kind
    for kind in (
        ActKind(
            "client.enrol",
            "接入方注册",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            2,
            (
                _text("bank", "银行", required=True),
                _CLIENT,
                _text("claimed_id", "报文中的名称", required=True),
                _text("profile", "报文规范"),
                _text("algorithm", "算法"),
                _KEY,
                Member("cipher_key", "共享密钥", secret=True),
                Member("outlets", "网点", form=Form.TEXTS),
                Member("operations", "交易", form=Form.TEXTS),
                Member("addresses", "来源地址", form=Form.TEXTS),
                Member("options", "规范选项", form=Form.TABLE),
                _text("rate", "每秒请求数"),
                _text("at_once", "并发数"),
                *_WEAK,
            ),
            "a key decides whose applications we believe",
            lives=7 * _DAY,
        ),
        ActKind(
            "client.rotate",
            "接入方换密钥",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            2,
            (
                _CLIENT,
                _KEY,
                _text("algorithm", "算法"),
                _text("from", "生效时间"),
                _text("overlap_days", "并用天数"),
                *_WEAK,
            ),
            "a key decides whose applications we believe",
            lives=7 * _DAY,
        ),
        ActKind(
            "client.rotate_cipher",
            "接入方换共享密钥",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            2,
            (_CLIENT, _CIPHER, _text("from", "生效时间")),
            "who holds it reads the content",
            lives=7 * _DAY,
        ),
        ActKind(
            "client.finish_rotation",
            "接入方停用旧密钥",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            1,
            (_CLIENT,),
            "takes trust away and gives none: as quick as a block",
        ),
        ActKind(
            "client.block",
            "接入方停用",
            _P.CLIENTS_BLOCK,
            _P.CLIENTS_CHANGE,
            1,
            (_CLIENT, _text("reason", "理由")),
            "the brake: one person",
        ),
        ActKind(
            "client.unblock",
            "接入方恢复",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            2,
            (_CLIENT, _REASON),
            "gives trust back",
        ),
        ActKind(
            "client.limits",
            "接入方限额",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            2,
            (_CLIENT, _text("rate", "每秒请求数", required=True), _text("at_once", "并发数", required=True)),
            "too low shuts a bank out, too high lets it crowd the others",
        ),
        ActKind(
            "client.notify",
            "接入方通知地址",
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_CHANGE,
            2,
            (_CLIENT, Member("url", "地址"), _text("networks", "网段"), _text("ca", "证书文件")),
            "where we tell what happens to cases",
        ),
        ActKind(
            "switch.off",
            "事项或网点停办",
            _P.SWITCHES_CHANGE,
            _P.SWITCHES_CHANGE,
            2,
            (*_WHAT, _SAY, _REASON, _FROM, _UNTIL),
            "customers are turned away; off from the moment the second person agrees",
        ),
        ActKind(
            "switch.on",
            "事项或网点恢复",
            _P.SWITCHES_CHANGE,
            _P.SWITCHES_CHANGE,
            2,
            (*_WHAT, _REASON),
            "customers are let in again",
        ),
        ActKind(
            "closure.plan",
            "部门停办时段",
            _P.SWITCHES_CHANGE,
            _P.SWITCHES_CHANGE,
            2,
            (
                _text("department", "部门系统", required=True),
                _FROM,
                _text("until", "结束时间", required=True),
                _SAY,
                _REASON,
            ),
            "every call to a department waits",
        ),
        ActKind(
            "closure.end",
            "部门提前恢复",
            _P.SWITCHES_CHANGE,
            _P.SWITCHES_CHANGE,
            1,
            (_text("closure", "停办编号", required=True), _REASON),
            "back to how it always is, and slowly",
        ),
        ActKind(
            "shelf.send_again",
            "挂起调用再次发送",
            _P.SHELF_ACT,
            _P.SHELF_ACT,
            2,
            (_WORK, _REASON),
            "what may have arrived could be filed twice",
        ),
        ActKind(
            "shelf.close",
            "关闭挂起工作",
            _P.SHELF_ACT,
            _P.SHELF_ACT,
            2,
            (_WORK, _REASON),
            "nobody looks at it any more",
        ),
        ActKind(
            "shelf.reroute",
            "挂起调用改送",
            _P.SHELF_ACT,
            _P.SHELF_ACT,
            2,
            (_WORK, _text("department", "部门系统", required=True), _REASON),
            "another department gets what a customer stated",
        ),
        ActKind(
            "cases.reveal_bulk",
            "批量查看个人信息",
            _P.REVEAL_BULK,
            _P.REVEAL_BULK,
            2,
            (
                Member("receipts", "收件编号", required=True, form=Form.TEXTS),
                _text("path", "信息项", required=True),
                _text("purpose", "用途", required=True),
            ),
            "many people's data at once; only who proposed it reads it, for a day",
        ),
        ActKind(
            "evidence.delete",
            "删除到期报文",
            _P.EVIDENCE_DELETE,
            _P.EVIDENCE_DELETE,
            2,
            (_text("before", "早于日期", required=True), _REASON),
            "what is deleted proves nothing any more; entries of the trail stay",
            lives=7 * _DAY,
        ),
        ActKind(
            "catalogue.publish",
            "发布事项版本",
            _P.CATALOGUE_CHANGE,
            _P.CATALOGUE_READ,
            2,
            (
                _text("item", "事项", required=True),
                _text("version", "版本", required=True),
                Member("file", "事项文件", required=True),
            ),
            "what every bank asks of customers, and what departments are sent",
            lives=14 * _DAY,
        ),
        ActKind(
            "calendar.load",
            "载入工作日历",
            _P.CALENDAR_CHANGE,
            _P.CALENDAR_READ,
            2,
            (Member("table", "日历文件", required=True),),
            "every running limit is counted anew by it",
            lives=14 * _DAY,
        ),
    )
}


def check_payload(kind: ActKind, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with exactly the kind's members, empty ones left out. Raises ``ActRefused(BAD_PAYLOAD)``.

    Only its shape; what it says is judged by the executor's own check.
    """
    known = {member.name: member for member in kind.members}
    strangers = sorted(set(payload) - set(known))
    if strangers:
        raise ActRefused(ActCode.BAD_PAYLOAD, f"{strangers[0]}: no such member; {kind.name} has {', '.join(known)}")
    given = {name: value for name, value in payload.items() if value not in ("", [], {}, None)}
    for name, value in given.items():
        if not _fits(value, known[name].form):
            raise ActRefused(ActCode.BAD_PAYLOAD, f"{name}: write {known[name].form.value}")
    missing = [name for name, member in known.items() if member.required and name not in given]
    if missing:
        raise ActRefused(ActCode.BAD_PAYLOAD, f"{', '.join(missing)}: must be given")
    return given


def masked(kind: ActKind, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as people may see it: secrets as dots."""
    secret = {member.name for member in kind.members if member.secret}
    return {name: "●●●●" if name in secret else value for name, value in payload.items()}


def _fits(value: Any, form: Form) -> bool:
    if form is Form.TEXT:
        return _is_text(value)
    if form is Form.TEXTS:
        return isinstance(value, list) and len(value) <= 1000 and all(_is_text(one) for one in value)
    return isinstance(value, dict) and len(value) <= 100 and all(_is_text(v) and _is_text(k) for k, v in value.items())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and "\x00" not in value
