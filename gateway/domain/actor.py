"""Who acts (主体): a natural person or a bank's system with roles inside a scope, and what each role may do.

Must not know how anybody proved who they are: that is ``people``. Roles of administration, security and audit
(系统管理员, 安全管理员, 审计管理员) are kept apart (GB/T 22239 level 3; rules.md 29): nobody holds two of them, and
none of them sees into cases but the auditor, who changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

FRESH_FOR = timedelta(minutes=10)
"""So long after the second factor a risky act needs no new one."""


class Role(StrEnum):
    """What a person is there for."""

    TELLER = "teller"  # 柜员, of a bank, at outlets
    BANK_IT = "bank_it"  # 银行科技, of a bank
    OFFICER = "officer"  # 部门经办, of a department
    OPERATOR = "operator"  # 政数局经办
    REVIEWER = "reviewer"  # 政数局复核
    AUDITOR = "auditor"  # 审计管理员
    SECURITY = "security"  # 安全管理员
    ADMIN = "admin"  # 系统管理员


class Permission(StrEnum):
    """One thing that may be done, ``subject:verb``. What is not granted is denied."""

    CASES_READ = "cases:read"
    CASES_REVEAL = "cases:reveal"
    EXCHANGES_READ = "exchanges:read"
    SHELF_READ = "shelf:read"
    SHELF_ACT = "shelf:act"
    SWITCHES_READ = "switches:read"
    SWITCHES_CHANGE = "switches:change"
    CALENDAR_READ = "calendar:read"
    CALENDAR_CHANGE = "calendar:change"
    CATALOGUE_READ = "catalogue:read"
    CATALOGUE_CHANGE = "catalogue:change"
    CLIENTS_READ = "clients:read"
    CLIENTS_CHANGE = "clients:change"
    CLIENTS_BLOCK = "clients:block"
    EVIDENCE_DELETE = "evidence:delete"
    REVEAL_BULK = "cases:reveal_bulk"
    ACTS_READ = "acts:read"
    ACTS_APPROVE = "acts:approve"
    TRAIL_READ = "trail:read"
    PEOPLE_READ = "people:read"
    PEOPLE_CHANGE = "people:change"
    SESSIONS_END = "sessions:end"


_P = Permission
_BUREAU_EYES = {
    _P.CASES_READ,
    _P.EXCHANGES_READ,
    _P.SHELF_READ,
    _P.SWITCHES_READ,
    _P.CALENDAR_READ,
    _P.CATALOGUE_READ,
    _P.CLIENTS_READ,
    _P.ACTS_READ,
    _P.TRAIL_READ,
}

MAY: Mapping[Role, frozenset[Permission]] = {
    Role.TELLER: frozenset({_P.CASES_READ, _P.CASES_REVEAL, _P.CATALOGUE_READ, _P.SWITCHES_READ, _P.CALENDAR_READ}),
    Role.BANK_IT: frozenset({_P.CASES_READ, _P.CLIENTS_READ, _P.CATALOGUE_READ, _P.SWITCHES_READ, _P.CALENDAR_READ}),
    Role.OFFICER: frozenset({_P.CASES_READ, _P.CASES_REVEAL, _P.CATALOGUE_READ, _P.SWITCHES_READ, _P.CALENDAR_READ}),
    Role.OPERATOR: frozenset(
        {
            *_BUREAU_EYES,
            _P.CASES_REVEAL,
            _P.SHELF_ACT,
            _P.SWITCHES_CHANGE,
            _P.CALENDAR_CHANGE,
            _P.CATALOGUE_CHANGE,
            _P.REVEAL_BULK,
        }
    ),
    Role.REVIEWER: frozenset(
        {*_BUREAU_EYES, _P.CASES_REVEAL, _P.SHELF_ACT, _P.SWITCHES_CHANGE, _P.REVEAL_BULK, _P.ACTS_APPROVE}
    ),
    Role.AUDITOR: frozenset({*_BUREAU_EYES, _P.PEOPLE_READ}),
    Role.SECURITY: frozenset(
        {
            _P.CLIENTS_READ,
            _P.CLIENTS_CHANGE,
            _P.CLIENTS_BLOCK,
            _P.EVIDENCE_DELETE,
            _P.ACTS_READ,
            _P.ACTS_APPROVE,
            _P.TRAIL_READ,
            _P.PEOPLE_READ,
            _P.PEOPLE_CHANGE,
            _P.SESSIONS_END,
        }
    ),
    Role.ADMIN: frozenset(
        {
            _P.CLIENTS_READ,
            _P.CLIENTS_CHANGE,
            _P.SWITCHES_READ,
            _P.CALENDAR_READ,
            _P.CATALOGUE_READ,
            _P.EVIDENCE_DELETE,
            _P.ACTS_READ,
        }
    ),
}

_APART = frozenset({Role.AUDITOR, Role.SECURITY, Role.ADMIN})
_WORKING = frozenset({Role.OPERATOR, Role.REVIEWER})
_OUTSIDE = frozenset({Role.TELLER, Role.BANK_IT, Role.OFFICER})


def unfit(roles: frozenset[Role]) -> str:
    """Why one person may not hold these roles together, "" when they may.

    Auditor, security officer and administrator stand alone; people of banks and departments hold one role; a person
    may be operator and reviewer, since nobody reviews what is their own (``acts``).
    """
    if not roles:
        return "no role"
    if len(roles) > 1 and roles & _APART:
        return "administration, security and audit stand alone"
    if len(roles) > 1 and roles & _OUTSIDE:
        return "people of banks and departments hold one role"
    return ""


@dataclass(frozen=True, slots=True)
class Actor:
    """One person (or a bank's system) at work. Built by ``people`` from what was proven; never by a caller's word."""

    subject: str  # the person's id at the provider
    provider: str  # the enrolled identity provider, or "system"
    roles: frozenset[Role]
    bank: str = ""
    outlets: frozenset[str] = field(default_factory=frozenset)  # of a teller; empty = none
    department: str = ""
    second_factor_at: datetime | None = None  # aware UTC
    token_id: str = ""  # session or token it acts by

    def __post_init__(self) -> None:
        """Refuse an actor whose scope does not fit its roles: ``ValueError``."""
        wrong = unfit(self.roles) or _wrong_scope(self)
        if wrong:
            raise ValueError(wrong)

    @property
    def label(self) -> str:
        """How entries name it, the same for ever and at most 80 characters: ``person:<provider>:<subject>``."""
        return f"person:{self.provider}:{self.subject}"

    @property
    def permissions(self) -> frozenset[Permission]:
        """All it may do, inside its scope."""
        return frozenset[Permission]().union(*(MAY[role] for role in self.roles))

    def may(self, permission: Permission) -> bool:
        """True when one of its roles grants ``permission``."""
        return any(permission in MAY[role] for role in self.roles)

    def is_fresh(self, now: datetime) -> bool:
        """True while its second factor is recent enough for a risky act (rules.md 35)."""
        proven = self.second_factor_at
        return proven is not None and now - FRESH_FOR <= proven <= now + timedelta(seconds=30)

    @property
    def sees_all_cases(self) -> bool:
        """True for the bureau's own people and the auditor; others see their bank's, outlets' or department's."""
        return bool(self.roles & (_WORKING | {Role.AUDITOR}))


def _wrong_scope(actor: Actor) -> str:
    """Why the scope does not fit, "" when it does: an empty scope must never mean "everything"."""
    role = next(iter(actor.roles))
    wants_bank = role in {Role.TELLER, Role.BANK_IT}
    if wants_bank != bool(actor.bank):
        return "a bank is needed" if wants_bank else "has no bank"
    if (role is Role.TELLER) != bool(actor.outlets):
        return "a teller has outlets" if role is Role.TELLER else "only tellers have outlets"
    if (role is Role.OFFICER) != bool(actor.department):
        return "an officer has a department" if role is Role.OFFICER else "only officers have a department"
    if not 0 < len(actor.subject) <= 40 or not 0 < len(actor.provider) <= 30:
        return "a subject of 1 to 40 and a provider of 1 to 30 characters"
    return ""
