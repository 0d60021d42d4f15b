"""The multiline filter: records whose texts belong together become one (plugins/filter_multiline/ml.c).

With `buffer` (the default) the joined records begin again at the first filter, and pass this one by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pillion.collector.configuration.settings import Differs, FilterSettings, Kind, key
from pillion.collector.filters.partials import Partials
from pillion.collector.filters.stateless import NOTHING
from pillion.collector.multiline import combine
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Content, Records, as_records

if TYPE_CHECKING:
    from pillion.collector.multiline import Message, Multiline, Stream

_NANOS_IN_MS = 1_000_000
_MOST_STREAMS = 10_000


class MultilineFilterSettings(FilterSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "debug_flush": "the stdout output shows joined records",
        "emitter_name": "joined records go back to the first filter without an input of their own",
        "emitter_storage.type": "records wait where those of their input do",
        "emitter_mem_buf_limit": "records count as their input's, and its mem_buf_limit holds",
    }
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "flush_ms": (
            "an unfinished message is given out so long after its last line",
            Differs(
                fluent_bit="at every flush_ms, whenever its lines came", why="messages would be cut in two"
            ),
        ),
    }

    mode: Annotated[
        Literal["parser", "partial_message"],
        key(
            help="join by multiline parsers, or by the partial_message, partial_id and partial_last that Docker adds"
        ),
    ] = "parser"
    parsers: Annotated[
        tuple[str, ...],
        key(
            name="multiline.parser",
            kind=Kind.LIST,
            repeated=True,
            help="multiline parsers; the first that knows a line has it",
        ),
    ] = ()
    key_content: Annotated[str, key(name="multiline.key_content", help="the field whose text is joined")] = ""
    buffer: Annotated[
        bool, key(help="join across chunks; off: what is unfinished at a chunk's end is given out")
    ] = True
    flush_ms: Annotated[int, key(help="milliseconds after which an unfinished message is given out")] = 2000

    def __post_init__(self) -> None:
        if self.mode == "parser" and not self.parsers:
            raise ValueError("multiline.parser is missing")
        if self.mode == "partial_message" and not self.key_content:
            raise ValueError("multiline.key_content is missing: mode partial_message wants it")
        if self.mode == "partial_message" and not self.buffer:
            raise ValueError("buffer: mode partial_message wants it on")
        if self.flush_ms < 1:
            raise ValueError("flush_ms: must be at least 1")


class ByParser:
    """One stream for each tag."""

    def __init__(self, parser: Multiline, *, buffer: bool, flush_after: int) -> None:
        """`flush_after` in ns."""
        self._parser = parser
        self._buffer = buffer
        self._flush_after = flush_after
        self._streams: dict[str, Stream] = {}
        self._due: dict[str, int] = {}
        self._chunks = 0
        """How many there were: what tells lines of this one from those of earlier ones."""

    def filter(self, tag: str, content: Content, now: int) -> Filtered:
        records = as_records(content)
        stream = self._stream(tag)
        self._chunks += 1
        messages: list[Message] = []
        for time, body in zip(records.times, records.bodies, strict=True):
            messages += stream.feed_record(body, time, self._chunks)
        if not self._buffer:
            return Filtered(content=_records(messages + stream.flush()))
        first_held = stream.first_held
        if first_held is None:
            self._due.pop(tag, None)
            return self._emitted(tag, messages)
        self._due[tag] = now + self._flush_after
        return self._emitted(tag, messages, holds=True, holds_earlier=first_held != self._chunks)

    def flush(self, tag: str, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        self._due.pop(tag, None)
        stream = self._streams.get(tag)
        return NOTHING if stream is None else self._emitted(tag, stream.flush())

    def wake_at(self) -> tuple[str, int] | None:
        return min(self._due.items(), key=lambda item: item[1], default=None)

    def _stream(self, tag: str) -> Stream:
        """A stream that holds nothing may be in the middle of a message all the same: it is kept, within reason."""
        stream = self._streams.get(tag)
        if stream is None:
            if len(self._streams) >= _MOST_STREAMS:
                self._streams = {each: self._streams[each] for each in self._due}
            stream = self._streams[tag] = self._parser.stream()
        return stream

    def _emitted(
        self, tag: str, messages: list[Message], *, holds: bool = False, holds_earlier: bool = True
    ) -> Filtered:
        joined = _records(messages)
        return Filtered(
            content=None,
            emitted=() if joined is None else ((tag, joined),),
            holds=holds,
            holds_earlier=holds_earlier,
        )


def _records(messages: list[Message]) -> Records | None:
    if not messages:
        return None
    return Records(
        times=[message.time for message in messages], bodies=[message.body for message in messages]
    )


def build(settings: MultilineFilterSettings, context: FilterContext) -> Filter:
    flush_after = settings.flush_ms * _NANOS_IN_MS
    if settings.mode == "partial_message":
        return Partials(settings.key_content, flush_after=flush_after)
    parser = combine([context.multiline_parser(name) for name in settings.parsers])
    if settings.key_content:
        parser = parser.with_key_content(settings.key_content)
    return ByParser(parser, buffer=settings.buffer, flush_after=flush_after)


PLUGIN = FilterPlugin(name="multiline", settings=MultilineFilterSettings, build=build)
