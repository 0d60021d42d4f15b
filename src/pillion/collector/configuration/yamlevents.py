"""YAML as text with places: every scalar stays as it is written, and a key may stand in a mapping several times.

That is how Fluent Bit reads it too (libyaml's events, src/config_format/flb_cf_yaml.c): `on`, `010` and `~` are text.
"""

from __future__ import annotations

import msgspec
import yaml
from yaml import events
from yaml.reader import ReaderError

from pillion.collector.configuration.failure import Complaints, Fault, Place

MAX_DEPTH = 50
"""Levels of nesting. A configuration needs about six."""


class Scalar(msgspec.Struct):
    text: str
    place: Place


class Mapping(msgspec.Struct):
    place: Place
    pairs: list[tuple[Scalar, Node]]


class Sequence(msgspec.Struct):
    place: Place
    items: list[Node]


Node = Scalar | Mapping | Sequence


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


def read_nodes(text: str, file: str, complaints: Complaints) -> list[Node]:
    """The root of each document; none, and a complaint, when it is not YAML."""
    try:
        return list(_Builder(file).build(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        complaints.fatal(Fault(place=Place(file, line), text=f"not YAML: {error.problem or error.context}"))
    except ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        complaints.fatal(Fault(place=Place(file, line), text=f"not YAML: {error.reason}"))
    except _Refused as refused:
        complaints.fatal(refused.fault)
    return []


class _Builder:
    def __init__(self, file: str) -> None:
        self._file = file
        self._roots: list[Node] = []
        self._open: list[Mapping | Sequence] = []
        self._keys: list[Scalar | None] = []
        """For each of `_open`: the key that waits for its value."""

    def build(self, text: str) -> list[Node]:
        parser = yaml.CSafeLoader(text)
        try:
            while (event := parser.get_event()) is not None:
                self._take(event)
        finally:
            parser.dispose()
        return self._roots

    def _take(self, event: events.Event) -> None:
        place = Place(self._file, event.start_mark.line + 1 if event.start_mark is not None else 0)
        match event:
            case events.ScalarEvent():
                self._add(Scalar(event.value, place), place)
            case events.MappingStartEvent():
                self._begin(Mapping(place, []), place)
            case events.SequenceStartEvent():
                self._begin(Sequence(place, []), place)
            case events.MappingEndEvent() | events.SequenceEndEvent():
                self._open.pop()
                self._keys.pop()
            case events.AliasEvent():
                text = "Fluent Bit's YAML knows no aliases: write the value out"
                raise _Refused(Fault(place=place, about=f"*{event.anchor}", text=text))
            case _:
                pass

    def _begin(self, node: Mapping | Sequence, place: Place) -> None:
        self._add(node, place)
        if len(self._open) >= MAX_DEPTH:
            raise _Refused(Fault(place=place, text=f"nested deeper than {MAX_DEPTH} levels"))
        self._open.append(node)
        self._keys.append(None)

    def _add(self, node: Node, place: Place) -> None:
        if not self._open:
            self._roots.append(node)
            return
        parent, key = self._open[-1], self._keys[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif key is not None:
            parent.pairs.append((key, node))
            self._keys[-1] = None
        elif isinstance(node, Scalar):
            self._keys[-1] = node
        else:
            raise _Refused(Fault(place=place, text="a key must be a word"))
