"""What a bank sees of an item: its head in the list, and the whole entry without its route (operations.md 2.5).

Must not hold what travels to a department. Numbers are texts, as everywhere in the business JSON.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from gateway.cases.consent_texts import PROMISE, consents_of
from gateway.catalogue.item import Catalogue, Field, Item, Material, Window
from gateway.catalogue.kinds.values import offered_from


def head(item: Item) -> dict[str, Any]:
    """The members of the list that belong to the version itself."""
    row: dict[str, Any] = {
        "item": item.code,
        "name": item.name,
        "version": item.version,
        "from": item.effective_from.isoformat(),
        "windows": [_window(w) for w in item.windows],
        "mode": item.mode,
        "promised_days": str(item.promised_days),
        "domain": item.domain,
        "subject": list(item.subjects),
        "agent_allowed": item.agent_allowed,
    }
    if item.effective_to is not None:
        row["until"] = item.effective_to.isoformat()
    return row


def entry(catalogue: Catalogue, item: Item, today: date) -> dict[str, Any]:
    """Form, papers, rules and consents of one version, and the other versions there are."""
    kinds = {field.type for field in item.fields} & set(catalogue.row_types)
    row: dict[str, Any] = {
        "department": item.department,
        "fields": [_field(f) for f in item.fields],
        "materials": [_material(m) for m in item.materials if not m.produced_by],
        "rules": [{"id": rule.id, "text": rule.message} for rule in item.rules],
        "consents": consents_of(catalogue, item),
        "delivery_modes": [
            mode.value
            for mode in catalogue.delivery_modes
            if (first := offered_from(mode.available_from)) is None or first <= today
        ],
        "face_check": item.face_check,
        "sensitive": list(item.sensitive),
        "versions": [head_of_version(v) for v in catalogue.items[item.code]],
    }
    if kinds:
        row["row_types"] = {kind: [_field(f) for f in catalogue.row_types[kind]] for kind in sorted(kinds)}
    if item.tolerance_allowed:
        row["promise_text"] = {"version": PROMISE[0], "text": PROMISE[1], "days": str(item.tolerance_days or 0)}
    if item.window_message:
        row["window_message"] = item.window_message
    return row


def head_of_version(item: Item) -> dict[str, str]:
    """One version and its days."""
    until = {"until": item.effective_to.isoformat()} if item.effective_to else {}
    return {"version": item.version, "from": item.effective_from.isoformat(), **until}


def _window(window: Window) -> dict[str, str]:
    return {name: f"{month:02d}-{day:02d}" for name, (month, day) in (("from", window.start), ("to", window.end))}


def _field(field: Field) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": field.name,
        "label": field.label,
        "type": field.type,
        "required": field.required,
        "min": field.min,
        "max": field.max,
        "min_len": str(field.min_len or ""),
        "max_len": str(field.max_len or ""),
        "options": [
            {
                "value": option.value,
                "label": option.label,
                **({"available_from": option.available_from} if option.available_from else {}),
            }
            for option in field.options
        ],
        "doc_type_field": field.doc_type_field,
        "doc_types": list(field.doc_types),
        "account_kind": field.account_kind,
        "available_from": field.available_from,
    }
    return {name: value for name, value in row.items() if value not in ("", [])}


def _material(material: Material) -> dict[str, Any]:
    return {
        "id": material.id,
        "name": material.name,
        "required": material.required,
        "deferrable": material.deferrable,
        "e_certificate": material.e_cert,
    }
