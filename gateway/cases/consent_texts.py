"""What a customer agrees to at the counter: texts with their versions, shown by ``item`` (operations.md 2.5).

Sample texts of this project, to be replaced by approved ones before real use; a changed text is a new version. Must not
judge a submission: which consents it needs is the catalogue's word.
"""

from __future__ import annotations

from gateway.catalogue.item import Catalogue, Item

PROMISE = (
    "PR-2026-1",
    "本人（本单位）承诺在约定期限内补交所列材料，并保证其真实、有效；逾期未补交的，由办理部门依法处理。",
)
_PRIVACY = (
    "PN-2026-1",
    "为办理本事项，受理银行与办理部门将处理您填报的个人信息，仅用于本事项的受理、审查、送达和依法存档。",
)
_SENSITIVE = ("SC-2026-1", "本事项需要处理您的敏感个人信息（{tags}），仅用于本事项的办理。您单独同意后方可继续。")
_GUARDIAN = ("GC-2026-1", "申请人不满十四周岁，其个人信息的处理须由监护人同意。")
_TRUTH = ("TR-2026-1", "本人（本单位）承诺所填内容和所交材料真实、完整、有效，并承担不实承诺的法律责任。")


def consents_of(catalogue: Catalogue, item: Item) -> list[dict[str, str]]:
    """The consents of one item as ``{kind, version, text}``, in the order they are asked."""
    found = [("privacy_notice", _PRIVACY)]
    if item.sensitive:
        names = "、".join(catalogue.sensitive_tags.get(tag, tag) for tag in item.sensitive)
        found.append(("sensitive", (_SENSITIVE[0], _SENSITIVE[1].replace("{tags}", names))))
    if "person" in item.subjects:
        found.append(("guardian", _GUARDIAN))
    found.append(("truth", _TRUTH))
    return [{"kind": kind, "version": version, "text": text} for kind, (version, text) in found]
