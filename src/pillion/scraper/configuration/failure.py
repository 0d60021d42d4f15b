"""What is wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pillion.errors import ManifestError


class Place:
    """Where something was written. `line` counts from 1; 0 means the file as a whole.

    All places are equal: what a section says does not change when lines are added above it, and a reload compares
    sections.
    """

    __slots__ = ("file", "line")

    def __init__(self, file: str, line: int = 0) -> None:
        self.file = file
        self.line = line

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __repr__(self) -> str:
        return f"Place({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place)

    def __hash__(self) -> int:
        return 0


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or a warning."""

    place: Place
    about: str = ""
    """The key, where the text does not name it."""
    text: str
    """In Prometheus' words where it has some."""
    hint: str = ""
    """What to do: continues the text after a semicolon."""
    is_type_error: bool = False
    """One of those that Prometheus' YAML reader gathers, with their lines, before it gives up."""

    def __str__(self) -> str:
        """One line, whatever the text quotes."""
        text = f"{self.text}; {self.hint}" if self.hint else self.text
        return " ".join(": ".join(part for part in (str(self.place), self.about, text) if part).splitlines())


class ConfigurationError(ManifestError):
    """One or more faults. The message has one line for each: `FILE:LINE: key: what is wrong; what to do`."""

    def __init__(self, file: str, faults: Sequence[Fault]) -> None:
        ordered = sorted(
            faults, key=lambda fault: (fault.place.file != file, fault.place.file, fault.place.line)
        )
        self.file = file
        self.faults = tuple({str(fault): fault for fault in ordered}.values())
        super().__init__("\n".join(map(str, self.faults)))

    def in_prometheus_words(self) -> str:
        """As `promtool check config` and Prometheus' log put it: the first thing that is wrong, or all unknown keys.

        A file of scrape_config_files is named in front, as Prometheus does.
        """
        first = next((fault for fault in self.faults if not fault.is_type_error), self.faults[0])
        if first.is_type_error:
            lines = [
                f"  line {fault.place.line}: {fault.text}"
                for fault in self.faults
                if fault.place.file == first.place.file
            ]
            text = "\n".join(["yaml: unmarshal errors:", *lines])
        else:
            text = first.text
        if first.place.file == self.file:
            return f"parsing YAML file {self.file}: {text}"
        return f'"{first.place.file}": {text}'


class Complaints:
    """What is wrong so far: gathered, so that all of it can be said at once."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def fault(self, place: Place, text: str, *, about: str = "", hint: str = "") -> None:
        self.faults.append(Fault(place=place, about=about, text=text, hint=hint))

    def type_error(self, place: Place, text: str, *, hint: str = "") -> None:
        self.faults.append(Fault(place=place, text=text, hint=hint, is_type_error=True))

    def warn(self, place: Place, text: str, *, about: str = "") -> None:
        self.warnings.append(Fault(place=place, about=about, text=text))

    def raise_faults(self, file: str) -> None:
        """Raises ConfigurationError if there are faults, in the order of their places."""
        if self.faults:
            raise ConfigurationError(file, self.faults)


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean NAME?` when something known is near, else nothing."""
    import difflib  # when something is wrong only

    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""
