"""`kubectl logs`, as the kubelet answers: which instance, which lines, how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pillion.containers.logs import find_tail, read_parts
from pillion.crilog import Decoder
from pillion.node.serving.logchoice import choose_instance
from pillion.node.serving.logtext import LogText
from pillion.objects.models import core_v1
from pillion.streams import LogOptions, NodeRefusal
from pillion.units import Instant, parse_time

LOG = (
    b"2026-01-02T03:04:05.000000001+00:00 stdout F one\n"
    b"2026-01-02T03:04:06.000000000+00:00 stderr F two\n"
    b"2026-01-02T03:04:07.000000000+00:00 stdout P thr\n"
    b"2026-01-02T03:04:08.000000000+00:00 stdout F ee\n"
    b"2026-01-02T05:04:09.000000000+02:00 stdout F four\n"
    b"2026-01-02T03:04:10.000000000+00:00 stdout P end"
    b"\n"
)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, b"one\ntwo\nthree\nfour\nend"),
        ({"stream": "Stderr"}, b"two\n"),
        ({"stream": "Stdout"}, b"one\nthree\nfour\nend"),
        ({"limit_bytes": 6}, b"one\ntw"),
        ({"since": parse_time("2026-01-02T03:04:09Z")}, b"four\nend"),
        (
            {"timestamps": True},
            (
                b"2026-01-02T03:04:05.000000001Z one\n"
                b"2026-01-02T03:04:06.000000000Z two\n"
                b"2026-01-02T03:04:07.000000000Z three\n"
                b"2026-01-02T03:04:09.000000000Z four\n"
                b"2026-01-02T03:04:10.000000000Z end"
            ),
        ),
    ],
)
def test_how_lines_look(options: dict[str, Any], text: bytes) -> None:
    asked = LogOptions(**options)
    log = LogText(asked, asked.since)
    # However the log was cut on its way.
    decoder = Decoder()
    rendered = b"".join(log.render(decoder.feed(LOG[at : at + 7])) for at in range(0, len(LOG), 7))
    assert rendered == text
    assert log.is_full is (asked.limit_bytes is not None)


@pytest.mark.parametrize(
    ("content", "count", "rest"),
    [
        (b"", 3, b""),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\nc\n", 1, b"c\n"),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc\n", 3, b"a\nb\nc\n"),
        (b"a\nb\nc\n", 99, b"a\nb\nc\n"),
        (b"x" * 200_000 + b"\n" + b"y" * 200_000 + b"\nz\n", 2, b"y" * 200_000 + b"\nz\n"),
    ],
)
def test_where_the_last_lines_begin(tmp_path: Path, content: bytes, count: int, rest: bytes) -> None:
    file = tmp_path / "0.log"
    file.write_bytes(content)
    assert content[find_tail(file, count) :] == rest


def test_reading_begins_where_it_is_told_to_and_ends_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "0.log"
    file.write_bytes(LOG)
    parts = [entry for entries in read_parts(file, start=find_tail(file, 2)) for entry in entries]
    assert [part.payload for part in parts] == [b"four", b"end"]


def _pod(status: dict[str, Any] | None) -> core_v1.Pod:
    statuses = [] if status is None else [{"name": "c", "image": "", "imageID": "", "ready": False} | status]
    tree = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "status": {"containerStatuses": statuses},
    }
    return msgspec.convert(tree, core_v1.Pod)


def _ended(container_id: str) -> dict[str, Any]:
    return {
        "terminated": {"exitCode": 1, "containerID": f"pillion://{container_id}" if container_id else None}
    }


RUNS: dict[str, Any] = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
CRASHED: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("status", "previous", "instance"),
    [
        ({"restartCount": 2, "containerID": "pillion://new", "state": RUNS}, False, ("new", 2)),
        ({"restartCount": 2, "containerID": "pillion://new", "state": RUNS, "lastState": _ended("old")}, True,
         ("old", 1)),
        ({"restartCount": 0, "state": _ended("only")}, False, ("only", 0)),
        ({"restartCount": 3, "state": CRASHED, "lastState": _ended("last")}, False, ("last", 3)),
        ({"restartCount": 3, "state": CRASHED, "lastState": _ended("last")}, True, ("last", 3)),
        ({"restartCount": 3, "state": _ended(""), "lastState": _ended("last")}, False, ("last", 2)),
    ],
)  # fmt: skip
def test_which_instance_is_meant(
    status: dict[str, Any], *, previous: bool, instance: tuple[str, int]
) -> None:
    assert choose_instance(_pod(status), "c", previous=previous) == instance


@pytest.mark.parametrize(
    ("status", "previous", "message"),
    [
        (None, False, 'container "c" in pod "p" is not available'),
        ({"restartCount": 0, "state": RUNS}, True, 'previous terminated container "c" in pod "p" not found'),
        ({"restartCount": 0, "state": _ended("")}, False, 'container "c" in pod "p" is terminated'),
        ({"restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}, False,
         'container "c" in pod "p" is waiting to start: PodInitializing'),
        ({"restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}}, False,
         'container "c" in pod "p" is waiting to start: image can\'t be pulled'),
        ({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}, False,
         'container "c" in pod "p" is waiting to start: trying and failing to pull image'),
        ({"restartCount": 0}, False, 'container "c" in pod "p" is waiting to start - no logs yet'),
    ],
)  # fmt: skip
def test_why_there_is_no_log(status: dict[str, Any] | None, *, previous: bool, message: str) -> None:
    with pytest.raises(NodeRefusal) as refused:
        choose_instance(_pod(status), "c", previous=previous)
    assert (refused.value.status, str(refused.value)) == (400, message)


def test_since_counts_to_the_nanosecond() -> None:
    log = LogText(LogOptions(), Instant(parse_time("2026-01-02T03:04:06Z")))
    assert log.render(Decoder().feed(LOG)).startswith(b"two\n")
