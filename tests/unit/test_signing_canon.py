"""Canonical bytes and business digests, against the documented example and RFC 8785."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.signing import canon

EXAMPLE = (Path(__file__).parents[1] / "vectors" / "icbc" / "business.json").read_bytes()
DIGEST = "b1-sha256:e176a71a31178ec32d680e918bec1e4d2e39157752f51951977b2b1cc5f9c493"

values = st.recursive(
    st.booleans() | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner),
    max_leaves=20,
)


def test_the_documented_example_has_the_documented_length_and_digest():
    members = dict(reversed(json.loads(EXAMPLE).items()))
    canonical = canon.business_canonical(members)
    assert (canonical, len(canonical)) == (EXAMPLE, 3063)
    assert canon.business_digest(canonical) == DIGEST


def test_confirm_second_at_the_top_is_outside_the_digest_and_nowhere_else():
    assert canon.business_canonical({"confirm_second": True, "a": "1"}) == b'{"a":"1"}'
    inner = {"a": {"confirm_second": True}}
    assert canon.business_canonical(inner) == b'{"a":{"confirm_second":true}}'


def test_empty_members_and_ext_count():
    assert canon.business_canonical({"ext": {"x": ""}, "b": ""}) == b'{"b":"","ext":{"x":""}}'


def test_names_sort_by_utf16_units_as_in_the_example_of_the_rfc():
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    text = canon.canonical_json(dict.fromkeys(names, "")).decode()
    assert list(json.loads(text)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_names_sort_by_utf16_units_at_every_level():
    expected = '[{"é":{"\U0001f600":"","\ufb33":""}}]'
    assert canon.canonical_json([{"é": {"\ufb33": "", "\U0001f600": ""}}]) == expected.encode()


def test_escapes_are_those_of_the_rfc():
    text = '"\\/\b\f\n\r\t\x00\x1f\x7f é㐂𠮷\u2028'
    expected = '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f é㐂𠮷\u2028"'
    assert canon.canonical_json(text) == expected.encode()


@pytest.mark.parametrize(
    "value", [1, 1.5, None, {"a": None}, ["x", 1], {1: "x"}, {True: "x"}, ("a",), b"a", "\ud800", {"\ud800": "x"}]
)
def test_other_values_are_refused(value):
    with pytest.raises(canon.NotCanonical):
        canon.canonical_json(value)


def test_a_deep_or_endless_value_is_refused_and_not_a_recursion_error():
    endless: list[object] = []
    endless.append(endless)
    deep: object = "x"
    for _ in range(5000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(canon.NotCanonical, match="deeper"):
            canon.canonical_json(value)


@given(values)
def test_canonical_bytes_read_back_as_the_same_value_and_stay_the_same(value):
    data = canon.canonical_json(value)
    assert json.loads(data) == value
    assert canon.canonical_json(json.loads(data)) == data


def test_digests_are_labelled_and_compared_under_their_own_label():
    sm3 = canon.business_digest(b"abc", "sm3")
    assert sm3 == "b1-sm3:66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert canon.same_business(b"abc", sm3)
    assert canon.same_business(EXAMPLE, DIGEST)
    assert not canon.same_business(EXAMPLE + b" ", DIGEST)


@pytest.mark.parametrize("label", ["", "b1-md5:00", "b2-sha256:00", "b1-sha256", "b1-sha256:é", "sha256:00", "b1:00"])
def test_a_label_of_an_unknown_rule_is_never_the_same(label):
    assert not canon.same_business(b"abc", label)


def test_an_unknown_digest_algorithm_is_refused():
    with pytest.raises(ValueError, match="md5"):
        canon.business_digest(b"", "md5")


def test_the_plain_label_is_lower_case_hex():
    assert canon.sha256_label(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
