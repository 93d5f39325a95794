"""How FT_SBX pushes: signed headers, what counts as taken, when it comes again (docs/departments/FT_SBX.md section 6).

Must not send anything: that is the clerk's (``pushes``).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from mocks.departments.books import beijing_text
from mocks.departments.hmac_signing import utc_now
from mocks.departments.sbx_signing import Signer

PUSH_APP = "sbx-push"


class SbxPushes:
    """The clerk's dialect."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def headers(self, target: str, body: bytes) -> dict[str, str]:
        """The headers of one push, signed now."""
        time, nonce = beijing_text(utc_now()), secrets.token_hex(12)
        return {
            "Content-Type": "application/json; charset=utf-8",
            "X-Sbx-App": PUSH_APP,
            "X-Sbx-Time": time,
            "X-Sbx-Nonce": nonce,
            "X-Sbx-Sign": self._signer.sign_request("POST", target, time=time, nonce=nonce, body=body),
        }

    def taken(self, sent: Mapping[str, str], status: int, *, headers: Mapping[str, str], body: bytes) -> bool:
        """True for HTTP 200 with code "0"; the answer needs no signature. Raises ``ValueError`` for no JSON."""
        said = json.loads(body)
        return status == 200 and isinstance(said, dict) and said.get("code") == "0"

    def pause_after(self, tries: int) -> float | None:
        """Seconds to the next try after ``tries`` tries: 1, 2, 4, 8 … 60, never given up."""
        return float(min(60, 2 ** min(tries - 1, 10)))
