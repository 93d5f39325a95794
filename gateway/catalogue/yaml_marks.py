"""YAML bytes → plain values that remember their line and column; only the plainest YAML passes.

Must not know what the keys mean. Refused, each with its place: equal keys, anchors and aliases, tags, several
documents, and every unquoted scalar that YAML 1.1 reads as something else than it looks: decimals, octals,
base-60 numbers, yes/no/on/off, dates, ``~`` and nothing at all. PyYAML by itself keeps the last of two equal keys
and turns ``0.10`` into 0.1, ``012`` into 10 and ``12:30`` into 750 without a word.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from gateway.catalogue.problem import TOP, Mark, Sheet

_STR = "tag:yaml.org,2002:str"
_INT = "tag:yaml.org,2002:int"
_BOOL = "tag:yaml.org,2002:bool"
_NULL = "tag:yaml.org,2002:null"
_MAP = "tag:yaml.org,2002:map"
_SEQ = "tag:yaml.org,2002:seq"
_GUESSED = {
    "tag:yaml.org,2002:float": "a decimal",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:merge": "a merge key",
    "tag:yaml.org,2002:value": "a default value",
}
_PLAIN_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_LOOKS_LIKE_A_NUMBER = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?")


class _Broken:
    """Stands for a value that was refused: readers never see it, and it does not count as missing."""


_BROKEN = _Broken()


class Table(dict[str, Any]):
    """A mapping of a file that knows its places; ``broken``: keys whose value was refused already.

    Places are worked out when asked for: only what is wrong asks, and a mark for every scalar costs a fifth of
    the time of loading.
    """

    __slots__ = ("_node", "_pairs", "broken")

    def __init__(self, node: yaml.Node) -> None:
        super().__init__()
        self._node = node
        self._pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        self.broken: set[str] = set()

    @property
    def at(self) -> Mark:
        """Where the table begins."""
        return _mark(self._node.start_mark)

    def key_mark(self, key: str) -> Mark:
        """Where ``key`` itself stands; it must have been written."""
        return _mark(self._pairs[key][0].start_mark)

    def mark(self, key: str) -> Mark:
        """Where the value of ``key`` stands, or the table itself when it is missing."""
        return _mark(self._pairs[key][1].start_mark) if key in self._pairs else self.at

    def drop(self, key: str) -> None:
        """Take a value out that was refused; the key still counts as written."""
        self.pop(key, None)
        self.broken.add(key)

    def put(self, key_node: yaml.ScalarNode, value_node: yaml.Node, value: Any) -> None:
        """Take in what was read, unless it was refused."""
        self._pairs[key_node.value] = (key_node, value_node)
        if value is _BROKEN:
            self.broken.add(key_node.value)
        else:
            self[key_node.value] = value

    def written(self, key: str) -> bool:
        """True when the key stands in the file, whatever became of its value."""
        return key in self._pairs

    def empty(self) -> Table:
        """A table without members at the same place, for a block that is missing and was noted as such."""
        return Table(self._node)


class Listing(list[Any]):
    """A sequence of a file; what was refused is left out, of values and places alike."""

    __slots__ = ("_node", "_nodes")

    def __init__(self, node: yaml.Node) -> None:
        super().__init__()
        self._node = node
        self._nodes: list[yaml.Node] = []

    @property
    def at(self) -> Mark:
        """Where the list begins."""
        return _mark(self._node.start_mark)

    @property
    def marks(self) -> list[Mark]:
        """The place of each element."""
        return [_mark(node.start_mark) for node in self._nodes]

    def put(self, node: yaml.Node, value: Any) -> None:
        """Take in one element, unless it was refused."""
        if value is not _BROKEN:
            self.append(value)
            self._nodes.append(node)


def plain(value: Any) -> Any:
    """The same value as ordinary dicts and lists, without the marks."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def read(content: bytes, sheet: Sheet) -> Table | None:
    """The one mapping of a file, or ``None`` when it cannot be read at all; every problem is on the sheet."""
    try:
        if (b"&" in content or b"*" in content) and _refers(content, sheet):
            return None
        node = yaml.CSafeLoader(content).get_single_node()
        if node is None:
            sheet.add(TOP, "the file is empty", "write its keys, or remove the file")
            return None
        value = _value(node, sheet)
    except yaml.MarkedYAMLError as error:
        at = _mark(error.problem_mark) if error.problem_mark else TOP
        sheet.add(at, f"not YAML: {error.problem}", "write the block as its neighbours are written")
        return None
    except yaml.reader.ReaderError as error:
        before = content[: error.position]
        at = Mark(before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        sheet.add(at, f"not text: {error.reason}", "write UTF-8 without control characters")
        return None
    except RecursionError:
        sheet.add(TOP, "nested too deeply", "write at most a few levels")
        return None
    if not isinstance(value, Table):
        sheet.add(TOP, "the file is not a mapping", "write key: value lines")
        return None
    return value


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _refers(content: bytes, sheet: Sheet) -> bool:
    """True when there are anchors or aliases: they share one object in memory and explode when walked.

    Only the events still show them; a file that holds them is not walked at all.
    """
    before = len(sheet.problems)
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            sheet.add(_mark(event.start_mark), f"alias *{event.anchor}", "write the value out")
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            sheet.add(_mark(event.start_mark), f"anchor &{event.anchor}", "leave the anchor out")
    return len(sheet.problems) > before


def _value(node: yaml.Node, sheet: Sheet) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, sheet)
    if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
        return _table(node, sheet)
    if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
        return _listing(node, sheet)
    sheet.add(_mark(node.start_mark), f"tag {node.tag}", "leave the tag out")
    return _BROKEN


