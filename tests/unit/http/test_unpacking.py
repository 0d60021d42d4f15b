from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.http.unpacking import BrokenBodyError, unpack_gzip


@given(st.lists(st.binary(max_size=200), max_size=3), st.integers(0, 700))
def test_members_are_unpacked_up_to_the_limit(parts: list[bytes], limit: int) -> None:
    packed = b"".join(map(gzip.compress, parts))
    assert unpack_gzip(packed, limit) == b"".join(parts)[:limit]


@pytest.mark.parametrize("cut", [1, 4, 9, 15, 40])
def test_a_body_that_breaks_off_is_no_body(cut: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 4)
    with pytest.raises(BrokenBodyError):
        unpack_gzip(packed[:-cut], 10_000)


def test_what_is_not_packed_is_an_error() -> None:
    with pytest.raises(BrokenBodyError):
        unpack_gzip(b"a 1\n", 10)
