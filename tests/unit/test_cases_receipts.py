"""The receipt: the published example byte for byte, and numbers people can type (operations.md section 3)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases.receipts import ALPHABET, make, new_number, payload, read_number
from gateway.catalogue.kinds import mod37_36_check
from gateway.domain.clock import BEIJING
from gateway.signing.keys import SigningKey

RFC_8032_TEST_1 = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
AT = datetime(2026, 11, 23, 10, 15, 31, 204_000, tzinfo=BEIJING)
EXAMPLE = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6InRlc3QtcmZjODAzMi0xIiwidHlwIjoiZnQtcmVjZWlwdCtqd3MifQ."
    "eyJiYW5rIjoiSUNCQyIsImJhbmtfcmVmIjoiMjAyNjExMjNJQ0JDRlQwMzAwMDAwODcxIiwiYnVzaW5lc3NfZGlnZXN0IjoiYjEtc2hhMjU2OmUx"
    "NzZhNzFhMzExNzhlYzMyZDY4MGU5MThiZWMxZTRkMmUzOTE1Nzc1MmY1MTk1MTk3N2IyYjFjYzVmOWM0OTMiLCJlbnRyeSI6InNoYTI1Njo1ODZm"
    "YzExODhhNzMxNjdlYjNkY2E5OWI4NGQwOGI2ZDE4ZGYzMWM2ZDZiY2QzMDJmYWU1N2IzMzlkZjA0NjViIiwiaXRlbSI6IkZULUhMVC0wMTMiLCJp"
    "dGVtX3ZlcnNpb24iOiIyMDI2LjEiLCJvdXRsZXQiOiJJQ0JDLUZULTAzIiwicmVjZWlwdF9ubyI6IkZUMjYxMTIzMDM3SzNRV0IiLCJyZWNlaXZl"
    "ZF9hdCI6IjIwMjYtMTEtMjNUMTA6MTU6MzEuMjA0KzA4OjAwIiwidiI6IjEifQ."
    "D_FrH3KGhxGXAJ3kCDXsY-UMDYOawg3lZBHALn7y_Fe5w4HkDEyD59ou6m9zXtBV_Vnp7VDao1FqfvhmECB7DA"
)


def key() -> SigningKey:
    private = Ed25519PrivateKey.from_private_bytes(RFC_8032_TEST_1)
    return SigningKey("receipt", "test-rfc8032-1", "ed25519", b"", AT.astimezone(UTC), private.sign)


def example_payload() -> dict[str, str]:
    return payload(
        receipt_no="FT261123037K3QWB",
        bank="ICBC",
        bank_ref="20261123ICBCFT0300000871",
        item="FT-HLT-013",
        item_version="2026.1",
        outlet="ICBC-FT-03",
        business_digest="b1-sha256:e176a71a31178ec32d680e918bec1e4d2e39157752f51951977b2b1cc5f9c493",
        received_at=AT,
        entry="sha256:586fc1188a73167eb3dca99b84d08b6d18df31c6d6bcd302fae57b339df0465b",
    )


def test_the_published_example_comes_out_byte_for_byte() -> None:
    receipt = make(key(), example_payload())
    assert receipt == EXAMPLE
    assert len(receipt) == 680


def test_a_receipt_names_its_slip_only_where_there_was_one() -> None:
    assert "provisional_no" not in example_payload()
    given = {"bank": "B", "bank_ref": "R", "item": "I", "item_version": "1", "outlet": "O", "entry": "sha256:0"}
    made = payload(receipt_no="N", business_digest="D", received_at=AT, provisional_no="FP1", **given)
    assert made["provisional_no"] == "FP1"
    assert all(isinstance(value, str) for value in made.values())


def test_a_changed_receipt_does_not_hold() -> None:
    head, body, signature = make(key(), example_payload()).split(".")
    members = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(members | {"outlet": "ICBC-FT-01"}).encode()).decode().rstrip("=")
    public = Ed25519PrivateKey.from_private_bytes(RFC_8032_TEST_1).public_key()
    raw = base64.urlsafe_b64decode(signature + "==")
    public.verify(raw, f"{head}.{body}".encode())
    with pytest.raises(InvalidSignature):
        public.verify(raw, f"{head}.{changed}".encode())


def test_a_number_tells_day_and_outlet_and_passes_its_check() -> None:
    number = new_number("03", AT)
    assert number.startswith("FT26112303")
    assert len(number) == 16
    assert mod37_36_check(number[:15]) == number[15]
    assert set(number[2:]) <= set(ALPHABET)


def test_the_day_of_a_number_is_beijing_s() -> None:
    assert new_number("01", datetime(2026, 11, 23, 16, 0, tzinfo=UTC)).startswith("FT261124")


def test_a_number_is_drawn_again_while_its_check_would_be_a_forbidden_letter() -> None:
    bad = next(tail for tail in (f"0000{c}" for c in ALPHABET) if mod37_36_check(f"FT26112303{tail}") in "ILOU")
    draws = iter([bad, bad, "7K3QW"])
    assert new_number("03", AT, draw=lambda: next(draws)) == "FT261123037K3QWB"


def test_a_thousand_numbers_are_a_thousand() -> None:
    numbers = {new_number("03", AT + timedelta(seconds=n)) for n in range(1000)}
    assert len(numbers) >= 999  # 33 million are possible; the store draws again on a clash


@pytest.mark.parametrize(
    "typed",
    ["FT261123037K3QWB", "ft261123037k3qwb", " FT26 1123-03 7K3Q-WB ", "FT26II23O37K3QWB", "FT26L123037K3QWB"],
)
def test_a_number_is_read_as_people_type_it(typed: str) -> None:
    assert read_number(typed) == "FT261123037K3QWB"


@pytest.mark.parametrize("typed", ["", "FT", "FT261123037K3QWC", "FX261123037K3QWB", "FT261123037K3QWB1", "收件编号"])
def test_a_mistyped_number_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"receipt number|check character"):
        read_number(typed)


@given(st.text(max_size=24))
def test_whatever_is_typed_is_a_number_or_a_value_error(typed: str) -> None:
    try:
        number = read_number(typed)
    except ValueError:
        return
    assert mod37_36_check(number[:15]) == number[15]


@given(st.integers(0, 15), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(place: int, char: str) -> None:
    good = "FT261123037K3QWB"
    if good[place] == char:
        return
    with pytest.raises(ValueError, match=r"receipt number|check character"):
        read_number(good[:place] + char + good[place + 1 :])
