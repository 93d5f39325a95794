"""Roles, scopes and what may be done: what is not granted is denied, and an empty scope is nobody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from gateway.domain.actor import MAY, Actor, Permission, Role, unfit

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CHANGES = {p for p in Permission if not p.value.endswith(":read")}


def actor(*roles: Role, **scope: object) -> Actor:
    return Actor(subject="p1", provider="bureau", roles=frozenset(roles), **scope)  # type: ignore[arg-type]  # test


def test_every_role_has_its_row_and_grants_something() -> None:
    assert set(MAY) == set(Role)
    assert all(MAY.values())


def test_the_auditor_changes_nothing_and_the_other_keepers_see_no_case() -> None:
    assert not MAY[Role.AUDITOR] & CHANGES
    for role in (Role.SECURITY, Role.ADMIN):
        assert Permission.CASES_READ not in MAY[role]
        assert Permission.EXCHANGES_READ not in MAY[role]


def test_who_runs_the_system_neither_approves_nor_reads_the_trail_nor_grants_roles() -> None:
    denied = {Permission.ACTS_APPROVE, Permission.TRAIL_READ, Permission.PEOPLE_CHANGE}
    assert not MAY[Role.ADMIN] & denied


@pytest.mark.parametrize("pair", list(combinations(Role, 2)))
def test_two_roles_meet_in_one_person_only_at_the_bureau_s_desk(pair: tuple[Role, Role]) -> None:
    allowed = set(pair) == {Role.OPERATOR, Role.REVIEWER}
    assert (unfit(frozenset(pair)) == "") is allowed


def test_nobody_without_a_role_is_an_actor() -> None:
    with pytest.raises(ValueError, match="no role"):
        actor()


@pytest.mark.parametrize(
    ("roles", "scope"),
    [
        ((Role.TELLER,), {}),
        ((Role.TELLER,), {"bank": "BANK1"}),
        ((Role.BANK_IT,), {}),
        ((Role.BANK_IT,), {"bank": "BANK1", "outlets": frozenset({"O1"})}),
        ((Role.OFFICER,), {}),
        ((Role.OFFICER,), {"department": "D1", "bank": "BANK1"}),
        ((Role.OPERATOR,), {"bank": "BANK1"}),
        ((Role.AUDITOR,), {"department": "D1"}),
        ((Role.OPERATOR,), {"outlets": frozenset({"O1"})}),
    ],
)
def test_an_actor_whose_scope_does_not_fit_its_role_cannot_be_made(
    roles: tuple[Role, ...], scope: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"bank|outlets|department"):
        actor(*roles, **scope)


def test_only_the_bureau_s_people_and_the_auditor_see_all_cases() -> None:
    seeing = {
        Role.TELLER: actor(Role.TELLER, bank="BANK1", outlets=frozenset({"O1"})),
        Role.BANK_IT: actor(Role.BANK_IT, bank="BANK1"),
        Role.OFFICER: actor(Role.OFFICER, department="D1"),
        **{role: actor(role) for role in (Role.OPERATOR, Role.REVIEWER, Role.AUDITOR, Role.SECURITY, Role.ADMIN)},
    }
    assert {role for role, one in seeing.items() if one.sees_all_cases} == {
        Role.OPERATOR,
        Role.REVIEWER,
        Role.AUDITOR,
    }


def test_permissions_of_two_roles_add_up() -> None:
    both = actor(Role.OPERATOR, Role.REVIEWER)
    assert both.may(Permission.CALENDAR_CHANGE)
    assert both.may(Permission.ACTS_APPROVE)
    assert both.permissions == MAY[Role.OPERATOR] | MAY[Role.REVIEWER]
    assert not both.may(Permission.PEOPLE_CHANGE)


@pytest.mark.parametrize(
    ("ago", "fresh"), [(None, False), (-60, False), (-10, True), (0, True), (600, True), (601, False)]
)
def test_a_second_factor_is_fresh_for_ten_minutes_and_not_from_the_future(ago: int | None, fresh: bool) -> None:
    at = None if ago is None else NOW - timedelta(seconds=ago)
    assert actor(Role.REVIEWER, second_factor_at=at).is_fresh(NOW) is fresh


def test_the_label_is_the_same_for_ever_whatever_the_roles() -> None:
    assert actor(Role.OPERATOR).label == actor(Role.AUDITOR).label == "person:bureau:p1"
