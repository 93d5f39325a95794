"""What may be brought, how large, and for how long a ticket lives (operations.md 2.4, 2.5 and section 5).

Must not read requests or files; these are the numbers both sides of an upload go by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MIB = 1024 * 1024

TICKET_LIFE = timedelta(minutes=15)
DOWNLOAD_LIFE = timedelta(minutes=10)
UPLOAD_TIME = timedelta(minutes=10)  # one upload in all: a dripping one holds a thread no longer
UNCLAIMED_LIFE = timedelta(hours=24)
# A message that was checked a moment before must still find its files when it has been filed.
SWEPT_AFTER = UNCLAIMED_LIFE + timedelta(hours=1)
ORPHANS_AFTER = timedelta(hours=1)  # longer than any upload: a younger file may still get its row


class Purpose(StrEnum):
    """What a file is for; the value stands in ``purpose`` of the request."""

    MATERIAL = "material"
    FORM = "form"
    AUTHORISATION = "authorisation"
    SIGNATURE = "signature"
    DAY_FILE = "day_file"
    EVIDENCE = "evidence"

    @property
    def is_paper(self) -> bool:
        """True for what a message names as a file: a form or a day file never passes for a paper."""
        return self not in {Purpose.FORM, Purpose.DAY_FILE}


JPEG, PNG, PDF, JSON, TEXT = "image/jpeg", "image/png", "application/pdf", "application/json", "text/plain"
PAPERS = (PDF, JPEG, PNG)
EXTENSIONS: Mapping[str, str] = {JPEG: "jpg", PNG: "png", PDF: "pdf", JSON: "json", TEXT: "txt"}


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one purpose: the types it may have, and the largest file in bytes."""

    types: tuple[str, ...]
    size: int


LIMITS: Mapping[Purpose, Limit] = {
    Purpose.MATERIAL: Limit(PAPERS, 20 * MIB),
    Purpose.FORM: Limit((JSON,), MIB),
    Purpose.AUTHORISATION: Limit(PAPERS, 20 * MIB),
    Purpose.SIGNATURE: Limit(PAPERS, 20 * MIB),
    Purpose.DAY_FILE: Limit((TEXT,), 200 * MIB),
    Purpose.EVIDENCE: Limit(PAPERS, 20 * MIB),
}
LARGEST = max(limit.size for limit in LIMITS.values())
MOST_FILES = 60  # of one case, its form included
MOST_BYTES = 200 * MIB  # of one case
MOST_DAY_FILES = 99  # ``seq`` of a day file has two digits
