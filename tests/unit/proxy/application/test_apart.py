"""Work in a fork: its answer comes back, its failure is known, and none is left."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pillion.errors import Bug, HostError, ManifestError
from pillion.proxy.application.apart import ApartWork, apart
from pillion.proxy.application.racing import first_of
from pillion.proxy.application.reading import read_again
from pillion.units import Instant

PATIENCE = 30


def do(work: Callable[[], bytes]) -> bytes:
    async def main() -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await apart(work)

    before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        return asyncio.run(main())
    finally:
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


def test_an_answer_larger_than_a_pipe_comes_back() -> None:
    assert do(lambda: b"x" * 300_000) == b"x" * 300_000


def test_work_that_fails_is_a_bug_of_ours() -> None:
    def fail() -> bytes:
        raise ValueError

    with pytest.raises(Bug, match="status 1"):
        do(fail)


def test_work_that_is_killed_is_known() -> None:
    def die() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    with pytest.raises(Bug, match="status -9"):
        do(die)


def test_work_that_is_given_up_is_killed() -> None:
    def wait() -> bytes:
        signal.pause()
        return b""

    async def main() -> None:
        child = ApartWork(wait)
        child.close()

    asyncio.run(main())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_errors_come_back_as_they_were_raised(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot read"):
        asyncio.run(read_again(str(tmp_path / "none"), Instant(0.0)))
    (tmp_path / "proxy.yaml").write_text("inbound: 3\n")
    with pytest.raises(ManifestError, match=r"proxy.yaml:1: inbound: "):
        asyncio.run(read_again(str(tmp_path / "proxy.yaml"), Instant(0.0)))


def test_the_first_of_several_ends_the_others() -> None:
    cancelled = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async def main() -> int:
        async with asyncio.timeout(PATIENCE):
            return await first_of(endless(), asyncio.sleep(0), endless())

    assert asyncio.run(main()) == 1
    assert cancelled == [True, True]


def test_the_error_of_the_first_is_raised_as_itself() -> None:
    async def fail() -> None:
        raise HostError("no")

    async def main() -> int:
        return await first_of(asyncio.Event().wait(), fail())

    with pytest.raises(HostError, match="no"):
        asyncio.run(main())
