"""What may be said about a case that is already filed: supplements and withdrawals, all problems at once.

Must not find the case nor judge its state: the desk does (operations.md 2.5). A supplement is judged by laying it over
what was filed and judging the whole again under the case's own item version; told is only what the supplement brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from gateway.catalogue.item import Catalogue, Item
from gateway.catalogue.kinds.block import Block, Member, rows
from gateway.catalogue.kinds.notes import Notes
from gateway.catalogue.kinds.values import day, flag, string, whole, words
from gateway.catalogue.submission import CLOCK_SLACK, check_submission, nothing_arrived
from gateway.catalogue.submission_members import as_it_is, ext, stamp
from gateway.catalogue.submission_papers import JudgeFile
from gateway.catalogue.submission_parts import IDENTITY_CHECK, MATERIAL, SIGNATURE, TELLER
from gateway.domain.clock import beijing_day
from gateway.domain.errors import Problem
from gateway.domain.reasons import FieldCode

_COMMON = [
    *(Member(name, name, as_it_is) for name in ("op", "v", "bank_ref")),
    Member("receipt_no", "收件编号", string("收件编号", max_len=40)),
    Member("case_ref", "业务流水号", string("业务流水号", max_len=40)),
    Member("outlet", "受理网点", string("受理网点", max_len=40), True),
    Member("teller", "柜员", TELLER.judge, True),
    Member("business_date", "银行营业日期", day("银行营业日期"), True),
    Member("confirm_second", "再次提交确认", flag("再次提交确认")),
    Member("ext", "备注", ext),
]
_MAY_CHANGE = frozenset({"form", "applicant", "materials", "rules"})
_CHECKS = rows("身份核验", IDENTITY_CHECK.judge, least=1, most=4)
_SUPPLEMENT = Block(
    [
        *_COMMON,
        Member("ask_no", "补正事项序号", whole("补正事项序号", "1", "9999"), True),
        Member("entered_at", "录入完成时间", stamp("录入完成时间"), True),
        Member("form", "补正的表单内容", as_it_is),
        Member("applicant", "补正的申请人信息", as_it_is),
        Member("materials", "补正的材料", rows("补正的材料", MATERIAL.judge, most=30)),
        Member("identity_checks", "身份核验", _CHECKS),
        Member("signature", "签名", SIGNATURE.judge),
    ]
)
_WITHDRAWAL = Block(
    [
        *_COMMON,
        Member("why", "撤回原因", words("撤回原因", "wish", "wrong_item", "duplicate", "other"), True),
        Member("text", "撤回说明", string("撤回说明", max_len=200)),
        Member("identity_checks", "身份核验", _CHECKS, True),
        Member("signature", "签名", SIGNATURE.judge, True),
    ]
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What an act is judged against: the present content of the case, its item version, the caller, the moment."""

    catalogue: Catalogue
    item: Item
    filed: Mapping[str, Any]  # the submission with everything that was supplemented since
    bank: str
    client_outlets: tuple[str, ...]
    received_at: datetime
    judge_file: JudgeFile = nothing_arrived


@dataclass(frozen=True, slots=True)
class CheckedSupplement:
    """What a supplement brings once read. Only with no ``problems`` are the other members complete.

    ``form`` holds typed values of the changed fields only, ``applicant`` names the changed members of ``person``, the
    applicant as it then is, typed; ``materials`` the rows as given; ``whole`` is the content with the supplement in it.
    """

    problems: tuple[Problem, ...] = ()
    form: Mapping[str, Any] = field(default_factory=dict)
    applicant: tuple[str, ...] = ()
    person: Mapping[str, Any] = field(default_factory=dict)
    materials: tuple[Mapping[str, Any], ...] = ()
    whole: Mapping[str, Any] = field(default_factory=dict)

    @property
    def material_ids(self) -> tuple[str, ...]:
        """The papers it brings."""
        return tuple(row["id"] for row in self.materials)


def paths_of(business: Mapping[str, Any]) -> dict[str, str]:
    """What a supplement changes, by canonical path (``form.x``, ``materials.M3``, ``applicant.phone``), and where it
    stands in the message (``materials[0]``). What cannot be read is left out: the check tells it."""
    found: dict[str, str] = {}
    for part in ("form", "applicant"):
        given = business.get(part)
        if isinstance(given, Mapping):
            found |= {f"{part}.{name}": f"{part}.{name}" for name in given}
    listed = business.get("materials")
    for index, row in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(row, Mapping) and isinstance(row.get("id"), str):
            found[f"materials.{row['id']}"] = f"materials[{index}]"
    return found


def laid_over(filed: Mapping[str, Any], business: Mapping[str, Any]) -> dict[str, Any]:
    """The case's content after a supplement: fields replaced, papers replaced or added, their promises gone."""
    after = dict(filed)
    for part in ("form", "applicant"):
        if business.get(part):
            after[part] = {**after.get(part, {}), **business[part]}
    brought = {row["id"]: row for row in business.get("materials") or ()}
    if brought:
        kept = [brought.pop(row["id"], row) for row in after.get("materials", [])]
        after["materials"] = [*kept, *brought.values()]
    promised = {row["id"] for row in after.get("materials", []) if row.get("how") == "promised"}
    if "promise" in after:
        left = [one for one in after["promise"]["materials"] if one["id"] in promised]
        if left:
            after["promise"] = {**after["promise"], "materials": left}
        else:
            del after["promise"]
    return after


