"""Lines of one file joined into messages, and how far its checkpoint may go meanwhile.

What joins is a `MultilineStream`: of `multiline.parser`, or one of the two older ways (`oldmultiline`, `dockermode`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pillion.collector.inputs.tail.shaping import Shape, clean, said_of_message, tidy
from pillion.collector.multiline import Stream
from pillion.collector.records import Content, Lines, Records, append_constants

if TYPE_CHECKING:
    from pillion.collector.inputs.tail.encoding import Encoding
    from pillion.collector.inputs.tail.splitting import Run
    from pillion.collector.multiline import Message, MultilineStream


class Mark(NamedTuple):
    """Where a line is in its file."""

    start: int
    end: int


class Joined(NamedTuple):
    content: Content | None
    invalid: int
    settled_to: int
    """The checkpoint may go here when `content` is settled: what lies behind is held."""
    truncated: int
    """Messages that had more lines than one may have."""


class Joiner:
    """One file's. Without a stream it joins nothing, and is not asked to."""

    def __init__(self, stream: MultilineStream | None, flush_timeout: float = 4.0) -> None:
        self._stream = stream
        self._timeout = flush_timeout
        self._fed_at = 0.0

    @property
    def joins(self) -> bool:
        return self._stream is not None

    @property
    def due_at(self) -> float | None:
        """When what is held has to be given out, although it may not be complete."""
        if self._stream is None or self._stream.first_held is None:
            return None
        return self._fed_at + self._timeout

    def feed(self, run: Run, shape: Shape, encoding: Encoding, *, path: str, now: int, at: float) -> Joined:
        """More lines, at `now` in nanoseconds and `at` on the loop's clock."""
        stream = self._stream
        assert stream is not None
        self._fed_at = at
        cleaned = clean(encoding.decoded(run.data))
        passed = self._passed(cleaned.data, shape, path=path, now=now)
        if passed is not None:
            return Joined(passed, cleaned.invalid, run.end, 0)
        lines = cleaned.data.removesuffix(b"\n").split(b"\n")
        raw = run.data.split(b"\n") if encoding.width == 1 else lines
        done: list[tuple[Message, int]] = []
        begin = run.start
        for number, line in enumerate(lines):
            length = encoding.length(line) if encoding.width > 1 else len(raw[number])
            end = min(begin + length + encoding.width, run.end)
            kept = tidy(line + b"\n", skip_empty_lines=shape.skip_empty_lines)
            if kept:
                held: Mark | None = stream.first_held
                messages = stream.feed(kept[:-1].decode(), now, Mark(begin, end))
                first = held.start if held is not None else begin
                done += [
                    (message, first if len(messages) == 1 else message.mark.start) for message in messages
                ]
            begin = end
        return self._joined(done, shape, path=path, end=run.end, invalid=cleaned.invalid)

    def _passed(self, data: bytes, shape: Shape, *, path: str, now: int) -> Content | None:
        """All lines at once, when it is certain that none of them begins or continues a message."""
        if not isinstance(self._stream, Stream) or shape.offset_key or not data.endswith(b"\n"):
            return None
        data = tidy(data, skip_empty_lines=shape.skip_empty_lines)
        if not data or data.startswith(b"\n") or b"\n\n" in data:
            return None
        content = self._stream.pass_through(Lines(data=data, time=now))
        if content is None or not shape.path_key:
            return content
        return append_constants(content, {shape.path_key: path})

    def flush(self, shape: Shape, *, path: str, end: int) -> Joined:
        """Everything that is held."""
        assert self._stream is not None
        held: Mark | None = self._stream.first_held
        done = [(message, held.start if held else message.mark.start) for message in self._stream.flush()]
        return self._joined(done, shape, path=path, end=end, invalid=0)

    def _joined(
        self, done: list[tuple[Message, int]], shape: Shape, *, path: str, end: int, invalid: int
    ) -> Joined:
        assert self._stream is not None
        held: Mark | None = self._stream.first_held
        content = None
        if done:
            content = Records(
                times=[message.time for message, _ in done],
                bodies=[
                    said_of_message(message.body, shape, path=path, offset=offset) for message, offset in done
                ],
            )
        truncated = sum(message.truncated for message, _ in done)
        return Joined(content, invalid, held.start if held is not None else end, truncated)
