"""Pipes to and from a running command, without a buffer of ours: who does not read stops who writes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping

_CHUNK = 64 * 1024


class InputPipe:
    """The write end of a command's stdin."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._is_open = True
        self._space: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Waits while nobody reads; forgets the data when nobody ever will."""
        view = memoryview(data)
        while view and self._is_open:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await self._until_writable()
            except BrokenPipeError:
                self.close()

    async def _until_writable(self) -> None:
        loop = asyncio.get_running_loop()
        self._space = loop.create_future()
        loop.add_writer(self._fd, _set, self._space)
        try:
            await self._space
        finally:
            if self._is_open:
                loop.remove_writer(self._fd)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            if self._space is not None:
                asyncio.get_running_loop().remove_writer(self._fd)
                _set(self._space)
            os.close(self._fd)


class OutputPipes:
    """The read ends of a command's outputs."""

    def __init__(self, fds: Mapping[int, int]) -> None:
        """By descriptor: the stream it carries."""
        for fd in fds:
            os.set_blocking(fd, False)
        self._streams = dict(fds)

    async def chunks(self, pidfd: int) -> AsyncIterator[tuple[int, bytes]]:
        """(stream, data) until the command behind `pidfd` has ended and what it wrote is read.

        A process that it left in the background, with its outputs still open, keeps nobody waiting.
        """
        while self._streams:
            has_ended = await self._wait(pidfd)
            got = False
            for fd, stream in tuple(self._streams.items()):
                data = self._read(fd)
                if data:
                    got = True
                    yield stream, data
            if has_ended and not got:
                return

    async def _wait(self, pidfd: int) -> bool:
        """Until there is something to read. Whether the command had ended by then."""
        loop = asyncio.get_running_loop()
        news: asyncio.Future[None] = loop.create_future()
        ended: list[bool] = []

        def has_ended() -> None:
            ended.append(True)
            _set(news)

        watched = tuple(self._streams)
        for fd in watched:
            loop.add_reader(fd, _set, news)
        loop.add_reader(pidfd, has_ended)
        try:
            await news
        finally:
            loop.remove_reader(pidfd)
            for fd in watched:
                loop.remove_reader(fd)
        return bool(ended)

    def _read(self, fd: int) -> bytes:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            self._close(fd)
        return data

    def _close(self, fd: int) -> None:
        del self._streams[fd]
        os.close(fd)

    def close(self) -> None:
        for fd in tuple(self._streams):
            self._close(fd)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
