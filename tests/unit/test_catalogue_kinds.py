"""Every field type: what it takes, what it stores, what it refuses and with which code."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.item import DocType, Field, Option
from gateway.catalogue.kinds import ROW_TYPES, TYPES, Tables, check
from gateway.domain.reasons import FieldCode as Code

TODAY = date(2026, 11, 23)
MOD_11_2 = "iso7064_mod_11_2"
DOC_TYPES = {
    code: DocType(code, label, patterns, checked)
    for code, label, patterns, checked in [
        ("resident_id", "居民身份证", ("^[1-9][0-9]{16}[0-9X]$",), MOD_11_2),
        ("hk_mo_residence", "港澳居民居住证", ("^8[12]0000[0-9]{11}[0-9X]$",), MOD_11_2),
        ("hk_mo_travel", "港澳居民来往内地通行证", ("^[HM][0-9]{8}([0-9]{2})?$",), ""),
        ("tw_travel", "台湾居民来往大陆通行证", ("^[0-9]{8}$", "^[0-9]{10}[A-Z]?$"), ""),
        ("foreign_pr", "外国人永久居留身份证", ("^9[0-9]{16}[0-9X]$", "^[A-Z]{3}[0-9]{12}$"), MOD_11_2),
        ("passport", "护照", ("^[A-Z0-9]{5,15}$",), ""),
        ("uscc", "统一社会信用代码", ("^[0-9A-HJ-NPQRTUWXY]{18}$",), "uscc_mod31"),
    ]
}
SEALS = (
    Field("kind", "印章种类", "enum", True, options=(Option("official", "公章"),)),
    Field("seal_text", "印文", "string", True, max_len=10),
    Field("record_no", "备案编码", "seal_record_no", False, output=True),
)
TABLES = Tables(DOC_TYPES, {"440304007": "梅林街道", "440304004": "福田街道"}, {"seals": SEALS})


def one(type_: str, **more: Any) -> Field:
    return Field("x", "项目", type_, True, **more)


def typed(field: Field, value: object, doc_type: str = "") -> Any:
    result, findings = check(field, value, today=TODAY, tables=TABLES, doc_type=doc_type)
    assert findings == []
    return result


def codes(field: Field, value: object, doc_type: str = "") -> list[tuple[str, Code]]:
    _, findings = check(field, value, today=TODAY, tables=TABLES, doc_type=doc_type)
    assert all(message for _, _, message in findings)
    return [(at, code) for at, code, _ in findings]


@pytest.mark.parametrize("name", ["陈㐂宁", "𠮷野", "张䶮", "阿不都·热合曼", "O'Neil", "  先后有空格 ", "\ue815"])
def test_a_name_keeps_every_character_as_typed(name: str) -> None:
    assert typed(one("string", max_len=50), name) == name


@pytest.mark.parametrize("bad", ["a\nb", "a\tb", "\x00", "a\x7f", "a\u2028b", "\ud800", "\x85", "a\uffff"])
def test_control_characters_are_refused_in_a_string(bad: str) -> None:
    assert codes(one("string"), bad) == [("", Code.CHAR_NOT_ALLOWED)]


def test_a_line_break_is_allowed_in_text_only() -> None:
    assert typed(one("text"), "一\n二") == "一\n二"
    assert codes(one("text"), "一\r二") == [("", Code.CHAR_NOT_ALLOWED)]


def test_length_counts_characters_and_not_bytes() -> None:
    assert typed(one("string", max_len=2), "𠮷䶮") == "𠮷䶮"
    assert codes(one("string", max_len=2), "𠮷䶮㐂") == [("", Code.TOO_LONG)]
    assert codes(one("string", min_len=2), "陈") == [("", Code.TOO_SHORT)]
    assert codes(one("string"), "x" * 101) == [("", Code.TOO_LONG)]


def test_blanks_alone_are_no_answer() -> None:
    assert codes(one("string"), " 　") == [("", Code.BAD_FORMAT)]


@pytest.mark.parametrize(
    ("type_", "more", "value", "stored"),
    [
        ("int", {}, "-12", -12),
        ("int", {"min": "8", "max": "60"}, "9", 9),
        ("decimal", {}, "33.3", Decimal("33.30")),
        ("decimal", {}, "0.1", Decimal("0.10")),
        ("money", {}, "100.5", 10050),
        ("money", {}, "0.07", 7),
        ("money", {"max": "1000000000000"}, "1000000000000", 100000000000000),
        ("percent", {}, "33.33", 3333),
        ("percent", {}, "100", 10000),
        ("date", {}, "2024-02-29", date(2024, 2, 29)),
        ("month", {}, "2026-11", "2026-11"),
        ("year", {"min": "1980", "max": "2100"}, "2026", 2026),
        ("datetime", {}, "2026-11-23T10:14:58+08:00", datetime(2026, 11, 23, 2, 14, 58, tzinfo=UTC)),
        ("datetime", {}, "2026-11-23T10:14:58.25Z", datetime(2026, 11, 23, 10, 14, 58, 250000, tzinfo=UTC)),
        ("bool", {}, True, True),
        ("bool", {}, False, False),
        ("phone", {}, "１３８００００００01", "13800000001"),
        ("phone", {}, "+852-91230009", "85291230009"),
        ("phone", {}, "853-66230001", "85366230001"),
        ("phone", {}, "886-912345678", "886912345678"),
        ("phone", {}, "0755-80000101", "075580000101"),
        ("uscc", {}, "91440304ma9ft0013d", "91440304MA9FT0013D"),
        ("street", {}, "440304007", "440304007"),
        ("region_code", {}, "440304", "440304"),
        ("region_code", {}, "440304007001", "440304007001"),
        ("bank_account", {"account_kind": "card"}, "6222020000000000018", "6222020000000000018"),
        ("bank_account", {"account_kind": "company"}, "400001001", "400001001"),
        ("student_no", {}, "g44030419900307123x", "G44030419900307123X"),
        ("student_no", {}, "L440304202609010017", "L440304202609010017"),
        ("student_no", {}, "J440304202609010025", "J440304202609010025"),
        ("disability_cert", {}, "44030419900307123x42", "44030419900307123X42"),
        ("disability_cert", {}, "44030419900307123X42B1", "44030419900307123X42B1"),
        ("plate_no", {}, "粤b12345", "粤B12345"),
        ("plate_no", {}, "粤ＢＤ１２３４５", "粤BD12345"),
        ("project_code", {}, "2026-440304-82-03-100001", "2026-440304-82-03-100001"),
        ("seal_record_no", {}, "4403040000001", "4403040000001"),
    ],
)
def test_a_good_value_is_stored_typed_and_clean(
    type_: str, more: dict[str, Any], value: object, stored: object
) -> None:
    result = typed(one(type_, **more), value)
    assert result == stored
    assert type(result) is type(stored)


@pytest.mark.parametrize(
    ("type_", "more", "value", "code"),
    [
        ("int", {}, "07", Code.BAD_FORMAT),
        ("int", {}, "1.0", Code.BAD_FORMAT),
        ("int", {}, "１", Code.BAD_FORMAT),
        ("int", {}, "1\n", Code.BAD_FORMAT),
        ("int", {}, "1234567890123456", Code.BAD_FORMAT),
        ("int", {"min": "8", "max": "60"}, "7", Code.OUT_OF_RANGE),
        ("int", {"min": "8", "max": "60"}, "61", Code.OUT_OF_RANGE),
        ("decimal", {}, "1.234", Code.BAD_FORMAT),
        ("decimal", {"min": "300"}, "299.99", Code.OUT_OF_RANGE),
        ("money", {}, "1e5", Code.BAD_FORMAT),
        ("money", {}, "-1", Code.BAD_FORMAT),
        ("money", {"min": "0.01"}, "0.00", Code.OUT_OF_RANGE),
        ("percent", {}, "100.01", Code.OUT_OF_RANGE),
        ("date", {}, "2026-02-29", Code.DATE_IMPOSSIBLE),
        ("date", {}, "0000-01-01", Code.DATE_IMPOSSIBLE),
        ("date", {}, "20261123", Code.BAD_FORMAT),
        ("month", {}, "2026-13", Code.BAD_FORMAT),
        ("year", {"min": "1980", "max": "2100"}, "1979", Code.OUT_OF_RANGE),
        ("year", {}, "26", Code.BAD_FORMAT),
        ("datetime", {}, "2026-11-23T10:14:58", Code.BAD_FORMAT),
        ("datetime", {}, "2026-11-23T25:14:58+08:00", Code.DATE_IMPOSSIBLE),
        ("datetime", {}, "0001-01-01T00:00:00+08:00", Code.DATE_IMPOSSIBLE),
        ("bool", {}, "true", Code.WRONG_TYPE),
        ("phone", {}, "12800000001", Code.BAD_FORMAT),
        ("phone", {}, "853-76230001", Code.BAD_FORMAT),
        ("uscc", {}, "91350100M000100Y4Z", Code.BAD_FORMAT),
        ("uscc", {}, "91350100M000100Y44", Code.BAD_CHECK_DIGIT),
        ("uscc", {}, "9135O1OOM000100Y43", Code.BAD_FORMAT),
        ("street", {}, "440304003", Code.NOT_IN_LIST),
        ("region_code", {}, "44030", Code.BAD_FORMAT),
        ("bank_account", {"account_kind": "card"}, "6222020000000000019", Code.BAD_CHECK_DIGIT),
        ("bank_account", {"account_kind": "card"}, "400001001", Code.BAD_FORMAT),
        ("bank_account", {"account_kind": "company"}, "12345678", Code.BAD_FORMAT),
        ("student_no", {}, "G440304199003071230", Code.BAD_CHECK_DIGIT),
        ("student_no", {}, "K44030419900307123X", Code.BAD_FORMAT),
        ("disability_cert", {}, "44030419900307123082", Code.BAD_FORMAT),
        ("disability_cert", {}, "44030419900307123042", Code.BAD_CHECK_DIGIT),
        ("plate_no", {}, "B12345", Code.BAD_FORMAT),
        ("plate_no", {}, "粤ß12345", Code.BAD_FORMAT),
        ("project_code", {}, "2026-440304-82-03-10001", Code.BAD_FORMAT),
        ("seal_record_no", {}, "440304000000", Code.BAD_FORMAT),
    ],
)
def test_a_bad_value_is_refused_with_its_code(type_: str, more: dict[str, Any], value: object, code: Code) -> None:
    assert codes(one(type_, **more), value) == [("", code)]


@pytest.mark.parametrize("type_", sorted(TYPES - {"bool"} - ROW_TYPES - {"address"}))
@pytest.mark.parametrize("value", [True, [], {}, 5, 1.5])
def test_anything_but_text_is_the_wrong_type(type_: str, value: object) -> None:
    field = one(type_, options=(Option("a", "甲"),), account_kind="card")
    assert codes(field, value) == [("", Code.WRONG_TYPE)]


def test_an_option_counts_from_the_day_it_is_offered() -> None:
    options = (Option("old", "旧"), Option("new", "新", "2026-11-24"), Option("some_day", "将来", "later"))
    field = one("enum", options=options)
    assert typed(field, "old") == "old"
    assert codes(field, "new") == [("", Code.NOT_IN_LIST)]
    assert check(field, "new", today=date(2026, 11, 24)) == ("new", [])
    assert codes(field, "some_day") == codes(field, "none") == [("", Code.NOT_IN_LIST)]


BESIDE = one("doc_no", doc_type_field="kind")


@pytest.mark.parametrize(
    ("doc_type", "value", "stored"),
    [
        ("resident_id", "44030419900307123x", "44030419900307123X"),
        ("resident_id", "４４０３０４１９９００３０７１２３ｘ", "44030419900307123X"),
        ("hk_mo_residence", "820000198506150022", "820000198506150022"),
        ("hk_mo_travel", "h12345678", "H12345678"),
        ("tw_travel", "1234567890A", "1234567890A"),
        ("foreign_pr", "911124198108030024", "911124198108030024"),
        ("foreign_pr", "USA440319750000", "USA440319750000"),
        ("passport", "E12345678", "E12345678"),
        ("uscc", "91440304MA9FT0013D", "91440304MA9FT0013D"),
        ("unheard_of", "whatever", "WHATEVER"),
    ],
)
def test_a_document_number_is_judged_by_the_type_beside_it(doc_type: str, value: str, stored: str) -> None:
    assert typed(BESIDE, value, doc_type) == stored


@pytest.mark.parametrize(
    ("doc_type", "value", "code"),
    [
        ("resident_id", "440304199003071230", Code.BAD_CHECK_DIGIT),
        ("resident_id", "440304900307123", Code.BAD_FORMAT),
        ("passport", "440304900307123", Code.BAD_FORMAT),
        ("resident_id", "440304190013010017", Code.DATE_IMPOSSIBLE),
        ("resident_id", "11010518490101001X", Code.OUT_OF_RANGE),
        ("resident_id", "H12345678", Code.BAD_FORMAT),
        ("hk_mo_residence", "44030419900307123X", Code.BAD_FORMAT),
        ("uscc", "91440304MA9FT0013E", Code.BAD_CHECK_DIGIT),
        ("passport", "E1234567O！", Code.BAD_FORMAT),
    ],
)
def test_a_wrong_document_number_is_refused_with_its_code(doc_type: str, value: str, code: Code) -> None:
    if code in (Code.DATE_IMPOSSIBLE, Code.OUT_OF_RANGE):
        from gateway.catalogue.kinds.identifiers import id_check

        value = value[:17] + id_check(value[:17])
    assert codes(BESIDE, value, doc_type) == [("", code)]


def test_a_birth_date_in_the_future_is_refused() -> None:
    assert typed(BESIDE, "440304201506010033", "resident_id")
    _, findings = check(BESIDE, "440304201506010033", today=date(2015, 5, 31), tables=TABLES, doc_type="resident_id")
    assert [code for _, code, _ in findings] == [Code.DATE_IN_FUTURE]


def test_the_letter_o_is_never_taken_for_a_zero() -> None:
    assert codes(BESIDE, "44O30419900307123X", "resident_id") == [("", Code.BAD_FORMAT)]


def test_without_a_type_any_form_will_do_but_18_characters_must_pass_their_check() -> None:
    assert typed(one("doc_no"), "E12345678") == "E12345678"
    assert typed(one("doc_no"), "44030419900307123X") == "44030419900307123X"
    assert codes(one("doc_no"), "440304199003071230") == [("", Code.BAD_CHECK_DIGIT)]
    assert codes(one("doc_no"), "91440304MA9FT0013D") == [("", Code.BAD_FORMAT)]


def test_a_list_of_types_shuts_out_the_others() -> None:
    field = one("doc_no", doc_types=("resident_id",))
    assert typed(field, "44030419900307123X")
    assert codes(field, "E12345678") == [("", Code.BAD_FORMAT)]


GOOD_ADDRESS = {"region": "440304", "street": "440304007", "community": "样例社区", "detail": "梅华路5栋1202"}


def test_an_address_is_kept_as_its_parts() -> None:
    assert typed(one("address"), GOOD_ADDRESS) == GOOD_ADDRESS
    elsewhere = {"region": "110105", "detail": "某路1号"}
    assert typed(one("address"), elsewhere) == elsewhere


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"street": ""}, ("street", Code.MISSING)),
        ({"street": "440304003"}, ("street", Code.NOT_IN_LIST)),
        ({"region": "110105"}, ("street", Code.BAD_FORMAT)),
        ({"region": "44"}, ("region", Code.BAD_FORMAT)),
        ({"detail": ""}, ("detail", Code.MISSING)),
        ({"detail": "路" * 190}, ("", Code.TOO_LONG)),
        ({"city": "深圳"}, ("city", Code.UNKNOWN_MEMBER)),
        ({"detail": True}, ("detail", Code.WRONG_TYPE)),
    ],
)
def test_a_wrong_part_of_an_address_is_named(change: dict[str, Any], finding: tuple[str, Code]) -> None:
    assert codes(one("address"), {**GOOD_ADDRESS, **change}) == [finding]


def test_rows_are_judged_one_by_one_with_their_place() -> None:
    rows = [{"kind": "official", "seal_text": "某公司"}, {"kind": "oficial"}, "x"]
    assert codes(one("seals"), rows) == [
        ("[1].kind", Code.NOT_IN_LIST),
        ("[1].seal_text", Code.MISSING),
        ("[2]", Code.WRONG_TYPE),
    ]
    assert typed(one("seals"), rows[:1]) == rows[:1]


def test_a_required_list_wants_a_row_and_an_output_column_is_never_asked() -> None:
    assert codes(one("seals"), []) == [("", Code.MISSING)]
    row = {"kind": "official", "seal_text": "某公司", "record_no": "4403040000001"}
    assert codes(one("seals"), [row]) == [("[0].record_no", Code.UNKNOWN_MEMBER)]


def test_too_many_rows_are_refused_before_any_is_read() -> None:
    assert codes(one("seals"), [{}] * 10_001) == [("", Code.TOO_MANY_ROWS)]


def test_an_unknown_member_is_told_the_nearest_name() -> None:
    _, findings = check(one("address"), {**GOOD_ADDRESS, "detial": "x"}, today=TODAY, tables=TABLES)
    assert findings == [("detial", Code.UNKNOWN_MEMBER, "没有这一项，是否为detail")]


def test_thousands_of_unknown_members_cost_and_say_little() -> None:
    crowd = GOOD_ADDRESS | {f"detail{n}\n": "x" for n in range(5000)}
    findings = codes(one("address"), crowd)
    assert len(findings) == 20
    assert all("\n" not in at for at, _ in findings)


def test_a_type_that_does_not_exist_is_a_mistake_of_the_catalogue() -> None:
    with pytest.raises(ValueError, match="unknown field type 'colour'"):
        check(one("colour"), "red", today=TODAY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["region", "street", "detail", "kind", "seal_text"]), inner
        )
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("type_", sorted(TYPES))
@given(value=JSON, doc_type=st.sampled_from(["", "resident_id", "passport", "uscc", "?"]))
def test_no_value_whatever_makes_a_type_raise(type_: str, value: object, doc_type: str) -> None:
    field = one(type_, options=(Option("a", "甲"),), account_kind="card", doc_type_field="t" if doc_type else "")
    result, findings = check(field, value, today=TODAY, tables=TABLES, doc_type=doc_type)
    assert findings or result is not None or value in (None, {}, [])


@given(st.integers(0, 10**13 - 1), st.integers(0, 99))
def test_money_is_exact_to_the_fen(yuan: int, cents: int) -> None:
    assert typed(one("money"), f"{yuan}.{cents:02d}") == yuan * 100 + cents
