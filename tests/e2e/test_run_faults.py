"""What can go wrong, in the words its user reads: exit status, messages, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.lab import (
    PILLION,
    Tree,
    Watched,
    a_pod,
    call,
    config_map,
    run_argv,
    run_to_end,
    secret,
    server,
    shell,
    started,
    write,
)

pytestmark = pytest.mark.host


def events_of(run: Watched, pod: str, reason: str) -> list[str]:
    return [message for known, message in run.events(pod) if known == reason]


# What a Pod refers to and is not there

_ENV: Tree = {
    "no-config-map": {"configMapKeyRef": {"name": "absent", "key": "k"}},
    "no-secret": {"secretKeyRef": {"name": "absent", "key": "k"}},
    "no-config-key": {"configMapKeyRef": {"name": "settings", "key": "absent"}},
    "no-secret-key": {"secretKeyRef": {"name": "credentials", "key": "absent"}},
}
_VOLUMES: Tree = {
    "no-config-map-volume": {"configMap": {"name": "absent"}},
    "no-secret-volume": {"secret": {"secretName": "absent"}},
    "no-key-volume": {"configMap": {"name": "settings", "items": [{"key": "absent", "path": "p"}]}},
}


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Pods that wait for something, until each has said for what; then Ctrl-C."""
    pods = [
        *(
            a_pod(name, shell("main", "echo never", env=[{"name": "V", "valueFrom": source}]))
            for name, source in _ENV.items()
        ),
        *(
            a_pod(
                name,
                shell("main", "echo never", volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                volumes=[{"name": "v"} | source],
            )
            for name, source in _VOLUMES.items()
        ),
        a_pod("no-image", {"name": "main", "image": "registry.example/absent:v1"}),
        a_pod("never-pulled", {"name": "main", "image": "absent:v1", "imagePullPolicy": "Never"}),
        a_pod("no-root-wanted", shell("main", "echo never", securityContext={"runAsNonRoot": True})),
    ]
    folder = tmp_path_factory.mktemp("lacking")
    objects = (config_map("settings", mode="fast"), secret("credentials", token="t"), *pods)
    with started(folder, *objects, options=("--no-stand-ins",)) as run:
        for pod in pods:
            name = pod["metadata"]["name"]
            run.until(lambda name=name: run.events(name))
            if name not in _VOLUMES:  # those wait as ContainerCreating
                run.until(lambda name=name: any("Err" in row for row in run.rows(name)))
        run.signal()
        assert run.end() == 130
    return run


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        ("no-config-map", 'configmap "absent" not found'),
        ("no-secret", 'secret "absent" not found'),
        ("no-config-key", "couldn't find key absent in ConfigMap default/settings"),
        ("no-secret-key", "couldn't find key absent in Secret default/credentials"),
    ],
)
def test_a_container_waits_for_what_its_environment_refers_to(
    lacking: Watched, pod: str, message: str
) -> None:
    assert "CreateContainerConfigError" in lacking.rows(pod)
    assert f"Error: {message}" in events_of(lacking, pod, "Failed")
    assert lacking.logs(pod, "main") == []


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        ("no-config-map-volume", 'configmap "absent" not found'),
        ("no-secret-volume", 'secret "absent" not found'),
        ("no-key-volume", "configmap references non-existent config key: absent"),
    ],
)
def test_a_pod_waits_for_its_volumes(lacking: Watched, pod: str, message: str) -> None:
    assert f'MountVolume.SetUp failed for volume "v" : {message}' in events_of(lacking, pod, "FailedMount")


def test_a_missing_image_says_with_which_commands_it_can_be_had(lacking: Watched) -> None:
    failed = " ".join(events_of(lacking, "no-image", "Failed"))
    assert 'Failed to pull image "registry.example/absent:v1"' in failed
    assert "pillion image load" in failed
    assert "--image registry.example/absent:v1=" in failed
    assert "Error: ErrImagePull" in failed


def test_an_image_that_may_not_be_pulled_is_said_to_be_missing(lacking: Watched) -> None:
    assert "ErrImageNeverPull" in lacking.rows("never-pulled")
    message = 'Container image "absent:v1" is not present with pull policy of Never'
    assert message in events_of(lacking, "never-pulled", "ErrImageNeverPull")


def test_a_container_that_must_not_run_as_root_does_not(lacking: Watched) -> None:
    failed = " ".join(events_of(lacking, "no-root-wanted", "Failed"))
    assert "container has runAsNonRoot and image will run as root" in failed


