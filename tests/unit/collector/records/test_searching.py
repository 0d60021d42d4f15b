"""Bytes are found in buffers whatever else is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.collector.records.searching import contains
from pillion.collector.records.texts import count_lines, remember_lines


@given(st.binary(max_size=64), st.binary(min_size=1, max_size=3))
def test_the_c_library_finds_what_python_finds(data: bytes, needle: bytes) -> None:
    assert contains(data, needle) == (needle in data)


@pytest.mark.parametrize("data", [b"", b"a\0host", b"host\0", b'{"host":1}', b"hos", b"\xff" * 70 + b"host"])
def test_zeros_do_not_end_a_search(data: bytes) -> None:
    assert contains(data, b"host") == (b"host" in data)


def test_lines_are_counted_once_for_each_buffer() -> None:
    buffers = [b"x" * size + b"\n" * size for size in (5000, 6000, 7000, 8000, 9000, 10_000)]
    for _ in range(2):
        assert [count_lines(buffer) for buffer in buffers] == [5000, 6000, 7000, 8000, 9000, 10_000]
    remember_lines(buffers[0], 5000)
    assert count_lines(bytes(bytearray(buffers[0]))) == 5000
