"""The one JSON parser: what it refuses, and that it raises nothing else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.strict_json import NotJson, Number, parse


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":["x",true,false,{}]}', {"a": ["x", True, False, {}]}),
        ('"a\\nb"', "a\nb"),
        (' \r\n\t{ "a" : "b" }\n', {"a": "b"}),
        ('"\\u3402\\ud842\\udfb7·"', "㐂𠮷·"),
        ('"null 12 {[["', "null 12 {[["),
        ('{"a":"","b":[]}', {"a": "", "b": []}),
    ],
)
def test_honest_json_is_read(text, value):
    assert parse(text) == value
    assert parse(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}{}",
        "{'a':'b'}",
        '{"a":"b",}',
        "\ufeff{}",
        "1",
        '{"a":1}',
        "[1.5]",
        "[-0]",
        "[1e9]",
        "null",
        '{"a":null}',
        '["x",[null]]',
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        '{"a":"1","a":"1"}',
        '{"x":{"a":"1","\\u0061":"2"}}',
        '"\\ud800"',
        '["\\udc00\\ud800"]',
        '{"\\ud800":"x"}',
        '["\\ud800","\\udc00"]',
        '"\ud800"',
        '"a\nb"',
        '"a\tb"',
        '"\\t"',
        '"\\u0000"',
        '{"\\u0001":""}',
        '"\\u007f"',
        '"\x7f"',
        '"\x85"',
        '"\\u0085"',
        '"\\x41"',
        "01",
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(NotJson):
        parse(text)


@pytest.mark.parametrize("raw", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xd6\xd0"', '"中"'.encode("utf-16")])
def test_bytes_that_are_not_utf_8_are_refused(raw):
    with pytest.raises(NotJson):
        parse(raw)


def test_numbers_can_be_kept_as_written():
    value = parse('{"a":100.50,"b":-0,"c":1E+2,"d":null,"e":"1"}', numbers="text")
    assert value == {"a": "100.50", "b": "-0", "c": "1E+2", "d": None, "e": "1"}
    assert {name: type(inner) for name, inner in value.items()} == {
        "a": Number,
        "b": Number,
        "c": Number,
        "d": type(None),
        "e": str,
    }
    with pytest.raises(NotJson):
        parse("NaN", numbers="text")


@pytest.mark.parametrize("limit", [1, 16, 32])
def test_depth_is_allowed_up_to_the_limit(limit):
    assert parse(nested(limit), max_depth=limit) is not None
    assert parse('{"a":' * (limit - 1) + '{"a":"x"}' + "}" * (limit - 1), max_depth=limit) is not None
    with pytest.raises(NotJson, match="deeper"):
        parse(nested(limit + 1), max_depth=limit)


@pytest.mark.parametrize("limit", [3, 16, 32])
def test_depth_is_judged_alike_in_documents_with_many_brackets(limit):
    wide = ",".join(['["[{","\\"[["]'] * 200)
    assert len(parse(f"[{wide}]", max_depth=limit)) == 200
    within, beyond = nested(limit - 1), nested(limit)
    assert parse(f"[{wide},{within}]", max_depth=limit)[-1] == json.loads(within)
    with pytest.raises(NotJson, match="deeper"):
        parse(f"[{wide},{beyond}]", max_depth=limit)


@pytest.mark.parametrize(
    "text",
    [nested(100_000), "[" * 100_000, '{"a":' * 50_000, "[{" * 50_000, '["]",' * 50_000, '{"]":[' * 40_000],
)
def test_a_depth_bomb_is_refused_like_anything_else(text):
    with pytest.raises(NotJson):
        parse(text)


@pytest.mark.parametrize("text", ['"' + '\\"' * 100_000, "[" * 101 + '"\\' * 100_000, "[" * 101 + '"' * 100_001])
def test_missing_quotes_cost_no_more_than_reading(text):
    begun = time.process_time()
    with pytest.raises(NotJson):
        parse(text)
    assert time.process_time() - begun < 1


@given(st.text() | st.binary())
def test_garbage_is_a_value_or_not_json(garbage):
    try:
        value = parse(garbage)
    except NotJson:
        value = ""
    assert type(value) in (str, bool, list, dict)


@given(
    st.recursive(
        st.booleans() | st.text(st.characters(exclude_categories=("Cs", "Cc"))),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs", "Cc"))), inner),
        max_leaves=30,
    ),
    st.booleans(),
)
def test_what_json_writes_reads_back(value, ascii_only):
    assert parse(json.dumps(value, ensure_ascii=ascii_only), max_depth=64) == value
