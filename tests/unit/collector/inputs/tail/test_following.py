"""What a user sees of the tail input: which lines come, under which tags, and what is said."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tail_lab import FakeIntake, Running, TailContext, tailing

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Entry
from pillion.collector.inputs.tail.plugin import PLUGIN
from pillion.collector.inputs.tail.settings import TailSettings
from pillion.collector.multiline import builtin


def follow(folder: Path, scene: Callable[[Running], Awaitable[None]], **keys: Any) -> FakeIntake:
    """Play `scene` beside a tail of `folder/*.log`, stop it, and return what was handed over."""

    async def play() -> FakeIntake:
        async with tailing(folder, **keys) as running:
            await scene(running)
            await running.stop() if not running.task.done() else None
            return running.intake

    return asyncio.run(play())


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def count(running: Running, amount: int) -> None:
    await running.intake.until(lambda: len(running.intake.bodies()) >= amount)


def nothing(running: Running) -> Awaitable[None]:
    return asyncio.sleep(0)


# ── where reading begins ─────────────────────────────────────────────────────────────────────────────────────────────
def test_at_the_very_first_start_only_what_comes_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "old\n")

    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "new\n")
        write(tmp_path / "later.log", "from its beginning\n")
        await count(running, 2)

    assert sorted(follow(tmp_path, scene).texts()) == ["from its beginning", "new"]


def test_read_from_head_reads_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "old\n")
    assert follow(tmp_path, nothing, read_from_head=True).texts() == ["old"]


def test_later_files_begin_at_their_end_when_asked_for(tmp_path: Path) -> None:
    other = tmp_path / "aside"
    write(other, "old\n")

    async def scene(running: Running) -> None:
        other.rename(tmp_path / "later.log")
        await running.intake.until(lambda: bool(running.context.status.files))
        write(tmp_path / "later.log", "new\n")
        await count(running, 1)

    assert follow(tmp_path, scene, read_newly_discovered_files_from_head=False).texts() == ["new"]


def test_a_restart_goes_on_where_everything_was_settled(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "one\ntwo\n")
    assert follow(tmp_path, nothing, read_from_head=True).texts() == ["one", "two"]
    write(tmp_path / "a.log", "three\n")
    write(tmp_path / "came meanwhile.log", "new\n")
    assert sorted(follow(tmp_path, nothing).texts()) == ["new", "three"]


def test_a_restart_repeats_what_was_not_settled(tmp_path: Path) -> None:
    async def first() -> None:
        async with tailing(tmp_path, intake=FakeIntake(eager=False)) as running:
            for text in ("one\n", "two\n", "three\n"):
                write(tmp_path / "a.log", text)
                await count(running, len(running.intake.bodies()) + 1)
            running.intake.settle(running.intake.handed[0], running.intake.handed[2])

    asyncio.run(first())
    assert follow(tmp_path, nothing).texts() == ["two", "three"]


def test_another_file_with_the_same_inode_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one\ntwo\n")
    follow(tmp_path, nothing, read_from_head=True)
    with log.open("r+") as file:  # what an inode that is used again looks like
        file.write("six\nsev\nend\n")
    assert follow(tmp_path, nothing).texts() == ["six", "sev", "end"]


# ── rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_renamed_file_is_read_to_its_end_and_beyond(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene(running: Running) -> None:
        with log.open("a", buffering=1) as writer:
            writer.write("one\n")
            await count(running, 1)
            log.rename(tmp_path / "a.log.1")
            write(log, "new\n")
            await count(running, 2)
            writer.write("late\n")
            await count(running, 3)

    assert follow(tmp_path, scene, tag="*", path_key="file").bodies() == [
        {"file": str(log), "log": "one"}, {"file": str(log), "log": "new"}, {"file": str(log), "log": "late"},
    ]  # fmt: skip


def test_a_deleted_file_is_read_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene(running: Running) -> None:
        with log.open("a", buffering=1) as writer:
            writer.write("one\n")
            await count(running, 1)
            log.unlink()
            writer.write("two\nunfinished")

    assert follow(tmp_path, scene).texts() == ["one", "two", "unfinished"]


def test_a_rotated_file_is_let_go_when_it_is_quiet_and_its_writer_has_closed_it(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene(running: Running) -> None:
        status = running.context.status
        write(log, "one\n")
        await count(running, 1)
        write(log, "unfinished")
        log.rename(tmp_path / "a.log.1")
        await running.intake.until(lambda: status.files_closed == 1)
        assert running.intake.texts() == ["one", "unfinished"]
        await running.intake.until(lambda: not status.files)
        write(tmp_path / "a.log.1", " and somebody writes to it after all\n")
        await count(running, 3)

    texts = follow(tmp_path, scene, rotate_wait=0.05, progress_check_interval=0.05).texts()
    assert texts[2] == " and somebody writes to it after all"


def test_a_rotated_name_that_matches_again_is_not_read_again(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene(running: Running) -> None:
        write(log, "one\n")
        await count(running, 1)
        log.rename(tmp_path / "b.log")
        write(log, "two\n")
        await count(running, 2)

    assert follow(tmp_path, scene).texts() == ["one", "two"]


def test_a_copied_and_truncated_file_goes_on_at_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene(running: Running) -> None:
        with log.open("w", buffering=1) as writer:  # without O_APPEND: it goes on behind a hole
            writer.write("one\n")
            await count(running, 1)
            shutil.copyfile(log, tmp_path / "a.log.1")
            os.truncate(log, 0)
            writer.write("two is behind a hole\n")
            await count(running, 2)
        assert running.context.status.files_truncated == 1

    assert follow(tmp_path, scene).texts() == ["one", "two is behind a hole"]


def test_what_was_rotated_away_while_the_collector_was_gone_is_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one\n")
    follow(tmp_path, nothing, read_from_head=True)
    write(log, "two\n")
    log.rename(tmp_path / "a.log.2")
    write(log, "three\n")
    log.rename(tmp_path / "a.log.1")
    write(log, "four\n")
    assert follow(tmp_path, nothing).texts() == ["two", "three", "four"]


def test_the_rest_of_a_file_that_was_copied_and_truncated_meanwhile_is_in_its_copy(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one\n")
    follow(tmp_path, nothing, read_from_head=True)
    write(log, "two\n")
    shutil.copyfile(log, tmp_path / "a.log.1")
    os.truncate(log, 0)
    write(log, "three\n")
    assert follow(tmp_path, nothing).texts() == ["two", "three"]


def test_a_link_that_points_elsewhere_is_another_file(tmp_path: Path) -> None:
    targets = [tmp_path / "first", tmp_path / "second"]
    link = tmp_path / "current.log"
    link.symlink_to(targets[0])

    async def scene(running: Running) -> None:
        write(targets[0], "one\n")
        await count(running, 1)
        write(targets[1], "two\n")
        (tmp_path / "next").symlink_to(targets[1])
        (tmp_path / "next").replace(link)
        await count(running, 2)
        write(targets[0], "late\n")
        await count(running, 3)

    assert sorted(follow(tmp_path, scene).texts()) == ["late", "one", "two"]


def test_while_the_buffer_is_full_rotated_files_are_held_open(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def play() -> list[str]:
        async with tailing(tmp_path, intake=FakeIntake(eager=False, limit=1)) as running:
            write(log, "0\n")
            await running.intake.until(lambda: len(running.intake.handed) == 1)
            for number in range(1, 5):
                log.unlink()
                write(log, f"{number}\n")
                await running.intake.until(lambda n=number: running.context.status.files_opened == n + 1)
            running.stopping.set()
            while not running.task.done():
                running.intake.settle(*running.intake.unsettled())
                await asyncio.wait([running.task], timeout=0.01)
            return running.intake.texts()

    assert asyncio.run(play()) == ["0", "1", "2", "3", "4"]


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_last_line_without_an_end_comes_at_the_stop(tmp_path: Path) -> None:
    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "whole\nhalf")
        await count(running, 1)
        assert running.intake.texts() == ["whole"]

    assert follow(tmp_path, scene).texts() == ["whole", "half"]


def test_a_long_line_is_split_and_the_file_is_followed_on(tmp_path: Path) -> None:
    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "x" * 250 + "\nshort\n")
        await count(running, 4)
        assert running.context.status.long_lines == 1

    bodies = follow(tmp_path, scene, buffer_max_size=100).bodies()
    assert [len(body["log"]) for body in bodies] == [100, 100, 50, 5]
    assert [body.get("partial_ordinal") for body in bodies] == ["1", "2", "3", None]


@pytest.mark.parametrize(
    ("keys", "lengths"), [({"skip_long_lines": True}, [5, 5]), ({"truncate_long_lines": True}, [5, 99, 5])]
)
def test_a_long_line_is_left_out_or_cut_when_asked_for(
    tmp_path: Path, keys: dict[str, bool], lengths: list[int]
) -> None:
    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "first\n" + "x" * 250 + "\nshort\n")
        await count(running, len(lengths))

    texts = follow(tmp_path, scene, buffer_max_size=100, **keys).texts()
    assert [len(text) for text in texts] == lengths


def test_tracebacks_are_joined_and_checkpoints_stay_before_them(tmp_path: Path) -> None:
    context = TailContext(tmp_path, multiline={name: builtin(name) for name in ("python", "java")})
    trace = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\nValueError: no\n'
    )

    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "plain\n" + trace)
        await count(running, 1)
        (status,) = running.context.status.files.values()
        await running.intake.until(lambda: status.delivered_offset == len("plain\n"))

    bodies = follow(
        tmp_path, scene, context=context, multiline_parser=("java", "python"), path_key="file", key="unused"
    ).bodies()
    assert [body["log"].rstrip("\n") for body in bodies] == ["plain", trace.rstrip("\n")]
    assert {body["file"] for body in bodies} == {f"{tmp_path}/a.log"}


class Pattern:
    """A parser of a regular expression, for tests."""

    def __init__(self, name: str, pattern: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)

    def parse(self, text: str, now: int) -> tuple[int, dict[str, Any]] | None:
        found = self._pattern.match(text)
        return (now, found.groupdict()) if found else None


def test_the_older_multiline_appends_to_the_last_field(tmp_path: Path) -> None:
    parsers = {
        "first": Pattern("first", r"(?P<level>[A-Z]+) (?P<text>.*)"),
        "more": Pattern("more", r"id=(?P<id>\d+)"),
    }
    write(tmp_path / "a.log", "lost start\nWARN one\n two\nid=7\nINFO three\n")
    bodies = follow(
        tmp_path,
        nothing,
        context=TailContext(tmp_path, parsers=parsers),
        read_from_head=True,
        multiline=True,
        parser_firstline="first",
        parser_n=(Entry(key="parser_1", words=("more",), place="f:1"),),
    ).bodies()
    assert bodies == [
        {"log": "lost start"},
        {"level": "WARN", "text": "one\n two", "id": "7"},
        {"level": "INFO", "text": "three"},
    ]


def test_docker_mode_joins_the_parts_of_a_line(tmp_path: Path) -> None:
    lines = [{"log": "one ", "n": 1}, {"log": "two\n", "n": 2}, {"log": "three\n", "n": 3}]
    write(tmp_path / "a.log", "".join(json.dumps(line) + "\n" for line in lines) + "no json\n")
    texts = follow(tmp_path, nothing, read_from_head=True, docker_mode=True).texts()
    assert [json.loads(text) for text in texts[:2]] == [
        {"log": "one two\n", "n": 2},
        {"log": "three\n", "n": 3},
    ]
    assert texts[2] == "no json"


def test_a_held_message_comes_when_its_time_is_up(tmp_path: Path) -> None:
    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "X one\ntwo\n")
        await count(running, 1)

    parsers = {"first": Pattern("first", r"X (?P<text>.*)")}
    intake = follow(
        tmp_path,
        scene,
        context=TailContext(tmp_path, parsers=parsers),
        multiline=True,
        parser_firstline="first",
        multiline_flush=0.05,
    )
    assert intake.bodies() == [{"text": "one\ntwo"}]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"path": ()}, "path: no file"),
        ({"rotate_wait": 0}, "rotate_wait"),
        ({"multiline": True}, "parser_firstline"),
        ({"unicode_encoding": "auto", "generic_encoding": "GBK"}, "generic.encoding"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TailSettings(**({"path": ("/a",)} | keys))


def test_an_encoding_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no encoding Klingon"):
        PLUGIN.build(TailSettings(path=("/a",), generic_encoding="Klingon"), TailContext(tmp_path))


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_folders_that_come_later_are_looked_into(tmp_path: Path) -> None:
    async def scene(running: Running) -> None:
        (tmp_path / "pods" / "web").mkdir(parents=True)
        write(tmp_path / "pods" / "web" / "0.log", "one\n")
        await count(running, 1)

    intake = follow(tmp_path, scene, path=(f"{tmp_path}/pods/*/*.log",), tag="kube.*")
    assert intake.texts() == ["one"]
    assert intake.handed[0].tag == f"kube.{str(tmp_path)[1:].replace('/', '.')}.pods.web.0.log"


def test_excluded_files_are_left_out(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.log"):
        write(tmp_path / name, f"{name}\n")
    assert follow(tmp_path, nothing, read_from_head=True, exclude_path=("*/b.*", "*/c.log")).texts() == [
        "a.log"
    ]


def test_old_files_are_left_out_until_they_are_written_to(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "old\n")
    os.utime(log, (1, 1))

    async def scene(running: Running) -> None:
        assert not running.context.status.files
        write(log, "new\n")
        await count(running, 1)

    assert follow(
        tmp_path,
        scene,
        read_from_head=True,
        ignore_older=3600,
        refresh_interval=0.05,
        progress_check_interval=0.05,
    ).texts() == ["new"]


def test_without_inotify_files_are_looked_at(tmp_path: Path) -> None:
    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "one\n")
        await count(running, 1)
        (tmp_path / "a.log").rename(tmp_path / "a.log.1")
        write(tmp_path / "a.log", "two\n")
        await count(running, 2)

    assert follow(
        tmp_path, scene, inotify_watcher=False, fstat_interval=0.01, progress_check_interval=0.01
    ).texts() == ["one", "two"]


def test_exit_on_eof_ends_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "one\ntwo")

    async def play() -> list[str]:
        async with tailing(tmp_path, read_from_head=True, exit_on_eof=True) as running:
            async with asyncio.timeout(20):
                await running.task
            return running.intake.texts()

    assert asyncio.run(play()) == ["one", "two"]


@pytest.mark.parametrize(
    ("prepare", "path", "sentence"),
    [
        (lambda folder: None, "missing/*.log", "there is no folder {folder}/missing (is its volume mounted"),
        (lambda folder: (folder / "x").mkdir(), "x/*.log", "{folder}/x is empty"),
        (lambda folder: write(folder / "other", ""), "*.log", "{folder} has "),
        (lambda folder: write(folder / "b.log", ""), "b*.log", "all 1 files are excluded"),
        (lambda folder: write(folder / "a.log.gz", "?"), "a.*", "compressed files like {folder}/a.log.gz are not read"),
        (lambda folder: (folder / "d.log").mkdir(), "d.log", "it is a folder; its files are {folder}/d.log/*"),
        (lambda folder: (folder / "l.log").symlink_to("nowhere"), "l.log", "it links to nowhere, which does not exist"),
    ],
)  # fmt: skip
def test_why_nothing_is_followed_is_said(
    tmp_path: Path, prepare: Callable[[Path], object], path: str, sentence: str
) -> None:
    prepare(tmp_path)
    said: list[dict[str, str]] = []

    async def scene(running: Running) -> None:
        said.append(running.context.notices.current)

    follow(tmp_path, scene, path=(f"{tmp_path}/{path}",), exclude_path=("*/b.log",))
    assert any(sentence.format(folder=tmp_path) in one for one in said[0].values()), said


def test_what_was_said_is_withdrawn_when_there_are_files(tmp_path: Path) -> None:
    async def scene(running: Running) -> None:
        assert running.context.notices.current
        write(tmp_path / "a.log", "one\n")
        await count(running, 1)
        assert running.context.notices.current == {}

    follow(tmp_path, scene)


def test_without_a_folder_for_checkpoints_it_runs_and_says_so(tmp_path: Path) -> None:
    context = TailContext(tmp_path)
    context.checkpoint_folder = None
    said: list[str] = []

    async def scene(running: Running) -> None:
        write(tmp_path / "a.log", "one\n")
        await count(running, 1)
        said.extend(running.context.notices.current.values())

    assert follow(tmp_path, scene, context=context).texts() == ["one"]
    assert any("checkpoints" in sentence for sentence in said)


def test_status_says_how_far_each_file_is(tmp_path: Path) -> None:
    async def play() -> None:
        async with tailing(tmp_path, intake=FakeIntake(eager=False)) as running:
            write(tmp_path / "a.log", "one\ntwo\nhalf")
            await count(running, 2)
            (status,) = running.context.status.files.values()
            assert (status.size, status.read_offset, status.delivered_offset) == (12, 12, 0)
            assert status.oldest_unsent is not None
            running.intake.settle(*running.intake.handed)
            assert (status.delivered_offset, status.oldest_unsent) == (8, None)
            running.intake.eager = True

    asyncio.run(play())
