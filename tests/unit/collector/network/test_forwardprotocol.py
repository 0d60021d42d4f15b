"""Fluentd's forward protocol: what comes in, however it is cut, and what goes out."""

from __future__ import annotations

import contextlib
import gzip
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.collector.network.forwardprotocol import (
    EventTime,
    ForwardProtocolError,
    Frames,
    Packer,
    decode_handshake,
    decode_message,
    nanoseconds,
    records,
    unpacked,
)
from pillion.collector.records import Records

TIME = msgpack.ExtType(0, struct.pack(">II", 1_700_000_000, 123_456_789))
AT = 1_700_000_000_123_456_789
LIMIT = 1 << 20


def pack(value: object) -> bytes:
    packed = msgpack.packb(value)
    assert isinstance(packed, bytes)
    return packed


ENTRIES = pack([TIME, {"a": 1}]) + pack([7, {"b": "x"}])
EXPECTED = Records(times=[AT, 7_000_000_000], bodies=[{"a": 1}, {"b": "x"}])


def received(value: object) -> Records:
    message = decode_message(pack(value))
    assert message is not None
    assert message.tag == "t"
    found = [records(entries) for entries in unpacked(message, LIMIT)]
    return Records(
        times=[at for each in found for at in each.times],
        bodies=[body for each in found for body in each.bodies],
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(["t", TIME, {"a": 1}], Records(times=[AT], bodies=[{"a": 1}]), id="Message"),
        pytest.param(
            ["t", 7, {"a": 1}, {"chunk": "c"}], Records(times=[7 * 10**9], bodies=[{"a": 1}]), id="… options"
        ),
        pytest.param(["t", 7.5, {}], Records(times=[7_500_000_000], bodies=[{}]), id="… a float's time"),
        pytest.param(["t", [[TIME, {"a": 1}], [7, {"b": "x"}]]], EXPECTED, id="Forward"),
        pytest.param(["t", [[TIME, {"a": 1}], [7, {"b": "x"}]], {"size": 2}], EXPECTED, id="… options"),
        pytest.param(["t", [[[TIME, {"m": 1}], {"a": 1}], [[7, {}], {"b": "x"}]]], EXPECTED, id="… metadata"),
        pytest.param(
            ["t", [], None], Records(times=[], bodies=[]), id="… options that are nil, as Docker 18's"
        ),
        pytest.param(["t", ENTRIES], EXPECTED, id="PackedForward"),
        pytest.param(["t", ENTRIES, {"compressed": "text"}], EXPECTED, id="… that says so"),
        pytest.param(
            ["t", gzip.compress(ENTRIES), {"compressed": "gzip"}], EXPECTED, id="CompressedPackedForward"
        ),
        pytest.param(
            ["t", gzip.compress(ENTRIES) + gzip.compress(ENTRIES), {"compressed": "gzip"}],
            Records(times=EXPECTED.times * 2, bodies=EXPECTED.bodies * 2),
            id="… of several members",
        ),
        pytest.param(
            ["t", 7, {"k": {1: [{b"x": None}]}, 5: b"\xff"}],
            Records(times=[7 * 10**9], bodies=[{"k": {"1": [{"x": None}]}, "5": b"\xff"}]),
            id="keys that are no strings become strings",
        ),
    ],
)
def test_every_mode_is_understood(message: list[Any], expected: Records) -> None:
    assert received(message) == expected


def test_text_that_is_no_utf8_is_replaced() -> None:
    body = b"\x81\xa1k\xa2\xff\xfe"
    message = decode_message(b"\x93\xa1t\x07" + body)
    assert message is not None
    assert records(message.entries).bodies == [{"k": "��"}]  # type: ignore[arg-type]
    packed = b"\x92\x07" + body
    assert received(["t", packed + packed]).bodies == [{"k": "��"}] * 2


def test_a_heartbeat_is_nothing() -> None:
    assert decode_message(b"\xc0") is None


