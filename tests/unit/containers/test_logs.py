"""Following a container's log file: growth, rotation, falling behind, the last line."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from pillion.containers.inotify import Folders
from pillion.containers.logfiles import LogOffset
from pillion.containers.logs import follow, tail


def line(text: str) -> bytes:
    return f"2026-01-02T03:04:05.000000000+00:00 stdout F {text}\n".encode()


def read_all(log: Path, script: Callable[[list[str], asyncio.Event], None]) -> list[str]:
    """Follow `log`; `script` is called with what was read so far each time a batch came, and once before."""

    async def main() -> list[str]:
        ended, got = asyncio.Event(), list[str]()
        script(got, ended)
        async with asyncio.timeout(5):
            async for entries, _ in follow(log, ended, Folders()):
                got += [entry.payload.decode() for entry in entries]
                script(got, ended)
        return got

    return asyncio.run(main())


def test_lines_come_as_they_are_written_and_the_last_one_is_not_lost(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line("a"))

    def script(got: list[str], ended: asyncio.Event) -> None:
        if got == ["a"]:
            with log.open("ab") as stream:
                stream.write(line("b"))
            ended.set()

    assert read_all(log, script) == ["a", "b"]


def test_what_was_written_to_the_old_file_after_the_last_read_comes_before_the_new_file(
    tmp_path: Path,
) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line("a"))

    def script(got: list[str], ended: asyncio.Event) -> None:
        if got == ["a"]:
            log.rename(tmp_path / "0.log.20260102-030405")
            with (tmp_path / "0.log.20260102-030405").open("ab") as stream:
                stream.write(line("b"))
            log.write_bytes(line("c"))
            ended.set()

    assert read_all(log, script) == ["a", "b", "c"]


def test_a_reader_that_fell_behind_reads_the_rotated_files_too(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line("a"))

    def script(got: list[str], ended: asyncio.Event) -> None:
        if got == ["a"]:
            log.unlink()
            with gzip.open(tmp_path / "0.log.20260102-030405.gz", "wb") as stream:
                stream.write(line("a"))
            with gzip.open(tmp_path / "0.log.20260102-030406.gz", "wb") as stream:
                stream.write(line("b"))
            (tmp_path / "0.log.20260102-030407").write_bytes(line("c"))
            log.write_bytes(line("d"))
            ended.set()

    assert read_all(log, script) == ["a", "b", "c", "d"]


def test_files_that_were_removed_unread_leave_a_mark(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line("a"))

    def script(got: list[str], ended: asyncio.Event) -> None:
        if got == ["a"]:
            log.unlink()
            for second in range(4):
                with gzip.open(tmp_path / f"0.log.20260102-03040{second}.gz", "wb") as stream:
                    stream.write(line(str(second)))
            log.write_bytes(line("z"))
            ended.set()

    got = read_all(log, script)
    assert [text for text in got if "missing" not in text] == ["a", "0", "1", "2", "3", "z"]
    assert sum("missing" in text for text in got) == 1


def test_the_tail_of_a_long_log_is_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(b"".join(line(f"{n} {'x' * 100}") for n in range(2000)))
    assert [entry.payload.split()[0] for entry in tail(log, 2)] == [b"1998", b"1999"]
    assert tail(tmp_path / "none", 2) == []


def read_on(log: Path, start: LogOffset | None = None) -> tuple[list[str], LogOffset]:
    """Whole lines from there to the end, and where to go on."""

    async def main() -> tuple[list[str], LogOffset]:
        ended, got, offset = asyncio.Event(), list[str](), start
        ended.set()
        async with asyncio.timeout(5):
            async for entries, after in follow(log, ended, Folders(), start):
                got += [entry.payload.decode() for entry in entries]
                offset = after
        assert offset is not None
        return got, offset

    return asyncio.run(main())


def test_who_goes_on_from_an_offset_neither_repeats_nor_loses_a_line(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line("a") + line("b") + line("half")[:-4])
    got, offset = read_on(log)
    assert got == ["a", "b"]
    log.write_bytes(log.read_bytes() + line("half")[-4:] + line("c"))
    assert read_on(log, offset)[0] == ["half", "c"]


def test_parts_of_a_line_that_was_not_over_are_read_again(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    part = line("x").replace(b" F ", b" P ")
    log.write_bytes(line("a") + part)

    async def until_held_back() -> LogOffset:
        async with aclosing(follow(log, asyncio.Event(), Folders())) as batches:
            entries, offset = await anext(batches)
        assert [entry.payload for entry in entries] == [b"a"]
        return offset

    offset = asyncio.run(until_held_back())
    with log.open("ab") as stream:
        stream.write(line("y"))
    assert read_on(log, offset)[0] == ["xy"]


@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_offset_goes_with_its_file_when_that_is_rotated(tmp_path: Path, *, is_compressed: bool) -> None:
    log, old = tmp_path / "0.log", tmp_path / "0.log.20260102-030405"
    log.write_bytes(line("a"))
    _, offset = read_on(log)
    log.write_bytes(line("a") + line("b"))
    log.rename(old)
    log.write_bytes(line("c"))
    if is_compressed:
        # It was read as a rotated one already: only its name is left to know it by.
        offset = msgspec.structs.replace(offset, stem=old.name)
        old.with_name(f"{old.name}.gz").write_bytes(gzip.compress(old.read_bytes()))
        old.unlink()
    got, offset = read_on(log, offset)
    assert got == ["b", "c"]
    assert read_on(log, offset)[0] == []


def test_an_offset_in_a_file_that_is_gone_is_a_gap_and_the_present_file_is_read(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(line("new"))
    gone = LogOffset(inode=1, stem="0.log.20200101-000000", offset=4)
    assert read_on(log, gone)[0] == [
        "[pillion: lines are missing here: 0.log was rotated away before it was read]",
        "new",
    ]
    reused = LogOffset(inode=log.stat().st_ino, offset=7)
    assert read_on(log, reused)[0][-1] == "new"
