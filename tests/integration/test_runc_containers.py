"""What runc makes of a ContainerSpec: identity, rights, limits, files, namespaces; and what its end looks like."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.runtime_lab import UID, Waiter, container_spec, open_oci_runtime, sandbox_spec, state_of

from pillion.containers import OciRuntime
from pillion.lifecycle.observation import ContainerSeen
from pillion.plan.containerspec import Identity, Mount, Resources, Seccomp, Security

pytestmark = pytest.mark.host


def with_runtime(
    folder: Path, body: Callable[[OciRuntime, Waiter], Awaitable[None]], **sandbox: object
) -> None:
    async def main() -> None:
        async with open_oci_runtime(folder) as runtime:
            waiter = Waiter(runtime)
            await runtime.create_sandbox(sandbox_spec(**sandbox))
            await body(runtime, waiter)

    asyncio.run(main())


def run_to_end(folder: Path, *argv: str, sandbox: dict[str, object] | None = None, **changes: object):
    """Run one container to its end: what was seen, and what it wrote."""
    ends: list[tuple[ContainerSeen, str]] = []

    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        spec = container_spec(state_of(folder), "c", *argv, **changes)
        container_id = await runtime.create(spec)
        await runtime.start(container_id)
        seen = await waiter.exited(container_id)
        lines = Path(spec.log_path).read_text().splitlines()
        ends.append((seen, "\n".join(line.split(" ", 3)[3] for line in lines)))

    with_runtime(folder, body, **(sandbox or {}))
    return ends[0]


def shell(folder: Path, script: str, **changes: object):
    return run_to_end(folder, "/bin/sh", "-c", script, **changes)


def test_the_first_process_has_the_given_user_and_groups(tmp_path: Path) -> None:
    identity = Identity(uid=1000, gid=3000, groups=(2000, 4000))
    _, out = shell(
        tmp_path, "id -u; id -g; id -G; grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status", identity=identity
    )
    assert out.splitlines()[:3] == ["1000", "3000", "3000 2000 4000"]
    assert {line.split()[1] for line in out.splitlines()[3:]} == {"0" * 16}


@pytest.mark.parametrize(
    ("security", "has", "has_not"),
    [
        (Security(), ("chown", "net_bind_service"), ("net_admin", "sys_admin", "sys_ptrace")),
        (Security(add_capabilities=("NET_ADMIN",)), ("chown", "net_admin"), ("sys_admin",)),
        (Security(drop_capabilities=("ALL",)), (), ("chown", "net_admin")),
        (
            Security(drop_capabilities=("ALL",), add_capabilities=("NET_BIND_SERVICE",)),
            ("net_bind_service",),
            ("chown",),
        ),
        (Security(add_capabilities=("ALL",), drop_capabilities=("CHOWN",)), ("sys_admin",), ("chown",)),
        (Security(privileged=True), ("sys_admin", "chown"), ()),
    ],
)
def test_capabilities_are_the_defaults_changed_as_asked(tmp_path: Path, security, has, has_not) -> None:
    numbers = {"chown": 0, "net_bind_service": 10, "net_admin": 12, "sys_ptrace": 19, "sys_admin": 21}
    _, out = shell(tmp_path, "grep CapEff /proc/self/status", security=security)
    mask = int(out.split()[1], 16)
    assert all(mask >> numbers[name] & 1 for name in has)
    assert not any(mask >> numbers[name] & 1 for name in has_not)


@pytest.mark.parametrize(
    ("security", "no_new_privileges", "seccomp"),
    [
        (Security(), "0", "0"),
        (Security(no_new_privileges=True), "1", "0"),
        (Security(seccomp=Seccomp(type="RuntimeDefault")), "0", "2"),
        (Security(seccomp=Seccomp(type="RuntimeDefault"), privileged=True), "0", "0"),
    ],
)
def test_no_new_privileges_and_seccomp_are_as_asked(
    tmp_path: Path, security, no_new_privileges, seccomp
) -> None:
    _, out = shell(tmp_path, "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status", security=security)
    assert out.split() == ["NoNewPrivs:", no_new_privileges, "Seccomp:", seccomp]


def test_the_default_seccomp_profile_keeps_namespaces_to_the_runtime(tmp_path: Path) -> None:
    _, out = shell(tmp_path, "unshare --user true", security=Security(seccomp=Seccomp(type="RuntimeDefault")))
    assert "Operation not permitted" in out


def test_python_with_threads_runs_under_the_default_seccomp_profile(tmp_path: Path) -> None:
    program = (
        "import threading, socket, subprocess; t = threading.Thread(target=print, args=('hi',)); t.start()"
    )
    seen, out = run_to_end(
        tmp_path,
        *(
            "/usr/bin/env",
            "python3",
            "-c",
            program + "; t.join(); subprocess.run(['true'], check=True); socket.socket()",
        ),
        security=Security(seccomp=Seccomp(type="RuntimeDefault")),
    )
    assert (seen.exit_code, out) == (0, "hi")


def test_a_read_only_root_takes_no_writes_but_its_mounts_do(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    mounts = (
        Mount(source=str(volume), destination="/var/log/agent"),
        Mount(source=str(volume), destination="/mnt", read_only=True),
    )
    _, out = shell(
        tmp_path,
        "touch /etc/x; touch /var/log/agent/y; touch /mnt/z; touch /dev/shm/s && echo shm",
        security=Security(read_only_root=True),
        mounts=mounts,
    )
    assert out.count("Read-only file system") == 2
    assert "shm" in out
    assert [path.name for path in volume.iterdir()] == ["y"]


def test_what_a_container_writes_to_its_root_is_its_own(tmp_path: Path) -> None:
    marker = "/etc/pillion-test-marker"
    seen, _ = shell(tmp_path, f"echo x > {marker} && cat {marker}")
    assert seen.exit_code == 0
    assert not Path(marker).exists()


def test_sensitive_paths_are_masked_unless_the_pod_asks_otherwise(tmp_path: Path) -> None:
    script = "cat /proc/timer_list | wc -c; test -w /proc/sys/kernel/printk && echo writable; ls /sys/firmware | wc -l"
    lines = shell(tmp_path, script)[1].splitlines()
    assert lines[0] == "0"
    assert "writable" not in lines
    assert lines[-1] == "0"
    assert shell(tmp_path, script, security=Security(unmasked_proc=True), attempt=1)[1].splitlines()[0] != "0"


def test_environment_folder_and_host_name_reach_the_process(tmp_path: Path) -> None:
    _, out = shell(
        tmp_path, "pwd; hostname; env | sort", env=(("B", "two words"), ("HOME", "/x")), cwd="/usr/lib"
    )
    lines = out.splitlines()
    assert lines[:2] == ["/usr/lib", "pod"]
    assert {"B=two words", "HOME=/x", "HOSTNAME=pod"} <= set(lines)
    assert any(line.startswith("PATH=/usr/local/sbin:") for line in lines)


def test_a_terminal_is_one(tmp_path: Path) -> None:
    _, out = shell(tmp_path, "test -t 1 && echo tty $TERM", tty=True)
    assert out.strip() == "tty xterm"


def test_memory_beyond_the_limit_is_an_oom_kill(tmp_path: Path) -> None:
    seen, _ = run_to_end(
        tmp_path,
        *("/usr/bin/env", "python3", "-c", "x = bytearray(200 << 20)"),
        resources=Resources(memory_limit_bytes=32 << 20, oom_score_adj=1000),
    )
    assert (seen.exit_code, seen.reason) == (137, "OOMKilled")


def test_the_pods_limit_kills_too(tmp_path: Path) -> None:
    seen, _ = run_to_end(
        tmp_path,
        *("/usr/bin/env", "python3", "-c", "x = bytearray(200 << 20)"),
        sandbox={"resources": Resources(memory_limit_bytes=32 << 20), "qos_class": "Burstable"},
    )
    assert (seen.exit_code, seen.reason) == (137, "OOMKilled")


def test_children_end_with_the_first_process(tmp_path: Path) -> None:
    seen, out = shell(tmp_path, "setsid sleep 1000 & sleep 1000 & echo started; exit 5")
    assert (seen.exit_code, out) == (5, "started")


def test_death_by_a_signal_is_128_and_its_number(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        spec = container_spec(state_of(tmp_path), "c", "/bin/sh", "-c", "trap 'trap - TERM' USR1; sleep 1000")
        container_id = await runtime.create(spec)
        await runtime.start(container_id)
        await runtime.kill(container_id)
        assert (await waiter.exited(container_id)).exit_code == 128 + signal.SIGKILL

    with_runtime(tmp_path, body)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("no-such-program",), 'exec: "no-such-program": executable file not found in $PATH'),
        (("/etc/passwd",), 'exec: "/etc/passwd": permission denied'),
        (("/no/such/file",), 'exec: "/no/such/file": stat /no/such/file: no such file or directory'),
    ],
)
def test_what_cannot_be_executed_is_told_in_containerds_words(tmp_path: Path, argv, said) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        container_id = await runtime.create(container_spec(state_of(tmp_path), "c", *argv))
        with pytest.raises(Exception, match="OCI runtime create failed") as told:
            await runtime.start(container_id)
        assert str(told.value) == (
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
            f"runc create failed: unable to start container process: {said}: unknown"
        )

    with_runtime(tmp_path, body)


@pytest.mark.parametrize(
    ("script", "policy", "message"),
    [
        ("printf done > /dev/termination-log", "File", "done"),
        (
            "head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log; echo y > /dev/stderr; exit 1",
            "File",
            "x" * 4096,
        ),
        ("echo one; echo two >&2; exit 1", "FallbackToLogsOnError", "one\ntwo\n"),
        ("echo one; exit 0", "FallbackToLogsOnError", ""),
        ("seq 1 200; exit 1", "FallbackToLogsOnError", "".join(f"{n}\n" for n in range(121, 201))),
    ],
)
def test_the_termination_message_is_the_file_or_the_logs_end(tmp_path: Path, script, policy, message) -> None:
    seen, _ = shell(tmp_path, script, termination_message_policy=policy)
    assert seen.message == message


def test_containers_of_a_pod_share_network_ipc_and_name_but_not_processes(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        state = state_of(tmp_path)
        ids = [await runtime.create(container_spec(state, name, "/bin/sleep", "1000")) for name in ("a", "b")]
        for container_id in ids:
            await runtime.start(container_id)
        look = ("/bin/sh", "-c", "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done")
        a, b = [(await runtime.exec(i, look, timeout=5)).output.decode().split() for i in ids]
        assert a[:3] == b[:3]
        assert a[3] != b[3]
        own = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "ipc", "uts")]
        assert not set(own) & set(a)
        await runtime.exec(ids[0], ("touch", "/dev/shm/shared"), timeout=5)
        assert (await runtime.exec(ids[1], ("ls", "/dev/shm"), timeout=5)).output == b"shared\n"

    with_runtime(tmp_path, body)


def test_shared_processes_are_seen_by_all_and_end_one_container_at_a_time(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        state = state_of(tmp_path)
        ids = [
            await runtime.create(
                container_spec(
                    state, name, "/bin/sh", "-c", f"sleep 100{n} & sleep 200{n}", share_process_namespace=True
                )
            )
            for n, name in enumerate(("a", "b"))
        ]
        for container_id in ids:
            await runtime.start(container_id)
        look = (
            "/bin/sh",
            "-c",
            "cat /proc/1/cmdline | tr '\\0' ' '; pgrep -af 'sleep [12]00' | cut -d' ' -f2-",
        )
        first = (await runtime.exec(ids[0], look, timeout=5)).output.decode()
        assert first.startswith("sleep infinity")
        await runtime.kill(ids[0])
        assert (await waiter.exited(ids[0])).exit_code == 137
        left = (await runtime.exec(ids[1], ("pgrep", "-af", "sleep [12]00"), timeout=5)).output.decode()
        assert "1000" not in left
        assert "2000" not in left
        assert "1001" in left
        assert "2001" in left

    with_runtime(tmp_path, body, share_process_namespace=True)


def test_the_hosts_network_is_used_when_asked_for(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        spec = container_spec(state_of(tmp_path), "c", "/bin/sleep", "1000")
        container_id = await runtime.create(spec)
        await runtime.start(container_id)
        result = await runtime.exec(container_id, ("readlink", "/proc/self/ns/net"), timeout=5)
        assert result.output.decode().strip() == str(Path("/proc/self/ns/net").readlink())

    with_runtime(tmp_path, body, host_network=True)


def test_a_sysctl_of_the_pod_is_set_in_its_namespace_only(tmp_path: Path) -> None:
    before = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    _, out = shell(
        tmp_path,
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        sandbox={"sysctls": (("net.ipv4.ip_unprivileged_port_start", "77"),)},
    )
    assert out == "77"
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == before


def test_a_command_has_the_containers_user_environment_and_folder(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        spec = container_spec(
            state_of(tmp_path),
            "c",
            "/bin/sleep",
            "1000",
            identity=Identity(uid=1000),
            env=(("A", "b"),),
            cwd="/usr",
        )
        container_id = await runtime.create(spec)
        await runtime.start(container_id)
        result = await runtime.exec(container_id, ("/bin/sh", "-c", "id -u; echo $A; pwd"), timeout=5)
        assert result.output == b"1000\nb\n/usr\n"

    with_runtime(tmp_path, body)


@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_a_cut_off_command_takes_its_children_along_but_not_the_container(tmp_path: Path, how: str) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        container_id = await runtime.create(container_spec(state_of(tmp_path), "c", "/bin/sleep", "1000"))
        await runtime.start(container_id)
        command = (
            "/bin/sh",
            "-c",
            "(sleep 3001 & setsid sleep 3002) & sleep 3003 & touch /started; sleep 3004",
        )
        if how == "timeout":
            assert (await runtime.exec(container_id, command, timeout=0.5)).timed_out
        else:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(runtime.exec(container_id, command, timeout=None))
                started = ("/bin/sh", "-c", "until test -e /started; do sleep 0.01; done")
                await runtime.exec(container_id, started, timeout=10)
                task.cancel()
        left = await runtime.exec(container_id, ("pgrep", "-af", "sleep [0-9]"), timeout=5)
        assert left.output.decode().split("\n") == ["1 /bin/sleep 1000", ""]

    with_runtime(tmp_path, body)


def test_a_command_that_leaves_something_in_the_background_is_not_waited_for_any_longer(
    tmp_path: Path,
) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        container_id = await runtime.create(container_spec(state_of(tmp_path), "c", "/bin/sleep", "1000"))
        await runtime.start(container_id)
        async with asyncio.timeout(5):
            result = await runtime.exec(
                container_id, ("/bin/sh", "-c", "sleep 1000 & echo hi; exit 3"), timeout=None
            )
        assert (result.exit_code, result.output) == (3, b"hi\n")

    with_runtime(tmp_path, body)


def test_a_monitor_that_is_killed_takes_the_container_with_it(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        container_id = await runtime.create(container_spec(state_of(tmp_path), "c", "/bin/sleep", "1000"))
        await runtime.start(container_id)
        folder = Path(state_of(tmp_path).container(container_id))
        os.kill(int((folder / "conmon.pid").read_text()), signal.SIGKILL)
        seen = await waiter.exited(container_id)
        assert (seen.exit_code, seen.reason) == (137, "Error")

    with_runtime(tmp_path, body)


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.03])
def test_a_cancelled_creation_leaves_nothing(tmp_path: Path, moment: float) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        spec = container_spec(state_of(tmp_path), "c", "/bin/sleep", "1000")
        async with asyncio.TaskGroup() as group:
            creation = group.create_task(runtime.create(spec))
            await asyncio.sleep(moment)
            creation.cancel()
        assert creation.cancelled()
        assert runtime.containers(UID) == ()

    with_runtime(tmp_path, body)


def test_a_port_below_1024_and_a_ping_need_no_capability(tmp_path: Path) -> None:
    program = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 80)); "
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP); print('bound')"
    )
    _, out = run_to_end(
        tmp_path,
        *("/usr/bin/env", "python3", "-c", program),
        identity=Identity(uid=1000, gid=1000),
        security=Security(drop_capabilities=("ALL",)),
    )
    assert out == "bound"


def test_in_the_hosts_network_a_container_bears_the_hosts_name(tmp_path: Path) -> None:
    _, out = shell(tmp_path, "readlink /proc/self/ns/uts /proc/self/ns/net", sandbox={"host_network": True})
    assert out.split() == [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("uts", "net")]


@pytest.mark.parametrize("privileged", [False, True])
def test_a_host_image_does_not_show_the_state_directory(tmp_path: Path, privileged: bool) -> None:
    secret = tmp_path / "pods" / "other" / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("hunter2")
    # What it is given of the state directory it has all the same: these lie in there.
    volume = tmp_path / "pods" / "own"
    volume.mkdir()
    (volume / "file").write_text("mine")
    _, out = shell(
        tmp_path,
        f"ls -A {tmp_path}; touch {tmp_path}/x; cat /own/file; cat {secret}",
        security=Security(privileged=privileged),
        mounts=(Mount(source=str(volume), destination="/own"),),
    )
    assert "hunter2" not in out
    assert "mine" in out
    assert "Read-only file system" in out
    assert not (tmp_path / "x").exists()


def test_the_bundle_with_its_environment_is_for_root_alone(tmp_path: Path) -> None:
    async def body(runtime: OciRuntime, waiter: Waiter) -> None:
        spec = container_spec(state_of(tmp_path), "c", "/bin/true", env=(("PASSWORD", "hunter2"),))
        container_id = await runtime.create(spec)
        folder = Path(state_of(tmp_path).container(container_id))
        assert folder.stat().st_mode & 0o077 == 0
        assert "hunter2" in (folder / "config.json").read_text()

    with_runtime(tmp_path, body)