def _table(node: yaml.MappingNode, sheet: Sheet) -> Table:
    table = Table(node)
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            sheet.add(_mark(key_node.start_mark), "a key that is a list or a mapping", "write a plain word as the key")
            continue
        key = key_node.value
        if key_node.tag != _STR:
            sheet.add(_mark(key_node.start_mark), f"key {key} is read by YAML as no text", f"put quotes: '{key}'")
        elif table.written(key):
            what = f"key {key} stands here twice (first on line {table.key_mark(key).line})"
            sheet.add(_mark(key_node.start_mark), what, "write it once")
        else:
            table.put(key_node, value_node, _value(value_node, sheet))
    return table


def _listing(node: yaml.SequenceNode, sheet: Sheet) -> Listing:
    listing = Listing(node)
    for inner in node.value:
        listing.put(inner, _value(inner, sheet))
    return listing


def _scalar(node: yaml.ScalarNode, sheet: Sheet) -> Any:
    text: str = node.value
    if node.tag == _STR:
        if node.style or not _LOOKS_LIKE_A_NUMBER.fullmatch(text):
            return text
        what = f"{text} looks like a number but is read as text"
    elif node.tag == _INT:
        if _PLAIN_INT.fullmatch(text):
            return int(text)
        what = f"{text} is read as the number of another base or with digits grouped"
    elif node.tag == _BOOL:
        if text in ("true", "false"):
            return text == "true"
        sheet.add(_mark(node.start_mark), f"bare {text} is read as a truth value", f"write true or false, or '{text}'")
        return _BROKEN
    elif node.tag == _NULL:
        if text == "null":
            return None
        what = "nothing is written" if not text else f"{text} is read as null"
        sheet.add(_mark(node.start_mark), what, "write the value, or null where nothing is meant")
        return _BROKEN
    elif node.tag in _GUESSED:
        what = f"{text} is read as {_GUESSED[node.tag]}"
    else:
        sheet.add(_mark(node.start_mark), f"tag {node.tag}", "leave the tag out")
        return _BROKEN
    sheet.add(_mark(node.start_mark), what, f"put quotes: '{text}'")
    return _BROKEN
