"""Tokens: what is believed, and everything that is not; each attack told only to our log (RFC 8725; rules.md 35)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.actor import Role
from gateway.domain.errors import ActRefused, BadSettings
from gateway.people.providers import by_issuer, read_provider
from gateway.people.tokens import NotBelieved
from mocks.idp.provider import Key
from tests.staff import BANK_IDP, BUREAU, DEPARTMENT_IDP, Staff, staffed

GOOD = {
    "issuer": "https://idp.test",
    "audience": "us",
    "base_url": "https://idp.test",
    "algorithms": ["ES256"],
    "roles": ["operator"],
}


@pytest.fixture
def staff(tmp_path: Path, sqlite_url: str) -> Iterator[Staff]:
    with staffed(tmp_path, sqlite_url) as found:
        yield found


def cause(staff: Staff, token: str) -> str:
    """Why a token is not believed; ``""`` when it is."""
    try:
        staff.house.house.sessions._tokens.believe(token)
    except NotBelieved as error:
        return error.cause
    return ""


def test_a_token_proves_a_person_within_the_scope_its_provider_was_enrolled_for(staff: Staff) -> None:
    believe = staff.house.house.sessions._tokens.believe
    operator = believe(staff.token("operator", subject="li.hua")).actor
    assert (operator.label, operator.roles, operator.bank) == ("person:IDP_BUREAU:li.hua", {Role.OPERATOR}, "")
    teller = believe(staff.token("teller")).actor
    assert (teller.bank, teller.outlets) == ("ICBC", {"ICBC-FT-03"})
    assert believe(staff.token("officer")).actor.department == "FT_EDU"
    assert operator.is_fresh(staff.house.clock.now())
    assert not believe(staff.token("operator", second_factor=False)).actor.is_fresh(staff.house.clock.now())
    assert not believe(staff.token("operator", amr=["pwd"])).actor.is_fresh(staff.house.clock.now())


def test_a_token_is_believed_once(staff: Staff) -> None:
    token = staff.token("operator")
    assert [cause(staff, token), cause(staff, token)] == ["", "used_before"]


@pytest.mark.parametrize(
    ("why", "claims"),
    [
        ("time", {"exp": 1}),
        ("time", {"iat": 4_000_000_000, "exp": 4_000_000_060}),
        ("time", {"nbf": 4_000_000_000}),
        ("lives_too_long", {"exp": 4_000_000_000}),
        ("exp", {"exp": "soon"}),
        ("iat", {"iat": True}),
        ("issuer_or_audience", {"aud": "somebody"}),
        ("issuer_or_audience", {"aud": ["ft-gateway", "somebody"]}),
        ("provider_unknown", {"iss": "https://evil.test"}),
        ("provider_unknown", {"iss": ""}),
        ("role_unknown", {"roles": ["emperor"]}),
        ("role_not_enrolled", {"roles": []}),
        ("role_not_enrolled", {"roles": ["teller"]}),
        ("roles", {"roles": "operator"}),
        ("scope", {"roles": ["operator", "auditor"]}),
        ("scope", {"roles": ["security", "admin"]}),
        ("sub", {"sub": ""}),
        ("sub", {"sub": "x" * 41}),
        ("sub", {"sub": "two words"}),
        ("jti", {"jti": "short"}),
        ("jwt_MissingRequiredClaimError", {"jti": None}),
        ("jwt_MissingRequiredClaimError", {"exp": None}),
        ("jwt_InvalidSubjectError", {"sub": 7}),
    ],
)
def test_a_claim_that_is_wrong_proves_nobody(staff: Staff, why: str, claims: dict[str, Any]) -> None:
    assert cause(staff, staff.providers[BUREAU].token(at=staff.house.clock.now().timestamp(), **claims)) == why


def test_a_bank_speaks_of_its_own_outlets_and_people_only(staff: Staff) -> None:
    assert cause(staff, staff.token("teller", outlets=["CCB-FT-01"])) == "outlet_of_another"
    assert cause(staff, staff.token("teller", outlets=[])) == "scope"
    assert cause(staff, staff.token("operator", provider=BANK_IDP)) == "role_not_enrolled"
    assert cause(staff, staff.token("officer", provider=BUREAU)) == "role_not_enrolled"


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _forged(staff: Staff, header: dict[str, Any], sign: Callable[[bytes], bytes], *, provider: str = BUREAU) -> str:
    token = staff.token("officer" if provider == DEPARTMENT_IDP else "operator", provider=provider)
    text = f"{_segment(header)}.{token.split('.')[1]}"
    return f"{text}.{base64.urlsafe_b64encode(sign(text.encode())).rstrip(b'=').decode()}"


def test_no_signature_and_another_kind_of_signature_prove_nobody(staff: Staff) -> None:
    key = staff.providers[DEPARTMENT_IDP].keys[0]
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm in ("none", "None", "NONE", "", "HS256", "RS512", "PS256", None, 7):
        header = {"alg": algorithm, "kid": key.key_id, "typ": "JWT"}
        confused = _forged(staff, header, lambda text: hmac.digest(pem, text, hashlib.sha256), provider=DEPARTMENT_IDP)
        assert cause(staff, confused) == "algorithm_or_key_id", algorithm
        unsigned = _forged(staff, header, lambda _text: b"", provider=DEPARTMENT_IDP)
        assert cause(staff, unsigned) == "algorithm_or_key_id", algorithm


def test_a_header_that_brings_its_own_key_or_wants_something_of_us_is_refused(staff: Staff) -> None:
    evil = Key("ES256")
    for more in (
        {"jwk": evil.jwk()},
        {"jku": "http://evil.test"},
        {"x5u": "http://evil.test"},
        {"crit": ["b64"]},
        {"cty": "JWT"},
    ):
        token = staff.providers[BUREAU].token(at=staff.house.clock.now().timestamp())
        claims = jwt.decode(token, options={"verify_signature": False})
        forged = jwt.encode(claims, evil.private, algorithm="ES256", headers={"kid": evil.key_id, **more})
        assert cause(staff, forged) == "header", more


def test_a_key_of_another_provider_or_of_nobody_is_unknown(staff: Staff) -> None:
    claims = jwt.decode(staff.token("operator"), options={"verify_signature": False})
    stranger = Key("ES256")
    told = jwt.encode(claims, stranger.private, algorithm="ES256", headers={"kid": stranger.key_id})
    assert cause(staff, told) == "key_unknown"
    own = staff.providers[BUREAU].keys[0]
    stolen_name = jwt.encode(claims, stranger.private, algorithm="ES256", headers={"kid": own.key_id})
    assert cause(staff, stolen_name) == "jwt_InvalidSignatureError"
    officer = staff.providers[DEPARTMENT_IDP].keys[0]
    cross = jwt.encode(claims, officer.private, algorithm="RS256", headers={"kid": officer.key_id})
    assert cause(staff, cross) == "algorithm_or_key_id"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",  # an encrypted token
        "é.b.c",
        "A" * 5000,
        _segment(["alg"]) + "." + _segment({}) + ".x",
        _segment({"alg": "ES256"}) + "." + _segment({}) + ".x",
        base64.urlsafe_b64encode(b'{"alg":"ES256","alg":"none"}').decode().rstrip("=") + "." + _segment({}) + ".x",
        base64.urlsafe_b64encode(b"[" * 500).decode().rstrip("=") + "." + _segment({}) + ".x",
        _segment({"alg": "ES256", "kid": "k"}) + "." + base64.urlsafe_b64encode(b"[" * 900).decode().rstrip("=") + ".x",
    ],
)
def test_what_is_no_token_at_all_is_refused_without_a_question_to_anybody(staff: Staff, text: str) -> None:
    before = staff.providers[BUREAU].asked
    assert cause(staff, text) in {"shape", "provider_unknown", "header"}
    assert staff.providers[BUREAU].asked == before


def test_an_altered_byte_anywhere_proves_nobody(staff: Staff) -> None:
    token = staff.token("operator")
    for place in range(0, len(token), 7):
        changed = "A" if token[place] != "A" else "B"
        assert cause(staff, token[:place] + changed + token[place + 1 :]) != "", place
    assert cause(staff, token) == ""


# -- keys of providers --------------------------------------------------------------------------------------------


def test_a_rotation_is_met_by_asking_again_and_a_made_up_key_id_only_once_a_minute(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    idp = staff.providers[BUREAU]
    keys = staff.house.house.sessions._tokens._keys
    now = [1000.0]
    monkeypatch.setattr(keys, "_clock", type("C", (), {"monotonic": lambda _self: now[0]})())
    assert cause(staff, staff.token("operator")) == ""
    assert idp.asked == 1
    for _ in range(5):
        claims = jwt.decode(staff.token("operator"), options={"verify_signature": False})
        stranger = Key("ES256")
        told = jwt.encode(claims, stranger.private, algorithm="ES256", headers={"kid": secrets.token_hex(4)})
        assert cause(staff, told) == "key_unknown"
    assert idp.asked == 1
    idp.rotate()
    assert cause(staff, staff.token("operator")) == "key_unknown"  # asked a moment ago
    now[0] += 61
    assert cause(staff, staff.token("operator")) == ""
    assert idp.asked == 2
    idp.away = True
    assert cause(staff, staff.token("operator")) == ""  # what is known stays known while the provider is away
    now[0] += 3601
    assert cause(staff, staff.token("operator")) == "key_unknown"  # but not for ever
    idp.away = False
    now[0] += 61
    assert cause(staff, staff.token("operator")) == ""


def test_keys_of_the_wrong_kind_or_too_short_are_not_taken(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    idp = staff.providers[DEPARTMENT_IDP]
    short = Key("RS256")
    short.private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    secret = {"kty": "oct", "kid": short.key_id, "k": "AAAA", "alg": "RS256"}
    mixed = {**Key("ES256").jwk(), "kid": short.key_id, "alg": "RS256"}
    for bad in (short.jwk(), secret, mixed, {**idp.keys[0].jwk(), "use": "enc"}, "x", None, {"kid": 7}):
        told = [bad]
        monkeypatch.setattr(idp, "jwks", lambda told=told: {"keys": told})
        staff.house.house.sessions._tokens._keys._asked.clear()
        assert cause(staff, staff.token("officer")) == "key_unknown", bad


@pytest.mark.parametrize("body", [[], {}, {"keys": {}}, "x"])
def test_a_key_set_that_is_none_is_no_key(staff: Staff, monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    monkeypatch.setattr(staff.providers[BUREAU], "jwks", lambda: body)
    assert cause(staff, staff.token("operator")) == "key_unknown"


# -- enrolment ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"roles": ["king"]}, "roles"),
        ({"roles": []}, "roles"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"roles": ["teller"]}, "bank"),
        ({"roles": ["teller"], "bank": "XXX"}, "bank"),
        ({"roles": ["officer"]}, "department"),
        ({"roles": ["operator"], "bank": "ICBC"}, "roles"),
        ({"roles": ["teller"], "bank": "ICBC", "algorithms": ["RS256"]}, "algorithms"),
        ({"roles": ["teller"], "bank": "ICBC", "longest": 121}, "longest"),
        ({"roles": ["teller", "officer"], "bank": "ICBC", "department": "FT_EDU"}, "both"),
    ],
)
def test_an_enrolment_that_would_mean_too_much_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSettings, match=told):
        read_provider("X", GOOD | change, banks=["ICBC"], departments=["FT_EDU"])


def test_two_providers_never_share_an_issuer() -> None:
    one = read_provider("A", GOOD, banks=[], departments=[])
    with pytest.raises(BadSettings, match="same"):
        by_issuer([one, read_provider("B", GOOD, banks=[], departments=[])])


def test_a_command_takes_a_persons_token_and_no_other_word(staff: Staff) -> None:
    read = staff.house.house.read_token
    person = read(staff.token("reviewer", subject="wang"), staff.house.clock.now())
    assert (person.natural, person.is_fresh(staff.house.clock.now())) == ("person:IDP_BUREAU:wang", True)
    with pytest.raises(ActRefused, match="proves nobody"):
        read("x.y.z", staff.house.clock.now())
