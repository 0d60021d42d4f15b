"""The documentation's pages, as the tests of this folder read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT),
)

_FENCE = re.compile(r"(?ms)^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Without the fenced blocks."""
    return _FENCE.sub("", page.read_text())


def blocks(page: Path, language: str) -> list[str]:
    """The bodies of the fenced blocks in a language (the first word after the fence)."""
    return [
        found["body"]
        for found in _FENCE.finditer(page.read_text())
        if found["info"].split()[:1] == [language]
    ]


def anchors(page: Path) -> set[str]:
    """What `#…` may name: the headings, spelled as GitHub spells their anchors."""
    titles = re.findall(r"(?m)^#+ +(.+?) *$", prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def table_words(page: Path) -> set[str]:
    """Everything in `code` in a table's row."""
    return {
        word
        for line in prose(page).splitlines()
        if line.startswith("|")
        for word in re.findall(r"`([^`]+)`", line)
    }
