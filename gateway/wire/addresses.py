"""Where a peer may be reached: its enrolled address, and the check of every address its name resolves to.

Must not open a connection, and must not take an address from a message (rules.md 33). Fails closed: whatever is
not enrolled is refused.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.domain.errors import BadSettings

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class AddressRefused(Exception):
    """The name resolves to something that is not enrolled: nothing may be sent there."""


class NameUnknown(Exception):
    """The name did not resolve in time, or not at all."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """One peer's enrolled address and the limits of a call to it.

    ``networks`` are CIDRs every resolved address must lie in; empty means: only ``base_url``'s own host, and only
    where that is an IP address. ``deadline`` and ``connect_timeout`` in seconds, ``max_bytes`` of an answer's
    body. ``verify``: True = the machine's certificate authorities, a text = path of a CA file or folder, False =
    none (loopback demonstration only).
    """

    base_url: str
    networks: tuple[str, ...] = ()
    deadline: float = 20.0
    max_bytes: int = 1_048_576
    connect_timeout: float = 3.0
    connect_tries: int = 2
    verify: str | bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed ``PeerAddress``: what is connected to and what is written into the request."""

    tls: bool
    host: str
    port: int
    base_path: str  # without a trailing slash, "" for the root
    host_header: str
    networks: tuple[IpNetwork, ...]

    def target(self, url: str) -> str:
        """The request target for ``url`` below the base path.

        Raises ``ValueError`` for a full address, a step upwards or bytes that do not belong in a request line:
        those are mistakes of a peer's code, never data.
        """
        path, mark, query = url.partition("?")
        if "://" in path or path.startswith("//") or "\\" in path or "#" in url:
            raise ValueError("the url must be relative to the enrolled base address")
        if any(step.lower() in {"..", "%2e%2e", ".%2e", "%2e."} for step in path.split("/")):
            raise ValueError("the url must not step out of the enrolled base address")
        if not all("!" <= sign <= "~" for sign in url):
            raise ValueError("the url must be percent-encoded ASCII")
        below = f"/{path.removeprefix('/')}" if path else ""
        return f"{self.base_path}{below}{mark}{query}" if self.base_path or below else f"/{mark}{query}"


def parse_address(name: str, address: PeerAddress) -> Place:
    """Read and check one enrolled address. Raises ``BadSettings`` naming the peer."""
    try:
        parts = urlsplit(address.base_url)
        port = parts.port
    except ValueError as error:
        raise BadSettings(f"{name}: base_url cannot be read: {error}") from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"}:
        raise BadSettings(f"{name}: base_url must begin with http:// or https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadSettings(f"{name}: base_url must hold no user, query or fragment")
    if not host or not all("!" <= sign <= "~" for sign in address.base_url) or port == 0:
        raise BadSettings(f"{name}: base_url needs an ASCII host and a usable port")
    if address.deadline <= 0 or address.connect_timeout <= 0 or address.max_bytes < 1 or address.connect_tries < 1:
        raise BadSettings(f"{name}: deadline, connect_timeout, max_bytes and connect_tries must be positive")
    tls = parts.scheme == "https"
    standard = 443 if tls else 80
    shown = f"[{host}]" if ":" in host else host
    return Place(
        tls=tls,
        host=host,
        port=port or standard,
        base_path=parts.path.rstrip("/"),
        host_header=shown if port in {None, standard} else f"{shown}:{port}",
        networks=tuple(_network(name, text) for text in address.networks) or _only(host),
    )


def plain(text: str) -> IpAddress:
    """The address behind ``text``, an IPv4-mapped IPv6 address as the IPv4 address it reaches.

    Raises ``ValueError`` when it is no address.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def check(addresses: Sequence[str], networks: Sequence[IpNetwork]) -> tuple[str, ...]:
    """The addresses to connect to, each inside one of ``networks``; one stray among them refuses all.

    Unspecified, multicast and broadcast addresses are refused whatever is enrolled: 0.0.0.0 reaches our own
    machine. Raises ``AddressRefused``.
    """
    checked = []
    for text in addresses:
        try:
            address = plain(text)
        except ValueError:
            raise AddressRefused(f"{text} is no address") from None
        if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
            raise AddressRefused(f"{address} is never a peer")
        if not any(address.version == net.version and address in net for net in networks):
            raise AddressRefused(f"{address} is not in the enrolled networks")
        if str(address) not in checked:
            checked.append(str(address))
    if not checked:
        raise NameUnknown("the name has no address")
    return tuple(checked)


def resolve(place: Place, seconds: float, *, resolver: Resolver | None = None) -> tuple[str, ...]:
    """Resolve once and check every answer; what comes back is what is connected to, so DNS cannot move it.

    The system's resolver knows no time limit, so it runs beside us and is left behind after ``seconds``.
    Raises ``NameUnknown`` or ``AddressRefused``.
    """
    try:
        return check((str(plain(place.host)),), place.networks)
    except ValueError:
        pass  # a name, not an address
    if not place.networks:
        raise AddressRefused("a host name needs enrolled networks")
    results: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            results.put((resolver or system_resolver)(place.host, place.port))
        except Exception as error:
            results.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = results.get(timeout=seconds)
    except queue.Empty:
        raise NameUnknown(f"{place.host} did not resolve in time") from None
    if isinstance(found, Exception):
        raise NameUnknown(f"{place.host} does not resolve: {found}")
    return check(found, place.networks)


def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """All addresses of ``host`` in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(entry[4][0]) for entry in found)


def _network(name: str, text: str) -> IpNetwork:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise BadSettings(f"{name}: networks: {error}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96 and network.subnet_of(_MAPPED):
        start = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return ipaddress.IPv4Network((start, network.prefixlen - 96))
    return network


def _only(host: str) -> tuple[IpNetwork, ...]:
    try:
        return (ipaddress.ip_network(str(plain(host))),)
    except ValueError:
        return ()
