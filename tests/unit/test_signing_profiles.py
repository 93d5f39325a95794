"""Named algorithms: what verifies, what is refused, and that garbage never raises."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import BadSettings
from gateway.signing import profiles, selftest
from gateway.signing.secret import Secret

VECTORS = Path(__file__).parents[1] / "vectors" / "icbc"
RSA = load_pem_private_key((VECTORS / "client_key.pem").read_bytes(), None)
RSA_DER = (VECTORS / "client_public.der").read_bytes()
ED25519 = ed25519.Ed25519PrivateKey.generate()


def der(key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "rsa-sha1", "ed25519"])
def test_what_we_sign_verifies_under_its_own_name_only(algorithm):
    private = ED25519 if algorithm == "ed25519" else RSA
    signature = profiles.sign(algorithm, private, b"text")
    public = profiles.load_public(algorithm, der(private))
    assert [a for a in profiles.Algorithm if profiles.verify(a, public, b"text", signature)] == [algorithm]
    assert not profiles.verify(algorithm, public, b"texT", signature)


def test_openssl_verifies_what_we_sign(tmp_path):
    (tmp_path / "signature").write_bytes(profiles.sign("rsa-sha256", RSA, b"text"))
    command = ["openssl", "dgst", "-sha256", "-verify", VECTORS / "client_public.der", "-keyform", "DER"]
    done = subprocess.run([*command, "-signature", tmp_path / "signature"], input=b"text", capture_output=True)
    assert done.stdout == b"Verified OK\n"


@given(st.binary(max_size=300), st.sampled_from(["rsa-sha256", "rsa-sha1", "ed25519", "none", ""]))
def test_garbage_is_false(garbage, algorithm):
    public = profiles.load_public("rsa-sha256", RSA_DER)
    assert not profiles.verify(algorithm, public, b"text", garbage)


@pytest.mark.parametrize("signature", [None, "text", 5])
def test_a_signature_of_another_type_is_false(signature):
    assert not profiles.verify("rsa-sha256", profiles.load_public("rsa-sha256", RSA_DER), b"text", signature)


@pytest.mark.parametrize("algorithm", ["", "RSA-SHA256", "rsa-md5", "none", "hmac-sha256"])
def test_an_unknown_name_is_refused_at_load(algorithm):
    with pytest.raises(BadSettings, match="unknown signature algorithm"):
        profiles.load_public(algorithm, RSA_DER)


def test_weak_wrong_and_unreadable_keys_are_refused_at_load():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for algorithm, data, why in [
        ("rsa-sha256", der(weak), "1024 bits"),
        ("rsa-sha256", der(ED25519), "not one for"),
        ("ed25519", RSA_DER, "not one for"),
        ("rsa-sha256", der(ec.generate_private_key(ec.SECP256R1())), "not one for"),
        ("rsa-sha256", b"", "not a public key"),
        ("ed25519", RSA_DER[:-1], "not a public key"),
    ]:
        with pytest.raises(BadSettings, match=why):
            profiles.load_public(algorithm, data)


def test_a_name_that_does_not_fit_the_private_key_signs_nothing():
    for algorithm, key in [("ed25519", RSA), ("rsa-sha256", ED25519), ("rsa-md5", RSA)]:
        with pytest.raises(BadSettings, match="not one for"):
            profiles.sign(algorithm, key, b"text")


def test_a_key_is_parsed_once():
    assert profiles.load_public("rsa-sha256", RSA_DER) is profiles.load_public("rsa-sha256", bytes(bytearray(RSA_DER)))


def test_nobody_verifies_anything_and_does_not_raise():
    assert profiles.spend_verification(b"text", profiles.sign("rsa-sha256", RSA, b"text")) is None
    assert profiles.spend_verification(b"text", b"") is None


def test_hmac_and_comparison():
    secret = Secret(b"\x0b" * 20)  # RFC 4231 test case 1
    expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    assert profiles.hmac_sha256(secret, b"Hi There").hex() == expected
    assert profiles.same(b"a", b"a")
    assert not profiles.same(b"a", b"b")


@pytest.mark.parametrize("size", [16, 24, 32])
def test_aes_with_a_zero_iv_is_openssls(size):
    key = bytes(range(size))
    command = ["openssl", "enc", f"-aes-{size * 8}-cbc", "-K", key.hex(), "-iv", "00" * 16]
    expected = subprocess.run(command, input="业务".encode(), capture_output=True, check=True).stdout
    assert profiles.aes_cbc_zero_iv_encrypt(key, "业务".encode()) == expected
    assert profiles.aes_cbc_zero_iv_decrypt(key, expected) == "业务".encode()


def test_every_failure_of_decryption_is_the_same():
    sealed = profiles.aes_cbc_zero_iv_encrypt(bytes(16), b"x" * 40)
    bad_padding = sealed[:-1] + bytes([sealed[-1] ^ 1])
    said = set()
    for key, data in [(bytes(16), bad_padding), (bytes(16), sealed[:-1]), (bytes(16), b""), (bytes(5), sealed)]:
        with pytest.raises(profiles.NotDeciphered) as caught:
            profiles.aes_cbc_zero_iv_decrypt(key, data)
        said.add((str(caught.value), caught.value.__cause__))
    assert len(said) == 1


def test_a_cipher_key_of_another_length_encrypts_nothing():
    with pytest.raises(BadSettings, match="5 bytes"):
        profiles.aes_cbc_zero_iv_encrypt(bytes(5), b"")


def test_every_known_answer_holds():
    results = selftest.run()
    assert [name for name, ok, _ in results if not ok] == []
    assert {"SHA-256", "SM3", "RSA-2048 SHA-256", "Ed25519", "AES-256-GCM", "HMAC-SHA-256"} <= {r[0] for r in results}


def test_a_known_answer_that_fails_is_reported_and_not_raised(monkeypatch):
    monkeypatch.setattr(selftest, "_RSA_PUBLIC", base64.b64decode("AAAA"))
    assert [(name, detail) for name, ok, detail in selftest.run() if not ok] == [
        ("RSA-2048 SHA-256", "a signature by OpenSSL holds, over another text it does not: BadSettings")
    ]
