"""What batches amount to is what Prometheus' scrape loop appends, sample by sample (scrape/scrape.go, append)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.scraper.scraping.pages import page, page_samples, report_of, series, take, target_series

from pillion.scraper.exposition import Page
from pillion.scraper.labels import Action, Labels, RelabelConfig, labels_of, regexp
from pillion.scraper.scraping.failures import ScrapeError
from pillion.scraper.scraping.timed import MAX_AHEAD

_EXPOSED = [series(name, **labels) for name in "abc" for labels in ({}, {"n": "1"}, {"n": "2"}, {"job": "x"})]
_STEP = 1000

Line = tuple[Labels, float, int | None]
Scrape = list[Line] | None


def lines(*, timed: bool) -> st.SearchStrategy[Scrape]:
    """Times are relative to the scrape's. A series that was away for a while is not remembered, so its times do not go
    back behind that."""
    times = st.none() | st.sampled_from([-500, 0, 500, _STEP, 10 * MAX_AHEAD]) if timed else st.none()
    return st.none() | st.lists(
        st.tuples(st.sampled_from(_EXPOSED), st.integers(0, 3).map(float), times), max_size=8
    )


class Reference:
    """One sample after the other, as the loop and a storage behind it do."""

    def __init__(self, rules: dict[str, Any], *, drops: bool, merges: bool) -> None:
        self._rules = rules
        self._drops = drops
        self._merges = merges
        self._stored: dict[Labels, tuple[int, float | str]] = {}
        self._seen: set[Labels] = set()

    def _final(self, exposed: Labels) -> Labels | None:
        labels = dict(exposed)
        if self._drops and labels["__name__"] == "b":
            return None
        if "job" in labels:
            labels["exported_job"] = labels["job"]
        labels |= {"job": "j", "instance": "a:1"}
        if self._merges:
            labels.pop("n", None)
        return labels_of(labels)

    def _append(self, labels: Labels, value: float | str, time: int) -> str:
        last = self._stored.get(labels)
        if last is not None and time <= last[0]:
            return "same" if last == (time, value) else "refused"
        self._stored[labels] = (time, value)
        return "taken"

    def scrape(self, scrape: Scrape, now: int) -> list[tuple[Labels, float | str, int]]:
        taken: list[tuple[Labels, float | str, int]] = []
        seen: set[Labels] = set()
        limit = self._rules.get("sample_limit", 0)
        kept = [line for line in scrape or () if self._final(line[0]) is not None]
        fails = scrape is None or 0 < limit < len({line[0] for line in kept})
        written: set[Labels] = set()
        for exposed, value, own in () if fails else kept:
            time = own if own is not None and self._rules.get("honor_timestamps", True) else None
            labels = self._final(exposed)
            assert labels is not None
            if time is None and labels in written:
                continue  # the first counts
            at = now if time is None else time
            verdict = "refused" if at > now + MAX_AHEAD else self._append(labels, value, at)
            if verdict == "taken":
                taken.append((labels, value, at))
            is_tracked = time is None or self._rules.get("track_timestamps_staleness", False)
            if labels not in written and verdict != "refused" and is_tracked:
                seen.add(labels)
            written.add(labels)
        gone = self._seen - seen
        taken += [(labels, "stale", now) for labels in gone if self._append(labels, "stale", now) == "taken"]
        self._seen = seen
        return taken


def check(scrapes: list[Scrape], rules: dict[str, Any], *, drops: bool, merges: bool) -> None:
    configs = []
    if drops:
        configs.append(RelabelConfig(source_labels=("__name__",), regex=regexp("b"), action=Action.DROP))
    if merges:
        configs.append(RelabelConfig(regex=regexp("n"), action=Action.LABELDROP))
    cache = target_series(*configs, **rules)
    reference = Reference(rules, drops=drops, merges=merges)
    last: Page | None = None
    for number, drawn in enumerate(scrapes, 1):
        now = number * _STEP
        scrape = drawn and [
            (labels, value, None if own is None else now + own) for labels, value, own in drawn
        ]
        if scrape is None:
            outcome = take(cache, None, now, ScrapeError("no"))
        else:
            # As readers do, the same series give the same object.
            known = (
                last if last is not None and last.series.labels == tuple(line[0] for line in scrape) else None
            )
            last = page(*scrape, like=known)
            outcome = take(cache, last if scrape else None, now)
        expected = reference.scrape(scrape, now)
        assert sorted(map(repr, page_samples(outcome))) == sorted(map(repr, expected))
        report = report_of(outcome)
        assert report["up"] == (scrape is not None and outcome.error is None)
        assert report["scrape_samples_scraped"] == len(scrape or ())


@given(
    st.lists(lines(timed=False), max_size=6),
    st.sampled_from([0, 0, 3]),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None)
def test_pages_without_times(scrapes: list[Scrape], sample_limit: int, drops: bool, merges: bool) -> None:
    check(scrapes, {"sample_limit": sample_limit}, drops=drops, merges=merges)


@given(st.lists(lines(timed=True), max_size=6), st.booleans(), st.booleans(), st.booleans())
@settings(deadline=None)
def test_pages_with_times(
    scrapes: list[Scrape],
    tracks: bool,
    drops: bool,
    merges: bool,
) -> None:
    check(scrapes, {"track_timestamps_staleness": tracks}, drops=drops, merges=merges)


@given(st.lists(lines(timed=True), max_size=5))
@settings(deadline=None)
def test_times_that_are_not_honored(scrapes: list[Scrape]) -> None:
    check(scrapes, {"honor_timestamps": False}, drops=False, merges=True)
