"""The staff interface through the real application: who may what; the rest is nothing to them (rules.md 29)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.actor import MAY, Permission, Role
from gateway.store import work
from gateway.web.staff_api.gate import COOKIE, is_marked
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
    forged = lone.ask("POST", "/session", {"token": token[:-4] + "AAAA"})
    assert again.body == forged.body
    assert (again.status, again.code) == (401, "SIGN_IN")
    causes = [e["facts"]["cause"] for e in lone.house.loose_entries("door:session:refused")]
    assert causes == ["used_before", "jwt_InvalidSignatureError"]


def test_an_address_may_not_try_tokens_for_ever(lone: Staff) -> None:
    answers = [lone.ask("POST", "/session", {"token": "x" * 30}, address="10.9.9.9") for _ in range(40)]
    assert {a.status for a in answers} == {401, 429}
    assert lone.signed_in("operator").get("/session").status == 200  # another address


def test_a_page_has_its_session_in_a_host_cookie_and_proves_its_own_requests(lone: Staff) -> None:
    opened = lone.ask("POST", "/session", {"token": lone.token("operator"), "page": True})
    assert opened.body["session"] is None
    cookie = opened.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    carried = cookie.partition(";")[0]
    assert lone.ask("GET", "/session", Cookie=carried).status == 200
    refused = lone.ask("POST", "/sessions/mine/end", {}, Cookie=carried)
    assert (refused.status, refused.code) == (401, "SIGN_IN")
    assert lone.ask("POST", "/sessions/mine/end", {}, Cookie=carried, X_CSRF_Token="wrong").status == 401
    done = lone.ask("POST", "/sessions/mine/end", {}, Cookie=carried, X_CSRF_Token=opened.body["csrf"])
    assert done.body == {"count": 1}


# -- acts and the shelf -----------------------------------------------------------------------------------------------


def test_an_act_takes_another_person_with_a_fresh_proof_and_is_done_once(staff: Staff) -> None:
    proposer, reviewer = staff.signed_in("operator", subject="li"), staff.signed_in("reviewer", subject="wang")
    table = "year: 2027\nsource: a notice of a test\nrest:\n- ['2027-01-01', '2027-01-03']\nworked: []\n"
    proposed = proposer.post("/acts/", {"kind": "calendar.load", "payload": {"table": table}})
    act = proposed.body
    assert act["state"] == "proposed"
    both = staff.signed_in("operator", "reviewer", subject="li")
    own = both.post(f"/acts/{act['act_id']}/approve", {"digest": act["digest"]})
    assert (own.status, own.code) == (409, "CONFLICT")
    assert proposer.post(f"/acts/{act['act_id']}/approve", {"digest": act["digest"]}).status == 403
    stale = staff.signed_in("reviewer", subject="late", second_factor=False)
    assert stale.post(f"/acts/{act['act_id']}/approve", {"digest": act["digest"]}).code == "FRESH_SIGN_IN"
    assert reviewer.post(f"/acts/{act['act_id']}/approve", {"digest": "sha256:" + "0" * 64}).status == 409
    shown = reviewer.get(f"/acts/{act['act_id']}").body
    assert (shown["missing"], shown["digest"]) == (1, act["digest"])
    done = reviewer.post(f"/acts/{act['act_id']}/approve", {"digest": act["digest"]})
    assert done.body["state"] == "approved"
    staff.house.house.acts.carry_out(act["act_id"])  # a worker's turn
    assert reviewer.get(f"/acts/{act['act_id']}").body["state"] == "executed"
    assert reviewer.post(f"/acts/{act['act_id']}/refuse", {"reason": "不妥"}).code == "CONFLICT"
    staff.house.house.clockwork.forget()
    assert reviewer.get("/calendar?year=2027").body["calendar"]["official"] is True


def test_the_same_key_of_repetition_proposes_once(staff: Staff) -> None:
    person = staff.signed_in("operator")
    body = {"kind": "switch.off", "payload": {"item": "FT-SBX-002", "say": "系统维护", "reason": "a test"}}
    first, second = (person.post("/acts/", body, Idempotency_Key="key-0000001") for _ in range(2))
    assert first.body == second.body
    assert len(person.get("/acts/").body["items"]) == 1


def test_wrong_payloads_and_unknown_acts_are_told_as_problems(lone: Staff) -> None:
    person = lone.signed_in("operator")
    assert person.post("/acts/", {"kind": "no.such", "payload": {}}).code == "INVALID"
    assert person.post("/acts/", {"kind": "switch.off", "payload": {}}).code == "INVALID"
    assert person.get("/acts/" + "0" * 32).code == "NOT_FOUND"
    assert lone.signed_in("auditor").post("/acts/", {"kind": "switch.off", "payload": {}}).status == 403


def test_the_shelf_is_worked_by_the_same_rules_as_by_command(staff: Staff) -> None:
    receipt_no = filed(staff)

    def park(tx: Any) -> str:
        from datetime import timedelta

        (claim,) = work.claim(tx, "FT_SBX", owner="t", lease=timedelta(seconds=9), limit=1, kinds=["call"])
        work.park(tx, claim, note="it may have arrived")
        return claim.work_id

    work_id = staff.house.house.database.again(park)
    person = staff.signed_in("operator")
    (row,) = person.get("/shelf/").body["items"]
    assert (row["work_id"], row["receipt_no"], row["may"]) == (work_id, receipt_no, ["retry", "re-ask"])
    assert person.get(f"/shelf/{work_id}").body == row
    assert person.post(f"/shelf/{work_id}/re-ask").body == {"done": "asked about"}
    assert person.post(f"/shelf/{work_id}/retry").code == "CONFLICT"  # it is with the workers now
    assert staff.house.entries(receipt_no)[-1]["actor"] == "person:IDP_BUREAU:operator"
    assert staff.signed_in("auditor").post(f"/shelf/{work_id}/retry").status == 403


def test_bank_people_see_their_own_clients_and_outlets_and_no_key(lone: Staff) -> None:
    found = lone.signed_in("bank_it").get("/clients/").body["items"]
    assert [c["client_id"] for c in found] == ["icbc-1"]
    assert set(found[0]["keys"][0]) == {"key_id", "use", "algorithm", "from", "until"}
    outlets = lone.signed_in("bank_it").get("/outlets/").body["items"]
    assert {o["bank"] for o in outlets} == {"ICBC"}
    assert len(lone.signed_in("operator").get("/outlets/").body["items"]) == 12
    assert len(lone.signed_in("operator").get("/items/").body["items"]) >= 100


def test_the_trail_is_checked_on_the_spot_and_one_altered_byte_is_named(staff: Staff) -> None:
    for _ in range(4):
        filed(staff)
    house, sealer = staff.house, staff.house.house.sealer
    house.until(lambda: (sealer.order(), sealer.seal(now_too=True))[1] >= 4, what="all are sealed")
    person = staff.signed_in("auditor")
    good = person.get("/trail/check").body
    assert (good["whole"], good["problems"], good["first"]) == (True, [], 0)
    assert good["entries"] == good["size"] >= 4
    assert person.get("/trail/check?first=2").body["entries"] == good["size"] - 2
    (row,) = house.rows("SELECT e.row_id, e.canonical FROM position p JOIN entry e USING (row_id) WHERE position = 1")
    altered = {"raw": bytes(row["canonical"])[:-2] + b" }", "id": row["row_id"]}
    house.house.database.again(lambda tx: tx.run("UPDATE entry SET canonical = :raw WHERE row_id = :id", altered))
    assert person.get("/trail/check").body["problems"] == ["第 1 条与哈希树不符"]
    house.house.database.again(lambda tx: tx.run("UPDATE checkpoint SET line = replace(line, 'root', 'toor')"))
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
