"""The identity providers of a stack: of the data bureau, and of the bank's branch system. Pure; must not start any."""

from __future__ import annotations

import json
from dataclasses import dataclass

IDP, BANK_IDP = "idp", "bank-idp"


@dataclass(frozen=True, slots=True)
class Provider:
    """What the gateway is told of one, and what the program itself is told."""

    code: str
    issuer: str
    algorithm: str
    roles: tuple[str, ...]
    bank: str = ""


PROVIDERS = {
    IDP: Provider(
        "IDP_BUREAU",
        "https://idp.bureau.demo",
        "ES256",
        ("operator", "reviewer", "auditor", "security", "admin"),
    ),
    BANK_IDP: Provider("IDP_ICBC", "https://idp.icbc.demo", "EdDSA", ("teller", "bank_it"), "ICBC"),
}


def options(name: str, port: int) -> list[str]:
    """The options of ``python -m mocks.idp``."""
    one = PROVIDERS[name]
    return ["--issuer", one.issuer, "--algorithm", one.algorithm, "--port", str(port)]


def block(name: str, port: int) -> str:
    """The peers file's block."""
    one, quoted = PROVIDERS[name], json.dumps  # a JSON string is a TOML basic string
    lines = [
        f"[providers.{one.code}]",
        f"issuer = {quoted(one.issuer)}",
        'audience = "ft-gateway"',
        f"base_url = {quoted(f'http://127.0.0.1:{port}')}",
        'networks = ["127.0.0.0/8"]',
        f"algorithms = [{quoted(one.algorithm)}]",
        f"roles = {quoted(list(one.roles))}",
        *([f"bank = {quoted(one.bank)}"] if one.bank else []),
        "",
    ]
    return "\n".join(lines)
