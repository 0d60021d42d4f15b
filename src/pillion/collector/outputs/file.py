"""The file output: records appended to a file, by default one for each tag (plugins/out_file/file.c).

A delivery is acknowledged when the system has taken all of it, which survives the end of this process; with `fsync on`
when the disk has it, which survives a power cut, too. The file is opened for each delivery, as Fluent Bit does: whoever
renames or removes it gets a new one, and a folder that is missing or full is waited for. When only a part could be
written, the file is cut back to the end of its last whole record; what a killed process left of a record stays alone on
its line.
"""

from __future__ import annotations

import os
import stat
import threading
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, assert_never

from pillion.collector.configuration.settings import Differs, Kind, OutputSettings, key
from pillion.collector.network.interruption import Interruption
from pillion.collector.outputs import fileformats
from pillion.collector.outputs.destinations import Action, Destinations, Pattern, sort
from pillion.collector.outputs.rendered import Rendered, records_after
from pillion.collector.outputs.rotation import Rotation
from pillion.collector.outputs.stream import Descriptor, RecordStream
from pillion.collector.plugin import Again, Delivered, OutputPlugin
from pillion.collector.records import as_records, join, json_lines, pack_events, parse_date, parse_template

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from pillion.collector.outputs.rendered import Render
    from pillion.collector.plugin import OutputContext, Verdict
    from pillion.collector.records import Content

_LIMIT_BYTES = 2 << 20

Format = Literal["out_file", "plain", "json_lines", "csv", "ltsv", "template", "msgpack"]
DateFormat = Literal[
    "double", "epoch", "epoch_ms", "epoch_millis", "epoch_milliseconds", "iso8601", "java_sql_timestamp"
]


