"""Short HTTP questions to our own children. Must not go through a proxy or beyond loopback."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any

BROKEN = (OSError, http.client.HTTPException)


class Turned(RuntimeError):
    """A child answered a question of ours with an error; the text says which."""


def ask(
    port: int,
    path: str,
    *,
    method: str = "GET",
    order: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> tuple[int, str]:
    """Status and text of one request. Raises ``OSError`` or ``http.client.HTTPException`` when nobody answers."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        body = None if order is None else json.dumps(order, ensure_ascii=False).encode()
        told = dict(headers or {}) | ({"Content-Type": "application/json"} if body else {})
        line.request(method, path, body=body, headers=told)
        answer = line.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        line.close()


def answers(port: int, path: str) -> bool:
    """True when the path answers 200 right now."""
    try:
        return ask(port, path, timeout=2)[0] == 200
    except BROKEN:
        return False


def ask_json(port: int, path: str, *, order: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object a control path answers with; ``order`` makes it a POST. Raises ``Turned`` and as ``ask``."""
    status, text = ask(port, path, method="GET" if order is None else "POST", order=order)
    if status != 200:
        raise Turned(f"{path}: HTTP {status}: {text.strip()}")
    found: dict[str, Any] = json.loads(text)
    return found


def number(text: str, name: str, labels: Mapping[str, str]) -> float:
    """The sum of all samples of ``name`` in a Prometheus text that carry ``labels``; 0 where there is none."""
    total = 0.0
    for line in text.splitlines():
        found = re.fullmatch(rf"{re.escape(name)}(?:\{{(.*)\}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")).items() >= labels.items():
            total += float(found[2])
    return total
