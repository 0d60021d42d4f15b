"""The story of a pod as a table: when, who, what, and why."""

from __future__ import annotations

from collections.abc import Iterable

from pillion.cli.table import table
from pillion.lifecycle.story import Entry, Kind


def timeline(story: Iterable[Entry]) -> list[str]:
    """Lines; times in seconds since the first entry."""
    entries = sorted(story, key=lambda entry: entry.at)
    if not entries:
        return []
    start = entries[0].at
    rows = []
    for entry in entries:
        arrow = "→ " if entry.kind is Kind.ASKED else "  "
        rows.append(
            (f"{entry.at - start:9.3f}", entry.container or "(pod)", arrow + entry.text, entry.because)
        )
    return table((" SECONDS", "CONTAINER", "WHAT", "BECAUSE"), rows)
