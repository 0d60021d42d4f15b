"""What the stdout output writes, byte for byte, and what becomes of a reader that stops reading."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path

import pytest
from tests.plugin_lab import OutputSurroundings

from pillion.collector.outputs.rendered import records_after
from pillion.collector.outputs.stdout import PLUGIN, Stdout, StdoutSettings, rendering
from pillion.collector.outputs.stream import Descriptor
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import count
from pillion.collector.records.dates import parse_date

TIME = 1_700_000_000_123_456_789
TEXTS = Texts(data=b'{"a":1,"b":"x"}\n{"c":[true,null,1.5]}\n', times=TIME)


def written(settings: StdoutSettings, content: Content, tag: str = "app.log") -> str:
    date = parse_date(settings.json_date_key, settings.json_date_format)
    return rendering(settings.format, date)(tag, content).data.decode()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(
            {},
            '[0] app.log: [[1700000000.123456789, {}], {"a"=>1, "b"=>"x"}]\n'
            '[1] app.log: [[1700000000.123456789, {}], {"c"=>[true, nil, 1.500000]}]\n',
            id="msgpack is the default and looks as Fluent Bit prints it",
        ),
        pytest.param(
            {"format": "json_lines"},
            '{"date":1700000000.123457,"a":1,"b":"x"}\n{"date":1700000000.123457,"c":[true,null,1.5]}\n',
            id="json_lines: the date first, one record a line",
        ),
        pytest.param(
            {"format": "json"},
            '[{"date":1700000000.123457,"a":1,"b":"x"},{"date":1700000000.123457,"c":[true,null,1.5]}]\n',
            id="json: an array and a line end",
        ),
        pytest.param(
            {"format": "json_stream", "json_date_key": "false"},
            '{"a":1,"b":"x"}{"c":[true,null,1.5]}\n',
            id="json_stream: nothing between, a line end behind; no date when its key is false",
        ),
        pytest.param(
            {"format": "json_lines", "json_date_key": "ts", "json_date_format": "iso8601"},
            '{"ts":"2023-11-14T22:13:20.123456Z","a":1,"b":"x"}\n'
            '{"ts":"2023-11-14T22:13:20.123456Z","c":[true,null,1.5]}\n',
            id="the date's key and format",
        ),
    ],
)
def test_each_format_is_written_as_fluent_bit_writes_it(settings: dict[str, str], expected: str) -> None:
    assert written(StdoutSettings(**settings), TEXTS) == expected  # type: ignore[arg-type]


def test_bytes_and_quotes_and_newlines_stand_as_msgpack_prints_them() -> None:
    content = Records(times=[TIME], bodies=[{"s": 'say "hi"\nthere', "b": b'\x00"a\xff', "n": -3}])
    assert (
        written(StdoutSettings(), content)
        == '[0] app.log: [[1700000000.123456789, {}], {"s"=>"say "hi"\nthere", "b"=>"\\x00\\"a\\xff", "n"=>-3}]\n'
    )


@pytest.mark.parametrize("form", ["msgpack", "json_lines", "json"])
def test_the_end_of_each_record_is_known_in_every_format(form: str) -> None:
    bodies = [{"log": "a\nb" * index} for index in range(12)]
    content = Records(times=[TIME] * 12, bodies=bodies)  # type: ignore[arg-type]
    rendered = rendering(form, None)("t", content)  # type: ignore[arg-type]
    for sent in range(len(rendered.data)):
        whole = rendered.whole(sent)
        left = records_after(content, whole)
        assert left is not None
        assert count(left) == 12 - whole
        assert rendered.border(sent) <= sent < rendered.end_after(sent)
        if form == "json_lines":
            assert rendered.data[: rendered.border(sent)].count(b"\n") == whole


def small_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


class Delivery(threading.Thread):
    def __init__(self, output: Stdout, content: Content) -> None:
        super().__init__(daemon=True)
        self._output, self._content = output, content
        self.start()

    def run(self) -> None:
        self.verdict = self._output.deliver("t", self._content)

    def result(self) -> Delivered | Again:
        self.join(30)
        verdict = self.verdict
        assert isinstance(verdict, Delivered | Again)
        return verdict


def numbered(first: int, end: int) -> Lines:
    return Lines(
        data=b"".join(b"line %06d %s\n" % (number, b"x" * 100) for number in range(first, end)), time=TIME
    )


@pytest.mark.parametrize("form", ["json_lines", "msgpack", "json"])
def test_a_reader_that_stops_is_waited_for_until_the_stop_and_no_line_is_cut_or_repeated(form: str) -> None:
    reader, writer = small_pipe()
    output = Stdout(Descriptor(writer), rendering(form, None))  # type: ignore[arg-type]
    delivery = Delivery(output, numbered(0, 1000))
    got = os.read(reader, 1000)
    while delivery.is_alive():
        output.interrupt()
        delivery.join(0.01)
    verdict = delivery.result()
    assert isinstance(verdict, Again)
    assert verdict.remaining is not None
    assert "interrupted" in verdict.reason
    left = count(verdict.remaining)
    assert 0 < left < 1000 or form == "json"

    again = Delivery(output, verdict.remaining)
    last = b"000999"
    while last not in got:
        got += os.read(reader, 65536)
    assert again.result() == Delivered()
    os.set_blocking(reader, False)
    with contextlib.suppress(BlockingIOError):
        got += os.read(reader, 65536)
    output.close()
    os.close(reader)
    os.close(writer)
    found = [int(part[:6]) for part in got.split(b"line ")[1:]]
    assert found == list(range(1000))


def test_a_line_that_was_begun_is_ended_before_another_chunk() -> None:
    reader, writer = small_pipe()
    output = Stdout(Descriptor(writer), rendering("json_lines", None))
    delivery = Delivery(output, numbered(0, 100))
    while delivery.is_alive():
        output.interrupt()
        delivery.join(0.01)
    verdict = delivery.result()
    assert isinstance(verdict, Again)
    got = os.read(reader, 65536)
    assert not got.endswith(b"\n")
    other = Delivery(output, numbered(500, 501))
    while b"000500" not in got:
        got += os.read(reader, 65536)
    assert other.result() == Delivered()
    os.close(reader)
    os.close(writer)
    output.close()
    lines = got.split(b"\n")
    assert all(line.startswith(b'{"log":"line ') and line.endswith(b'x"}') for line in lines[:-1])
    assert verdict.remaining is not None
    assert (
        len(lines) - 2 == 100 - count(verdict.remaining) + 1
    )  # the begun one, whole, and again in `remaining`


def test_a_closed_reader_is_said_and_nothing_is_lost() -> None:
    reader, writer = os.pipe()
    output = Stdout(Descriptor(writer), rendering("json_lines", None))
    os.close(reader)
    assert output.deliver("t", numbered(0, 3)) == Again(
        reason="cannot write to standard output: the other end is closed", remaining=numbered(0, 3)
    )
    output.close()
    os.close(writer)


def test_a_full_disk_is_said_and_nothing_is_lost() -> None:
    with Path("/dev/full").open("wb") as full:
        output = Stdout(Descriptor(full.fileno()), rendering("json_lines", None))
        verdict = output.deliver("t", numbered(0, 3))
        output.close()
    assert verdict == Again(
        reason="cannot write to standard output: no space left on device", remaining=numbered(0, 3)
    )


def test_the_shared_descriptor_keeps_its_mode_and_is_not_closed() -> None:
    reader, writer = os.pipe()
    output = Stdout(Descriptor(writer), rendering("json_lines", None))
    assert output.deliver("t", numbered(0, 1)) == Delivered()
    output.close()
    assert os.get_blocking(writer)
    os.write(writer, b"still open")
    os.close(reader)
    os.close(writer)


def test_it_is_found_by_its_name_and_built_from_settings() -> None:
    assert PLUGIN.name == "stdout"
    output = PLUGIN.build(StdoutSettings(), OutputSurroundings())
    assert output.limit_bytes > 0
    output.close()
