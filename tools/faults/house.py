"""The gateway's own database as the judge reads it: cases, calls, notices. Reads only, in short transactions."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.case import DECIDED, ENDED
from gateway.domain.clock import SystemClock
from gateway.store.database import Database

FINAL = frozenset(state.value for state in DECIDED | ENDED)


@dataclass(frozen=True, slots=True)
class Case:
    """One accepted case. ``shelved``: something of it waits for a person."""

    bank_ref: str
    receipt_no: str
    receipt: str
    state: str
    event_no: int
    shelved: bool
    why: str
    told: int  # events of this case its client confirmed
    open_work: int  # rows of it that still move, notices aside

    @property
    def settled(self) -> bool:
        """Decided or ended and nothing of it moves any more, or on the shelf."""
        return self.shelved or (self.state in FINAL and not self.open_work)


class House:
    """Use ``close`` at the end."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, SystemClock())

    def close(self) -> None:
        """Let the connections go."""
        self._database.close()

    def cases(self) -> list[Case]:
        """Every case there is."""
        with self._database.read() as tx:
            rows = tx.all(
                "SELECT c.bank_ref, c.receipt_no, c.receipt, c.state, c.event_no,"
                " coalesce((SELECT max(n.sent_no) FROM notice n WHERE n.case_id = c.case_id), 0) AS told,"
                " (SELECT count(*) FROM work w WHERE w.case_id = c.case_id AND w.state = 'parked'"
                "   AND w.kind <> 'notice') AS parked,"
                " (SELECT min(w.note) FROM work w WHERE w.case_id = c.case_id AND w.state = 'parked'"
                "   AND w.kind <> 'notice') AS why,"
                " (SELECT count(*) FROM work w WHERE w.case_id = c.case_id AND w.state = 'due'"
                "   AND w.kind <> 'notice') AS moving FROM cases c"
            )
            return [
                Case(
                    bank_ref=row["bank_ref"],
                    receipt_no=row["receipt_no"],
                    receipt=row["receipt"],
                    state=row["state"],
                    event_no=int(row["event_no"]),
                    shelved=row["parked"] > 0,
                    why=row["why"] or "",
                    told=int(row["told"]),
                    open_work=int(row["moving"]),
                )
                for row in rows
            ]

    def parked_notices(self) -> int:
        """Notices that wait for a person."""
        with self._database.read() as tx:
            return int(tx.run("SELECT count(*) FROM work WHERE kind = 'notice' AND state = 'parked'").scalar_one())
