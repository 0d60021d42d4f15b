from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.crilog import Decoder, Entry, Joiner, Stream, encode_entry

TIME = "2026-01-02T03:04:05.678901234+00:00"

entries = st.builds(
    Entry,
    st.just(TIME),
    st.sampled_from(Stream),
    st.booleans(),
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b" ")),
)


@given(st.lists(entries, max_size=20), st.lists(st.integers(min_value=0, max_value=2000), max_size=10))
def test_however_the_bytes_are_cut_the_entries_are_the_same(written: list[Entry], cuts: list[int]) -> None:
    log = b"".join(map(encode_entry, written))
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    decoder = Decoder()
    read = [entry for a, b in itertools.pairwise(edges) for entry in decoder.feed(log[a:b])]
    assert read == written
    assert decoder.malformed == 0


@given(st.lists(entries, max_size=20), st.integers(min_value=1, max_value=200))
def test_joining_loses_no_byte_and_keeps_the_order_of_each_stream(written: list[Entry], limit: int) -> None:
    joiner = Joiner(limit)
    joined = joiner.join(written) + joiner.flush()
    for stream in Stream:
        before = b"".join(e.payload + (b"" if e.partial else b"\n") for e in written if e.stream is stream)
        after = b"".join(e.payload + (b"" if e.partial else b"\n") for e in joined if e.stream is stream)
        assert after == before
    assert joiner.flush() == []


def test_parts_of_two_streams_do_not_mix_and_the_first_part_gives_the_time() -> None:
    log = b"t1 stdout P one \nt2 stderr P ONE \nt3 stdout F two\nt4 stderr F TWO\n"
    assert Joiner().join(Decoder().feed(log)) == [
        Entry("t1", Stream.STDOUT, False, b"one two"),
        Entry("t2", Stream.STDERR, False, b"ONE TWO"),
    ]


def test_a_line_without_end_is_handed_on_before_it_fills_the_memory() -> None:
    joiner = Joiner(limit_bytes=8)
    part = Entry(TIME, Stream.STDOUT, True, b"12345")
    assert joiner.join([part, part, part]) == [Entry(TIME, Stream.STDOUT, True, b"1234512345")]


@pytest.mark.parametrize(
    ("line", "payload"),
    [
        (b"t stdout F text", b"text"),
        (b"t stdout F  two  blanks ", b" two  blanks "),
        (b"t stdout F ", b""),
        (b"t stdout F", b""),
        (b"t stdout F:more:tags text\r", b"text\r"),
        (b"t stdout F \xff\x00", b"\xff\x00"),
    ],
)
def test_the_payload_is_every_byte_after_the_tag(line: bytes, payload: bytes) -> None:
    assert [entry.payload for entry in Decoder().feed(line + b"\n")] == [payload]


@pytest.mark.parametrize("line", [b"", b"text", b"t stdin F text", b"t stdout X text", b"t stdout"])
def test_what_is_no_log_line_is_counted_and_skipped(line: bytes) -> None:
    decoder = Decoder()
    assert [entry.payload for entry in decoder.feed(line + b"\nt stdout F next\n")] == [b"next"]
    assert decoder.malformed == 1


def test_a_payload_of_two_lines_cannot_be_one_log_line() -> None:
    with pytest.raises(ValueError, match="line end"):
        encode_entry(Entry(TIME, Stream.STDOUT, False, b"a\nb"))
