"""Tables as kubectl prints them: upper-case titles, three blanks between columns, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.status import PodRow

POD_COLUMNS = ("NAME", "READY", "STATUS", "RESTARTS", "AGE")
WIDE_COLUMNS = (*POD_COLUMNS, "IP", "NODE", "NOMINATED NODE", "READINESS GATES")


def cells(row: PodRow, *, wide: bool) -> tuple[str, ...]:
    short = (row.name, row.ready, row.status, row.restarts, row.age)
    return (*short, row.ip, row.node, row.nominated_node, row.readiness_gates) if wide else short


def widths(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(len(titles[i]), *(len(row[i]) for row in rows)) if rows else len(titles[i])
        for i in range(len(titles))
    ]


def line(values: Sequence[str], columns: Sequence[int]) -> str:
    return "   ".join(value.ljust(width) for value, width in zip(values, columns, strict=True)).rstrip()
