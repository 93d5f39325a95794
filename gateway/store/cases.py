"""Case rows: read, lock, save. Facts are sealed with the case's own data key.

Must not decide anything: which state follows which is the desk's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from gateway.domain.calls import Mark
from gateway.domain.case import DECIDED, ENDED, CaseState
from gateway.domain.records import Ask, Case, Decision, Due, EntryDraft, Facts
from gateway.signing.vault import DataKey, Vault
from gateway.store import trail
from gateway.store.database import Tx, micros, moment

_CASE = "SELECT * FROM cases WHERE "

FACTS_PLACE = "cases:{case_id}:facts_sealed"
FORM_PLACE = "cases:{case_id}:form_sealed"
_OVER = DECIDED | ENDED  # a case in such a state no longer stands in the way of another one


def by_id(tx: Tx, vault: Vault, case_id: str) -> Case | None:
    """The case, or none."""
    return _read(vault, tx.one(_CASE + "case_id = :case_id", {"case_id": case_id}))


def by_bank_ref(tx: Tx, vault: Vault, bank: str, bank_ref: str) -> Case | None:
    """The submission's case (rules.md 1), or none."""
    return _read(vault, tx.one(_CASE + "bank = :bank AND bank_ref = :ref", {"bank": bank, "ref": bank_ref}))


def by_receipt(tx: Tx, vault: Vault, bank: str, receipt_no: str) -> Case | None:
    """The bank's own case with this receipt number; another bank's is none."""
    return _read(vault, tx.one(_CASE + "bank = :bank AND receipt_no = :no", {"bank": bank, "no": receipt_no}))


def by_open_key(tx: Tx, vault: Vault, open_key: str) -> Case | None:
    """The open case that holds this applicant and item, or none."""
    return _read(vault, tx.one(_CASE + "open_key = :key", {"key": open_key}))


def lock(tx: Tx, vault: Vault, case_id: str) -> Case:
    """The case, locked until the transaction ends. Raises ``LookupError`` when it does not exist."""
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    case = _read(vault, tx.one(_CASE + "case_id = :case_id" + suffix, {"case_id": case_id}))
    if case is None:
        raise LookupError(case_id)
    return case


def save(tx: Tx, vault: Vault, case: Case) -> None:
    """Write back what can change; a case that ended gives its place to the next one of the same applicant and item."""
    over = case.state in _OVER
    held = _held_place(tx, case.case_id) if over else None
    tx.run(
        "UPDATE cases SET state = :state, since = :since, event_no = :event_no, entry_no = :entry_no, due_on = :due_on,"
        " due_kind = :due_kind,"
        " clock_alarm = CASE WHEN coalesce(due_on, '') = coalesce(CAST(:due_on AS varchar), '') THEN clock_alarm"
        " ELSE 0 END, withdrawal = :withdrawal, department_ref = :department_ref,"
        " department_seq = :department_seq, parked = :parked, facts_sealed = :facts"
        + (", open_key = NULL" if over else "")
        + " WHERE case_id = :case_id",
        {
            "case_id": case.case_id,
            "state": case.state.value,
            "since": micros(case.since),
            "event_no": case.event_no,
            "entry_no": case.entry_no,
            "due_on": due_text(case.due),
            "due_kind": case.due.kind if case.due else None,
            "withdrawal": case.withdrawal,
            "department_ref": case.department_ref or None,
            "department_seq": case.department_seq,
            "parked": int(case.parked),
            "facts": seal_facts(vault.unwrap(case.data_key), case.case_id, case.facts, due=case.due),
        },
    )
    if held is not None:
        _hand_on(tx, held)


def _held_place(tx: Tx, case_id: str) -> Any:
    """The place of applicant and item that this case holds, none when it holds none (rules.md 11)."""
    return tx.one(
        "SELECT open_key, subject_hash, item FROM cases WHERE case_id = :id AND open_key IS NOT NULL", {"id": case_id}
    )


def _hand_on(tx: Tx, held: Any) -> None:
    """The oldest further case that is still open, filed with ``confirm_second``, holds the place from now on."""
    over = ", ".join(f"'{state.value}'" for state in sorted(_OVER))
    tx.run(
        "UPDATE cases SET open_key = :open_key WHERE case_id = (SELECT case_id FROM cases"
        " WHERE subject_hash = :subject_hash AND item = :item AND open_key IS NULL"
        f" AND state NOT IN ({over}) ORDER BY received_at, case_id LIMIT 1)",
        dict(held),
    )


