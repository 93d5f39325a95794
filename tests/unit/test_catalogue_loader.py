"""The catalogue as shipped: what is in it, what freezing means, versions, sandbox items and further items."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from gateway.catalogue.item import Catalogue, Sla, Window
from gateway.catalogue.loader import HERE, load, problems
from gateway.domain.errors import BadCatalogue

SANDBOX = ["FT-SBX-001", "FT-SBX-002", "FT-SBX-003", "FT-SBX-004"]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load()


@pytest.fixture(scope="module")
def with_sandbox() -> Catalogue:
    return load(with_sandbox=True)


def sandbox_text(code: str = "FT-SBX-001") -> str:
    return (HERE / "sandbox" / f"{code}.yaml").read_text(encoding="utf-8")


def test_the_shipped_catalogue_has_no_problems() -> None:
    assert problems(with_sandbox=True) == []


def test_there_are_a_hundred_items_twenty_in_each_domain(catalogue: Catalogue) -> None:
    domains = Counter(versions[-1].domain for versions in catalogue.items.values())
    assert domains == {"EDU": 20, "CIV": 20, "HRS": 20, "HCN": 20, "HLT": 20}


def test_modes_and_deferrable_items_are_as_many_as_the_facts_say(catalogue: Catalogue) -> None:
    items = [versions[-1] for versions in catalogue.items.values()]
    assert Counter(item.mode for item in items) == {"instant": 12, "spot": 22, "promise": 66}
    assert sum(item.tolerance_allowed for item in items) == 58
    assert sum(item.routing_level == "street" for item in items) == 17
    assert sum(len(item.fields) for item in items) == 649
    assert sum(len(item.materials) for item in items) == 330


def test_an_item_keeps_what_its_file_says(catalogue: Catalogue) -> None:
    item = catalogue.items["FT-EDU-001"][0]
    assert item.windows == (Window((3, 1), (4, 30)), Window((9, 1), (10, 31)))
    assert item.sensitive == ("minor", "finance")
    assert (item.tolerance_allowed, item.tolerance_days) == (False, None)
    assert item.effective_from == date(2019, 10, 1)
    assert item.examples[0].day == "04-15"
    grade = next(field for field in item.fields if field.name == "grade")
    assert (grade.type, grade.min, grade.max) == ("int", "1", "9")
    assert item.outlets is None


def test_an_item_may_list_its_outlets_and_a_second_kind_of_applicant(catalogue: Catalogue) -> None:
    listed = [i for versions in catalogue.items.values() for i in versions if i.outlets is not None]
    assert len(listed) == 1
    assert len(listed[0].outlets or ()) == 8
    assert set(catalogue.items["FT-HCN-007"][0].subjects) == {"person", "organisation"}


def test_rules_keep_order_shape_keys_and_conditions(catalogue: Catalogue) -> None:
    fixed, order = catalogue.items["FT-HRS-001"][0].rules
    assert (fixed.shape, fixed.args) == ("required_when", {"field": "contract_end"})
    assert [(c.kind, c.subject, c.values) for c in fixed.when] == [("in", "contract_type", ("fixed",))]
    assert order.args == {"left": "contract_start", "op": "lt", "right": "contract_end"}
    late = catalogue.items["FT-HRS-018"][0].rules[1]
    assert late.args["plus"] == {"days": 30}


def test_the_bundle_has_six_steps_and_the_licence_comes_first(catalogue: Catalogue) -> None:
    bundle = catalogue.bundles["FT-BIZ-SETUP"]
    assert bundle.steps[0].item.code == "FT-BIZ-LIC"
    assert len(bundle.steps) == 6
    assert all(step.depends_on == ("FT-BIZ-LIC",) for step in bundle.steps[1:])
    within = bundle.steps[0].item.rules[5]
    assert within.checked == ("before_start_with_submission_day", "before_step")
    assert within.effective_from == date(2024, 7, 1)
    invoices = bundle.steps[2]
    ((after, (condition,)),) = invoices.soft_after
    assert (after, condition.kind, condition.subject) == ("FT-BIZ-SEAL", "any_in", "invoices.kind")
    assert set(catalogue.row_types) == {"shareholders", "seals", "invoices", "employees"}
    subscribed = next(column for column in catalogue.row_types["shareholders"] if column.name == "subscribed")
    assert subscribed.min == "0.01"


def test_every_outlet_has_a_slip_number_of_its_own_and_a_known_street(catalogue: Catalogue) -> None:
    outlets = catalogue.outlets.values()
    assert sorted(outlet.slip_no for outlet in outlets) == [f"{n:02}" for n in range(1, 13)]
    assert all(outlet.street in catalogue.streets and outlet.bank in catalogue.banks for outlet in outlets)
    assert catalogue.outlets["ICBC-FT-03"].opening_hours["saturday"] is None


def test_common_blocks_and_delivery_modes_are_there(catalogue: Catalogue) -> None:
    assert [rule.id for rule in catalogue.applicant_rules["organisation"]] == ["C1"]
    assert len(catalogue.applicant_rules["delegation_record"]) == 11
    assert catalogue.applicant_rules["person"] == ()
    assert len(catalogue.applicant_fields["person"]) == 7
    modes = {mode.value: mode.available_from for mode in catalogue.delivery_modes}
    assert modes == {"counter": "", "outlet": "", "cabinet": "later", "ems": "", "electronic": ""}
    assert catalogue.entitlement == {"items": "delegated_items", "bundles": "business_setup_zone"}


def test_an_items_digest_is_that_of_its_bytes(catalogue: Catalogue) -> None:
    item = catalogue.items["FT-HLT-013"][0]
    assert item.source == "FT-HLT-013.yaml"
    assert item.digest == hashlib.sha256((HERE / "items" / item.source).read_bytes()).hexdigest()


def test_the_digest_of_all_is_stable_and_changes_with_any_file(catalogue: Catalogue, tmp_path: Path) -> None:
    assert load().digest == catalogue.digest
    path = tmp_path / "FT-SBX-009.yaml"
    path.write_text(sandbox_text().replace("FT-SBX-001", "FT-SBX-009"), encoding="utf-8")
    first = load(with_sandbox=True, extra=[path]).digest
    path.write_text(path.read_text(encoding="utf-8") + "# one more line\n", encoding="utf-8")
    assert load(with_sandbox=True, extra=[path]).digest != first


def test_the_catalogue_cannot_be_changed(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError):
        catalogue.items["FT-EDU-001"] = ()  # type: ignore[index]  # the refusal is the point
    with pytest.raises(AttributeError):
        catalogue.items["FT-EDU-001"][0].name = "x"  # type: ignore[misc]  # the refusal is the point


def test_sandbox_items_and_their_department_exist_only_when_asked_for(
    catalogue: Catalogue, with_sandbox: Catalogue
) -> None:
    assert not [code for code in catalogue.items if code.startswith("FT-SBX")]
    assert "FT_SBX" not in catalogue.departments
    assert [code for code in with_sandbox.items if code.startswith("FT-SBX")] == SANDBOX
    assert "FT_SBX" in with_sandbox.departments
    assert len(with_sandbox.items) == 104


def test_sandbox_items_name_their_route_and_how_often_they_are_asked(with_sandbox: Catalogue) -> None:
    items = [with_sandbox.items[code][0] for code in SANDBOX]
    assert [item.mode for item in items] == ["instant", "promise", "promise", "spot"]
    assert [item.sla for item in items] == [Sla(1, 1, 5), Sla(30, 30, 300), Sla(2, 2, 10), Sla(10, 10, 60)]
    routes = [item.route for item in items if item.route]
    assert [route.constants["answer"] for route in routes] == ["at_once", "callback", "poll", "callback"]
    assert all(route.operation == "file" for route in routes)
    assert routes[0].fields["amountFen"] == "form.amount|fen"
    assert items[1].subjects == ("person", "organisation")
    assert [(m.required, m.deferrable) for m in items[1].materials] == [(True, True), (False, False)]
    assert all(item.examples[0].form["scenario"] == "grant" and not item.windows for item in items)


def test_an_item_without_its_own_sla_takes_the_default_of_its_mode(catalogue: Catalogue) -> None:
    by_mode = {versions[0].mode: versions[0].sla for versions in catalogue.items.values()}
    assert by_mode == {"instant": Sla(5, 15, 300), "spot": Sla(300, 900, 7200), "promise": Sla(1800, 3600, 21600)}


def test_a_further_item_is_read_from_a_file_or_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "FT-NEW-001.yaml"
    path.write_text(sandbox_text().replace("FT-SBX-001", "FT-NEW-001"), encoding="utf-8")
    for extra in ([path], [tmp_path]):
        found = load(with_sandbox=True, extra=extra)
        assert found.items["FT-NEW-001"][0].backend == "FT_SBX"
        assert len(found.items) == 105


def test_versions_of_an_item_stand_side_by_side_and_the_day_decides(tmp_path: Path) -> None:
    text = sandbox_text().replace("FT-SBX-001", "FT-NEW-001")
    old = text.replace("{from: '2019-10-01'}", "{from: '2019-10-01', to: '2026-12-31'}")
    new = text.replace("{from: '2019-10-01'}", "{from: '2027-01-01'}").replace("'2026.1'", "'2027.1'")
    (tmp_path / "FT-NEW-001@2026.1.yaml").write_text(old, encoding="utf-8")
    (tmp_path / "FT-NEW-001.yaml").write_text(new, encoding="utf-8")
    found = load(with_sandbox=True, extra=[tmp_path])
    assert [item.version for item in found.items["FT-NEW-001"]] == ["2026.1", "2027.1"]
    before, after = (found.current("FT-NEW-001", day) for day in (date(2026, 12, 31), date(2027, 1, 1)))
    assert before
    assert after
    assert (before.version, after.version) == ("2026.1", "2027.1")


def test_versions_whose_days_overlap_are_refused(tmp_path: Path) -> None:
    text = sandbox_text().replace("FT-SBX-001", "FT-NEW-001")
    new = text.replace("{from: '2019-10-01'}", "{from: '2027-01-01'}").replace("'2026.1'", "'2027.1'")
    (tmp_path / "FT-NEW-001@2026.1.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "FT-NEW-001@2027.1.yaml").write_text(new, encoding="utf-8")
    (problem,) = problems(with_sandbox=True, extra=[tmp_path])
    assert problem.what == "version 2026.1 still holds when 2027.1 begins on 2027-01-01"
    assert problem.instead == "write effective.to: with the day before"


def test_the_same_version_twice_is_refused(tmp_path: Path) -> None:
    text = sandbox_text().replace("FT-SBX-001", "FT-NEW-001")
    (tmp_path / "FT-NEW-001.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "FT-NEW-001@2026.1.yaml").write_text(text, encoding="utf-8")
    (problem,) = problems(with_sandbox=True, extra=[tmp_path])
    assert "item FT-NEW-001 in version 2026.1 stands in" in problem.what


def test_a_file_that_is_not_there_or_wrongly_named_is_said_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "FT-NEW-001.yml").write_text("code: x\n", encoding="utf-8")
    gone = tmp_path / "gone.yaml"
    wrong_name, missing = problems(extra=[tmp_path, gone])
    assert wrong_name.instead == "write FT-NEW-001.yaml as its name"
    assert missing.file == str(gone)
    with pytest.raises(BadCatalogue, match=r"gone\.yaml:1:1: cannot be read"):
        load(extra=[gone])


def test_loading_everything_takes_a_fraction_of_a_second() -> None:
    best = 9.0
    for _ in range(3):
        begin = time.process_time()
        load()
        best = min(best, time.process_time() - begin)
    assert best < 0.5  # measured 0.17 s on a slow shared core; the limit only catches a slow loader
