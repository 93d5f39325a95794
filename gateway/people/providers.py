"""Enrolled identity providers (rules.md 35): whose word about a person is believed, and for which roles and scope.

Must not verify. A provider of a bank speaks of that bank's people only, one of a department of its officers; nothing a
token says widens that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.actor import Role
from gateway.domain.errors import BadSettings

ALGORITHMS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}  # and the kind of key each is bound to
_OF_TELLERS = {"ES256", "EdDSA"}  # rules.md 35
_LONGEST_OF_TELLERS = 120  # seconds
_OUTSIDE = {Role.TELLER, Role.BANK_IT, Role.OFFICER}


@dataclass(frozen=True, slots=True)
class Provider:
    """One enrolled provider. ``longest``: seconds a token may live; ``second_factor``: words of ``amr`` that count."""

    code: str
    issuer: str
    audience: str
    jwks_path: str
    algorithms: tuple[str, ...]
    roles: frozenset[Role]
    bank: str = ""
    department: str = ""
    longest: int = 120
    second_factor: frozenset[str] = frozenset({"otp", "hwk", "swk", "mfa"})


def read_provider(
    code: str, values: Mapping[str, Any], *, banks: Collection[str], departments: Collection[str]
) -> Provider:
    """A provider from its block of the peers file. Raises ``BadSettings`` with what to write instead."""

    def wrong(text: str) -> BadSettings:
        return BadSettings(f"[providers.{code}] {text}")

    try:
        roles = frozenset(Role(name) for name in values.get("roles", ()))
    except ValueError as error:
        raise wrong(f"roles: {error}") from None
    algorithms = tuple(values.get("algorithms", ()))
    if not algorithms or set(algorithms) - set(ALGORITHMS):
        raise wrong(f"algorithms: write some of {', '.join(ALGORITHMS)}")
    bank, department = str(values.get("bank", "")), str(values.get("department", ""))
    if not roles:
        raise wrong("roles: write which roles it may speak of")
    if roles & {Role.TELLER, Role.BANK_IT} and bank not in banks:
        raise wrong(f"bank: people of a bank need one of {', '.join(sorted(banks))}")
    if Role.OFFICER in roles and department not in departments:
        raise wrong("department: officers need the code of their department")
    if (bank or department) and roles - _OUTSIDE:
        raise wrong("roles: a provider of a bank or department speaks of no people of the bureau")
    if Role.TELLER in roles and set(algorithms) - _OF_TELLERS:
        raise wrong("algorithms: tokens of tellers are signed by ES256 or EdDSA")
    longest = int(values.get("longest", _LONGEST_OF_TELLERS))
    if Role.TELLER in roles and longest > _LONGEST_OF_TELLERS:
        raise wrong(f"longest: tokens of tellers live {_LONGEST_OF_TELLERS} s at most")
    if bank and department:
        raise wrong("it is a bank's or a department's, not both")
    return Provider(
        code=code,
        issuer=str(values["issuer"]),
        audience=str(values["audience"]),
        jwks_path=str(values.get("jwks_path", "/jwks.json")),
        algorithms=algorithms,
        roles=roles,
        bank=bank,
        department=department,
        longest=longest,
        second_factor=frozenset(values.get("second_factor", ("otp", "hwk", "swk", "mfa"))),
    )


def by_issuer(providers: Iterable[Provider]) -> dict[str, Provider]:
    """Providers by the issuer their tokens name. Raises ``BadSettings`` when two share one."""
    found: dict[str, Provider] = {}
    for provider in providers:
        if provider.issuer in found:
            raise BadSettings(f"[providers.{provider.code}] issuer: {found[provider.issuer].code} has the same")
        found[provider.issuer] = provider
    return found
