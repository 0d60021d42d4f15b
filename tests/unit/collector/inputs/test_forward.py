"""The forward input over real connections: what is acknowledged when, who may send, and who is let go."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
from tests.plugin_lab import HeldIntake, InputSurroundings

from pillion.collector.inputs import forward as module
from pillion.collector.inputs.forward import PLUGIN, Forward, ForwardSettings
from pillion.errors import HostError

TIME = msgpack.ExtType(0, struct.pack(">II", 1_700_000_000, 5))


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._unpacker = msgpack.Unpacker(raw=True)  # type: ignore[call-arg]

    def send(self, value: object) -> None:
        self.writer.write(msgpack.packb(value))

    async def answer(self) -> Any:
        """The next value; None when the server has closed."""
        while True:
            try:
                return self._unpacker.unpack()  # type: ignore[attr-defined]
            except msgpack.OutOfData:
                data = await self._reader.read(65536)
                if not data:
                    return None
                self._unpacker.feed(data)

    async def is_closed(self) -> bool:
        try:
            return await self._reader.read(1) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def served(intake: HeldIntake, **settings: object) -> AsyncIterator[tuple[Forward, asyncio.Event]]:
    chosen = ForwardSettings(**{"listen": "127.0.0.1", "port": 0} | settings)  # type: ignore[arg-type]
    served = PLUGIN.build(chosen, InputSurroundings("forward.0"))
    assert isinstance(served, Forward)
    stopping = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(served.run(intake, stopping))
        await served.listener.is_listening.wait()
        try:
            yield served, stopping
        finally:
            stopping.set()
            await running
            await served.close()


@asynccontextmanager
async def client(served: Forward) -> AsyncIterator[Client]:
    reader, writer = (
        await asyncio.open_unix_connection(served.settings.unix_path)
        if served.settings.unix_path
        else await asyncio.open_connection("127.0.0.1", served.listener.port)
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def run(test: Callable[[HeldIntake], Awaitable[None]], *, settle_at_once: bool = True) -> HeldIntake:
    async def main() -> HeldIntake:
        intake = HeldIntake(settle_at_once=settle_at_once)
        await test(intake)
        return intake

    return asyncio.run(main())


def test_a_chunk_is_acknowledged_when_its_records_are_settled_and_not_before() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            sender.send(["app", [[TIME, {"a": 1}], [7, {"a": 2}]], {"chunk": "c1"}])
            await intake.until(2)
            waiting = asyncio.ensure_future(sender.answer())
            sender.send(["app", 8, {"a": 3}])
            await intake.until(3)
            assert not waiting.done()
            intake.settle()
            assert await waiting == {b"ack": b"c1"}

    intake = run(test, settle_at_once=False)
    assert intake.records == [
        ("app", 1_700_000_000_000_000_005, {"a": 1}),
        ("app", 7_000_000_000, {"a": 2}),
        ("app", 8_000_000_000, {"a": 3}),
    ]


def test_an_empty_chunk_and_one_of_metrics_are_acknowledged_too() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            sender.send(None)
            sender.send(["app", [], {"chunk": "empty"}])
            sender.send(["app", b"\x01", {"chunk": "metrics", "fluent_signal": 1}])
            assert [await sender.answer(), await sender.answer()] == [
                {b"ack": b"empty"},
                {b"ack": b"metrics"},
            ]
            assert "only logs" in next(iter(server.context.notices.current.values()))

    assert run(test).records == []


def test_text_that_is_no_utf8_is_replaced_and_counted() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            sender.writer.write(
                b"\x92\xa3app\x93" + b"\x92\x07\x81\xa1k\xa1\xff" * 2 + b"\x92\x07\x81\xa1k\xa1x"
            )
            await intake.until(3)
            assert server.context.status.invalid_utf8 == 2

    assert run(test).bodies == [{"k": "�"}, {"k": "�"}, {"k": "x"}]


def test_an_acknowledgement_reaches_a_sender_that_has_finished_sending() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            sender.send(["app", 7, {}, {"chunk": "c1"}])
            sender.writer.write_eof()
            await intake.until(1)
            await asyncio.sleep(0)
            intake.settle()
            assert await sender.answer() == {b"ack": b"c1"}
            assert await sender.is_closed()

    run(test, settle_at_once=False)


def test_a_stop_takes_what_was_sent_and_still_acknowledges_it() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, stopping), client(server) as sender:
            for number in range(50):
                sender.send(["app", 7, {"n": number}, {"chunk": str(number)}])
            await sender.writer.drain()
            await intake.until(1)
            stopping.set()
            await intake.until(50)
            intake.settle()
            assert {(await sender.answer())[b"ack"] for _ in range(50)} == {b"%d" % n for n in range(50)}
            with pytest.raises(OSError, match=r".*"):
                await asyncio.open_connection("127.0.0.1", server.listener.port)

    assert [body["n"] for body in run(test, settle_at_once=False).bodies] == list(range(50))


@pytest.mark.parametrize(
    ("settings", "tag"),
    [
        ({}, "app"),
        ({"tag": "own"}, "own"),
        ({"tag_prefix": "pre."}, "pre.app"),
        ({"tag": "own", "tag_prefix": "p"}, "papp"),
    ],
)
def test_the_tag_is_the_senders_unless_the_input_has_its_own(settings: dict[str, str], tag: str) -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, **settings) as (server, _), client(server) as sender:
            sender.send(["app", 7, {}])
            await intake.until(1)

    assert run(test).records[0][0] == tag


def test_a_unix_socket_has_its_permissions_and_goes_with_the_input(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    async def test(intake: HeldIntake) -> None:
        async with (
            served(intake, unix_path=str(path), unix_perm="0660") as (server, _),
            client(server) as sender,
        ):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            sender.send(["app", 7, {}])
            await intake.until(1)

    run(test)
    assert not path.exists()


def test_what_stands_in_the_sockets_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("mine")

    async def main() -> None:
        settings = ForwardSettings(unix_path=str(path))
        with pytest.raises(HostError, match="exists and is no socket"):
            await PLUGIN.build(settings, InputSurroundings()).run(HeldIntake(), asyncio.Event())

    asyncio.run(main())
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xc1", b"\x93\xa1t\x01\x02", b"\x91" * 3000]
)
def test_garbage_closes_its_connection_and_no_other(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as good:
            for _ in range(3):
                async with client(server) as bad:
                    bad.writer.write(garbage)
                    assert await bad.is_closed()
            good.send(["app", 7, {}, {"chunk": "c"}])
            assert await good.answer() == {b"ack": b"c"}

    with caplog.at_level(logging.WARNING):
        run(test)
    assert len([record for record in caplog.records if "closed" in record.message]) == 1


def test_a_message_beyond_the_limit_closes_its_connection() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, buffer_max_size=5000) as (server, _), client(server) as sender:
            sender.send(["app", 7, {"log": "x" * 10_000}])
            assert await sender.is_closed()

    assert run(test).records == []


def test_half_messages_of_many_clients_are_bounded_together() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, buffer_max_size=5000) as (server, _):
            connections = [await asyncio.open_connection("127.0.0.1", server.listener.port) for _ in range(8)]
            for _, writer in connections:
                writer.write(b"\x93\xa1t\x07\x81\xa1k\xda\x20\x00" + b"x" * 4000)
            closed = [asyncio.ensure_future(reader.read(1)) for reader, _ in connections]
            done, _ = await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED)
            assert done
            for _, writer in connections:
                writer.close()
            await asyncio.wait(closed)

    run(test)


def test_who_stops_in_the_middle_of_a_message_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MESSAGE", 0.05)

    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as slow, client(server) as idle:
            slow.writer.write(b"\x93\xa1t")
            assert await slow.is_closed()
            idle.send(["app", 7, {}, {"chunk": "c"}])
            assert await idle.answer() == {b"ack": b"c"}

    run(test)


def test_a_full_buffer_holds_the_sender_back() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            intake.is_open.clear()
            message = msgpack.packb(["app", 7, {"log": "x" * 100_000}])
            sent = 0
            try:
                async with asyncio.timeout(1):
                    while True:
                        sender.writer.write(message)
                        await sender.writer.drain()
                        sent += 1
            except TimeoutError:
                pass
            assert intake.chunks == []
            intake.is_open.set()
            await intake.until(sent)

    run(test)


# ── the handshake ────────────────────────────────────────────────────────────────────────────────────────────────────
def sha512(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


async def shake_hands(sender: Client, key: str, user: str = "", password: str = "") -> Any:
    kind, options = await sender.answer()
    assert kind == b"HELO"
    digest = sha512(b"salt", b"me", options[b"nonce"], key.encode())
    secret = sha512(options[b"auth"], user.encode(), password.encode())
    sender.send(["PING", "me", "salt", digest, user, secret])
    pong = await sender.answer()
    if pong is not None and pong[1]:
        assert pong[3] == b"server"
        assert pong[4].decode() == sha512(b"salt", b"server", options[b"nonce"], key.encode())
    return pong


@pytest.mark.parametrize(
    ("settings", "key", "user", "refusal"),
    [
        ({"shared_key": "secret"}, "secret", ("", ""), None),
        ({"shared_key": "secret"}, "wrong", ("", ""), b"shared_key mismatch"),
        ({"empty_shared_key": True}, "", ("", ""), None),
        ({"shared_key": "s", "users": (("ada", "pw"), ("bob", "x"))}, "s", ("bob", "x"), None),
        ({"shared_key": "s", "users": (("ada", "pw"),)}, "s", ("ada", "no"), b"username/password mismatch"),
        ({"shared_key": "s", "users": (("ada", "pw"),)}, "s", ("eve", ""), b"username/password mismatch"),
    ],
)
def test_only_who_knows_the_key_and_is_a_user_may_send(
    settings: dict[str, Any], key: str, user: tuple[str, str], refusal: bytes | None
) -> None:
    async def test(intake: HeldIntake) -> None:
        async with (
            served(intake, self_hostname="server", **settings) as (server, _),
            client(server) as sender,
        ):
            pong = await shake_hands(sender, key, *user)
            if refusal is not None:
                assert pong == [b"PONG", False, refusal, b"", b""]
                assert await sender.is_closed()
                return
            assert pong[1] is True
            sender.send(["app", 7, {}, {"chunk": "c"}])
            assert await sender.answer() == {b"ack": b"c"}

    assert len(run(test).records) == (refusal is None)


def test_who_does_not_shake_hands_is_not_heard() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, shared_key="secret") as (server, _), client(server) as sender:
            sender.send(["app", 7, {"a": 1}])
            sender.send(["app", 7, {"a": 1}])
            while await sender.answer() is not None:
                pass

    assert run(test).records == []


def test_the_key_can_be_in_a_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")

    async def test(intake: HeldIntake) -> None:
        async with served(intake, shared_key_file=str(path), self_hostname="server") as (server, _):
            async with client(server) as sender:
                assert (await shake_hands(sender, "first"))[1] is True
            path.write_text("second key\n")
            async with client(server) as sender:
                assert (await shake_hands(sender, "second key"))[1] is True

    run(test)


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"users": (("ada", "pw"),)}, "security.users"),
        ({"users": (("ada",),), "shared_key": "s"}, "security.users"),
        ({"unix_perm": "rw"}, "unix_perm"),
        ({"buffer_max_size": 10}, "buffer_max_size"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        ForwardSettings(**settings)


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(ForwardSettings(shared_key="hunter2", users=(("ada", "hunter3"),)))
    assert "hunter" not in shown


def test_a_port_in_use_is_said() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _):
            second = ForwardSettings(listen="127.0.0.1", port=server.listener.port or 0)
            with pytest.raises(
                HostError, match=r"cannot listen on 127\.0\.0\.1:\d+: .*[Aa]ddress already in use"
            ):
                await PLUGIN.build(second, InputSurroundings()).run(intake, asyncio.Event())

    run(test)
