"""The http input over real connections: its answers, its tags, its limits, and when it says that it has something."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zstandard
from tests.plugin_lab import HeldIntake, InputSurroundings

from pillion.collector.inputs import http as module
from pillion.collector.inputs.http import PLUGIN, HttpInput, HttpSettings

JSON = "application/json"


class Answer:
    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines if line)
        self.body = body.decode()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def post(self, target: str, body: bytes, kind: str | None = JSON, **headers: str) -> Answer:
        self.send(target, body, kind, **headers)
        return await self.answer()

    def send(
        self, target: str, body: bytes, kind: str | None = JSON, method: str = "POST", **headers: str
    ) -> None:
        said = {"Host": "x", "Content-Length": str(len(body))} | ({"Content-Type": kind} if kind else {})
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        self.writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def is_closed(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    async def answer(self) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        answer = Answer(head, b"")
        body = await self.reader.readexactly(int(answer.headers.get("content-length", "0")))
        return Answer(head, body)


@asynccontextmanager
async def served(intake: HeldIntake, **settings: object) -> AsyncIterator[tuple[HttpInput, asyncio.Event]]:
    chosen = HttpSettings(**{"listen": "127.0.0.1", "port": 0} | settings)  # type: ignore[arg-type]
    served = PLUGIN.build(chosen, InputSurroundings("http.0"))
    assert isinstance(served, HttpInput)
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
async def client(served: HttpInput) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.port)
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


def exchanged(body: bytes, kind: str | None = JSON, **headers: str) -> tuple[Answer, list[dict[str, Any]]]:
    answers: list[Answer] = []

    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            answers.append(await sender.post("/", body, kind, **headers))

    intake = run(test)
    return answers[0], intake.bodies


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        pytest.param(b'{"a":1}', JSON, [{"a": 1}], id="an object"),
        pytest.param(b'[{"a":1},{"a":2}]', JSON, [{"a": 1}, {"a": 2}], id="an array"),
        pytest.param(b'{"a":1}\n{"a":2}\n', JSON, [{"a": 1}, {"a": 2}], id="lines"),
        pytest.param(b'{"a":1}{"a":2}', JSON, [{"a": 1}, {"a": 2}], id="one after the other"),
        pytest.param(b'{"a":1}\n', "application/x-ndjson", [{"a": 1}], id="lines that say so"),
        pytest.param(b'{"a":1}', "Application/JSON; charset=utf-8", [{"a": 1}], id="a charset"),
        pytest.param(
            b"a=1&b=x%20y+z&c=&=d&e&%20f=%zz",
            "application/x-www-form-urlencoded",
            [{"a": "1", "b": "x y z", "c": "", "%20f": "%zz"}],
            id="a form",
        ),
    ],
)
def test_records_are_taken(body: bytes, kind: str, expected: list[dict[str, Any]]) -> None:
    answer, bodies = exchanged(body, kind)
    assert (answer.status, answer.body) == (201, "")
    assert bodies == expected


@pytest.mark.parametrize(
    ("body", "kind", "status", "text"),
    [
        (b"{}", None, 400, "error: header 'Content-Type' is not set\n"),
        (b"{}", "text/plain", 400, "error: invalid 'Content-Type'\n"),
        (b"", JSON, 400, "error: no payload found\n"),
        (b'{"a":', JSON, 400, "error: unable to process records\n"),
        (b'{"a":1}{"a":', JSON, 400, "error: unable to process records\n"),
        (b'{"a":NaN}', JSON, 400, "error: unable to process records\n"),
        (b"[1]", JSON, 400, "error: unable to process records\n"),
        (b"3", JSON, 400, "error: unable to process records\n"),
        (b"[]", JSON, 400, "error: unable to process records\n"),
        (b"nothing", "application/x-www-form-urlencoded", 400, "error: unable to process records\n"),
    ],
)
def test_what_is_no_record_is_refused_as_a_whole(
    body: bytes, kind: str | None, status: int, text: str
) -> None:
    answer, bodies = exchanged(body, kind)
    assert (answer.status, answer.body) == (status, text)
    assert bodies == []


PAYLOAD = b'{"a":1}'


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(PAYLOAD), "gzip"),
        (zlib.compress(PAYLOAD), "deflate"),
        (zlib.compress(PAYLOAD)[2:-4], "deflate"),
        (zstandard.compress(PAYLOAD), "zstd"),
        (PAYLOAD, "identity"),
    ],
)
def test_a_payload_may_be_compressed(packed: bytes, encoding: str) -> None:
    assert exchanged(packed, Content_Encoding=encoding)[1] == [{"a": 1}]


@pytest.mark.parametrize(
    ("packed", "encoding", "status"),
    [
        (b"no gzip", "gzip", 400),
        (gzip.compress(PAYLOAD)[:-3], "gzip", 400),
        (b"no zstd", "zstd", 400),
        (PAYLOAD, "br", 415),
        (gzip.compress(b" " * 20_000_000), "gzip", 413),
        (zstandard.compress(b" " * 20_000_000), "zstd", 413),
    ],
)
def test_a_payload_that_cannot_be_unpacked_or_not_within_bounds_is_refused(
    packed: bytes, encoding: str, status: int
) -> None:
    assert exchanged(packed, Content_Encoding=encoding)[0].status == status


@pytest.mark.parametrize(
    ("target", "settings", "tag"),
    [
        ("/", {}, "http.0"),
        ("/", {"tag": "own"}, "own"),
        ("/app.log", {}, "app.log"),
        ("/app/log-x?y=1", {"tag": "own"}, "app_log_x"),
        ("/app", {"tag_key": "k"}, "from_record"),
        ("/app", {"tag_key": "$n['k']"}, "deep"),
        ("/app", {"tag_key": "missing"}, "app"),
        ("/app", {"tag_key": "number"}, "app"),
    ],
)
def test_the_tag_is_in_the_record_the_path_or_the_settings(
    target: str, settings: dict[str, str], tag: str
) -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, **settings) as (server, _), client(server) as sender:
            body = json.dumps({"k": "from record", "n": {"k": "deep"}, "number": 3}).encode()
            assert (await sender.post(target, body)).status == 201

    assert [found for found, _, _ in run(test).records] == [tag]


def test_a_connection_serves_many_requests_even_when_they_come_at_once() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            for number in range(20):
                sender.send("/", json.dumps({"n": number}).encode())
            assert [(await sender.answer()).status for _ in range(20)] == [201] * 20

    assert [body["n"] for body in run(test).bodies] == list(range(20))


def test_the_answer_comes_when_the_records_are_settled() -> None:
    async def test(intake: HeldIntake) -> None:
        async with (
            served(intake, tag_key="t") as (server, _),
            client(server) as sender,
            client(server) as other,
        ):
            waiting = asyncio.ensure_future(sender.post("/", b'[{"t":"a"},{"t":"b"}]'))
            await intake.until(2)
            assert (await other.post("/", b"no")).status == 400
            assert not waiting.done()
            intake.settle()
            assert (await waiting).status == 201

    run(test, settle_at_once=False)


def test_records_that_are_not_settled_in_time_are_asked_for_again() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, settle_timeout=0.05) as (server, _), client(server) as sender:
            answer = await sender.post("/", b'{"a":1}')
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            intake.settle()
            intake.settle_at_once = True
            assert (await sender.post("/", b'{"a":1}')).status == 201

    run(test, settle_at_once=False)


def test_a_full_buffer_is_waited_for_and_then_told() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, settle_timeout=0.05) as (server, _), client(server) as sender:
            intake.is_open.clear()
            assert (await sender.post("/", b'{"a":1}')).status == 503
            intake.is_open.set()
            assert (await sender.post("/", b'{"a":2}')).status == 201

    assert run(test).bodies == [{"a": 2}]


def test_a_stop_does_not_wait_for_answers_but_gives_them() -> None:
    async def main() -> None:
        intake = HeldIntake(settle_at_once=False)
        settings = HttpSettings(listen="127.0.0.1", port=0)
        server = PLUGIN.build(settings, InputSurroundings("http.0"))
        assert isinstance(server, HttpInput)
        stopping = asyncio.Event()
        async with asyncio.timeout(60):
            running = asyncio.ensure_future(server.run(intake, stopping))
            await server.listener.is_listening.wait()
            async with client(server) as sender:
                sender.send("/", b'{"a":1}')
                await intake.until(1)
                stopping.set()
                await running
                intake.settle()
                assert (await sender.answer()).status == 201
                await server.close()
        assert intake.bodies == [{"a": 1}]

    asyncio.run(main())


@pytest.mark.parametrize("code", [200, 201, 204])
def test_the_status_and_headers_of_good_answers_are_chosen(code: int) -> None:
    async def test(intake: HeldIntake) -> None:
        chosen = {"successful_response_code": code, "success_header": (("X-A", "b c"), ("X-D", "e"))}
        async with served(intake, **chosen) as (server, _), client(server) as sender:
            for _ in range(2):
                answer = await sender.post("/", b"{}")
                assert (answer.status, answer.headers["x-a"], answer.headers["x-d"]) == (code, "b c", "e")

    run(test)


def test_another_status_becomes_201_as_in_fluent_bit() -> None:
    built = PLUGIN.build(HttpSettings(successful_response_code=299), InputSurroundings())
    assert isinstance(built, HttpInput)
    assert built.settings.successful_response_code == 201


def test_the_clients_address_is_added_when_asked() -> None:
    async def test(intake: HeldIntake) -> None:
        settings = {"add_remote_addr": True, "remote_addr_key": "from"}
        async with served(intake, **settings) as (server, _), client(server) as sender:
            await sender.post("/", b'[{},{"from":"kept"}]')
            await sender.post("/", b"{}", X_Forwarded_For="10.0.0.7 , 10.0.0.1")

    assert run(test).bodies == [{"from": "127.0.0.1"}, {"from": "kept"}, {"from": "10.0.0.7"}]


def test_text_that_is_no_utf8_is_replaced_and_counted() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            assert (await sender.post("/", b'[{"a":"\xff"},{"a":"b"}]')).status == 201
            assert server.context.status.invalid_utf8 == 1

    assert run(test).bodies == [{"a": "�"}, {"a": "b"}]


def test_other_methods_are_refused_and_health_is_told_when_asked() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, enable_health_endpoint=True) as (server, _), client(server) as sender:
            sender.send("/", b"", method="PUT")
            answer = await sender.answer()
            assert (answer.status, answer.body) == (400, "error: invalid HTTP method\n")
            sender.send("/health", b"", method="GET")
            assert (await sender.answer()).status == 200

    run(test)


def test_what_is_no_http_is_refused_and_closed() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            sender.writer.write(b"what?\r\n\r\n")
            assert (await sender.answer()).status == 400
            assert await sender.reader.read() == b""

    run(test)


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_payload_beyond_the_limit_is_refused(is_announced: bool) -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, buffer_max_size=1000) as (server, _), client(server) as sender:
            if is_announced:
                sender.send("/", b"x" * 2000)
            else:
                head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json"
                sender.writer.write(head + b"\r\n\r\n7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
            assert (await sender.answer()).status == 413

    assert run(test).records == []


def test_a_client_may_ask_before_it_sends() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as sender:
            sender.writer.write(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                b"Expect: 100-continue\r\n\r\n"
            )
            assert (await sender.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            sender.writer.write(b"{}")
            assert (await sender.answer()).status == 201

    run(test)


def test_payloads_of_many_clients_are_bounded_together() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, buffer_max_size=1000) as (server, _):
            connections = [await asyncio.open_connection("127.0.0.1", server.listener.port) for _ in range(6)]
            for _, writer in connections:
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 900)
            answers = [asyncio.ensure_future(reader.readline()) for reader, _ in connections]
            done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
            assert b"503" in next(iter(done)).result()
            for _, writer in connections:
                writer.close()
            await asyncio.wait(answers)

    run(test)


def test_who_stops_in_the_middle_of_a_request_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REQUEST", 0.05)

    async def test(intake: HeldIntake) -> None:
        async with served(intake) as (server, _), client(server) as slow, client(server) as idle:
            slow.writer.write(b"POST / HTTP/1.1\r\nHost:")
            assert await slow.is_closed()
            assert (await idle.post("/", b"{}")).status == 201

    run(test)


def test_no_more_connections_than_allowed() -> None:
    async def test(intake: HeldIntake) -> None:
        async with served(intake, max_connections=1) as (server, _), client(server) as first:
            assert (await first.post("/", b"{}")).status == 201
            async with client(server) as second:
                assert await second.is_closed()
            assert (await first.post("/", b"{}")).status == 201

    run(test)


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"success_header": (("X",),)}, "success_header"),
        ({"buffer_max_size": 0}, "buffer_max_size"),
        ({"tag_key": "$"}, "tag_key"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        HttpSettings(**settings)
