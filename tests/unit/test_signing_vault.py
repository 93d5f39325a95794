"""Sealed rows: right place or nothing."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import BadSettings
from gateway.signing.secret import Secret
from gateway.signing.vault import NotOpened, Vault, make_vault

OLD, NEW, INDEX, INDEX2 = (Secret(os.urandom(32)) for _ in range(4))
PLACE = "case:01J0:form"
PLAIN = b'{"name":"\xe9\x99\x88"}'


def vault() -> Vault:
    return Vault(OLD, "k1", index_key=INDEX)


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=("Cs",))))
def test_what_is_sealed_opens_at_its_place(plain, place):
    key = vault().new_data_key()
    assert vault().unwrap(key.wrapped).open(key.seal(plain, place), place) == plain
    assert vault().open(vault().seal(plain, place), place) == plain


def test_nothing_plain_stands_in_what_is_sealed():
    key = vault().new_data_key()
    assert b"name" not in key.seal(PLAIN, PLACE) + vault().seal(PLAIN, PLACE)
    assert key.seal(PLAIN, PLACE) != key.seal(PLAIN, PLACE)


def test_another_place_row_or_key_does_not_open():
    house = vault()
    key = house.new_data_key()
    sealed, direct = key.seal(PLAIN, PLACE), house.seal(PLAIN, PLACE)
    for attempt in (
        lambda: key.open(sealed, "case:01J1:form"),
        lambda: house.new_data_key().open(sealed, PLACE),
        lambda: house.open(direct, "case:01J1:form"),
        lambda: house.open(sealed, PLACE),
        lambda: key.open(direct, PLACE),
        lambda: house.unwrap(direct),
        lambda: house.open(key.wrapped, PLACE),
        lambda: Vault(NEW, "k1", index_key=INDEX).open(direct, PLACE),
        lambda: Vault(NEW, "k1", index_key=INDEX).unwrap(key.wrapped),
        lambda: Vault(NEW, "k2", index_key=INDEX).unwrap(key.wrapped),
    ):
        with pytest.raises(NotOpened):
            attempt()


@given(st.data())
def test_a_changed_or_cut_byte_anywhere_does_not_open(data):
    house = vault()
    key = house.new_data_key()
    sealed = data.draw(st.sampled_from([key.seal(PLAIN, PLACE), house.seal(PLAIN, PLACE), key.wrapped]))
    at = data.draw(st.integers(0, len(sealed) - 1))
    broken = bytearray(sealed)
    broken[at] ^= data.draw(st.integers(1, 255))
    for blob in (bytes(broken), sealed[:at]):
        for attempt in (key.open, house.open, lambda blob, place: house.unwrap(blob)):
            with pytest.raises(NotOpened):
                attempt(blob, PLACE)


def test_rewrapping_keeps_what_was_sealed_and_needs_the_old_key_no_more():
    key = vault().new_data_key()
    sealed = key.seal(PLAIN, PLACE)
    both = Vault(NEW, "k2", index_key=INDEX, older_keks={"k1": OLD})
    assert both.needs_rewrap(key.wrapped)
    again = both.rewrap(key.wrapped)
    only_new = Vault(NEW, "k2", index_key=INDEX)
    assert not only_new.needs_rewrap(again)
    assert only_new.unwrap(again).open(sealed, PLACE) == PLAIN


def test_rows_sealed_directly_open_under_an_older_key_and_show_that_they_are_old():
    direct = vault().seal(PLAIN, PLACE)
    both = Vault(NEW, "k2", index_key=INDEX, older_keks={"k1": OLD})
    assert both.open(direct, PLACE) == PLAIN
    assert both.needs_rewrap(direct)


def test_search_hashes_name_their_key_and_separate_kind_from_number():
    house = Vault(OLD, "k1", index_key=INDEX2, index_id="i2", older_indexes={"i1": INDEX})
    assert house.search_hashes("resident_id", "44") == (
        house.search_hash("resident_id", "44"),
        vault().search_hash("resident_id", "44"),
    )
    assert house.search_hash("resident_id", "44").startswith("i2:")
    assert house.search_hash("a", "bc") != house.search_hash("ab", "c")
    assert len(house.search_hash("a", "b")) == 3 + 64


def test_a_vault_file_is_made_once_and_loads(tmp_path):
    path = tmp_path / "vault.json"
    make_vault(path)
    assert path.stat().st_mode & 0o777 == 0o600
    house = Vault.load(path)
    assert Vault.load(path).open(house.seal(PLAIN, PLACE), PLACE) == PLAIN
    assert house.search_hash("a", "b") == Vault.load(path).search_hash("a", "b")
    with pytest.raises(BadSettings, match="File exists"):
        make_vault(path)


def test_a_rotated_vault_file_loads_with_its_older_keys(tmp_path):
    path = tmp_path / "vault.json"
    make_vault(path)
    direct = Vault.load(path).seal(PLAIN, PLACE)
    content = json.loads(path.read_bytes())
    content["keks"]["kek-new"] = "A" * 43 + "="
    content["kek"] = "kek-new"
    path.write_text(json.dumps(content))
    assert Vault.load(path).kek_id == "kek-new"
    assert Vault.load(path).index_id == "i1"
    assert Vault.load(path).open(direct, PLACE) == PLAIN


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kek":"a","keks":{},"index":"i","indexes":{}}', '{"keks":1}'])
def test_a_file_that_is_no_vault_is_refused(tmp_path, content):
    path = tmp_path / "vault.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(BadSettings, match="no vault file"):
        Vault.load(path)


def test_a_vault_file_open_to_others_is_refused(tmp_path):
    make_vault(tmp_path / "vault.json")
    (tmp_path / "vault.json").chmod(0o640)
    with pytest.raises(BadSettings, match="chmod 600"):
        Vault.load(tmp_path / "vault.json")


def test_keys_of_another_length_and_unusable_ids_are_refused():
    with pytest.raises(BadSettings, match="32 bytes"):
        Vault(Secret(b"short"), "k1", index_key=INDEX)
    for key_id in ("", "x" * 33, "a:b", "钥"):
        with pytest.raises(BadSettings, match="vault key id"):
            Vault(OLD, key_id, index_key=INDEX)


def test_neither_vault_nor_data_key_prints_a_key():
    house = vault()
    assert repr(house) == "Vault(kek_id='k1')"
    assert repr(house.new_data_key()) == "DataKey(***)"


def test_no_two_seals_of_a_new_key_share_a_nonce():
    key = vault().new_data_key()
    nonces = [key.wrapped[-60:-48], *(key.seal(b"same", PLACE)[1:13] for _ in range(9))]  # 48: the key and its tag
    assert len(set(nonces)) == 10
    assert vault().unwrap(key.wrapped).open(key.seal(PLAIN, PLACE), PLACE) == PLAIN