@pytest.mark.parametrize(
    "value",
    [
        3, "t", [], ["t"], [3, []], ["t", True], ["t", None], ["t", 7], ["t", 7, [1]], ["t", "x", 3], ["t", [], []],
        ["t", [], {"chunk": 5}], ["t", [], {"compressed": "xz"}], ["t", [], {"fluent_signal": 9}], {"a": 1},
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(value: object) -> None:
    with pytest.raises(ForwardProtocolError):
        decode_message(pack(value))


@pytest.mark.parametrize(
    "message",
    [
        ["t", [3]], ["t", [[7]]], ["t", [[7, 3]]], ["t", [["x", {}]]], ["t", [[True, {}]]], ["t", b"\x92\x07"],
        ["t", b"\xc1"], ["t", b"plain text"], ["t", b"no gzip", {"compressed": "gzip"}],
        ["t", gzip.compress(ENTRIES)[:-4], {"compressed": "gzip"}],
    ],
)  # fmt: skip
def test_entries_that_are_none_are_refused(message: list[Any]) -> None:
    with pytest.raises(ForwardProtocolError):
        received(message)


def test_an_event_time_elsewhere_is_a_number_and_other_extensions_are_bytes() -> None:
    assert received(["t", 7, {"at": TIME, "x": msgpack.ExtType(5, b"ab")}]).bodies == [
        {"at": EventTime(AT), "x": b"ab"}
    ]


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
BODIES = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@given(values=st.lists(VALUES, min_size=1, max_size=5), cuts=st.lists(st.integers(1, 9), max_size=30))
def test_frames_are_found_however_the_stream_is_cut(values: list[Any], cuts: list[int]) -> None:
    stream = b"".join(map(pack, values))
    frames, found, at = Frames(LIMIT), [], 0
    for cut in [*cuts, len(stream)]:
        found += frames.feed(stream[at : at + cut])
        at += cut
    assert found == [pack(value) for value in values]
    assert frames.held == 0


@given(bodies=st.lists(BODIES, max_size=4), times=st.integers(0, 2**32 * 10**9 - 1))
def test_what_is_written_is_read_again(bodies: list[dict[str, Any]], times: int) -> None:
    given_records = Records(times=[times] * len(bodies), bodies=bodies)
    packed = Packer().entries(given_records.times, given_records.bodies)
    assert received(["t", packed]) == given_records


@given(data=st.binary(max_size=60))
def test_no_bytes_do_more_than_refuse(data: bytes) -> None:
    frames = Frames(1000)
    with contextlib.suppress(ForwardProtocolError):
        for frame in frames.feed(data):
            message = decode_message(frame)
            if message is not None:
                for entries in unpacked(message, 1000):
                    records(entries)
    with contextlib.suppress(ForwardProtocolError):
        decode_handshake(data)


def test_a_message_beyond_the_limit_and_one_nested_too_deeply_are_refused() -> None:
    with pytest.raises(ForwardProtocolError, match="buffer_max_size"):
        list(Frames(1000).feed(b"\xc6" + struct.pack(">I", 5000) + b"x" * 2000))
    with pytest.raises(ForwardProtocolError, match="deeply"):
        list(Frames(LIMIT).feed(b"\x91" * 5000))
    with pytest.raises(ForwardProtocolError):
        decode_message(b"\x91" * 900 + b"\xc0")


def test_a_small_message_that_is_large_inside_is_read_in_pieces() -> None:
    entry = pack([7, {"log": "x" * 1000}])
    message = decode_message(pack(["t", gzip.compress(entry * 20_000), {"compressed": "gzip"}]))
    assert message is not None
    sizes = [len(entries) for entries in unpacked(message, LIMIT)]
    assert sum(sizes) == 20_000
    assert max(sizes) < 3_000


def test_numbers_beyond_64_bits_become_floats_and_whole_seconds_are_whole() -> None:
    packer = Packer(whole_seconds=True)
    packed = packer.entries([AT], [{"n": [2**70]}])
    assert msgpack.unpackb(packed) == [1_700_000_000, {"n": [float(2**70)]}]
    assert nanoseconds(1_700_000_000) == 1_700_000_000 * 10**9