def form(tx: Tx, vault: Vault, case: Case) -> bytes:
    """The canonical business part the case was filed with. Raises ``LookupError`` when it was lawfully erased."""
    row = tx.one("SELECT form_sealed FROM cases WHERE case_id = :id", {"id": case.case_id})
    if row is None or row["form_sealed"] is None or not case.data_key:
        raise LookupError(case.case_id)
    return vault.unwrap(case.data_key).open(bytes(row["form_sealed"]), FORM_PLACE.format(case_id=case.case_id))


def due_text(due: Due | None) -> str | None:
    """``2026-11-30``, with ``?`` behind it while the calendar of that year is provisional."""
    return None if due is None else due.on.isoformat() + ("?" if due.provisional else "")


def seal_facts(key: DataKey, case_id: str, facts: Facts, *, due: Due | None = None) -> bytes:
    """The facts as ciphertext, and beside them how the due day was counted."""
    data = _facts_json(facts)
    if due and due.start:
        data["due"] = [due.start.isoformat(), due.days]
    return key.seal(json.dumps(data, ensure_ascii=False).encode(), FACTS_PLACE.format(case_id=case_id))


def _facts_json(facts: Facts) -> dict[str, Any]:
    decision = facts.decision
    return {
        "asks": [
            {
                "ask_no": a.ask_no,
                "kind": a.kind,
                "text": a.text,
                "what": [[m.path, m.say] for m in a.what],
                "due": a.due.isoformat() if a.due else "",
                "open": a.open,
            }
            for a in facts.asks
        ],
        "missing": [list(m) for m in facts.missing],
        "decision": None
        if decision is None
        else {
            "kind": decision.kind,
            "reason": decision.reason,
            "text": decision.text,
            "decided_at": decision.decided_at.isoformat(),
            "automatic": decision.automatic,
        },
        "result_follows": facts.result_follows,
        "heard_at": facts.heard_at.isoformat() if facts.heard_at else "",
        "heard_then": list(facts.heard_then),
        "days_left": facts.days_left,
        "subject": list(facts.subject),
    }


def _facts(data: dict[str, Any]) -> Facts:
    decision = data["decision"]
    return Facts(
        asks=tuple(
            Ask(
                ask_no=a["ask_no"],
                kind=a["kind"],
                text=a["text"],
                what=tuple(Mark(path, say) for path, say in a["what"]),
                due=date.fromisoformat(a["due"]) if a["due"] else None,
                open=a["open"],
            )
            for a in data["asks"]
        ),
        missing=tuple((m[0], m[1]) for m in data["missing"]),
        decision=None
        if decision is None
        else Decision(**{**decision, "decided_at": datetime.fromisoformat(decision["decided_at"])}),
        result_follows=data["result_follows"],
        heard_at=datetime.fromisoformat(data["heard_at"]) if data["heard_at"] else None,
        heard_then=tuple(data.get("heard_then", ())),
        days_left=data.get("days_left", 0),  # cases of the first release have none
        subject=(data["subject"][0], data["subject"][1]),
    )


def _read(vault: Vault, row: Mapping[str, Any] | None) -> Case | None:
    if row is None:
        return None
    case_id = row["case_id"]
    key = bytes(row["data_key"] or b"")
    facts, counted = Facts(), []
    if key:  # an erased case keeps its states and digests, nothing else
        data = json.loads(vault.unwrap(key).open(bytes(row["facts_sealed"]), FACTS_PLACE.format(case_id=case_id)))
        facts, counted = _facts(data), data.get("due", [])
    due = None
    if row["due_on"]:
        due = Due(
            on=date.fromisoformat(row["due_on"].rstrip("?")),
            kind=row["due_kind"],
            provisional=row["due_on"].endswith("?"),
            start=date.fromisoformat(counted[0]) if counted else None,
            days=counted[1] if counted else 0,
        )
    return Case(
        case_id=case_id,
        bank=row["bank"],
        bank_ref=row["bank_ref"],
        client_id=row["client_id"],
        business_digest=row["business_digest"],
        item=row["item"],
        item_version=row["item_version"],
        department=row["department"],
        backend=row["backend"],
        outlet=row["outlet"],
        channel=row["channel"],
        receipt_no=row["receipt_no"],
        receipt=row["receipt"],
        received_at=moment(row["received_at"]),
        state=CaseState(row["state"]),
        since=moment(row["since"]),
        event_no=row["event_no"],
        entry_no=row["entry_no"],
        due=due,
        withdrawal=row["withdrawal"],
        department_ref=row["department_ref"] or "",
        department_seq=row["department_seq"],
        parked=bool(row["parked"]),
        facts=facts,
        data_key=key,
    )


