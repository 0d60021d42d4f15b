"""A page while it is read."""

from __future__ import annotations

from array import array
from sys import byteorder
from typing import TYPE_CHECKING

from pillion.scraper.exposition.families import Families
from pillion.scraper.exposition.page import NO_TIME, Page, PageSeries
from pillion.scraper.exposition.starts import Run, StartPlan
from pillion.scraper.samples import Exemplar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.scraper.exposition.entries import ExemplarText, Meta
    from pillion.scraper.exposition.families import Family
    from pillion.scraper.labels import Labels


class Draft:
    __slots__ = ("exemplars", "families", "labels", "members", "runs", "times", "values")

    def __init__(self, *, has_starts: bool) -> None:
        self.families = Families()
        self.labels: list[Labels] = []
        self.members: list[Family | None] = []
        """Of each series."""
        self.runs = [Run(0, "", "")] if has_starts else None
        self.values = array("d")
        self.times: dict[int, int] = {}
        """By the series' index."""
        self.exemplars: list[tuple[int, ExemplarText]] = []
        """With the series' index."""

    def add_meta(self, meta: Meta) -> None:
        self.families.add(meta)
        if self.runs is not None:
            self.runs.append(Run(len(self.labels), meta.family, self.families.type))

    def add_extras(self, time: int | None, exemplar: ExemplarText | None) -> None:
        """Of the series that was added last."""
        if time is not None:
            self.times[len(self.labels) - 1] = time
        if exemplar is not None:
            self.exemplars.append((len(self.labels) - 1, exemplar))

    def page_series(self, plan: StartPlan | None, before: PageSeries | None) -> PageSeries:
        """That of the page before, if nothing has changed."""
        labels = tuple(self.labels)
        metadata = self.families.metadata(self.members)
        if plan is not None:
            labels, metadata = plan.select(labels), plan.select(metadata)
        if before is not None and labels == before.labels and metadata == before.metadata:
            return before
        return PageSeries(labels, metadata)


def times_column(times: Mapping[int, int], length: int) -> array[int] | None:
    if not times:
        return None
    column = array("q", [NO_TIME]) * length
    for index, time in times.items():
        column[index] = time
    return column


def finished(
    series: PageSeries,
    plan: StartPlan | None,
    values: array[float],
    times: array[int] | None,
    exemplars: list[tuple[int, ExemplarText]],
) -> Page:
    """Columns of all lines to a page, in which `_created` lines are starts if there is a plan."""
    starts = None
    if plan is not None:
        starts = plan.starts(values)
        values = plan.values(values)
        times = plan.times(times) if times is not None else None
        exemplars = [
            (kept, exemplar) for index, exemplar in exemplars if (kept := plan.index(index)) is not None
        ]
    return Page(
        series=series,
        values=little_endian(values),
        times=times,
        starts=starts,
        exemplars=tuple(
            [
                Exemplar(index=index, labels=exemplar.labels, value=exemplar.value, time=exemplar.time)
                for index, exemplar in exemplars
            ]
        ),
    )


def little_endian(values: array[float]) -> bytes:
    if byteorder == "big":
        values = array("d", values)
        values.byteswap()
    return values.tobytes()