def test_a_pod_that_a_kubelet_would_reject_fails_with_its_reason(tmp_path: Path) -> None:
    unsafe = {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}
    pod = write(tmp_path, a_pod("p", shell("main", "echo never"), securityContext=unsafe))
    ended = call(*run_argv(tmp_path, str(pod))[len(PILLION) :])
    assert ended.returncode == 1
    why = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert ended.stdout.splitlines()[-1] == f"pod/p Failed: SysctlForbidden: Pod was rejected: {why}"


def test_pulling_a_missing_image_is_tried_again_with_a_growing_delay(tmp_path: Path) -> None:
    with started(tmp_path, a_pod("p", {"name": "main", "image": "absent:v1"})) as run:
        run.until(lambda: "ImagePullBackOff" in run.rows("p"), within=40)
        assert 'Back-off pulling image "absent:v1"' in " ".join(events_of(run, "p", "BackOff"))
        run.signal()
        assert run.end() == 130


# Ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_host_port_that_is_taken_keeps_the_sandbox_from_being_made_and_names_the_holder(
    tmp_path: Path, taken: int
) -> None:
    pod = a_pod("p", server("main", ports=[{"containerPort": 80, "hostPort": taken}]))
    with started(tmp_path, pod) as run:
        run.until(lambda: events_of(run, "p", "FailedCreatePodSandBox"))
        message = events_of(run, "p", "FailedCreatePodSandBox")[0]
        assert f"cannot open hostport {taken}" in message
        assert "address already in use" in message
        assert str(os.getpid()) in message
        run.signal()
        assert run.end() == 130


def test_a_published_port_that_is_taken_is_a_warning_and_the_pod_runs(tmp_path: Path, taken: int) -> None:
    pod = a_pod("p", shell("main", "sleep 0.5; echo done"))
    run = run_to_end(tmp_path, pod, options=("--publish", f"{taken}:80"))
    assert run.status == 0
    warnings = [said["text"] for said in run.of_type("note")]
    assert any(f"127.0.0.1:{taken}: bind: address already in use" in text for text in warnings)
    assert run.logs("p", "main") == ["done"]


