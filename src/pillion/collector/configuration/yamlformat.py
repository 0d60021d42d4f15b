"""The YAML format: `env`, `includes`, `service`, `pipeline`, `parsers`, `multiline_parsers`.

What stands where: Fluent Bit's src/config_format/flb_cf_yaml.c (`consume_event`); how keys are spelled:
src/config_format/flb_config_format.c (`flb_cf_key_translate`).
"""

from __future__ import annotations

import re

from pillion.collector.configuration.classic import Include
from pillion.collector.configuration.document import (
    PROCESSORS,
    Document,
    Group,
    Property,
    Section,
    SectionKind,
    Variable,
)
from pillion.collector.configuration.failure import Complaints, Fault, Place, nearest
from pillion.collector.configuration.yamlevents import Mapping, Node, Scalar, Sequence, read_nodes

_PIPELINE = {
    "inputs": SectionKind.INPUT,
    "filters": SectionKind.FILTER,
    "outputs": SectionKind.OUTPUT,
}
_LISTS = {
    "parsers": SectionKind.PARSER,
    "multiline_parsers": SectionKind.MULTILINE_PARSER,
    "customs": SectionKind.CUSTOM,
    "plugins": SectionKind.PLUGINS,
    "stream_processor": SectionKind.STREAM_PROCESSOR,
    "upstream_servers": SectionKind.UPSTREAM_SERVERS,
}
_STORAGE = "storage"
_SECTIONS = ("env", "includes", "service", "pipeline", *_LISTS)


def read_yaml(text: str, file: str, include: Include, complaints: Complaints) -> Document:
    """The sections of a file and of what it includes, in order."""
    reader = _Reader(include, complaints)
    for root in read_nodes(text, file, complaints):
        reader.read(root)
    return Document(sections=tuple(reader.sections), variables=tuple(reader.variables))


def key_name(text: str) -> str:
    """`readFromHead` is `read_from_head`; a key that begins with a capital or has an underscore has no humps."""
    text = text.strip()
    if text[:1].islower() and "_" not in text:
        return re.sub(r"(?<=.)(?=[A-Z])", "_", text).lower()
    return text.lower()


