"""Check characters against published values and values computed elsewhere (GB and ISO standards)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.kinds import identifiers as ids

USCC = [
    "91350100M000100Y43",  # the standard's own example: sum 1640, modulus 28, check 3
    "91110108551385082Q",
    "914403001922038216",
    "9144030010001686XA",
    "11440304MB2D26978H",
    "12441500196720244T",
    "91440304MA9FT0013D",
    "51440304MJ90000145",
    "52440304MJ9000022W",
]
RESIDENTS = [
    "11010519491231002X",
    "34052419800101001X",
    "44030419900307123X",
    "440304194201010021",
    "440304201506010033",
    "810000199001010019",
    "820000198506150022",
    "830000198808080033",
    "911124198108030024",
]
HOLDS = [
    ids.id_holds,
    ids.uscc_holds,
    ids.org_code_holds,
    ids.cnaps_holds,
    ids.luhn_holds,
    ids.mod37_36_holds,
    ids.s10_holds,
    ids.e_certificate_holds,
]


@pytest.mark.parametrize("code", USCC)
def test_a_valid_credit_code_holds(code: str) -> None:
    assert ids.uscc_holds(code)


@pytest.mark.parametrize("code", USCC)
def test_the_organisation_code_inside_a_credit_code_holds_too(code: str) -> None:
    assert ids.org_code_holds(code[8:17])


@pytest.mark.parametrize(
    "code", ["91350100M000100Y4Z", "91350100M000100Y44", "91350100M000100Y4", "91350100I000100Y43", ""]
)
def test_a_wrong_credit_code_fails(code: str) -> None:
    assert not ids.uscc_holds(code)


def test_a_credit_code_sum_that_the_modulus_divides_gives_zero() -> None:
    assert ids.uscc_check("0" * 17) == "0"


@pytest.mark.parametrize("number", RESIDENTS)
def test_a_valid_id_number_holds(number: str) -> None:
    assert ids.id_holds(number)


@pytest.mark.parametrize("number", RESIDENTS)
def test_an_id_number_with_any_other_last_character_fails(number: str) -> None:
    others = set("0123456789X") - {number[-1]}
    assert not any(ids.id_holds(number[:17] + other) for other in others)


def test_the_birth_date_is_read_where_it_exists() -> None:
    assert ids.birth_date("11010519491231002X") == date(1949, 12, 31)
    assert ids.birth_date("11010519490231002X") is None


def test_somebody_is_a_year_older_on_the_birthday_itself() -> None:
    assert ids.age_on(date(2012, 11, 23), date(2026, 11, 22)) == 13
    assert ids.age_on(date(2012, 11, 23), date(2026, 11, 23)) == 14
    assert ids.age_on(date(2012, 2, 29), date(2026, 2, 28)) == 13


@pytest.mark.parametrize("number", ["102584000002", "103584099993", "105584000005", "308584000013", "102584098010"])
def test_a_real_bank_line_number_holds(number: str) -> None:
    assert ids.cnaps_holds(number)
    assert not ids.cnaps_holds(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize("number", ["6222020000000000018", "6214830000000041", "4111111111111111"])
def test_a_card_number_passes_luhn(number: str) -> None:
    assert ids.luhn_holds(number)
    assert not ids.luhn_holds(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize("text", ["", "12a4", "１２３４", "-18"])
def test_luhn_refuses_what_is_not_digits(text: str) -> None:
    assert not ids.luhn_holds(text)


def test_the_receipt_of_the_documents_passes_its_check_character() -> None:
    assert ids.mod37_36_check("FT261123037K3QW") == "B"
    assert ids.mod37_36_holds("FT261123037K3QWB")
    assert not ids.mod37_36_holds("FT261123037K3QWC")
    assert not ids.mod37_36_holds("B")


@pytest.mark.parametrize(
    "number",
    [
        "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.002.S",
        "1.2.156.3005.2.11100000000013338W011.11440304MB2D26978H.20260001187.001.6",
    ],
)
def test_a_published_e_certificate_number_holds(number: str) -> None:
    assert ids.e_certificate_holds(number)
    assert not ids.e_certificate_holds(number[:-1] + ("7" if number[-1] != "7" else "8"))


@pytest.mark.parametrize("number", ["EA473124829CN", "EE123456785CN", "RR000000000CN", "EA000000025CN"])
def test_a_parcel_number_is_checked_by_its_own_weights(number: str) -> None:
    assert ids.s10_check(number[2:10]) in "0123456789"
    assert ids.s10_holds(number[:10] + ids.s10_check(number[2:10]) + "CN")


def test_the_published_parcel_number_holds_and_its_neighbour_does_not() -> None:
    assert ids.s10_holds("EA473124829CN")
    assert not ids.s10_holds("EA473124828CN")


def test_a_parcel_number_maps_ten_to_zero_and_eleven_to_five() -> None:
    assert ids.s10_check("00000000") == "5"  # sum 0: 11 - 0 = 11
    assert ids.s10_check("00000003") == "1"  # 3 x 7 = 21, 21 mod 11 = 10
    assert ids.s10_check("00000008") == "0"  # 8 x 7 = 56, 56 mod 11 = 1: 11 - 1 = 10


@given(st.text(max_size=40))
def test_no_check_ever_raises_whatever_the_text(text: str) -> None:
    assert {holds(text) for holds in HOLDS} <= {True, False}


@given(st.text("0123456789", min_size=17, max_size=17), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed_in_an_id_number(digits: str, place: int, by: int) -> None:
    good = digits + ids.id_check(digits)
    bad = good[:place] + str((int(good[place]) + by) % 10) + good[place + 1 :]
    assert ids.id_holds(good)
    assert not ids.id_holds(bad)


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=20), st.data())
def test_one_wrong_character_is_noticed_by_the_receipt_check(text: str, data: st.DataObject) -> None:
    """All single substitutions (ISO 7064); of swapped neighbours only nearly all, so that is no promise."""
    good = text + ids.mod37_36_check(text)
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".replace(good[place], "")))
    assert ids.mod37_36_holds(good)
    assert not ids.mod37_36_holds(good[:place] + other + good[place + 1 :])
