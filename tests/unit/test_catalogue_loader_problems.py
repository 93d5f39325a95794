"""Every kind of mistake in an item file is refused at its line and column, with what to write instead.

A case is an edit of one sound item; ``¦`` in the new text marks where the problem must be found. All broken files
are read in one go: that also shows that the problems of all files come at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.catalogue.loader import load, problems
from gateway.catalogue.problem import CatalogueProblem
from gateway.domain.errors import BadCatalogue

BASE = """\
code: CODE
name: 测试事项
name_en: Test item
version: '2026.1'
effective: {from: '2019-10-01'}
domain: EDU
department: FT_EDU
backend: FT_EDU
kind: benefit
subject: person
mode: promise
statutory_days: 30
promised_days: 5
tolerance: {allowed: true, deadline_days: 10}
routing: {level: district}
outlets: all
agent_allowed: true
face_check: optional
sensitive: [minor]
result: {type: notice, name: 结果通知}
basis: 测试依据
materials:
- {id: M1, name: 甲, name_en: First, required: true, deferrable: true, e_cert: false}
- {id: M2, name: 乙, name_en: Second, required: false, deferrable: false, e_cert: true}
fields:
- {name: way, label: 方式, type: enum, required: true, options: [{value: a, label: 甲}, {value: b, label: 乙}]}
- {name: level, label: 等级, type: enum, required: false, options: [{value: '1', label: 一}, {value: '2', label: 二}]}
- {name: begin, label: 起, type: date, required: true}
- {name: finish, label: 止, type: date, required: false}
- {name: month, label: 月, type: month, required: false}
- {name: heads, label: 人数, type: int, required: false, min: 1, max: 9}
- {name: total, label: 金额, type: money, required: false, min: '0.01', max: '99.99'}
- {name: remark, label: 备注, type: string, required: false, min_len: 1, max_len: 20}
- {name: agreed, label: 同意, type: bool, required: false}
- {name: where_to, label: 街道, type: street, required: true}
- {name: paper_type, label: 证件, type: enum, required: false, options: [{value: passport, label: 护照}]}
- {name: paper_no, label: 证号, type: doc_no, required: false, doc_type_field: paper_type}
- {name: account, label: 账号, type: bank_account, required: false, account_kind: card}
- {name: seals, label: 印章, type: seals, required: false}
rules:
- {rule: compare, id: R1, left: begin, op: le, right: finish, message: 止不得早于起}
examples:
- name: 样例
  applicant: {kind: person, name: 张样例, phone: '13800000001'}
  form: {way: a, begin: '@today', where_to: '440304004'}
