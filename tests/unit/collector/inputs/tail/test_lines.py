"""From bytes to lines to contents, and from acknowledgements to offsets."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.collector.inputs.tail.encoding import Encoding, Utf16, encoding_of
from pillion.collector.inputs.tail.identity import Fingerprint, Position
from pillion.collector.inputs.tail.settling import Settling
from pillion.collector.inputs.tail.shaping import Shape, shape_fragment, shape_run
from pillion.collector.inputs.tail.splitting import Fragment, Overlong, Piece, Run, Skipped, Splitter
from pillion.collector.records import as_records

LIMIT = 20


def splitter(
    *,
    limit: int = LIMIT,
    overlong: Overlong = Overlong.SPLIT,
    encoding: Encoding | None = None,
    offset: int = 0,
) -> Splitter:
    return Splitter(offset, limit=limit, overlong=overlong, encoding=encoding or Encoding())


def feed(split: Splitter, data: bytes) -> list[Piece]:
    """As the tailer does: what is pending comes again."""
    return split.feed(split.pending + data)


def lines_of(pieces: list[Piece]) -> list[bytes]:
    return [
        line
        for piece in pieces
        if isinstance(piece, Run)
        for line in piece.data.removesuffix(b"\n").split(b"\n")
    ]


texts = st.lists(st.text(alphabet="aäß€😀\r", max_size=30).map(str.encode))


@given(texts, st.lists(st.integers(1, 40)), st.sampled_from(list(Overlong)))
def test_lines_do_not_depend_on_the_pieces_in_which_they_are_read(
    lines: list[bytes], cuts: list[int], overlong: Overlong
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    split = splitter(overlong=overlong)
    pieces: list[Piece] = []
    at = 0
    for cut in cuts:
        pieces += feed(split, data[at : at + cut])
        at += cut
        assert len(split.pending) <= LIMIT + 40
    pieces += feed(split, data[at:])
    assert split.offset == len(data)
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]], (
        "nothing is left out"
    )
    if overlong is Overlong.SPLIT:
        rebuilt = b""
        for piece in pieces:
            assert not isinstance(piece, Skipped)
            piece.data.decode()  # cut between characters
            rebuilt += piece.data + (b"\n" if isinstance(piece, Fragment) and piece.is_last else b"")
            assert isinstance(piece, Run) or len(piece.data) <= LIMIT
        assert rebuilt == data
    assert lines_of(pieces) == [
        line if len(line) <= LIMIT else line[: Encoding().boundary(line, 0, LIMIT)]
        for line in lines
        if len(line) <= LIMIT or overlong is Overlong.TRUNCATE
    ]


def test_a_long_line_comes_in_marked_parts() -> None:
    pieces = feed(splitter(), b"short\n" + b"x" * 45 + b"\nnext\n")
    assert [(type(piece), piece.start, piece.end) for piece in pieces] == [
        (Run, 0, 6), (Fragment, 6, 26), (Fragment, 26, 46), (Fragment, 46, 52), (Run, 52, 57),
    ]  # fmt: skip
    bodies = [
        as_records(shaped.content).bodies[0]
        for piece in pieces
        if isinstance(piece, Fragment)
        and (shaped := shape_fragment(piece, Shape(), Encoding(), path="/a", now=1)).content is not None
    ]
    assert [len(body["log"]) for body in bodies] == [20, 20, 5]
    assert [body["partial_last"] for body in bodies] == ["false", "false", "true"]
    assert {body["partial_id"] for body in bodies} == {"/a:6"}


def test_the_last_line_is_given_out_when_the_file_is_over() -> None:
    split = splitter()
    feed(split, b"one\ntwo")
    assert split.flush() == [Run(data=b"two", start=4, end=7)]
    assert split.flush() == []
    feed(split, b"x" * 30)
    assert [piece.end for piece in split.flush()] == [37]


def test_a_hole_at_the_beginning_is_nothing_and_zeros_elsewhere_are_text() -> None:
    split = splitter(limit=1000)
    assert feed(split, b"\0" * 100) == []
    assert split.pending == b""
    assert split.in_hole
    assert lines_of(feed(split, b"\0\0a\0b\n\0c\n")) == [b"a\0b", b"\0c"]
    assert lines_of(feed(splitter(offset=10), b"\0a\n")) == [b"\0a"]


def test_utf_16_has_its_line_feeds_at_even_places() -> None:
    text = "Ċ one\nzwei ਊ\n"  # both letters have 0x0A in them
    for codec in ("utf-16-le", "utf-16-be"):
        encoding = Utf16(codec)
        split = splitter(limit=1000, encoding=encoding)
        pieces = [piece for byte in text.encode(codec) for piece in feed(split, bytes([byte]))]
        assert (
            b"".join(encoding.decoded(piece.data) for piece in pieces if isinstance(piece, Run)).decode()
            == text
        )


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"\xff\xfea\0b\0\n\0", "ab\n"), (b"\xfe\xff\0a\0\n", "a\n"), (b"a\0b\0\n\0", "ab\n"), (b"\0a\0b\0\n", "ab\n"),
        (b"\xef\xbb\xbfab\n", "ab\n"), ("äb\n".encode(), "äb\n"),
    ],
)  # fmt: skip
def test_auto_finds_out_what_a_file_is_written_in(head: bytes, text: str) -> None:
    assert encoding_of("auto", "", head).decoded(head).decode() == text


def shaped(data: bytes, *, encoding: Encoding | None = None, **keys: Any) -> list[dict[str, Any]]:
    run = Run(data=data, start=100, end=100 + len(data))
    content = shape_run(run, Shape(**keys), encoding or Encoding(), path="/p", now=5).content
    return as_records(content).bodies if content is not None else []


@pytest.mark.parametrize(
    ("data", "keys", "bodies"),
    [
        (b"a\nb\n", {}, [{"log": "a"}, {"log": "b"}]),
        (b"a\n\nb\n", {}, [{"log": "a"}, {"log": ""}, {"log": "b"}]),
        (b"a\r\n\r\nb\r\r\n", {}, [{"log": "a"}, {"log": "\r"}, {"log": "b\r"}]),
        (b"\n\na\n\r\nb\n\n", {"skip_empty_lines": True}, [{"log": "a"}, {"log": "b"}]),
        (b"a\n", {"path_key": "file"}, [{"file": "/p", "log": "a"}]),
        (b"a\nbc\n", {"offset_key": "at", "key": "m"}, [{"at": 100, "m": "a"}, {"at": 102, "m": "bc"}]),
        (
            b"a\r\n\nb\n",
            {"offset_key": "at", "skip_empty_lines": True},
            [{"at": 100, "log": "a"}, {"at": 104, "log": "b"}],
        ),
        (b"\xff\xc3\n", {}, [{"log": "\ufffd\ufffd"}]),
        (b"end", {}, [{"log": "end"}]),
    ],
)
def test_lines_become_records_as_fluent_bit_makes_them(
    data: bytes, keys: dict[str, Any], bodies: list[dict[str, Any]]
) -> None:
    assert shaped(data, **keys) == bodies
    if "path_key" in keys:
        assert [list(body) for body in shaped(data, **keys)] == [list(body) for body in bodies], (
            "in this order"
        )


def test_lines_that_are_no_utf_8_are_counted() -> None:
    run = Run(data=b"ok\n\xff\nok\n\xc3(\n", start=0, end=12)
    assert shape_run(run, Shape(), Encoding(), path="/p", now=5).invalid == 2


def test_offsets_of_foreign_encodings_are_those_of_the_file() -> None:
    data = "日本\nあ\n".encode("cp932")
    assert shaped(data, encoding=encoding_of("", "ShiftJIS", b""), offset_key="at") == [
        {"at": 100, "log": "日本"}, {"at": 105, "log": "あ"},
    ]  # fmt: skip


@given(st.lists(st.integers(0, 9), min_size=1), st.randoms(use_true_random=False))
def test_the_offset_is_the_end_of_the_longest_settled_prefix(
    lengths: list[int], chance: random.Random
) -> None:
    settling = Settling(7)
    claims = [settling.claim(settling.claimed + length, b"m", 0.0) for length in lengths]
    order = list(claims)
    chance.shuffle(order)
    done = set()
    for claim in order:
        settling.settle(claim)
        done.add(id(claim))
        ends = [7]
        for one in claims:
            if id(one) not in done:
                break
            ends.append(one.end)
        assert settling.offset == ends[-1]
    assert settling.is_settled
    assert settling.oldest is None


def test_a_fingerprint_grows_with_its_file_and_knows_it_again() -> None:
    small = Fingerprint().grown(b"one\n")
    assert small.matches(b"one\ntwo\n")
    assert not small.matches(b"two\n")
    assert not small.matches(b"on")
    large = small.grown(b"one\n" + b"x" * 2000)
    assert large.size == 1024
    assert not large.matches(b"one\n" + b"y" * 2000)
    assert Fingerprint().matches(b"anything")


def test_a_position_holds_only_where_everything_before_it_is_as_it_was() -> None:
    position = Position(offset=8, fingerprint=Fingerprint().grown(b"one\n"), marker=b"two\n")
    assert position.holds(size=8, head=b"one\ntwo\n", marker=b"two\n")
    assert not position.holds(size=7, head=b"one\ntwo", marker=b"two\n")
    assert not position.holds(size=99, head=b"one\nsix\n", marker=b"six\n")
