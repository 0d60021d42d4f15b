"""The classic format: `[SECTION]`, indented keys, `@SET`, `@INCLUDE`.

The rules, the strict ones on indentation too, are those of Fluent Bit's src/config_format/flb_cf_fluentbit.c
(`read_config`, `check_indent`): a file that is read here must be read there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from pillion.collector.configuration.document import Document, Property, Section, SectionKind, Variable
from pillion.collector.configuration.failure import Complaints, Fault, Place, nearest

_BLANKS = " \t"
_PLURALS = {
    "customs": SectionKind.CUSTOM,
    "inputs": SectionKind.INPUT,
    "filters": SectionKind.FILTER,
    "outputs": SectionKind.OUTPUT,
}

Include = Callable[[str, Place], Document]
"""Read what `@INCLUDE` names."""


class _Depth(Enum):
    KEY = "key"
    GROUP = "group"
    """Twice the indentation of keys."""


class _Open(msgspec.Struct):
    """The section that is being read."""

    kind: SectionKind
    place: Place
    properties: list[Property]
    has_groups: bool = False

    def close(self) -> Section:
        return Section(kind=self.kind, properties=tuple(self.properties), place=self.place)


def read_classic(text: str, file: str, include: Include, complaints: Complaints) -> Document:
    """The sections of a file and of what it includes, in order."""
    return _Reader(file, include, complaints).read(text)


def section_kind(name: str) -> SectionKind | None:
    """By its name, any case. The beginning of a name is enough, as in Fluent Bit: `[IN]` is an `[INPUT]`."""
    wanted = name.lower()
    if not wanted:
        return None
    for kind in SectionKind:
        if kind.value.startswith(wanted):
            return kind
    return _PLURALS.get(wanted)


class _Reader:
    def __init__(self, file: str, include: Include, complaints: Complaints) -> None:
        self._file = file
        self._include = include
        self._complaints = complaints
        self._sections: list[Section | _Open] = []
        self._variables: list[Variable] = []
        self._open: _Open | None = None
        self._indent = ""
        self._skips = False
        """The keys of a section that is none are passed over."""

    def read(self, text: str) -> Document:
        for number, written in enumerate(text.split("\n"), 1):
            line = written.removesuffix("\r")
            if line and line[0] != "#":
                self._read_line(line, Place(self._file, number))
        sections = [known.close() if isinstance(known, _Open) else known for known in self._sections]
        for section in sections:
            if not section.properties and section.place.file == self._file:
                self._complaints.warn(Fault(place=section.place, about=section.title, text="has no keys"))
        return Document(sections=tuple(sections), variables=tuple(self._variables))

    def _read_line(self, line: str, place: Place) -> None:
        if line[0] == "@":
            self._command(line, place)
        elif line[0] == "[":
            self._header(line, place)
        else:
            self._key(line, place)

    # ── what begins in the first column ──────────────────────────────────────────────────────────────────────────────
    def _command(self, line: str, place: Place) -> None:
        command, _, rest = line.partition(" ")
        rest = rest.strip()
        match command.upper():
            case "@INCLUDE" if rest:
                found = self._include(rest, place)
                self._sections += found.sections
                self._variables += found.variables
            case "@SET" if "=" in rest:
                name, _, value = rest.partition("=")
                self._variables.append(Variable(name, value, place))
            case "@SET":
                self._fault(place, command, "write it as `@SET NAME=VALUE`")
            case "@INCLUDE":
                self._fault(place, command, "the file is missing")
            case _:
                self._fault(place, command, "there are only @SET and @INCLUDE")

    def _header(self, line: str, place: Place) -> None:
        name, bracket, _ = line[1:].partition("]")
        kind = section_kind(name) if bracket else None
        self._skips = kind is None
        if kind is not None:
            self._open = _Open(kind, place, [])
            self._sections.append(self._open)
        elif bracket:
            known = nearest(name, [kind.value for kind in SectionKind])
            self._fault(place, f"[{name}]", f"there is no such section{known}")
        else:
            self._fault(place, _shortened(line), "the ] is missing")

    # ── what is indented ─────────────────────────────────────────────────────────────────────────────────────────────
    def _key(self, line: str, place: Place) -> None:
        depth, content = self._unindent(line, place)
        if not content or content[0] == "#" or self._skips:
            return
        if content[0] == "[":
            self._group(content, place)
            return
        if self._open is None:
            self._fault(place, "", "a key before any [SECTION]")
            return
        if depth is _Depth.GROUP and self._open.has_groups:
            return  # of a group, which was refused
        key, blank, value = content.partition(" ")
        key, value = key.strip(), value.strip()
        if not blank or not value:
            hint = ": put a blank, not a tab, between them" if "\t" in key else ""
            self._fault(
                place, f"[{self._open.kind.value.upper()}] {key.split(chr(9))[0]}", f"has no value{hint}"
            )
            return
        if key.lower() in ("@include", "@set"):
            self._fault(place, key, "must stand in the first column")
            return
        self._open.properties.append(Property(key.lower(), value, place))

    def _group(self, content: str, place: Place) -> None:
        name = content[1:].partition("]")[0]
        if self._open is not None:
            self._open.has_groups = True
        self._fault(
            place,
            f"[{name}]",
            "groups inside a section are not supported: write filters as [FILTER] sections",
        )

    def _unindent(self, line: str, place: Place) -> tuple[_Depth, str]:
        """The first indented line of a file says how far all keys of it are indented."""
        content = line.lstrip(_BLANKS)
        indent = line[: len(line) - len(content)]
        if not indent:
            self._fault(place, "", f"{_shortened(content)} must be indented, or begin with [, @ or #")
            return _Depth.KEY, ""
        if not self._indent:
            self._indent = indent
        if indent == self._indent:
            return _Depth.KEY, content
        if indent.startswith(self._indent) and len(indent) == 2 * len(self._indent):
            return _Depth.GROUP, content
        what = _shortened(content) if content else "a line of blanks"
        if not indent.startswith(self._indent[: len(indent)]):
            self._fault(
                place, "", f"{what}: tabs and blanks are mixed in the indentation, which Fluent Bit refuses"
            )
        else:
            wanted = f"{len(indent)} instead of {len(self._indent)}"
            self._fault(
                place, "", f"{what}: is indented by {wanted} like the lines above, which Fluent Bit refuses"
            )
        return _Depth.KEY, content

    def _fault(self, place: Place, about: str, text: str) -> None:
        self._complaints.fault(Fault(place=place, about=about, text=text))


def _shortened(content: str) -> str:
    """Enough of a line to find it, not enough to give a secret away."""
    return repr(content.split(" ", 1)[0][:40])
