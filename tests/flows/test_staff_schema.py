"""The staff interface against its own description: generated requests of signed-in people, and no fault of ours.

What a role may not do is answered as described too; nothing here needs another machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.staff import BASE, Person, Staff, staffed

ROLES = ["operator", "reviewer", "auditor", "security", "admin", "teller", "bank_it", "officer"]
CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance)


@pytest.fixture
def staff(tmp_path: Path, sqlite_url: str) -> Iterator[Staff]:
    with staffed(tmp_path, sqlite_url, settings={"SIGN_IN_RATE": "1000"}) as found:
        yield found


def _walk_one(operation: Any, person: Person, receipt_no: str, *, examples: int) -> int:
    sent = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def one(case: schemathesis.Case) -> None:
        nonlocal sent
        sent += 1
        if sent % 2 and "receipt_no" in (case.path_parameters or {}):
            case.path_parameters["receipt_no"] = receipt_no
        headers = {"Authorization": f"Bearer {person.session}", "Idempotency-Key": secrets.token_hex(8)}
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS, headers=headers)

    one()
    return sent


def walk(staff: Staff, roles: list[str], *, examples: int) -> int:
    """Generated requests to every operation as each role; returns how many there were."""
    receipt_no = staff.house.submit(staff.house.sample()).receipt_no
    people = {role: staff.signed_in(role) for role in roles}
    schema = schemathesis.openapi.from_wsgi(f"{BASE}/openapi.json", staff.house.app)
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.endswith(("/session", "/sessions/mine/end", "/sessions/end")) and operation.method != "get":
            continue  # it would sign out the one who walks; these have tests of their own
        for person in people.values():
            sent += _walk_one(operation, person, receipt_no, examples=examples)
    return sent


def test_a_few_requests_to_every_operation_are_answered_as_described(staff: Staff) -> None:
    assert walk(staff, ["operator"], examples=4) > 60


@pytest.mark.full
def test_many_requests_of_every_role_are_answered_as_described(staff: Staff) -> None:
    assert walk(staff, ROLES, examples=25) > 3_000
