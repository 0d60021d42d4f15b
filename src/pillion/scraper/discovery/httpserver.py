"""http_sd_configs: a server that tells the target groups (discovery/http, http.go)."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from pillion.errors import PeerError
from pillion.http.message import NoAnswer, Request
from pillion.scraper.client import Client
from pillion.scraper.configuration import ConfigurationError, decode_target_groups
from pillion.scraper.discovery.meta import with_meta
from pillion.units import quote

if TYPE_CHECKING:
    import logging

    from pillion.scraper.configuration import HttpSdConfig, TargetGroup
    from pillion.scraper.discovery.discovery import Publish, Surroundings

_JSON = re.compile(r'application/json(;\s*charset=("utf-8"|utf-8))?', re.IGNORECASE)


class HttpDiscovery:
    mechanism = "http"

    def __init__(self, config: HttpSdConfig, surroundings: Surroundings, log: logging.Logger) -> None:
        """Raises SettingError when the URL is none."""
        self._config = config
        self._surroundings = surroundings
        self._log = log
        self._interval = config.refresh_interval / 1000
        self._client = Client(
            config.http_client,
            config.url,
            clock=surroundings.clock,
            environment=surroundings.environment,
            timeout=self._interval,
        )

    def first(self) -> tuple[TargetGroup, ...]:
        return ()

    async def run(self, publish: Publish) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            due = loop.time()
            while True:
                await self._refresh(publish)
                due = max(due + self._interval, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            self._client.interrupt()
            self._client.close()

    async def _refresh(self, publish: Publish) -> None:
        try:
            groups = await asyncio.get_running_loop().run_in_executor(self._surroundings.threads, self._ask)
        except (PeerError, ConfigurationError) as error:
            self._log.error("cannot get target groups of %s: %s; those before stay", self._config.url, error)
            self._surroundings.counters.http_failures += 1
            self._surroundings.counters.refresh_failures[self.mechanism] += 1
            return
        publish(groups)

    def _ask(self) -> tuple[TargetGroup, ...]:
        """Raises PeerError for no answer of use, ConfigurationError for one that holds no groups."""
        request = Request(
            method="GET",
            path=self._client.address.path,
            body=b"",
            headers=(
                ("Accept", "application/json"),
                ("X-Prometheus-Refresh-Interval-Seconds", f"{self._interval:g}"),
            ),
        )
        answer = self._client.send(request)
        if isinstance(answer, NoAnswer):
            raise PeerError(answer.reason)
        if answer.status != HTTPStatus.OK:
            raise PeerError(f"server returned HTTP status {answer.status}")
        content_type = answer.headers.get("content-type", "").strip()
        if _JSON.fullmatch(content_type) is None:
            raise PeerError(f"unsupported content type {quote(content_type)}")
        return with_meta(decode_target_groups(answer.body, self._config.url), "__meta_url", self._config.url)
