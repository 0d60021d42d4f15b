"""Pages as their readers give them."""

from __future__ import annotations

import struct
from array import array

from pillion.scraper.exposition import Page, PageSeries
from pillion.scraper.exposition.page import NO_TIME
from pillion.scraper.labels import Labels, RelabelConfig, Relabelling, ValidationScheme, labels_of
from pillion.scraper.samples import STALE, Batch, Exemplar
from pillion.scraper.scraping.report import Report
from pillion.scraper.scraping.samplelabels import LabelLimits, SampleLabels
from pillion.scraper.scraping.targetseries import Outcome, SampleRules, Scraped, TargetSeries

TARGET = (("instance", "a:1"), ("job", "j"))


def series(name: str, **labels: str) -> Labels:
    return labels_of({"__name__": name, **labels})


def final(name: str, **labels: str) -> Labels:
    return labels_of({"__name__": name, **dict(TARGET), **labels})


def page(
    *samples: tuple[Labels, float] | tuple[Labels, float, int | None],
    like: Page | None = None,
    exemplars: tuple[Exemplar, ...] = (),
) -> Page:
    """`like`: a page with the same series, whose `PageSeries` this one gets."""
    times = array("q", [NO_TIME if len(each) < 3 or each[2] is None else each[2] for each in samples])
    return Page(
        series=like.series
        if like is not None
        else PageSeries(tuple(each[0] for each in samples), tuple(None for _ in samples)),
        values=struct.pack(f"<{len(samples)}d", *(each[1] for each in samples)),
        times=times if any(time != NO_TIME for time in times) else None,
        starts=None,
        exemplars=exemplars,
    )


def target_series(
    *rules: RelabelConfig,
    honor_labels: bool = False,
    limits: LabelLimits | None = None,
    scheme: ValidationScheme = ValidationScheme.UTF8,
    extra: bool = False,
    target: Labels = TARGET,
    **how: object,
) -> TargetSeries:
    sample_rules = SampleRules(**how)  # type: ignore[arg-type]
    labels = SampleLabels(
        target,
        honor_labels=honor_labels,
        relabelling=Relabelling(rules),
        limits=limits or LabelLimits(),
        scheme=scheme,
    )
    report = Report(target, timeout=10, sample_limit=sample_rules.sample_limit, extra=extra)
    return TargetSeries(labels, sample_rules, report)


def take(cache: TargetSeries, given: Page | None, time: int, error: Exception | None = None) -> Outcome:
    return cache.take(Scraped(page=given, time=time, now=time, duration=0.5, error=error))  # type: ignore[arg-type]


Sample = tuple[Labels, float | str, int]


def samples_of(*batches: Batch) -> list[Sample]:
    """(labels, value, time); the value of a staleness marker is `stale`."""
    found: list[Sample] = []
    for batch in batches:
        assert len(batch.values) == 8 * len(batch.series)
        assert len(set(batch.series.labels)) == len(batch.series)
        for index, labels in enumerate(batch.series.labels):
            raw = batch.values[index * 8 : index * 8 + 8]
            value = "stale" if raw == STALE else struct.unpack("<d", raw)[0]
            found.append((labels, value, batch.time if batch.times is None else batch.times[index]))
    return found


def page_samples(outcome: Outcome) -> list[Sample]:
    """Without the report."""
    return samples_of(*outcome.batches[:-1])


def report_of(outcome: Outcome) -> dict[str, float | str]:
    return {dict(labels)["__name__"]: value for labels, value, _ in samples_of(outcome.batches[-1])}
