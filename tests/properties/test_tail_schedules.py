"""A writer that rotates as writers do, a collector that is killed now and then, an output that acknowledges late and
out of order: every line arrives, in the order of its file; twice only after a kill.

Schedules are seeded; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tail_lab import FakeIntake, Handed, Running, TailContext, start

from pillion.collector.inputs.tail.settings import TailSettings

SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 60))]
_KEPT = 40
"""Rotated files that are kept before the oldest is deleted."""


class Writer:
    """Numbered lines into one path. Its descriptor may outlive a rotation, as an application's does."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.path = path
        self.name = path.stem
        self._chance = chance
        self._file = path.open("ab", buffering=0)
        self._number = 0
        self._half = b""
        self.written: list[str] = []
        self.generations = [0]
        """Where the lines of each file, or of each content of a truncated one, begin."""

    def write(self, amount: int) -> None:
        for _ in range(amount):
            text = f"{self.name}-{self._number:06d} {'x' * self._chance.choice((0, 3, 80, 700))}"
            self._number += 1
            self.written.append(text)
            data = self._half + text.encode() + b"\n"
            self._half = b""
            cut = self._chance.randrange(1, len(data)) if self._chance.random() < 0.1 else 0
            if cut:
                self._file.write(data[:cut])
                data = data[cut:]
            self._file.write(data)

    def rename(self) -> None:
        """logrotate's `create`, and whoever else renames; sometimes the writer goes on in the old file for a while."""
        self._shift()
        self.path.rename(self._rotated(1))
        if self._chance.random() < 0.4:
            self.write(self._chance.randrange(4))
        self.generations.append(len(self.written))
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def copy_and_truncate(self) -> None:
        """logrotate's `copytruncate`, in the moment when nobody writes."""
        self._shift()
        shutil.copyfile(self.path, self._rotated(1))
        os.truncate(self.path, 0)
        self.generations.append(len(self.written))

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _shift(self) -> None:
        self._rotated(_KEPT).unlink(missing_ok=True)
        for number in range(_KEPT - 1, 0, -1):
            if self._rotated(number).exists():
                self._rotated(number).rename(self._rotated(number + 1))

    def close(self) -> None:
        self._file.close()


class Schedule:
    def __init__(self, folder: Path, seed: int, *, pattern: str, inotify: bool, copies: bool) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.settings = TailSettings(
            path=(f"{folder}/{pattern}",),
            read_from_head=True,
            inotify_watcher=inotify,
            fstat_interval=0.005,
            progress_check_interval=0.02,
            rotate_wait=0.05,
            tag="*",
        )
        self.copies = copies
        self.context = TailContext(folder / "state")
        self.writers = [Writer(folder / f"{name}.log", self.chance) for name in "ab"]
        self.arrived: list[str] = []
        self.kills = 0

    async def run(self) -> None:
        running = self._start()
        await running.intake.until(
            lambda: running.tail._is_hearing
        )  # what was rotated before is none of its business
        for _ in range(self.chance.randrange(10, 40)):
            steps = self._steps(self.chance.choice(self.writers))
            for _ in range(self.chance.choice((1, 1, 2, 5))):
                self.chance.choice(steps)()
            await self._pause()
            self._settle_some(running)
            if self.chance.random() < 0.08:
                await self._kill(running)
                for _ in range(self.chance.randrange(3)):
                    self.chance.choice(steps)()
                running = self._start()
        await running.intake.until(lambda: running.tail._is_hearing)
        running.stopping.set()
        while not running.task.done():
            await asyncio.wait([running.task], timeout=0.005)
            running.intake.settle(*running.intake.unsettled())
        running.task.result()
        self._collect(running)
        await running.tail.close()
        for writer in self.writers:
            writer.close()

    def _steps(self, writer: Writer) -> list[Callable[[], object]]:
        rotate = writer.copy_and_truncate if self.copies else writer.rename
        return [
            lambda: writer.write(self.chance.choice((1, 2, 30, 400))),
            lambda: writer.write(1),
            rotate,
            rotate,
        ]

    def _start(self) -> Running:
        return start(
            self.context, FakeIntake(eager=False, limit=self.chance.choice((1, 4, 50))), self.settings
        )

    async def _pause(self) -> None:
        for _ in range(self.chance.choice((0, 1, 3, 20))):
            await asyncio.sleep(0)
        if self.chance.random() < 0.2:
            await asyncio.sleep(0.01)

    def _settle_some(self, running: Running) -> None:
        waiting: list[Handed] = running.intake.unsettled()
        self.chance.shuffle(waiting)
        running.intake.settle(*waiting[: self.chance.randrange(len(waiting) + 1)])

    async def _kill(self, running: Running) -> None:
        """Sometimes just after checkpoints were written."""
        if self.chance.random() < 0.5:
            running.tail._saving.save()
        await running.kill()
        self._collect(running)
        self.kills += 1

    def _collect(self, running: Running) -> None:
        self.arrived += running.intake.texts()

    def check(self) -> None:
        for writer in self.writers:
            got = [text for text in self.arrived if text.startswith(f"{writer.name}-")]
            missing = [text for text in writer.written if text not in set(got)]
            assert missing == [], f"{len(missing)} of {len(writer.written)} lines are lost"
            assert set(got) <= set(writer.written), "a line arrived that nobody wrote"
            if not self.kills:
                assert len(got) == len(set(got)), "lines came twice without a kill"
                for begin, end in itertools.pairwise([*writer.generations, len(writer.written)]):
                    lines = writer.written[begin:end]
                    assert [text for text in got if text in set(lines)] == lines, (
                        "lines of a file changed their order"
                    )


def play(folder: Path, seed: int, **keys: object) -> Schedule:
    schedule = Schedule(folder, seed, **keys)  # type: ignore[arg-type]
    asyncio.run(schedule.run())
    schedule.check()
    return schedule


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_arrives_whatever_is_renamed_and_killed(tmp_path: Path, seed: int) -> None:
    play(tmp_path, seed, pattern="*.log", inotify=True, copies=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_arrives_when_the_pattern_means_rotated_files_too(tmp_path: Path, seed: int) -> None:
    play(tmp_path, seed, pattern="*.log*", inotify=True, copies=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_arrives_although_nobody_tells_of_changes(tmp_path: Path, seed: int) -> None:
    play(tmp_path, seed, pattern="*.log", inotify=False, copies=False)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pattern", ["*.log", "*.log*"])
def test_every_line_arrives_from_the_copies_of_truncated_files(
    tmp_path: Path, seed: int, pattern: str
) -> None:
    play(tmp_path, seed, pattern=pattern, inotify=True, copies=True)
