"""The story of a pod as a table: when, who, what, and why."""

from __future__ import annotations

from collections.abc import Iterable

from pillion.cli.table import line, widths
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
            (
                f"{entry.at - start:9.3f}",
                entry.container or "(pod)",
                arrow + " ".join(entry.text.split()),
                entry.because,
            )
        )
    # A long message must not push the reasons of all others out of sight: what has no reason needs no column.
    wide = [row if row[3] else (*row[:2], "", "") for row in rows]
    titles = (" SECONDS", "CONTAINER", "WHAT", "BECAUSE")
    columns = widths(titles, wide)
    return [line(titles, columns), *(line(row, columns) for row in rows)]
