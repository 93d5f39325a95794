"""Our own keys: files, rotation, refusals."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from gateway.domain.errors import BadSettings
from gateway.signing import keys, profiles

DAY = datetime(2026, 11, 23, tzinfo=UTC)
VECTORS = Path(__file__).parents[1] / "vectors" / "icbc"


def pem(private, password: bytes | None = None) -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def put(directory: Path, name: str, content: bytes, mode: int = 0o600) -> Path:
    path = directory / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_first_keys_are_made_for_every_purpose_and_read_back(tmp_path):
    made = keys.make_keys(tmp_path / "keys", ["abc"], sha1_banks=["abc"], valid_from=DAY)
    ring = keys.KeyRing.load(tmp_path / "keys")
    assert ring.purposes == ("answer-abc", "answer-abc-sha1", "checkpoint", "receipt")
    assert {ring.signer(p, DAY).key_id for p in ring.purposes} == set(made)
    assert {p: ring.signer(p, DAY).algorithm for p in ring.purposes} == {
        "answer-abc": "rsa-sha256",
        "answer-abc-sha1": "rsa-sha1",
        "checkpoint": "ed25519",
        "receipt": "ed25519",
    }
    for purpose in ring.purposes:
        key = ring.signer(purpose, DAY)
        public = profiles.load_public(key.algorithm, key.public_der)
        assert profiles.verify(key.algorithm, public, b"text", key.sign(b"text"))
        assert key.key_id.startswith(f"{purpose}-")


def test_key_files_are_for_their_owner_only_and_never_overwritten(tmp_path):
    keys.make_keys(tmp_path / "keys", [], valid_from=DAY)
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "keys").iterdir()} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    before = {p.name: p.read_bytes() for p in (tmp_path / "keys").iterdir()}
    with pytest.raises(BadSettings, match="already holds keys"):
        keys.make_keys(tmp_path / "keys", ["abc"])
    with pytest.raises(BadSettings, match="File exists"):
        keys.add_key(tmp_path / "keys", "receipt", valid_from=DAY)
    assert {p.name: p.read_bytes() for p in (tmp_path / "keys").iterdir()} == before


def test_the_newest_valid_key_signs_and_all_stay_public(tmp_path):
    old, new = (keys.add_key(tmp_path, "receipt", valid_from=DAY + timedelta(days=n)) for n in (0, 30))
    ring = keys.KeyRing.load(tmp_path)
    assert ring.signer("receipt", DAY + timedelta(days=29)).key_id == old
    assert ring.signer("receipt", DAY + timedelta(days=30)).key_id == new
    assert [k.key_id for k in ring.publics("receipt")] == [new, old]
    assert [k["kid"] for k in ring.jwks("receipt")["keys"]] == [new, old]


def test_a_purpose_without_a_valid_key_is_away(tmp_path):
    keys.add_key(tmp_path, "receipt", valid_from=DAY)
    ring = keys.KeyRing.load(tmp_path)
    for purpose, at in [("receipt", DAY - timedelta(seconds=1)), ("checkpoint", DAY)]:
        with pytest.raises(keys.KeyAway, match=purpose):
            ring.signer(purpose, at)
    assert ring.publics("checkpoint") == ()


def test_a_file_open_to_others_is_refused_with_what_to_do(tmp_path):
    keys.add_key(tmp_path, "receipt", valid_from=DAY)
    path = next(tmp_path.iterdir())
    for mode in (0o640, 0o604, 0o644):
        path.chmod(mode)
        with pytest.raises(BadSettings, match=f"chmod 600 {path}"):
            keys.KeyRing.load(tmp_path)


def test_unusable_files_are_refused_by_name(tmp_path):
    good = pem(ed25519.Ed25519PrivateKey.generate())
    since = "20261123T000000Z"
    cases = [
        ("receipt.pem", good, "no name of a key"),
        (f"receipts.{since}.pem", good, "no name of a key"),
        ("receipt.20261323T000000Z.pem", good, "no unencrypted"),
        (f"receipt.{since}.pem", b"nonsense", "no unencrypted"),
        (f"receipt.{since}.pem", pem(ed25519.Ed25519PrivateKey.generate(), b"word"), "no unencrypted"),
        (f"receipt.{since}.pem", pem(ec.generate_private_key(ec.SECP256R1())), "kind of key"),
        (f"answer-abc.{since}.pem", good, "not one for"),
        (f"answer-abc.{since}.pem", pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
    ]
    for name, content, why in cases:
        path = put(tmp_path, name, content)
        with pytest.raises(BadSettings, match=why) as caught:
            keys.KeyRing.load(tmp_path)
        assert str(path) in str(caught.value)
        path.unlink()


def test_a_missing_directory_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(BadSettings, match="python -m gateway init"):
        keys.KeyRing.load(tmp_path / "none")
    with pytest.raises(BadSettings, match="cannot read"):
        keys.read_private_file(tmp_path / "none")


def test_files_that_are_no_keys_are_not_looked_at(tmp_path):
    put(tmp_path, "vault.json", b"{}", 0o644)
    assert keys.KeyRing.load(tmp_path).purposes == ()


def test_published_keys_are_refused_unless_allowed(tmp_path):
    rfc8032 = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    put(tmp_path, "receipt.20261123T000000Z.pem", pem(ed25519.Ed25519PrivateKey.from_private_bytes(rfc8032)))
    with pytest.raises(BadSettings, match="published test key"):
        keys.KeyRing.load(tmp_path)
    ring = keys.KeyRing.load(tmp_path, allow_published=True)
    assert ring.signer("receipt", DAY).jwk()["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_every_key_among_the_test_vectors_is_on_the_deny_list():
    found = sorted(VECTORS.parent.glob("*/*_public.der"))
    assert len(found) >= 3
    assert [path.name for path in found if not keys.is_published(path.read_bytes())] == []


def test_a_jwk_is_that_of_rfc_8037(tmp_path):
    keys.make_keys(tmp_path / "keys", ["abc"], valid_from=DAY)
    ring = keys.KeyRing.load(tmp_path / "keys")
    jwk = ring.jwks("receipt")["keys"][0]
    assert {k: jwk[k] for k in ("kty", "crv", "alg", "use")} == {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
    }
    assert len(base64.urlsafe_b64decode(jwk["x"] + "=")) == 32
    with pytest.raises(ValueError, match="no JWK"):
        ring.jwks("answer-abc")


def test_an_unknown_purpose_makes_no_file(tmp_path):
    for purpose in ("receipts", "answer-", "answer-a/b", "../receipt", ""):
        with pytest.raises(BadSettings, match="no key purpose"):
            keys.add_key(tmp_path, purpose, valid_from=DAY)
    assert os.listdir(tmp_path) == []


def test_a_key_prints_without_its_private_half(tmp_path):
    keys.add_key(tmp_path, "receipt", valid_from=DAY)
    assert "sign=" not in repr(keys.KeyRing.load(tmp_path).signer("receipt", DAY))
