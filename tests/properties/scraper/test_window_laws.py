"""The window answers as if it kept every sample by its series."""

from __future__ import annotations

import struct
from array import array
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from pillion.scraper.labels import Labels, Matcher, MatchType
from pillion.scraper.samples import ABSENT, STALE, Batch, SeriesSet, Window
from pillion.scraper.samples.stripes import Block, pack_stripe, stripes_of, unpack_stripe

NAMES = "abcde"
LOOKBACK = 50
EVERYTHING = [Matcher(MatchType.REGEXP, "__name__", ".+")]
VALUES = st.one_of(st.just(STALE), st.floats(allow_nan=False).map(lambda value: struct.pack("<d", value)))


@st.composite
def pages(draw: st.DrawFn) -> list[tuple[tuple[str, ...], int, list[bytes], list[int] | None]]:
    """Names, time, values, own times."""
    found = []
    time = 0
    last = dict.fromkeys(NAMES, 0)
    for _ in range(draw(st.integers(1, 80))):
        time += draw(st.integers(1, 20))
        names = draw(st.sampled_from([("a", "b", "c"), ("a", "c"), ("d", "a", "b", "c"), ("e",)]))
        values = [draw(VALUES) for _ in names]
        own = None
        if draw(st.integers(0, 9)) == 0:
            own = [draw(st.integers(last[name] + 1, max(time, last[name] + 1))) for name in names]
        for place, name in enumerate(names):
            last[name] = max(last[name], own[place] if own else time)
        time = max(time, *last.values())
        found.append((names, time, values, own))
    return found


@settings(max_examples=60, deadline=None)
@given(
    pages=pages(),
    instants=st.lists(st.integers(0, 1800), min_size=1, max_size=8, unique=True),
    data=st.data(),
)
def test_the_window_says_what_a_list_of_samples_says(
    pages: list[tuple[tuple[str, ...], int, list[bytes], list[int] | None]],
    instants: list[int],
    data: st.DataObject,
) -> None:
    window = Window()
    sets: dict[tuple[str, ...], SeriesSet] = {}
    expected: dict[Labels, dict[int, bytes]] = defaultdict(dict)
    for names, time, values, own in pages:
        labels = tuple((("__name__", name),) for name in names)
        of = sets.setdefault(names, SeriesSet(labels, (None,) * len(names)))
        times = None if own is None else array("q", own)
        window.append(Batch(series=of, time=time, values=b"".join(values), times=times))
        for place, each in enumerate(labels):
            expected[each].setdefault(own[place] if own else time, values[place])
    start = data.draw(st.integers(-1, 1500))
    end = data.draw(st.integers(start, 1800))
    wanted = {
        labels: [(t, bits) for t, bits in sorted(samples.items()) if start < t <= end and bits != STALE]
        for labels, samples in expected.items()
    }
    found = {
        each.labels: [(t, struct.pack("<d", v)) for t, v in zip(each.times, each.values, strict=True)]
        for each in window.ranges(EVERYTHING, start, end, 10**9)
    }
    assert found == {labels: samples for labels, samples in wanted.items() if samples}
    instants = sorted(instants)
    by_labels = {each.labels: each for each in window.instants(EVERYTHING, instants, LOOKBACK, 10**9)}
    for labels, samples in expected.items():
        for place, instant in enumerate(instants):
            before = [t for t in samples if instant - LOOKBACK < t <= instant]
            newest = samples[max(before)] if before else STALE
            series = by_labels.get(labels)
            value = series.values[place] if series and series.times[place] != ABSENT else None
            assert value == (None if newest == STALE else struct.unpack("<d", newest)[0])


@given(st.integers(1, 600), st.integers(1, 6), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_packing_changes_nothing(series: int, columns: int, random: object) -> None:
    made = [random.randbytes(8 * series) for _ in range(columns)]  # type: ignore[attr-defined]
    block = Block(series)
    for column in made:
        block.add(column)
    indices = sorted({0, series // 2, series - 1})
    raw = block.rows(indices, range(columns))
    block.pack_some(stripes_of(series))
    assert block.is_packed
    assert block.rows(indices, range(columns)) == raw
    assert [row.tobytes() for row in raw] == [
        b"".join(column[8 * index : 8 * index + 8] for column in made) for index in indices
    ]
    stripe = unpack_stripe(pack_stripe(made, 0), columns)
    assert stripe == b"".join(column[: 8 * 256] for column in made)
