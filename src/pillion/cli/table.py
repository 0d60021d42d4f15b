"""Tables as kubectl prints them: upper-case titles, three blanks between columns, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of
from pillion.status import PodRow

POD_COLUMNS = ("NAME", "READY", "STATUS", "RESTARTS", "AGE")
WIDE_COLUMNS = (*POD_COLUMNS, "IP", "NODE", "NOMINATED NODE", "READINESS GATES")


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Which there are."""

    wide: bool = False
    namespace: bool = False
    """As kubectl does it with --all-namespaces."""

    @property
    def titles(self) -> tuple[str, ...]:
        titles = WIDE_COLUMNS if self.wide else POD_COLUMNS
        return ("NAMESPACE", *titles) if self.namespace else titles

    @property
    def status(self) -> int:
        """The place of the STATUS column."""
        return self.titles.index("STATUS")

    def cells(self, pod: core_v1.Pod, row: PodRow) -> tuple[str, ...]:
        cells: tuple[str, ...] = (row.name, row.ready, row.status, row.restarts, row.age)
        if self.wide:
            cells = (*cells, row.ip, row.node, row.nominated_node, row.readiness_gates)
        return (identity_of(pod).namespace, *cells) if self.namespace else cells

    def label(self, pod: core_v1.Pod) -> str:
        """What a pod is called in lines about it."""
        identity = identity_of(pod)
        return f"{identity.namespace}/{identity.name}" if self.namespace else identity.name


def widths(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(len(titles[i]), *(len(row[i]) for row in rows)) if rows else len(titles[i])
        for i in range(len(titles))
    ]


def line(values: Sequence[str], columns: Sequence[int]) -> str:
    return "   ".join(value.ljust(width) for value, width in zip(values, columns, strict=True)).rstrip()


def place(columns: Sequence[int], index: int) -> int:
    """Where in a line this column begins."""
    return sum(columns[:index]) + 3 * index
