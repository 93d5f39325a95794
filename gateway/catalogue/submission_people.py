"""Who asks, who stands at the counter, who agreed and who signed: conditions between these blocks (operations.md 2.4).

Must not judge single members (``submission_parts`` did) nor papers. What could not be read is not judged again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from gateway.catalogue.item import Catalogue, Item
from gateway.catalogue.kinds.identifiers import age_on, birth_date, id_holds
from gateway.catalogue.kinds.notes import Notes
from gateway.domain.reasons import FieldCode, WarningCode
from gateway.domain.requests import AnswerWarning

ADULT = 18
CONSENTS_ALONE = 14  # below it a guardian agrees (personal information law, art. 31)
DOC_EXPIRES_SOON_DAYS = 30
AUTHORISATION_ENDS_SOON_DAYS = 7
GUARDIANS = frozenset({"guardian", "parent"})

_FACE_NEEDS = (
    ("score_band", "比对分档"),
    ("threshold", "阈值版本"),
    ("vendor_tx", "核身流水号"),
    ("liveness", "活体检测"),
)
_SKIP_NEEDS = (("skip_reason", "免核身原因"), ("allowed_by", "免核身批准人"))


@dataclass(slots=True)
class Filing:
    """One submission while it is being checked: what could be read (``read``), and the sheet to write on.

    ``day`` is the intake day in Beijing: that of the offline slip where there is one.
    """

    catalogue: Catalogue
    item: Item
    read: dict[str, Any]
    wrong: frozenset[str]
    notes: Notes
    day: date
    received_at: datetime
    bank: str
    warnings: list[AnswerWarning] = field(default_factory=list)

    def part(self, name: str) -> Mapping[str, Any]:
        """A block as far as it could be read, empty where it is missing."""
        found = self.read.get(name)
        return found if isinstance(found, Mapping) else {}

    def given(self, name: str) -> bool:
        """True when the member stands there, rightly or wrongly."""
        return name in self.read or name in self.wrong

    def warn(self, code: WarningCode, message: str, path: str) -> None:
        """Something the bank should know although it is no problem."""
        self.warnings.append(AnswerWarning(code, message, path))


def born(person: Mapping[str, Any]) -> date | None:
    """The birth date an 18-character number tells, or none (travel permits and passports tell nothing)."""
    number = person.get("doc_no")
    if isinstance(number, str) and person.get("doc_type") not in (None, "uscc") and id_holds(number):
        return birth_date(number)
    return None


def check_people(filing: Filing) -> None:
    """Applicant, agent, identity checks, consents and signature."""
    applicant = filing.part("applicant")
    birth = born(applicant) if applicant.get("kind") == "person" else None
    _applicant(filing, applicant)
    _agent(filing, birth)
    _identity(filing, applicant)
    _consents(filing, birth)
    _signature(filing)


def _applicant(filing: Filing, applicant: Mapping[str, Any]) -> None:
    say, item = filing.notes.say, filing.item
    kind = applicant.get("kind")
    if kind is not None and kind not in item.subjects:
        say(FieldCode.SUBJECT_NOT_ALLOWED, "该事项不受理此类申请人", "applicant.kind")
    routed = item.routing_level == "street" and item.routing_key == "residence_street"
    at = "applicant.residence_street"
    if kind == "person" and routed and "residence_street" not in applicant and not _said(filing, at):
        say(FieldCode.MISSING, "该事项按居住街道办理，请填写居住街道", at)
    expires = applicant.get("doc_expire")
    if isinstance(expires, date):
        left = (expires - filing.day).days
        if left < 0:
            say(FieldCode.OUT_OF_RANGE, "证件已过有效期", "applicant.doc_expire")
        elif left < DOC_EXPIRES_SOON_DAYS:
            filing.warn(WarningCode.DOC_EXPIRES_SOON, f"申请人证件将于{expires}到期", "applicant.doc_expire")


def _agent(filing: Filing, birth: date | None) -> None:
    if not filing.given("agent"):
        return
    say, agent = filing.notes.say, filing.part("agent")
    if not filing.item.agent_allowed:
        say(FieldCode.AGENT_NOT_ALLOWED, "该事项须由本人办理，不得代办", "agent")
        return
    if "agent" not in filing.read:
        return
    authorisation = agent.get("authorisation")
    if authorisation is None:
        badly = any(at.startswith("agent.authorisation") for at, _, _ in filing.notes.problems)
        if not badly and not _guards_a_minor(filing, agent, birth):
            say(FieldCode.AUTHORISATION_MISSING, "代办须提交授权委托书", "agent.authorisation")
        return
    signed_on, until, scope = (authorisation.get(name) for name in ("signed_on", "until", "scope"))
    if isinstance(signed_on, date) and signed_on > filing.day:
        say(FieldCode.DATE_IN_FUTURE, "授权签署日期晚于今天", "agent.authorisation.signed_on")
    if isinstance(until, date):
        left = (until - filing.day).days
        if left < 0:
            say(FieldCode.AUTHORISATION_EXPIRED, "授权委托书已过有效期", "agent.authorisation.until")
        elif left < AUTHORISATION_ENDS_SOON_DAYS:
            path = "agent.authorisation.until"
            filing.warn(WarningCode.AUTHORISATION_ENDS_SOON, f"授权委托书将于{until}到期", path)
    if isinstance(scope, list) and "submit" not in scope and None not in scope:
        say(FieldCode.AUTHORISATION_SCOPE, "授权范围不含提交申请", "agent.authorisation.scope")


def _guards_a_minor(filing: Filing, agent: Mapping[str, Any], birth: date | None) -> bool:
    """A guardian needs no paper. Where no number tells the age, the guardian's consent says that it is a minor."""
    if agent.get("relation") not in GUARDIANS or filing.part("applicant").get("kind") != "person":
        return False
    if birth is not None:
        return age_on(birth, filing.day) < ADULT
    return any(one.get("kind") == "guardian" for one in _blocks(filing, "consents"))


