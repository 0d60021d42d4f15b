"""What the process does: signals, reloads, its end, and what a kill costs."""

from __future__ import annotations

import json
import random
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.collector.process import Collector, until

FROM_TAIL = """
[SERVICE]
    flush 1
    grace 20
    http_server on
    http_listen 127.0.0.1
    http_port PORT
[INPUT]
    name tail
    tag app
    path FOLDER/*.log
    read_from_head on
"""
TO_FILE = """
[OUTPUT]
    name file
    match *
    path FOLDER
    file out
    format plain
"""
TO_NOBODY = """
[OUTPUT]
    name forward
    match *
    host 127.0.0.1
    port 1
"""
TAIL = FROM_TAIL + TO_FILE


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_sigterm_reads_to_the_end_delivers_and_ends_with_0(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one")
    with Collector(tmp_path, TAIL) as collector:
        until(lambda: collector.lines() == ["one"])
        write(log, *(str(number) for number in range(5000)))
        assert collector.end() == 0
        assert collector.lines() == ["one", *(str(number) for number in range(5000))]
        assert "everything is delivered" in collector.said()


def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one")
    with Collector(tmp_path, TAIL) as collector:
        until(lambda: collector.lines() == ["one"])
        assert collector.end(signal.SIGINT) == 0
        write(log, "two")
        collector.start()
        until(lambda: collector.lines() == ["one", "two"])


def test_it_ends_with_75_when_records_are_left_and_sends_them_later(tmp_path: Path) -> None:
    nobody = FROM_TAIL.replace("grace 20", "grace 1") + TO_NOBODY
    write(tmp_path / "a.log", "one", "two")
    with Collector(tmp_path, nobody) as collector:
        until(lambda: collector.is_up() and collector.status()["outputs"][0]["retries"])
        assert collector.end() == 75
        assert "2 records were not delivered to forward.0" in collector.said()
        collector.configure(TAIL)
        collector.start()
        until(lambda: collector.lines() == ["one", "two"])


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    stuck = FROM_TAIL.replace("grace 20", "grace 3600") + TO_NOBODY
    write(tmp_path / "a.log", "one")
    with Collector(tmp_path, stuck) as collector:
        until(lambda: collector.is_up() and collector.status()["outputs"][0]["retries"])
        collector.tell(signal.SIGTERM)
        until(lambda: "ending" in collector.said())
        assert collector.end(signal.SIGINT) == 128 + signal.SIGINT


@pytest.mark.parametrize("how", ["signal", "http"])
def test_a_reload_takes_another_configuration_without_losing_or_repeating_a_line(
    how: str, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    write(log, "one")
    with Collector(tmp_path, TAIL) as collector:
        until(lambda: collector.lines() == ["one"])
        collector.configure(TAIL.replace("file out", "file other"))
        if how == "signal":
            collector.tell(signal.SIGHUP)
        else:
            assert json.loads(collector.ask("/api/v2/reload", "PUT")[1]) == {"reload": "done", "status": 0}
        until(lambda: collector.ask("/api/v2/reload")[1] == '{"hot_reload_count":1}')
        write(log, "two")
        until(lambda: collector.lines("other") == ["two"])
        assert collector.end() == 0
        assert collector.lines() == ["one"]


def test_a_changed_input_goes_on_at_its_checkpoint(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one")
    with Collector(tmp_path, TAIL) as collector:
        until(lambda: collector.lines() == ["one"])
        collector.configure(TAIL.replace("tag app", "tag app\n    mem_buf_limit 1M"))
        assert collector.ask("/api/v2/reload", "POST")[0] == 200
        write(log, "two")
        until(lambda: collector.lines() == ["one", "two"])


def test_a_bad_configuration_keeps_the_old_one_running_and_is_said(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write(log, "one")
    with Collector(tmp_path, TAIL) as collector:
        until(lambda: collector.lines() == ["one"])
        collector.configure(TAIL.replace("format plain", "fromat plain"))
        status, body = collector.ask("/api/v2/reload", "PUT")
        assert status == 400
        assert "fromat" in json.loads(body)["error"]
        assert "fromat" in collector.status()["notices"]["reload"]
        write(log, "two")
        until(lambda: collector.lines() == ["one", "two"])
        collector.configure(TAIL)
        assert collector.ask("/api/v2/reload", "PUT")[0] == 200
        assert "reload" not in collector.status()["notices"]


def test_the_end_of_an_input_that_has_one_ends_the_process(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "one", "two")
    with Collector(tmp_path, TAIL.replace("tag app", "tag app\n    exit_on_eof on")) as collector:
        assert collector.wait() == 0
        assert collector.lines() == ["one", "two"]


def test_an_input_that_cannot_run_ends_it_with_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listening = f"name forward\n    listen 127.0.0.1\n    port {port}\n"
        text = TAIL.replace(
            "name tail\n    tag app\n    path FOLDER/*.log\n    read_from_head on\n", listening
        )
        with Collector(tmp_path, text) as collector:
            assert collector.wait() == 1
            assert f"127.0.0.1:{port}" in collector.said()
            assert "Traceback" not in collector.said()


def test_the_status_page_shows_the_files(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "one")
    with Collector(tmp_path, TAIL) as collector:
        until(lambda: collector.lines() == ["one"])
        until(lambda: collector.status()["inputs"][0]["files"][0]["delivered_offset"] == 4)
        [file] = collector.status()["inputs"][0]["files"]
        assert (file["path"], file["lag_bytes"]) == (str(tmp_path / "a.log"), 0)
        assert collector.ask("/ready")[0] == 200


@pytest.mark.parametrize("storage", ["memory", "filesystem"])
def test_a_kill_loses_nothing(storage: str, tmp_path: Path) -> None:
    chance = random.Random(storage)
    text = TAIL.replace("flush 1", f"flush 1\n    storage.path {tmp_path}/storage")
    text = text.replace("tag app", f"tag app\n    storage.type {storage}")
    log = tmp_path / "a.log"
    written = 0
    with Collector(tmp_path, text) as collector:
        for _ in range(4):
            until(collector.is_up)
            for _ in range(chance.randint(5, 20)):
                amount = chance.randint(1, 2000)
                write(log, *(str(number) for number in range(written, written + amount)))
                written += amount
            collector.end(signal.SIGKILL)
            collector.start()
        until(lambda: len(set(collector.lines())) == written)
        assert collector.end() == 0
        seen = Counter(map(int, collector.lines()))
    assert sorted(seen) == list(range(written))
