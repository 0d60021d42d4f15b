"""A pillion that was killed leaves its containers running; the next one takes them over and tidies up the rest."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.runtime_lab import UID, Waiter, container_spec, open_oci_runtime, state_of

from pillion.clock import LoopClock
from pillion.containers import OciRuntime, check_host
from pillion.lifecycle.observation import RuntimeState

pytestmark = pytest.mark.host

FIRST_LIFE = """
import asyncio, sys
from pathlib import Path
from tests.runtime_lab import *

async def main():
    folder = Path(sys.argv[1])
    runtime = OciRuntime(state_of(folder), LoopClock(), check_host())
    await runtime.open()
    await runtime.create_sandbox(sandbox_spec(**eval(sys.argv[2])))
    runtime.set_addresses(UID, 0, ("10.9.8.7",))
    commands = {
        "runs": "trap 'echo last; exit 9' TERM; touch /up; sleep 1000 & wait",
        "ends-meanwhile": "until test -e /gate/go; do sleep 0.01; done; printf note > /dev/termination-log; exit 4",
        "ended-before": "exit 5",
        "never-started": "exit 6",
    }
    mounts = (Mount(source=str(folder / "gate"), destination="/gate"),)
    ids = {}
    waiter = Waiter(runtime)
    for name, command in commands.items():
        ids[name] = await runtime.create(container_spec(state_of(folder), name, "/bin/sh", "-c", command, mounts=mounts,
            share_process_namespace="share" in sys.argv[2]))
        if name != "never-started":
            await runtime.start(ids[name])
    await waiter.exited(ids["ended-before"])
    await runtime.exec(ids["runs"], ("/bin/sh", "-c", "until test -e /up; do sleep 0.01; done"), timeout=5)
    print(*ids.values(), flush=True)
    half_done = asyncio.create_task(runtime.create(container_spec(state_of(folder), "half-done", "/bin/true")))
    await asyncio.sleep(0.01)
    print("creating", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def live_and_be_killed(folder: Path, sandbox: str = "{}") -> dict[str, str]:
    (folder / "gate").mkdir()
    program = FIRST_LIFE.replace("import *", "import *\nfrom pillion.plan.containerspec import Mount")
    life = subprocess.Popen(
        [sys.executable, "-c", program, str(folder), sandbox], stdout=subprocess.PIPE, text=True
    )
    assert life.stdout is not None
    try:
        ids = life.stdout.readline().split()
        assert life.stdout.readline() == "creating\n"
    finally:
        life.send_signal(signal.SIGKILL)
        life.wait()
        life.stdout.close()
    return dict(zip(("runs", "ends-meanwhile", "ended-before", "never-started"), ids, strict=True))


@pytest.mark.parametrize("sandbox", ["{}", "{'share_process_namespace': True}"])
def test_a_new_process_finds_everything_and_goes_on_watching(tmp_path: Path, sandbox: str) -> None:
    ids = live_and_be_killed(tmp_path, sandbox)
    (tmp_path / "gate" / "go").touch()
    conmon = int((Path(state_of(tmp_path).container(ids["ends-meanwhile"])) / "conmon.pid").read_text())
    while Path(f"/proc/{conmon}/cmdline").exists() and Path(f"/proc/{conmon}/cmdline").read_bytes():
        pass

    async def second_life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            waiter = Waiter(runtime)
            assert runtime.pods() == {UID}
            (box,) = runtime.sandboxes(UID)
            assert (box.is_ready, box.ips) == (True, ("10.9.8.7",))
            assert {seen.name for seen in runtime.containers(UID)} == {
                "runs",
                "ends-meanwhile",
                "ended-before",
            }
            assert waiter.seen(ids["ended-before"]).exit_code == 5
            meanwhile = waiter.seen(ids["ends-meanwhile"])
            assert (meanwhile.exit_code, meanwhile.reason, meanwhile.message) == (4, "Error", "note")
            assert waiter.seen(ids["runs"]).state is RuntimeState.RUNNING
            assert (await runtime.exec(ids["runs"], ("echo", "hi"), timeout=5)).output == b"hi\n"
            await runtime.stop(ids["runs"])
            assert (await waiter.exited(ids["runs"])).exit_code == 9
            # The sandbox still takes containers.
            fresh = await runtime.create(container_spec(state_of(tmp_path), "fresh", "/bin/true"))
            await runtime.start(fresh)
            assert (await waiter.exited(fresh)).exit_code == 0
            log = container_spec(state_of(tmp_path), "runs").log_path
            assert Path(log).read_text().splitlines()[-1].endswith(" last")

    asyncio.run(second_life())


def test_a_container_whose_monitor_died_meanwhile_is_ended(tmp_path: Path) -> None:
    ids = live_and_be_killed(tmp_path)
    conmon = int((Path(state_of(tmp_path).container(ids["runs"])) / "conmon.pid").read_text())
    os.kill(conmon, signal.SIGKILL)

    async def second_life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            waiter = Waiter(runtime)
            seen = await waiter.exited(ids["runs"])
            assert (seen.exit_code, seen.reason) == (137, "Error")

    asyncio.run(second_life())


def test_of_a_container_whose_end_nobody_wrote_down_nothing_is_invented(tmp_path: Path) -> None:
    ids = live_and_be_killed(tmp_path)
    folder = Path(state_of(tmp_path).container(ids["runs"]))
    processes = [int((folder / name).read_text()) for name in ("conmon.pid", "pid")]
    watched = [os.pidfd_open(process) for process in processes]
    for process in watched:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    for process in watched:
        select.select([process], [], [])
        os.close(process)

    async def second_life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            seen = await Waiter(runtime).exited(ids["runs"])
            assert (seen.exit_code, seen.reason) == (255, "Unknown")

    asyncio.run(second_life())


def test_after_a_reboot_nothing_runs_and_no_sandbox_is_ready(tmp_path: Path) -> None:
    ids = live_and_be_killed(tmp_path)

    async def after_reboot() -> None:
        host = msgspec.structs.replace(check_host(), boot_id="another-boot")
        runtime = OciRuntime(state_of(tmp_path), LoopClock(), host)
        await runtime.open()
        assert [box.is_ready for box in runtime.sandboxes(UID)] == [False]
        codes = {seen.name: seen.exit_code for seen in runtime.containers(UID)}
        assert codes == {"runs": 137, "ends-meanwhile": 137, "ended-before": 5}
        assert ids["never-started"] not in {seen.id for seen in runtime.containers(UID)}
        await runtime.remove_pod(UID)
        await runtime.close()

    asyncio.run(after_reboot())

    async def nothing_left() -> None:
        async with open_oci_runtime(tmp_path):
            pass

    asyncio.run(nothing_left())


def test_unreadable_records_are_swept_away(tmp_path: Path) -> None:
    for name in ("containers/abc", "sandboxes/uid-0", "containers/def"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "containers/def/container.json").write_text('{"id": ')

    async def life() -> None:
        async with open_oci_runtime(tmp_path) as runtime:
            assert runtime.pods() == frozenset()
            assert list((tmp_path / "containers").iterdir()) == []
            assert list((tmp_path / "sandboxes").iterdir()) == []

    asyncio.run(life())
