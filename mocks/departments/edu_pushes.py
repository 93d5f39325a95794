"""How FT_EDU pushes: what counts as taken and when it comes again (docs/departments/FT_EDU.md section 3).

Must not send anything: that is the clerk's (``pushes``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mocks.departments.edu_signing import EduSigner

_FIRST_MINUTES = (1, 5, 15, 60)
_HOURLY_TRIES = 48


class EduPushes:
    """The clerk's dialect."""

    def __init__(self, signer: EduSigner, *, minute: float = 60.0, strict: bool = False) -> None:
        """``minute``: seconds a minute of the schedule lasts; ``strict``: an unsigned answer does not count."""
        self._signer = signer
        self._minute = minute
        self._strict = strict
        self.signatures = {"good": 0, "wrong": 0, "none": 0}

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        """The headers of one push, signed now."""
        return self._signer.push_headers(target, body)

    def taken(self, sent: Mapping[str, str], status: int, *, headers: Mapping[str, str], body: bytes) -> bool:
        """True for HTTP 200 with the number 0 as code, unless its signature is wrong. ``ValueError`` for no JSON."""
        holds = self._signer.answer_holds(sent["X-Edu-Nonce"], status, headers=headers, body=body)
        self.signatures["none" if holds is None else "good" if holds else "wrong"] += 1
        if holds is False or (self._strict and holds is None):
            return False
        said = json.loads(body)
        code = said.get("code") if isinstance(said, dict) else None
        return status == 200 and code == 0 and not isinstance(code, bool)

    def pause_after(self, tries: int) -> float | None:
        """Seconds to the next try: 1, 5, 15, 60 minutes, then hourly for 48 hours; then none."""
        if tries <= len(_FIRST_MINUTES):
            return _FIRST_MINUTES[tries - 1] * self._minute
        return 60 * self._minute if tries <= len(_FIRST_MINUTES) + _HOURLY_TRIES else None
