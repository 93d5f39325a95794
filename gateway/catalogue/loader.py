"""Reads the whole catalogue, checks everything, freezes it; or says at once all that is wrong, with file and line.

Must not judge forms nor know which back-ends are enrolled. One file per item: ``items/CODE.yaml``, or
``items/CODE@VERSION.yaml`` where an item stands in several versions. What the keys mean: ``data/README.md``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from gateway.catalogue.bundle_file import read_bundle, read_row_types
from gateway.catalogue.codes import CODE_FILES, Codes, read_codes
from gateway.catalogue.common_blocks import read_applicant_block, read_delegation
from gateway.catalogue.field_rows import FieldReader
from gateway.catalogue.item import Bundle, Catalogue, Item, Published
from gateway.catalogue.item_file import ItemFile, World, read_item
from gateway.catalogue.outlets import read_network
from gateway.catalogue.problem import TOP, CatalogueProblem, Sheet
from gateway.catalogue.rule_checks import CHECKS
from gateway.catalogue.rule_rows import CONDITIONS
from gateway.catalogue.yaml_marks import Table, read
from gateway.domain.errors import BadCatalogue

HERE = Path(__file__).parent
SANDBOX_LISTS = "lists.yaml"  # domains and departments that exist in sandbox profiles only


def load(
    *, with_sandbox: bool = False, extra: Sequence[Path] = (), published: Sequence[Path] = (), root: Path = HERE
) -> Catalogue:
    """The catalogue, frozen. ``extra``: further item files, or folders of them; ``published``: item files
    that each end the version before them on the day before their own begins; ``root``: where data/ and items/ are.

    Raises ``BadCatalogue`` with one problem a line: ``file:line:column: what is wrong; what to write instead``.
    """
    reading = _Reading(root)
    catalogue = reading.run(with_sandbox, extra, published)
    problems = reading.problems()
    if problems or catalogue is None:
        raise BadCatalogue("\n".join(str(problem) for problem in problems))
    return catalogue


def problems(*, with_sandbox: bool = False, extra: Sequence[Path] = (), root: Path = HERE) -> list[CatalogueProblem]:
    """Everything that is wrong, by file and place; empty when ``load`` would succeed."""
    reading = _Reading(root)
    reading.run(with_sandbox, extra)
    return reading.problems()


@dataclass(slots=True)
class _Reading:
    """One pass over all files: their sheets in the order they were opened, and their digests."""

    root: Path
    sheets: list[Sheet] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list)

    def problems(self) -> list[CatalogueProblem]:
        """All problems, file by file, from top to bottom."""
        return [
            problem for sheet in self.sheets for problem in sorted(sheet.problems, key=lambda p: (p.line, p.column))
        ]

    def run(self, with_sandbox: bool, extra: Sequence[Path], published: Sequence[Path] = ()) -> Catalogue | None:
        """Read in the order of dependence: lists, network, common blocks, list types, bundles, items."""
        data = self.root / "data"
        opened = {
            stem: self._open(data / f"{stem}.yaml") for stem in (*CODE_FILES, "outlets", "applicant", "delegation")
        }
        tables = {stem: table for stem, (table, _, _) in opened.items() if table is not None}
        sheets = {stem: sheet for stem, (_, sheet, _) in opened.items()}
        sandbox = self._sandbox_lists() if with_sandbox else None
        if len(tables) < len(opened):
            return None  # without its lists nothing else can be judged
        codes = read_codes(tables, sheets, known_shapes=CHECKS, known_conditions=CONDITIONS, sandbox=sandbox)
        network = read_network(tables["outlets"], sheets["outlets"])
        applicant = read_applicant_block(tables["applicant"], codes, network, sheet=sheets["applicant"])
        delegation = read_delegation(tables["delegation"], codes, network, sheet=sheets["delegation"])

        bundle_files = [(path, *self._open(path)) for path in self._yaml_in(data / "bundles")]
        row_types = {}
        for _, table, sheet, _ in bundle_files:
            if table is not None:
                row_types.update(read_row_types(table, reader=FieldReader(codes, sheet)))
        world = World(codes, network, applicant.fields, row_types)
        bundles = [
            read_bundle(table, path, world=world, sheet=sheet, digest=digest)
            for path, table, sheet, digest in bundle_files
            if table is not None
        ]
        own = self._items(self._yaml_in(self.root / "items"), world)
        self._count(own, codes)
        others = self._items(self._sandbox_items() if with_sandbox else [], world)
        others += self._items([path for given in extra for path in self._given(given)], world)
        later = self._items(published, world)
        items = _versions(_closed([*own, *others], later))
        return Catalogue(
            items=Published(items),
            bundles=MappingProxyType(_by_code(bundles)),
            outlets=MappingProxyType(dict(network.outlets)),
            streets=MappingProxyType(dict(network.streets)),
            banks=MappingProxyType(dict(network.banks)),
            departments=MappingProxyType(dict(codes.departments)),
            doc_types=MappingProxyType(dict(codes.doc_types)),
            sensitive_tags=MappingProxyType(dict(codes.sensitive_tags)),
            applicant_fields=MappingProxyType({kind: tuple(f.values()) for kind, f in applicant.fields.items()}),
            applicant_rules=MappingProxyType({**applicant.rules, "delegation_record": delegation.rules}),
            delivery_modes=delegation.delivery_modes,
            row_types=MappingProxyType(row_types),
            entitlement=MappingProxyType(dict(codes.entitlement)),
            digest=hashlib.sha256("\n".join(f"{d} {n}" for n, d in sorted(self.digests)).encode()).hexdigest(),
        )

    def _open(self, path: Path) -> tuple[Table | None, Sheet, str]:
        """The table of a file, its sheet and its digest; a missing file is a problem of its own."""
        inside = path.is_relative_to(HERE)
        sheet = Sheet(str(path.relative_to(HERE.parents[1]) if inside else path))
        self.sheets.append(sheet)
        try:
            content = path.read_bytes()
        except OSError as error:
            sheet.add(TOP, f"cannot be read: {error.strerror}", "write the file, or mend its rights")
            return None, sheet, ""
        digest = hashlib.sha256(content).hexdigest()
        self.digests.append((path.name, digest))
        return read(content, sheet), sheet, digest

    def _yaml_in(self, folder: Path) -> list[Path]:
        """The .yaml files of a folder in order; anything else but a README would be overlooked, so it is a problem."""
        found = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.suffix == ".yaml":
                found.append(path)
            elif path.suffix in (".yml", ".json"):
                sheet = Sheet(str(path))
                self.sheets.append(sheet)
                sheet.add(TOP, f"{path.name} would not be read", f"write {path.stem}.yaml as its name")
        return found

    def _given(self, path: Path) -> list[Path]:
        return self._yaml_in(path) if path.is_dir() else [path]

    def _sandbox_lists(self) -> tuple[Table, Sheet] | None:
        table, sheet, _ = self._open(self.root / "sandbox" / SANDBOX_LISTS)
        return (table, sheet) if table is not None else None

    def _sandbox_items(self) -> list[Path]:
        return [path for path in self._yaml_in(self.root / "sandbox") if path.name != SANDBOX_LISTS]

    def _items(self, paths: Iterable[Path], world: World) -> list[ItemFile]:
        files = []
        for path in paths:
            table, sheet, digest = self._open(path)
            if table is not None:
                files.append(read_item(table, path, world=world, sheet=sheet, digest=digest))
        return files

    def _count(self, files: Sequence[ItemFile], codes: Codes) -> None:
        """The product's own items are as many as ``meta.yaml`` says, in all and in each domain."""
        sheet = next(sheet for sheet in self.sheets if sheet.file.endswith("meta.yaml"))
        domain_of = {file.code: file.domain for file in files}
        if len(domain_of) != codes.items_wanted:
            sheet.add(
                TOP,
                f"{len(domain_of)} items are there, counts.items says {codes.items_wanted}",
                "write the true number, or the missing items",
            )
        for domain, count in sorted(Counter(domain_of.values()).items()):
            if domain in codes.domains and count != codes.items_per_domain:
                what = f"domain {domain} holds {count} items, counts.per_domain says {codes.items_per_domain}"
                sheet.add(TOP, what, "write the true number, or the missing items")


