"""The papers of a submission: materials, promises and the files they name (operations.md 2.4).

Must not read files: whether one has arrived is asked of a callable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.catalogue.item import Material
from gateway.catalogue.submission_people import Filing
from gateway.domain.reasons import FieldCode

MAX_FILES = 60
MAX_BYTES = 200 * 1024 * 1024

_SEEN = ("original_seen", "是否核对原件")
_FILES = ("files", "文件")
_NEEDS: dict[str, tuple[tuple[str, str], ...]] = {
    "paper": (("pages", "页数"), _SEEN),
    "scan": (_FILES, _SEEN),
    "upload": (_FILES, _SEEN),
    "e_certificate": (("certificate", "电子证照"), _SEEN),
    "promised": (),
}
_MAY: dict[str, frozenset[str]] = {
    how: frozenset(name for name, _ in needs) | ({"copy_stamped"} if needs else set()) for how, needs in _NEEDS.items()
}
_CONDITIONAL = ("pages", "original_seen", "files", "certificate", "copy_stamped")
_FILE_WRONG = {
    FieldCode.BLOB_MISSING: "文件尚未上传",
    FieldCode.BLOB_MISMATCH: "文件大小或类型与已上传的文件不一致",
}
JudgeFile = Callable[[str, int | None, str | None], FieldCode | None]
"""Digest, size in bytes and media type as named (none = not readable) → what is wrong with naming it so, or none."""


@dataclass(frozen=True, slots=True)
class Promised:
    """One paper still to come, and the day it is promised for."""

    id: str
    until: date


def check_papers(
    filing: Filing, raw: Mapping[str, Any], required: Sequence[str], promise_limit: date | None
) -> tuple[Promised, ...]:
    """Materials against the item and the promise. ``required`` are the ids that rules make required ones.

    ``raw`` is the business part as received: a member that could not be read is given all the same.
    """
    promised, complete = _materials(filing, raw, required)
    return _promise(filing, promised, promise_limit, complete=complete)


def _materials(filing: Filing, raw: Mapping[str, Any], required: Sequence[str]) -> tuple[list[str], bool]:
    """The ids promised for later, and whether every material could be read far enough to say so."""
    say = filing.notes.say
    listed = filing.read.get("materials")
    if listed is None:
        return [], False
    asked = {one.id: one for one in filing.item.materials if not one.produced_by}
    seen: set[str] = set()
    unread = untold = False
    promised = []
    for index, one in enumerate(listed):
        at = f"materials[{index}]"
        if one is None or "id" not in one:
            unread = True  # it may be any of them: nothing is called missing because of it
            continue
        material = asked.get(one["id"])
        if material is None:
            say(FieldCode.NOT_IN_LIST, "该事项没有这项材料", f"{at}.id")
            continue
        if material.id in seen:
            say(FieldCode.DUPLICATE_ROW, "同一材料只能列一次", f"{at}.id")
        seen.add(material.id)
        how = one.get("how")
        if how is None:
            untold = True
            continue
        _members(filing, raw["materials"][index], how, at)
        if how == "e_certificate" and not material.e_cert:
            say(FieldCode.NOT_IN_LIST, "该材料不能以电子证照代替", f"{at}.how")
        if how == "promised":
            promised.append(material.id)
            _deferrable(filing, material, at)
    if not unread:
        for material in asked.values():
            if (material.required or material.id in required) and material.id not in seen:
                message = f"缺少材料{material.id}（{material.name}）"
                say(FieldCode.MATERIAL_MISSING, message, f"materials.{material.id}")
    return promised, not (unread or untold)


def _deferrable(filing: Filing, material: Material, at: str) -> None:
    if not (material.deferrable and filing.item.tolerance_allowed):
        filing.notes.say(FieldCode.MATERIAL_NOT_DEFERRABLE, f"材料（{material.name}）不可容缺", at)


def _members(filing: Filing, given: Mapping[str, Any], how: str, at: str) -> None:
    """What this way of handing in needs, and what makes no sense with it."""
    for name, label in _NEEDS[how]:
        if given.get(name) in (None, ""):
            filing.notes.say(FieldCode.MISSING, f"请填写{label}", f"{at}.{name}")
    for name in _CONDITIONAL:
        if name not in _MAY[how] and given.get(name) not in (None, ""):
            filing.notes.say(FieldCode.UNKNOWN_MEMBER, "该提交方式没有这一项", f"{at}.{name}")


def _promise(filing: Filing, promised: list[str], limit: date | None, *, complete: bool) -> tuple[Promised, ...]:
    say = filing.notes.say
    if not filing.given("promise"):
        if promised:
            say(FieldCode.MISSING, "有容缺材料，请填写容缺承诺", "promise")
        return ()
    listed = filing.part("promise").get("materials")
    if listed is None:
        return ()
    done: list[Promised] = []
    ids = Counter(one["id"] for one in listed if one is not None and "id" in one)
    for index, one in enumerate(listed):
        if one is None or "id" not in one:
            continue
        at = f"promise.materials[{index}]"
        if complete and one["id"] not in promised:
            say(FieldCode.NOT_IN_LIST, "该材料不在容缺之列", f"{at}.id")
        elif ids[one["id"]] > 1:
            say(FieldCode.DUPLICATE_ROW, "同一材料只能承诺一次", f"{at}.id")
        until = one.get("until")
        if not isinstance(until, date):
            continue
        if until < filing.day:
            say(FieldCode.OUT_OF_RANGE, "补交期限早于今天", f"{at}.until")
        elif limit is not None and until > limit:
            say(FieldCode.PROMISE_TOO_LATE, f"补交期限不得晚于{limit}", f"{at}.until")
        done.append(Promised(one["id"], until))
    if None not in listed:
        for missing in dict.fromkeys(id_ for id_ in promised if id_ not in ids):
            say(FieldCode.MISSING, f"容缺承诺未列明材料{missing}", "promise.materials")
    return tuple(done)


def check_files(filing: Filing, judge_file: JudgeFile) -> tuple[str, ...]:
    """Every file named anywhere must have arrived as it is named; the digests, each once. Limits of number and size
    over all."""
    say = filing.notes.say
    told: dict[tuple[str, int | None, str | None], FieldCode | None] = {}
    size = count = 0
    for at, one in _files(filing):
        count += 1
        size += one.get("size") or 0
        digest = one.get("digest")
        if digest is None:
            continue
        named = (digest, one.get("size"), one.get("type"))
        if named not in told:
            told[named] = judge_file(*named)
        wrong = told[named]
        if wrong is not None:
            say(wrong, _FILE_WRONG[wrong], at)
    if count > MAX_FILES:
        say(FieldCode.TOO_MANY_ROWS, f"文件合计不得超过{MAX_FILES}个", "materials")
    if size > MAX_BYTES:
        say(FieldCode.OUT_OF_RANGE, "文件合计不得超过200MB", "materials")
    return tuple(dict.fromkeys(digest for digest, _, _ in told))


def _files(filing: Filing) -> Iterable[tuple[str, Mapping[str, Any]]]:
    paper = (filing.part("agent").get("authorisation") or {}).get("file")
    if paper is not None:
        yield "agent.authorisation.file", paper
    image = filing.part("signature").get("image")
    if image is not None:
        yield "signature.image", image
    for index, material in enumerate(filing.read.get("materials") or ()):
        for place, one in enumerate((material or {}).get("files") or ()):
            if one is not None:
                yield f"materials[{index}].files[{place}]", one
