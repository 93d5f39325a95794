"""The staff interface through the real application: who may what; the rest is nothing to them (rules.md 29)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.actor import MAY, Permission, Role
from gateway.web.staff_api.gate import is_marked
from tests.builders import OUTLET
from tests.staff import BANK_IDP, BASE, BUREAU_ROLES, Person, Staff, staffed

ROLES = [role.value for role in Role]


@pytest.fixture
def staff(tmp_path: Path, database_url: str) -> Iterator[Staff]:
    with staffed(tmp_path, database_url) as found:
        yield found


@pytest.fixture
def lone(tmp_path: Path, sqlite_url: str) -> Iterator[Staff]:
    with staffed(tmp_path, sqlite_url) as found:
        yield found


def rules(staff: Staff) -> list[Any]:
    """Every route of the interface, without its description."""
    own = [r for r in staff.house.app.url_map.iter_rules() if r.rule.startswith(BASE)]
    return [r for r in own if not r.endpoint.startswith(("staff-api-docs.", "staff-docs."))]


def filed(staff: Staff, **how: Any) -> str:
    answer = staff.house.submit(staff.house.sample(**how))
    assert answer.ok, answer.raw
    return str(answer.receipt_no)


# -- the gate -----------------------------------------------------------------------------------------------------


def test_every_route_says_who_it_is_for_and_one_that_does_not_is_open_to_nobody(lone: Staff) -> None:
    app = lone.house.app
    assert len(rules(lone)) > 20
    assert [r.rule for r in rules(lone) if not is_marked(app.view_functions[r.endpoint])] == []
    app.view_functions[next(r for r in rules(lone) if r.rule.endswith("/trail")).endpoint] = lambda: "open"
    assert lone.signed_in("auditor").get("/trail").status == 403


def test_without_a_session_every_route_but_the_sign_in_is_shut(lone: Staff) -> None:
    for rule in rules(lone):
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            path = re.sub(r"<[^>]+>", "X1234567890", rule.rule).removeprefix(BASE)
            answer = lone.ask(method, path, {} if method == "POST" else None)
            wanted = 422 if (method, path) == ("POST", "/session") else 401
            assert answer.status == wanted, (method, path)
            assert (
                lone.ask(method, path, {} if method == "POST" else None, Authorization="Bearer " + "x" * 43).status
                == wanted
            )


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_the_table_grants_and_the_rest_is_denied_with_an_entry(lone: Staff, role: str) -> None:
    person = lone.signed_in(role)
    reads = {
        "/cases/": Permission.CASES_READ,
        "/shelf/": Permission.SHELF_READ,
        "/acts/": Permission.ACTS_READ,
        "/clients/": Permission.CLIENTS_READ,
        "/items/": Permission.CATALOGUE_READ,
        "/outlets/": Permission.SWITCHES_READ,
        "/switches/": Permission.SWITCHES_READ,
        "/closures/": Permission.SWITCHES_READ,
        "/calendar": Permission.CALENDAR_READ,
        "/trail": Permission.TRAIL_READ,
    }
    denied = 0
    for path, permission in reads.items():
        granted = permission in MAY[Role(role)]
        assert person.get(path).status == (200 if granted else 403), path
        denied += not granted
    assert len(lone.house.loose_entries("door:permission:denied")) == denied
    assert person.get("/session").body["actor"]["permissions"] == sorted(MAY[Role(role)])


def test_every_route_with_every_foreign_actor_is_the_same_as_a_missing_object(staff: Staff) -> None:
    part = staff.house.sample()
    own, document = staff.house.submit(part).receipt_no, part["applicant"]["doc_no"]
    foreign = {
        "a teller of another outlet": staff.signed_in("teller", outlets=["ICBC-FT-01"]),
        "an officer of another department": staff.signed_in("officer"),
    }
    paths = [r.rule.removeprefix(BASE) for r in rules(staff) if "<string:receipt_no>" in r.rule and "GET" in r.methods]
    assert len(paths) >= 2
    for who, person in foreign.items():
        for path in paths:
            there, nowhere = (
                person.get(path.replace("<string:receipt_no>", name)) for name in (own, "FT2611230000000")
            )
            assert there.status == nowhere.status, (who, path)
            assert there.body | {"instance": ""} == nowhere.body | {"instance": ""}, (who, path)
        body = {"path": "applicant.phone", "purpose": "好奇而已"}
        seen = person.post(f"/cases/{own}/reveal", body)
        assert (seen.status, seen.code) == (404, "NOT_FOUND"), who
        assert person.get("/cases/").body["items"] == [], who
        search = person.post("/cases/search", {"doc_type": part["applicant"]["doc_type"], "doc_no": document})
        assert search.body == {"items": []}, who
    assert "case:data:revealed" not in staff.house.kinds(own)


# -- cases --------------------------------------------------------------------------------------------------------


def test_a_teller_sees_their_outlet_bank_it_their_bank_and_the_bureau_everything(staff: Staff) -> None:
    here, there = filed(staff, outlet=OUTLET), filed(staff, outlet="ICBC-FT-01")
    seen = lambda person: {row["receipt_no"] for row in person.get("/cases/").body["items"]}  # noqa: E731 one line
    assert seen(staff.signed_in("teller")) == {here}
    assert seen(staff.signed_in("bank_it")) == {here, there}
    assert seen(staff.signed_in("operator")) == {here, there}
    assert seen(staff.signed_in("auditor")) == {here, there}
    assert seen(staff.signed_in("officer")) == set()
    assert staff.signed_in("security").get("/cases/").status == 403


def test_pages_follow_one_another_and_filters_narrow(staff: Staff) -> None:
    numbers = [filed(staff) for _ in range(5)]
    person, seen, cursor = staff.signed_in("operator"), [], ""
    while True:
        page = person.get(f"/cases/?limit=2{cursor}").body
        seen += [row["receipt_no"] for row in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == numbers[::-1]
    assert person.get("/cases/?state=approved").body["items"] == []
    assert len(person.get("/cases/?state=submitted&item=FT-SBX-002").body["items"]) == 5
    assert person.get("/cases/?cursor=abc").code == "INVALID"
    assert person.get("/cases/?cursor=WzFd").code == "INVALID"  # well written, and not of this list
    assert person.get("/cases/?limit=0&more=1&state=x").status == 422


def test_one_case_shows_its_story_and_no_personal_data_until_a_field_is_revealed_for_a_purpose(staff: Staff) -> None:
    part = staff.house.sample()
    receipt_no = staff.house.submit(part).receipt_no
    person = staff.signed_in("operator", subject="li.hua")
    whole = person.get(f"/cases/{receipt_no}")
    assert whole.body["case"]["state"] == "submitted"
    assert [e["kind"] for e in whole.body["timeline"]] == ["case:submission:received"]
    private = (part["applicant"]["doc_no"], part["applicant"]["phone"], part["applicant"]["name"])
    assert [secret for secret in private if secret in json.dumps(whole.body, ensure_ascii=False)] == []
    shown = person.post(f"/cases/{receipt_no}/reveal", {"path": "applicant.phone", "purpose": "联系申请人补正"})
    assert shown.body == {"value": part["applicant"]["phone"]}
    (entry,) = [e for e in staff.house.entries(receipt_no) if e["kind"] == "case:data:revealed"]
    assert entry["actor"] == "person:IDP_BUREAU:li.hua"
    assert entry["facts"]["path"] == "applicant.phone"
    assert (
        person.post(f"/cases/{receipt_no}/reveal", {"path": "applicant.nothing", "purpose": "看看有没有"}).status == 404
    )
    assert person.post(f"/cases/{receipt_no}/reveal", {"path": "a;b", "purpose": "看"}).status == 422
    stale = staff.signed_in("operator", subject="old", second_factor=False)
    refused = stale.post(f"/cases/{receipt_no}/reveal", {"path": "applicant.phone", "purpose": "联系申请人补正"})
    assert (refused.status, refused.code) == (401, "FRESH_SIGN_IN")


def test_a_search_by_document_leaves_no_number_in_an_address(staff: Staff) -> None:
    part = staff.house.sample()
    receipt_no = staff.house.submit(part).receipt_no
    body = {"doc_type": part["applicant"]["doc_type"], "doc_no": part["applicant"]["doc_no"]}
    person = staff.signed_in("operator")
    assert [row["receipt_no"] for row in person.post("/cases/search", body).body["items"]] == [receipt_no]
    assert person.post("/cases/search", body | {"doc_no": "11010519491231002X"}).body == {"items": []}


def test_an_unchanged_case_is_not_sent_again(lone: Staff) -> None:
    person, receipt_no = lone.signed_in("operator"), filed(lone)
    first = person.get(f"/cases/{receipt_no}")
    again = person.get(f"/cases/{receipt_no}", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, None)


# -- sessions -----------------------------------------------------------------------------------------------------


def test_a_session_ends_by_idleness_by_age_by_its_holder_and_by_the_security_officer(staff: Staff) -> None:
    clock = staff.house.clock
    idle = staff.signed_in("operator")
    clock.turn(minutes=14)
    assert idle.get("/session").status == 200
    clock.turn(minutes=14)
    assert idle.get("/session").status == 200  # it was here a moment ago
    clock.turn(minutes=16)
    assert idle.get("/session").code == "SIGN_IN"

    old = staff.signed_in("operator")
    for _ in range(34):
        clock.turn(minutes=14)
        last = old.get("/session")
    assert last.status == 200
    clock.turn(minutes=10)
    assert old.get("/session").status == 401  # eight hours are over

    out = staff.signed_in("operator")
    assert out.ask("DELETE", "/session").status == 204
    assert out.get("/session").status == 401

    phone, desk = (staff.signed_in("operator", subject="zhao") for _ in range(2))
    assert phone.post("/sessions/mine/end").body == {"count": 2}
    assert [phone.get("/session").status, desk.get("/session").status] == [401, 401]

    left = staff.signed_in("teller", subject="gone")
    officer = staff.signed_in("security")
    body = {"label": f"person:{BANK_IDP}:gone"}
    assert staff.signed_in("operator").post("/sessions/end", body).status == 403
    assert officer.post("/sessions/end", body).body == {"count": 1}
    assert left.get("/session").status == 401
    assert "door:session:ended" in {e["kind"] for e in staff.house.loose_entries("door:session:ended")}


def test_a_token_that_is_not_believed_opens_nothing_and_the_caller_does_not_hear_why(lone: Staff) -> None:
    token = lone.token("operator")
    assert lone.ask("POST", "/session", {"token": token}).status == 201
    again = lone.ask("POST", "/session", {"token": token})
    staff.house.house.database.again(lambda tx: tx.run("UPDATE checkpoint SET line = replace(line, 'root', 'toor')"))
    assert "最新检查点不是规定的格式" in person.get("/trail/check").body["problems"]
    assert staff.signed_in("teller").get("/trail/check").status == 403


# -- the description ---------------------------------------------------------------------------------------------


def test_the_description_names_every_route_and_needs_nobody_outside(lone: Staff) -> None:
    client = lone.house.app.test_client()
    told = client.get(f"{BASE}/openapi.json").get_json()
    described = {re.sub(r"\{[^}]+\}", "<>", path) for path in told["paths"]}
    assert {re.sub(r"<[^>]+>", "<>", r.rule) for r in rules(lone)} == described
    page = client.get(f"{BASE}/docs/")
    assert page.status_code == 200
    assert "http" not in page.get_data(as_text=True)
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def test_paths_that_are_none_and_methods_that_are_none_are_problems_too(lone: Staff) -> None:
    person: Person = lone.signed_in(BUREAU_ROLES[0])
    assert person.get("/nothing").code == "NOT_FOUND"
    assert person.ask("PUT", "/cases/").code == "NO_METHOD"
    assert lone.house.app.test_client().get("/nothing").get_data() == b""
