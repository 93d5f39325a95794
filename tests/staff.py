"""People for tests of the staff interface: a real identity provider on loopback, sign-ins, requests as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocks.idp.provider import IdentityProvider
from tests.builders import OUTLET, SmallHouse, small_house

BASE = "/staff/api/v1"
BUREAU, BANK_IDP, DEPARTMENT_IDP = "IDP_BUREAU", "IDP_ICBC", "IDP_SBX"
BUREAU_ROLES = ["operator", "reviewer", "auditor", "security", "admin"]


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The problem's stable code."""
        return str(self.body["code"])


class Staff:
    """A small house with three providers: the bureau's, one bank's branch system, one department's."""

    def __init__(self, house: SmallHouse, providers: Mapping[str, IdentityProvider]) -> None:
        self.house = house
        self.providers = dict(providers)

    def token(self, *roles: str, subject: str = "", provider: str = "", **more: Any) -> str:
        """A token for these roles by the provider that may speak of them."""
        wanted = provider or (
            BANK_IDP if {"teller", "bank_it"} & set(roles) else DEPARTMENT_IDP if "officer" in roles else BUREAU
        )
        if "teller" in roles:
            more.setdefault("outlets", [OUTLET])
        now = self.house.clock.now().timestamp()
        return self.providers[wanted].token(subject or "-".join(roles), list(roles), at=now, **more)

    def signed_in(self, *roles: str, **how: Any) -> Person:
        """A person with a session."""
        opened = self.ask("POST", "/session", {"token": self.token(*roles, **how)})
        assert opened.status == 201, opened.body
        return Person(self, opened.body["session"], opened.body)

    def ask(self, method: str, path: str, body: object = None, *, address: str = "127.0.0.1", **headers: str) -> Answer:
        """One request through the real application."""
        sent = {"Idempotency-Key": secrets.token_hex(8)} if method == "POST" else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = None if body is None else json.dumps(body, ensure_ascii=False)
        client = self.house.app.test_client(use_cookies=False)
        answer = client.open(
            BASE + path,
            method=method,
            data=raw,
            headers=sent,
            content_type="application/json" if raw is not None else None,
            environ_overrides={"REMOTE_ADDR": address},
        )
        return Answer(answer.status_code, answer.get_json(silent=True), dict(answer.headers))


class Person:
    """Somebody who is signed in."""

    def __init__(self, staff: Staff, session: str, opened: Mapping[str, Any]) -> None:
        self._staff = staff
        self.session = session
        self.opened = opened

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request in this session."""
        return self._staff.ask(method, path, body, **{"Authorization": f"Bearer {self.session}", **headers})

    def get(self, path: str, **headers: str) -> Answer:
        """Read."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: object = None, **headers: str) -> Answer:
        """Change something."""
        return self.ask("POST", path, {} if body is None else body, **headers)


def _blocks(providers: Mapping[str, tuple[IdentityProvider, str]]) -> str:
    return "".join(
        f'[providers.{code}]\nissuer = "{p.issuer}"\naudience = "{p.audience}"\nbase_url = "http://127.0.0.1:{p.port}"\n'
        f'networks = ["127.0.0.0/8"]\nalgorithms = ["{p.keys[0].algorithm}"]\n{more}\n'
        for code, (p, more) in providers.items()
    )


@contextmanager
def staffed(folder: Path, url: str, *, with_department: bool = False, **how: Any) -> Iterator[Staff]:
    """A small house whose people can sign in."""
    bureau = IdentityProvider("https://idp.bureau.test", "ft-gateway", algorithm="ES256")
    bank = IdentityProvider("https://idp.icbc.test", "ft-gateway", algorithm="EdDSA")
    department = IdentityProvider("https://idp.sbx.test", "ft-gateway", algorithm="RS256")
    with bureau, bank, department:
        told = {
            BUREAU: (bureau, f"roles = {json.dumps(BUREAU_ROLES)}"),
            BANK_IDP: (bank, 'roles = ["teller", "bank_it"]\nbank = "ICBC"'),
            DEPARTMENT_IDP: (department, 'roles = ["officer"]\ndepartment = "FT_EDU"'),
        }
        with small_house(folder, url, with_department=with_department, more_peers=_blocks(told), **how) as house:
            yield Staff(house, {code: provider for code, (provider, _) in told.items()})
