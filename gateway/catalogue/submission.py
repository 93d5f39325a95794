"""The whole content of a ``submit`` business part, judged against its item: all problems at once (operations.md 2.4).

Must not find the case, the client or the item, nor look at ``op``, ``v`` and ``bank_ref``: the desk does. Nothing here
remembers; whether a file has arrived as it is named is asked of a callable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.catalogue.forms import form_of, judge
from gateway.catalogue.item import Catalogue, Item, Outlet
from gateway.catalogue.kinds.notes import Finding, Notes
from gateway.catalogue.kinds.values import offered_from
from gateway.catalogue.rule_facts import Facts
from gateway.catalogue.submission_members import read_stamp_or_none
from gateway.catalogue.submission_papers import JudgeFile, Promised, check_files, check_papers
from gateway.catalogue.submission_parts import Parts, build_parts
from gateway.catalogue.submission_people import Filing, check_people
from gateway.domain.clock import beijing_day
from gateway.domain.errors import Problem
from gateway.domain.reasons import FieldCode
from gateway.domain.requests import AnswerWarning
from gateway.wire.strict_json import NotJson, parse

CLOCK_SLACK = timedelta(minutes=5)
PROVISIONAL_MAX_AGE = timedelta(hours=72)
FORM_DEPTH = 15  # the whole business part may have 16 levels, and the form stands on the second
_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CheckedSubmission:
    """What a submission says once read. Only with no ``problems`` are the other members complete.

    ``doc_type`` and ``doc_no`` name the applicant for the search hash: the normalised document number of a person,
    ("uscc", code) of an organisation, ("org_name", name) where it has no code. ``intake_at`` starts the intake clock.
    ``blobs`` are the digests of all files named, each once.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[AnswerWarning, ...] = ()
    applicant: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] = field(default_factory=dict)
    promised: tuple[Promised, ...] = ()
    delivery: Mapping[str, Any] = field(default_factory=dict)
    doc_type: str = ""
    doc_no: str = ""
    intake_at: datetime = _NO_TIME
    provisional_no: str = ""
    blobs: tuple[str, ...] = ()


def nothing_arrived(_digest: str, _size: int | None, _type: str | None) -> FieldCode | None:
    """The default of ``judge_file``: no upload has been taken."""
    return FieldCode.BLOB_MISSING


def no_form_arrived(_digest: str) -> bytes | None:
    """The default of ``read_form``: no form file has been taken."""
    return None


def check_submission(
    catalogue: Catalogue,
    item: Item,
    business: Mapping[str, Any],
    *,
    bank: str,
    client_outlets: tuple[str, ...],
    received_at: datetime,
    promise_limit: date | None = None,
    judge_file: JudgeFile = nothing_arrived,
    read_form: Callable[[str], bytes | None] = no_form_arrived,
) -> CheckedSubmission:
    """Judge one business part; never raises on what it holds.

    ``client_outlets``: codes this client may file for, empty = all of its bank. ``promise_limit``: the last day a
    promised paper may come, none = not limited here. ``received_at`` is aware. ``read_form`` gives the bytes of the
    form file with a digest, none when it has not arrived; what it raises comes through.
    """
    intake_at = _intake_moment(business, received_at)
    notes = Notes(beijing_day(intake_at), received_at + CLOCK_SLACK)
    parts = parts_of(catalogue)
    read, wrong = parts.whole.run(business, notes)
    filing = Filing(catalogue, item, read, frozenset(wrong), notes, notes.today, received_at, bank)
    form, broken, materials = _form(filing, business, read_form)
    check_people(filing)
    _outlet(filing, client_outlets)
    _times(filing)
    promised = check_papers(filing, business, materials, promise_limit)
    blobs = check_files(filing, judge_file)
    _delivery(filing)
    if not item.open_on(filing.day):
        notes.say(FieldCode.ITEM_WINDOW_CLOSED, item.window_message or "当前不在受理期", "item")
    applicant = filing.part("applicant")
    notes.problems.extend(_applicant_rules(parts, filing, applicant))
    notes.problems.extend(broken)
    doc_type, doc_no = _search_key(applicant)
    return CheckedSubmission(
        problems=notes.settled() if notes.problems else (),
        warnings=tuple(filing.warnings),
        applicant=applicant,
        form=form,
        promised=promised,
        delivery=filing.part("delivery"),
        doc_type=doc_type,
        doc_no=doc_no,
        intake_at=intake_at,
        provisional_no=filing.part("provisional").get("no", ""),
        blobs=blobs,
    )


_kept: list[Parts] = []  # the blocks of the catalogue in use; a reloaded one takes its place


def parts_of(catalogue: Catalogue) -> Parts:
    """The kept blocks of a catalogue; built anew when another catalogue asks."""
    for parts in _kept:
        if parts.catalogue is catalogue:
            return parts
    parts = build_parts(catalogue)
    _kept[:] = [parts]
    return parts


def _intake_moment(business: Mapping[str, Any], received_at: datetime) -> datetime:
    """The slip's printing time where there is a believable one: the customer stood there on that day."""
    slip = business.get("provisional")
    printed = read_stamp_or_none(slip.get("printed_at")) if isinstance(slip, Mapping) else None
    if printed is not None and received_at - PROVISIONAL_MAX_AGE <= printed <= received_at:
        return printed
    return received_at


