"""Logs of real containers: a flood stays within its bounds, and what is kept is whole."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest
from tests.runtime_lab import UID, Waiter, container_spec, open_oci_runtime, sandbox_spec, state_of

from pillion.containers.rotation import MAX_BYTES, rotated
from pillion.crilog import Decoder, Entry, Joiner
from pillion.lifecycle.observation import RuntimeState

pytestmark = pytest.mark.host

LINES = 1_700_000  # some 200 MB of log


def entries_of(path: Path) -> list[Entry]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    decoder = Decoder()
    entries = decoder.feed(data)
    assert decoder.malformed == 0
    return entries


def test_a_flood_of_logs_is_rotated_and_what_is_kept_is_whole(tmp_path: Path) -> None:
    async def life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            waiter = Waiter(runtime)
            await runtime.create_sandbox(sandbox_spec())
            padding = "x" * 72
            script = f"seq -f '%.0f {padding}' 1 {LINES}"
            spec = container_spec(state_of(tmp_path), "c", "/bin/sh", "-c", script)
            container_id = await runtime.create(spec)
            await runtime.start(container_id)
            async with asyncio.timeout(30):
                while waiter.seen(container_id).state is RuntimeState.RUNNING:
                    assert len(rotated(Path(spec.log_path))) <= 4
                    await asyncio.sleep(0.05)
            await waiter.exited(container_id)
            dropped.append(runtime.dropped_log_bytes(container_id))
            await runtime.remove(container_id)

    dropped: list[int] = []
    asyncio.run(life())
    log = Path(container_spec(state_of(tmp_path), "c").log_path)
    files = [*rotated(log), log]
    assert 3 <= len(files) <= 5
    assert sum(path.stat().st_size for path in files) < 5 * (MAX_BYTES + 40e6)
    lines = Joiner().join(entry for path in files for entry in entries_of(path))
    numbers = [int(line.payload.split()[0]) for line in lines[1:]]  # the first may be the end of one
    # The end is complete and without a gap; only the beginning is gone, and it is counted.
    assert numbers == list(range(numbers[0], LINES + 1))
    kept = entries_of(files[-2])
    lost_bytes = (numbers[0] - 1) * files[-2].stat().st_size / len(kept)
    assert dropped == [pytest.approx(lost_bytes, rel=0.05, abs=1000)]


def test_a_log_that_was_moved_away_is_written_anew_after_reopening(tmp_path: Path) -> None:
    async def life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            waiter = Waiter(runtime)
            await runtime.create_sandbox(sandbox_spec())
            script = "echo before; touch /before; until test -e /go; do sleep 0.01; done; echo after"
            spec = container_spec(state_of(tmp_path), "c", "/bin/sh", "-c", script)
            container_id = await runtime.create(spec)
            await runtime.start(container_id)
            wait = ("/bin/sh", "-c", "until test -e /before; do sleep 0.01; done")
            await runtime.exec(container_id, wait, timeout=5)
            log = Path(spec.log_path)
            log.rename(log.with_suffix(".old"))
            await runtime.reopen_log(container_id)
            async with asyncio.timeout(5):
                while not log.exists():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            await runtime.exec(container_id, ("touch", "/go"), timeout=5)
            await waiter.exited(container_id)
            assert [entry.payload for entry in entries_of(log.with_suffix(".old"))] == [b"before"]
            assert [entry.payload for entry in entries_of(log)] == [b"after"]
            assert runtime.dropped_log_bytes(container_id) == 0
            assert runtime.pods() == {UID}

    asyncio.run(life())


def test_of_many_instances_the_newest_two_keep_their_logs_until_the_pod_is_forgotten(tmp_path: Path) -> None:
    async def life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            waiter = Waiter(runtime)
            await runtime.create_sandbox(sandbox_spec())
            for attempt in range(4):
                spec = container_spec(state_of(tmp_path), "c", "/bin/echo", "hi", attempt=attempt)
                container_id = await runtime.create(spec)
                await runtime.start(container_id)
                await waiter.exited(container_id)
            for seen in runtime.containers(UID)[2:]:
                await runtime.remove(seen.id)
            logs = Path(spec.log_path).parent
            messages = Path(spec.termination_message_host_path).parent
            assert sorted(path.name for path in logs.iterdir()) == ["2.log", "3.log"]
            assert sorted(path.name for path in messages.iterdir()) == ["2", "3"]
            # A pod that begins again removes the others, too: what they said last is still there.
            for seen in runtime.containers(UID):
                await runtime.remove(seen.id)
            await runtime.remove_pod(UID)
            assert sorted(path.name for path in logs.iterdir()) == ["2.log", "3.log"]

    asyncio.run(life())