def event_no(tx: Tx, case_id: str) -> int:
    """The number of the case's last event, 0 when there is no such case: a cheap look."""
    found = tx.run("SELECT event_no FROM cases WHERE case_id = :id", {"id": case_id}).scalar()
    return int(found or 0)


def note(
    tx: Tx, case_id: str, kind: str, *, now: datetime, facts: Mapping[str, str], actor: str = "system:dispatch"
) -> None:
    """One entry that banks do not see, numbered with the case, without reading the case; none without a case."""
    number = tx.run(
        "UPDATE cases SET entry_no = entry_no + 1 WHERE case_id = :id RETURNING entry_no", {"id": case_id}
    ).scalar()
    if number is None:  # its work row must not stop the others of its lane from being claimed
        return
    draft = EntryDraft(kind=kind, subject=case_id, at=now, actor=actor, facts=facts)
    trail.append(tx, [trail.row(draft, int(number), case_id=case_id)])


def id_of_receipt(tx: Tx, receipt_no: str) -> str:
    """The case with this receipt number, whatever bank's, "" when there is none: for people of the house."""
    return str(tx.run("SELECT case_id FROM cases WHERE receipt_no = :no", {"no": receipt_no}).scalar() or "")


def ids_after(tx: Tx, case_id: str, *, limit: int) -> list[str]:
    """The next case ids in their own order, erased cases left out."""
    found = tx.run(
        "SELECT case_id FROM cases WHERE case_id > :last AND data_key IS NOT NULL ORDER BY case_id LIMIT :limit",
        {"last": case_id, "limit": limit},
    )
    return [r[0] for r in found]


def count(tx: Tx) -> int:
    """How many cases there are."""
    return int(tx.run("SELECT count(*) FROM cases").scalar_one())


def rewrap(tx: Tx, vault: Vault, case_id: str) -> bool:
    """Wrap the case's data key with the current key-encryption key; False when it already is."""
    suffix = " FOR UPDATE" if tx.database.is_postgres else ""
    key = tx.run("SELECT data_key FROM cases WHERE case_id = :id" + suffix, {"id": case_id}).scalar()
    if key is None or not vault.needs_rewrap(bytes(key)):
        return False
    tx.run("UPDATE cases SET data_key = :key WHERE case_id = :id", {"key": vault.rewrap(bytes(key)), "id": case_id})
    return True


def reindex(tx: Tx, case_id: str, *, subject_hash: str, open_key: str) -> bool:
    """Give the case a new search hash, and a new open key if it holds one; False when nothing changed."""
    changed = tx.run(
        "UPDATE cases SET subject_hash = :hash, open_key = CASE WHEN open_key IS NULL THEN NULL ELSE :open_key END"
        " WHERE case_id = :id AND subject_hash <> :hash",
        {"hash": subject_hash, "open_key": open_key, "id": case_id},
    )
    return changed.rowcount == 1


def due_before(tx: Tx, day: date, *, alarm: int, limit: int) -> list[tuple[str, str, str]]:
    """Cases whose limit lies before ``day`` and whose alarm is below ``alarm``: id, due day, kind."""
    found = tx.all(
        "SELECT case_id, due_on, due_kind FROM cases WHERE due_on IS NOT NULL AND due_on < :day"
        " AND clock_alarm < :alarm ORDER BY due_on LIMIT :limit",
        {"day": day.isoformat(), "alarm": alarm, "limit": limit},
    )
    return [(r["case_id"], r["due_on"], r["due_kind"]) for r in found]


def set_alarm(tx: Tx, case_id: str, *, due_on: str, alarm: int) -> bool:
    """Mark a limit as alarmed; False when the clock has turned meanwhile."""
    changed = tx.run(
        "UPDATE cases SET clock_alarm = :alarm WHERE case_id = :id AND due_on = :due_on AND clock_alarm < :alarm",
        {"alarm": alarm, "id": case_id, "due_on": due_on},
    )
    return changed.rowcount == 1


def with_limit_after(tx: Tx, case_id: str, *, limit: int) -> list[str]:
    """The next cases on which a limit runs."""
    found = tx.run(
        "SELECT case_id FROM cases WHERE due_on IS NOT NULL AND case_id > :last ORDER BY case_id LIMIT :limit",
        {"last": case_id, "limit": limit},
    )
    return [r[0] for r in found]


def overdue(tx: Tx, day: date) -> list[Any]:
    """Everything past its limit on ``day``, oldest first, for people."""
    return list(
        tx.all(
            "SELECT receipt_no, item, outlet, department, state, due_on, due_kind FROM cases"
            " WHERE due_on IS NOT NULL AND due_on < :day ORDER BY due_on, receipt_no",
            {"day": day.isoformat()},
        )
    )
