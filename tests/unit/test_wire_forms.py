"""Form bodies, strictly."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.forms import MAX_PAIRS, NotForm, pairs, raw_pairs


def test_names_and_values_come_in_order_with_repeats_and_blanks():
    assert pairs(b"b=1&a=&b=2", "utf-8") == [("b", "1"), ("a", ""), ("b", "2")]
    assert raw_pairs(b"") == []
    assert raw_pairs(b"&a=1&&b=2&") == [(b"a", b"1"), (b"b", b"2")]


def test_plus_is_a_space_and_an_escaped_plus_is_a_plus():
    assert pairs(b"a+b=c+d%2Be%20f", "utf-8") == [("a b", "c d+e f")]


def test_equals_and_ampersand_stay_inside_values():
    assert pairs(b"a=b==&c=%26%3D", "utf-8") == [("a", "b=="), ("c", "&=")]


def test_gb18030_values_keep_rare_characters():
    text = "陈㐂宁𠮷·"
    assert pairs(f"n={quote_plus(text, encoding='gb18030')}".encode(), "gb18030") == [("n", text)]
    assert raw_pairs(b"n=%D6%D0")[0][1] == "中".encode("gb18030")


def test_unescaped_bytes_of_the_charset_are_taken_too():
    assert pairs(b"n=" + "中\\x41".encode("gb18030"), "gb18030") == [("n", "中\\x41")]


@pytest.mark.parametrize("raw", [b"a=%", b"a=%4", b"a=%4G", b"a=%%41", b"a=% 1", b"a=%+1", b"%zz=1", b"a=%\\41"])
def test_bad_escapes_are_refused(raw):
    with pytest.raises(NotForm, match="escape"):
        raw_pairs(raw)


@pytest.mark.parametrize("raw", [b"a", b"a=1&b", b"{}"])
def test_a_member_without_equals_is_refused(raw):
    with pytest.raises(NotForm, match="without ="):
        raw_pairs(raw)


def test_bytes_outside_the_charset_are_refused():
    for raw, encoding in [
        (b"a=%D6%D0", "utf-8"),
        (b"a=%FF", "gb18030"),
        (b"%80=1", "gb18030"),
        (b"a=%ED%A0%80", "utf-8"),
    ]:
        with pytest.raises(NotForm, match=encoding):
            pairs(raw, encoding)


def test_a_body_of_thousands_of_members_is_refused():
    assert len(raw_pairs(b"&".join([b"a=1"] * MAX_PAIRS))) == MAX_PAIRS
    with pytest.raises(NotForm, match="too many"):
        raw_pairs(b"&".join([b"a=1"] * (MAX_PAIRS + 1)))


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.text(max_size=20)), max_size=9
    )
)
def test_what_a_form_encoder_writes_reads_back(members):
    clean = [(n, v.encode("utf-8", "replace").decode()) for n, v in members]
    raw = "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in clean).encode()
    assert pairs(raw, "utf-8") == clean


@given(st.binary())
def test_bytes_are_read_as_the_standard_library_reads_them_or_refused(raw):
    try:
        ours = raw_pairs(raw)
    except NotForm:
        ours = None
    text = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    if ours is not None:
        assert [(n.decode("latin-1"), v.decode("latin-1")) for n, v in ours] == text
