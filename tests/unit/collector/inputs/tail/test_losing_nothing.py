"""What would lose lines if nobody thought of it: each test is a way to lose some that was found by looking for one."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.tail_lab import FakeIntake, Running, TailContext, tailing

from pillion.collector.inputs.tail.rotation import origins
from pillion.collector.records import Content
from pillion.units import Instant


def live(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def copy_and_truncate(path: Path) -> Path:
    copy = path.with_name(f"{path.name}.1")
    shutil.copyfile(path, copy)
    os.truncate(path, 0)
    return copy


async def until_texts(running: Running, *texts: str) -> None:
    await running.intake.until(lambda: set(running.intake.texts()) >= set(texts))


# ── truncation, and what is not acknowledged yet ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("pattern", ["*.log", "*.log*"])
def test_what_was_not_acknowledged_before_a_truncation_is_read_again_from_the_copy(
    tmp_path: Path, pattern: str
) -> None:
    log = tmp_path / "a.log"
    context = TailContext(tmp_path / "state")
    keys: dict[str, Any] = {
        "context": context,
        "path": (f"{tmp_path}/{pattern}",),
        "read_from_head": True,
    }

    async def scene() -> None:
        write(log, "one", "two")
        async with tailing(tmp_path, intake=FakeIntake(eager=False), **keys) as running:
            await until_texts(running, "one", "two")
            copy_and_truncate(log)
            write(log, "three")
            await until_texts(running, "three")
            running.tail._saving.save()
            await running.kill()
        async with tailing(tmp_path, **keys) as running:
            await until_texts(running, "one", "two", "three")

    live(scene())


def test_the_checkpoint_of_a_copy_moves_when_what_was_read_before_the_truncation_is_acknowledged(
    tmp_path: Path,
) -> None:
    log = tmp_path / "a.log"
    context = TailContext(tmp_path / "state")

    async def scene() -> None:
        write(log, "one", "two")
        intake = FakeIntake(eager=False)
        async with tailing(tmp_path, intake=intake, context=context, read_from_head=True) as running:
            await until_texts(running, "one", "two")
            copy_and_truncate(log)
            write(log, "three")
            await until_texts(running, "three")
            intake.settle(*intake.unsettled())
            running.tail._saving.save()
            await running.kill()
        async with tailing(tmp_path, context=context, read_from_head=True) as running:
            write(log, "four")
            await until_texts(running, "four")
            assert running.intake.texts() == ["four"]

    live(scene())


def test_a_line_that_was_half_read_before_a_truncation_is_read_whole_from_the_copy(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene() -> None:
        log.write_text("one\nha")
        async with tailing(tmp_path, read_from_head=True) as running:
            await running.intake.until(
                lambda: any(file.read_offset == 6 for file in running.context.status.files.values())
            )
            with log.open("a") as file:
                file.write("lf\n")
                file.flush()
                copy_and_truncate(log)
            write(log, "two")
            await until_texts(running, "two")
            assert running.intake.texts() == ["one", "half", "two"]

    live(scene())


# ── rotation that nobody told us of ──────────────────────────────────────────────────────────────────────────────────
DEAF: dict[str, Any] = {
    "inotify_watcher": False,
    "fstat_interval": 0.01,
    "refresh_interval": 0.01,
    "progress_check_interval": 0.01,
}


def test_a_file_that_came_and_was_rotated_while_its_path_was_empty_is_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene() -> None:
        async with tailing(tmp_path, read_from_head=True, **DEAF) as running:
            write(log, "one")
            await until_texts(running, "one")
            log.rename(tmp_path / "a.log.1")
            await running.intake.until(lambda: running.context.status.files_rotated == 1)
            (tmp_path / "a.log.1").rename(tmp_path / "a.log.2")
            write(log, "two")
            log.rename(tmp_path / "a.log.1")
            write(log, "three")
            await until_texts(running, "one", "two", "three")

    live(scene())


@pytest.mark.parametrize("then", ["three", ""])
def test_a_file_that_nobody_ever_saw_under_its_name_is_read(tmp_path: Path, then: str) -> None:
    log = tmp_path / "a.log"

    async def scene() -> None:
        async with tailing(tmp_path, read_from_head=True, **DEAF) as running:
            write(log, "two")
            log.rename(tmp_path / "a.log.1")
            if then:
                write(log, then)
            await until_texts(running, "two", *filter(None, [then]))
            assert running.intake.texts()[0] == "two"

    live(scene())


def test_the_file_of_another_worker_is_not_taken_for_a_rotated_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with tailing(tmp_path, path=(f"{tmp_path}/a.log",), read_from_head=True, **DEAF) as running:
            write(tmp_path / "a-1.log", "another worker's")
            write(tmp_path / "a.log", "one")
            await until_texts(running, "one")
            await running.stop()
            assert running.intake.texts() == ["one"]

    live(scene())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.log.1", ["a.log"]),
        ("a.log-20260101-1767225600", ["a.log-20260101", "a.log"]),
        ("a-2026-01-01T10-00-00.000.log", ["a.log"]),
        ("a.1.log", ["a.log"]),
        ("a.log.old", ["a.log"]),
        ("a-1.log", []),
        ("a.log", []),
        (".1", []),
    ],
)
def test_what_a_rotated_file_was_called(name: str, found: list[str]) -> None:
    assert [base for base in origins(name) if base in ("a.log", "a.log-20260101")] == found


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_line_that_is_being_written_at_the_end_is_left_whole_for_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    context = TailContext(tmp_path / "state")

    async def scene() -> None:
        with log.open("a") as file:
            async with tailing(tmp_path, context=context, read_from_head=True) as running:
                file.write("one\nha")
                file.flush()
                await until_texts(running, "one")
                await running.stop()
                assert running.intake.texts() == ["one"]
            file.write("lf\n")
            file.flush()
        async with tailing(tmp_path, context=context) as running:
            await until_texts(running, "half")
            assert running.intake.texts() == ["half"]

    live(scene())


def test_a_line_without_an_end_whose_writer_is_gone_comes_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene() -> None:
        async with tailing(tmp_path, read_from_head=True) as running:
            with log.open("a") as file:
                file.write("one\nla")
                file.flush()
                await until_texts(running, "one")
                file.write("st")
            await running.stop()
            assert running.intake.texts() == ["one", "last"]

    live(scene())


def test_a_writer_that_goes_on_does_not_keep_the_end_from_coming(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    class Busy(FakeIntake):
        """For whatever is read, more is written."""

        async def put(self, tag: str, content: Content, *, settled: Callable[[], None] | None = None) -> None:
            await super().put(tag, content, settled=settled)
            write(log, "more")

    async def scene() -> None:
        async with tailing(tmp_path, intake=Busy(), read_from_head=True) as running:
            write(log, "one")
            await until_texts(running, "one", "more")
            await asyncio.wait_for(running.stop(), 20)

    live(scene())


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", [b"caf\xe9.log", b"two\nlines.log", b' "q\\.log', "日誌.log".encode()])
def test_a_name_is_bytes_and_may_be_any(tmp_path: Path, name: bytes) -> None:
    log = tmp_path / os.fsdecode(name)
    keys: dict[str, Any] = {"context": TailContext(tmp_path / "state"), "tag": "app.*", "path_key": "file"}

    async def scene() -> None:
        write(log, "one")
        async with tailing(tmp_path, read_from_head=True, **keys) as running:
            await until_texts(running, "one")
            [handed] = running.intake.handed
            [body] = handed.bodies
            assert body["file"] == f"{tmp_path}/{name.decode(errors='replace')}"
            assert handed.tag.encode().endswith(name.decode(errors="replace").replace("\\", "").encode())
            await running.stop()
        write(log, "two")
        async with tailing(tmp_path, **keys) as running:
            await until_texts(running, "two")
            assert running.intake.texts() == ["two"]

    live(scene())


class LateClock:
    ahead = 0.0

    def now(self) -> Instant:
        return Instant(time.time() + self.ahead)


def test_what_came_and_was_rotated_while_the_last_lines_were_delivered_is_read_after_the_restart(
    tmp_path: Path,
) -> None:
    log = tmp_path / "a.log"
    context = TailContext(tmp_path / "state")
    context.clock = clock = LateClock()  # type: ignore[assignment]

    async def scene() -> None:
        write(log, "one")
        async with tailing(tmp_path, context=context, read_from_head=True) as running:
            await until_texts(running, "one")
            await running.stop()
            log.rename(tmp_path / "a.log.2")
            write(log, "two")
            log.rename(tmp_path / "a.log.1")
            write(log, "three")
            clock.ahead = 60  # an output that takes its time
        async with tailing(tmp_path, context=context) as running:
            await until_texts(running, "three")
            assert running.intake.texts() == ["two", "three"]

    live(scene())


@pytest.mark.parametrize("step", [-7200.0, -5.0, 5.0, 7200.0])
def test_somebody_sets_the_clock(tmp_path: Path, step: float) -> None:
    """Times of files jump, ours do not. What nobody told us of is found all the same, before and after a restart."""
    log = tmp_path / "a.log"
    context = TailContext(tmp_path / "state")
    stepped = [0.0]

    def rotated(line: str, to: int) -> None:
        write(log, line)
        stamp = time.time() + stepped[0]
        os.utime(log, (stamp, stamp))
        log.rename(tmp_path / f"a.log.{to}")

    async def scene() -> None:
        async with tailing(tmp_path, context=context, read_from_head=True, **DEAF) as running:
            running.tail._files._stamps = lambda: time.time() + stepped[0]
            rotated("before", 9)
            await until_texts(running, "before")
            stepped[0] = step
            rotated("after", 8)
            await until_texts(running, "before", "after")
            await running.stop()
        rotated("meanwhile", 7)
        write(log, "new")
        async with tailing(tmp_path, context=context) as running:
            await until_texts(running, "meanwhile", "new")
            assert running.intake.texts() == ["meanwhile", "new"]

    live(scene())


def test_a_collector_that_was_killed_at_once_has_left_when_it_looked(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    context = TailContext(tmp_path / "state")

    async def scene() -> None:
        write(log, "one")
        async with tailing(tmp_path, context=context, read_from_head=True) as running:
            await running.kill()
        log.rename(tmp_path / "a.log.2")
        write(log, "two")
        log.rename(tmp_path / "a.log.1")
        write(log, "three")
        async with tailing(tmp_path, context=context) as running:
            await until_texts(running, "one", "two", "three")

    live(scene())
