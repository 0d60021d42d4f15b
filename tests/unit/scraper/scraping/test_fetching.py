"""Against a server of raw bytes that misbehaves in every way."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pillion.clock import LoopClock
from pillion.scraper.configuration import Authorization, BasicAuth, HttpClient, Secret
from pillion.scraper.configuration.schema import FilePath
from pillion.scraper.configuration.scrapeconfig import ScrapeConfig
from pillion.scraper.scraping.failures import BodySizeError, ScrapeError
from pillion.scraper.scraping.fetching import Body, HttpFetch

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def ok(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body))


def sends(data: bytes) -> Answer:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


def fetch(
    *answers: Answer,
    timeout: int = 5_000,
    path: str = "/metrics",
    between: Callable[[], None] | None = None,
    **keys: Any,
) -> tuple[list[Body | str], list[bytes]]:
    """What each of the requests gave, one after the other, and what the server was asked."""

    async def main() -> tuple[list[Body | str], list[bytes]]:
        asked: list[bytes] = []
        left = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    asked.append(head)
                    await left.pop(0)(head, writer)
                    await writer.drain()
                    if writer.is_closing():
                        return
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = ScrapeConfig(**{"job_name": "j", "metric_name_escaping_scheme": "allow-utf-8"} | keys)
        found: list[Body | str] = []
        with ThreadPoolExecutor(2) as threads:
            getter = HttpFetch(
                f"http://127.0.0.1:{port}{path}",
                timeout,
                config,
                clock=LoopClock(),
                environment={},
                threads=threads,
            )
            for _ in answers:
                try:
                    found.append(await getter.fetch())
                except BodySizeError:
                    found.append("too large")
                except ScrapeError as error:
                    found.append(str(error).replace(str(port), "PORT"))
                if between is not None:
                    between()
            getter.close()
        server.close()
        return found, asked

    return asyncio.run(asyncio.wait_for(main(), 60))


async def closes(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hangs(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def trickles(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(600):
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


def test_a_page_is_fetched_over_one_connection_with_prometheus_headers() -> None:
    found, asked = fetch(*[sends(ok(b"a 1\n", b"Content-Type: text/plain"))] * 2)
    assert found == [Body(content=b"a 1\n", content_type="text/plain")] * 2
    lines = asked[1].decode().split("\r\n")
    assert lines[0] == "GET /metrics HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:]) if name}
    assert headers["x-prometheus-scrape-timeout-seconds"] == "5"
    assert headers["accept-encoding"] == "gzip"
    assert headers["accept"].startswith("application/openmetrics-text;version=1.0.0")
    assert "pillion" in headers["user-agent"]


def test_compressed_pages_are_unpacked_and_may_be_refused() -> None:
    page = b"a 1\n" * 1000
    found, asked = fetch(sends(ok(gzip.compress(page), b"Content-Encoding: gzip")), enable_compression=False)
    assert found == [Body(content=page, content_type="")]
    assert b"accept-encoding: identity" in asked[0].lower()


@pytest.mark.parametrize(
    ("size", "expected"),
    [(99, Body(content=b"x" * 99, content_type="")), (100, "too large"), (5000, "too large")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_size_limit_is_of_the_unpacked_page(size: int, expected: Body | str, packed: bool) -> None:
    body = b"x" * size
    answer = ok(gzip.compress(body), b"Content-Encoding: gzip") if packed else ok(body)
    found, _ = fetch(sends(answer), body_size_limit=100)
    assert found == [expected]


def test_after_a_page_that_is_too_large_the_next_is_fetched() -> None:
    found, _ = fetch(sends(ok(b"x" * 100_000)), sends(ok(b"a 1\n")), body_size_limit=100)
    assert found == ["too large", Body(content=b"a 1\n", content_type="")]


MISBEHAVIOUR = [
    (
        sends(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "server returned HTTP status 404 Not Found",
    ),
    (
        sends(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
        "server returned HTTP status 500 Internal Server Error",
    ),
    (sends(b"HTTP/1.1 204 No Content\r\n\r\n"), "server returned HTTP status 204 No Content"),
    (sends(b"HTTP/1.1 799 What\r\nContent-Length: 0\r\n\r\n"), "server returned HTTP status 799"),
    (closes, 'Get "http://127.0.0.1:PORT/metrics": 127.0.0.1:PORT closed the connection before it answered'),
]


@pytest.mark.parametrize(("answer", "text"), MISBEHAVIOUR)
def test_what_is_no_page_says_what_it_is(answer: Answer, text: str) -> None:
    if answer is closes:
        found, _ = fetch(closes, closes)  # a kept connection is tried once more
        assert found[0] == text
    else:
        assert fetch(answer)[0] == [text]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        ok(b"this is not gzip", b"Content-Encoding: gzip"),
        ok(gzip.compress(b"a 1\n" * 100)[:20], b"Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000 + b"\r\n",
    ],
)
def test_what_is_no_http_is_a_failed_scrape(data: bytes) -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    found, _ = fetch(answer)
    assert isinstance(found[0], str) or found[0].content == b""


@pytest.mark.parametrize("answer", [hangs, trickles])
def test_the_timeout_is_for_all_of_it(answer: Answer) -> None:
    found, _ = fetch(answer, timeout=300)
    assert found == ['Get "http://127.0.0.1:PORT/metrics": context deadline exceeded']


def test_redirects_are_followed_unless_they_are_not_wanted() -> None:
    away = sends(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")
    page = sends(ok(b"a 1\n"))

    async def by_path(head: bytes, writer: asyncio.StreamWriter) -> None:
        await (page if b"/other" in head else away)(head, writer)

    async def first_only(head: bytes, writer: asyncio.StreamWriter) -> None:
        await by_path(head, writer)

    found, _ = fetch(first_only, http_client=HttpClient(follow_redirects=False))
    assert found == ["server returned HTTP status 302 Found"]


def test_credentials_of_files_are_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")

    def exchange() -> None:
        new = tmp_path / "new"
        new.write_text("twice")
        os.replace(new, token)  # noqa: PTH105

    client = HttpClient(authorization=Authorization(credentials_file=FilePath(str(token))))
    _, asked = fetch(*[sends(ok(b"a 1\n"))] * 2, http_client=client, between=exchange)
    assert b"Authorization: Bearer one\r\n" in asked[0]
    assert b"Authorization: Bearer twice\r\n" in asked[1]


def test_basic_auth_and_parameters_are_sent() -> None:
    client = HttpClient(basic_auth=BasicAuth(username="u", password=Secret("p")))
    _, asked = fetch(sends(ok(b"a 1\n")), http_client=client, path="/m?x=1+2")
    assert asked[0].startswith(b"GET /m?x=1+2 HTTP/1.1\r\n")
    assert b"Authorization: Basic dTpw\r\n" in asked[0]