def _closed(files: Sequence[ItemFile], later: Sequence[ItemFile]) -> list[ItemFile]:
    """All files, where a published version ends the open one before it on the day before its own begins."""
    found = list(files)
    for newer in later:
        for place, older in enumerate(found):
            open_before = older.end is None and older.start and newer.start and older.start < newer.start
            if older.code == newer.code and open_before and newer.start:
                last = newer.start - timedelta(days=1)
                item = replace(older.item, effective_to=last) if older.item else None
                found[place] = replace(older, end=last, item=item)
        found.append(newer)
    return found


def _versions(files: Sequence[ItemFile]) -> dict[str, tuple[Item, ...]]:
    """Code → versions, oldest first; the same version twice and days covered twice are problems."""
    by_code: dict[str, list[ItemFile]] = {}
    seen: dict[tuple[str, str], str] = {}
    for file in files:
        key = (file.code, file.version)
        if key in seen:
            what = f"item {file.code} in version {file.version} stands in {seen[key]} too"
            file.sheet.add(file.at, what, "write another version, or remove one of the files")
            continue
        seen[key] = file.sheet.file
        by_code.setdefault(file.code, []).append(file)
    items = {}
    for code, versions in by_code.items():
        dated = sorted(((file.start, file) for file in versions if file.start), key=lambda pair: pair[0])
        for (_, older), (start, newer) in pairwise(dated):
            if older.end is None or older.end >= start:
                what = f"version {older.version} still holds when {newer.version} begins on {start}"
                older.sheet.add(older.at, what, "write effective.to: with the day before")
        items[code] = tuple(file.item for _, file in dated if file.item)
    return items


def _by_code(bundles: Iterable[Bundle | None]) -> dict[str, Bundle]:
    return {bundle.code: bundle for bundle in bundles if bundle}
