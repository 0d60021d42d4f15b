"""The keys of the tail input: Fluent Bit's config_map (plugins/in_tail/tail.c), and where our defaults differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pillion.collector.configuration.settings import Differs, Entry, InputSettings, Kind, key

LINE_BYTES = 1 << 20
"""A line may have this many bytes before it is split, unless `buffer_max_size` says otherwise."""

_READS = "files are read in large pieces, in turn"
_DATABASE = "offsets are kept in a database of the collector's own, or in the one that `db` names"


class TailSettings(InputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "buffer_chunk_size": _READS,
        "static_batch_size": _READS,
        "event_batch_size": _READS,
        "watcher_interval": "rotation is seen when it happens, and looked for every progress_check_interval",
        "keep_file_handle": "a file that is closed could be rotated away unread: descriptors are always kept",
        "max_open_files": "a file that is not opened could be rotated away unread",
        "file_cache_advise": "the kernel decides what it caches",
        "threaded": "inputs share one thread",
        "thread.ring_buffer.capacity": "inputs share one thread",
        "thread.ring_buffer.window": "inputs share one thread",
        "storage.pause_on_chunks_overlimit": "mem_buf_limit bounds what is on its way",
    }
    refused: ClassVar[Mapping[str, str]] = {
        "docker_mode_parser": "use `multiline.parser docker` and a multiline filter for what the lines say",
    }

    path: Annotated[
        tuple[str, ...], key(kind=Kind.LIST, help="files to follow: paths or patterns with * ? […]")
    ]
    exclude_path: Annotated[
        tuple[str, ...], key(kind=Kind.LIST, help="patterns of paths to leave out; `*` matches `/` too")
    ] = ()
    key: Annotated[str, key(help="the key of a line that no parser took apart")] = "log"
    read_from_head: Annotated[
        bool,
        key(
            help="read files that exist at the very first start from their beginning, not from their end",
            differs=Differs(
                fluent_bit="every start without an offset for the file counts as the first, and so does what was made "
                "while it started",
                why="a file that appeared while the collector was away or started would lose its lines",
            ),
        ),
    ] = False
    read_newly_discovered_files_from_head: Annotated[
        bool, key(help="read files that appear later from their beginning")
    ] = True
    refresh_interval: Annotated[
        float,
        key(
            kind=Kind.SECONDS,
            help="how often the patterns are looked up although nothing seems to have changed",
        ),
    ] = 60.0
    progress_check_interval: Annotated[
        float,
        key(kind=Kind.SECONDS, help="how often files are looked at although nothing seems to have changed"),
    ] = 2.0
    progress_check_interval_nsec: Annotated[int, key(help="added to progress_check_interval")] = 0
    fstat_interval: Annotated[
        float, key(kind=Kind.SECONDS, help="how often files are looked at where inotify does not work")
    ] = 0.25
    rotate_wait: Annotated[
        float,
        key(
            kind=Kind.SECONDS,
            help="how long a rotated file must have been quiet, and read to its end, to be let go",
            differs=Differs(
                fluent_bit="the rotated file is let go after this time, whatever is unread",
                why="bytes that were not read yet would be lost",
            ),
        ),
    ] = 5.0
    path_key: Annotated[str, key(help="the key under which a record says its file")] = ""
    offset_key: Annotated[str, key(help="the key under which a record says where in the file it begins")] = ""
    ignore_older: Annotated[
        float, key(kind=Kind.SECONDS, help="leave out files that were not written to for this long; 0: none")
    ] = 0.0
    ignore_active_older_files: Annotated[
        bool, key(help="let go of files that became older than ignore_older, too")
    ] = False
    buffer_max_size: Annotated[
        int,
        key(
            kind=Kind.SIZE,
            help="the most bytes of one line; a longer one becomes several records, marked with partial_message,"
            " partial_id, partial_ordinal and partial_last",
            differs=Differs(
                fluent_bit="32k, and a file with a longer line is no longer followed",
                why="everything after the line would be lost",
            ),
        ),
    ] = LINE_BYTES
    skip_long_lines: Annotated[bool, key(help="leave out lines of more than buffer_max_size bytes")] = False
    truncate_long_lines: Annotated[
        bool,
        key(help="keep the first buffer_max_size bytes of a longer line, unmarked, and leave out its rest"),
    ] = False
    exit_on_eof: Annotated[bool, key(help="stop the collector when all files were read to their end")] = False
    skip_empty_lines: Annotated[bool, key(help="leave out empty lines")] = False
    inotify_watcher: Annotated[
        bool, key(help="hear of changes from the kernel; off: look every fstat_interval")
    ] = True
    parser: Annotated[str, key(help="takes lines apart; a line that it does not match stays as it is")] = ""
    tag_regex: Annotated[str, key(help="named groups found in the path, for `<name>` in the tag")] = ""
    db: Annotated[
        str,
        key(
            help="the file that keeps the offsets",
            differs=Differs(
                fluent_bit="none: offsets are forgotten",
                why="every restart would lose lines or repeat them; a database is always kept where one can be written",
            ),
        ),
    ] = ""
    db_sync: Annotated[
        Literal["extra", "full", "normal", "off"], key(name="db.sync", help="SQLite's `synchronous`")
    ] = "normal"
    db_locking: Annotated[bool, key(name="db.locking", help="keep the database for this process alone")] = (
        False
    )
    db_journal_mode: Annotated[
        Literal["wal", "delete", "truncate", "persist", "memory", "off"],
        key(name="db.journal_mode", help="SQLite's `journal_mode`; not wal on a network file system"),
    ] = "wal"
    db_compare_filename: Annotated[
        bool, key(name="db.compare_filename", help="an offset counts only for the name it was kept for, too")
    ] = False
    multiline_parser: Annotated[
        tuple[str, ...],
        key(
            name="multiline.parser",
            kind=Kind.LIST,
            repeated=True,
            help="joins lines; of several, the first that matches",
        ),
    ] = ()
    multiline: Annotated[bool, key(help="join lines with parser_firstline (the older way)")] = False
    multiline_flush: Annotated[
        float, key(kind=Kind.SECONDS, help="with `multiline`: how long to wait for a message's next line")
    ] = 4.0
    parser_firstline: Annotated[str, key(help="with `multiline`: what a message's first line matches")] = ""
    parser_n: Annotated[
        tuple[Entry, ...],
        key(
            kind=Kind.ENTRIES,
            keys=tuple(f"parser_{number}" for number in range(1, 33)),
            words=1,
            help="with `multiline`: what takes further lines apart, into fields of the message",
        ),
    ] = ()
    docker_mode: Annotated[bool, key(help="join lines that Docker has split (the older way)")] = False
    docker_mode_flush: Annotated[
        float, key(kind=Kind.SECONDS, help="with `docker_mode`: how long to wait for a line's next part")
    ] = 4.0
    unicode_encoding: Annotated[
        str, key(name="unicode.encoding", help="what the files are written in: UTF-16LE, UTF-16BE or auto")
    ] = ""
    generic_encoding: Annotated[
        str, key(name="generic.encoding", help="what the files are written in: ShiftJIS, GBK, Win1252, …")
    ] = ""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: no file to follow")
        if self.refresh_interval <= 0:
            raise ValueError("refresh_interval: must be more than 0")
        if self.rotate_wait <= 0:
            raise ValueError("rotate_wait: must be more than 0")
        if self.buffer_max_size < 16:
            raise ValueError("buffer_max_size: a line may have 16 bytes at least")
        if self.unicode_encoding and self.generic_encoding:
            raise ValueError("generic.encoding: a file has one encoding, and unicode.encoding names it")
        if self.multiline and not self.parser_firstline:
            raise ValueError("multiline: say in parser_firstline what a message begins with")
        if self.multiline and self.docker_mode:
            raise ValueError("docker_mode: cannot be combined with multiline")
