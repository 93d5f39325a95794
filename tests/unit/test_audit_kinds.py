"""Kinds of audit entry: each explained, each of three parts."""

import re

import pytest

from gateway.audit.kinds import MEANINGS, VERSIONS, EntryKind


def test_every_kind_has_a_meaning_of_one_line_and_there_is_no_meaning_without_a_kind() -> None:
    assert set(MEANINGS) == set(EntryKind)
    assert set(VERSIONS) <= set(EntryKind)
    for kind in EntryKind:
        assert kind.meaning
        assert "\n" not in kind.meaning
        assert len(kind.meaning) <= 110


@pytest.mark.parametrize("kind", list(EntryKind))
def test_every_kind_parses_into_subject_thing_and_action(kind: EntryKind) -> None:
    assert ":".join(kind.parts) == kind.value
    assert kind.parts[0] in {"act", "case", "door", "house", "party", "system"}
    assert all(re.fullmatch("[a-z][a-z0-9_]{0,23}", part) for part in kind.parts)


def test_every_kind_is_at_version_one_in_the_first_release() -> None:
    assert {kind.version for kind in EntryKind} == {"1"}
