"""Standard input: what its lines become, and what its end does."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from tests.plugin_lab import HeldIntake, InputSurroundings

from pillion.collector.inputs.stdin import Stdin, StdinSettings
from pillion.collector.inputs.stdinlines import LineReader
from pillion.collector.records import Content, Lines, Records, Texts, as_records

NOW = 5_000_000_000


def read(*pieces: bytes, limit: int = 10_000) -> list[tuple[int, dict[str, object]]]:
    reader = LineReader("log", None, limit)
    contents: list[Content] = []
    for piece in pieces:
        contents += reader.read(piece, NOW)
    contents += reader.end(NOW)
    return [
        (at, body)
        for content in contents
        for at, body in zip(as_records(content).times, as_records(content).bodies, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b'{"a":1}\n{"b":2}\n', [(NOW, {"a": 1}), (NOW, {"b": 2})], id="maps"),
        pytest.param(b'{"a":1} {"b":2}\n', [(NOW, {"a": 1}), (NOW, {"b": 2})], id="two maps in a line"),
        pytest.param(b'[7, {"a":1}]\n', [(7 * 10**9, {"a": 1})], id="an event with its time"),
        pytest.param(b'[7.5, {"a":1}]\n', [(7_500_000_000, {"a": 1})], id="… and a fraction"),
        pytest.param(b'[[7, {}], {"a":1}]\n', [(7 * 10**9, {"a": 1})], id="… and metadata"),
        pytest.param(b'{\n "a": [\n1\n]\n}\n{"b":2}\n', [(NOW, {"a": [1]}), (NOW, {"b": 2})], id="over lines"),
        pytest.param(b"plain\n", [(NOW, {"log": "plain"})], id="text is kept"),
        pytest.param(b'{"a":1}\nno\n{}\n', [(NOW, {"a": 1}), (NOW, {"log": "no"}), (NOW, {})], id="between"),
        pytest.param(b'{"a":\n', [(NOW, {"log": '{"a":'})], id="JSON that never ends is text"),
        pytest.param(b'{"a":"x\n', [(NOW, {"log": '{"a":"x'})], id="no string goes over a line's end"),
        pytest.param(b"[1,2]\n", [(NOW, {"log": "[1,2]"})], id="an array that is no event is text"),
        pytest.param(b"3\n", [(NOW, {"log": "3"})], id="a number is text"),
    ],
)  # fmt: skip
def test_a_line_is_a_map_an_event_or_text(text: bytes, expected: list[tuple[int, dict[str, object]]]) -> None:
    assert read(text) == expected
    if b"{\n" not in text and b":\n" not in text:
        assert read(*text.splitlines(keepends=True)) == expected


def test_json_over_lines_may_come_in_pieces() -> None:
    assert read(b'{"a":1,\n', b'"b":\n', b"2}\n") == [(NOW, {"a": 1, "b": 2})]


def test_json_that_grows_without_end_is_given_out_as_text() -> None:
    assert read(b'{"a":[\n', *[b"1,\n"] * 100, limit=50)[0] == (NOW, {"log": '{"a":['})


def test_json_lines_stay_text() -> None:
    assert LineReader("log", None, 100).read(b'{"a":1}\n{}\n', 9) == [Texts(data=b'{"a":1}\n{}\n', times=9)]


class Upper:
    name = "upper"

    def parse(self, text: str, now: int) -> None: ...

    def parse_lines(self, lines: Lines) -> Content:
        texts = lines.data.decode().split("\n")[:-1]
        return Records(times=[1] * len(texts), bodies=[{lines.key: text.upper()} for text in texts])


def collected(
    text: bytes, *, settings: StdinSettings | None = None, end: bool = True
) -> tuple[HeldIntake, InputSurroundings]:
    async def run() -> None:
        intake = HeldIntake()
        reader, writer = os.pipe()
        stdin = Stdin(settings or StdinSettings(), context, reader)
        stopping = asyncio.Event()
        try:
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                running = group.create_task(stdin.run(intake, stopping))
                os.write(writer, text)
                if end:
                    os.close(writer)
                else:
                    stopping.set()
                await running
        finally:
            await stdin.close()
            os.close(reader)
            if not end:
                os.close(writer)
        result.append(intake)

    context = InputSurroundings("stdin.0", parsers={"upper": Upper()})  # type: ignore[dict-item]
    result: list[HeldIntake] = []
    asyncio.run(run())
    return result[0], context


def test_the_end_of_standard_input_ends_the_input_and_its_last_line_counts() -> None:
    intake, _ = collected(b'{"a":1}\r\n\n{"a":2}')
    assert [(tag, body) for tag, _, body in intake.records] == [("stdin.0", {"a": 1}), ("stdin.0", {"a": 2})]


def test_a_stop_takes_what_is_there() -> None:
    intake, _ = collected(b'{"a":1}\n{"a":2', end=False)
    assert intake.bodies == [{"a": 1}, {"log": '{"a":2'}]


def test_what_is_no_utf8_is_replaced_and_counted() -> None:
    intake, context = collected(b'{"a":"\xff"}\nfine\n')
    assert intake.bodies == [{"a": "�"}, {"log": "fine"}]
    assert context.status.invalid_utf8 == 1
    assert "name a parser" in next(iter(context.notices.current.values()))


def test_a_parser_reads_each_line() -> None:
    intake, context = collected(b"one\ntwo\n", settings=StdinSettings(parser="upper", tag="t", key="k"))
    assert intake.records == [("t", 1, {"k": "ONE"}), ("t", 1, {"k": "TWO"})]
    assert context.notices.current == {}


@pytest.mark.parametrize("amount", [0, 5000])
def test_a_file_can_be_standard_input(tmp_path: Path, amount: int) -> None:
    path = tmp_path / "in"
    path.write_text("".join(json.dumps({"n": number}) + "\n" for number in range(amount)))

    async def run(descriptor: int) -> HeldIntake:
        intake = HeldIntake()
        await Stdin(StdinSettings(), InputSurroundings(), descriptor).run(intake, asyncio.Event())
        return intake

    with path.open("rb") as file:
        intake = asyncio.run(run(file.fileno()))
    assert [body["n"] for body in intake.bodies] == list(range(amount))


def test_dev_null_is_at_its_end_at_once() -> None:
    async def run(descriptor: int) -> None:
        await Stdin(StdinSettings(), InputSurroundings(), descriptor).run(HeldIntake(), asyncio.Event())

    with Path("/dev/null").open("rb") as null:
        asyncio.run(run(null.fileno()))


def test_a_buffer_smaller_than_fluent_bits_smallest_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer_size"):
        StdinSettings(buffer_size=100)