def _form(
    filing: Filing, business: Mapping[str, Any], read_form: Callable[[str], bytes | None]
) -> tuple[dict[str, Any], list[Finding], tuple[str, ...]]:
    say, blob = filing.notes.say, filing.given("form_blob")
    form = business.get("form")
    if form in (None, ""):
        if not blob:
            say(FieldCode.MISSING, "请填写申请表单", "form")
            return {}, [], ()
        form = _form_of_file(filing, read_form)
        if form is None:
            return {}, [], ()
    elif blob:
        say(FieldCode.UNKNOWN_MEMBER, "form与form_blob只能填一项", "form_blob")
    return form_of(filing.catalogue, filing.item).run(form, filing.notes, filing.bank)


def _form_of_file(filing: Filing, read_form: Callable[[str], bytes | None]) -> object | None:
    """The form an uploaded file holds, as strict JSON; none when there is no such file or it holds none."""
    say, named = filing.notes.say, filing.part("form_blob")
    raw = read_form(named["digest"]) if "digest" in named else None
    if raw is None:
        say(FieldCode.BLOB_MISSING, "表单文件尚未上传", "form_blob")
        return None
    if named.get("size") not in (None, len(raw)):
        say(FieldCode.BLOB_MISMATCH, "表单文件大小与申报不一致", "form_blob.size")
    try:
        form: object = parse(raw, max_depth=FORM_DEPTH)
    except NotJson:
        say(FieldCode.BAD_FORMAT, "表单文件不是符合规范的JSON", "form_blob")
        return None
    return form


def _outlet(filing: Filing, client_outlets: tuple[str, ...]) -> None:
    code, say = filing.read.get("outlet"), filing.notes.say
    if code is None:
        return
    outlet = _find_outlet(filing, code, "outlet")
    if outlet is None:
        return
    if client_outlets and code not in client_outlets:
        say(FieldCode.OUTLET_NOT_YOURS, "该网点不属于本客户端", "outlet")
        return
    service, listed = filing.catalogue.entitlement.get("items", ""), filing.item.outlets
    if (service and service not in outlet.services) or (listed is not None and code not in listed):
        say(FieldCode.OUTLET_NOT_ENTITLED, "该网点不能受理此事项", "outlet")


def _find_outlet(filing: Filing, code: str, at: str) -> Outlet | None:
    """The outlet, when it exists and belongs to the submitting bank."""
    outlet = filing.catalogue.outlets.get(code)
    if outlet is None:
        filing.notes.say(FieldCode.OUTLET_UNKNOWN, "没有这个网点", at)
        return None
    if outlet.bank != filing.bank:
        filing.notes.say(FieldCode.OUTLET_NOT_YOURS, "该网点不属于本行", at)
        return None
    return outlet


def _times(filing: Filing) -> None:
    started, entered = filing.read.get("started_at"), filing.read.get("entered_at")
    if started is not None and entered is not None and started > entered:
        filing.notes.say(FieldCode.OUT_OF_RANGE, "录入完成时间早于开始时间", "entered_at")
    printed = filing.part("provisional").get("printed_at")
    if printed is not None and printed < filing.received_at - PROVISIONAL_MAX_AGE:
        message = "临时凭证已超过72小时，请重新受理"
        filing.notes.say(FieldCode.PROVISIONAL_TOO_OLD, message, "provisional.printed_at")


def _delivery(filing: Filing) -> None:
    say, delivery = filing.notes.say, filing.part("delivery")
    mode = delivery.get("mode")
    offered = {
        one.value
        for one in filing.catalogue.delivery_modes
        if (first := offered_from(one.available_from)) is None or first <= filing.day
    }
    if mode is not None and mode not in offered:
        say(FieldCode.DELIVERY_NOT_OFFERED, "该领取方式尚未开放", "delivery.mode")
        return
    if "cabinet" in delivery and "cabinet" not in offered:
        say(FieldCode.DELIVERY_NOT_OFFERED, "智能文件柜尚未开放", "delivery.cabinet")
    needed = {"outlet": ("outlet", "领取网点"), "cabinet": ("cabinet", "文件柜编号"), "ems": ("recipient", "收件信息")}
    if mode in needed and needed[mode][0] not in delivery:
        name, label = needed[mode]
        if all(not at.startswith(f"delivery.{name}") for at, _, _ in filing.notes.problems):
            say(FieldCode.MISSING, f"请填写{label}", f"delivery.{name}")
    if "outlet" in delivery:
        _find_outlet(filing, delivery["outlet"], "delivery.outlet")


def _applicant_rules(parts: Parts, filing: Filing, applicant: Mapping[str, Any]) -> list[Finding]:
    rules = parts.applicant_rules.get(applicant.get("kind", ""), ())
    if not rules:
        return []
    wrong = {at.split(".")[1].split("[")[0] for at, _, _ in filing.notes.problems if at.startswith("applicant.")}
    return judge(rules, Facts(applicant, filing.day, frozenset(wrong), filing.bank))[0]


def _search_key(applicant: Mapping[str, Any]) -> tuple[str, str]:
    if applicant.get("kind") == "organisation":
        code = applicant.get("uscc")
        return ("uscc", code) if code else ("org_name", applicant.get("org_name", ""))
    return applicant.get("doc_type", ""), applicant.get("doc_no", "")
