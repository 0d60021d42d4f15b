"""Whatever is sent, protobuf's own classes read back what was appended; quick ways give what slow ones give."""

from __future__ import annotations

import struct
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillion.scraper.labels import Action, RelabelConfig, Relabelling, labels_of, regexp
from pillion.scraper.remotewrite import frames
from pillion.scraper.remotewrite.counters import Counters
from pillion.scraper.remotewrite.position import Position
from pillion.scraper.remotewrite.request import Chunk, Protocol, blocks_of, encode
from pillion.scraper.remotewrite.selection import Selection, Share
from pillion.scraper.remotewrite.supply import Limits, Supply
from pillion.scraper.samples import Batch, Exemplar, Metadata, SeriesSet
from pillion.testing.destinations.writeprotocol import REQUEST, WRITE_REQUEST

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=5).map(lambda found: labels_of({"__name__": "m", **found}))
BITS = st.one_of(
    st.integers(0, (1 << 64) - 1), st.sampled_from([0, 1 << 63, 0x7FF0000000000002, 0x7FF8000000000001])
)
TIMES = st.one_of(st.integers(1 << 40, 1 << 41), st.integers(-(1 << 62), 1 << 62))
METADATA = st.none() | st.builds(
    Metadata, name=TEXTS, type=st.sampled_from(["counter", "unknown", "stateset"]), help=st.text(max_size=9)
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    labels = draw(st.lists(LABELS, min_size=1, max_size=12))
    count = len(labels)
    series = SeriesSet(tuple(labels), tuple(draw(st.lists(METADATA, min_size=count, max_size=count))))
    column = draw(st.lists(BITS, min_size=count, max_size=count))
    whole = st.lists(TIMES, min_size=count, max_size=count).map(lambda found: array("q", found))
    exemplar = st.tuples(
        st.integers(0, count - 1),
        st.just((("trace_id", "abc"),)) | st.just(()),
        st.floats(allow_nan=False),
        st.none() | st.integers(1, 1 << 41),
    ).map(lambda found: Exemplar(index=found[0], labels=found[1], value=found[2], time=found[3]))
    return Batch(
        series=series,
        time=draw(TIMES),
        values=struct.pack(f"<{count}Q", *column),
        times=draw(st.none() | whole),
        starts=draw(st.none() | whole),
        exemplars=tuple(draw(st.lists(exemplar, max_size=3))),
    )


def read_v1(body: bytes) -> list[tuple[object, ...]]:
    return [
        (
            tuple((label.name, label.value) for label in one.labels),
            *[(struct.pack("<d", sample.value), sample.timestamp, 0) for sample in one.samples],
            len(one.exemplars),
        )
        for one in WRITE_REQUEST.FromString(body).timeseries
    ]


def read_v2(body: bytes) -> list[tuple[object, ...]]:
    request = REQUEST.FromString(body)
    symbols = list(request.symbols)
    assert symbols[0] == ""
    assert len(set(symbols)) == len(symbols)
    found: list[tuple[object, ...]] = []
    for one in request.timeseries:
        parts = [symbols[reference] for reference in one.labels_refs]
        found.append(
            (
                tuple(zip(parts[::2], parts[1::2], strict=True)),
                *[
                    (struct.pack("<d", sample.value), sample.timestamp, sample.start_timestamp)
                    for sample in one.samples
                ],
                len(one.exemplars),
            )
        )
    return found


@pytest.mark.parametrize("protocol", list(Protocol))
@settings(max_examples=150, deadline=None)
@given(batch=batches(), size=st.integers(1, 5), shards=st.integers(1, 3))
def test_requests_say_what_was_appended(protocol: Protocol, batch: Batch, size: int, shards: int) -> None:
    found: list[tuple[object, ...]] = []
    settled = set()
    for number in range(shards):
        selection = Selection({}, Relabelling([]), Share(number, shards))
        for block in blocks_of(batch.series, selection.select(batch.series), protocol, size):
            assert block.count <= size
            assert block.end > max(block.indices())
            settled |= set(block.indices())
            message = encode([Chunk(block=block, batch=batch)], protocol, send_exemplars=True)
            assert message.samples == block.count
            found += read_v1(message.body) if protocol is Protocol.V1 else read_v2(message.body)
    expected = []
    for index, labels in enumerate(batch.series.labels):
        start = batch.starts[index] if batch.starts is not None and protocol is Protocol.V2 else 0
        time = batch.time if batch.times is None else batch.times[index]
        value = batch.values[8 * index : 8 * index + 8]
        count = sum(1 for one in batch.exemplars if one.index == index)
        expected.append((labels, (value, time, start), count))
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert settled == set(range(len(batch.series)))


@settings(max_examples=100, deadline=None)
@given(batch=batches())
def test_quick_and_careful_ways_give_the_same_bytes(batch: Batch) -> None:
    for protocol in Protocol:
        [block] = blocks_of(
            batch.series,
            Selection({}, Relabelling([]), Share()).select(batch.series),
            protocol,
            len(batch.series),
        )
        quick = Chunk(block=block, batch=batch)
        careful = Chunk(block=block, batch=batch, positions=tuple(range(block.count)))
        assert encode([quick], protocol, send_exemplars=True) == encode(
            [careful], protocol, send_exemplars=True
        )


@settings(max_examples=100, deadline=None)
@given(batch=batches())
def test_the_log_gives_back_what_was_written(batch: Batch) -> None:
    written = frames.series_frame(1, batch.series), frames.batch_frame(1, batch)
    for frame in written:
        frames.check(frame[: frames.HEAD_BYTES], frame[frames.HEAD_BYTES :])
    series = frames.decode_series(written[0][frames.HEAD_BYTES :])
    assert (series.labels, series.metadata) == (batch.series.labels, batch.series.metadata)
    found = frames.decode_batch(written[1][frames.HEAD_BYTES :], batch.series, batch.time)
    assert found == batch


@settings(max_examples=200, deadline=None)
@given(batch=batches(), at=st.integers(0), bit=st.integers(0, 7))
def test_no_damage_goes_unseen(batch: Batch, at: int, bit: int) -> None:
    frame = bytearray(frames.batch_frame(1, batch))
    frame[at % len(frame)] ^= 1 << bit
    with pytest.raises(frames.TornError):
        frames.check(bytes(frame[: frames.HEAD_BYTES]), bytes(frame[frames.HEAD_BYTES :]))


RULES = (
    RelabelConfig(source_labels=("d",), regex=regexp("1"), action=Action.DROP),
    RelabelConfig(target_label="e", replacement="x"),
)


@settings(max_examples=150, deadline=None)
@given(
    pages=st.lists(
        st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=12), min_size=2, max_size=4
    ),
    external=st.sampled_from([{}, {"cluster": "c"}, {"d": "ours"}, {"empty": ""}]),
    has_rules=st.booleans(),
    share=st.sampled_from([Share(), Share(0, 2), Share(1, 2)]),
)
def test_a_page_that_changes_is_encoded_as_if_it_were_the_first(
    pages: list[list[int]], external: dict[str, str], has_rules: bool, share: Share
) -> None:
    known = [labels_of({"__name__": "m", "d": str(number % 3), "i": str(number)}) for number in range(31)]
    sets = [
        SeriesSet(tuple(known[number] for number in page), (None,) * len(page)) for page in pages
    ]  # they live on, as those in the window do
    selection = Selection(external, Relabelling(RULES if has_rules else ()), share)

    def supply() -> Supply:
        cursor: Any = SimpleNamespace(position=Position(0, 0))
        return Supply(cursor, selection, Counters(), limits=Limits(samples=5), shards=share.count)

    changing = supply()
    for series in sets:
        cut, fresh = changing._cut(series, Protocol.V1), supply()._cut(series, Protocol.V1)
        assert cut.dropped == fresh.dropped
        assert [(list(each.indices()), each.prefixes, each.end) for each in cut.blocks] == [
            (list(each.indices()), each.prefixes, each.end) for each in fresh.blocks
        ]
