"""What comes in from a bank and what goes back: canonical on both sides of a peer.

Must not hold a wire name of any bank. ``Hint`` is what is known of a caller even when the request is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.domain.errors import Problem
from gateway.domain.reasons import Reason, WarningCode


class Kind(StrEnum):
    """What an operation does to the house."""

    CHANGES = "C"  # changes something and carries its own ``bank_ref``
    TICKET = "T"  # gives a ticket; no ``bank_ref``
    READS = "R"  # reads, never answered from the store


class Operation(StrEnum):
    """What a bank may ask (operations.md section 1); the value equals ``op`` of the business part."""

    SUBMIT = "submit"
    SUPPLEMENT = "supplement"
    WITHDRAW = "withdraw"
    QUERY = "query"
    CHANGES = "changes"
    RECEIPT = "receipt"
    UPLOAD_TICKET = "upload_ticket"
    ITEM_LIST = "item_list"
    ITEM = "item"
    OUTLET_LIST = "outlet_list"
    DEPARTMENT_STATUS = "department_status"
    ECHO = "echo"

    @property
    def kind(self) -> Kind:
        """Whether it changes something, gives a ticket or only reads."""
        return _KINDS.get(self, Kind.READS)

    @property
    def changes_something(self) -> bool:
        """True for kind C: it carries a ``bank_ref`` and its accepted answer is stored."""
        return self.kind is Kind.CHANGES


_KINDS: dict[Operation, Kind] = {
    Operation.SUBMIT: Kind.CHANGES,
    Operation.SUPPLEMENT: Kind.CHANGES,
    Operation.WITHDRAW: Kind.CHANGES,
    Operation.UPLOAD_TICKET: Kind.TICKET,
}


@dataclass(frozen=True, slots=True)
class Hint:
    """Who seems to be calling, for sealing an answer and for noting the message.

    ``client_id`` is set only when an enrolled client was found; ``authentic`` only once its signature held.
    ``message_digest`` is ``sha256:…`` of the bytes to sign. ``answer`` holds the peer's own remarks for ``seal``
    (charset, transport number, encryption), opaque to everyone else.
    """

    bank: str
    claimed_id: str = ""
    client_id: str = ""
    authentic: bool = False
    key_id: str = ""
    profile: str = ""
    transport_id: str = ""
    message_digest: str = ""
    operation: str = ""
    sent_at: datetime | None = None
    answer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BusinessPart:
    """The business JSON after strict parsing (operations.md 2.1): objects, lists, strings, booleans only."""

    members: Mapping[str, Any]
    canonical: bytes  # RFC 8785 form with confirm_second removed: what the business digest is taken over

    def text(self, name: str) -> str:
        """A top-level string member, or "" where it is missing or not a string."""
        value = self.members.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class BankRequest:
    """One authentic, readable request: verified, decrypted and parsed by its bank's peer."""

    bank: str
    hint: Hint
    operation: Operation
    business: BusinessPart
    warnings: tuple[AnswerWarning, ...] = ()
    ignored_addresses: tuple[str, ...] = ()  # names of members that hold an address: never used, audited (rules.md 33)
    request_id: str = ""  # names this request in logs, facts and, when it files one, its case; given by the door


@dataclass(frozen=True, slots=True)
class AnswerWarning:
    """Something the bank should know although the answer is what it asked for."""

    code: WarningCode
    message: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class BankReply:
    """What a bank shall hear; a peer puts it into its own envelope and signs it.

    ``members`` are those of the business answer beside ``op, v, result, reason, message, warnings, errors``.
    """

    operation: str
    reason: Reason = Reason.OK
    members: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[AnswerWarning, ...] = ()
    fault_id: str = ""

    def body(self) -> dict[str, Any]:
        """The business answer (operations.md 2.4): common members first, empty ones left out."""
        text = self.reason.message.replace("{n}", str(len(self.problems)))
        if self.fault_id:
            text = f"{text}（故障编号{self.fault_id}）"
        answer: dict[str, Any] = {
            "op": self.operation,
            "v": "1",
            "result": "ok" if self.reason is Reason.OK else "refused",
            "reason": self.reason.value,
            "message": text,
        }
        answer.update(self.members)
        if self.warnings:
            answer["warnings"] = [
                {"code": w.code.value, "message": w.message, **({"path": w.path} if w.path else {})}
                for w in self.warnings
            ]
        if self.problems:
            answer["errors"] = [{"path": p.path, "code": p.code.value, "message": p.message} for p in self.problems]
        return answer
