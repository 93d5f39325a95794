"""The audit entry, format v1: canonical bytes, hash, strict reading."""

import hashlib
import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.entry import (
    MAX_BYTES,
    MAX_VALUE,
    AuditEntry,
    BadEntry,
    as_fact,
    canonical,
    entry_hash,
    new_entry,
    read,
)
from gateway.audit.kinds import EntryKind

AT = datetime(2026, 11, 23, 2, 15, 31, 204000, tzinfo=UTC)
HEX = "e176a71a31178ec32d680e918bec1e4d2e39157752f51951977b2b1cc5f9c493"


def _entry() -> AuditEntry:
    return new_entry(
        EntryKind.SUBMISSION_RECEIVED,
        "C0001",
        seq=1,
        at=AT,
        actor="bank:BANK1:app-1",
        facts={"receipt_no": "FT261123037K3QWB", "item": "FT-HLT-013", "outlet": ""},
        digests={"message": "sha256:" + HEX, "business": "b1-sha256:" + HEX},
    )


# Written by hand: what docs/audit-trail.md shows, and what no later release may change.
GOLDEN = (
    b'{"actor":"bank:BANK1:app-1","at":"2026-11-23T10:15:31.204+08:00","digests":{"business":"b1-sha256:'
    + HEX.encode()
    + b'","message":"sha256:'
    + HEX.encode()
    + b'"},"facts":{"item":"FT-HLT-013","receipt_no":"FT261123037K3QWB"},"kind":"case:submission:received",'
    b'"kind_v":"1","seq":"1","subject":"C0001","v":"1"}'
)


def test_the_canonical_bytes_of_v1_never_change() -> None:
    assert canonical(_entry()) == GOLDEN
    assert hashlib.sha256(GOLDEN).hexdigest() == "5f6605dec3d73b0e60bfbef10ab8586953d56fc3cab35dbe5313a3172f0d4d4b"


def test_the_entry_hash_is_the_plain_sha256_of_the_canonical_bytes() -> None:
    assert entry_hash(GOLDEN) == "sha256:" + hashlib.sha256(GOLDEN).hexdigest()


def test_an_entry_read_back_equals_the_one_written() -> None:
    assert read(GOLDEN) == _entry()


def test_empty_facts_and_digests_are_left_out_by_new_entry_and_refused_by_the_format() -> None:
    assert "outlet" not in _entry().facts
    with pytest.raises(BadEntry, match="outlet"):
        canonical(replace(_entry(), facts={"outlet": ""}))


def test_an_entry_without_facts_and_digests_is_fine() -> None:
    bare = new_entry(EntryKind.PROCESS_STARTED, "system:web-1", seq=7, at=AT, actor="system:web")
    assert b'"digests":{},"facts":{}' in canonical(bare)
    assert read(canonical(bare)) == bare


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(BadEntry, match="zone"):
        new_entry(EntryKind.PROCESS_STARTED, "s", seq=1, at=datetime(2026, 11, 23), actor="system:web")


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
VALUES = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], exclude_characters='"\\\u2065', max_codepoint=0x1FFFF
    ),
    min_size=1,
    max_size=MAX_VALUE,
)


@given(
    facts=st.dictionaries(NAMES, VALUES, max_size=8),
    digests=st.dictionaries(NAMES, st.just("sm3:" + HEX), max_size=4),
)
def test_the_canonical_form_is_what_a_sorting_json_writer_makes(facts: dict[str, str], digests: dict[str, str]) -> None:
    entry = replace(_entry(), facts=facts, digests=digests)
    line = canonical(entry)
    again = json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert line == again
    assert read(line) == entry


@given(st.text(max_size=400))
def test_foreign_text_made_fit_is_always_accepted(text: str) -> None:
    shown = as_fact(text)
    if shown:
        assert read(canonical(replace(_entry(), facts={"claimed": shown}))).facts["claimed"] == shown
    else:
        assert text == ""


