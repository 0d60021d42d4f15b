"""The command itself: exit status, signals, what it prints where, and to whom."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import leaks
from tests.e2e.lab import (
    PILLION,
    WITHIN,
    a_pod,
    call,
    config_map,
    run_argv,
    run_to_end,
    secret,
    server,
    shell,
    sidecar,
    started,
    write,
)

pytestmark = pytest.mark.host

DEAF = "trap '' TERM; echo up; while :; do sleep 1000 & wait; done"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 1)])
def test_the_exit_status_is_that_of_the_pods(tmp_path: Path, script: str, status: int) -> None:
    run = run_to_end(tmp_path, a_pod("good", shell("main", "exit 0")), a_pod("pod", shell("main", script)))
    assert run.status == status


def test_text_has_a_row_for_each_change_log_lines_and_why_a_container_failed(tmp_path: Path) -> None:
    pod = a_pod(
        "agent",
        shell("main", "echo one; echo two >&2; echo it broke > /dev/termination-log; exit 3"),
        inits=[sidecar("side")],
    )
    done = call(*run_argv(tmp_path, str(write(tmp_path, pod)), options=["--timeline"])[len(PILLION) :])
    assert done.returncode == 1
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "pod/agent created"
    assert re.split(r" {3,}", lines[1]) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    rows = [re.split(r" {3,}", line)[1:3] for line in lines if line.startswith("agent  ")]
    assert rows[0] == ["0/2", "Pending"]
    assert rows[-1] == ["0/2", "Error"]
    assert {"agent/main | one", "agent/main | two"} <= set(lines)
    end = lines.index("pod/agent Failed")
    assert lines[end + 1] == "  main: exit code 3 (Error): it broke"
    assert lines[end + 2 :] == ["    | one", "    | two"]
    story = [line.split(maxsplit=2)[1:] for line in lines[lines.index("timeline of agent") + 2 : end - 1]]
    what = [(who, re.split(r" {3,}", text)[0].removeprefix("→ ")) for who, text in story]
    assert [one for one in what if one[0] != "(pod)"] == [
        ("side", "start"),
        ("side", "running"),
        ("main", "start"),
        ("main", "running"),
        ("main", "exited with code 3"),
        ("side", "stop signal"),
        ("side", "exited with code 0"),
    ]


def test_json_is_one_object_a_line_and_nothing_else(tmp_path: Path) -> None:
    pod = a_pod("p", shell("main", r"printf 'a\377\tb\n'; echo second"))
    done = call(*run_argv(tmp_path, str(write(tmp_path, pod)))[len(PILLION) :], "-o", "json")
    assert done.returncode == 0
    assert done.stderr == ""
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["type"] for one in said} == {"applied", "row", "event", "reachable", "log", "finished"}
    assert [one["line"] for one in said if one["type"] == "log"] == ["a\ufffd\tb", "second"]
    assert said[-1]["type"] == "finished"
    assert said[-1]["phase"] == "Succeeded"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_pods_in_order(tmp_path: Path, number: signal.Signals, status: int) -> None:
    pod = a_pod("p", server("main"), inits=[sidecar("side")])
    with started(tmp_path, pod) as run:
        run.until(lambda: "Running" in run.rows("p"))
        run.signal(number)
        assert run.end() == status
    stops = [(entry["container"]) for entry in run.story("p") if entry["text"] == "stop signal"]
    assert stops == ["main", "side"]


def test_a_second_signal_ends_the_pods_at_once(tmp_path: Path) -> None:
    pod = a_pod("p", shell("main", DEAF), inits=[sidecar("side", DEAF)], terminationGracePeriodSeconds=60)
    with started(tmp_path, pod) as run:
        run.until(lambda: run.logs("p", "main"))
        run.signal()
        run.until(lambda: "Terminating" in run.rows("p"))
        began = time.monotonic()
        run.signal()
        assert run.end() == 130
    assert time.monotonic() - began < 5
    assert run.container("p", "main")["state"]["terminated"]["exitCode"] == 137


def test_a_timeout_ends_the_pods_in_order(tmp_path: Path) -> None:
    pod = a_pod("p", server("main"), inits=[sidecar("side")])
    run = run_to_end(tmp_path, pod, options=["--timeout", "1.5"])
    assert run.status == 124
    assert run.container("p", "main")["state"]["terminated"]["exitCode"] == 0


def test_a_reader_that_goes_away_ends_the_pods_in_order(tmp_path: Path) -> None:
    book = tmp_path / "book"
    pod = a_pod(
        "p",
        shell("main", "trap 'echo told > /book/main; exit 0' TERM; while :; do echo tick; sleep 0.1; done")
        | {"volumeMounts": [{"name": "book", "mountPath": "/book"}]},
        volumes=[{"name": "book", "hostPath": {"path": str(book), "type": "DirectoryOrCreate"}}],
    )
    argv = run_argv(tmp_path, str(write(tmp_path, pod)))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        while b"tick" not in run.stdout.readline():
            pass
        run.stdout.close()
        assert run.wait(WITHIN) == 129
        assert run.stderr.read() == b""
    assert (book / "main").read_text() == "told\n"


def test_a_reader_that_does_not_read_cannot_keep_a_second_signal_waiting(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    volumes = [{"name": "begun", "hostPath": {"path": str(begun), "type": "DirectoryOrCreate"}}]
    mounts = [{"name": "begun", "mountPath": "/begun"}]
    script = "yes | head -c 8000000; touch /begun/flood; sleep 1000"
    pod = a_pod("p", shell("main", script, volumeMounts=mounts), volumes=volumes)
    argv = run_argv(tmp_path, str(write(tmp_path, pod)))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        deadline = time.monotonic() + WITHIN
        while not (begun / "flood").exists():
            assert time.monotonic() < deadline
            signal.sigtimedwait(set(), 0.05)
        run.send_signal(signal.SIGINT)
        signal.sigtimedwait(set(), 0.2)
        run.send_signal(signal.SIGINT)
        assert run.wait(WITHIN) == 130
        run.stdout.close()
        assert run.stderr is not None
        assert run.stderr.read() == b""


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [
        (">&-", 2, "pillion: cannot write to standard output: it is closed"),
        (">/dev/full", 129, "pillion: cannot write to standard output: No space left on device\n"),
    ],
)
def test_output_that_goes_nowhere_is_said(tmp_path: Path, redirection: str, status: int, said: str) -> None:
    argv = run_argv(tmp_path, str(write(tmp_path, a_pod("p", shell("main", "echo hello")))))
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *argv],
        stderr=subprocess.PIPE,
        text=True,
        timeout=WITHIN,
    )
    assert done.returncode == status
    assert done.stderr.startswith(said)


def test_nohup_is_respected(tmp_path: Path) -> None:
    argv = run_argv(tmp_path, str(write(tmp_path, a_pod("p", shell("main", "echo up; sleep 0.7")))))
    with subprocess.Popen(["nohup", *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        while b"p/main | up" not in run.stdout.readline():
            pass
        run.send_signal(signal.SIGHUP)
        run.stdout.read()
        assert run.wait(WITHIN) == 0


@pytest.mark.parametrize("name", ["a folder with spaces", "link/state"])
def test_any_state_directory_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    manifest = write(tmp_path, a_pod("p", shell("main", "echo hello")))
    leaks.watch(str(tmp_path / "real"))
    done = call("run", str(manifest), "--image", "box=host", "--state-dir", name, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "p/main | hello" in done.stdout


def test_a_generated_name_is_a_name_everywhere(tmp_path: Path) -> None:
    port = {"containerPort": 80, "name": "http"}
    pod = a_pod("p", shell("main", "sleep 0.2", ports=[port]), nodeSelector={"a": "b"})
    pod["metadata"] = {"generateName": "gen-"}
    run = run_to_end(tmp_path, pod, options=["--publish", "127.0.0.1:18099:http"])
    [name] = {said["pod"] for said in run.of_type("applied")}
    assert re.fullmatch(r"gen-[a-z0-9]{5}", name)
    [reachable] = run.of_type("reachable")
    assert [one["host_port"] for one in reachable["published"]] == [18099]
    assert any(said["text"].startswith(f"pod/{name}: nodeSelector") for said in run.of_type("note"))


def test_what_a_hook_puts_out_is_in_no_story(tmp_path: Path) -> None:
    hook = {"postStart": {"exec": {"command": ["/bin/sh", "-c", "echo $PASSWORD; exit 3"]}}}
    variable = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}
    pod = a_pod("p", server("main", env=[variable], lifecycle=hook))
    run = run_to_end(tmp_path, pod, secret("login", password="hunter2"))
    [told] = [entry["text"] for entry in run.story("p") if "hook failed" in entry["text"]]
    assert "exited with 3" in told
    assert "hunter2" not in repr(run.said)


def test_manifests_come_from_standard_input(tmp_path: Path) -> None:
    text = write(tmp_path, a_pod("p", shell("main", "echo hello"))).read_text()
    done = call(*run_argv(tmp_path, "-")[len(PILLION) :], input=text)
    assert done.returncode == 0
    assert "p/main | hello" in done.stdout


def test_manifests_come_from_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    variable = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}
    write(folder, a_pod("p", shell("main", "echo $MODE", env=[variable])), name="pod.yaml")
    write(folder, config_map("settings", mode="fast"), name="settings.yml")
    (folder / "notes.txt").write_text("not: [a manifest")
    done = call(*run_argv(tmp_path, str(folder))[len(PILLION) :])
    assert done.returncode == 0
    assert "p/main | fast" in done.stdout


def test_a_stand_in_is_said_and_can_be_refused(tmp_path: Path) -> None:
    logger = {"name": "logger", "image": "fluent/fluent-bit:latest", "restartPolicy": "Always"}
    pod = a_pod("p", shell("main", "sleep 0.2"), inits=[logger])
    run = run_to_end(tmp_path, pod)
    assert run.status == 0
    [said] = [message for reason, message in run.events("p") if reason == "StandIn"]
    assert said.startswith("fluent/fluent-bit:latest: pillion's log collector stands in")
    with started(tmp_path, pod, options=["--no-stand-ins"]) as run:
        run.until(lambda: "Init:ErrImagePull" in run.rows("p"))


# On a terminal


def read_terminal(master: int, seen: bytearray, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not until():
        assert time.monotonic() < deadline, bytes(seen[-2000:])
        if select.select([master], [], [], 0.1)[0]:
            try:
                seen += os.read(master, 1 << 16)
            except OSError:  # the other end has gone
                return


@pytest.mark.parametrize("interrupts", [1, 2])
def test_on_a_terminal_a_table_is_drawn_and_the_terminal_is_as_before(
    tmp_path: Path, interrupts: int
) -> None:
    pod = a_pod("agent", shell("main", "trap '' TERM; echo hello [red]; sleep 1000 & wait; wait"))
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 120))
    before = termios.tcgetattr(slave)
    leaks.watch(str(tmp_path / "state"))
    seen = bytearray()
    argv = run_argv(tmp_path, str(write(tmp_path, pod)))
    # Its own session with this terminal, so that Ctrl-C comes from the terminal itself.
    run = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm"},
    )
    try:
        read_terminal(master, seen, lambda: b"Running" in seen and b"hello [red]" in seen)
        os.write(master, b"\x03")
        if interrupts == 2:
            read_terminal(master, seen, lambda: b"Terminating" in seen)
            os.write(master, b"\x03")
        read_terminal(master, seen, lambda: b"pod/agent Failed" in seen)
        assert run.wait(WITHIN) == 130
        assert termios.tcgetattr(slave) == before
    finally:
        if run.poll() is None:
            run.kill()
        run.wait()
        os.close(slave)
        os.close(master)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(seen)).decode()
    assert re.search(r"NAME +READY +STATUS +RESTARTS +AGE", text)
    assert re.search(r"agent +1/1 +Running +0 ", text)
    assert "agent/main | hello [red]" in text
    assert b"Traceback" not in seen
    assert seen.count(b"\x1b[?25l") <= seen.count(b"\x1b[?25h"), "the cursor is still hidden"


@pytest.mark.parametrize("milliseconds", [150, 300, 450, 600, 800])
def test_ctrl_c_at_any_moment_of_the_start_is_ctrl_c(tmp_path: Path, milliseconds: int) -> None:
    with started(tmp_path, a_pod("p", server("main"))) as run:
        signal.sigtimedwait(set(), milliseconds / 1000)
        run.signal()
        assert run.end() == 130
    assert run.stderr == ""
