"""The forward output: what goes over the wire, and what it believes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
from tests.plugin_lab import HeldIntake, InputSurroundings, OutputSurroundings
from tests.unit.http.certificates import Certificates

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import NetSettings, TlsSettings
from pillion.collector.inputs import forward as inputs
from pillion.collector.outputs import forward as module
from pillion.collector.outputs.forward import PLUGIN, Forward, ForwardSettings, Messages
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Lines, Records, Texts

AT = 1_700_000_000_123_456_789
TIME = msgpack.ExtType(0, struct.pack(">II", 1_700_000_000, 123_456_789))
RECORDS = Records(times=[AT, AT], bodies=[{"a": 1, "k": {"app": "x"}}, {"b": b"\xff"}])


def sent(**settings: object) -> list[Any]:
    data = Messages(ForwardSettings(**settings)).outgoing("app", RECORDS).data  # type: ignore[arg-type]
    found, unpacker = [], msgpack.Unpacker(strict_map_key=False)  # type: ignore[call-arg]
    unpacker.feed(data)
    found += unpacker  # type: ignore[arg-type]
    return found


ENTRIES = [[TIME, RECORDS.bodies[0]], [TIME, RECORDS.bodies[1]]]


def test_without_acknowledgements_there_is_a_tag_and_events_as_fluent_bit_sends_them() -> None:
    assert sent(require_ack_response="off") == [["app", ENTRIES]]


def test_options_are_sent_when_something_asks_for_them() -> None:
    assert sent(require_ack_response="off", send_options=True) == [
        ["app", ENTRIES, {"size": 2, "fluent_signal": 0}]
    ]
    assert sent(require_ack_response="no", add_option=(("k", "v w"),)) == [
        ["app", ENTRIES, {"size": 2, "fluent_signal": 0, "k": "v w"}]
    ]


def test_a_chunk_is_named_by_what_is_in_it() -> None:
    first, second = sent()[0][2], sent()[0][2]
    assert list(first) == ["chunk", "size", "fluent_signal"]
    assert first == second
    assert len(first["chunk"]) == 32


def test_gzip_makes_it_one_binary() -> None:
    tag, packed, options = sent(require_ack_response="off", compress="gzip")[0]
    assert (tag, options) == ("app", {"size": 2, "compressed": "gzip", "fluent_signal": 0})
    assert msgpack.unpackb(b"\x92" + gzip.decompress(packed)) == ENTRIES


def test_old_fluentd_gets_whole_seconds() -> None:
    assert sent(require_ack_response="off", time_as_integer=True)[0][1][0] == [
        1_700_000_000,
        RECORDS.bodies[0],
    ]


def test_another_tag_for_all_or_one_for_each_record() -> None:
    assert sent(require_ack_response="off", tag="other.$TAG")[0][0] == "other.app"
    assert sent(require_ack_response="off", tag="x.$k['app']") == [
        ["x.x", TIME, RECORDS.bodies[0], {"fluent_signal": 0}],
        ["x.", TIME, RECORDS.bodies[1], {"fluent_signal": 0}],
    ]
    chunks = {message[3]["chunk"] for message in sent(tag="$k['app']")}
    assert len(chunks) == 2


@pytest.mark.parametrize(
    "content", [Lines(data=b"one\ntwo\n", time=AT), Texts(data=b'{"log":"one"}\n', times=AT)]
)
def test_all_forms_of_a_chunk_can_be_sent(content: Lines | Texts) -> None:
    with Peer() as peer:
        assert deliver(peer, content=content, require_ack_response="off") == Delivered()
        peer.until(1)
    assert peer.messages[0][1][0] == [TIME, {"log": "one"}]


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"compress": "gzip", "time_as_integer": True}, "compress"),
        ({"compress": "gzip", "tag": "$app"}, "compress"),
        ({"require_ack_response": "maybe"}, "require_ack_response"),
        ({"add_option": (("k",),)}, "add_option"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        ForwardSettings(**settings)


# ── what is believed ─────────────────────────────────────────────────────────────────────────────────────────────────
class Peer(threading.Thread):
    """A server in a thread. `answers`, one for each message: `yes` acknowledges it, None says nothing, `close` closes,
    and other text acknowledges that."""

    def __init__(self, answers: list[str | None] | None = None, *, acknowledges: bool = True) -> None:
        super().__init__(daemon=True)
        self.messages: list[Any] = []
        self._arrived = threading.Condition()
        self._acknowledges = acknowledges
        self._answers = answers or []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._served: list[tuple[socket.socket, threading.Thread]] = []

    @property
    def connections(self) -> int:
        return len(self._served)

    def until(self, messages: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.messages) >= messages, 30)

    def __enter__(self) -> Peer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.join(30)
        self._listener.close()
        for connection, thread in self._served:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(30)
            connection.close()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
                self._served.append((connection, thread))
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        unpacker = msgpack.Unpacker(strict_map_key=False)  # type: ignore[call-arg]
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                unpacker.feed(data)
                for message in unpacker:  # type: ignore[attr-defined]
                    answer = self._answers.pop(0) if self._answers else "yes"
                    with self._arrived:
                        self.messages.append(message)
                        self._arrived.notify_all()
                    if answer == "close":
                        connection.shutdown(socket.SHUT_RDWR)
                        return
                    if answer is not None and self._acknowledges and isinstance(message[-1], dict):
                        chunk = message[-1].get("chunk", "") if answer == "yes" else answer
                        connection.sendall(msgpack.packb({"ack": chunk}))


def output(peer: Peer, **settings: object) -> Forward:
    chosen = {"host": "127.0.0.1", "port": peer.port} | settings
    built = PLUGIN.build(ForwardSettings(**chosen), OutputSurroundings("forward.0"))  # type: ignore[arg-type]
    assert isinstance(built, Forward)
    return built


def deliver(peer: Peer, *, content: Any = RECORDS, **settings: object) -> object:
    sender = output(peer, **settings)
    try:
        return sender.deliver("app", content)
    finally:
        sender.close()


def test_delivered_means_acknowledged_and_the_connection_is_kept() -> None:
    with Peer() as peer:
        sender = output(peer)
        for _ in range(3):
            assert sender.deliver("app", RECORDS) == Delivered()
        sender.close()
    assert (len(peer.messages), peer.connections) == (3, 1)


def test_without_keepalive_each_delivery_connects() -> None:
    with Peer() as peer:
        sender = output(peer, net=NetSettings(keepalive=False))
        assert [sender.deliver("app", RECORDS) for _ in range(2)] == [Delivered()] * 2
    assert peer.connections == 2


def test_a_connection_that_ends_before_the_acknowledgement_means_again() -> None:
    with Peer(["yes", "close", "yes"]) as peer:
        sender = output(peer)
        assert sender.deliver("app", RECORDS) == Delivered()
        verdict = sender.deliver("app", RECORDS)
        assert isinstance(verdict, Again)
        assert verdict.remaining is None
        assert sender.deliver("app", RECORDS) == Delivered()
        sender.close()
    assert len(peer.messages) == 3


def test_another_chunks_acknowledgement_is_not_ours() -> None:
    with Peer(["somebody else's"]) as peer:
        verdict = deliver(peer, require_ack_response="on", ack_timeout=0.05)
    assert isinstance(verdict, Again)


def test_a_silent_server_means_again_when_acknowledgements_are_required() -> None:
    with Peer(acknowledges=False) as peer:
        verdict = deliver(peer, require_ack_response="on", ack_timeout=0.05)
    assert isinstance(verdict, Again)
    assert "did nothing for 0.05 s" in verdict.reason


def test_a_server_that_acknowledges_nothing_is_found_out_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_FIRST_ACKNOWLEDGEMENT", 0.05)
    with Peer(acknowledges=False) as peer, caplog.at_level(logging.WARNING):
        sender = output(peer)
        assert [sender.deliver("app", RECORDS) for _ in range(3)] == [Delivered()] * 3
        sender.close()
        peer.until(3)
    assert [record.message for record in caplog.records] == [
        f"127.0.0.1:{peer.port} acknowledges nothing: records that it has received and not kept cannot be sent again"
    ]


def test_a_server_that_has_acknowledged_once_is_held_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_ACKNOWLEDGEMENT", 0.05)
    with Peer(["yes", None]) as peer:
        sender = output(peer, ack_timeout=0.2)
        assert sender.deliver("app", RECORDS) == Delivered()
        assert isinstance(sender.deliver("app", RECORDS), Again)
        sender.close()


def test_only_records_that_are_not_acknowledged_remain_when_each_has_its_tag() -> None:
    with Peer(["yes", "close"]) as peer:
        verdict = deliver(peer, tag="$k['app']")
    assert isinstance(verdict, Again)
    assert verdict.remaining == Records(times=[AT], bodies=[RECORDS.bodies[1]])


def test_nobody_there_means_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = ForwardSettings(port=port)
    verdict = PLUGIN.build(settings, OutputSurroundings()).deliver("app", RECORDS)
    assert verdict == Again(reason=f"cannot connect to 127.0.0.1:{port}: Connection refused")


def test_a_stop_ends_the_wait_for_an_acknowledgement() -> None:
    with Peer(acknowledges=False) as peer:
        sender = output(peer, require_ack_response="on")
        verdicts: list[object] = []
        waiting = threading.Thread(target=lambda: verdicts.append(sender.deliver("app", RECORDS)))
        waiting.start()
        while waiting.is_alive():
            sender.interrupt()
            waiting.join(0.01)
        sender.close()
    assert verdicts == [Again(reason="interrupted: the collector stops")]


def test_a_key_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with Peer() as peer:
        verdict = deliver(peer, shared_key_file=str(tmp_path / "missing"))
    assert isinstance(verdict, Again)
    assert "cannot read the credential" in verdict.reason


# ── several servers ──────────────────────────────────────────────────────────────────────────────────────────────────
def upstream(folder: Path, text: str) -> Any:
    (folder / "upstream.conf").write_text(text)
    context = OutputSurroundings()
    context.folder, context.environment = folder, {"KEY": "s"}
    return PLUGIN.build(ForwardSettings(upstream="upstream.conf"), context)


def test_deliveries_go_from_server_to_server(tmp_path: Path) -> None:
    nodes = "[UPSTREAM]\n  name both\n[NODE]\n  name a\n  host 127.0.0.1\n  port {}\n"
    nodes += "[NODE]\n  Host 127.0.0.1\n  Port {}\n"
    with Peer() as first, Peer() as second:
        sender = upstream(tmp_path, nodes.format(first.port, second.port))
        assert [sender.deliver("app", RECORDS) for _ in range(4)] == [Delivered()] * 4
        sender.close()
    assert (len(first.messages), len(second.messages)) == (2, 2)


def test_a_server_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = taken.getsockname()[1]
    node = "[NODE]\n  host 127.0.0.1\n  port {}\n"
    with Peer() as peer:
        sender = upstream(tmp_path, node.format(gone) + node.format(peer.port))
        assert [sender.deliver("app", RECORDS) for _ in range(3)] == [Delivered()] * 3
        sender.close()
    none = upstream(tmp_path, node.format(gone) * 2)
    assert none.deliver("app", RECORDS) == Again(
        reason=f"cannot connect to 127.0.0.1:{gone}: Connection refused", remaining=RECORDS
    )


def test_a_node_has_keys_of_its_own(tmp_path: Path) -> None:
    intake = HeldIntake()
    with served(intake, shared_key="s") as server:
        port = server.listener.port
        text = f"[NODE]\n  host 127.0.0.1\n  port {port}\n  shared_key ${{KEY}}\n  tag other\n"
        sender = upstream(tmp_path, text)
        assert sender.deliver("app", RECORDS) == Delivered()
        sender.close()
    assert {tag for tag, _, _ in intake.records} == {"other"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no [NODE]"),
        ("[NODE]\n  host x\n", "upstream.conf:1: [NODE]: port is missing"),
        ("[NODE]\n  host x\n  port y\n", "upstream.conf:3: [NODE]: port"),
        ("[NODE]\n  host x\n  port 1\n  prot 2\n", "upstream.conf:4: [NODE]: prot: there is no such key"),
        ("[NODES]\n", "there are only [UPSTREAM] and [NODE]"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        upstream(tmp_path, text)
    assert complaint in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the upstream file: No such file"):
        PLUGIN.build(ForwardSettings(upstream=str(tmp_path / "gone")), OutputSurroundings())


# ── the two halves ───────────────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def served(intake: HeldIntake, **settings: object) -> Iterator[inputs.Forward]:
    """Our own input, in a loop of its own."""
    chosen = inputs.ForwardSettings(**{"listen": "127.0.0.1", "port": 0} | settings)  # type: ignore[arg-type]
    server = inputs.PLUGIN.build(chosen, InputSurroundings("forward.0"))
    assert isinstance(server, inputs.Forward)
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    ready = threading.Event()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run(intake, stopping))
            await server.listener.is_listening.wait()
            ready.set()
            await running
            await server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(30)
        loop.close()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"compress": "gzip"}, {}),
        ({"time_as_integer": True}, {}),
        ({"tag": "$k['app']"}, {}),
        ({"shared_key": "s"}, {"shared_key": "s"}),
        ({"empty_shared_key": True}, {"empty_shared_key": True}),
        (
            {"shared_key": "s", "username": "ada", "password": "pw"},
            {"shared_key": "s", "users": (("ada", "pw"),)},
        ),
        ({"unix_path": "socket"}, {"unix_path": "socket"}),
    ],
)
def test_our_output_and_our_input_understand_each_other(
    tmp_path: Path, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    if "unix_path" in ours:
        ours, theirs = ours | {"unix_path": str(tmp_path / "s")}, theirs | {"unix_path": str(tmp_path / "s")}
    intake = HeldIntake()
    with served(intake, **theirs) as server:
        settings = ForwardSettings(port=server.listener.port or 0, require_ack_response="on", **ours)
        sender = PLUGIN.build(settings, OutputSurroundings())
        for _ in range(2):
            assert sender.deliver("app", RECORDS) == Delivered()
        sender.close()
    assert intake.bodies == RECORDS.bodies * 2
    assert {at for _, at, _ in intake.records} == {
        AT if not ours.get("time_as_integer") else AT // 10**9 * 10**9
    }


def test_they_understand_each_other_over_tls_with_certificates_on_both_sides(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificate, key = certificates.issue("server")
    own, own_key = certificates.issue("client")
    theirs = TlsSettings(on=True, crt_file=certificate, key_file=key, ca_file=certificates.authority)
    ours = TlsSettings(on=True, ca_file=certificates.authority, crt_file=own, key_file=own_key)
    intake = HeldIntake()
    with served(intake, tls=theirs) as server:
        port = server.listener.port or 0
        sender = PLUGIN.build(ForwardSettings(port=port, tls=ours, compress="gzip"), OutputSurroundings())
        large = Records(times=[AT] * 300, bodies=[{"n": number, "log": "x" * 1000} for number in range(300)])
        assert [sender.deliver("app", large) for _ in range(2)] == [Delivered()] * 2
        sender.close()
        without = TlsSettings(on=True, ca_file=certificates.authority)
        stranger = PLUGIN.build(ForwardSettings(port=port, tls=without), OutputSurroundings())
        assert isinstance(stranger.deliver("app", RECORDS), Again)
        trusting = PLUGIN.build(ForwardSettings(port=port, tls=TlsSettings(on=True)), OutputSurroundings())
        verdict = trusting.deliver("app", RECORDS)
        assert isinstance(verdict, Again)
        assert "its certificate is not trusted" in verdict.reason
    assert [body["n"] for body in intake.bodies] == [*range(300), *range(300)]


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        ({"shared_key": "a"}, {"shared_key": "b"}, "refused us: shared_key mismatch"),
        (
            {"shared_key": "s", "username": "eve"},
            {"shared_key": "s", "users": (("ada", "pw"),)},
            "refused us: username/password mismatch",
        ),
    ],
)
def test_who_is_refused_is_told_why(ours: dict[str, Any], theirs: dict[str, Any], reason: str) -> None:
    intake = HeldIntake()
    with served(intake, **theirs) as server:
        settings = ForwardSettings(port=server.listener.port or 0, **ours)
        verdict = PLUGIN.build(settings, OutputSurroundings()).deliver("app", RECORDS)
    assert isinstance(verdict, Again)
    assert reason in verdict.reason
    assert intake.records == []
