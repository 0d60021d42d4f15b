"""The syslog output with Debian's rsyslog as its peer: what it understands, and what it gets when it is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.architecture.pages import ROOT
from tests.plugin_lab import OutputSurroundings, wait_for

from pillion.collector.outputs.syslog import PLUGIN, SyslogSettings
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Records

pytestmark = pytest.mark.host

TREE = ROOT / ".venv/share/pillion/rsyslog"
CONFIGURATION = """
module(load="imudp") module(load="imtcp")
template(name="parsed" type="list") {{
    property(name="jsonmesg") constant(value="\\n")
}}
ruleset(name="all") {{ action(type="omfile" file="{file}" template="parsed" flushOnTXEnd="on") }}
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all")
"""


class Rsyslog:
    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self._folder = folder
        self.file = folder / "received"
        (folder / "rsyslog.conf").write_text(CONFIGURATION.format(file=self.file, port=self.port))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        libraries = next(TREE.glob("usr/lib/*/rsyslog"))
        self._process = subprocess.Popen(
            [
                TREE / "usr/sbin/rsyslogd", "-n", "-f", self._folder / "rsyslog.conf", "-i", self._folder / "pid",
                "-M", libraries,
            ],
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries.parent)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._is_listening)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)
        (self._folder / "pid").unlink(missing_ok=True)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def messages(self) -> list[dict[str, Any]]:
        import json

        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def until(self, is_enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        wait_for(lambda: is_enough(self.messages()))
        return self.messages()


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Rsyslog]:
    server = Rsyslog(tmp_path)
    server.start()
    yield server
    server.kill()


AT = 1_700_000_000_123_456_000


def output(server: Rsyslog, **settings: object) -> Any:
    chosen = {
        "port": server.port, "mode": "tcp", "syslog_message_key": "log", "syslog_severity_key": "level",
        "syslog_hostname_preset": "web", "syslog_appname_preset": "api", "syslog_procid_preset": "7",
    }  # fmt: skip
    return PLUGIN.build(SyslogSettings(**chosen | settings), OutputSurroundings())  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["rfc5424", "rfc3164"])
@pytest.mark.parametrize("mode", ["udp", "tcp"])
def test_rsyslog_finds_every_field(rsyslog: Rsyslog, form: str, mode: str) -> None:
    sender = output(rsyslog, syslog_format=form, mode=mode, syslog_sd_key=("sd",))
    content = Records(times=[AT], bodies=[{"log": "äöü hello", "level": "err", "sd": {"k": 'v"]'}}])
    assert sender.deliver("t", content) == Delivered()
    sender.close()
    found = rsyslog.until(lambda messages: len(messages) == 1)[0]
    assert found["msg"].lstrip(" \ufeff") == "äöü hello"
    assert (found["hostname"], found["programname"], found["syslogseverity"]) == ("web", "api", "3")
    if form == "rfc5424":
        assert found["timereported"].startswith("2023-11-14T22:13:20.123456")
        assert found["structured-data"] == '[sd k="v\\"\\]"]'


@pytest.mark.parametrize("framing", ["newline", "octet_counting"])
def test_a_message_of_several_lines_is_one_with_octet_counting(rsyslog: Rsyslog, framing: str) -> None:
    sender = output(rsyslog, syslog_framing=framing)
    content = Records(times=[AT] * 2, bodies=[{"log": "one\ntwo"}, {"log": "three"}])
    assert sender.deliver("t", content) == Delivered()
    sender.close()
    messages = rsyslog.until(lambda messages: any("three" in each["msg"] for each in messages))
    assert len(messages) == {"newline": 3, "octet_counting": 2}[framing]


def test_a_server_that_is_killed_is_waited_for(rsyslog: Rsyslog) -> None:
    sender = output(rsyslog)
    first, second = (
        Records(times=[AT] * 50, bodies=[{"log": f"line {number}"} for number in numbers])
        for numbers in (range(50), range(50, 100))
    )
    assert sender.deliver("t", first) == Delivered()
    rsyslog.until(lambda messages: len(messages) == 50)
    rsyslog.kill()
    assert isinstance(sender.deliver("t", second), Again)
    rsyslog.start()
    assert sender.deliver("t", second) == Delivered()
    sender.close()
    texts = {each["msg"].lstrip(" \ufeff") for each in rsyslog.until(lambda messages: len(messages) >= 100)}
    assert texts == {f"line {number}" for number in range(100)}