class FileSettings(OutputSettings, frozen=True, kw_only=True):
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "a file that cannot be written": (
            "tried again", Differs(fluent_bit="the chunk is dropped", why="a full disk would lose records")
        ),
    }  # fmt: skip
    refused: ClassVar[Mapping[str, str]] = {
        "atomic_chunks": "a file for each delivery is not written; let its reader follow the file, with format plain",
    }

    path: Annotated[
        str,
        key(help="the folder, `$key` in it stands for a record's field; without it the working directory"),
    ] = ""
    file: Annotated[str, key(help="the file's name, `$key` as in path; without it the tag, made safe")] = ""
    enable_strftime: Annotated[
        bool, key(help="`%Y-%m-%d` in path and file stand for the record's time, in UTC")
    ] = False
    max_dynamic_files: Annotated[int, key(help="most files that fields may name; 0: no limit")] = 1024
    on_missing_field: Annotated[
        Action,
        key(
            help="when a record lacks a field of the name: error (ours: a dead letter), drop or fallback",
        ),
    ] = "error"
    on_limit_reached: Annotated[Action, key(help="beyond max_dynamic_files: as on_missing_field")] = "error"
    fallback_path: Annotated[str, key(help="the folder for records without a place to go")] = ""
    fallback_file: Annotated[str, key(help="their file; needed when path or file are dynamic")] = ""
    format: Annotated[
        Format, key(help="out_file: `TAG: [TIME, JSON]`; plain: JSON; json_lines (ours): JSON with the time")
    ] = "out_file"
    delimiter: Annotated[str, key(help="between values in csv and ltsv: tab, space or comma")] = ""
    label_delimiter: Annotated[str, key(help="between label and value in ltsv: tab, space or comma")] = ""
    template: Annotated[str, key(help="for the format template: text with {keys} in it")] = "{time} {message}"
    csv_column_names: Annotated[bool, key(help="begin an empty csv file with the names of the columns")] = (
        False
    )
    mkdir: Annotated[bool, key(help="make folders that are missing")] = False
    fsync: Annotated[bool, key(help="ours: acknowledge when the disk has it, not when the system has it")] = (
        False
    )
    json_date_key: Annotated[str, key(help="for json_lines: the key of the time; false: none")] = "date"
    json_date_format: Annotated[DateFormat, key(help="for json_lines: how the time is written")] = "double"
    rotate: Annotated[bool, key(help="rename the file when it is full")] = False
    rotate_max_size: Annotated[int, key(kind=Kind.SIZE, help="when that is")] = 100_000_000
    rotate_max_files: Annotated[int, key(help="how many renamed files are kept")] = 7
    rotate_gzip: Annotated[bool, key(help="pack renamed files")] = True

    def __post_init__(self) -> None:
        if self.rotate and self.rotate_max_size <= 0:
            raise ValueError("rotate_max_size: it must be more than 0")
        if self.rotate and self.rotate_max_files < 1:
            raise ValueError("rotate_max_files: at least 1 is kept")
        if self.path.startswith("$"):
            raise ValueError("path: it must begin with a folder before the first record accessor")
        for name in ("path", "file"):
            try:
                parse_template(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        if not self.fallback_file and (
            self.destinations.are_dynamic or "fallback" in (self.on_missing_field, self.on_limit_reached)
        ):
            raise ValueError("fallback_file: it is needed when records choose their file")

    @property
    def destinations(self) -> Destinations:
        return Destinations(
            path=Pattern(text=self.path, is_dated=self.enable_strftime),
            file=Pattern(text=self.file, is_dated=self.enable_strftime),
            fallback=PurePosixPath(self.fallback_path, self.fallback_file) if self.fallback_file else None,
            limit=self.max_dynamic_files,
            on_missing_field=self.on_missing_field,
            on_limit_reached=self.on_limit_reached,
        )


class FileOutput:
    """Several workers take turns: lines do not mix."""

    def __init__(self, settings: FileSettings, log: logging.Logger) -> None:
        self._settings = settings
        self._log = log
        self._render = rendering(settings)
        self._destinations = settings.destinations
        self._known: set[PurePosixPath] = set()
        self._rotation = (
            Rotation(
                max_bytes=settings.rotate_max_size,
                max_files=settings.rotate_max_files,
                is_packed=settings.rotate_gzip,
            )
            if settings.rotate
            else None
        )
        self._turn = threading.Lock()
        self._interruption = Interruption()
        self._streams: dict[Path, RecordStream] = {}
        """Paths that are no regular files: `/dev/stdout`, a FIFO. They stay open: what was begun must be ended."""

    def deliver(self, tag: str, content: Content) -> Verdict:
        with self._interruption.waiting() as wake, self._turn:
            if self._destinations.are_dynamic:
                return self._distribute(tag, content, wake)
            name = self._settings.file or fileformats.file_name(tag)
            return self._deliver_to(Path(self._settings.path, name), tag, content, wake)

    def _distribute(self, tag: str, content: Content, wake: int) -> Verdict:
        """Each record to the file that it names. Those whose file cannot be written remain, in their order there."""
        chosen = sort(self._destinations, self._known, tag, content)
        if chosen.dropped:
            self._log.warning("%d records without a file to go to are dropped", chosen.dropped)
        rejected = tuple(chosen.rejected.items())
        remaining: list[Content] = []
        reason = ""
        for path, records in chosen.files.items():
            verdict = self._deliver_to(Path(path), tag, records, wake)
            if isinstance(verdict, Again):
                reason = verdict.reason
                remaining.append(records if verdict.remaining is None else verdict.remaining)
        if not remaining:
            return Delivered(rejected=rejected)
        return Again(reason=reason, remaining=join(remaining), rejected=rejected)

    def _deliver_to(self, path: Path, tag: str, content: Content, wake: int) -> Verdict:
        stream = self._streams.get(path)
        if stream is not None:
            return self._stream_to(stream, path, tag, content, wake)
        if self._rotation is not None:
            self._rotation.rotate(path, self._log)
        try:
            descriptor = self._open(path)
        except OSError as error:
            return Again(reason=f"cannot open {path}: {error.strerror}")
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return self._append(descriptor, path, tag, content)
            stream = RecordStream(Descriptor(descriptor), self._render, str(path))
        finally:
            os.close(descriptor)
        self._streams[path] = stream
        return self._stream_to(stream, path, tag, content, wake)

    def interrupt(self) -> None:
        self._interruption.interrupt()

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES

    def _open(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:
            if not self._settings.mkdir:
                raise
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            return os.open(path, flags, 0o666)

    def _append(self, descriptor: int, path: Path, tag: str, content: Content) -> Verdict:
        rendered = self._render(tag, content)
        head = self._head(descriptor, content) or self._line_end(descriptor)
        sent, reason = _write(descriptor, head + rendered.data if head else rendered.data)
        if not reason and self._settings.fsync:
            reason = _synced(descriptor)
        if not reason:
            return Delivered()
        border = rendered.border(sent - len(head)) if sent > len(head) else 0
        _cut_back(descriptor, sent - (border + len(head) if border else 0))
        return Again(
            reason=f"cannot write to {path}: {reason}",
            remaining=records_after(content, rendered.whole(border)),
        )

    def _head(self, descriptor: int, content: Content) -> bytes:
        settings = self._settings
        if settings.format != "csv" or not settings.csv_column_names or os.fstat(descriptor).st_size:
            return b""
        return fileformats.csv_columns(content, fileformats.delimiter(settings.delimiter, ","))

    def _line_end(self, descriptor: int) -> bytes:
        """Half a record, left by a process that was killed while it wrote, must not take the next one with it."""
        size = os.fstat(descriptor).st_size
        if not size or self._settings.format == "msgpack":
            return b""
        try:
            reader = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""  # it may be written only
        try:
            return b"" if os.pread(reader, 1, size - 1) in (b"\n", b"") else b"\n"
        finally:
            os.close(reader)

    def _stream_to(self, stream: RecordStream, path: Path, tag: str, content: Content, wake: int) -> Verdict:
        verdict = stream.deliver(tag, content, wake)
        if isinstance(verdict, Again) and stream.is_broken:
            # A FIFO's next reader begins with a whole line.
            del self._streams[path]
            stream.close()
        return verdict


def rendering(settings: FileSettings) -> Render:
    match settings.format:
        case "out_file":
            return fileformats.render_tagged
        case "plain":
            return fileformats.render_plain
        case "json_lines":
            date = parse_date(settings.json_date_key, settings.json_date_format)
            return lambda _, content: Rendered(data=json_lines(content, date))
        case "csv":
            return fileformats.csv(fileformats.delimiter(settings.delimiter, ","))
        case "ltsv":
            return fileformats.ltsv(
                fileformats.delimiter(settings.delimiter, "\t"),
                fileformats.delimiter(settings.label_delimiter, ":"),
            )
        case "template":
            return fileformats.template(settings.template)
        case "msgpack":
            return _render_events
        case _:
            assert_never(settings.format)


def _render_events(tag: str, content: Content) -> Rendered:  # noqa: ARG001 - the signature of all formats
    return Rendered(data=pack_events(content), ends=lambda: _event_ends(content))


def _event_ends(content: Content) -> list[int]:
    found = as_records(content)
    return list(
        accumulate(
            len(pack_events(type(found)(times=[at], bodies=[body])))
            for at, body in zip(found.times, found.bodies, strict=True)
        )
    )


def _write(descriptor: int, data: bytes) -> tuple[int, str]:
    """How many bytes were written, and why not all of them."""
    view = memoryview(data)
    sent = 0
    while sent < len(view):
        try:
            sent += os.write(descriptor, view[sent:])
        except OSError as error:
            return sent, error.strerror or str(error)
    return sent, ""


def _synced(descriptor: int) -> str:
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _cut_back(descriptor: int, surplus: int) -> None:
    """Take away the `surplus` bytes that were written last, unless somebody else has written behind them."""
    end = os.lseek(descriptor, 0, os.SEEK_CUR)
    if surplus and os.fstat(descriptor).st_size == end:
        os.ftruncate(descriptor, end - surplus)


def build(settings: FileSettings, context: OutputContext) -> FileOutput:
    for name in ("delimiter", "label_delimiter"):
        if not fileformats.is_delimiter(getattr(settings, name)):
            context.log.warning(
                "%s: %s is none of tab, space and comma: it is passed over, as Fluent Bit does",
                settings.place,
                name,
            )
    return FileOutput(settings, context.log)


PLUGIN = OutputPlugin(name="file", settings=FileSettings, build=build)