def _identity(filing: Filing, applicant: Mapping[str, Any]) -> None:
    say, agent = filing.notes.say, filing.given("agent")
    if agent:
        present = {"agent"}
    else:
        # An organisation acts through its representative, whom some clients call the applicant.
        present = {"legal_rep", "applicant"} if applicant.get("kind") == "organisation" else {"applicant"}
    if "identity_checks" not in filing.read:
        return
    found = False
    for index, check in enumerate(filing.read["identity_checks"]):
        if check is None or "who" not in check:
            found = True  # who it was could not be read: that is already a problem
            continue
        at = f"identity_checks[{index}]"
        if check["who"] == "agent" and not agent:
            say(FieldCode.NOT_IN_LIST, "没有代办人", f"{at}.who")
        if check.get("read_method") == "chip" and "reader" not in check and not _said(filing, f"{at}.reader"):
            say(FieldCode.MISSING, "芯片读证须填写读卡器编号", f"{at}.reader")
        at_counter = check["who"] in present
        found = found or at_counter
        _face(filing, check, f"{at}.face", needed=at_counter)
    if not found and not _said(filing, "identity_checks"):
        say(FieldCode.IDENTITY_CHECK_MISSING, "缺少到场人员的身份核验", "identity_checks")


def _face(filing: Filing, check: Mapping[str, Any], at: str, *, needed: bool) -> None:
    say, wanted = filing.notes.say, filing.item.face_check
    face = check.get("face")
    if face is None:
        if needed and wanted == "required" and not _said(filing, at):
            say(FieldCode.FACE_CHECK_MISSING, "该事项须做人脸核身", at)
        return
    result = face.get("result")
    if result is None:
        return
    for name, label in _SKIP_NEEDS if result == "skipped" else _FACE_NEEDS:
        if name not in face and not _said(filing, f"{at}.{name}"):
            say(FieldCode.MISSING, f"请填写{label}", f"{at}.{name}")
    if wanted == "none":
        return
    if result == "fail":
        say(FieldCode.FACE_CHECK_MISSING, "人脸核身未通过", f"{at}.result")
    elif result == "pass" and face.get("liveness") == "fail":
        say(FieldCode.FACE_CHECK_MISSING, "活体检测未通过", f"{at}.liveness")


def _consents(filing: Filing, birth: date | None) -> None:
    if "consents" not in filing.read:
        return
    say, given = filing.notes.say, _blocks(filing, "consents")
    kinds = {one.get("kind") for one in given}
    unread = None in kinds or None in filing.read["consents"]
    tags: set[str] = set()
    for index, one in enumerate(filing.read["consents"]):
        if one is None:
            continue
        if one.get("by") == "agent" and not filing.given("agent"):
            say(FieldCode.NOT_IN_LIST, "没有代办人", f"consents[{index}].by")
        if one.get("kind") == "sensitive":
            tags.update(_tags(filing, one, f"consents[{index}].tags"))
    if unread:
        return
    for kind, name in (("privacy_notice", "个人信息处理告知书"), ("truth", "材料真实承诺")):
        if kind not in kinds:
            say(FieldCode.CONSENT_MISSING, f"缺少{name}", "consents")
    missing = [tag for tag in filing.item.sensitive if tag not in tags]
    if missing:
        names = "、".join(filing.catalogue.sensitive_tags.get(tag, tag) for tag in missing)
        say(FieldCode.CONSENT_MISSING, f"缺少敏感个人信息（{names}）单独同意", "consents")
    if birth is not None and age_on(birth, filing.day) < CONSENTS_ALONE:
        agreed = any(one.get("kind") == "guardian" and one.get("by") == "guardian" for one in given)
        if not agreed:
            say(FieldCode.CONSENT_MISSING, "申请人不满十四周岁，缺少监护人同意", "consents")


def _tags(filing: Filing, consent: Mapping[str, Any], at: str) -> list[str]:
    tags = consent.get("tags")
    if not tags:
        if not _said(filing, at):
            filing.notes.say(FieldCode.MISSING, "请列出敏感信息种类", at)
        return []
    known = filing.catalogue.sensitive_tags
    for index, tag in enumerate(tags):
        if tag is not None and tag not in known:
            filing.notes.say(FieldCode.NOT_IN_LIST, "没有这种敏感信息", f"{at}[{index}]")
    return [tag for tag in tags if tag is not None]


def _signature(filing: Filing) -> None:
    signer = filing.part("signature").get("signer")
    if signer is None:
        return
    if not filing.given("agent"):
        fits = signer == "applicant"
    elif signer == "guardian":
        fits = filing.part("agent").get("relation", "guardian") in GUARDIANS
    else:
        fits = signer == "agent"
    if not fits:
        filing.notes.say(FieldCode.SIGNATURE_MISMATCH, "签名人不是到场办理的人", "signature.signer")


def _blocks(filing: Filing, name: str) -> list[Mapping[str, Any]]:
    return [one for one in filing.read.get(name) or () if one is not None]


def _said(filing: Filing, at: str) -> bool:
    """True when something at or below this path is already noted: one mistake is one problem."""
    return any(path == at or path.startswith((f"{at}.", f"{at}[")) for path, _, _ in filing.notes.problems)
