"""A reader's position in the tree of `proxy.yaml`: what is read has a place, what is wrong is gathered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from pillion.proxy.configuration.failure import Fault, Wrong
from pillion.yamltree import MappingNode, Node, ScalarNode, SequenceNode

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Json = dict[str, Any]
"""An object of JSON."""


class At(msgspec.Struct, frozen=True):
    """Where something stands in the file."""

    path: str
    line: int
    index: int = 0
    """In its list."""

    def key(self, name: str, line: int) -> At:
        return At(f"{self.path}.{name}" if self.path else name, line)

    def item(self, index: int, line: int) -> At:
        return At(f"{self.path}[{index}]", line, index)


class _Origin(msgspec.Struct, frozen=True):
    value: object
    """Kept, so that no other value can have its identity."""
    at: At
    keys: dict[str, int]
    """The lines of the keys that are written."""
    unread: frozenset[str]
    """Keys that are written, as they are or misspelled, and could not be read."""


class Reading:
    """One file being read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._origins: dict[int, _Origin] = {}
        """Of sections, by identity."""

    def fault(self, at: At, text: str, remedy: str = "") -> None:
        self.faults.append(Fault(file=self.file, line=at.line, path=at.path, text=text, remedy=remedy))

    def warn(self, at: At, text: str, remedy: str = "") -> None:
        self.warnings.append(Fault(file=self.file, line=at.line, path=at.path, text=text, remedy=remedy))

    def remember(self, value: object, at: At, keys: dict[str, int], unread: Iterable[str]) -> None:
        self._origins[id(value)] = _Origin(value, at, keys, frozenset(unread))

    def is_sound(self, section: object, *keys: str) -> bool:
        """These keys, or all, say what is written (items of lists are asked for themselves)."""
        found = self._origins.get(id(section))
        return found is None or not (found.unread & set(keys) if keys else found.unread)

    def where(self, section: object, key: str = "") -> At:
        """Of a section that was read, or of a key of it; of a key that is not written, where the section begins."""
        found = self._origins[id(section)]
        return found.at.key(key, found.keys.get(key, found.at.line)) if key else found.at

    def has(self, section: object, key: str) -> bool:
        """The key is written."""
        found = self._origins.get(id(section))
        return found is not None and key in found.keys


class Kind(Protocol[T_co]):
    """What a key takes: how it is read, written back, and told to people and editors."""

    @property
    def noun(self) -> str:
        """For messages: `a time like 250ms`."""

    @property
    def takes(self) -> str:
        """For the reference."""

    def read(self, node: Node, at: At, reading: Reading) -> T_co:
        """Raises Wrong about the value as a whole; faults of what is inside go to the reading."""

    def write(self, value: Any) -> Any:
        """As it stands in the file, in JSON's values."""

    def schema(self) -> Json:
        """JSON Schema."""


class Scalar(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A kind that is one word of the file. Its subclasses say which."""

    def read(self, node: Node, at: At, reading: Reading) -> T:  # noqa: ARG002 - a word has nothing inside
        if not isinstance(node, ScalarNode):
            raise Wrong(f"expected {self.noun}, found {described(node)}")
        if node.value is None:
            raise Wrong("has no value", "write one or remove the key")
        return self.parse(node)

    @property
    def noun(self) -> str:
        raise NotImplementedError

    def parse(self, node: ScalarNode) -> T:
        raise NotImplementedError

    def write(self, value: Any) -> Any:
        return value


def described(node: Node) -> str:
    match node:
        case ScalarNode(value=None):
            return "nothing"
        case ScalarNode():
            return node.text
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"
