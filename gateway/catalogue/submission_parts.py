"""The blocks of a submission: which members each has, their limits and forms (operations.md 2.4).

Must not judge conditions between members: ``submission_people`` and ``submission_papers`` do. Labels are what a
teller reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.catalogue.forms import checks, tables
from gateway.catalogue.item import Catalogue
from gateway.catalogue.kinds import numbers
from gateway.catalogue.kinds.block import Block, Member, rows
from gateway.catalogue.kinds.fields import address, block_of
from gateway.catalogue.kinds.notes import Judge, Notes
from gateway.catalogue.kinds.values import choice, day, flag, pattern, string, whole, words
from gateway.catalogue.rule_facts import Scope
from gateway.catalogue.rules import Check
from gateway.catalogue.submission_members import as_it_is, certificate_no, digest, ext, slip_no, stamp
from gateway.domain.reasons import FieldCode

MAX_FILE = 20 * 1024 * 1024
FILE_TYPES = ("application/pdf", "image/jpeg", "image/png")
_VERSION = re.compile(r"[0-9]{1,3}")

_FILE = Block(
    [
        Member("digest", "文件摘要", digest("文件摘要"), True),
        Member("size", "文件大小", whole("文件大小", "1", str(MAX_FILE)), True),
        Member("type", "文件类型", words("文件类型", *FILE_TYPES), True),
        Member("pages", "页数", whole("页数", "1", "9999")),
        Member("taken_at", "拍摄时间", stamp("拍摄时间")),
        Member("device", "设备编号", string("设备编号", max_len=40)),
    ]
)
_FORM_BLOB = Block(
    [
        Member("digest", "表单文件摘要", digest("表单文件摘要"), True),
        Member("size", "表单文件大小", whole("表单文件大小", "1", str(1024 * 1024)), True),
    ]
)
TELLER = Block(
    [
        Member("no", "柜员号", string("柜员号", max_len=20), True),
        Member("device", "柜员设备", string("柜员设备", max_len=40), True),
        Member("certificate", "柜员证书", string("柜员证书", max_len=64)),
        Member("second_factor_at", "二次认证时间", stamp("二次认证时间")),
    ]
)
_TICKET = Block(
    [
        Member("no", "排队号", string("排队号", max_len=20), True),
        Member("taken_at", "取号时间", stamp("取号时间"), True),
        Member("called_at", "叫号时间", stamp("叫号时间"), True),
        Member("window", "窗口号", string("窗口号", max_len=20), True),
    ]
)
_FACE = Block(
    [
        Member("result", "人脸核身结果", words("人脸核身结果", "pass", "fail", "skipped"), True),
        Member("score_band", "比对分档", words("比对分档", "high", "medium", "low")),
        Member("threshold", "阈值版本", string("阈值版本", max_len=20)),
        Member("vendor_tx", "核身流水号", string("核身流水号", max_len=64)),
        Member("liveness", "活体检测", words("活体检测", "pass", "fail")),
        Member("at", "核身时间", stamp("核身时间"), True),
        Member("skip_reason", "免核身原因", words("免核身原因", "age", "disability", "guardian", "device", "other")),
        Member("allowed_by", "免核身批准人", string("免核身批准人", max_len=20)),
    ]
)
IDENTITY_CHECK = Block(
    [
        Member("who", "核验对象", words("核验对象", "applicant", "agent", "legal_rep"), True),
        Member("read_method", "读证方式", words("读证方式", "chip", "manual", "e_certificate"), True),
        Member("reader", "读卡器编号", string("读卡器编号", max_len=40)),
        Member("read_at", "读证时间", stamp("读证时间"), True),
        Member("face", "人脸核身", _FACE.judge),
    ]
)
_CONSENT = Block(
    [
        Member("kind", "同意种类", words("同意种类", "privacy_notice", "sensitive", "guardian", "truth"), True),
        Member("version", "告知书版本", string("告知书版本", max_len=20), True),
        Member("tags", "敏感信息种类", rows("敏感信息种类", string("敏感信息种类", max_len=40), most=20)),
        Member("by", "同意人", words("同意人", "applicant", "agent", "guardian"), True),
        Member("at", "同意时间", stamp("同意时间"), True),
    ]
)
SIGNATURE = Block(
    [
        Member("ref", "签名编号", string("签名编号", max_len=60), True),
        Member("signer", "签名人", words("签名人", "applicant", "agent", "guardian"), True),
        Member("text_digest", "签署文本摘要", digest("签署文本摘要"), True),
        Member("signed_at", "签署时间", stamp("签署时间"), True),
        Member("device", "签名设备", string("签名设备", max_len=40), True),
        Member("image", "签名影像", _FILE.judge),
    ]
)
_CERTIFICATE = Block(
    [
        Member("no", "电子证照标识", certificate_no, True),
        Member("version", "电子证照版本", pattern("电子证照版本", _VERSION), True),
        Member("fetched_at", "电子证照调取时间", stamp("电子证照调取时间"), True),
    ]
)
MATERIAL = Block(
    [
        Member("id", "材料编号", string("材料编号", max_len=20), True),
        Member(
            "how", "材料提交方式", words("材料提交方式", "paper", "scan", "upload", "e_certificate", "promised"), True
        ),
        Member("original_seen", "是否核对原件", flag("是否核对原件")),
        Member("pages", "页数", whole("页数", "1", "9999")),
        Member("files", "文件", rows("文件", _FILE.judge, least=1, most=20)),
        Member("certificate", "电子证照", _CERTIFICATE.judge),
        Member("copy_stamped", "复印件是否盖章", flag("复印件是否盖章")),
    ]
)
_PROMISE = Block(
    [
        Member("text_version", "承诺书版本", string("承诺书版本", max_len=20), True),
        Member(
            "materials",
            "容缺材料",
            rows(
                "容缺材料",
                Block(
                    [
                        Member("id", "材料编号", string("材料编号", max_len=20), True),
                        Member("until", "补交期限", day("补交期限"), True),
                    ]
                ).judge,
                least=1,
                most=30,
            ),
            True,
        ),
        Member("signature_ref", "承诺签名编号", string("承诺签名编号", max_len=60), True),
        Member("courier", "是否上门取件", flag("是否上门取件"), True),
    ]
)
_PROVISIONAL = Block(
    [
        Member("no", "临时凭证号", slip_no, True),
        Member("printed_at", "临时凭证打印时间", stamp("临时凭证打印时间"), True),
    ]
)
_AUTHORISATION = Block(
    [
        Member("no", "授权委托书编号", string("授权委托书编号", max_len=60), True),
        Member(
            "scope",
            "授权范围",
            rows("授权范围", words("授权范围", "submit", "supplement", "withdraw", "collect"), least=1, most=4),
            True,
        ),
        Member("signed_on", "授权签署日期", day("授权签署日期"), True),
        Member("until", "授权有效期至", day("授权有效期至"), True),
        Member("file", "授权委托书", _FILE.judge, True),
    ]
)
_RELATIONS = ("spouse", "parent", "child", "guardian", "relative", "staff", "other")


@dataclass(frozen=True, slots=True)
class Parts:
    """The blocks that depend on the catalogue, built once for it; ``whole`` is the business part itself."""

    catalogue: Catalogue
    whole: Block
    applicant_rules: Mapping[str, tuple[Check, ...]]


def build_parts(catalogue: Catalogue) -> Parts:
    """The blocks for one catalogue."""
    applicants = {kind: _applicant(catalogue, kind) for kind in catalogue.applicant_fields}
    persons = catalogue.applicant_fields.get("person", ())
    options = next((one.options for one in persons if one.name == "doc_type"), ())
    agent = Block(
        [
            Member("name", "代办人姓名", string("代办人姓名", min_len=2, max_len=50), True),
            Member("doc_type", "代办人证件类型", choice("代办人证件类型", options), True),
            Member(
                "doc_no",
                "代办人证件号码",
                numbers.doc_no("代办人证件号码", catalogue.doc_types, type_field="doc_type"),
                True,
            ),
            Member("phone", "代办人电话", numbers.phone("代办人电话"), True),
            Member("relation", "与申请人关系", words("与申请人关系", *_RELATIONS), True),
            Member("authorisation", "授权委托书", _AUTHORISATION.judge),
        ]
    )
    recipient = Block(
        [
            Member("name", "收件人", string("收件人"), True),
            Member("phone", "收件人电话", numbers.phone("收件人电话"), True),
            Member("address", "收件地址", address("收件地址", catalogue.streets), True),
        ]
    )
    delivery = Block(
        [
            Member("mode", "领取方式", words("领取方式", *(mode.value for mode in catalogue.delivery_modes)), True),
            Member("outlet", "领取网点", string("领取网点", max_len=40)),
            Member("cabinet", "文件柜编号", string("文件柜编号", max_len=100)),
            Member("recipient", "收件信息", recipient.judge),
        ]
    )
    members = [
        *(Member(name, name, as_it_is) for name in ("op", "v", "bank_ref", "item", "item_version", "form")),
        Member("outlet", "受理网点", string("受理网点", max_len=40), True),
        Member("teller", "柜员", TELLER.judge, True),
        Member("teller_journal", "柜员流水号", string("柜员流水号", max_len=40), True),
        Member("business_date", "银行营业日期", day("银行营业日期"), True),
        Member("channel", "办理渠道", words("办理渠道", "counter", "zone", "terminal", "workbench"), True),
        Member("ticket", "排队信息", _TICKET.judge),
        Member("started_at", "开始录入时间", stamp("开始录入时间"), True),
        Member("entered_at", "录入完成时间", stamp("录入完成时间"), True),
        Member("applicant", "申请人", _by_kind(applicants), True),
        Member("agent", "代办人", agent.judge),
        Member("identity_checks", "身份核验", rows("身份核验", IDENTITY_CHECK.judge, least=1, most=4), True),
        Member("consents", "同意书", rows("同意书", _CONSENT.judge, most=6), True),
        Member("signature", "签名", SIGNATURE.judge, True),
        Member("materials", "材料", rows("材料", MATERIAL.judge, most=30), True),
        Member("promise", "容缺承诺", _PROMISE.judge),
        Member("delivery", "领取方式", delivery.judge, True),
        Member("form_blob", "表单文件", _FORM_BLOB.judge),
        Member("provisional", "临时凭证", _PROVISIONAL.judge),
        Member("confirm_second", "再次提交确认", flag("再次提交确认")),
        Member("ext", "备注", ext),
    ]
    rules = {
        kind: checks(catalogue.applicant_rules.get(kind, ()), Scope({one.name: one for one in fields}))
        for kind, fields in catalogue.applicant_fields.items()
    }
    return Parts(catalogue, Block(members), rules)


def _applicant(catalogue: Catalogue, kind: str) -> Block:
    # operations.md 2.4 leaves the representative's document type open; without it any known form will do.
    fields = [
        replace(one, required=False) if one.name == "legal_rep_doc_type" else one
        for one in catalogue.applicant_fields[kind]
    ]
    own = Member("kind", "申请人类别", as_it_is)
    return block_of(fields, tables(catalogue), extra=[own], lone=("legal_rep_doc_type",))


def _by_kind(blocks: Mapping[str, Block]) -> Judge:
    """The applicant, by ``kind``; of an unknown kind nothing else can be said."""

    def judge(value: object, notes: Notes, siblings: Mapping[str, Any]) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            notes.say(FieldCode.WRONG_TYPE, "应为对象")
            return None
        kind = value.get("kind")
        if kind in (None, ""):
            notes.say(FieldCode.MISSING, "请填写申请人类别", "kind")
            return None
        block = blocks.get(kind) if type(kind) is str else None
        if block is None:
            notes.say(FieldCode.NOT_IN_LIST, "申请人类别应为person或organisation", "kind")
            return None
        return block.judge(value, notes, siblings)

    return judge
