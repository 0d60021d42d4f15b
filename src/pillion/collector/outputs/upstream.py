"""The forward output's `upstream` file: several servers, one after the other (src/flb_upstream_ha.c).

[UPSTREAM]
    name  aggregators
[NODE]
    name  first
    host  10.0.0.1
    port  24224
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pillion.collector.configuration.conversion import convert
from pillion.collector.configuration.document import Property, Section, SectionKind
from pillion.collector.configuration.failure import Complaints, ConfigurationError, Fault, Place
from pillion.collector.configuration.variables import Variables
from pillion.collector.plugin import Again, Delivered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pillion.collector.plugin import Output, Verdict
    from pillion.collector.records import Content

SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)


def read_nodes(path: Path, settings: type[SettingsT], environment: Mapping[str, str]) -> list[SettingsT]:
    """The nodes of the file at `path`. Raises ConfigurationError, with the place of everything that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{path}: cannot read the upstream file: {cause}") from error
    complaints = Complaints(lenient=False)
    nodes = parse_nodes(text, str(path), settings, Variables({}, environment), complaints)
    complaints.raise_faults()
    if not nodes:
        raise ConfigurationError(f"{path}: the upstream file has no [NODE]")
    return nodes


def parse_nodes(
    text: str, file: str, settings: type[SettingsT], variables: Variables, complaints: Complaints
) -> list[SettingsT]:
    found = []
    for section in _sections(text, file, complaints):
        for name in ("host", "port"):
            if not section.values(name):
                fault = Fault(place=section.place, about="[NODE]", text=f"{name} is missing")
                complaints.fatal(fault)
        node = convert(section, settings, variables, complaints, title="[NODE]")
        if node is not None:
            found.append(node)
    return found


def _sections(text: str, file: str, complaints: Complaints) -> list[Section]:
    """The `[NODE]`s. Of `[UPSTREAM]` only the name is known, and nobody needs it."""
    sections: list[Section] = []
    kind = ""
    for number, written in enumerate(text.splitlines(), 1):
        line, place = written.strip(), Place(file, number)
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            kind = line.strip("[]").lower()
            if kind == "node":
                sections.append(Section(kind=SectionKind.OUTPUT, place=place))
            elif kind != "upstream":
                complaints.fault(Fault(place=place, about=line, text="there are only [UPSTREAM] and [NODE]"))
            continue
        name, _, value = line.partition(" ")
        if kind == "node":
            prop = Property(name.lower(), value.strip(), place)
            last = sections[-1]
            sections[-1] = msgspec.structs.replace(last, properties=(*last.properties, prop))
    return sections


class Upstream:
    """Deliveries go to one server after the other; what one does not take goes to the next at once."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = outputs
        self._lock = threading.Lock()
        self._next = 0

    def deliver(self, tag: str, content: Content) -> Verdict:
        verdict: Verdict = Delivered()
        for output in self._in_turn():
            verdict = output.deliver(tag, content)
            if not isinstance(verdict, Again):
                return verdict
            content = content if verdict.remaining is None else verdict.remaining
        assert isinstance(verdict, Again)
        return msgspec.structs.replace(verdict, remaining=content)

    def interrupt(self) -> None:
        for output in self._outputs:
            output.interrupt()

    def close(self) -> None:
        for output in self._outputs:
            output.close()

    @property
    def limit_bytes(self) -> int:
        return min(output.limit_bytes for output in self._outputs)

    def _in_turn(self) -> list[Output]:
        with self._lock:
            first = self._next
            self._next = (first + 1) % len(self._outputs)
        return [*self._outputs[first:], *self._outputs[:first]]
