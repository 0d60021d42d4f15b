"""Files as a malicious, or merely careless, writer leaves them: every line arrives, and the collector goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.collector.process import Collector, until

from pillion.testing.drills import text_of

CONFIGURATION = """
[SERVICE]
    flush 1
    grace 20
    http_server on
    http_listen 127.0.0.1
    http_port PORT
[INPUT]
    name tail
    tag app
    path FOLDER/*/*.log,FOLDER/*/*/*.log
    path_key file
    read_from_head on
    refresh_interval 1
    progress_check_interval 1
    rotate_wait 1
[OUTPUT]
    name file
    match *
    path FOLDER
    file out
    format plain
"""
LINE = 1 << 20
"""The longest line that is not split."""


class Following:
    """One collector for many tests: each has a folder of its own, which the collector finds when it is there."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self._read = 0
        self._records: list[dict[str, str]] = []

    def records(self, folder: Path) -> list[dict[str, str]]:
        """What has arrived from below a folder."""
        path = self.collector.folder / "out"
        if path.exists():
            with path.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
            self._read += len(whole)
            self._records += [json.loads(line) for line in whole.split(b"\n") if line]
        return [record for record in self._records if record["file"].startswith(f"{folder}/")]

    def lines(self, folder: Path) -> list[str]:
        return [record["log"] for record in self.records(folder)]

    def until(self, folder: Path, *expected: str) -> None:
        """Exactly these, in whatever order of files."""
        until(lambda: len(self.lines(folder)) >= len(expected))
        assert sorted(self.lines(folder)) == sorted(expected)

    def look_into(self, folder: Path) -> None:
        """Make it, and wait until it is watched."""
        folder.mkdir()
        write(folder / "first.log", "first")
        until(lambda: self.lines(folder) == ["first"])


@pytest.fixture(scope="module")
def following(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Following]:
    with Collector(tmp_path_factory.mktemp("hostile"), CONFIGURATION) as collector:
        until(collector.is_up)
        yield Following(collector)
        until(collector.is_up)
        assert collector.end() == 0
        assert "Traceback" not in collector.said()


@pytest.fixture
def folder(following: Following, request: pytest.FixtureRequest) -> Path:
    folder = following.collector.folder / request.node.name.replace("/", "_")
    following.look_into(folder)
    return folder


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


# ── which file is which ──────────────────────────────────────────────────────────────────────────────────────────────
def test_inodes_are_used_again_and_again(following: Following, folder: Path) -> None:
    log = folder / "a.log"
    expected = ["first"]
    for number in range(30):
        write(log, f"content {number}")
        expected.append(f"content {number}")
        following.until(folder, *expected)
        log.unlink()


def test_a_hard_link_is_the_same_file(following: Following, folder: Path) -> None:
    write(folder / "a.log", "one")
    os.link(folder / "a.log", folder / "b.log")
    write(folder / "b.log", "two")
    (folder / "a.log").unlink()
    write(folder / "b.log", "three")
    following.until(folder, "first", "one", "two", "three")


def test_an_unlinked_file_is_read_while_it_is_open(following: Following, folder: Path) -> None:
    with (folder / "a.log").open("a") as file:
        file.write("one\n")
        file.flush()
        until(lambda: "one" in following.lines(folder))
        (folder / "a.log").unlink()
        write(folder / "a.log", "the next file's")
        file.write("two\n")
        file.flush()
        until(lambda: "two" in following.lines(folder))
        file.write("three")
    following.until(folder, "first", "one", "two", "the next file's", "three")


def test_a_file_that_is_replaced_by_a_folder_and_back(following: Following, folder: Path) -> None:
    log = folder / "a.log"
    write(log, "one")
    until(lambda: "one" in following.lines(folder))
    log.unlink()
    log.mkdir()
    write(log / "inner.log", "inside")
    until(lambda: "inside" in following.lines(folder))
    shutil.rmtree(log)
    write(log, "two")
    following.until(folder, "first", "one", "inside", "two")


def test_a_pipe_a_socket_and_a_device_are_left_alone(following: Following, folder: Path) -> None:
    os.mkfifo(folder / "pipe.log")
    (folder / "null.log").symlink_to("/dev/zero")
    (folder / "loop.log").symlink_to("loop.log")
    (folder / "nowhere.log").symlink_to("nowhere")
    write(folder / "a.log", "one")
    following.until(folder, "first", "one")


def test_links_as_the_kubelet_makes_them_lead_to_files_that_rotate(
    following: Following, folder: Path
) -> None:
    pod = folder.parent / f"{folder.name}-pod"
    inner = pod / "containers" / "deep"
    inner.mkdir(parents=True)
    log = inner / "0.txt"
    write(log, "one")
    (folder / "c.log").symlink_to(log)
    until(lambda: "one" in following.lines(folder))
    log.rename(inner / "0.txt.20260101-101010")
    write(inner / "0.txt.20260101-101010", "two")
    write(log, "three")
    until(lambda: "three" in following.lines(folder))
    other = inner / "1.txt"
    write(other, "four")
    (folder / "c.log").unlink()
    (folder / "c.log").symlink_to(other)
    following.until(folder, "first", "one", "two", "three", "four")


def test_rotated_names_that_the_pattern_means_are_not_read_twice(following: Following, folder: Path) -> None:
    expected = ["first"]
    for number in range(20):
        write(folder / "a.log", f"line {number}")
        expected.append(f"line {number}")
        for old in range(20, 0, -1):
            if (folder / f"a.{old}.log").exists():
                (folder / f"a.{old}.log").rename(folder / f"a.{old + 1}.log")
        (folder / "a.log").rename(folder / "a.1.log")
    following.until(folder, *expected)


def test_a_whole_folder_is_renamed_and_another_takes_its_place(following: Following, folder: Path) -> None:
    write(folder / "a.log", "one")
    until(lambda: "one" in following.lines(folder))
    moved = folder.parent / f"{folder.name}-moved"
    folder.rename(moved)
    write(moved / "a.log", "two")
    folder.mkdir()
    write(folder / "a.log", "three")
    until(lambda: "three" in following.lines(folder))
    until(lambda: "two" in following.lines(folder) + following.lines(moved))


# ── what is in them ──────────────────────────────────────────────────────────────────────────────────────────────────
CONTENTS: dict[str, tuple[bytes, list[str]]] = {
    "one byte": (b"x\n", ["x"]),
    "only line ends": (b"\n\n\na\n\n", ["", "", "", "a", ""]),
    "carriage returns": (b"a\r\nb\rc\r\n\r\n", ["a", "b\rc", "\r"]),
    "zeros": (b"a\0b\n\0\n", ["a\0b", "\0"]),
    "no UTF-8": (b"a\xffb\n\xc3\n\xe2\x82\n", ["a\ufffdb", "\ufffd", "\ufffd"]),
    "a letter cut by the line end": (
        "é".encode()[:1] + b"\n" + "é".encode()[1:] + b"\n",
        ["\ufffd", "\ufffd"],
    ),
    "separators that are no line ends": (
        "a\u2028b\x0bc\x0cd\x85e\x1cf\n".encode(),
        ["a\u2028b\x0bc\x0cd\x85e\x1cf"],
    ),
    "quotes and backslashes": (b'{"a": "\\u0041\\n"}\n\\\n"\n', ['{"a": "\\u0041\\n"}', "\\", '"']),
    "a byte order mark": (b"\xef\xbb\xbfa\n", ["\ufeffa"]),
    "every byte": (bytes(range(11, 256)) + b"\n", [bytes(range(11, 256)).decode(errors="replace")]),
    "a line as long as one may be": (b"x" * LINE + b"\n", ["x" * LINE]),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_content_arrives_as_it_is(following: Following, folder: Path, what: str) -> None:
    data, expected = CONTENTS[what]
    (folder / "a.log").write_bytes(data + b"last\n")
    until(lambda: "last" in following.lines(folder))
    assert following.lines(folder) == ["first", *expected, "last"]


def test_content_that_comes_byte_by_byte(following: Following, folder: Path) -> None:
    lines = [text_of("w", number) for number in range(5)]
    with (folder / "a.log").open("ab", buffering=0) as file:
        for byte in "".join(f"{line}\n" for line in lines).encode():
            file.write(bytes([byte]))
    following.until(folder, "first", *lines)


def test_a_line_of_ten_megabytes_comes_in_parts_that_can_be_joined(
    following: Following, folder: Path
) -> None:
    long = "é€🐕x" * (1 << 20)
    write(folder / "a.log", long, "after")
    until(lambda: "after" in following.lines(folder))
    parts = [record for record in following.records(folder) if "partial_message" in record]
    assert "".join(part["log"] for part in parts) == long
    assert [part["partial_ordinal"] for part in parts] == [str(number + 1) for number in range(len(parts))]
    assert [part["partial_last"] for part in parts] == ["false"] * (len(parts) - 1) + ["true"]


def test_a_hole_of_a_terabyte_before_the_data(following: Following, folder: Path) -> None:
    log = folder / "a.log"
    with log.open("wb", buffering=0) as file:  # without O_APPEND
        file.write(b"one\n")
        until(lambda: "one" in following.lines(folder))
        os.truncate(log, 0)
        until(lambda: following.collector.status()["inputs"][0]["files"])
        file.seek(1 << 40)
        file.write(b"two\n")
    following.until(folder, "first", "one", "two")


# ── how many, and what they are called ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name", [b"caf\xe9.log", b"two\nlines.log", b'".log', b"-rf.log", b"\xf0\x9f\x90\x95.log"]
)
def test_names_are_bytes(following: Following, folder: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    write(path, "one")
    following.until(folder, "first", "one")
    shown = following.records(folder)[-1]["file"]
    assert shown == f"{folder}/{name.decode(errors='replace')}"
    assert following.collector.status()["inputs"][0]["files"]


def test_permissions_are_taken_away_and_given_back(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    logs.mkdir()
    log = logs / "a.log"
    write(log, "one")
    log.chmod(0)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run(
        [*nobody, sys.executable, "-c", "import pillion"], check=False, capture_output=True
    ).returncode:
        pytest.skip("this Python lies where other users may not look")
    with Collector(tmp_path, CONFIGURATION, prefix=nobody) as collector:
        until(lambda: "cannot read" in collector.said())
        assert "uid 65534" in collector.said()
        log.rename(logs / "a.log.1")  # rotated before anybody could read it
        write(log, "two")
        until(lambda: collector.lines() == ["two"])
        (logs / "a.log.1").chmod(0o644)
        until(lambda: sorted(collector.lines()) == ["one", "two"])
        log.chmod(0)  # what is open stays readable
        write(log, "three")
        until(lambda: sorted(collector.lines()) == ["one", "three", "two"])
        logs.chmod(0)
        write(log, "four")
        until(lambda: len(collector.lines()) == 4)
        logs.chmod(0o755)
        write(logs / "b.log", "five")
        until(lambda: len(collector.lines()) == 5)
        assert collector.end() == 0


# ── limits of the kernel ─────────────────────────────────────────────────────────────────────────────────────────────
def watch_limit(limit: int) -> tuple[str, ...]:
    """In a user namespace of its own: the machine's limit is everybody's."""
    script = f'echo {limit} > /proc/sys/user/max_inotify_watches && exec "$@"'
    return ("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")


@pytest.mark.parametrize(
    "prefix", [watch_limit(0), watch_limit(3), watch_limit(40)], ids=["none", "three", "forty"]
)
def test_the_kernel_has_no_watch_left(tmp_path: Path, prefix: tuple[str, ...]) -> None:
    if subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs user namespaces")
    logs = tmp_path / "logs"
    logs.mkdir()
    expected = []
    with Collector(tmp_path, CONFIGURATION, prefix=prefix) as collector:
        until(collector.is_up)
        for number in range(50):
            log = logs / f"{number}.log"
            write(log, f"old {number}")
            log.rename(logs / f"{number}.log.1")
            write(log, f"new {number}")
            expected += [f"old {number}", f"new {number}"]
        until(lambda: len(collector.lines()) >= len(expected))
        assert "watched" in collector.said() or "inotify" in collector.said()
        assert collector.end() == 0
        assert sorted(collector.lines()) == sorted(expected)


@pytest.mark.slow
def test_there_are_more_files_than_may_be_open(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    expected = []
    for number in range(100):
        write(logs / f"{number}.log", f"line {number}")
        expected.append(f"line {number}")
    with Collector(tmp_path, CONFIGURATION, prefix=("prlimit", "--nofile=64")) as collector:
        until(lambda: "raise the limit of open files" in collector.said())
        until(lambda: len(collector.lines()) > 20)
        for number in range(100):
            (logs / f"{number}.log").rename(logs / f"{number}.log.1")
        until(lambda: len(collector.lines()) == len(expected))
        assert collector.end() == 0
        assert sorted(collector.lines()) == sorted(expected)


def test_the_queue_of_changes_overflows(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    expected: list[str] = []

    def say(path: Path, line: str) -> None:
        write(path, line)
        expected.append(line)

    with Collector(tmp_path, CONFIGURATION) as collector:
        say(logs / "a.log", "before")
        until(lambda: collector.lines() == expected)
        collector.tell(signal.SIGSTOP)
        for number in range(3):
            say(logs / "a.log", f"before rotation {number}")
            if (logs / "a.log.1").exists():
                (logs / "a.log.1").rename(logs / f"a.log.{5 - number}")
            (logs / "a.log").rename(logs / "a.log.1")
        for number in range(9000):  # each: created, deleted
            (logs / f"{number}.tmp").touch()
            (logs / f"{number}.tmp").unlink()
        say(logs / "a.log", "after")
        (logs / "a.log").rename(logs / "a.log.9")
        say(logs / "b.log", "other")
        say(logs / "a.log", "last")
        collector.tell(signal.SIGCONT)
        until(lambda: len(collector.lines()) >= len(expected))
        assert collector.end() == 0
        assert sorted(collector.lines()) == sorted(expected)


@pytest.mark.slow
def test_ten_thousand_files_in_one_folder(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(10_000):
        write(logs / f"{number}.log", f"line {number}")
    with Collector(tmp_path, CONFIGURATION) as collector:
        until(lambda: len(collector.lines()) == 10_000)
        for number in range(0, 10_000, 100):
            (logs / f"{number}.log").rename(logs / f"{number}.log.1")
            write(logs / f"{number}.log", f"again {number}")
        until(lambda: len(collector.lines()) == 10_100)
        assert collector.end() == 0
        assert len(set(collector.lines())) == 10_100
