"""Which files a business part names, wherever in it (operations.md 2.4).

Must not judge it: it was accepted before. A file is an object with ``digest``; texts that were signed have other names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DIGEST = re.compile(r"(?:sha256|sm3):[0-9a-f]{64}")
_PAGES = re.compile(r"[1-9][0-9]{0,3}")


def named_files(business: Mapping[str, Any]) -> dict[str, int | None]:
    """Digest of each file named, with its pages where they are told. The form and remarks are not looked into."""
    found: dict[str, int | None] = {}
    level: list[Any] = [value for name, value in business.items() if name not in {"form", "ext"}]
    while level:
        node = level.pop()
        if isinstance(node, Mapping):
            digest, pages = node.get("digest"), node.get("pages")
            if isinstance(digest, str) and _DIGEST.fullmatch(digest):
                told = int(pages) if isinstance(pages, str) and _PAGES.fullmatch(pages) else None
                found[digest] = told or found.get(digest)
            level += node.values()
        elif isinstance(node, list | tuple):
            level += node
    return found