def test_foreign_text_shows_what_it_held() -> None:
    assert as_fact('a"b\n\u202e') == "a<U+0022>b<U+000A><U+202E>"
    assert len(as_fact("x" * 1000)) == MAX_VALUE
    assert len(as_fact("\n" * 200)) == MAX_VALUE


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("v", "2"),
        ("kind", "case:received"),
        ("kind", "case:submission:Received"),
        ("kind_v", "0"),
        ("seq", "0"),
        ("seq", "01"),
        ("seq", "-1"),
        ("seq", "٣"),
        ("subject", ""),
        ("subject", "with space"),
        ("subject", "x" * 65),
        ("at", "2026-11-23T02:15:31.204+00:00"),
        ("at", "2026-11-23T10:15:31+08:00"),
        ("at", "2026-02-30T10:15:31.204+08:00"),
        ("at", "2026-11-23T24:00:00.000+08:00"),
        ("actor", "nobody"),
        ("actor", "staff:王"),
        ("actor", 'bank:X","at":"2026-11-23T10:15:31.204+08:00'),
        ("facts", {"Name": "x"}),
        ("facts", {"a": "x" * (MAX_VALUE + 1)}),
        ("facts", {"a": 'x"y'}),
        ("facts", {"a": "x\\y"}),
        ("facts", {"a": "x\ny"}),
        ("facts", {"a": "x\u2028y"}),
        ("facts", {"a": "x\u202ey"}),
        ("facts", {"a": "x\ud800y"}),
        ("facts", {'a":"1","b': "2"}),
        ("facts", {"a": '1","b":"2'}),
        ("digests", {"a": "sha256:" + HEX.upper()}),
        ("digests", {"a": "md5:" + HEX[:32]}),
        ("digests", {"a": HEX}),
    ],
)
def test_members_that_are_not_of_the_format_are_refused_by_name(member: str, value: object) -> None:
    with pytest.raises(BadEntry) as refused:
        canonical(replace(_entry(), **{member: value}))
    assert str(refused.value).startswith(member)


def test_an_entry_that_grows_too_long_is_refused() -> None:
    with pytest.raises(BadEntry, match="longer"):
        canonical(replace(_entry(), facts={f"f{i}": "深" * MAX_VALUE for i in range(30)}))
    with pytest.raises(BadEntry, match="longer"):
        read(b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 9000,
        b"null",
        GOLDEN + b"\n",
        GOLDEN + b" ",
        GOLDEN.replace(b":", b": ", 1),
        GOLDEN.replace(b'"v":"1"', b'"v":1'),
        GOLDEN.replace(b'"v":"1"', b'"v":"1","w":"1"'),
        GOLDEN.replace(b'"v":"1"', b'"v":"1","v":"1"'),
        GOLDEN.replace(b'"seq":"1",', b""),
        GOLDEN.replace(b'"item":"FT-HLT-013","receipt_no":"FT261123037K3QWB"', b'"receipt_no":"FT","item":"X"'),
        GOLDEN.replace(b'"item":', b'"item":"FT-HLT-013","item":'),
        GOLDEN.replace(b"FT-HLT", b"FT\\u002dHLT"),
        GOLDEN.replace(b"FT-HLT", b"FT\xffHLT"),
        GOLDEN.replace(b"FT-HLT", b"FT\xc0\xadHLT"),
        GOLDEN.replace(b"FT-HLT", b"\\ud800"),
        GOLDEN.replace(b'"facts":{"item":"FT-HLT-013","receipt_no":"FT261123037K3QWB"}', b'"facts":"x"'),
        GOLDEN.replace(b'"FT-HLT-013"', b"null"),
        GOLDEN.replace(b'"FT-HLT-013"', b'{"a":"b"}'),
        GOLDEN.replace(b'"subject":"C0001"', b'"subject":{}'),
        GOLDEN.replace(b'"actor":"bank:BANK1:app-1",', b"") + b'"actor":"bank:BANK1:app-1"',
    ],
)
def test_anything_but_canonical_bytes_is_refused(line: bytes) -> None:
    with pytest.raises(BadEntry):
        read(line)


def test_a_kind_of_a_later_release_is_still_read() -> None:
    line = GOLDEN.replace(b"case:submission:received", b"case:proof:fetched").replace(b'"kind_v":"1"', b'"kind_v":"3"')
    assert read(line).kind == "case:proof:fetched"
    assert read(line).kind_v == "3"


def test_making_an_entry_costs_little_enough_for_the_intake() -> None:
    facts, digests = dict(_entry().facts), dict(_entry().digests)

    def make() -> str:
        made = new_entry(
            EntryKind.SUBMISSION_RECEIVED, "C1", seq=1, at=AT, actor="bank:B:c", facts=facts, digests=digests
        )
        return entry_hash(canonical(made))

    best = 1.0
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(200):
            make()
        best = min(best, (time.perf_counter() - started) / 200)
    assert best < 36e-6  # wanted 12 µs, measured about 11; the rest is room for a busy machine
