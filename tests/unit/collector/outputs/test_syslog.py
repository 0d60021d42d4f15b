"""Syslog messages, letter by letter, and the ways they travel."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.plugin_lab import OutputSurroundings

from pillion.collector.configuration.settings import NetSettings
from pillion.collector.outputs.syslog import PLUGIN, SyslogSettings
from pillion.collector.outputs.syslogformat import message
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Records

AT = 1_700_000_000_123_456_789
BOM = "\ufeff"


def formatted(body: dict[str, Any], **settings: object) -> str:
    return message(SyslogSettings(**settings).shape, AT, body).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "settings", "expected"),
    [
        pytest.param({"log": "hi"}, {}, "<14>1 2023-11-14T22:13:20.123456Z - - - - -", id="nothing is named"),
        pytest.param(
            {"log": "hi"},
            {"syslog_message_key": "log"},
            f"<14>1 2023-11-14T22:13:20.123456Z - - - - - {BOM}hi",
            id="a message has a byte order mark",
        ),
        pytest.param(
            {"log": "hi", "sev": "err", "fac": "LOCAL0", "h": "web", "k": {"app": "api"}, "p": 7, "m": True},
            {
                "syslog_message_key": "$log", "syslog_severity_key": "sev", "syslog_facility_key": "fac",
                "syslog_hostname_key": "h", "syslog_appname_key": "$k['app']", "syslog_procid_key": "p",
                "syslog_msgid_key": "m",
            },
            f"<131>1 2023-11-14T22:13:20.123456Z web api 7 true - {BOM}hi",
            id="every field from the record",
        ),
        pytest.param(
            {"sev": "nonsense", "fac": 99},
            {
                "syslog_severity_key": "sev", "syslog_severity_preset": 3, "syslog_facility_key": "fac",
                "syslog_facility_preset": 23, "syslog_hostname_key": "h", "syslog_hostname_preset": "here",
                "syslog_appname_preset": "app", "syslog_procid_preset": "1", "syslog_msgid_preset": "id",
            },
            "<187>1 2023-11-14T22:13:20.123456Z here app 1 id -",
            id="presets for what is not there or makes no sense",
        ),
        pytest.param(
            {"log": "<34>1 already"}, {"syslog_message_key": "log"}, "<34>1 already", id="a head of its own stays"
        ),
        pytest.param(
            {"sd@1": {"k": 'a"b\\c]d', "f": 1.5, "n": None, "x=y z": "v"}, "d": {"e": {"q": 1}}, "s": "no map"},
            {"syslog_sd_key": ("sd@1", "$d['e']", "s", "gone")},
            r'<14>1 2023-11-14T22:13:20.123456Z - - - - [sd@1 k="a\"b\\c\]d" f="1.500000" x_y_z="v"][d.e q="1"]',
            id="structured data",
        ),
        pytest.param(
            {"n" * 40: {"k" * 40: "v"}},
            {"syslog_sd_key": ("n" * 40,)},
            f'<14>1 2023-11-14T22:13:20.123456Z - - - - [{"n" * 32} {"k" * 32}="v"]',
            id="names are cut",
        ),
        pytest.param(
            {"n" * 40: {"k" * 40: "v"}},
            {"syslog_sd_key": ("n" * 40,), "allow_longer_sd_id": True},
            f'<14>1 2023-11-14T22:13:20.123456Z - - - - [{"n" * 40} {"k" * 40}="v"]',
            id="… unless they may be longer",
        ),
        pytest.param(
            {"h": "x" * 300, "a": "y" * 60},
            {"syslog_hostname_key": "h", "syslog_appname_key": "a"},
            f"<14>1 2023-11-14T22:13:20.123456Z {'x' * 255} {'y' * 48} - - -",
            id="fields are cut as RFC 5424 says",
        ),
        pytest.param(
            {"log": "hi"},
            {
                "syslog_format": "rfc3164", "syslog_message_key": "log", "syslog_hostname_preset": "web",
                "syslog_appname_preset": "api", "syslog_procid_preset": "7",
            },
            "<14>Nov 14 22:13:20 web api[7]: hi",
            id="rfc3164",
        ),
        pytest.param(
            {"log": "hi"}, {"syslog_format": "rfc3164", "syslog_message_key": "log"}, "<14>Nov 14 22:13:20 hi",
            id="rfc3164 with nothing but a message",
        ),
        pytest.param(
            {"log": "ä" * 20},
            {"syslog_format": "rfc3164", "syslog_message_key": "log", "syslog_maxsize": 25},
            "<14>Nov 14 22:13:20 ää",
            id="the longest message ends where a character does",
        ),
    ],
)  # fmt: skip
def test_a_record_becomes_a_message(body: dict[str, Any], settings: dict[str, Any], expected: str) -> None:
    assert formatted(body, **settings) == expected


@pytest.mark.parametrize(("form", "most"), [("rfc5424", 2048), ("rfc3164", 1024)])
def test_the_longest_message_depends_on_the_format(form: str, most: int) -> None:
    text = formatted({"log": "x" * 5000}, syslog_format=form, syslog_message_key="log")
    assert len(text.encode()) == most


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"syslog_severity_preset": 8}, "syslog_severity_preset"),
        ({"syslog_facility_preset": 24}, "syslog_facility_preset"),
        ({"syslog_message_key": "$"}, "syslog_message_key"),
        ({"syslog_sd_key": ("$[",)}, "syslog_sd_key"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        SyslogSettings(**settings)


# ── how they travel ──────────────────────────────────────────────────────────────────────────────────────────────────
def records(*texts: str) -> Records:
    return Records(times=[AT] * len(texts), bodies=[{"log": text} for text in texts])


def output(**settings: object) -> Any:
    chosen = {"syslog_format": "rfc3164", "syslog_message_key": "log"} | settings
    return PLUGIN.build(SyslogSettings(**chosen), OutputSurroundings())  # type: ignore[arg-type]


HEAD = b"<14>Nov 14 22:13:20 "


def test_udp_sends_a_datagram_for_each_record() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        sender = output(port=server.getsockname()[1])
        assert sender.deliver("t", records("one", "two\nlines")) == Delivered()
        assert [server.recv(100), server.recv(100)] == [HEAD + b"one", HEAD + b"two\nlines"]
        sender.close()


def test_udp_to_nobody_means_all_of_it_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    sender = output(port=port)
    assert sender.deliver("t", records("one", "two")) == Again(
        reason=f"127.0.0.1:{port}: nobody is listening"
    )
    sender.close()


def test_a_datagram_that_cannot_be_is_a_dead_letter() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        sender = output(port=server.getsockname()[1], syslog_maxsize=100_000)
        verdict = sender.deliver("t", records("one", "x" * 90_000, "two"))
        assert isinstance(verdict, Delivered)
        assert [len(left.bodies) for _, left in verdict.rejected if isinstance(left, Records)] == [1]
        assert [server.recv(100), server.recv(100)] == [HEAD + b"one", HEAD + b"two"]
        sender.close()


def test_a_unix_socket_like_dev_log(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    sender = output(mode="unix", unix_path=path)
    assert sender.deliver("t", records("one")) == Again(
        reason=f"cannot send to unix:{path}: No such file or directory"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        assert sender.deliver("t", records("one")) == Delivered()
        assert server.recv(100) == HEAD + b"one"
    sender.close()


@contextmanager
def tcp_server(*, reads: bool = True) -> Iterator[tuple[int, bytearray, threading.Condition]]:
    received, arrived = bytearray(), threading.Condition()
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            while reads and (data := connection.recv(65536)):
                with arrived:
                    received.extend(data)
                    arrived.notify_all()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], received, arrived
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)
        listener.close()
        for connection in connections:
            connection.close()


def until(received: bytearray, arrived: threading.Condition, end: bytes) -> bytes:
    with arrived:
        assert arrived.wait_for(lambda: received.endswith(end), 30)
    return bytes(received)


def test_tcp_ends_messages_with_a_line_end() -> None:
    with tcp_server() as (port, received, arrived):
        sender = output(mode="tcp", port=port)
        assert sender.deliver("t", records("one", "two")) == Delivered()
        assert sender.deliver("t", records("three")) == Delivered()
        assert until(received, arrived, b"three\n") == b"".join(
            HEAD + text + b"\n" for text in (b"one", b"two", b"three")
        )
        sender.close()


def test_octet_counting_keeps_lines_together() -> None:
    with tcp_server() as (port, received, arrived):
        sender = output(mode="tcp", port=port, syslog_framing="octet_counting")
        assert sender.deliver("t", records("one\ntwo")) == Delivered()
        assert until(received, arrived, b"two") == b"27 " + HEAD + b"one\ntwo"
        sender.close()


def test_a_server_that_reads_nothing_is_not_taken_for_one_that_has_everything() -> None:
    with tcp_server(reads=False) as (port, _, _):
        sender = output(mode="tcp", port=port, net=NetSettings(io_timeout=0.2), syslog_maxsize=1 << 20)
        verdict = sender.deliver("t", records(*["x" * 1_000_000] * 20))
        sender.close()
    assert isinstance(verdict, Again)
    assert verdict.remaining is None


def test_a_connection_that_the_server_has_closed_is_opened_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = output(mode="tcp", port=listener.getsockname()[1])
        delivering = threading.Thread(target=sender.deliver, args=["t", records("one")])
        delivering.start()
        first, _ = listener.accept()
        assert first.recv(100) == HEAD + b"one\n"
        delivering.join(30)
        first.close()
        verdicts: list[object] = []
        again = threading.Thread(target=lambda: verdicts.append(sender.deliver("t", records("two"))))
        again.start()
        second, _ = listener.accept()
        assert second.recv(100) == HEAD + b"two\n"
        again.join(30)
        second.close()
        sender.close()
    assert verdicts == [Delivered()]


def test_nobody_there_means_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sender = output(mode="tcp", port=port)
    assert sender.deliver("t", records("one")) == Again(
        reason=f"cannot connect to 127.0.0.1:{port}: Connection refused"
    )
