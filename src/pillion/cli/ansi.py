"""Text with colours for a terminal (ECMA-48, SGR), and text of containers that can do nothing else to it."""

from __future__ import annotations

import re

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold red": "1;31",
    "bright_green": "92",
    "bright_magenta": "95",
    "bright_cyan": "96",
}
_PREFIXES = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
_GOOD, _BAD = ("Running", "Completed", "Succeeded"), ("Error", "BackOff", "Err", "OOM", "Invalid", "Failed")
_RESET = "\x1b[0m"
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])?")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROLS = dict.fromkeys([*range(0x09), *range(0x0A, 0x20), 0x7F, *range(0x80, 0xA0)])
"""All but the tab. What begins with the escape character was looked at before."""
_KEPT = _CONTROLS.copy()
del _KEPT[0x1B]


def paint(text: str, style: str) -> str:
    return f"\x1b[{_CODES[style]}m{text}{_RESET}" if style else text


def harmless(text: str) -> str:
    """One line of a container: its colours stay, what moves the cursor, rings, or renames the window does not."""
    if text.isprintable():
        return text
    if "\x1b" not in text:
        return text.translate(_CONTROLS)
    shown = _ESCAPE.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else "", text)
    return shown.translate(_KEPT) + _RESET


class Prefixes:
    """What log lines begin with. Every container has a colour of its own, as long as there are enough."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        known = self._known.get(name)
        if known is None:
            style = _PREFIXES[len(self._known) % len(_PREFIXES)]
            known = self._known[name] = paint(f"{name} | ", style)
        return known


def status_style(status: str) -> str:
    """Of a Pod's STATUS column."""
    if any(word in status for word in _BAD):
        return "bold red"
    return "green" if status in _GOOD else "yellow"
