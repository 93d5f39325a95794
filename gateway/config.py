"""Settings from the environment: one table, all errors at once, no half-set start.

Must not hold secrets: they are files that ``bootstrap`` reads. ``docs/settings.md`` is made from ``TABLE``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.domain.errors import BadSettings

PREFIX = "GATEWAY_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table."""

    name: str
    default: str
    meaning: str
    read: Callable[[str], Any]


def _choice(*values: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"write one of {', '.join(values)}")
        return text

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(text)

    return read


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65535:
        raise ValueError("write address:port, for example 127.0.0.1:8080")
    return host, int(port)


def _networks(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in found:
        try:
            ip_network(part)
        except ValueError as error:
            raise ValueError("write networks such as 10.2.0.0/24, separated by commas") from error
    return found


def _database(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")):
        raise ValueError("write sqlite:///path or postgresql://user@host/name")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("write 1 to 64 letters, digits, dots or hyphens")
    return text


TABLE: tuple[Setting, ...] = (
    Setting(
        "PROFILE",
        "production",
        "production, demo or test; sandbox items and published keys only in the last two",
        _choice("production", "demo", "test"),
    ),
    Setting(
        "DATABASE_URL",
        "sqlite:///var/gateway.db",
        "where everything is kept: SQLite embedded, PostgreSQL when scaled",
        _database,
    ),
    Setting(
        "KEYS_DIR", "var/keys", "folder of our own private keys and the vault's key file, readable by us only", Path
    ),
    Setting(
        "BLOBS_DIR",
        "var/blobs",
        "folder of uploaded files, sealed; shared by all processes, and backed up together with the database",
        Path,
    ),
    Setting(
        "PEERS_FILE",
        "var/peers.toml",
        "addresses and settings of banks and departments; secrets are named as files",
        Path,
    ),
    Setting("LISTEN", "127.0.0.1:8080", "address and port of the web doors", _listen),
    Setting("THREADS", "16", "request threads of one web process", _whole(2, 256)),
    Setting("WORKERS", "1", "web processes of the web command; embedded it is always one", _whole(1, 64)),
    Setting(
        "DRAIN_SECONDS",
        "30",
        "how long a stop waits for calls under way; longer than the longest call's deadline",
        _whole(1, 600),
    ),
    Setting(
        "ADDRESS_RATE",
        "200",
        "requests per second one address may send before anything is verified",
        _whole(1, 100_000),
    ),
    Setting(
        "CLIENT_RATE", "200", "requests per second one enrolled client may send to one process", _whole(1, 100_000)
    ),
    Setting("CLIENT_AT_ONCE", "32", "requests of one client that one process handles at a time", _whole(1, 1_000)),
    Setting("SIGN_IN_RATE", "5", "tokens per second one address may show", _whole(1, 1_000)),
    Setting("TRUSTED_PROXIES", "", "networks of front proxies whose X-Forwarded-For is believed", _networks),
    Setting("OPS_NETWORKS", "127.0.0.0/8,::1/128", "networks that may read /metrics", _networks),
    Setting("DIGEST", "sha256", "hash of new business digests: sha256 or sm3", _choice("sha256", "sm3")),
    Setting(
        "SHELF_HOURS",
        "4",
        "hours that parked work may wait for a person before an alarm is raised",
        _whole(1, 720),
    ),
    Setting(
        "WORKER_LISTEN",
        "",
        "address and port where a worker process shows its metrics; empty = nowhere",
        lambda text: _listen(text) if text else None,
    ),
    Setting("LOG_ID", "ft-gov-log-1", "name of this gateway's trail, part of every checkpoint", _name),
    Setting("LOG_LEVEL", "info", "debug, info, warning or error", _choice("debug", "info", "warning", "error")),
    Setting("LOG_FORMAT", "json", "json for machines, console for people", _choice("json", "console")),
)


@dataclass(frozen=True, slots=True)
class PeerBlock:
    """One peer's block of the peers file, as written."""

    code: str
    values: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """A text value."""
        return str(self.values.get(name, default))


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, frozen."""

    profile: str
    database_url: str
    keys_dir: Path
    blobs_dir: Path
    peers_file: Path
    listen: tuple[str, int]
    threads: int
    workers: int
    drain_seconds: int
    address_rate: int
    client_rate: int
    client_at_once: int
    sign_in_rate: int
    trusted_proxies: tuple[str, ...]
    ops_networks: tuple[str, ...]
    digest: str
    shelf_hours: int
    worker_listen: tuple[str, int] | None
    log_id: str
    log_level: str
    log_format: str
    banks: Mapping[str, PeerBlock]
    backends: Mapping[str, PeerBlock]
    providers: Mapping[str, PeerBlock]

    @property
    def sandbox(self) -> bool:
        """True where sandbox items and published test keys are allowed."""
        return self.profile in {"demo", "test"}


Check = Callable[[Any], str]  # what to write instead, "" for a good value


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "write a text"


def _number(low: float, high: float, *, whole: bool = True) -> Check:
    def check(value: Any) -> str:
        good = type(value) is int or (type(value) is float and not whole)
        good = good and low <= value <= high
        return "" if good else f"write a {'whole ' if whole else ''}number from {low} to {high}"

    return check


def _texts(value: Any) -> str:
    good = isinstance(value, dict) and all(isinstance(v, str | int | float) for v in value.values())
    return "" if good else "write a table of name = value"


def _files(value: Any) -> str:
    good = isinstance(value, dict) and all(isinstance(v, str) and v for v in value.values())
    return "" if good else "write a table of name = file"


def _text_list(value: Any) -> str:
    good = isinstance(value, list) and value and all(isinstance(v, str) and v for v in value)
    return "" if good else "write a list of texts"


def _network_list(value: Any) -> str:
    try:
        good = isinstance(value, list) and all(isinstance(v, str) and ip_network(v) for v in value)
    except ValueError:
        good = False
    return "" if good else 'write a list of networks such as ["10.2.0.0/24"]'


def _base_url(value: Any) -> str:
    """Plain HTTP never leaves the machine: it carries form contents."""
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is not None and parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return ""
    good = parts is not None and parts.scheme == "https" and parts.hostname
    return "" if good else "it must begin with https:// (or http:// on loopback)"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_BANK_KEYS: dict[str, Check] = {"signed_path_prefix": _text, "secrets": _files, "values": _texts}
_PROVIDER_KEYS: dict[str, Check] = {
    "issuer": _text,
    "audience": _text,
    "base_url": _base_url,
    "jwks_path": _text,
    "networks": _network_list,
    "algorithms": _text_list,
    "roles": _text_list,
    "bank": _text,
    "department": _text,
    "longest": _number(10, 3600),
    "second_factor": _text_list,
    "tls_ca": _text,
}
_BACKEND_KEYS: dict[str, Check] = {
    "base_url": _base_url,
    "networks": _network_list,
    "deadline": _number(0.1, 300, whole=False),
    "max_bytes": _number(1, 2**30),
    "cap": _number(1, 10_000),
    "rate": _number(0, 100_000),
    "threads": _number(1, 256),
    "secrets": _files,
    "values": _texts,
    "tls_ca": _text,
}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read and check everything. Raises ``BadSettings`` with one line per problem."""
    problems: list[str] = []
    known = {PREFIX + s.name for s in TABLE}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_"):
            near = get_close_matches(name, known, n=1)
            problems.append(f"{name}: no such setting" + (f"; did you mean {near[0]}" if near else ""))
    values: dict[str, Any] = {}
    for setting in TABLE:
        text = environment.get(PREFIX + setting.name, setting.default)
        try:
            values[setting.name.lower()] = setting.read(text)
        except ValueError as error:
            problems.append(f"{PREFIX}{setting.name}={text!r}: {error}")
    banks: dict[str, PeerBlock] = {}
    backends: dict[str, PeerBlock] = {}
    providers: dict[str, PeerBlock] = {}
    if "peers_file" in values:
        banks, backends, providers = _peers(values["peers_file"], problems)
    if values.get("profile") in {"demo", "test"} and values.get("listen", ("127.0.0.1", 0))[0] not in {
        "127.0.0.1",
        "::1",
        "localhost",
    }:
        problems.append("GATEWAY_LISTEN: the demo and test profiles listen on loopback only")
    problems += [
        f"GATEWAY_DRAIN_SECONDS: write more than the {block.values['deadline']} s deadline of [backends.{block.code}]"
        for block in backends.values()
        if not _BACKEND_KEYS["deadline"](block.values.get("deadline", ""))
        and block.values["deadline"] >= values.get("drain_seconds", float("inf"))
    ]
    if problems:
        raise BadSettings("\n".join(problems))
    return Settings(**values, banks=banks, backends=backends, providers=providers)


def _peers(path: Path, problems: list[str]) -> tuple[dict[str, PeerBlock], ...]:
    if not path.is_file():
        problems.append(f"{path}: the peers file is missing; 'python -m gateway init' writes a first one")
        return {}, {}, {}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: {error}")
        return {}, {}, {}
    problems += [
        f"{path}: unknown table [{name}]; write [banks.CODE], [backends.CODE] or [providers.CODE]"
        for name in data
        if name not in {"banks", "backends", "providers"}
    ]
    banks = _blocks(path, "banks", data.get("banks", {}), _BANK_KEYS, problems)
    backends = _blocks(path, "backends", data.get("backends", {}), _BACKEND_KEYS, problems)
    problems += [
        f"{path}: [backends.{block.code}] has no base_url"
        for block in backends.values()
        if "base_url" not in block.values
    ]
    providers = _blocks(path, "providers", data.get("providers", {}), _PROVIDER_KEYS, problems)
    problems += [
        f"{path}: [providers.{block.code}] has no {name}"
        for block in providers.values()
        for name in ("issuer", "audience", "base_url", "algorithms", "roles")
        if name not in block.values
    ]
    problems += [f"{path}: [providers.{code}]: a back-end has that code" for code in set(providers) & set(backends)]
    return banks, backends, providers


def _blocks(path: Path, table: str, data: Any, known: Mapping[str, Check], problems: list[str]) -> dict[str, PeerBlock]:
    found: dict[str, PeerBlock] = {}
    if not isinstance(data, dict):
        problems.append(f"{path}: {table} must be tables [{table}.CODE]")
        return found
    for code, values in data.items():
        if not isinstance(values, dict):
            problems.append(f"{path}: {table}.{code} must be a table")
            continue
        for name, value in values.items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}" if near else ""
                problems.append(f"{path}: [{table}.{code}] unknown key {name}{hint}")
            elif advice := known[name](value):
                problems.append(f"{path}: [{table}.{code}] {name}: {advice}")
        found[code] = PeerBlock(code=code, values=values)
    return found
