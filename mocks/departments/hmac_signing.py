"""What departments with HMAC headers share: the code itself, digests, used nonces, and the moment of the machine.

Must not know the lines any department signs nor how its headers are called; each has its own module for that.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
CLOCK_SKEW = timedelta(minutes=5)
NONCE_LIFE = timedelta(minutes=10)
_NONCES_BEFORE_SWEEP = 20_000


class Unsigned(Exception):
    """A request that is not taken; ``code`` is the document's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def utc_now() -> datetime:
    """The moment, aware."""
    return datetime.now(UTC)


def sha256_hex(data: bytes) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


def mac_hex(secret: bytes, *lines: str) -> str:
    """Lower-case hex HMAC-SHA256 over ``lines`` joined by a newline, none at the end."""
    return hmac.new(secret, "\n".join(lines).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def same(expected: str, given: str) -> bool:
    """Compare two signatures without telling where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


class Nonces:
    """Which nonces an application has used within their life."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def use(self, app: str, nonce: str, *, now: datetime) -> bool:
        """True when ``nonce`` is new for ``app``; it is used up then."""
        with self._lock:
            if len(self._seen) > _NONCES_BEFORE_SWEEP:
                self._seen = {key: seen for key, seen in self._seen.items() if now - seen < NONCE_LIFE}
            seen = self._seen.get((app, nonce))
            if seen and now - seen < NONCE_LIFE:
                return False
            self._seen[app, nonce] = now
            return True
