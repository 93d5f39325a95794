"""Requests and answers as bytes, free of any web framework.

Must not decode, parse or judge: that is the peers' business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One inbound HTTP request as it came: raw body and raw query, header names lower-cased."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    remote_addr: str
    received_at: datetime
    exchange_id: str = ""

    @property
    def content_type(self) -> str:
        """The content type as sent, or ""."""
        return self.headers.get("content-type", "")

    def evidence(self) -> bytes:
        """What was signed and sent, as one string of bytes for keeping: method, path, query, blank line, body."""
        return f"{self.method} {self.path}?".encode() + self.query + b"\n\n" + self.body


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One answer: status, bytes and headers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def packed(self) -> bytes:
        """Status, headers and body as one string of bytes, for keeping."""
        return json.dumps([self.status, dict(self.headers)]).encode() + b"\n" + self.body

    @classmethod
    def unpacked(cls, raw: bytes) -> WireResponse:
        """What ``packed`` made."""
        head, _, body = raw.partition(b"\n")
        status, headers = json.loads(head)
        return cls(status=status, body=body, headers=headers)


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One request a peer wants sent: ``url`` is relative to the peer's enrolled base address.

    ``purpose`` is a word for the exchange record (submit, find, notify). ``writes``: it may change something over
    there, so an unclear end is ``DeliveryUnknown`` and not merely a failed question.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    purpose: str = ""
    writes: bool = True
