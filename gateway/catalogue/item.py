"""What an item, a field, an outlet and the catalogue are: frozen, already checked by the loader.

Must not read files or judge forms. Meanings of the keys: the head of the data files (``data/README.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an enum field. ``available_from``: a day, "later" (not offered yet), or "" (now)."""

    value: str
    label: str
    available_from: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One question of a form. Bounds of money, decimal and percent are decimal texts."""

    name: str
    label: str
    type: str
    required: bool
    min: str = ""
    max: str = ""
    min_len: int = 0
    max_len: int = 0
    options: tuple[Option, ...] = ()
    doc_type_field: str = ""
    doc_types: tuple[str, ...] = ()
    account_kind: str = ""
    shared: bool = False
    output: bool = False
    available_from: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """One paper of an item. ``produced_by``: the bundle step that makes it; then it is never asked for."""

    id: str
    name: str
    name_en: str
    required: bool
    deferrable: bool
    e_cert: bool
    produced_by: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of ``when`` or ``where``: ``kind`` is one of the closed set of conditions."""

    kind: str  # in | not_in | filled | differs_from | any_in | all_in
    subject: str  # a field, or rows.column for any_in and all_in
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One cross-field rule of the closed set of shapes; ``args`` holds exactly what its shape requires and allows."""

    shape: str
    id: str
    message: str
    args: Mapping[str, Any] = field(default_factory=dict)
    when: tuple[Condition, ...] = ()
    where: tuple[Condition, ...] = ()
    checked: tuple[str, ...] = ()
    effective_from: date | None = None
    effective_to: date | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Days of the year, both included, Asia/Shanghai, as (month, day); from > to runs over the new year."""

    start: tuple[int, int]
    end: tuple[int, int]

    def holds(self, day: date) -> bool:
        """True on a day inside the window."""
        now = (day.month, day.day)
        if self.start <= self.end:
            return self.start <= now <= self.end
        return now >= self.start or now <= self.end


@dataclass(frozen=True, slots=True)
class Route:
    """How this item is put to its back-end: the department's operation and its names for our fields.

    ``fields`` maps a department's name to ``source`` or ``source|converter``; a source is ``form.x``,
    ``applicant.x``, ``case.x`` or a literal ``=text``. ``constants`` go in as they are. ``codes`` holds, by the
    department's name, its code for every value our field can have.
    """

    operation: str
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sla:
    """When to ask again: seconds before the first question, between questions (grows up to ``every_max``)."""

    first_after: int
    every: int
    every_max: int


@dataclass(frozen=True, slots=True)
class Example:
    """A complete form that must validate. ``day``: MM-DD to set the clock to, where the item has windows."""

    name: str
    applicant: Mapping[str, Any]
    form: Mapping[str, Any]
    day: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One government service item (事项) in one version."""

    code: str
    version: str
    name: str
    name_en: str
    effective_from: date
    effective_to: date | None
    domain: str
    department: str
    backend: str
    kind: str
    subjects: tuple[str, ...]  # person, organisation
    mode: str  # instant | spot | promise
    statutory_days: int | None
    promised_days: int
    tolerance_allowed: bool
    tolerance_days: int | None
    routing_level: str
    routing_key: str
    outlets: tuple[str, ...] | None  # None = every entitled outlet
    windows: tuple[Window, ...]
    window_message: str
    agent_allowed: bool
    face_check: str  # required | optional | none
    sensitive: tuple[str, ...]
    result_type: str
    result_name: str
    basis: str
    materials: tuple[Material, ...]
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    examples: tuple[Example, ...]
    note: str
    route: Route | None
    sla: Sla
    source: str  # file name, for error messages
    digest: str  # sha256 of the file's bytes: ETag and version check

    @property
    def is_instant(self) -> bool:
        """True for 秒批: the door may wait a moment for the decision."""
        return self.mode == "instant"

    def open_on(self, day: date) -> bool:
        """True when no window is set or one holds."""
        return not self.windows or any(w.holds(day) for w in self.windows)

    def in_force(self, day: date) -> bool:
        """True when this version takes new cases on ``day``."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


@dataclass(frozen=True, slots=True)
class Outlet:
    """One bank outlet (网点). ``opening_hours`` by key, None = closed."""

    code: str
    slip_no: str
    bank: str
    name: str
    street: str
    address: str
    phone: str
    services: tuple[str, ...]
    opening_hours: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a bundle: an item of its own, with what it needs and what it gives."""

    item: Item
    order: int
    depends_on: tuple[str, ...]
    soft_after: tuple[tuple[str, tuple[Condition, ...]], ...]
    optional: bool
    promised_hours: int
    shared_fields: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One-stop business setup (企业开办) in one version."""

    code: str
    version: str
    name: str
    name_en: str
    effective_from: date
    steps: tuple[Step, ...]
    row_types: Mapping[str, tuple[Field, ...]]
    examples: tuple[Mapping[str, Any], ...]
    promised: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Department:
    """Who decides."""

    code: str
    name: str
    name_en: str
    level: str


@dataclass(frozen=True, slots=True)
class DocType:
    """One kind of identity document: pattern alternatives and the name of its check, if any."""

    code: str
    label: str
    patterns: tuple[str, ...]
    check: str = ""


class Published(Mapping[str, "tuple[Item, ...]"]):
    """Code → versions, oldest first; the whole may be exchanged for a newer one while others read."""

    def __init__(self, items: Mapping[str, tuple[Item, ...]]) -> None:
        self._items = dict(items)

    def put(self, newer: Published) -> None:
        """Hold what ``newer`` holds."""
        self._items = newer._items

    def __getitem__(self, code: str) -> tuple[Item, ...]:
        return self._items[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything read from the data files, frozen but for items that are published later (``take``)."""

    items: Mapping[str, tuple[Item, ...]]
    bundles: Mapping[str, Bundle]
    outlets: Mapping[str, Outlet]
    streets: Mapping[str, str]  # statistical code → name
    banks: Mapping[str, str]  # code → name
    departments: Mapping[str, Department]
    doc_types: Mapping[str, DocType]
    sensitive_tags: Mapping[str, str]
    applicant_fields: Mapping[str, tuple[Field, ...]]  # person, organisation
    applicant_rules: Mapping[str, tuple[Rule, ...]]
    delivery_modes: tuple[Option, ...]
    row_types: Mapping[str, tuple[Field, ...]]
    entitlement: Mapping[str, str]  # items, bundles → service an outlet must offer
    digest: str

    def take(self, newer: Catalogue) -> None:
        """Hold what ``newer`` holds of items, for everybody who holds this one; in one step, so nobody sees half."""
        if not isinstance(self.items, Published) or not isinstance(newer.items, Published):
            raise TypeError("only a catalogue that was read can be read anew")
        self.items.put(newer.items)

    def find(self, code: str, version: str) -> Item | None:
        """Exactly this version, whether still in force or not."""
        return next((i for i in self.items.get(code, ()) if i.version == version), None)

    def current(self, code: str, day: date) -> Item | None:
        """The newest version in force on ``day``, or none."""
        return next((i for i in reversed(self.items.get(code, ())) if i.in_force(day)), None)
