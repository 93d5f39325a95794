"""Making a case ready to be filed: its four rows, its receipt, its answer; all crypto, no transaction (rules.md 6).

Must not write anything and must not judge content: what comes here has passed every check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.audit.kinds import EntryKind
from gateway.calendar.clockwork import Clockwork
from gateway.cases import answers, receipts
from gateway.cases.handoff import call_id_of, call_row, hand_off
from gateway.cases.picture import EVENT_PLACE, event_body, event_bytes
from gateway.catalogue.convert import text
from gateway.catalogue.item import Catalogue, Item
from gateway.catalogue.submission import CheckedSubmission
from gateway.domain.calls import Mark
from gateway.domain.case import CaseEvent, CaseState
from gateway.domain.clock import stamp
from gateway.domain.records import Ask, Case, EntryDraft, Facts
from gateway.domain.requests import AnswerWarning, BankReply, BankRequest
from gateway.signing.canon import business_digest
from gateway.signing.keys import KeyRing
from gateway.signing.vault import DataKey, Vault
from gateway.store import cases as case_rows
from gateway.store import messages, trail
from gateway.store.database import micros, new_id
from gateway.store.filing import FourRows
from gateway.wire.messages import WireResponse

Seal = Callable[[BankReply], WireResponse]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request at the desk: as opened, as received, how to seal an answer, and the bank's freshness window."""

    request: BankRequest
    raw: bytes
    seal: Seal
    window: timedelta


@dataclass(frozen=True, slots=True)
class Made:
    """A case that is ready to be filed, and the answer that will be true once it is."""

    case: Case
    rows: FourRows
    response: WireResponse
    warnings: tuple[AnswerWarning, ...]


class Maker:
    """Makes cases out of checked submissions."""

    def __init__(
        self,
        vault: Vault,
        *,
        keys: KeyRing,
        catalogue: Catalogue,
        clockwork: Clockwork,
        digest_algorithm: str = "sha256",
    ) -> None:
        self._vault = vault
        self._keys = keys
        self._catalogue = catalogue
        self._clockwork = clockwork
        self._algorithm = digest_algorithm

    def __call__(
        self,
        arrival: Arrival,
        *,
        item: Item,
        checked: CheckedSubmission,
        warnings: tuple[AnswerWarning, ...],
        now: datetime,
    ) -> Made:
        """Everything of one new case. ``now`` is the accepting time."""
        request = arrival.request
        business, hint = request.business, request.hint
        call_id = call_id_of(request.bank, business.text("bank_ref"))
        key = self._vault.new_data_key()
        case = self._case(request, item=item, checked=checked, key=key, now=now)
        case = self._clockwork(case, CaseEvent.RECEIVED, checked.intake_at, None)
        event, event_digest = event_bytes(event_body(case, "received", at=now, recorded_at=now))
        entry = self._entry(
            case,
            event=key.seal(event, EVENT_PLACE.format(case_id=case.case_id, event_no=1)),
            digests={
                "message": hint.message_digest,
                "business": case.business_digest,
                "event": event_digest,
            },
        )
        case = replace(case, receipt=self._receipt(case, entry["hash"], business.members, now))
        reply = answers.of_case("submit", case, repeat=False, warnings=warnings)
        response = arrival.seal(reply)
        return Made(
            case=case,
            response=response,
            warnings=warnings,
            rows=FourRows(
                message=self._message_row(arrival, response, case_id=case.case_id, now=now),
                case=self._case_row(case, request, item=item, checked=checked, key=key),
                entry=entry,
                work=call_row(
                    hand_off(item, common=_common(case, checked, business.members, item=item), form=checked.form),
                    call_id=call_id,
                    case_id=case.case_id,
                    item=item,
                    key=key,
                    now=now,
                    give_up_at=self._clockwork.patience_ends(item, checked.intake_at),
                ),
                key_id=hint.key_id,
            ),
        )

    def _case(
        self, request: BankRequest, *, item: Item, checked: CheckedSubmission, key: DataKey, now: datetime
    ) -> Case:
        business = request.business
        outlet = self._catalogue.outlets[business.text("outlet")]
        return Case(
            case_id=request.request_id or new_id(),
            bank=request.bank,
            bank_ref=business.text("bank_ref"),
            client_id=request.hint.client_id,
            business_digest=business_digest(business.canonical, self._algorithm),
            item=item.code,
            item_version=item.version,
            department=item.department,
            backend=item.backend,
            outlet=outlet.code,
            channel=business.text("channel"),
            receipt_no=receipts.new_number(outlet.slip_no, now),
            receipt="",
            received_at=now,
            state=CaseState.SUBMITTED,
            since=now,
            event_no=1,
            entry_no=1,
            due=None,
            withdrawal="none",
            department_ref="",
            department_seq=0,
            parked=False,
            facts=_facts(business.members, item, subject=(checked.doc_type, checked.doc_no)),
            data_key=key.wrapped,
        )

    @staticmethod
    def _entry(case: Case, *, event: bytes, digests: Mapping[str, str]) -> dict[str, Any]:
        return trail.row(
            EntryDraft(
                kind=EntryKind.SUBMISSION_RECEIVED,
                subject=case.case_id,
                at=case.received_at,
                actor=f"bank:{case.bank}:{case.client_id}",
                facts={
                    "receipt_no": case.receipt_no,
                    "item": case.item,
                    "item_version": case.item_version,
                    "outlet": case.outlet,
                    "event_no": "1",
                },
                digests=digests,
            ),
            1,
            case_id=case.case_id,
            bank=case.bank,
            event_no=1,
            event_sealed=event,
        )

    def _receipt(self, case: Case, entry_hash: str, business: Mapping[str, Any], now: datetime) -> str:
        provisional = business.get("provisional") or {}
        return receipts.make(
            self._keys.signer("receipt", now),
            receipts.payload(
                receipt_no=case.receipt_no,
                bank=case.bank,
                bank_ref=case.bank_ref,
                item=case.item,
                item_version=case.item_version,
                outlet=case.outlet,
                business_digest=case.business_digest,
                received_at=case.received_at,
                entry=entry_hash,
                provisional_no=str(provisional.get("no", "")),
            ),
        )

    def _message_row(self, arrival: Arrival, response: WireResponse, *, case_id: str, now: datetime) -> dict[str, Any]:
        request = arrival.request
        client, transport = request.hint.client_id, request.hint.transport_id
        return {
            "client_id": client,
            "transport_id": transport,
            "digest": request.hint.message_digest,
            "operation": request.operation.value,
            "received_at": micros(now),
            "expires_at": micros(now + 2 * arrival.window),
            "case_id": case_id,
            "request_sealed": self._vault.seal(
                arrival.raw, messages.REQUEST_PLACE.format(client=client, transport=transport)
            ),
            "answer_sealed": self._vault.seal(
                response.packed(), messages.ANSWER_PLACE.format(client=client, transport=transport)
            ),
        }

    def _case_row(
        self, case: Case, request: BankRequest, *, item: Item, checked: CheckedSubmission, key: DataKey
    ) -> dict[str, Any]:
        subject = self._vault.search_hash(checked.doc_type, checked.doc_no)
        second = request.business.members.get("confirm_second") is True
        return {
            "case_id": case.case_id,
            "bank": case.bank,
            "bank_ref": case.bank_ref,
            "client_id": case.client_id,
            "business_digest": case.business_digest,
            "item": case.item,
            "item_version": case.item_version,
            "department": case.department,
            "backend": case.backend,
            "outlet": case.outlet,
            "channel": case.channel,
            "receipt_no": case.receipt_no,
            "receipt": case.receipt,
            "received_at": micros(case.received_at),
            "state": case.state.value,
            "since": micros(case.since),
            "event_no": 1,
            "entry_no": 1,
            "due_on": case_rows.due_text(case.due),
            "due_kind": case.due.kind if case.due else None,
            "clock_alarm": 0,
            "withdrawal": case.withdrawal,
            "department_ref": None,
            "department_seq": 0,
            "parked": 0,
            "open_key": None if second else open_key_of(subject, item.code),
            "subject_hash": subject,
            "data_key": case.data_key,
            "form_sealed": key.seal(request.business.canonical, case_rows.FORM_PLACE.format(case_id=case.case_id)),
            "facts_sealed": case_rows.seal_facts(key, case.case_id, case.facts, due=case.due),
        }


