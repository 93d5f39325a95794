"""A new item is one file: put beside the others, it is filed at a bank's door, translated, decided and told."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.catalogue.loader import load, problems
from tests.builders import item_file, small_house

CODE = "FT-SBX-777"
FIELD = {"name": "reason", "label": "办理事由", "type": "string", "required": True, "max_len": 20}


def test_one_file_is_a_new_item_from_the_bank_s_door_to_the_decision(tmp_path: Path, database_url: str) -> None:
    item = item_file(tmp_path, CODE, opens_in=-1, extra_field=FIELD, answer="at_once")
    assert problems(with_sandbox=True, extra=[item]) == []
    with small_house(tmp_path, database_url, with_department=True, extra_items=(item,)) as house:
        part = house.sample(CODE)
        wrong = house.submit(part)
        assert [(e["path"], e["code"]) for e in wrong.business["errors"]] == [("form.reason", "MISSING")]
        part["form"] |= {"reason": "新开办"}
        filed = house.submit(part)
        assert filed.ok, filed.raw
        assert filed.business["case"]["item"] == CODE
        house.until_state(filed.receipt_no, "approved", turn=0.5)
        (row,) = house.ledger(filed.receipt_no)
        content = json.loads(row["body"])["content"]
        assert row["item"] == CODE
        assert content["remark"] == "新开办"  # under the department's own name, by the item's route
        assert "reason" not in content


def test_the_same_file_outside_its_window_is_refused_and_the_old_items_are_untouched(
    tmp_path: Path, sqlite_url: str
) -> None:
    item = item_file(tmp_path, CODE, opens_in=30)
    with small_house(tmp_path, sqlite_url, extra_items=(item,)) as house:
        closed = house.submit(house.sample(CODE))
        assert [e["code"] for e in closed.business["errors"]] == ["ITEM_WINDOW_CLOSED"]
        assert house.submit(house.sample("FT-SBX-003")).ok
    assert load(with_sandbox=True, extra=[item]).digest != load(with_sandbox=True).digest
