"""What is wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pillion.errors import ManifestError


class Place(msgspec.Struct, frozen=True):
    """Where something was written. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: `about` is `[INPUT] tail: path`, or empty when the place says enough."""

    place: Place
    about: str = ""
    text: str
    """What is wrong, and what to do."""

    def __str__(self) -> str:
        """One line, whatever a key is called."""
        return " ".join(
            ": ".join(part for part in (str(self.place), self.about, self.text) if part).splitlines()
        )


class ConfigurationError(ManifestError):
    """One or more faults; the message has one line for each: `FILE:LINE: [section] key: what is wrong; what to do`."""


class Complaints:
    """What is wrong so far: gathered, so that all of it can be said at once.

    What can be passed over becomes a warning when the reading is lenient.
    """

    def __init__(self, *, lenient: bool) -> None:
        self._lenient = lenient
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []

    def fault(self, fault: Fault) -> None:
        """Something that is passed over when the reading is lenient."""
        (self.warnings if self._lenient else self.faults).append(fault)

    def fatal(self, fault: Fault) -> None:
        """Something without which nothing makes sense."""
        self.faults.append(fault)

    def warn(self, fault: Fault) -> None:
        self.warnings.append(fault)

    def raise_faults(self) -> None:
        """Raises ConfigurationError if there are faults, in the order of their places."""
        if self.faults:
            ordered = dict.fromkeys(map(str, sorted(self.faults, key=lambda f: (f.place.file, f.place.line))))
            raise ConfigurationError("\n".join(ordered))


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` when something known is near, else nothing."""
    import difflib  # when something is wrong only

    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
