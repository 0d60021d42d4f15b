"""`storage.type filesystem`: what outlives the process, and what happens at the limit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.collector_lab import Lab, lines_of, live

from pillion.collector.configuration import ConfigurationError
from pillion.collector.plugin import Again
from pillion.collector.records import Content

ON_DISK: dict[str, Any] = {"in": {"storage_type": "filesystem"}}


def down(_: Content) -> Again:
    return Again(reason="down")


def test_a_record_is_settled_when_it_is_on_disk_although_no_output_takes_it(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = down
        await lab.put("a", "one")
        await lab.until(lambda: lab.hand.settled == ["one"])

    lab = live(tmp_path, story, disk=True, inputs=ON_DISK, service={"grace": 0.5})
    assert lab.ending is not None
    assert lab.ending.left == lab.ending.on_disk == {"out": 1}

    async def after_the_restart(lab: Lab) -> None:
        await lab.until(lambda: lab.out.texts == ["one"])

    lab = live(tmp_path, after_the_restart, disk=True, inputs=ON_DISK)
    assert lab.ending is not None
    assert not lab.ending.left
    assert list((tmp_path / "storage").glob("*.chunks")) == []


def test_an_output_that_had_it_does_not_get_it_again(tmp_path: Path) -> None:
    outputs: dict[str, dict[str, Any]] = {"up": {}, "down": {}}

    async def story(lab: Lab) -> None:
        lab.outputs["down"].otherwise = down
        await lab.put("a", "one")
        await lab.until(lambda: lab.hand.settled and lab.outputs["up"].texts)

    live(tmp_path, story, disk=True, inputs=ON_DISK, outputs=outputs, service={"grace": 0.5})

    async def after_the_restart(lab: Lab) -> None:
        await lab.until(lambda: lab.outputs["down"].texts == ["one"])

    lab = live(tmp_path, after_the_restart, disk=True, inputs=ON_DISK, outputs=outputs)
    assert lab.outputs["up"].texts == []


def test_what_waits_in_memory_is_written_to_disk_at_the_end(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = down
        await lab.put("a", "one", "two")
        await lab.put("b", "three")

    lab = live(tmp_path, story, disk=True, service={"grace": 0.5})
    assert sorted(lab.hand.settled) == ["one", "three", "two"]
    assert lab.ending is not None
    assert lab.ending.on_disk == {"out": 3}
    lab = live(tmp_path, nothing, disk=True)
    assert sorted(lab.out.texts) == ["one", "three", "two"]


def test_at_the_limit_the_input_is_held_back(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "x" * 80)
        await lab.until(lambda: lab.hand.settled)
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(lab.put("a", "y" * 80))
            await lab.until(lambda: "out: overflow" in lab.notices.current)
            assert not second.done()
            lab.out.gate.set()
        await lab.until(lambda: len(lab.hand.settled) == 2)
        assert not lab.notices.current

    lab = live(tmp_path, story, disk=True, inputs=ON_DISK, outputs={"out": {"storage_total_limit_size": 100}})
    assert lab.pipeline.output_statuses[0].dropped == 0


def test_with_drop_oldest_the_oldest_are_dropped_and_counted(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.gate.clear()
        await lab.put("a", "first".ljust(40))
        await lab.until(lab.out.is_waiting.is_set)
        await lab.put("a", "second".ljust(40))
        await lab.put("a", "third".ljust(40))
        lab.out.gate.set()

    out = {"storage_total_limit_size": 100, "storage_overflow": "drop_oldest"}
    lab = live(tmp_path, story, disk=True, inputs=ON_DISK, outputs={"out": out})
    assert [text.strip() for text in lab.out.texts] == ["first", "third"]
    assert lab.pipeline.output_statuses[0].dropped == 1
    assert len(lab.hand.settled) == 3


def test_records_of_an_output_that_is_gone_wait_for_it(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.outputs["old"].otherwise = down
        await lab.put("a", "one")
        await lab.until(lambda: lab.hand.settled)

    live(tmp_path, story, disk=True, inputs=ON_DISK, outputs={"old": {}}, service={"grace": 0.5})

    async def without(lab: Lab) -> None:
        assert "orphans of old" in lab.notices.current

    live(tmp_path, without, disk=True, inputs=ON_DISK, outputs={"new": {}})

    async def back(lab: Lab) -> None:
        await lab.until(lambda: lab.outputs["old"].texts == ["one"])

    live(tmp_path, back, disk=True, inputs=ON_DISK, outputs={"old": {}})


def test_damaged_records_are_counted_and_do_not_stop_the_others(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        lab.out.otherwise = down
        await lab.put("a", "first")
        await lab.put("b", "second")
        await lab.until(lambda: len(lab.hand.settled) == 2)

    live(tmp_path, story, disk=True, inputs=ON_DISK, service={"grace": 0.5})
    [path] = (tmp_path / "storage").glob("*.chunks")
    path.write_bytes(path.read_bytes().replace(b"first", b"worst"))
    lab = live(tmp_path, nothing, disk=True, inputs=ON_DISK)
    assert lab.out.texts == ["second"]
    assert lab.pipeline.output_statuses[0].dropped == 1
    assert [file.suffix for file in (tmp_path / "storage").iterdir()] in ([".damaged", ""], ["", ".damaged"])


def test_a_disk_without_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.path"):
        live(tmp_path, nothing, inputs=ON_DISK, service={"storage_path": ""})


async def nothing(lab: Lab) -> None:
    await lab.until(lambda: all(lines_of(content) for content in lab.out.contents))
