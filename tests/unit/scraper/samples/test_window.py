"""The window: what goes in by columns comes out by series, for as long as it may stay."""

from __future__ import annotations

import struct
from array import array

import pytest

from pillion.scraper.labels import Labels, Matcher, MatchType
from pillion.scraper.samples import ABSENT, STALE, Batch, Exemplar, SeriesSet, TooManySamplesError, Window

MINUTE = 60_000
PLENTY = 10_000_000


def labels(name: str, **rest: str) -> Labels:
    return tuple(sorted({"__name__": name, **rest}.items()))


def series(*names: str) -> SeriesSet:
    return SeriesSet(tuple(labels(name) for name in names), (None,) * len(names))


def batch(of: SeriesSet, time: int, *values: float | None, times: list[int] | None = None) -> Batch:
    """None: the series ends."""
    column = b"".join(STALE if value is None else struct.pack("<d", value) for value in values)
    return Batch(series=of, time=time, values=column, times=None if times is None else array("q", times))


def named(name: str) -> list[Matcher]:
    return [Matcher(MatchType.EQUAL, "__name__", name)]


def newest(window: Window, name: str, at: int) -> float | None:
    found = window.instants(named(name), [at], 5 * MINUTE, PLENTY)
    return found[0].values[0] if found and found[0].times[0] != ABSENT else None


def samples(window: Window, name: str, start: int = -1, end: int = 10**15) -> list[tuple[int, float]]:
    return [
        (time, value)
        for each in window.ranges(named(name), start, end, PLENTY)
        for time, value in zip(each.times, each.values, strict=True)
    ]


def test_the_newest_sample_counts_until_it_is_five_minutes_old() -> None:
    window = Window()
    window.append(batch(series("a"), MINUTE, 7.0))
    assert newest(window, "a", MINUTE - 1) is None
    assert newest(window, "a", MINUTE) == 7.0
    assert newest(window, "a", 6 * MINUTE - 1) == 7.0
    assert newest(window, "a", 6 * MINUTE) is None


def test_a_range_leaves_its_start_out_and_has_its_end() -> None:
    window = Window()
    of = series("a")
    for time in (10, 20, 30):
        window.append(batch(of, time, float(time)))
    assert samples(window, "a", 10, 30) == [(20, 20.0), (30, 30.0)]


def test_a_staleness_marker_ends_a_series_at_once() -> None:
    window = Window()
    of = series("a", "b")
    window.append(batch(of, 10, 1.0, 1.0))
    window.append(batch(of, 20, 2.0, None))
    assert newest(window, "a", 25) == 2.0
    assert newest(window, "b", 15) == 1.0
    assert newest(window, "b", 25) is None
    assert samples(window, "b") == [(10, 1.0)]


def test_a_series_is_one_though_the_page_around_it_changes() -> None:
    window = Window()
    window.append(batch(series("a", "b"), 10, 1.0, 5.0))
    window.append(batch(series("a"), 20, 2.0))
    window.append(batch(series("c", "a"), 30, 9.0, 3.0))
    assert samples(window, "a") == [(10, 1.0), (20, 2.0), (30, 3.0)]
    assert newest(window, "a", 25) == 2.0


def test_samples_with_times_of_their_own_are_found_at_those() -> None:
    window = Window()
    of = series("a", "b")
    window.append(batch(of, 100, 1.0, 2.0, times=[50, 100]))
    window.append(batch(of, 200, 1.0, 3.0, times=[50, 150]))
    assert samples(window, "a") == [(50, 1.0)]
    assert samples(window, "b") == [(100, 2.0), (150, 3.0)]
    assert newest(window, "b", 149) == 2.0


def test_packed_columns_say_what_they_said() -> None:
    window = Window()
    of = series(*(f"m{number}" for number in range(600)))
    for time in range(1, 130):
        window.append(batch(of, time * 1000, *(number / 7 + time * (number % 3) for number in range(600))))
    assert samples(window, "m599") == [(time * 1000, 599 / 7 + time * 2) for time in range(1, 130)]
    assert samples(window, "m0") == [(time * 1000, 0.0) for time in range(1, 130)]
    assert newest(window, "m300", 64_500) == 300 / 7


def test_an_hour_is_kept() -> None:
    window = Window()
    of = series("a")
    for minute in range(200):
        window.append(batch(of, minute * MINUTE, float(minute)))
    oldest = samples(window, "a")[0][0]
    assert 199 - 60 - 32 <= oldest / MINUTE <= 199 - 60
    assert window.dropped == 0
    assert window.samples == len(samples(window, "a")) == 200 - window.expired


def test_beyond_its_bytes_the_oldest_goes_and_is_counted() -> None:
    window = Window(limit=200_000)
    of = series(*(f"m{number}" for number in range(100)))
    for time in range(1, 2000):
        values = (float((time * 7919 + number * 104729) % 10_007) for number in range(100))
        window.append(batch(of, time, *values))
        assert window.size <= 200_000
    kept = samples(window, "m5")
    assert kept[-1][0] == 1999
    assert window.dropped == (1999 - len(kept)) * 100
    assert window.appended == 1999 * 100


def test_labels_that_never_come_again_are_counted_too() -> None:
    window = Window(limit=500_000)
    for time in range(200):
        of = series(*(f"m{time}_{number}" for number in range(100)))
        window.append(batch(of, time, *map(float, range(100))))
    assert window.size <= 500_000
    assert len(window.series((), 0, 10**6)) < 5000


def test_a_column_that_is_not_newer_is_refused_and_counted() -> None:
    window = Window()
    of = series("a", "b")
    window.append(batch(of, 20, 1.0, 1.0))
    window.append(batch(of, 20, 2.0, 2.0))
    window.append(batch(of, 10, 3.0, 3.0))
    assert window.out_of_order == 4
    assert samples(window, "a") == [(20, 1.0)]


def test_nobody_gets_more_than_the_limit() -> None:
    window = Window()
    of = series("a", "b")
    for time in range(10):
        window.append(batch(of, time, 1.0, 1.0))
    everything = [Matcher(MatchType.REGEXP, "__name__", ".+")]
    assert len(window.ranges(everything, -1, 10, 20)) == 2
    with pytest.raises(TooManySamplesError):
        window.ranges(everything, -1, 10, 19)


@pytest.mark.parametrize(
    ("start", "end", "found"), [(0, 100, {"a", "b"}), (0, 15, {"a"}), (11, 19, set()), (20, 20, {"b"})]
)
def test_series_are_those_with_samples_in_the_time(start: int, end: int, found: set[str]) -> None:
    window = Window()
    window.append(batch(series("a"), 10, 1.0))
    window.append(batch(series("b"), 20, 1.0))
    assert {dict(each)["__name__"] for each in window.series((), start, end)} == found


def test_exemplars_have_the_samples_time_if_they_have_none() -> None:
    window = Window()
    trace = (("trace_id", "x"),)
    exemplars = (Exemplar(index=1, labels=trace, value=3.0, time=None),)
    window.append(
        Batch(series=series("a", "b"), time=10, values=struct.pack("<2d", 1, 2), exemplars=exemplars)
    )
    [seen] = window.exemplars(named("b"), 0, 20)
    assert (seen.series, seen.exemplar.labels, seen.time) == (labels("b"), trace, 10)
    assert list(window.exemplars(named("a"), 0, 20)) == []