"""
RULE = "- {rule: compare, id: R1, left: begin, op: le, right: finish, message: 止不得早于起}"
HEAD = "code: CODE"


def rule(text: str) -> tuple[str, str]:
    """An edit that puts a rule in the place of the sound one."""
    return RULE, f"- {{{text}, id: R1, message: 提示}}"


# name of the case: (old text, new text with ¦ at the place), part of what, part of instead
CASES: dict[str, tuple[tuple[str, str], str, str]] = {
    # YAML itself
    "key twice": (
        ("kind: benefit", "kind: benefit\n¦kind: licence"),
        "kind stands here twice (first on line 9)",
        "once",
    ),
    "unquoted decimal": (("min: '0.01'", "min: ¦0.01"), "0.01 is read as a decimal", "put quotes: '0.01'"),
    "bare yes": (("agent_allowed: true", "agent_allowed: ¦yes"), "bare yes", "write true or false"),
    "bare off": (("required: true}\n- {name: finish", "required: ¦off}\n- {name: finish"), "bare off", "true or false"),
    "octal": (("min: 1, max: 9", "min: ¦01, max: 9"), "another base", "put quotes: '01'"),
    "grouped digits": (("max: 9}", "max: ¦1_000}"), "digits grouped", "put quotes"),
    "base sixty": (("remark, label: 备注", "remark, label: ¦12:30"), "another base", "put quotes: '12:30'"),
    "bare date": (("{from: '2019-10-01'}", "{from: ¦2019-10-01}"), "read as a date", "put quotes: '2019-10-01'"),
    "zero eight": (("basis: 测试依据", "basis: ¦08"), "looks like a number", "put quotes: '08'"),
    "tilde": (("statutory_days: 30", "statutory_days: ¦~"), "~ is read as null", "null"),
    "nothing": (("basis: 测试依据", "basis:¦"), "nothing is written", "write the value"),
    "anchor": (("tolerance: {", "tolerance: ¦&t {"), "anchor &t", "leave the anchor out"),
    "tag": (("basis: 测试依据", "basis: ¦!secret 测试依据"), "tag !secret", "leave the tag out"),
    "key is a number": (
        ("basis: 测试依据", "basis: 测试依据\n¦5: x"),
        "key 5 is read by YAML as no text",
        "put quotes: '5'",
    ),
    "not YAML": (("sensitive: [minor]", "sensitive: [minor\nresult2¦: x"), "not YAML", "write the block"),
    # keys and types
    "unknown key": (("basis: 测试依据", "basis: 测试依据\n¦bassis: x"), "unknown key bassis in item", "write basis"),
    "missing key": (("basis: 测试依据\n", ""), "item has no basis", "write basis: with text"),
    "empty text": (("basis: 测试依据", "basis: ¦''"), "basis of item is of the wrong type", "text that is not empty"),
    "text for number": (("promised_days: 5", "promised_days: ¦'5'"), "promised_days of item", "a whole number"),
    "number for text": (("version: '2026.1'", "version: ¦2026"), "version of item", "write text"),
    "text for list": (("sensitive: [minor]", "sensitive: ¦minor"), "sensitive of item", "a list"),
    "row is text": ((RULE, "- ¦compare"), "rule is no mapping", "write {rule:"),
    "field is text": (("fields:\n", "fields:\n- ¦way\n"), "field is no mapping", "write {key: value"),
    "unknown key of field": (("max_len: 20", "¦maxlen: 20"), "unknown key maxlen in field", "write max_len"),
    "shared outside a bundle": (("max_len: 20", "max_len: 20, ¦shared: true"), "unknown key shared", "write one of"),
    # codes
    "code and file": ((HEAD, "code: ¦FT-OTH-001"), "code FT-OTH-001 stands in the file", "or name the file FT-OTH-001"),
    "long version": (("version: '2026.1'", "version: ¦'2026.1-beta.12'"), "version 2026.1-beta.12", "up to 12"),
    "domain": (("domain: EDU", "domain: ¦EDV"), "unknown domain EDV", "write EDU"),
    "department": (("department: FT_EDU", "department: ¦FT_EDX"), "unknown department FT_EDX", "write FT_EDU"),
    "backend": (("backend: FT_EDU", "backend: ¦FT_EDX"), "unknown backend FT_EDX", "write FT_EDU"),
    "kind": (("kind: benefit", "kind: ¦benefits"), "unknown kind benefits", "write benefit"),
    "mode": (("mode: promise", "mode: ¦promised"), "unknown mode promised", "write promise"),
    "face check": (
        ("face_check: optional", "face_check: ¦maybe"),
        "unknown face_check maybe",
        "none, optional, required",
    ),
    "subject": (("subject: person", "subject: ¦persons"), "unknown subject persons", "write person"),
    "subject twice": (("subject: person", "subject: person\nalso_subject: ¦person"), "is the subject", "organisation"),
    "sensitive tag": (
        ("sensitive: [minor]", "sensitive: [minor, ¦helth]"),
        "unknown sensitive tag helth",
        "write health",
    ),
    "tag twice": (("sensitive: [minor]", "sensitive: [minor, ¦minor]"), "minor stands twice", "once"),
    "result type": (("type: notice", "type: ¦notise"), "unknown type notise", "write notice"),
    "field type": (("begin, label: 起, type: date", "begin, label: 起, type: ¦day"), "unknown type day", "write"),
    "outlet": (("outlets: all", "outlets: [ICBC-FT-01, ¦ICBC-FT-99]"), "unknown outlet ICBC-FT-99", "write ICBC-FT-0"),
    "outlets word": (("outlets: all", "outlets: ¦some"), "outlets some", "write all"),
    "no outlet": (("outlets: all", "outlets: ¦[]"), "outlets is empty", "write all"),
    "rule shape": (
        rule("rule: ¦compares, left: begin, op: le, right: finish"),
        "unknown rule compares",
        "write compare",
    ),
    # days and numbers
    "no such day": (("{from: '2019-10-01'}", "{from: ¦'2019-02-30'}"), "from 2019-02-30 is no real day", "YYYY-MM-DD"),
    "from after to": (
        ("'2019-10-01'}", "'2019-10-01', to: ¦'2019-09-30'}"),
        "effective ends on 2019-09-30",
        "2019-10-01",
    ),
    "promised days": (("mode: promise", "mode: spot"), "promised_days 5 of an item of mode spot", "write 1"),
    "no promised days": (("promised_days: 5", "promised_days: ¦0"), "promised_days 0", "write 1 or more"),
    "statutory days": (("statutory_days: 30", "statutory_days: ¦0"), "statutory_days 0", "or null"),
    "no limit": (("deadline_days: 10", "deadline_days: ¦null"), "tolerance without a limit", "1 or more"),
    "nothing deferrable": (
        ("required: true, deferrable: true", "required: true, deferrable: false"),
        "no material",
        "false",
    ),
    "window day": (
        ("outlets: all", "outlets: all\nwindows: [{from: 03-01, to: ¦04-31}]\nwindow_message: 不在受理期"),
        "to 04-31 is no day of the year",
        "MM-DD",
    ),
    "no message": (
        (
            BASE[BASE.index("outlets: all") : BASE.index("  applicant")],
            "¦windows: [{from: 03-01, to: 04-30}]\n"
            + BASE[BASE.index("outlets: all") : BASE.index("  applicant")]
            + "  day: 03-01\n",
        ),
        "windows without window_message",
        "write window_message",
    ),
    "message alone": (("outlets: all", "outlets: all\n¦window_message: 不在受理期"), "without windows", "leave"),
    "sla": (
        ("basis: 测试依据", "basis: 测试依据\nsla: {first_after: ¦0, every: 5, every_max: 9}"),
        "first_after 0",
        "seconds",
    ),
    "sla order": (
        ("basis: 测试依据", "basis: 测试依据\nsla: {first_after: 1, every: 5, every_max: ¦4}"),
        "every_max 4 is below every 5",
        "write at least 5",
    ),
    # fields and materials
    "field twice": (("{name: month", "{name: ¦begin"), "field begin stands twice (first on line 28)", "another name"),
    "field name": (("{name: remark", "{name: ¦Remark"), "field name Remark", "a-z"),
    "min above max": (("min: 1, max: 9", "min: ¦10, max: 9"), "min 10 is above max 9", "at most 9"),
    "min above max in decimals": (("min: '0.01'", "min: ¦'100.00'"), "min 100.00 is above max 99.99", "at most 99.99"),
    "three decimals": (("min: '0.01'", "min: ¦'0.001'"), "min 0.001 is no bound of type money", "2 decimals"),
    "min of a date": (
        ("type: date, required: true", "type: date, required: true, ¦min: 1"),
        "means nothing",
        "leave min out",
    ),
    "min_len above max_len": (("min_len: 1, max_len: 20", "min_len: 30, max_len: ¦20"), "max_len 20", "at least 30"),
    "enum without options": (
        (", options: [{value: passport, label: 护照}]", ""),
        "enum without options",
        "write options",
    ),
    "option twice": (("{value: b, label: 乙}", "{value: ¦a, label: 乙}"), "option a stands twice", "another value"),
    "doc_type_field missing": (
        ("doc_type_field: paper_type", "doc_type_field: ¦paper_typ"),
        "no field beside it",
        "paper_type",
    ),
    "doc_type_field no enum": (
        ("doc_type_field: paper_type", "doc_type_field: ¦remark"),
        "of type string",
        "write one of",
    ),
    "option no document": (
        ("{value: passport,", "{value: passportt,"),
        "passportt of paper_type is no document",
        "passport",
    ),
    "doc_types": (
        ("doc_type_field: paper_type", "doc_types: [¦pasport]"),
        "unknown document type pasport",
        "write passport",
    ),
    "account kind": (("account_kind: card", "account_kind: ¦cards"), "unknown account_kind cards", "write card"),
    "no account kind": ((", account_kind: card", ""), "bank_account without account_kind", "card or company"),
    "available from": (("max_len: 20", "max_len: 20, available_from: ¦soon"), "soon is no real day", "YYYY-MM-DD"),
    "material twice": (("{id: M2", "{id: ¦M1"), "material M1 stands twice", "another id"),
    "material id": (("{id: M2", "{id: ¦B2"), "material id B2", "M1, M2"),
    # routing and route
    "street without key": (
        ("backend: FT_EDU", "backend: FT_STREET"),
        "backend is FT_STREET",
        "level: street",
    ),
    "street key": (
        ("backend: FT_EDU", "backend: FT_STREET\nrouting: {level: street, key: ¦remark}"),
        "key remark is no required field of type street",
        "write one of where_to",
    ),
    "level": (("level: district", "level: ¦districts"), "unknown level districts", "write district"),
    "route field": (
        ("basis: 测试依据", "basis: 测试依据\nroute: {operation: file, fields: {a: ¦form.remarks}}"),
        "form has no field remarks",
        "write remark",
    ),
    "route applicant": (
        ("basis: 测试依据", "basis: 测试依据\nroute: {operation: file, fields: {a: ¦applicant.nam}}"),
        "applicant has no field nam",
        "write name",
    ),
    "route source": (
        ("basis: 测试依据", "basis: 测试依据\nroute: {operation: file, fields: {a: ¦remark}}"),
        "source remark",
        "write form.x",
    ),
    "route converter": (
        ("basis: 测试依据", "basis: 测试依据\nroute: {operation: file, fields: {a: ¦form.begin|yyyymdd}}"),
        "unknown converter yyyymdd",
        "write yyyymmdd",
    ),
    "route converter type": (
        ("basis: 测试依据", "basis: 测试依据\nroute: {operation: file, fields: {a: ¦form.remark|fen}}"),
        "converter fen cannot read remark",
        "of type money",
    ),
    "route constant": (
        ("basis: 测试依据", "basis: 测试依据\nroute: {operation: file, constants: {a: ¦5}}"),
        "constant a is no text",
        "put quotes",
    ),
    # rules
    "rule key missing": (rule("rule: compare, left: begin, op: le"), "rule compare has no right", "write right"),
    "rule key unknown": (
        rule("rule: differs, left: begin, right: finish, ¦plus: {days: 1}"),
        "unknown key plus",
        "write",
    ),
    "rule id twice": ((RULE, RULE + "\n" + RULE.replace("id: R1", "id: ¦R1")), "rule id R1 stands twice", "another id"),
    "rule field": (
        rule("rule: compare, left: ¦begins, op: le, right: finish"),
        "left begins is no field",
        "write begin",
    ),
    "rule type": (
        rule("rule: compare, left: begin, op: le, right: ¦heads"),
        "right heads is of type int",
        "date, month",
    ),
    "rule text": (
        rule("rule: compare, left: ¦remark, op: le, right: heads"),
        "left remark is of type string",
        "write a",
    ),
    "operator": (rule("rule: compare, left: begin, op: ¦eq, right: finish"), "unknown op eq", "ge, gt, le, lt"),
    "plus": (rule("rule: compare, left: begin, op: le, right: finish, plus: {days: ¦0}"), "days 0", "1 or more"),
    "plus unit": (
        rule("rule: compare, left: begin, op: le, right: finish, plus: {¦day: 1}"),
        "unknown key day",
        "days",
    ),
    "days on a month": (
        rule("rule: compare, left: begin, op: le, right: month, plus: {¦days: 1}"),
        "a month",
        "months",
    ),
    "differs": (rule("rule: differs, left: begin, right: ¦remark"), "always differ", "of type date"),
    "no when": (
        (RULE, "- ¦{rule: required_when, field: finish, id: R1, message: 提示}"),
        "without when",
        "required: true",
    ),
    "required anyway": (
        rule("rule: required_when, field: ¦begin, when: [{field: way, in: [a]}]"),
        "begin is required anyway",
        "required: false",
    ),
    "material": (
        rule("rule: material_required_when, material: ¦M9, when: [{field: way, in: [a]}]"),
        "material M9 is none of this item",
        "write one of M1, M2",
    ),
    "condition value": (
        rule("rule: required_when, field: finish, when: [{field: way, in: [¦c]}]"),
        "c is no value of way",
        "write one of a, b",
    ),
    "condition bool": (
        rule("rule: required_when, field: finish, when: [{field: agreed, in: [¦'true']}]"),
        "true is no value of agreed",
        "true or false",
    ),
    "condition field": (
        rule("rule: required_when, field: finish, when: [{field: ¦wayy, in: [a]}]"),
        "field wayy is no field",
        "write way",
    ),
    "unknown condition": (
        rule("rule: required_when, field: finish, when: [{field: way, ¦inn: [a]}]"),
        "unknown key inn in condition",
        "write in",
    ),
    "two conditions": (
        rule("rule: required_when, field: finish, when: [¦{field: way, in: [a], not_in: [b]}]"),
        "this says 2",
        "write one of",
    ),
    "rows without column": (
        rule("rule: required_when, field: finish, when: [{rows: ¦seals, any_in: [official]}]"),
        "rows seals is no rows.column",
        "seals.kind",
    ),
    "column value": (
        rule("rule: required_when, field: finish, when: [{rows: seals.kind, any_in: [¦oficial]}]"),
        "oficial is no value of kind",
        "write official",
    ),
    "value_in": (rule("rule: value_in, field: way, values: [a, ¦c]"), "c is no value of way", "write one of a, b"),
    "no values": (rule("rule: value_in, field: way, values: ¦[]"), "values is empty", "at least one"),
    "limit": (rule("rule: limit, field: ¦remark, min: 1"), "field remark is of type string", "of type"),
    "limit on an enum": (rule("rule: limit, field: ¦way, min: 1"), "options a, b of way are no numbers", "are numbers"),
    "limit without bounds": (
        (RULE, "- ¦{rule: limit, field: heads, id: R1, message: 提示}"),
        "neither min nor max",
        "min, max",
    ),
    "limit bounds": (rule("rule: limit, field: heads, min: ¦5, max: 4"), "min 5 is above max 4", "at most 4"),
    "where without rows": (
        rule("rule: limit, field: heads, min: 1, ¦where: [{field: way, in: [a]}]"),
        "no rows",
        "leave",
    ),
    "where column": (
        rule("rule: row_count, of: seals, min: 1, where: [{field: ¦way, in: [a]}]"),
        "field way is no field",
        "write one of kind",
    ),
    "sum of no column": (rule("rule: sum_equals, of: ¦heads, value: '1.00'"), "of heads is no rows.column", "seals"),
    "sum of text": (rule("rule: sum_equals, of: ¦seals.kind, value: '1.00'"), "is of type enum", "of type"),
    "row_count": (rule("rule: row_count, of: ¦heads, min: 1"), "of heads is no list", "write seals"),
    "row_count bound": (rule("rule: row_count, of: seals, min: ¦'1.5'"), "min 1.5", "a whole number"),
    "value of a date": (
        rule("rule: value_in, field: begin, values: [¦'2026-02-30']"),
        "no value of begin",
        "YYYY-MM-DD",
    ),
    "value of money": (rule("rule: value_in, field: total, values: [¦ten]"), "no value of total", "in quotes"),
    "unique_rows": (rule("rule: unique_rows, of: seals, by: [¦kinds]"), "kinds is no column of seals", "write kind"),
    "except": (
        rule("rule: unique_rows, of: seals, by: [kind], except: {kind: [¦contracts]}"),
        "contracts is no value of kind",
        "write contract",
    ),
    "part from": (
        rule("rule: part_equals, field: remark, from: ¦0, length: 1, equals: level"),
        "from 0",
        "count from 1",
    ),
    "part code": (
        rule("rule: part_equals, field: remark, from: 1, length: 1, equals: level, codes: {'1': ¦'11'}"),
        "code of 1 is not 1 characters",
        "write a text of 1",
    ),
    "service": (
        rule("rule: own_outlet, field: remark, service: ¦business_setup"),
        "unknown service",
        "business_setup_zone",
    ),
    "hours": (rule("rule: open_day, field: begin, outlet: remark, hours: ¦lunch"), "unknown hours lunch", "mon_fri"),
    "checked": (
        rule("rule: differs, left: begin, right: finish, ¦checked: [before_step]"),
        "checked outside a bundle",
        "leave checked out",
    ),
    # examples
    "no example": ((BASE[BASE.index("examples:") :], "examples: ¦[]\n"), "no example", "at least one"),
    "example field": (("form: {way: a,", "form: {¦ways: a,"), "form has no ways", "write way"),
    "example applicant": (
        ("{kind: person, name:", "{kind: person, ¦nam:"),
        "applicant of kind person has no nam",
        "write name",
    ),
    "example kind": (("{kind: person, name", "{kind: ¦organisation, name"), "applicant of kind organisation", "person"),
    "example number": (("form: {way: a,", "form: {way: a, heads: ¦5,"), "5 is a number", "put quotes: '5'"),
    "example word": (("begin: '@today'", "begin: ¦'@tomorrow'"), "unknown @tomorrow", "@today+Nd"),
    "example day": (
        (
            BASE[BASE.index("outlets: all") : BASE.index("  applicant")],
            "windows: [{from: 03-01, to: 04-30}]\nwindow_message: 不在受理期\n"
            + BASE[BASE.index("outlets: all") : BASE.index("  applicant")]
            + "  day: ¦05-01\n",
        ),
        "day 05-01 is in no window",
        "inside a window",
    ),
}
CODES = {name: f"FT-BAD-{number:03}" for number, name in enumerate(CASES, start=1)}


def broken(name: str) -> tuple[str, int, int]:
    """The text of a case, and line and column of its mark (0, 0 where the case has none)."""
    (old, new), _, _ = CASES[name]
    assert BASE.count(old) == 1, f"{name}: the edit must hit one place"
    if name == "street key":
        text = BASE.replace("routing: {level: district}\n", "").replace(old, new)
    else:
        text = BASE.replace(old, new)
    if "code: CODE" in text:
        text = text.replace("code: CODE", f"code: {CODES[name]}")
    before, mark, after = text.partition("¦")
    if not mark:
        return text, 0, 0
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[CatalogueProblem]]:
    """All broken files read at once: file → its problems."""
    folder = tmp_path_factory.mktemp("broken")
    for name in CASES:
        (folder / f"{CODES[name]}.yaml").write_text(broken(name)[0], encoding="utf-8")
    by_file: dict[str, list[CatalogueProblem]] = {}
    for problem in problems(extra=[folder]):
        by_file.setdefault(Path(problem.file).stem, []).append(problem)
    return by_file


def test_the_item_that_the_cases_edit_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "FT-TST-001.yaml"
    path.write_text(BASE.replace("code: CODE", "code: FT-TST-001"), encoding="utf-8")
    assert problems(extra=[path]) == []


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_found_once_at_its_place_with_what_to_write_instead(
    name: str, found: Mapping[str, list[CatalogueProblem]]
) -> None:
    _, what, instead = CASES[name]
    _, line, column = broken(name)
    seen = found.get(CODES[name], [])
    assert len(seen) == 1, [str(problem) for problem in seen]
    assert what in seen[0].what
    assert instead in seen[0].instead
    if line:
        assert (seen[0].line, seen[0].column) == (line, column)


def test_problems_come_only_from_the_broken_files(found: Mapping[str, list[CatalogueProblem]]) -> None:
    assert set(found) == set(CODES.values())


def test_all_problems_of_all_files_are_raised_at_once(tmp_path: Path) -> None:
    for number, kind in (("001", "benefits"), ("002", "licences")):
        text = BASE.replace("CODE", f"FT-TST-{number}").replace("kind: benefit", f"kind: {kind}")
        (tmp_path / f"FT-TST-{number}.yaml").write_text(text.replace("EDU\ndep", "EDX\ndep"), encoding="utf-8")
    with pytest.raises(BadCatalogue) as raised:
        load(extra=[tmp_path])
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/FT-TST-001.yaml:6:9: unknown domain EDX; write EDU",
        f"{tmp_path}/FT-TST-001.yaml:9:7: unknown kind benefits; write benefit",
        f"{tmp_path}/FT-TST-002.yaml:6:9: unknown domain EDX; write EDU",
        f"{tmp_path}/FT-TST-002.yaml:9:7: unknown kind licences; write licence",
    ]