def test_two_pods_may_use_the_same_port_and_are_reached_by_their_addresses(tmp_path: Path) -> None:
    serve = "import http.server as h, socketserver as s; s.TCPServer(('', 8080), h.SimpleHTTPRequestHandler)"
    pods = [
        a_pod(
            name,
            {
                "name": "main",
                "image": "box",
                "workingDir": "/www",
                "command": [sys.executable, "-c", f"{serve}.serve_forever()"],
                "volumeMounts": [{"name": "www", "mountPath": "/www"}],
                "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
            },
            volumes=[{"name": "www", "configMap": {"name": name}}],
            terminationGracePeriodSeconds=1,
        )
        for name in ("one", "two")
    ]
    maps = [config_map(name, who=name) for name in ("one", "two")]
    with started(tmp_path, *maps, *pods) as run:
        for name in ("one", "two"):
            run.until(lambda name=name: run.container(name, "main").get("ready"))
            address = run.pod(name)["status"]["podIP"]
            with socket.create_connection((address, 8080), timeout=5) as client:
                client.sendall(b"GET /who HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda client=client: client.recv(4096), b""))
            assert answer.endswith(name.encode())


# The machine


def test_without_root_there_is_one_clear_line(tmp_path: Path) -> None:
    text = write(tmp_path, a_pod("p", shell("main", "echo never"))).read_text()
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = subprocess.run(
        [*as_nobody, *PILLION, "run", "-", "--state-dir", str(tmp_path / "state")],
        input=text,
        capture_output=True,
        text=True,
        timeout=20,
        cwd="/",
    )
    assert done.returncode == 2
    assert done.stderr == (
        "pillion: cannot run containers on this machine: pillion has to run as root: "
        "containers need namespaces, mounts and cgroups; use sudo\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize("missing", ["runc", "conmon"])
def test_a_missing_program_is_named_with_the_package_that_has_it(tmp_path: Path, missing: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("runc", "conmon", "nft", "unshare", "mount", "ip"):
        found = shutil.which(program)
        if program != missing and found:
            (programs / program).symlink_to(found)
    done = call(
        *run_argv(tmp_path, str(write(tmp_path, a_pod("p", shell("main", "echo never")))))[len(PILLION) :],
        env=os.environ | {"PATH": str(programs)},
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"pillion: cannot run containers on this machine: {missing} not found: apt-get install {missing}\n"
    )


def in_own_mounts(script: str, argv: list[str]) -> list[str]:
    """The command that runs `argv` in a mount namespace of its own, after `script`."""
    prepare = ["/bin/sh", "-ec", f'{script}\nexec "$@"', "sh"]
    return ["unshare", "--mount", "--propagation", "private", *prepare, *argv]


def test_cgroups_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    argv = run_argv(tmp_path, str(write(tmp_path, a_pod("p", shell("main", "echo never")))))
    freeze = (
        "for tree in $(awk '$5 ~ \"^/sys/fs/cgroup/\" {print $5}' /proc/self/mountinfo) /sys/fs/cgroup;"
        " do mount -o remount,bind,ro $tree; done"
    )
    done = subprocess.run(in_own_mounts(freeze, argv), capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert re.fullmatch(
        r"pillion: cannot run containers on this machine: /sys/fs/cgroup\S* cannot be written: "
        r"a container has to be started with --privileged for pillion\n",
        done.stderr,
    ), done.stderr


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    done = call(
        *run_argv(tmp_path, str(write(tmp_path, a_pod("p", shell("main", "echo never")))))[len(PILLION) :]
    )
    assert done.returncode == 2
    assert re.fullmatch(
        rf"pillion: cannot use the state directory {tmp_path}/state: .*; choose another with --state-dir\n",
        done.stderr,
    ), done.stderr


def test_on_a_full_disk_pods_go_on_and_end_and_what_could_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    fill = shell("main", "sleep 0.5; head -c 20M /dev/zero | tr '\\0' x; echo; sleep 0.5")
    argv = run_argv(tmp_path, str(write(tmp_path, a_pod("p", fill), a_pod("q", server("main")))))
    small_disk = f"mount -t tmpfs -o size=4m tmpfs {tmp_path}/state"
    run = Watched([*in_own_mounts(small_disk, argv), "-o", "json"])
    try:
        run.until(lambda: run.container("p", "main").get("state", {}).get("terminated"))
        run.signal()
        assert run.end() == 130
    finally:
        run.close()
    ended = run.container("p", "main")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    said = " ".join(message for pod in ("p", "q") for _, message in run.events(pod))
    assert "cannot write down the state of the pod: No space left on device" in said
    assert {one["pod"]: one["phase"] for one in run.of_type("finished")}.keys() == {"p", "q"}
    assert run.stderr == ""


def test_without_any_room_a_pod_waits_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    argv = run_argv(tmp_path, str(write(tmp_path, a_pod("p", server("main")))))
    no_room = f"mount -t tmpfs -o size=1m tmpfs {tmp_path}/state; head -c 2M /dev/zero > {tmp_path}/state/full || true"
    run = Watched([*in_own_mounts(f"{{ {no_room}; }} 2>/dev/null", argv), "-o", "json"])
    try:
        run.until(lambda: events_of(run, "p", "FailedCreatePodSandBox"))
        run.signal()
        assert run.end() == 130
    finally:
        run.close()
    assert "No space left on device" in events_of(run, "p", "FailedCreatePodSandBox")[0]
    assert run.stderr == ""


def test_a_container_that_floods_its_log_fills_neither_disk_nor_memory_nor_hinders_its_neighbours(
    tmp_path: Path,
) -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 1}
    # Lines of 200 bytes, 8 MB at a time: at most 100 MB/s.
    flow = "yes $(printf '%0199d' 0) | head -c 8000000 > /block; while :; do cat /block; sleep 0.08; done"
    flood = a_pod("flood", shell("main", flow), terminationGracePeriodSeconds=1)
    quiet = a_pod(
        "quiet",
        shell("main", "for i in $(seq 20); do echo tick $i; sleep 0.2; done", livenessProbe=probe),
    )
    argv = run_argv(tmp_path, str(write(tmp_path, flood, quiet)))
    peak = 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        others = ["grep", "--line-buffered", "-v", "^flood/main | "]
        with subprocess.Popen(others, stdin=run.stdout, stdout=subprocess.PIPE, text=True) as filtered:
            assert filtered.stdout is not None
            lines = []
            for line in filtered.stdout:
                lines.append(line)
                logs = (tmp_path / "state/logs").rglob("*.log*")
                peak = max(peak, sum(size_of(path) for path in logs))
                if line.startswith("quiet/main | tick 20"):
                    memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{run.pid}/status").read_text())
                    run.send_signal(2)
        assert run.wait(20) == 130
        assert run.stderr.read() == b""
    text = "".join(lines)
    assert [line for line in lines if "tick" in line] == [f"quiet/main | tick {i}\n" for i in range(1, 21)]
    assert "pod/quiet Succeeded" in text
    assert "Unhealthy" not in text
    assert memory is not None
    assert int(memory[1]) < 250 * 1024
    # Five files of 10 MiB, and what comes between two looks at each (containers/rotation.py): 250 MB at this rate.
    assert 30e6 < peak < 300e6, "the flood was none, or it was not contained"


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # rotated away
        return 0
