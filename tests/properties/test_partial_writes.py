"""Whatever a descriptor takes, and whenever it stops: whole lines, in order, each at least once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.collector.outputs.stdout import Format, rendering
from pillion.collector.outputs.stream import RecordStream, Written
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Content, Lines, Records, Texts, as_records, as_texts


class Meagre:
    """Takes as many bytes as the next number says, then claims an interruption."""

    def __init__(self, portions: list[int]) -> None:
        self.taken = b""
        self._portions = portions

    def write(self, data: bytes, wake: int | None) -> Written:
        if not self._portions or self._portions[0] >= len(data):
            self.taken += data
            if self._portions:
                self._portions[0] -= len(data)
            return Written(sent=len(data))
        portion = self._portions.pop(0)
        self.taken += data[:portion]
        return Written(sent=portion, reason="interrupted")

    def close(self) -> None:
        """Nothing to close."""


TEXT = st.text(alphabet='ab"\\ é', min_size=1, max_size=8)


@st.composite
def chunks(draw: st.DrawFn) -> Content:
    values = draw(st.lists(TEXT, min_size=1, max_size=6))
    form = draw(st.sampled_from([Lines, Texts, Records]))
    if form is Lines:
        return Lines(data="".join(f"{value}\n" for value in values).encode(), time=5)
    records = Records(times=list(range(len(values))), bodies=[{"log": value} for value in values])
    return records if form is Records else as_texts(records)


def bodies(content: Content) -> list[dict[str, Any]]:
    return as_records(content).bodies


@pytest.mark.parametrize("form", ["json_lines", "msgpack", "json", "json_stream"])
@given(contents=st.lists(chunks(), min_size=1, max_size=4), portions=st.lists(st.integers(0, 60), max_size=8))
def test_retrying_what_remains_writes_every_record_once(
    form: Format, contents: list[Content], portions: list[int]
) -> None:
    descriptor = Meagre(list(portions))
    render = rendering(form, None)
    stream = RecordStream(descriptor, render, "there")  # type: ignore[arg-type]
    expected: list[dict[str, Any]] = []
    for content in contents:
        expected += bodies(content)
        left: Content | None = content
        while left is not None:
            verdict = stream.deliver("t", left, None)
            if isinstance(verdict, Delivered):
                break
            assert isinstance(verdict, Again)
            assert verdict.remaining is not None
            left = verdict.remaining
    if form == "json_lines":
        assert descriptor.taken == b"".join(
            render("t", Records(times=[0], bodies=[body])).data for body in expected
        )
    elif form in ("json", "json_stream"):
        assert descriptor.taken == b"".join(render("t", content).data for content in contents)
    else:
        lines = descriptor.taken.decode().splitlines()
        assert [line.partition("}], ")[2] for line in lines] == [
            render("t", Records(times=[0], bodies=[body])).data.decode().rstrip("\n").partition("}], ")[2]
            for body in expected
        ]


@given(first=chunks(), second=chunks(), portions=st.lists(st.integers(0, 40), max_size=3))
def test_when_another_chunk_comes_first_all_lines_are_whole_and_none_is_missing(
    first: Content, second: Content, portions: list[int]
) -> None:
    descriptor = Meagre(list(portions))
    render = rendering("json_lines", None)
    stream = RecordStream(descriptor, render, "there")  # type: ignore[arg-type]
    waiting: list[Content] = [first, second]
    while waiting:
        content = waiting.pop(0)
        verdict = stream.deliver("t", content, None)
        if isinstance(verdict, Again):
            assert verdict.remaining is not None
            waiting.append(verdict.remaining)  # behind the other one, as another tag's chunk may be
    found = descriptor.taken.splitlines(keepends=True)
    lines = [
        render("t", Records(times=[0], bodies=[body])).data for body in [*bodies(first), *bodies(second)]
    ]
    assert set(found) == set(lines)
    assert all(found.count(line) >= lines.count(line) for line in lines)