def check_supplement(ground: Ground, business: Mapping[str, Any]) -> CheckedSupplement:
    """Judge one supplement; never raises on what it holds."""
    problems = _of_the_act(ground, business, _SUPPLEMENT, scope="supplement")
    for part in ("form", "applicant"):
        if not isinstance(business.get(part, {}), Mapping):
            problems.append(Problem(part, FieldCode.WRONG_TYPE, "应为对象"))
    listed = business.get("materials") or []
    problems += _papers(listed)
    places = paths_of(business)
    if not places and not problems:
        problems.append(Problem("form", FieldCode.MISSING, "请填写补正内容"))
    if problems:
        return CheckedSupplement(tuple(problems))
    after = laid_over(ground.filed, business)
    judged = partial(
        check_submission,
        ground.catalogue,
        ground.item,
        bank=ground.bank,
        client_outlets=(),
        received_at=ground.received_at,
        judge_file=ground.judge_file,
    )
    before, now = judged(ground.filed), judged(after)
    known = {(p.path, p.code) for p in before.problems}
    moved = {
        f"materials[{index}]": places[f"materials.{row['id']}"]
        for index, row in enumerate(after.get("materials", []))
        if f"materials.{row['id']}" in places
    }
    for problem in now.problems:
        if problem.path.partition(".")[0].partition("[")[0] not in _MAY_CHANGE:
            continue  # a promise or an authorisation that ended meanwhile is not what this message says
        path = _as_sent(problem.path, moved)
        if path is not None or problem.path in places or _below(problem.path, places):
            problems.append(Problem(path or problem.path, problem.code, problem.message))
        elif (problem.path, problem.code) not in known:
            problems.append(problem)
    given = business.get("form") or {}
    return CheckedSupplement(
        tuple(problems),
        form={name: now.form[name] for name in given if name in now.form},
        applicant=tuple(name for name in business.get("applicant") or {} if name in now.applicant),
        person=now.applicant,
        materials=tuple(listed),
        whole=after,
    )


def check_withdrawal(ground: Ground, business: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Everything wrong with one request to withdraw."""
    return tuple(_of_the_act(ground, business, _WITHDRAWAL, scope="withdraw"))


def _of_the_act(ground: Ground, business: Mapping[str, Any], block: Block, *, scope: str) -> list[Problem]:
    """Members, outlet and people of an act: an agent needs an authorisation that holds for it today."""
    notes = Notes(beijing_day(ground.received_at), ground.received_at + CLOCK_SLACK)
    read, _ = block.run(business, notes)
    _outlet(ground, read.get("outlet"), notes)
    signer = (read.get("signature") or {}).get("signer")
    present = {one.get("who") for one in read.get("identity_checks") or () if one}
    agent = ground.filed.get("agent")
    if agent is None:
        if signer in {"agent", "guardian"}:
            notes.say(FieldCode.SIGNATURE_MISMATCH, "该办件没有代办人", "signature.signer")
        if "agent" in present:
            notes.say(FieldCode.NOT_IN_LIST, "该办件没有代办人", "identity_checks")
    elif signer == "agent" or "agent" in present:
        _authorised(agent.get("authorisation"), scope, notes)
    if signer in {"agent", "guardian"} and present and not present & {"agent", None}:
        notes.say(FieldCode.IDENTITY_CHECK_MISSING, "缺少签名人的身份核验", "identity_checks")
    if signer == "applicant" and present == {"agent"}:
        notes.say(FieldCode.IDENTITY_CHECK_MISSING, "缺少签名人的身份核验", "identity_checks")
    return list(notes.settled())


def _outlet(ground: Ground, code: str | None, notes: Notes) -> None:
    """Any outlet of the bank will do, also one that could not have filed the item."""
    if code is None:
        return
    outlet = ground.catalogue.outlets.get(code)
    if outlet is None:
        notes.say(FieldCode.OUTLET_UNKNOWN, "没有这个网点", "outlet")
    elif outlet.bank != ground.bank:
        notes.say(FieldCode.OUTLET_NOT_YOURS, "该网点不属于本行", "outlet")
    elif ground.client_outlets and code not in ground.client_outlets:
        notes.say(FieldCode.OUTLET_NOT_YOURS, "该网点不属于本客户端", "outlet")


def _authorised(paper: Mapping[str, Any] | None, scope: str, notes: Notes) -> None:
    if paper is None:  # a guardian of a minor needs none
        return
    if scope not in paper.get("scope", ()):
        notes.say(FieldCode.AUTHORISATION_SCOPE, "授权范围不含此项办理", "signature.signer")
    if str(paper.get("until", "")) < notes.today.isoformat():
        notes.say(FieldCode.AUTHORISATION_EXPIRED, "授权委托书已过有效期", "signature.signer")


def _papers(listed: Any) -> list[Problem]:
    problems, seen = [], set()
    for index, row in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(row, Mapping):
            continue
        if row.get("how") == "promised":
            problems.append(Problem(f"materials[{index}].how", FieldCode.NOT_IN_LIST, "补交的材料不得再次承诺"))
        if isinstance(row.get("id"), str) and row["id"] in seen:
            problems.append(Problem(f"materials[{index}].id", FieldCode.DUPLICATE_ROW, "同一材料只能列一次"))
        seen.add(str(row.get("id")))
    return problems


def _as_sent(path: str, moved: Mapping[str, str]) -> str | None:
    """The path in the supplement's own list of papers, or none when it speaks of another paper."""
    head, bracket, rest = path.partition("]")
    place = moved.get(head + bracket) if bracket else None
    return None if place is None else place + rest


def _below(path: str, places: Mapping[str, str]) -> bool:
    return any(path.startswith((f"{place}.", f"{place}[")) for place in places)
