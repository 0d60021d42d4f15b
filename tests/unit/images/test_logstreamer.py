"""The log streamer, as its own process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillion.containers.images import logstreamer

DEADLINE = 5.0


class Streaming:
    """A running streamer; `expect` reads what it writes."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", logstreamer.__file__, "-c", "/fluent-bit/etc/fluent-bit.conf"],
            stdout=subprocess.PIPE,
            env={"PILLION_LOG_DIRS": str(folder)},
        )
        self._seen = b""

    def expect(self, wanted: bytes) -> float:
        """Exactly `wanted` comes next; returns the seconds it took."""
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        start = time.monotonic()
        while len(self._seen) < len(wanted):
            left = start + DEADLINE - time.monotonic()
            assert select.select([fd], [], [], max(left, 0))[0], f"{self._seen!r} instead of {wanted!r}"
            part = os.read(fd, 1 << 16)
            assert part, f"ended after {self._seen!r}"
            self._seen += part
        assert self._seen[: len(wanted)] == wanted
        self._seen = self._seen[len(wanted) :]
        return time.monotonic() - start

    def stop(self) -> tuple[bytes, int]:
        """What it writes after SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=DEADLINE)
        return self._seen + rest, self.process.returncode


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def streaming(logs: Path) -> Iterator[Streaming]:
    (logs / "ready").write_bytes(b"ready\n")
    running = Streaming(logs)
    try:
        running.expect(b"ready\n")
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_a_line_arrives_at_once_in_a_file_that_appears_later(streaming: Streaming, logs: Path) -> None:
    append(logs / "app.log", b"one\n")
    streaming.expect(b"one\n")
    append(logs / "app.log", b"two\n")
    assert streaming.expect(b"two\n") < 0.2


def test_a_folder_that_appears_later_is_followed(streaming: Streaming, logs: Path) -> None:
    (logs / "deep/er").mkdir(parents=True)
    append(logs / "deep/er/app.log", b"one\n")
    streaming.expect(b"one\n")
    append(logs / "deep/er/app.log", b"two\n")
    streaming.expect(b"two\n")


def test_a_rotation_by_rename_neither_loses_nor_repeats(streaming: Streaming, logs: Path) -> None:
    expected = b""
    for i in range(50):
        for j in range(3):
            line = f"{i}.{j}\n".encode()
            append(logs / "app.log", line)
            expected += line
        (logs / "app.log").rename(logs / f"app.log.{i}")
    rest, code = streaming.stop()
    assert sorted(rest.splitlines()) == sorted(expected.splitlines())
    assert code == 0


def test_a_truncated_file_is_read_from_the_start(streaming: Streaming, logs: Path) -> None:
    append(logs / "app.log", b"a long first line\n")
    streaming.expect(b"a long first line\n")
    os.truncate(logs / "app.log", 0)
    append(logs / "app.log", b"short\n")
    streaming.expect(b"short\n")


def test_a_rotation_by_copy_does_not_repeat(streaming: Streaming, logs: Path) -> None:
    append(logs / "app.log", b"one\ntwo\n")
    streaming.expect(b"one\ntwo\n")
    (logs / "app.log.1").write_bytes((logs / "app.log").read_bytes())
    os.truncate(logs / "app.log", 0)
    append(logs / "app.log", b"three\n")
    streaming.expect(b"three\n")
    assert streaming.stop() == (b"", 0)


def test_a_rotation_by_copy_does_not_lose_what_was_not_read_before_it(logs: Path) -> None:
    append(logs / "app.log", b"one\n")
    streamer = logstreamer.Streamer([str(logs)], logstreamer.Watches())
    written: list[bytes] = []
    streamer.write = written.append
    streamer.sweep()
    streamer.stream()
    append(logs / "app.log", b"two\n")
    (logs / "app.log.1").write_bytes((logs / "app.log").read_bytes())
    os.truncate(logs / "app.log", 0)
    streamer.finish()
    assert b"".join(written) == b"one\ntwo\n"


def test_a_line_is_passed_on_when_it_is_whole(streaming: Streaming, logs: Path) -> None:
    append(logs / "a", b"first half ")
    append(logs / "b", b"between\n")
    streaming.expect(b"between\n")
    append(logs / "a", b"second half\n")
    streaming.expect(b"first half second half\n")


def test_the_last_words_are_read_on_sigterm(streaming: Streaming, logs: Path) -> None:
    append(logs / "app.log", b"x" * 100 + b"\n" + b"no line end")
    start = time.monotonic()
    rest, code = streaming.stop()
    assert rest == b"x" * 100 + b"\nno line end\n"
    assert code == 0
    assert time.monotonic() - start < 1


def test_hidden_compressed_and_special_files_are_passed_over(streaming: Streaming, logs: Path) -> None:
    append(logs / ".app.log.swp", b"no\n")
    append(logs / "app.log.1.gz", b"no\n")
    os.mkfifo(logs / "pipe")
    append(logs / "app.log", b"yes\n")
    streaming.expect(b"yes\n")
    assert streaming.stop() == (b"", 0)


def test_a_big_file_arrives_complete(streaming: Streaming, logs: Path) -> None:
    content = b"".join(b"%d %s\n" % (i, b"x" * 100) for i in range(20_000))
    (logs / "app.log").write_bytes(content)
    streaming.expect(content)


def test_without_a_mounted_log_folder_it_says_so_and_stops_when_told() -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", logstreamer.__file__],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={},
    ) as process:
        try:
            assert process.stderr is not None
            assert b"nothing to stream" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
