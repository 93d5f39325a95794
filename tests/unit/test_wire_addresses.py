"""Where a peer may be reached, and everything that is refused."""

from __future__ import annotations

import pytest

from gateway.domain.errors import BadSettings
from gateway.wire.addresses import AddressRefused, NameUnknown, PeerAddress, check, parse_address, resolve


def place(url: str, *networks: str):  # type: ignore[no-untyped-def]  # a short word for the tests
    return parse_address("p", PeerAddress(url, networks=networks))


@pytest.mark.parametrize(
    ("base", "url", "target"),
    [
        ("http://h", "", "/"),
        ("http://h", "/x", "/x"),
        ("http://h/", "x?a=1", "/x?a=1"),
        ("http://h/base/", "/x", "/base/x"),
        ("http://h/base", "", "/base"),
        ("http://h/base", "?a=%C4%E3&to=http://x", "/base?a=%C4%E3&to=http://x"),
    ],
)
def test_a_url_is_put_below_the_base_address_byte_for_byte(base: str, url: str, target: str) -> None:
    assert place(base).target(url) == target


@pytest.mark.parametrize("url", ["http://x/y", "//x/y", "/../x", "/a/%2e%2E/x", "/a b", "/中", "/x#y", "/a\\b"])
def test_a_url_that_leaves_the_base_address_is_a_mistake(url: str) -> None:
    with pytest.raises(ValueError):
        place("http://h/base").target(url)


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("http://h", "h"),
        ("http://h:80", "h"),
        ("https://h:443/x", "h"),
        ("https://h:80", "h:80"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_host_header_keeps_the_enrolled_name(base: str, host: str) -> None:
    assert place(base).host_header == host


@pytest.mark.parametrize(
    "base",
    [
        "",
        "h",
        "ftp://h",
        "http://",
        "http://u:p@h",
        "http://h?x=1",
        "http://h#x",
        "http://h:99999",
        "http://部门",
        "http://h:0",
    ],
)
def test_a_base_address_that_cannot_be_used_stops_the_start(base: str) -> None:
    with pytest.raises(BadSettings, match="p: base_url"):
        place(base)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "ten", "10.0.0.0/33"])
def test_a_network_that_cannot_be_read_stops_the_start(network: str) -> None:
    with pytest.raises(BadSettings, match="networks"):
        place("http://h", network)


def test_limits_must_be_positive() -> None:
    with pytest.raises(BadSettings, match="positive"):
        parse_address("p", PeerAddress("http://h", deadline=0))


def test_without_networks_only_the_literal_address_is_reached() -> None:
    assert resolve(place("http://127.0.0.1:8080"), 1.0) == ("127.0.0.1",)
    assert resolve(place("http://[::ffff:127.0.0.1]"), 1.0) == ("127.0.0.1",)
    with pytest.raises(AddressRefused, match="needs enrolled networks"):
        resolve(place("http://localhost"), 1.0, resolver=lambda *_: ["127.0.0.1"])


def test_a_literal_address_must_lie_in_the_networks_when_there_are_some() -> None:
    with pytest.raises(AddressRefused):
        resolve(place("http://192.0.2.1", "10.0.0.0/8"), 1.0)


def test_a_name_is_resolved_once_and_every_answer_is_checked() -> None:
    asked: list[tuple[str, int]] = []

    def answer(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["10.0.0.1", "10.0.0.1", "10.0.0.2"]

    assert resolve(place("https://h", "10.0.0.0/8"), 1.0, resolver=answer) == ("10.0.0.1", "10.0.0.2")
    assert asked == [("h", 443)]


@pytest.mark.parametrize(
    "stray", ["8.8.8.8", "169.254.169.254", "::1", "0.0.0.0", "::", "::ffff:8.8.8.8", "224.0.0.1", "what"]
)
def test_one_stray_address_refuses_the_name(stray: str) -> None:
    with pytest.raises(AddressRefused):
        resolve(place("http://h", "10.0.0.0/8"), 1.0, resolver=lambda *_: ["10.0.0.1", stray])


@pytest.mark.parametrize("never", ["0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1"])
def test_some_addresses_are_refused_whatever_is_enrolled(never: str) -> None:
    with pytest.raises(AddressRefused, match="never a peer"):
        check([never], place("http://h", "0.0.0.0/0", "::/0").networks)


def test_a_mapped_network_is_the_ipv4_network_it_maps() -> None:
    networks = place("http://h", "::ffff:10.0.0.0/104").networks
    assert check(["10.1.2.3"], networks) == ("10.1.2.3",)
    assert check(["::ffff:10.1.2.3"], networks) == ("10.1.2.3",)


def test_an_ipv6_network_never_lets_a_mapped_address_in() -> None:
    with pytest.raises(AddressRefused):
        check(["::ffff:10.0.0.1"], place("http://h", "::/0").networks)


def test_a_name_without_address_or_with_a_broken_resolver_is_unknown() -> None:
    def broken(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(NameUnknown):
        resolve(place("http://h", "10.0.0.0/8"), 1.0, resolver=broken)
    with pytest.raises(NameUnknown):
        resolve(place("http://h", "10.0.0.0/8"), 1.0, resolver=lambda *_: [])
