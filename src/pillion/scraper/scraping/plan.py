"""From the series of a page to those of a batch: worked out once, good for as long as the page's series stay. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.samples import SeriesSet
from pillion.scraper.scraping.failures import SampleLimitError, ScrapeError

if TYPE_CHECKING:
    from array import array
    from collections.abc import Collection, Iterable, Sequence

    from pillion.scraper.exposition import PageSeries
    from pillion.scraper.labels import Labels
    from pillion.scraper.scraping.samplelabels import SampleLabels

VALUE_BYTES = 8


class Selection:
    """Some of a column's places, in order, as runs: taking them costs a step for each run, not for each place."""

    __slots__ = ("_runs", "places")

    def __init__(self, places: Sequence[int]) -> None:
        self.places = tuple(places)
        runs: list[tuple[int, int]] = []
        for place in places:
            if runs and runs[-1][1] == place:
                runs[-1] = (runs[-1][0], place + 1)
            else:
                runs.append((place, place + 1))
        self._runs = tuple(runs)

    def values(self, column: bytes) -> bytes:
        return b"".join([column[begin * VALUE_BYTES : end * VALUE_BYTES] for begin, end in self._runs])

    def numbers(self, column: array[int]) -> array[int]:
        taken = column[:0]
        for begin, end in self._runs:
            taken += column[begin:end]
        return taken


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to take of pages with these series."""

    page: PageSeries
    series: SeriesSet
    """Each once, in the page's order."""
    selection: Selection | None
    """Their places on the page; None: all of it."""
    repeats: tuple[tuple[int, int], ...]
    """Further samples of a series: (place on the page, place in `series`). Without times of their own they are
    duplicates: the first counts."""
    scraped: int
    added: int
    """Those left after relabelling, duplicates included: scrape_samples_post_metric_relabeling."""
    shadowed: frozenset[Labels]
    """Series of the scrape's own report that the page has itself."""
    targets: dict[int, int] | None
    """From places on the page to places in `series`; None: they are the same."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of a page is taken; how far it was good is reported all the same."""

    error: ScrapeError
    scraped: int
    added: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """No page with these series is taken."""

    page: PageSeries
    broken: Broken


class SeriesCache:
    """The final labels of the series that were seen last, by what the page has. Tells which series are new."""

    __slots__ = ("_final", "_successful", "added", "flushes")

    def __init__(self) -> None:
        self._final: dict[Labels, Labels | None] = {}
        self._successful = 0
        self.flushes = 0
        """How often it was emptied, as pages that failed had filled it."""
        self.added = 0
        """By the last `final`: series that are not dropped and were not known."""

    def final(
        self, series: Sequence[Labels], rules: SampleLabels, sample_limit: int, error: ScrapeError | None
    ) -> list[Labels | None] | Broken:
        """Of all series of a page, in order. `error`: why there are no more of them, unless they have a fault."""
        known = self._final
        found: list[Labels | None] = []
        new: dict[Labels, Labels | None] = {}
        self.added = appended = kept = 0
        try:
            for exposed in series:
                if exposed in new:
                    final = new[exposed]  # twice on the page
                    kept += final is not None
                else:
                    final = known[exposed] if exposed in known else rules.final(exposed)
                    new[exposed] = final
                    if final is not None:
                        kept += 1
                        appended += 1
                        if exposed not in known and not 0 < sample_limit < appended:
                            self.added += 1
                found.append(final)
        except ScrapeError as fault:
            self._keep_both(new)
            return Broken(error=fault, scraped=len(found) + 1, added=kept)
        if error is None and 0 < sample_limit < appended:
            error = SampleLimitError()
        if error is not None:
            self._keep_both(new)
            return Broken(error=error, scraped=len(found), added=kept)
        self._final = new
        self._successful = len(new)
        return found

    def _keep_both(self, new: dict[Labels, Labels | None]) -> None:
        """A failed scrape forgets nothing, as long as failing pages that vary do not fill the memory."""
        if len(self._final) > 2 * self._successful + 1000:
            self._final = new
            self.flushes += 1
        else:
            self._final |= new


def make_plan(
    page: PageSeries,
    cache: SeriesCache,
    rules: SampleLabels,
    *,
    sample_limit: int,
    report: Collection[Labels],
    before: SeriesSet | None,
) -> Plan | Failure:
    """`before` is used again if its series are those of this page."""
    found = cache.final(page.labels, rules, sample_limit, None)
    if isinstance(found, Broken):
        return Failure(page=page, broken=found)
    first: dict[Labels, int] = {}
    places: list[int] = []
    repeats: list[tuple[int, int]] = []
    for place, labels in enumerate(found):
        if labels is None:
            continue
        index = first.setdefault(labels, len(places))
        if index == len(places):
            places.append(place)
        else:
            repeats.append((place, index))
    is_whole = len(places) == len(found)
    return Plan(
        page=page,
        series=_series_set(first, [page.metadata[place] for place in places], before),
        selection=None if is_whole else Selection(places),
        repeats=tuple(repeats),
        scraped=len(found),
        added=len(places) + len(repeats),
        shadowed=frozenset(labels for labels in report if labels in first),
        targets=None if is_whole else {place: index for index, place in enumerate(places)},
    )


def _series_set(labels: Iterable[Labels], metadata: list[object], before: SeriesSet | None) -> SeriesSet:
    series = tuple(labels)
    families = tuple(metadata)
    if before is not None and before.labels == series and before.metadata == families:
        return before
    return SeriesSet(series, families)  # type: ignore[arg-type]
