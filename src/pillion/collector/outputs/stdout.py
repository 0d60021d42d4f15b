"""The stdout output: records on the collector's standard output (plugins/out_stdout/stdout.c)."""

from __future__ import annotations

import threading
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal, assert_never

from pillion.collector.configuration.settings import OutputSettings, key
from pillion.collector.network.interruption import Interruption
from pillion.collector.outputs.rendered import Rendered
from pillion.collector.outputs.stream import Descriptor, RecordStream
from pillion.collector.plugin import OutputPlugin
from pillion.collector.records import (
    Date,
    as_records,
    json_array,
    json_lines,
    json_stream,
    parse_date,
    print_events,
)

if TYPE_CHECKING:
    from pillion.collector.outputs.rendered import Render
    from pillion.collector.plugin import OutputContext, Verdict
    from pillion.collector.records import Content

_STANDARD_OUTPUT = 1
_LIMIT_BYTES = 2 << 20
"""A Fluent Bit chunk. More would not be faster, and one delivery would hold the stream for long."""

Format = Literal["msgpack", "text", "json", "json_stream", "json_lines"]
DateFormat = Literal[
    "double", "epoch", "epoch_ms", "epoch_millis", "epoch_milliseconds", "iso8601", "java_sql_timestamp"
]


class StdoutSettings(OutputSettings, frozen=True, kw_only=True):
    format: Annotated[
        Format,
        key(help='how records are written; msgpack and text: `[0] TAG: [[TIME, {}], {"key"=>"value"}]`'),
    ] = "msgpack"
    json_date_key: Annotated[
        str, key(help="the key for a record's time in the JSON formats; false: none")
    ] = "date"
    json_date_format: Annotated[DateFormat, key(help="how the time is written")] = "double"


class Stdout:
    """Several workers take turns: lines do not mix."""

    def __init__(self, descriptor: Descriptor, render: Render) -> None:
        self._stream = RecordStream(descriptor, render, "standard output")
        self._turn = threading.Lock()
        self._interruption = Interruption()

    def deliver(self, tag: str, content: Content) -> Verdict:
        with self._interruption.waiting() as wake, self._turn:
            return self._stream.deliver(tag, content, wake)

    def interrupt(self) -> None:
        self._interruption.interrupt()

    def close(self) -> None:
        self._stream.close()

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES


def rendering(how: Format, date: Date | None) -> Render:
    """What a chunk looks like in one of the formats that flb_pack_to_json_format_type knows."""
    match how:
        case "msgpack" | "text":
            return render_text
        case "json":
            return lambda _, content: Rendered(data=json_array(content, date) + b"\n", is_one=True)
        case "json_stream":
            return lambda _, content: Rendered(data=json_stream(content, date) + b"\n", is_one=True)
        case "json_lines":
            return lambda _, content: Rendered(data=json_lines(content, date))
        case _:
            assert_never(how)


def render_text(tag: str, content: Content) -> Rendered:
    """Its strings stand as they are, newlines too: where a record ends is found by writing it alone."""
    return Rendered(
        data=print_events(tag, content).encode("utf-8", "replace"), ends=lambda: _text_ends(tag, content)
    )


def _text_ends(tag: str, content: Content) -> list[int]:
    found = as_records(content)
    return list(
        accumulate(
            len(print_events(tag, type(found)(times=[at], bodies=[body])).encode("utf-8", "replace"))
            + len(str(index))
            - len("0")
            for index, (at, body) in enumerate(zip(found.times, found.bodies, strict=True))
        )
    )


def build(settings: StdoutSettings, context: OutputContext) -> Stdout:  # noqa: ARG001 - every plugin's signature
    date = parse_date(settings.json_date_key, settings.json_date_format)
    return Stdout(Descriptor(_STANDARD_OUTPUT), rendering(settings.format, date))


PLUGIN = OutputPlugin(name="stdout", settings=StdoutSettings, build=build)
