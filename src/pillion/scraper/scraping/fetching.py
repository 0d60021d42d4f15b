"""Gets one target's pages over HTTP, in a thread (scrape/scrape.go, targetScraper)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import msgspec

from pillion.http.failure import SettingError
from pillion.http.message import Answer, NoAnswer, Request
from pillion.scraper.client import Client
from pillion.scraper.exposition import Escaping, accept_header
from pillion.scraper.scraping.failures import BodySizeError, ScrapeError
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from pillion.clock import Clock
    from pillion.scraper.configuration import ScrapeConfig
    from pillion.scraper.scraping.targets import Target

OpenFetch = Callable[["Target", "ScrapeConfig"], "Fetch"]

UNLIMITED = 256 << 20
"""Most bytes of a page without body_size_limit: some million series."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    content: bytes
    """Unpacked."""
    content_type: str


class Fetch(Protocol):
    async def fetch(self, within: float | None = None) -> Body:
        """Raises ScrapeError. `within`: less time than the timeout, in seconds."""

    def close(self) -> None:
        """A `fetch` that is under way fails."""


class HttpFetch:
    def __init__(
        self,
        url: str,
        timeout: int,
        config: ScrapeConfig,
        *,
        clock: Clock,
        environment: Mapping[str, str],
        threads: Executor,
    ) -> None:
        """`timeout`, in milliseconds, is for all of it. Raises SettingError when the URL is none."""
        self._url = url
        self._timeout = timeout / 1000
        self._threads = threads
        limit = config.body_size_limit
        # As in Prometheus, a page of just the limit is too large.
        self._client = Client(
            config.http_client,
            url,
            clock=clock,
            environment=environment,
            timeout=self._timeout,
            answer_limit=limit - 1 if limit > 0 else UNLIMITED,
        )
        self._request = Request(
            method="GET",
            path=self._client.address.path,
            body=b"",
            headers=(
                ("Accept", accept_header(config.formats, Escaping(config.metric_name_escaping_scheme))),
                ("Accept-Encoding", "gzip" if config.enable_compression else "identity"),
                ("X-Prometheus-Scrape-Timeout-Seconds", f"{self._timeout:.3f}".rstrip("0").rstrip(".")),
            ),
        )

    async def fetch(self, within: float | None = None) -> Body:
        loop = asyncio.get_running_loop()
        time_is_up = False

        def interrupt() -> None:
            nonlocal time_is_up
            time_is_up = True
            self._client.interrupt()

        seconds = self._timeout if within is None else min(within, self._timeout)
        timer = loop.call_later(seconds, interrupt)
        try:
            answer = await loop.run_in_executor(self._threads, self._client.send, self._request)
        except asyncio.CancelledError:
            self._client.interrupt()
            raise
        finally:
            timer.cancel()
        if time_is_up and isinstance(answer, NoAnswer):
            answer = NoAnswer(reason="context deadline exceeded")
        return self._judge(answer)

    def close(self) -> None:
        self._client.interrupt()
        self._client.close()

    def _judge(self, answer: Answer | NoAnswer) -> Body:
        if isinstance(answer, NoAnswer):
            raise ScrapeError(f"Get {quote(self._url)}: {answer.reason}")
        if answer.status != HTTPStatus.OK:
            raise ScrapeError(f"server returned HTTP status {_status(answer.status)}")
        if answer.is_cut:
            raise BodySizeError
        return Body(content=answer.body, content_type=answer.headers.get("content-type", ""))


class NoFetch:
    """Of a target whose URL is none."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def fetch(self, within: float | None = None) -> Body:  # noqa: ARG002 - the protocol's
        raise ScrapeError(self._reason)

    def close(self) -> None:
        """Nothing is open."""


def http_fetching(clock: Clock, environment: Mapping[str, str], threads: Executor) -> OpenFetch:
    def open_fetch(target: Target, config: ScrapeConfig) -> Fetch:
        try:
            return HttpFetch(
                target.url, target.timeout, config, clock=clock, environment=environment, threads=threads
            )
        except SettingError as error:
            return NoFetch(f"Get {quote(target.url)}: {error.reason}")

    return open_fetch


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
