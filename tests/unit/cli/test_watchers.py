"""What `pillion run` shows, line by line: rows, namespaces, colours, what was said before."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pillion.cli.livewatcher import LiveWatcher
from pillion.cli.output import Output
from pillion.cli.recent import Recent
from pillion.cli.table import Columns
from pillion.cli.textwatcher import TextWatcher
from pillion.clock import LoopClock
from pillion.crilog import Entry, Stream
from pillion.objects import core_v1
from pillion.status import pod_row
from pillion.units import Instant

Show = Callable[[Output], Any]


def pod(name: str, namespace: str = "default", phase: str = "Running") -> core_v1.Pod:
    tree = {
        "metadata": {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": phase},
    }
    return msgspec.convert(tree, core_v1.Pod)


def entries(*lines: str) -> list[Entry]:
    return [Entry("", Stream.STDOUT, False, text.encode()) for text in lines]


def written(folder: Path, show: Callable[[Output], Any]) -> str:
    """All that `show` has put out."""

    def broken(error: OSError) -> None:
        raise error

    async def main() -> None:
        descriptor = os.open(folder / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        output = Output(descriptor, broken)
        await show(output)
        await output.close()
        os.close(descriptor)

    asyncio.run(main())
    return (folder / "out").read_text()


async def _text(output: Output, *, columns: Columns, is_coloured: bool, told: list[str]) -> None:
    watcher = TextWatcher(output, columns, is_coloured=is_coloured, show_timeline=False)
    one, two = pod("one"), pod("one", "shop", "Pending")
    for known in (one, two):
        watcher.applied(known, "created")
        watcher.changed(known, pod_row(known, Instant(0)))
    watcher.warn("careful")
    await watcher.log(one, "main", entries("a", "b"), partial(told.append, "one"))
    await watcher.log(two, "main", entries("\x1b[2Jc"), partial(told.append, "two"))


def test_pods_of_several_namespaces_are_told_apart(tmp_path: Path) -> None:
    told: list[str] = []
    show = partial(_text, columns=Columns(namespace=True), is_coloured=False, told=told)
    lines = written(tmp_path, show).splitlines()
    assert lines[0] == "pod/default/one created"
    assert lines[1].split() == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[2].split()[:4] == ["default", "one", "0/1", "Running"]
    assert lines[4].split()[:4] == ["shop", "one", "0/1", "Pending"]
    assert lines[6:] == [
        "default/one/main | a",
        "default/one/main | b",
        "shop/one/main | \x1b[2Jc",
    ]
    assert told == ["one", "two"]


def test_in_one_namespace_it_is_not_worth_a_column(tmp_path: Path) -> None:
    show = partial(_text, columns=Columns(), is_coloured=False, told=[])
    lines = written(tmp_path, show).splitlines()
    assert lines[0] == "pod/one created"
    assert lines[1].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[6] == "one/main | a"


def test_colours_without_a_terminal_move_no_cursor(tmp_path: Path) -> None:
    coloured = written(tmp_path, partial(_text, columns=Columns(), is_coloured=True, told=[]))
    plain = written(tmp_path, partial(_text, columns=Columns(), is_coloured=False, told=[]))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert "\x1b[32mRunning\x1b[0m" in coloured
    assert "\x1b[33mwarning: careful\x1b[0m" in coloured


FLOOD = 100_000


def test_a_flood_of_lines_is_drawn_with_few_drawings_and_none_is_lost(tmp_path: Path) -> None:
    told: list[int] = []

    async def show(output: Output) -> None:
        watcher = LiveWatcher(output, LoopClock(), Columns(), show_timeline=False)
        one = pod("one")
        watcher.changed(one, pod_row(one, Instant(0)))
        for batch in range(0, FLOOD, 1000):
            lines = entries(*(f"line {number}" for number in range(batch, batch + 1000)))
            await watcher.log(one, "main", lines, partial(told.append, batch))
        await watcher.close()

    shown = written(tmp_path, show)
    assert re.findall(r"line (\d+)\n", shown) == [str(number) for number in range(FLOOD)]
    assert told == list(range(0, FLOOD, 1000))
    assert shown.count("NAME") <= FLOOD / 1000 + 2, "the table is drawn again at most once for a batch"


def test_the_last_drawing_of_the_table_stays(tmp_path: Path) -> None:
    async def show(output: Output) -> None:
        watcher = LiveWatcher(output, LoopClock(), Columns(namespace=True), show_timeline=False)
        one = pod("one", "shop")
        watcher.changed(one, pod_row(one, Instant(0)))
        await watcher.close()

    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written(tmp_path, show))
    assert [line.split()[:4] for line in shown.splitlines()[-2:]] == [
        ["NAMESPACE", "NAME", "READY", "STATUS"],
        ["shop", "one", "0/1", "Running"],
    ]


@pytest.mark.parametrize("limit", [1, 10])
def test_what_was_said_is_remembered_up_to_a_limit(limit: int) -> None:
    said = Recent(limit)
    assert said.add("again")
    for number in range(100):
        assert said.add(str(number))
        assert not said.add(str(number))
    assert said.add("again"), "so many others came between"
