"""A process that takes records by the forward input and appends them to a file: `python … PORT FILE`.

It acknowledges what the file has. Its tests kill it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from tests.plugin_lab import InputSurroundings, OutputSurroundings

from pillion.collector.inputs.forward import PLUGIN, Forward, ForwardSettings
from pillion.collector.outputs import file
from pillion.collector.plugin import Delivered
from pillion.collector.records import Content


class FileIntake:
    def __init__(self, path: Path) -> None:
        settings = file.FileSettings(path=str(path.parent), file=path.name, format="plain")
        self._output = file.PLUGIN.build(settings, OutputSurroundings())

    async def put(self, tag: str, content: Content, *, settled: Callable[[], None] | None = None) -> None:
        await asyncio.sleep(0)
        assert self._output.deliver(tag, content) == Delivered()
        if settled is not None:
            settled()


async def main(port: int, path: Path) -> None:
    server = PLUGIN.build(ForwardSettings(listen="127.0.0.1", port=port), InputSurroundings())
    assert isinstance(server, Forward)
    await server.run(FileIntake(path), asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
