"""A container in the process namespace of another: what `kubectl debug --target` stands on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.runtime_lab import Waiter, container_spec, open_oci_runtime, sandbox_spec, state_of

from pillion.containers import CreateError
from pillion.lifecycle.observation import RuntimeState

pytestmark = pytest.mark.host

_FOREVER = ("/bin/sleep", "1000")


def _in_sandbox(folder: Path, body) -> None:
    async def main() -> None:
        async with open_oci_runtime(folder) as runtime:
            await runtime.create_sandbox(sandbox_spec())
            await body(runtime, Waiter(runtime))

    asyncio.run(main())


def test_the_targets_processes_are_seen_and_its_end_is_the_debuggers_end(tmp_path: Path) -> None:
    state = state_of(tmp_path)

    async def body(runtime, waiter) -> None:
        target = await runtime.create(container_spec(state, "app", *_FOREVER))
        await runtime.start(target)
        debugger = await runtime.create(container_spec(state, "debugger", *_FOREVER, target_id=target))
        await runtime.start(debugger)
        seen = await runtime.exec(
            debugger, ("/bin/sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline; echo $$"), timeout=10
        )
        command, own = seen.output.decode().rsplit(maxsplit=1)
        assert command == "/bin/sleep 1000"
        assert int(own) > 1
        await runtime.kill(target)
        assert (await waiter.exited(target)).exit_code == 137
        assert (await waiter.exited(debugger)).exit_code == 137

    _in_sandbox(tmp_path, body)


def test_the_debuggers_end_leaves_the_target_alone(tmp_path: Path) -> None:
    state = state_of(tmp_path)

    async def body(runtime, waiter) -> None:
        target = await runtime.create(container_spec(state, "app", *_FOREVER))
        await runtime.start(target)
        script = ("/bin/sh", "-c", "sleep 1000 & exit 3")
        debugger = await runtime.create(container_spec(state, "debugger", *script, target_id=target))
        await runtime.start(debugger)
        assert (await waiter.exited(debugger)).exit_code == 3
        # What the debugger left behind is dead, if not buried: the target's first process reaps nobody.
        listing = ("/bin/sh", "-c", "exec grep -h ^State /proc/[0-9]*/status")
        listed = await runtime.exec(target, listing, timeout=10)
        assert listed.output.decode().count("S (sleeping)") == 1
        assert waiter.seen(target).state is RuntimeState.RUNNING

    _in_sandbox(tmp_path, body)


def test_a_target_that_has_ended_is_refused_in_containerds_words(tmp_path: Path) -> None:
    state = state_of(tmp_path)

    async def body(runtime, waiter) -> None:
        target = await runtime.create(container_spec(state, "app", "/bin/true"))
        await runtime.start(target)
        await waiter.exited(target)
        with pytest.raises(CreateError) as refused:
            await runtime.create(container_spec(state, "debugger", *_FOREVER, target_id=target))
        assert refused.value.reason == "CreateContainerError"
        assert str(refused.value).endswith(
            f'spec: invalid target container: container "{target}" is not running - in state CONTAINER_EXITED'
        )
        with pytest.raises(CreateError, match='container "other" does not exist: not found'):
            await runtime.create(container_spec(state, "debugger", *_FOREVER, target_id="other"))
        assert len(list((tmp_path / "containers").iterdir())) == 1

    _in_sandbox(tmp_path, body)
