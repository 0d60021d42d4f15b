"""Small translations: signals, runc's messages, exit reasons, records on disk."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from pillion.containers.durable import load, save
from pillion.containers.instance import Progress, signal_number
from pillion.containers.monitor import runtime_message
from pillion.containers.termination import exit_reason, termination_message


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGTERM", signal.SIGTERM),
        ("QUIT", signal.SIGQUIT),
        ("sigint", signal.SIGINT),
        ("9", 9),
        ("900", signal.SIGTERM),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMIN+x", signal.SIGTERM),
        ("SIGNONSENSE", signal.SIGTERM),
        ("", signal.SIGTERM),
    ],
)
def test_a_stop_signal_may_be_spelled_in_many_ways(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'time="2026" level=error msg="runc create failed: exec: \\"x\\": not found"\n',
            'runc create failed: exec: "x": not found',
        ),
        ('level=warning msg="first"\nlevel=error msg="second"', "second"),
        ("plain words\n", "plain words"),
        ("", ""),
    ],
)
def test_runcs_complaint_is_taken_out_of_its_log_line(text: str, message: str) -> None:
    assert runtime_message(text) == message


@pytest.mark.parametrize(
    ("status", "oom_kills", "reason"),
    [(0, 0, "Completed"), (1, 0, "Error"), (137, 0, "Error"), (137, 1, "OOMKilled"), (0, 1, "OOMKilled")],
)
def test_an_exit_has_containerds_reason(status: int, oom_kills: int, reason: str) -> None:
    assert exit_reason(status, oom_kills) == reason


LOG = b"".join(
    b"2026-01-02T03:04:05.000000000+00:00 stdout %b\n" % line
    for line in (b"F one", b"P tw", b"F o", b"F three")
)


@pytest.mark.parametrize(
    ("file", "policy", "status", "message"),
    [
        (b"said", "File", 0, "said"),
        (b"", "File", 1, ""),
        (None, "File", 1, ""),
        (b"said", "FallbackToLogsOnError", 1, "said"),
        (None, "FallbackToLogsOnError", 1, "one\ntwo\nthree\n"),
        (b"", "FallbackToLogsOnError", 0, ""),
        (b"a" + b"b" * 4096, "File", 0, "b" * 4096),
        (b"\xff", "File", 0, "\ufffd"),
    ],
)
def test_the_termination_message(tmp_path: Path, file, policy, status, message) -> None:
    path, log = tmp_path / "message", tmp_path / "0.log"
    log.write_bytes(LOG)
    if file is not None:
        path.write_bytes(file)
    assert termination_message(path, policy, status, log) == message


def test_a_termination_message_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    assert "Error on reading termination log" in termination_message(tmp_path, "File", 1, tmp_path / "no.log")


def test_the_logs_part_of_a_message_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_bytes(b"2026-01-02T03:04:05.000000000+00:00 stdout F %b\n" % (b"x" * 5000) * 100)
    text = termination_message(tmp_path / "none", "FallbackToLogsOnError", 1, log)
    assert text == "x" * 2047 + "\n"


def test_a_record_is_read_back_or_counts_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert load(path, Progress) is None
    save(path, Progress(pid=7))
    assert load(path, Progress) == Progress(pid=7)
    path.write_text('{"pid": ')
    assert load(path, Progress) is None
    path.write_text('{"pid": "no number"}')
    assert load(path, Progress) is None


def test_killed_while_a_record_is_replaced_the_old_one_or_the_new_one_is_left(tmp_path: Path) -> None:
    path, pending = tmp_path / "progress.json", tmp_path / "progress.tmp"
    save(path, Progress(pid=7))
    pending.write_text('{"pid": ')
    assert load(path, Progress) == Progress(pid=7), "in the middle of writing the new one"
    pending.write_bytes(msgspec.json.encode(Progress(pid=8)))
    assert load(path, Progress) == Progress(pid=7), "before the old one goes"
    path.unlink()
    assert load(path, Progress) == Progress(pid=8), "before the new one gets its name"