class _Reader:
    def __init__(self, include: Include, complaints: Complaints) -> None:
        self._include = include
        self._complaints = complaints
        self.sections: list[Section] = []
        self.variables: list[Variable] = []

    def read(self, root: Node) -> None:
        if isinstance(root, Scalar) and not root.text:
            return
        if not isinstance(root, Mapping):
            known = ", ".join(_SECTIONS)
            self._complaints.fatal(Fault(place=root.place, text=f"the file must be a mapping of {known}"))
            return
        for key, node in root.pairs:
            self._read_section(key, node)

    def _read_section(self, key: Scalar, node: Node) -> None:
        match key.text.lower():
            case "env":
                self._read_env(node)
            case "includes":
                for item in self._items("includes", node):
                    self._read_include(item)
            case "service":
                self._read_service(key, node)
            case "pipeline":
                for name, items in self._pairs("pipeline", node):
                    self._read_pipeline(name, items)
            case name if name in _LISTS:
                self._read_list(name, _LISTS[name], node)
            case name:
                self._fault(key.place, key.text, f"there is no such section{nearest(name, _SECTIONS)}")

    # ── what is not plugins ──────────────────────────────────────────────────────────────────────────────────────────
    def _read_env(self, node: Node) -> None:
        """A mapping, or a list of `name` with `value` or `uri`."""
        if not isinstance(node, Sequence):
            for key, value in self._pairs("env", node):
                self._add_variable(key.text, value)
            return
        for item in node.items:
            entry = {key.text: value for key, value in self._pairs("env", item)}
            name, content = entry.get("name"), entry.get("value", entry.get("uri"))
            if isinstance(name, Scalar) and content is not None:
                self._add_variable(name.text, content)
            else:
                self._fault(item.place, "env", "an entry has a name, and a value or a uri")

    def _add_variable(self, name: str, value: Node) -> None:
        if isinstance(value, Scalar):
            self.variables.append(Variable(name, value.text, value.place))
        else:
            self._fault(value.place, f"env: {name}", "must be a word")

    def _read_include(self, item: Node) -> None:
        if not isinstance(item, Scalar):
            self._fault(item.place, "includes", "must be a list of paths")
            return
        found = self._include(item.text, item.place)
        self.sections += found.sections
        self.variables += found.variables

    def _read_service(self, key: Scalar, node: Node) -> None:
        if any(
            known.kind is SectionKind.SERVICE and known.place.file == key.place.file
            for known in self.sections
        ):
            self._fault(key.place, "service", "stands twice: put the keys together, Fluent Bit refuses two")
        properties: list[Property | None] = []
        for name, value in self._pairs("service", node):
            if isinstance(value, Mapping) and key_name(name.text) == _STORAGE:
                properties += [self._storage_property(child, leaf) for child, leaf in value.pairs]
            else:
                properties.append(self._property("service", name, value))
        self._add(SectionKind.SERVICE, key.place, properties, [])

    def _storage_property(self, key: Scalar, node: Node) -> Property | None:
        """The documentation of `service` has its storage keys as children of `storage`, too."""
        prop = self._property(f"service: {_STORAGE}", key, node)
        if prop is None or prop.key.startswith(f"{_STORAGE}."):
            return prop
        return Property(f"{_STORAGE}.{prop.key}", prop.value, prop.place)

    # ── lists of sections ────────────────────────────────────────────────────────────────────────────────────────────
    def _read_pipeline(self, name: Scalar, node: Node) -> None:
        kind = _PIPELINE.get(name.text.lower())
        if kind is None:
            known = nearest(name.text, _PIPELINE) or "; there are inputs, filters and outputs"
            self._fault(name.place, f"pipeline: {name.text}", f"there is no such part{known}")
            return
        self._read_list(name.text.lower(), kind, node)

    def _read_list(self, name: str, kind: SectionKind, node: Node) -> None:
        for item in self._items(name, node):
            properties: list[Property | None] = []
            groups: list[Group] = []
            if not isinstance(item, Mapping):
                if kind is SectionKind.PLUGINS:
                    self._add(kind, item.place, [], [])
                else:
                    self._fault(item.place, name, "must be a list of mappings")
                continue
            for key, value in item.pairs:
                if _is_plain(value):
                    properties.append(self._property(name, key, value))
                elif kind is SectionKind.INPUT and key_name(key.text) == PROCESSORS:
                    groups += self._processors(value)
                else:
                    groups += self._groups(key, value)
            self._add(kind, item.place, properties, groups)

    def _groups(self, key: Scalar, node: Node) -> list[Group]:
        """Each mapping in a list, or the mapping."""
        items = node.items if isinstance(node, Sequence) else [node]
        groups = []
        for item in items:
            pairs = item.pairs if isinstance(item, Mapping) else []
            properties = [self._property(key.text, name, value) for name, value in pairs if _is_plain(value)]
            groups.append(Group(key_name(key.text), tuple(filter(None, properties)), item.place))
        return groups

    def _processors(self, node: Node) -> list[Group]:
        """Those of logs, each a mapping; an input here has no other signals."""
        groups = []
        for signal, units in self._pairs(PROCESSORS, node):
            if signal.text.lower() != "logs":
                self._fault(signal.place, f"{PROCESSORS}: {signal.text}", "there are logs only")
                continue
            for unit in self._items(f"{PROCESSORS}: logs", units):
                pairs = self._pairs(f"{PROCESSORS}: logs", unit)
                properties = [self._property(PROCESSORS, name, value) for name, value in pairs]
                groups.append(Group(PROCESSORS, tuple(filter(None, properties)), unit.place))
        return groups

    def _property(self, about: str, key: Scalar, node: Node) -> Property | None:
        name = key_name(key.text)
        if isinstance(node, Scalar):
            return Property(name, node.text.strip(), key.place)
        if isinstance(node, Sequence) and _is_plain(node):
            texts = tuple(item.text.strip() for item in node.items if isinstance(item, Scalar))
            return Property(name, texts, key.place)
        self._fault(key.place, f"{about}: {key.text}", "must be a word or a list of words")
        return None

    def _add(
        self, kind: SectionKind, place: Place, properties: list[Property | None], groups: list[Group]
    ) -> None:
        found = tuple(filter(None, properties))
        self.sections.append(Section(kind=kind, properties=found, groups=tuple(groups), place=place))

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _items(self, about: str, node: Node) -> list[Node]:
        if isinstance(node, Sequence):
            return node.items
        if not (isinstance(node, Scalar) and not node.text):
            self._fault(node.place, about, "must be a list")
        return []

    def _pairs(self, about: str, node: Node) -> list[tuple[Scalar, Node]]:
        if isinstance(node, Mapping):
            return node.pairs
        if not (isinstance(node, Scalar) and not node.text):
            self._fault(node.place, about, "must be a mapping of keys and values")
        return []

    def _fault(self, place: Place, about: str, text: str) -> None:
        self._complaints.fault(Fault(place=place, about=about, text=text))


def _is_plain(node: Node) -> bool:
    return isinstance(node, Scalar) or (
        isinstance(node, Sequence) and all(isinstance(item, Scalar) for item in node.items)
    )
