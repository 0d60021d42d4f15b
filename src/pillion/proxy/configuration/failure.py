"""What is wrong with `proxy.yaml`, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pillion.errors import ManifestError


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or a warning."""

    file: str
    line: int
    """Counts from 1."""
    path: str = ""
    """`inbound[0].routes[2].timeout`; empty: the file as a whole."""
    text: str
    remedy: str = ""
    """What to do: continues the text after a semicolon."""

    def __str__(self) -> str:
        """One line, whatever the text quotes."""
        text = f"{self.text}; {self.remedy}" if self.remedy else self.text
        said = ": ".join(part for part in (f"{self.file}:{self.line}", self.path, text) if part)
        return " ".join(said.split())


class ConfigurationError(ManifestError):
    """One or more faults. The message has one line for each: `FILE:LINE: path: what is wrong; what to do`."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = in_order(faults)
        super().__init__("\n".join(map(str, self.faults)))


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Those of the text, each once."""
    ordered = sorted(faults, key=lambda fault: fault.line)
    return tuple(dict.fromkeys(ordered))


class Wrong(Exception):  # noqa: N818 - never leaves this package: whoever knows the place makes it a Fault
    """A value cannot be read."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean NAME?` when something known is near, else nothing. `max_bytes` is near `maxBytes`."""
    found = nearest_name(word, known)
    return f"did you mean {found}?" if found else ""


def nearest_name(word: str, known: Iterable[str]) -> str:
    import difflib  # when something is wrong only

    names = {_plain(name): name for name in known}
    found = difflib.get_close_matches(_plain(word), names, n=1, cutoff=0.6)
    return names[found[0]] if found else ""


def one_of(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
