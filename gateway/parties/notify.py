"""Where a client of a bank is told: its enrolled notify address, checked, proven by a test notice (rules.md 33).

Must not send. The address comes from the enrolment's options and from nowhere else: ``notify_url``,
``notify_networks`` (CIDRs, comma-separated; needed for a host name), ``notify_ca`` (a file, optional).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.contracts.bank import Client
from gateway.domain.errors import BadSettings
from gateway.wire.addresses import PeerAddress, parse_address

NOTIFY_URL, NOTIFY_NETWORKS, NOTIFY_CA = "notify_url", "notify_networks", "notify_ca"
OPTIONS = frozenset({NOTIFY_URL, NOTIFY_NETWORKS, NOTIFY_CA})
LANE = "notify:"
DEADLINE = 15.0  # seconds for one notice in all
_MAX_ANSWER = 65_536
_LANE_WIDTH = 24


def notify_url(client: Client) -> str:
    """The enrolled address, "" when there is none."""
    return (client.options or {}).get(NOTIFY_URL, "")


def address_of(client: Client) -> PeerAddress | None:
    """The courier's view of the address, none when there is none. The path is not part of it: the dialect signs it.

    Raises ``BadSettings`` for one that cannot be used.
    """
    options, url = client.options or {}, notify_url(client)
    if not url:
        return None
    parts = urlsplit(url)
    verify = options.get(NOTIFY_CA)
    return PeerAddress(
        base_url=f"{parts.scheme}://{parts.netloc}",
        networks=_networks(options),
        deadline=DEADLINE,
        max_bytes=_MAX_ANSWER,
        verify=verify if verify else True,
    )


def check_enrolment(client: Client, *, sandbox: bool) -> None:
    """Refuse an address that can never be used. Plain http only in sandbox profiles and only to loopback.

    Raises ``BadSettings``.
    """
    url = notify_url(client)
    if not url:
        return
    parts = urlsplit(url)
    if parts.query or parts.fragment or not parts.path or not all("!" <= sign <= "~" for sign in url):
        raise BadSettings(f"{NOTIFY_URL} {url!r}: write https://host/path in ASCII, without query and fragment")
    if parts.scheme != "https" and not (sandbox and parts.hostname in {"127.0.0.1", "::1"}):
        raise BadSettings(f"{NOTIFY_URL} must begin with https://")
    address = address_of(client)
    if address is None:
        return
    place = parse_address(client.client_id, address)
    if not place.networks:
        raise BadSettings(f"a host name needs {NOTIFY_NETWORKS}: where it may resolve to, such as 10.2.0.0/24")


def address_digest(client: Client) -> str:
    """What a proof is bound to: another address or network has to be proven anew."""
    options = client.options or {}
    told = "\n".join(options.get(name, "") for name in (NOTIFY_URL, NOTIFY_NETWORKS, NOTIFY_CA))
    return "sha256:" + hashlib.sha256(told.encode()).hexdigest()


def lane_of(client_id: str) -> str:
    """The lane of a client's notices; a long id is shortened to what the column holds."""
    lane = LANE + client_id
    return lane if len(lane) <= _LANE_WIDTH else LANE + hashlib.sha256(client_id.encode()).hexdigest()[:17]


def _networks(options: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in options.get(NOTIFY_NETWORKS, "").split(",") if part.strip())