def open_key_of(subject: str, item: str) -> str:
    return f"{item}:{subject}"


def _facts(business: Mapping[str, Any], item: Item, *, subject: tuple[str, str]) -> Facts:
    promise = business.get("promise")
    if not promise:
        return Facts(subject=subject)
    names = {m.id: m.name for m in item.materials}
    missing = tuple((m["id"], m["until"]) for m in promise["materials"])
    ask = Ask(
        ask_no=1,
        kind="promise",
        text="请按承诺补交材料",
        what=tuple(Mark(path=f"materials.{m}", say=names.get(m, m)) for m, _ in missing),
        due=datetime.fromisoformat(max(until for _, until in missing)).date(),
    )
    return Facts(asks=(ask,), missing=missing, subject=subject)


def _common(case: Case, checked: CheckedSubmission, business: Mapping[str, Any], *, item: Item) -> dict[str, Any]:
    """What a department's envelope may draw on, in canonical names and texts only; frozen with the call."""
    return {
        "receipt_no": case.receipt_no,
        "item": case.item,
        "item_version": case.item_version,
        "mode": item.mode,
        "bank": case.bank,
        "outlet": case.outlet,
        "teller": (business.get("teller") or {}).get("no", ""),
        "received_at": stamp(case.received_at),
        "applicant": text(checked.applicant),
        "agent": business.get("agent", {}),
        "delivery": text(checked.delivery),
        "consents": business.get("consents", []),
        "signed_at": (business.get("signature") or {}).get("signed_at", ""),
        "materials": business.get("materials", []),
        "material_names": {m.id: m.name for m in item.materials},
        "missing": [m for m, _ in case.facts.missing],
        "promised_until": dict(case.facts.missing),
    }
